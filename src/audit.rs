//! Audit: check record accounting, list parked records, retracted events and content hashes, reconcile the warehouse with the log, and
//! check that the log continues the batches of the warehouse.
//!
//! A parked record was read and saved by a processor, but needs a key (a fixture or a name) that does not exist yet.
//! Invariant: read-only; processors that run at the same time never cause a false problem.
//! Not here: the audit of one processor (`processor`), reconciliation (`sinks::reconciler`), the newest batch (`continuity`).
mod names;
mod parallel;
mod processor;
mod report;

pub use report::{Accounting, AuditReport, NameResolution, ParkedReport, TableContent};

use crate::{
    app::{App, LogTarget},
    await_done::await_done,
    continuity, doctor,
    retract::{self, RetractedEvent, Retractions},
    warehouse::WarehouseTarget,
};
use anyhow::Result;
use parallel::in_parallel;
use processor::{Ledger, ProcessorAudit, audit_processor, audit_sink};
use runtime::{LogBackend, ProcessorNode, inspect, subscription::Subscription};
use sinks::{
    Warehouse,
    reconciler::{Reconciler, Reconciliation},
};
use topics::Policy;

/// Compares ledger, log and warehouse.
///
/// # Errors
/// If the log or the warehouse cannot be read, or the configured model artifact cannot be loaded.
pub fn audit(app: &App) -> Result<AuditReport> {
    let mut log = app.open_log_read_only()?;
    let ledger = inspect::ledger_totals(log.as_mut(), 0)?;
    let mut nodes = app.build_processors()?;
    let subscriptions = app.subscriptions()?;
    let mut audits = in_parallel(app, nodes.iter_mut().zip(subscriptions), |log, (node, subscription)| {
        audit_processor(log, &ledger, node.as_mut(), subscription)
    })?;
    let topics = topic_contents(app)?;
    for ((node, subscription), audit) in nodes.iter_mut().zip(subscriptions).zip(&mut audits) {
        compare_published(log.as_mut(), &ledger, (node.as_mut(), subscription), audit, &topics)?;
    }
    let mut processors: Vec<_> = audits.iter().map(|audit| audit.accounting.clone()).collect();
    processors.push(audit_sink(log.as_mut(), &ledger)?);
    let warehouse = app.warehouse().open_read_only()?;
    let mut problems = batch_problems(app, log.as_mut(), warehouse.as_deref())?;
    let (warehouse, reconciliation) = match &warehouse {
        Some(warehouse) => {
            (warehouse_contents(warehouse.as_ref())?, Some(reconcile(log.as_mut(), warehouse.as_ref())?))
        }
        None => (Vec::new(), None),
    };
    problems.extend(damage(app)?);
    let has_mismatches =
        reconciliation.as_ref().is_some_and(|reconciliation| !reconciliation.mismatches.is_empty());
    Ok(AuditReport {
        balanced: problems.is_empty()
            && !has_mismatches
            && processors.iter().all(|accounting| accounting.problems.is_empty()),
        problems,
        processors,
        parked: audits.into_iter().flat_map(|audit| audit.parked).collect(),
        retracted: retracted_events(app)?,
        names: names::resolution_by_source(log.as_mut())?,
        topics,
        warehouse,
        reconciliation,
    })
}

/// Returns the retracted events of all raw topics.
fn retracted_events(app: &App) -> Result<Vec<RetractedEvent>> {
    let topics = retract::RAW_TOPICS.into_iter().map(|topic| topic.info);
    let by_topic = in_parallel(app, topics, |log, topic| retract::retractions(log, std::iter::once(topic)))?;
    Ok(by_topic.iter().flat_map(Retractions::events).collect())
}

/// Determines row counts and content hashes of all compacted topics, except operational ones.
fn topic_contents(app: &App) -> Result<Vec<TableContent>> {
    let tables =
        topics::ALL.iter().filter(|topic| topic.policy == Policy::Compact && !topic.name.starts_with("ops."));
    in_parallel(app, tables, |log, topic| {
        let (rows, hash) = inspect::content(log, *topic)?;
        Ok(TableContent { name: topic.name.to_owned(), rows, hash })
    })
}

fn warehouse_contents(warehouse: &dyn Warehouse) -> Result<Vec<TableContent>> {
    let hashes = await_done(|| warehouse.content_hashes())?;
    let to_content = |hash: sinks::ContentHash| TableContent {
        name: hash.table.to_owned(),
        rows: hash.rows,
        hash: hash.hash,
    };
    Ok(hashes.into_iter().map(to_content).collect())
}

/// Compares the number of rows that a processor has published, according to its state store, with the number of rows in its output topics.
fn compare_published(
    log: &mut dyn LogBackend,
    ledger: &Ledger,
    (node, subscription): (&mut dyn ProcessorNode, &Subscription),
    audit: &mut ProcessorAudit,
    contents: &[TableContent],
) -> Result<()> {
    for topic in node.outputs().into_iter().filter(|topic| topic.policy == Policy::Compact) {
        let mut rows = contents.iter().find(|content| content.name == topic.name).map_or(0, |c| c.rows);
        if audit.published.get(topic.name).is_some_and(|published| *published > rows) {
            // The difference may be due to timing: a running processor may have deleted a row after its state store was read, but before
            // its topic was read. So both are read again.
            audit.published = audit_processor(log, ledger, node, subscription)?.published;
            rows = inspect::content(log, topic)?.0;
        }
        let published = audit.published.get(topic.name).copied().unwrap_or(0);
        if published > rows {
            audit.accounting.problems.push(format!(
                "{}: the processor has published {published} rows, but the topic has only {rows}; if the topic was re-created, \
                 docs/kafka-broker-requirements.md describes how to fill it",
                topic.name
            ));
        }
    }
    Ok(())
}

/// Checks that the log continues the batches of the warehouse, and that no other log owns it: it would not be compared, and this log could
/// not write to it.
fn batch_problems(
    app: &App,
    log: &mut dyn LogBackend,
    warehouse: Option<&dyn Warehouse>,
) -> Result<Vec<String>> {
    if let Some(warehouse) = warehouse {
        let state = await_done(|| warehouse.writer_state())?;
        let log_id = log.existing_id()?.unwrap_or_default();
        if let Err(error) = state.check_writer(&log_id, None) {
            return Ok(vec![error.to_string()]);
        }
    }
    let continuity = continuity::continuity(log, warehouse)?;
    Ok(continuity::problem(app, log, continuity)?.into_iter().collect())
}

/// Returns the damage of the files of log and warehouse, as far as they are files.
fn damage(app: &App) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    if let LogTarget::Folder(folder) = app.log_target() {
        problems.extend(
            doctor::log_damage(folder)?.problems.into_iter().map(|problem| format!("log.db: {problem}")),
        );
    }
    if let WarehouseTarget::Folder(folder) = app.warehouse()
        && let Some(examination) = doctor::warehouse_damage(folder)?
    {
        problems.extend(examination.problems.into_iter().map(|problem| format!("warehouse.db: {problem}")));
    }
    if !problems.is_empty() {
        problems.push("next: `fastbreak doctor` states what to do".into());
    }
    Ok(problems)
}

/// Reconciles warehouse and log.
fn reconcile(log: &mut dyn LogBackend, warehouse: &dyn Warehouse) -> Result<Reconciliation> {
    let mut reconciler = Reconciler::default();
    await_done(|| reconciler.reconcile(log, warehouse, &|| false))
}
