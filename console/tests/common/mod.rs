//! A console on its own thread, and a minimal HTTP client for its tests.
#![allow(dead_code, clippy::unwrap_used)]
use console::{AllowedHosts, Check, Console, Health, Probe, Publisher};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};
use tokio::sync::oneshot;

pub struct Server {
    pub address: SocketAddr,
    pub publisher: Publisher,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}
impl Server {
    /// Starts a console for a process that is live, and ready while `ready` is true.
    pub fn start(ready: &Arc<AtomicBool>) -> Server {
        let ready = ready.clone();
        let health: Probe = Arc::new(move || {
            let ready = ready.load(Ordering::SeqCst);
            let check = Check { name: "caught-up".into(), ok: ready, detail: "3 records behind, 2 s".into() };
            Health { live: true, ready, checks: vec![check] }
        });
        let (publisher, processors) = console::feed();
        let metrics = Arc::new(|| Ok("# TYPE x gauge\nx 1\n# EOF\n".to_owned()));
        let hosts = AllowedHosts::new(["stats.example".to_owned()]);
        let console = Console { health, metrics, processors, hosts };
        let listener = console::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let stopped = async { stopped.await.unwrap() };
        let work = move || runtime.block_on(console::serve(listener, console, stopped)).unwrap();
        Server { address, publisher, stop, thread: std::thread::spawn(work) }
    }
    pub fn ready() -> Server {
        Server::start(&Arc::new(AtomicBool::new(true)))
    }
    pub fn stop(self) {
        self.stop.send(()).unwrap();
        self.thread.join().unwrap();
    }
    pub fn connect(&self, line: &str) -> TcpStream {
        self.connect_as(line, "localhost")
    }
    /// Sends a request with a header `Host`.
    pub fn connect_as(&self, line: &str, host: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(stream, "{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
        stream
    }
    /// Sends a request and returns status, headers and body.
    pub fn request(&self, line: &str) -> (u16, String, String) {
        self.request_as(line, "localhost")
    }
    /// Sends a request with a header `Host` and returns status, headers and body.
    pub fn request_as(&self, line: &str, host: &str) -> (u16, String, String) {
        let mut text = String::new();
        self.connect_as(line, host).read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_lowercase(), body.to_owned())
    }
}
