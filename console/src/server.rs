//! The endpoint: three paths over one probe.
//!
//! Invariant: the status is 200 exactly when what the path asks for is true.
//! Not here: threads and runtimes.
use crate::{Check, Health, Probe};
use axum::{
    Json, Router,
    extract::{RawQuery, State},
    http::StatusCode,
    routing::get,
};
use serde::Serialize;
use std::{future::Future, net::TcpListener};

#[derive(Serialize)]
struct Answer {
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<Summary>,
}
#[derive(Serialize)]
struct Summary {
    live: bool,
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    checks: Option<Vec<Check>>,
}

pub(crate) async fn answer(
    listener: TcpListener,
    health: Probe,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let router = Router::new()
        .route("/livez", get(async |State(health): State<Probe>| status(health().live, None)))
        .route("/readyz", get(async |State(health): State<Probe>| status(health().ready, None)))
        .route("/healthz", get(healthz))
        .with_state(health);
    tokio::select! {
        served = async { axum::serve(listener, router).await } => served,
        // Nothing is waited for: a client that says nothing must not keep the process.
        () = stop => Ok(()),
    }
}

async fn healthz(State(health): State<Probe>, RawQuery(query): RawQuery) -> (StatusCode, Json<Answer>) {
    let Health { live, ready, checks } = health();
    let is_verbose =
        query.is_some_and(|query| query.split('&').any(|part| part.split('=').next() == Some("verbose")));
    status(live && ready, Some(Summary { live, ready, checks: is_verbose.then_some(checks) }))
}

fn status(ok: bool, health: Option<Summary>) -> (StatusCode, Json<Answer>) {
    let code = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(Answer { ok, health }))
}
