//! `sink rebuild`: write all rows of the warehouse again from the log, in a new warehouse epoch.
//!
//! Invariant: without `--yes` nothing is changed; the warehouse of another log is changed only with `--take-over`.
//! Not here: the rebuild itself, which the sink does at the next `run`.
use super::{
    outcome::CommandOutcome,
    output::{self, Output},
};
use crate::{
    await_done::await_done,
    config::{Config, WarehouseKind},
    storage,
    warehouse::{self, WarehouseTarget},
};
use anyhow::Result;
use runtime::RuntimeError;
use serde::Serialize;
use sinks::{Warehouse, WarehouseError, WriterState};

/// Flags of `sink rebuild`.
#[derive(Clone, Copy)]
pub struct RebuildOptions {
    pub take_over: bool,
    pub yes: bool,
}

#[derive(Serialize)]
struct RebuildReport {
    warehouse: String,
    /// Id of this log; `None` if the log has no id yet.
    log: Option<String>,
    /// Id of the log that owned the warehouse before this command; `None` if no log owned it.
    previous_log: Option<String>,
    previous_epoch: i64,
    /// The epoch of the rebuild that this command began or, in a preview, that `--yes` would begin.
    epoch: i64,
    /// False for a preview.
    started: bool,
}

pub fn rebuild(config: &Config, options: RebuildOptions, output: Output) -> Result<CommandOutcome> {
    let mut log = if options.yes { storage::open(config)? } else { storage::open_to_read(config)? };
    let log_id = log.existing_id()?;
    let warehouse = WarehouseTarget::live(config).name();
    let previous = match existing_warehouse(config)? {
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
        started: options.yes,
    };
    if options.yes {
        let log_id = log.id()?;
        let mut warehouse = warehouse::open(config)?;
        report.epoch = await_done(|| warehouse.take_ownership(&log_id))?;
        report.log = Some(log_id);
    }
    output::print(output, &report, show)?;
    Ok(if options.yes { CommandOutcome::Done } else { CommandOutcome::Refused })
}

/// Opens the configured warehouse; `None` if it does not exist. Creates nothing.
pub fn existing_warehouse(config: &Config) -> Result<Option<Box<dyn Warehouse>>, WarehouseError> {
    // A missing dataset is not an error: the first run creates it.
    if config.warehouse == WarehouseKind::BigQuery
        && !warehouse::bigquery(config)?.plan()?.datasets.is_empty()
    {
        return Ok(None);
    }
    warehouse::look(config)
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

fn show(report: &RebuildReport) -> String {
    let log = report.log.as_deref().unwrap_or("without an id");
    if report.started {
        return format!(
            "the warehouse {} belongs to log {log} in epoch {}\n\
             next: `fastbreak run --until-caught-up` writes all rows again and then deletes the rows of older epochs",
            report.warehouse, report.epoch
        );
    }
    let (owner, take_over) = match &report.previous_log {
        None => ("no log".to_owned(), ""),
        Some(owner) if Some(owner) == report.log.as_ref() => (format!("log {owner}, this log,"), ""),
        Some(owner) => (format!("log {owner}"), " --take-over"),
    };
    format!(
        "the warehouse {} belongs to {owner} in epoch {}\n\
         preview: log {log} would own it in epoch {}; the next `fastbreak run` would write all rows again from offset 0 and then delete \
         the rows of older epochs; rows stay readable\n\
         next: `fastbreak sink rebuild{take_over} --yes`",
        report.warehouse, report.previous_epoch, report.epoch
    )
}
