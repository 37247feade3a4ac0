//! The console: status page, metrics and health of a running process, over HTTP.
//!
//! `/` is the page, which is updated from `/events`; `/processors` has the same data as JSON; `/metrics` is for Prometheus; `/livez`,
//! `/readyz` and `/healthz` are for a supervisor such as systemd or Kubernetes. One listener serves all.
//! Invariant: read-only. The console has no access to the engine, only to the data that the caller provides, and listens only on the
//! caller's address. The page and its data are served only to allowed hosts; metrics and health, which a scraper or a supervisor may
//! request by any name, to all.
//! Not here: sampling the data and the checks (the caller).
mod connections;
mod health;
mod hosts;
mod page;
mod processors;

use axum::{
    Router,
    extract::FromRef,
    http::{StatusCode, header},
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::get,
};
pub use connections::{HEAD_TIMEOUT, MAX_CONNECTIONS};
pub use health::{Check, Health, Probe};
pub use hosts::AllowedHosts;
pub use processors::{Feed, Input, ProcessorStatus, ProcessorStatuses, Publisher, feed};
use std::{
    future::Future,
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

/// A function that returns the metrics in the OpenMetrics text format, or an error message.
pub type Exposition = Arc<dyn Fn() -> Result<String, String> + Send + Sync>;

/// The sources of the data that the console serves: functions that it calls on request, and a channel.
#[derive(Clone)]
pub struct Console {
    pub health: Probe,
    pub metrics: Exposition,
    pub processors: Feed,
    pub hosts: AllowedHosts,
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

/// Binds the address. The caller can do this before it starts the processors and calls [`serve`], so that an address in use is reported
/// early.
///
/// # Errors
/// If the address is not available.
pub fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Serves requests until `stop` completes, then returns without waiting for open connections: an idle client must not delay the end of
/// the process.
///
/// # Errors
/// If the listener cannot be used by the asynchronous runtime.
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
        .layer(from_fn_with_state(console.hosts.clone(), hosts::check))
        .route("/metrics", get(async move || metrics(&exposition)))
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/healthz", get(health::healthz))
        .with_state(console);
    tokio::select! {
        () = connections::serve(listener, router) => {}
        () = stop => {}
    }
    Ok(())
}

fn metrics(exposition: &Exposition) -> Response {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match exposition() {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(reason) => (StatusCode::INTERNAL_SERVER_ERROR, reason).into_response(),
    }
}
