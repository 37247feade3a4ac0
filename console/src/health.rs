//! Health: whether the process turns, and whether it does its work.
//!
//! `/livez` says the first, `/readyz` the second; `/healthz` both, and with `?verbose` every check. Each answers 200 or 503 with JSON, so
//! a supervisor needs only the status and a person has the reasons.
//! Invariant: the status is 200 exactly when what the path asks for is true.
//! Not here: what is checked (the caller's).
use axum::{
    Json,
    extract::{RawQuery, State},
    http::StatusCode,
};
use serde::Serialize;
use std::sync::Arc;

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

#[derive(Serialize)]
pub struct Answer {
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

pub async fn livez(State(health): State<Probe>) -> (StatusCode, Json<Answer>) {
    answer(health().live, None)
}

pub async fn readyz(State(health): State<Probe>) -> (StatusCode, Json<Answer>) {
    answer(health().ready, None)
}

pub async fn healthz(State(health): State<Probe>, RawQuery(query): RawQuery) -> (StatusCode, Json<Answer>) {
    let Health { live, ready, checks } = health();
    let mut asked = query.iter().flat_map(|query| query.split('&'));
    let is_verbose = asked.any(|part| part.split('=').next() == Some("verbose"));
    answer(live && ready, Some(Summary { live, ready, checks: is_verbose.then_some(checks) }))
}

fn answer(ok: bool, summary: Option<Summary>) -> (StatusCode, Json<Answer>) {
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Answer { ok, summary }))
}
