//! The rows of the live warehouse that a replay would change.
//!
//! Invariant: warehouses are compared only if the replay has caught up with the live loaders.
//! Not here: comparing rows (`sinks::diff`).
use super::{
    manifest::Replay,
    status::{ensure_comparable, status},
};
use crate::{app::App, namespace::Namespace};
use anyhow::Result;
use serde::Serialize;
use sinks::diff::{Comparison, compare};

/// The difference between the live warehouse and that of a replay.
#[derive(Serialize)]
pub struct DiffReport {
    pub namespace: String,
    pub from: String,
    pub to: String,
    pub equal: bool,
    /// If false, a difference may be due to a record that the live processors or the live sink have not processed yet.
    pub live_caught_up: bool,
    #[serde(flatten)]
    pub comparison: Comparison,
}

/// Compares the live warehouse with that of a replay, and lists at most `limit` differing rows.
///
/// # Errors
/// If there is no such replay, it has not caught up or was started with another warehouse, or a log or warehouse cannot be read.
pub fn diff(app: &App, namespace: &Namespace, limit: usize) -> Result<DiffReport> {
    let replay = Replay::load(app, namespace)?;
    let status = status(app, &replay)?;
    ensure_comparable(&replay, &status)?;
    replay.ensure_same_warehouse(app)?;
    let live_queries = app.warehouse().reader()?;
    let replay_queries = app.replay_warehouse(namespace).reader()?;
    let comparison = compare(&live_queries.snapshot()?, &replay_queries.snapshot()?, replay.dates, limit)?;
    Ok(DiffReport {
        namespace: namespace.to_string(),
        from: replay.dates.from.to_string(),
        to: replay.dates.to.to_string(),
        equal: comparison.is_equal(),
        live_caught_up: status.live_caught_up,
        comparison,
    })
}
