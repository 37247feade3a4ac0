//! Requests over TCP, as a supervisor makes them.
//!
//! Invariant: the status alone tells; the body has the reasons.
//! Not here: what a running Fastbreak checks.
#![allow(clippy::unwrap_used)]
mod common;
use common::Server;
use std::{
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

fn ask(server: &Server, line: &str) -> (u16, String) {
    let (status, _, body) = server.request(line);
    (status, body)
}

#[test]
fn liveness_and_readiness_are_independent() {
    let ready = Arc::new(AtomicBool::new(false));
    let server = Server::start(&ready);
    assert_eq!(ask(&server, "GET /livez"), (200, r#"{"ok":true}"#.into()));
    assert_eq!(ask(&server, "GET /readyz"), (503, r#"{"ok":false}"#.into()));
    let summary = r#"{"ok":false,"live":true,"ready":false}"#;
    assert_eq!(ask(&server, "GET /healthz"), (503, summary.into()));
    ready.store(true, Ordering::SeqCst);
    assert_eq!(ask(&server, "GET /readyz").0, 200);
    assert_eq!(ask(&server, "GET /healthz").0, 200);
}

#[test]
fn verbose_names_every_check() {
    let server = Server::ready();
    let (status, body) = ask(&server, "GET /healthz?verbose");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 200);
    assert_eq!(body["checks"][0]["name"], "caught-up");
    assert_eq!(body["checks"][0]["detail"], "3 records behind, 2 s");
}

#[test]
fn other_paths_and_methods_are_refused() {
    let server = Server::ready();
    assert_eq!(ask(&server, "GET /nowhere").0, 404);
    assert_eq!(ask(&server, "POST /livez").0, 405);
}

#[test]
fn a_silent_client_does_not_delay_shutdown() {
    let server = Server::ready();
    let addr = server.addr;
    let _silent = TcpStream::connect(addr).unwrap();
    server.stop();
    assert!(TcpStream::connect(addr).is_err());
}

#[test]
fn an_address_that_is_taken_is_an_error_at_once() {
    let server = Server::ready();
    assert!(console::bind(server.addr).is_err());
}
