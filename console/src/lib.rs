//! The console: over HTTP, whether a running process lives and is ready.
//!
//! `/livez` says whether the process turns; `/readyz`, whether it does its work; `/healthz` both, and with `?verbose` every check.
//! Each answers 200 or 503 with JSON, so a supervisor needs only the status and a person has the reasons.
//! Invariant: the status is 200 exactly when what the path asks for is true. It reads what it is given and never the engine's
//! inside, and listens where the caller says and nowhere by itself.
//! Not here: what is checked (the caller's), lag and coverage.
use axum::{
    Json, Router,
    extract::{RawQuery, State},
    http::StatusCode,
    routing::get,
};
use serde::Serialize;
use std::{
    future::Future,
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

/// How a process is.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// Takes the address, apart from [`serve`], so that one that cannot be had is an error before anything runs.
pub fn bind(addr: SocketAddr) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(addr)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Answers until `stop` is there. Nothing is waited for then: a client that says nothing must not keep the process.
pub async fn serve(
    listener: TcpListener,
    health: Probe,
    stop: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let router = Router::new()
        .route("/livez", get(async |State(health): State<Probe>| answer(health().live, None)))
        .route("/readyz", get(async |State(health): State<Probe>| answer(health().ready, None)))
        .route("/healthz", get(healthz))
        .with_state(health);
    tokio::select! {
        served = async { axum::serve(listener, router).await } => served,
        () = stop => Ok(()),
    }
}

#[derive(Serialize)]
struct Answer {
    ok: bool,
    #[serde(flatten)]
    summary: Option<Summary>,
}
#[derive(Serialize)]
struct Summary {
    live: bool,
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    checks: Option<Vec<Check>>,
}

async fn healthz(State(health): State<Probe>, RawQuery(query): RawQuery) -> (StatusCode, Json<Answer>) {
    let Health { live, ready, checks } = health();
    let mut asked = query.iter().flat_map(|query| query.split('&'));
    let is_verbose = asked.any(|part| part.split('=').next() == Some("verbose"));
    answer(live && ready, Some(Summary { live, ready, checks: is_verbose.then_some(checks) }))
}

fn answer(ok: bool, summary: Option<Summary>) -> (StatusCode, Json<Answer>) {
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Answer { ok, summary }))
}
