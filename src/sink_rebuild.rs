//! Sink rebuild: write all rows of the warehouse again from the log, in a new warehouse epoch.
//!
//! Invariant: without confirmation nothing is changed; the warehouse of another log is changed only with `take_over`.
//! Not here: the rebuild itself, which the sink does at the next `run`.
use crate::{app::App, await_done::await_done};
use anyhow::Result;
use runtime::RuntimeError;
use serde::Serialize;
use sinks::WriterState;

/// Whether a rebuild is begun.
#[derive(Clone, Copy, Debug)]
pub struct RebuildOptions {
    /// True to rebuild the warehouse even if another log owns it.
    pub take_over: bool,
    /// False for a preview.
    pub is_confirmed: bool,
}

/// The rebuild that was begun or, in a preview, would be.
#[derive(Serialize)]
pub struct RebuildReport {
    pub warehouse: String,
    /// Id of this log; `None` if the log has no id yet.
    pub log: Option<String>,
    /// Id of the log that owned the warehouse before this command; `None` if no log owned it.
    pub previous_log: Option<String>,
    pub previous_epoch: i64,
    /// The epoch of the rebuild that this command began or, in a preview, that a confirmation would begin.
    pub epoch: i64,
    /// False for a preview.
    pub started: bool,
}

/// Makes this log the owner of the warehouse in a new epoch, so that the next run writes all rows again; or previews this.
///
/// # Errors
/// [`RuntimeError::Precondition`] if another log owns the warehouse and `take_over` is false; or if log or warehouse cannot be opened.
pub fn rebuild(app: &App, options: RebuildOptions) -> Result<RebuildReport> {
    let mut log = if options.is_confirmed { app.open_existing_log()? } else { app.open_log_read_only()? };
    let log_id = log.existing_id()?;
    let warehouse = app.warehouse().name();
    let previous = match app.warehouse().open_if_provisioned()? {
        Some(warehouse) => await_done(|| warehouse.writer_state())?,
        None => WriterState { log: None, epoch: 0, rebuilding: false },
    };
    if !options.take_over {
        ensure_same_log(&warehouse, previous.log.as_deref(), log_id.as_deref())?;
    }
    let mut report = RebuildReport {
        warehouse,
        log: log_id,
        previous_log: previous.log,
        previous_epoch: previous.epoch,
        epoch: previous.epoch + 1,
        started: options.is_confirmed,
    };
    if options.is_confirmed {
        let log_id = log.id()?;
        let mut warehouse = app.warehouse().open()?;
        report.epoch = await_done(|| warehouse.take_ownership(&log_id))?;
        report.log = Some(log_id);
    }
    Ok(report)
}

fn ensure_same_log(warehouse: &str, owner: Option<&str>, log_id: Option<&str>) -> Result<(), RuntimeError> {
    match owner {
        Some(owner) if Some(owner) != log_id => Err(RuntimeError::Precondition {
            what: format!("rebuilding the warehouse {warehouse}"),
            reason: format!(
                "the warehouse belongs to log {owner}, but this is {}",
                log_id.map_or_else(|| "a log without an id".to_owned(), |id| format!("log {id}"))
            ),
            next: "check --data, --brokers and --warehouse; `fastbreak sink rebuild --take-over` previews a rebuild that replaces the \
                   rows of that log"
                .into(),
        }),
        _ => Ok(()),
    }
}
