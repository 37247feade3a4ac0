//! The reports of replays: dates and status.
//!
//! Invariant: read-only.
//! Not here: the status (`status`).
use super::{
    manifest::Replay,
    status::{ReplayStatus, status},
};
use crate::app::App;
use anyhow::Result;
use serde::Serialize;
use std::time::Instant;

/// A replay and its status.
#[derive(Serialize)]
pub struct ReplayReport {
    pub namespace: String,
    pub from: String,
    pub to: String,
    #[serde(flatten)]
    pub status: ReplayStatus,
    /// Duration of this run; `None` in a list of replays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// The command that resumes the replay.
    #[serde(skip)]
    pub command: String,
}
impl ReplayReport {
    /// Determines the status of a replay; `started` is the start of the run that just ended, if there was one.
    pub(super) fn new(app: &App, replay: &Replay, started: Option<Instant>) -> Result<ReplayReport> {
        let seconds = started.map(|started| started.elapsed().as_secs_f64());
        Ok(ReplayReport {
            namespace: replay.namespace.to_string(),
            from: replay.dates.from.to_string(),
            to: replay.dates.to.to_string(),
            status: status(app, replay)?,
            seconds,
            command: replay.command(),
        })
    }
}

/// Returns all replays and their status, in the order of their names.
///
/// # Errors
/// If a manifest or a log cannot be read.
pub fn list(app: &App) -> Result<Vec<ReplayReport>> {
    app.log_target().ensure_exists()?;
    Replay::all(app)?.iter().map(|replay| ReplayReport::new(app, replay, None)).collect()
}
