//! Sink rebuild: write all rows of the warehouse again from the log, in a new warehouse epoch.
//!
//! The rows of the warehouse that have no record in this log are deleted at the end of a rebuild, so a preview counts them.
//! Invariant: without confirmation nothing is changed; the warehouse of another log is changed only with `take_over`. No process runs the
//! sink while a rebuild is begun, and a log without raw events replaces no rows.
//! Not here: the rebuild itself, which the sink does at the next `run`.
use crate::{app::App, await_done::await_done};
use anyhow::Result;
use runtime::{LogBackend, RuntimeError, inspect};
use serde::Serialize;
use sinks::{
    SinkTopic, WriterState,
    tables::{FEATURE_ROWS, PLAYER_GAMES, PREDICTIONS, SLATE, Table},
};
use std::collections::BTreeSet;

/// The tables of the warehouse, each with the topic whose records its rows are made of.
const TABLES: [(&Table, SinkTopic); 4] = [
    (&SLATE, SinkTopic::Predictions),
    (&PREDICTIONS, SinkTopic::Predictions),
    (&FEATURE_ROWS, SinkTopic::Features),
    (&PLAYER_GAMES, SinkTopic::PlayerGames),
];

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
    /// Number of raw events of this log; on Kafka an upper bound.
    pub raw_events: i64,
    /// True if processors have not read all records of the log, so that more rows of the log may follow.
    pub has_unread_records: bool,
    /// The rows of each table, and those that the rebuild would delete.
    pub tables: Vec<TableRows>,
    /// False for a preview.
    pub started: bool,
}
impl RebuildReport {
    /// Returns the number of rows that the rebuild would delete.
    pub fn deleted_rows(&self) -> u64 {
        self.tables.iter().map(|table| table.deleted).sum()
    }
}

/// The rows of a table, and those of them that have no record in this log.
#[derive(Serialize)]
pub struct TableRows {
    pub table: &'static str,
    pub rows: u64,
    /// Number of rows that the rebuild would delete.
    pub deleted: u64,
    /// First and last date of the games of these rows; `None` if there are none.
    pub first_date: Option<String>,
    pub last_date: Option<String>,
}

/// Makes this log the owner of the warehouse in a new epoch, so that the next run writes all rows again; or previews this.
///
/// # Errors
/// [`RuntimeError::Precondition`] if another log owns the warehouse and `take_over` is false, a process runs the sink, or this log has no raw
/// events although the warehouse has rows; or if log or warehouse cannot be opened.
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
    if options.is_confirmed {
        log.acquire_run_lock()?;
        ensure_no_sink(app, log.as_mut())?;
    }
    let mut report = RebuildReport {
        raw_events: raw_events(log.as_mut())?,
        has_unread_records: !log.is_caught_up(app.subscriptions()?)?,
        tables: if previous.epoch > 0 { table_rows(app, log.as_mut())? } else { Vec::new() },
        warehouse,
        log: log_id,
        previous_log: previous.log,
        previous_epoch: previous.epoch,
        epoch: previous.epoch + 1,
        started: options.is_confirmed,
    };
    if options.is_confirmed {
        ensure_not_empty(&report)?;
        let log_id = log.id()?;
        let mut warehouse = app.warehouse().open()?;
        report.epoch = await_done(|| warehouse.take_ownership(&log_id))?;
        report.log = Some(log_id);
    }
    Ok(report)
}

/// Returns the number of raw events of the log.
fn raw_events(log: &mut dyn LogBackend) -> Result<i64, RuntimeError> {
    let raw: Vec<&str> =
        topics::ALL.iter().map(|topic| topic.name).filter(|name| topics::is_raw(name)).collect();
    Ok(log.end_offsets(&raw)?.values().sum())
}

/// Counts the rows of each table, and those without a record in this log.
fn table_rows(app: &App, log: &mut dyn LogBackend) -> Result<Vec<TableRows>> {
    let queries = app.warehouse().reader()?;
    let mut tables = Vec::new();
    for (table, input) in TABLES {
        let keys: BTreeSet<String> = inspect::keys(log, input.info())?;
        let mut found =
            TableRows { table: table.name, rows: 0, deleted: 0, first_date: None, last_date: None };
        queries.row_keys(table, |date, key| {
            found.rows += 1;
            if keys.contains(key) {
                return;
            }
            found.deleted += 1;
            if found.first_date.as_deref().is_none_or(|first| date < first) {
                found.first_date = Some(date.to_owned());
            }
            if found.last_date.as_deref().is_none_or(|last| date > last) {
                found.last_date = Some(date.to_owned());
            }
        })?;
        tables.push(found);
    }
    Ok(tables)
}

/// Checks that no process runs the sink. On an embedded log, the run lock ensures it.
fn ensure_no_sink(app: &App, log: &mut dyn LogBackend) -> Result<()> {
    let sink = app.subscriptions()?.iter().filter(|subscription| subscription.name == sinks::SINK);
    let progress = log.progress(&sink.cloned().collect::<Vec<_>>())?;
    if progress.iter().any(|progress| progress.has_active_members) {
        return Err(RuntimeError::Precondition {
            what: format!("rebuilding the warehouse {}", app.warehouse().name()),
            reason: "a process runs the sink; it would stop at its next batch".into(),
            next: "stop every process that runs the sink, wait until their sessions have expired, then run the command again".into(),
        }
        .into());
    }
    Ok(())
}

/// Checks that a log without raw events does not replace rows.
fn ensure_not_empty(report: &RebuildReport) -> Result<(), RuntimeError> {
    if report.raw_events > 0 || report.deleted_rows() == 0 {
        return Ok(());
    }
    Err(RuntimeError::Precondition {
        what: format!("rebuilding the warehouse {}", report.warehouse),
        reason: format!("this log has no raw events, so all {} rows would be deleted", report.deleted_rows()),
        next: "restore the log from a backup, or ingest the raw events again; to begin with an empty warehouse, use another one".into(),
    })
}

fn ensure_same_log(warehouse: &str, owner: Option<&str>, log_id: Option<&str>) -> Result<(), RuntimeError> {
    match owner {
        Some(owner) if Some(owner) != log_id => Err(RuntimeError::Precondition {
            what: format!("rebuilding the warehouse {warehouse}"),
            reason: format!(
                "the warehouse belongs to log {owner}, but this is {}",
                log_id.map_or_else(|| "a log without an id".to_owned(), |id| format!("log {id}"))
            ),
            next: "check --data, --brokers and --warehouse; if the log was lost, restore it from a backup; \
                   `fastbreak sink rebuild --take-over` previews a rebuild that replaces the rows of that log"
                .into(),
        }),
        _ => Ok(()),
    }
}
