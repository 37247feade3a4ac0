//! The reports of replays: dates and status.
//!
//! Invariant: read-only.
//! Not here: the status (`status`).
use super::{
    manifest::Replay,
    status::{ReplayStatus, status},
};
use crate::{app::App, error_chain::error_chain};
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

/// A replay in a list of replays.
#[derive(Serialize)]
#[serde(untagged)]
pub enum ListedReplay {
    Readable(Box<ReplayReport>),
    /// The manifest or the log of the replay cannot be read.
    Unreadable {
        namespace: String,
        error: String,
    },
}

/// Returns all replays and their status, in the order of their names.
///
/// # Errors
/// If the live log cannot be read.
pub fn list(app: &App) -> Result<Vec<ListedReplay>> {
    app.open_log_read_only()?;
    let mut replays = Vec::new();
    for namespace in Replay::namespaces(app)? {
        let report = Replay::find(app, &namespace)
            .and_then(|replay| replay.map(|replay| ReplayReport::new(app, &replay, None)).transpose());
        replays.extend(match report {
            Ok(report) => report.map(|report| ListedReplay::Readable(Box::new(report))),
            Err(error) => {
                let (namespace, error) = (namespace.to_string(), error_chain(&error));
                Some(ListedReplay::Unreadable { namespace, error })
            }
        });
    }
    Ok(replays)
}
