//! Health endpoints: liveness and readiness of the process.
//!
//! `/livez` reports liveness and `/readyz` readiness. `/healthz` reports both, and with `?verbose` also every check. A supervisor needs
//! only the HTTP status, which is 200 or 503; the JSON body has the details for a person.
//! Invariant: the status is 200 exactly if the process is live (`/livez`), ready (`/readyz`), or both (`/healthz`).
//! Not here: the checks, which the caller provides.
use axum::{
    Json,
    extract::{RawQuery, State},
    http::StatusCode,
};
use serde::Serialize;
use std::sync::Arc;

/// Health of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// False if the process must be restarted.
    pub live: bool,
    /// False while the process is not ready yet, for example while it restores state. This is no reason to restart it.
    pub ready: bool,
    pub checks: Vec<Check>,
}

/// Result of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    pub name: String,
    pub ok: bool,
    /// What the check found, for a person.
    pub detail: String,
}

/// A function that determines the health of the process. It is called for each request and must not block.
pub type Probe = Arc<dyn Fn() -> Health + Send + Sync>;

#[derive(Serialize)]
pub struct HealthBody {
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

pub async fn livez(State(probe): State<Probe>) -> (StatusCode, Json<HealthBody>) {
    response(probe().live, None)
}

pub async fn readyz(State(probe): State<Probe>) -> (StatusCode, Json<HealthBody>) {
    response(probe().ready, None)
}

pub async fn healthz(
    State(probe): State<Probe>,
    RawQuery(query): RawQuery,
) -> (StatusCode, Json<HealthBody>) {
    let Health { live, ready, checks } = probe();
    let mut parameters = query.iter().flat_map(|query| query.split('&'));
    let is_verbose = parameters.any(|parameter| parameter.split('=').next() == Some("verbose"));
    response(live && ready, Some(Summary { live, ready, checks: is_verbose.then_some(checks) }))
}

fn response(ok: bool, summary: Option<Summary>) -> (StatusCode, Json<HealthBody>) {
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(HealthBody { ok, summary }))
}
