//! The console: over HTTP, whether a running process lives and is ready.
//!
//! `/livez` says whether the process turns; `/readyz`, whether it does its work; `/healthz` both, and with `?verbose` every check.
//! Each answers 200 or 503 with JSON, so a supervisor needs only the status and a person has the reasons.
//! Invariant: it reads what it is given and never the engine's inside; it listens where the caller says, and nowhere by itself.
//! Not here: what is checked (the caller's), lag and coverage.
mod server;

use serde::Serialize;
use std::{
    future::Future,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread::JoinHandle,
};
use tokio::sync::oneshot;

/// Where a caller with no wish of his own listens: this machine alone.
pub const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8780);

/// How a process is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Health {
    /// It turns. When not, it should be started again.
    pub live: bool,
    /// It does its work. When not, it should be left alone until it does.
    pub ready: bool,
    pub checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    pub name: String,
    pub ok: bool,
    /// What was found and how old it is, for a person.
    pub detail: String,
}

/// Looks at the process. It is called at each request and must not block.
pub type Probe = Arc<dyn Fn() -> Health + Send + Sync>;

/// Answers on this address until `stop` is there, on the caller's runtime.
///
/// # Errors
/// When the address cannot be had.
pub async fn serve(
    addr: SocketAddr,
    health: Probe,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    server::answer(bind(addr)?, health, stop).await
}

/// The endpoint on a thread of its own, for a process that is otherwise not asynchronous. Dropping it ends it.
pub struct Server {
    addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}
impl Server {
    /// # Errors
    /// When the address cannot be had.
    pub fn start(addr: SocketAddr, health: Probe) -> std::io::Result<Server> {
        let listener = bind(addr)?;
        let addr = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let work = move || {
            runtime.block_on(server::answer(listener, health, async {
                // A sender that is gone asks to stop as well.
                _ = stopped.await;
            }))
        };
        let thread = std::thread::Builder::new().name("console".into()).spawn(work)?;
        Ok(Server { addr, stop: Some(stop), thread: Some(thread) })
    }
    /// Where it listens: the port found, when 0 was asked for.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}
impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        // A thread that ended early has nothing more to say here: its address was had, and requests to it fail.
        self.thread.take().map(JoinHandle::join);
    }
}

fn bind(addr: SocketAddr) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(addr)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
