//! Requests over TCP, as a supervisor makes them.
//!
//! Invariant: the status alone tells; the body has the reasons.
//! Not here: what a running Fastbreak checks.
#![allow(clippy::unwrap_used)]
use console::{Check, Health, Probe};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};
use tokio::sync::oneshot;

/// The endpoint on a thread of its own.
struct Server {
    addr: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}
impl Server {
    /// Over a process that is live, and ready when told so.
    fn start(ready: &Arc<AtomicBool>) -> Server {
        let ready = ready.clone();
        let probe: Probe = Arc::new(move || {
            let ready = ready.load(Ordering::SeqCst);
            let check = Check { name: "caught-up".into(), ok: ready, detail: "3 records behind, 2 s".into() };
            Health { live: true, ready, checks: vec![check] }
        });
        let listener = console::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let addr = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let stopped = async { stopped.await.unwrap() };
        let work = move || runtime.block_on(console::serve(listener, probe, stopped)).unwrap();
        Server { addr, stop, thread: std::thread::spawn(work) }
    }
    fn stop(self) {
        self.stop.send(()).unwrap();
        self.thread.join().unwrap();
    }
}

fn request(addr: SocketAddr, line: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(addr).unwrap();
    write!(stream, "{line} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[test]
fn a_live_process_that_is_not_ready_says_both() {
    let ready = Arc::new(AtomicBool::new(false));
    let server = Server::start(&ready);
    assert_eq!(request(server.addr, "GET /livez"), (200, r#"{"ok":true}"#.into()));
    assert_eq!(request(server.addr, "GET /readyz"), (503, r#"{"ok":false}"#.into()));
    let summary = r#"{"ok":false,"live":true,"ready":false}"#;
    assert_eq!(request(server.addr, "GET /healthz"), (503, summary.into()));
    ready.store(true, Ordering::SeqCst);
    assert_eq!(request(server.addr, "GET /readyz").0, 200);
    assert_eq!(request(server.addr, "GET /healthz").0, 200);
}

#[test]
fn verbose_names_every_check() {
    let server = Server::start(&Arc::new(AtomicBool::new(true)));
    let (status, body) = request(server.addr, "GET /healthz?verbose");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 200);
    assert_eq!(body["checks"][0]["name"], "caught-up");
    assert_eq!(body["checks"][0]["detail"], "3 records behind, 2 s");
}

#[test]
fn other_paths_and_methods_are_refused() {
    let server = Server::start(&Arc::new(AtomicBool::new(true)));
    assert_eq!(request(server.addr, "GET /").0, 404);
    assert_eq!(request(server.addr, "POST /livez").0, 405);
}

#[test]
fn a_client_that_says_nothing_does_not_hold_up_the_end() {
    let server = Server::start(&Arc::new(AtomicBool::new(true)));
    let addr = server.addr;
    let _silent = TcpStream::connect(addr).unwrap();
    server.stop();
    assert!(TcpStream::connect(addr).is_err());
}

#[test]
fn an_address_that_is_taken_is_an_error_at_once() {
    let server = Server::start(&Arc::new(AtomicBool::new(true)));
    assert!(console::bind(server.addr).is_err());
}
