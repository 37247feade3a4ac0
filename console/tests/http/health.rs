//! Health requests over TCP, as a supervisor sends them.
//!
//! Invariant: a supervisor needs only the HTTP status; the body has the details for a person.
//! Not here: the checks of a running process.
use crate::common::Server;
use std::{
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

fn get(server: &Server, line: &str) -> (u16, String) {
    let (status, _, body) = server.request(line);
    (status, body)
}

#[test]
fn liveness_and_readiness_are_independent() {
    let ready = Arc::new(AtomicBool::new(false));
    let server = Server::start(&ready);
    assert_eq!(get(&server, "GET /livez"), (200, r#"{"ok":true}"#.into()));
    assert_eq!(get(&server, "GET /readyz"), (503, r#"{"ok":false}"#.into()));
    let summary = r#"{"ok":false,"live":true,"ready":false}"#;
    assert_eq!(get(&server, "GET /healthz"), (503, summary.into()));
    ready.store(true, Ordering::SeqCst);
    assert_eq!(get(&server, "GET /readyz").0, 200);
    assert_eq!(get(&server, "GET /healthz").0, 200);
}

#[test]
fn verbose_names_every_check() {
    let server = Server::ready();
    let (status, body) = get(&server, "GET /healthz?verbose");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 200);
    assert_eq!(body["checks"][0]["name"], "caught-up");
    assert_eq!(body["checks"][0]["detail"], "3 records behind, 2 s");
}

#[test]
fn other_paths_and_methods_are_rejected() {
    let server = Server::ready();
    assert_eq!(get(&server, "GET /nowhere").0, 404);
    assert_eq!(get(&server, "POST /livez").0, 405);
}

#[test]
fn an_idle_client_does_not_delay_shutdown() {
    let server = Server::ready();
    let address = server.address;
    let _idle = TcpStream::connect(address).unwrap();
    server.stop();
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn an_address_in_use_is_an_error_at_bind() {
    let server = Server::ready();
    assert!(console::bind(server.address).is_err());
}
