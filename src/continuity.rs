//! Whether the log continues the batches of its warehouse, for `audit` and `doctor`.
//!
//! Invariant: read-only; a rebuild that a process is doing at the moment is no problem.
//! Not here: the comparison (`sinks::continuity`), what the sink does about it (`sinks::task`).
use crate::{app::App, await_done::await_done};
use anyhow::Result;
use runtime::LogBackend;
use sinks::{
    Warehouse,
    continuity::{Continuity, ContinuityCheck, DIVERGED, has_written, lost_log},
};

/// Compares the newest batch of the warehouse, which this log must own, with the newest plan of the log. Without a warehouse, checks that
/// the log has written nothing to one.
///
/// # Errors
/// If log or warehouse cannot be read.
pub fn continuity(log: &mut dyn LogBackend, warehouse: Option<&dyn Warehouse>) -> Result<Continuity> {
    let Some(warehouse) = warehouse else {
        return Ok(if has_written(log)? { Continuity::Removed } else { Continuity::Continues });
    };
    let mut check = ContinuityCheck::default();
    await_done(|| check.check(log, warehouse))
}

/// Returns the problem and what to do about it; `None` if there is no problem.
///
/// # Errors
/// If the log cannot be read.
pub fn problem(app: &App, log: &mut dyn LogBackend, continuity: Continuity) -> Result<Option<String>> {
    Ok(match continuity {
        Continuity::Continues => None,
        Continuity::Rebuilding if is_sink_running(app, log)? => None,
        Continuity::Rebuilding => Some(
            "the warehouse is being rebuilt in a new epoch, and no process continues it: rows of older epochs remain\nnext: `fastbreak run` completes it"
                .into(),
        ),
        Continuity::Diverged => Some(format!(
            "{DIVERGED}\nnext: `fastbreak run` begins a new epoch, in which it writes all rows again from the start of the log"
        )),
        Continuity::Removed => Some(
            "there is no warehouse, but this log has written rows to one\nnext: check --data and --warehouse; `fastbreak run` creates the warehouse and writes all rows again from the start of the log"
                .into(),
        ),
        Continuity::LostLog => Some(lost_log().to_string()),
    })
}

fn is_sink_running(app: &App, log: &mut dyn LogBackend) -> Result<bool> {
    let sink = app.subscriptions()?.iter().filter(|subscription| subscription.name == sinks::SINK);
    let progress = log.progress(&sink.cloned().collect::<Vec<_>>())?;
    Ok(progress.iter().any(|progress| progress.has_active_members))
}
