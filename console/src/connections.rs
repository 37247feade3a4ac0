//! Accepting connections, and limits on them.
//!
//! Each connection serves one request, whose head must arrive within [`HEAD_TIMEOUT`]. At most [`MAX_CONNECTIONS`] are open: one more
//! closes the oldest one. So neither clients that send nothing nor clients that read nothing keep a supervisor's request waiting; a
//! browser whose stream was closed connects again by itself.
//! Invariant: the console has at most [`MAX_CONNECTIONS`] open connections.
//! Not here: what is served (crate root).
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{collections::VecDeque, io, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// Maximum number of open connections.
pub const MAX_CONNECTIONS: usize = 256;
/// Maximum time from the start of a connection until the head of its request is complete.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Wait after a failed accept, for example because the process has too many open files: the same error would follow at once.
const ACCEPT_RETRY: Duration = Duration::from_secs(1);

/// The open connections, oldest first. They are closed when this value is dropped.
#[derive(Default)]
struct Connections(VecDeque<JoinHandle<()>>);
impl Connections {
    fn add(&mut self, connection: JoinHandle<()>) {
        self.0.retain(|connection| !connection.is_finished());
        if self.0.len() >= MAX_CONNECTIONS
            && let Some(oldest) = self.0.pop_front()
        {
            oldest.abort();
        }
        self.0.push_back(connection);
    }
}
impl Drop for Connections {
    fn drop(&mut self) {
        for connection in &self.0 {
            connection.abort();
        }
    }
}

/// Serves connections until the future is dropped, which closes all connections.
pub async fn serve(listener: TcpListener, router: Router) {
    let mut connections = Connections::default();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => connections.add(tokio::spawn(serve_request(stream, router.clone()))),
            Err(error) if is_of_connection(&error) => {}
            Err(_) => tokio::time::sleep(ACCEPT_RETRY).await,
        }
    }
}

/// True if an error concerns only the connection that was to be accepted.
fn is_of_connection(error: &io::Error) -> bool {
    let kinds =
        [io::ErrorKind::ConnectionRefused, io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionReset];
    kinds.contains(&error.kind())
}

async fn serve_request(stream: TcpStream, router: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    // An error means that the client closed the connection, sent no valid request or none in time. It concerns no one else.
    let _ = connection.await;
}
