//! The console: over HTTP, a page on how the processors do, their metrics, and whether the process lives and is ready.
//!
//! `/` is the page and `/events` keeps it current; `/processors` is what it shows, as JSON; `/metrics` is for Prometheus; `/livez`, `/readyz`
//! and `/healthz` are for whoever supervises the process. One listener serves all.
//! Invariant: it reads what it is given and never the engine's inside, changes nothing, and listens where the caller says and nowhere
//! by itself.
//! Not here: what is shown and checked (the caller's).
mod health;
mod page;
mod processors;

use axum::{
    Router,
    extract::FromRef,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
pub use health::{Check, Health, Probe};
pub use processors::{Feed, Input, ProcessorStatus, ProcessorStatuses, Publisher, feed};
use std::{
    future::Future,
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

/// The metrics in the OpenMetrics text format; an error's text when they cannot be written down.
pub type Exposition = Arc<dyn Fn() -> Result<String, String> + Send + Sync>;

/// What is served.
#[derive(Clone)]
pub struct Console {
    pub health: Probe,
    pub metrics: Exposition,
    pub processors: Feed,
}
impl FromRef<Console> for Probe {
    fn from_ref(console: &Console) -> Probe {
        console.health.clone()
    }
}
impl FromRef<Console> for Feed {
    fn from_ref(console: &Console) -> Feed {
        console.processors.clone()
    }
}

/// Takes the address, apart from [`serve`], so that one that cannot be had is an error before anything runs.
pub fn bind(addr: SocketAddr) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(addr)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Answers until `stop` is there. Nothing is waited for then: a client that says nothing must not keep the process.
pub async fn serve(
    listener: TcpListener,
    console: Console,
    stop: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let exposition = console.metrics.clone();
    let router = Router::new()
        .route("/", get(page::html))
        .route("/console.css", get(page::css))
        .route("/console.js", get(page::js))
        .route("/events", get(processors::events))
        .route("/processors", get(processors::processors))
        .route("/metrics", get(async move || metrics(&exposition)))
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/healthz", get(health::healthz))
        .with_state(console);
    tokio::select! {
        served = async { axum::serve(listener, router).await } => served,
        () = stop => Ok(()),
    }
}

fn metrics(exposition: &Exposition) -> Response {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match exposition() {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(reason) => (StatusCode::INTERNAL_SERVER_ERROR, reason).into_response(),
    }
}
