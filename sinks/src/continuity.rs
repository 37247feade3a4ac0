//! Continuity: whether the newest batch of a warehouse is the newest plan of its log, as the sink decides it at its start.
//!
//! A command reads the plan and the committed offsets before it queries the warehouse, and reads the plan a second time afterwards. If the plan is the same,
//! no other batch was stored in between. If a sink plans batches faster than this, it has decided itself that it may.
//!
//! Invariant: read-only; a sink that runs at the same time never causes a false problem.
//! Not here: the decision (`recovery`); comparing rows (`reconciler`); beginning an epoch (`task::recovery`).
use crate::{
    plan::{BatchPlan, SinkOffsets, WriterId},
    progress::Progress,
    record::SinkTopic,
    recovery::{Recovery, StoredBatches},
    sink_error::SinkError,
    subscription::{SINK, SINK_BATCHES, input_of},
    warehouse::{Warehouse, WarehouseError, WriterState},
};
use runtime::{LogBackend, RuntimeError};
use schemas::{ops::SinkBatchPlanned, wire};

/// What is wrong if a new epoch is needed.
pub const DIVERGED: &str = "the newest batch of the warehouse is not the newest plan of this log: one of the two was restored from an older copy, or replaced";

/// How often the plan is read again because a sink plans batches at the same time.
const MAX_READS: usize = 8;

/// Whether a log continues the batches of its warehouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continuity {
    /// The newest batch is that of the newest plan, or the sink completes it at its next start.
    Continues,
    /// A new epoch has begun, and the sink has not read the log to its end yet: rows of older epochs remain.
    Rebuilding,
    /// The sink begins a new epoch at its next start, and writes all rows again.
    Diverged,
    /// There is no warehouse, although the log has written to one: the sink creates one at its next start, and writes all rows again.
    Removed,
    /// The log is empty, but the warehouse has rows: the sink refuses to write.
    LostLog,
}

/// Returns the committed offsets of the sink.
pub(crate) fn committed(log: &mut dyn LogBackend) -> Result<SinkOffsets, RuntimeError> {
    let committed = log.committed_offsets(SINK, &SinkTopic::ALL.map(SinkTopic::topic))?;
    // Offset 0 means that nothing was read: a group is registered with offset 0 for every partition.
    let read = committed.into_iter().filter(|(_, next)| *next > 0);
    Ok(read
        .filter_map(|(partition, next)| Some(((input_of(partition)?, partition.partition), next)))
        .collect())
}

/// Returns the newest batch plan; `None` if the log has no batch plan.
pub(crate) fn newest_plan(
    log: &mut dyn LogBackend,
    writer: &WriterId,
) -> Result<Option<BatchPlan>, SinkError> {
    to_plan(newest_event(log)?.as_ref(), writer)
}
fn to_plan(event: Option<&SinkBatchPlanned>, writer: &WriterId) -> Result<Option<BatchPlan>, SinkError> {
    let plan = event.map(|event| BatchPlan::from_event(writer.clone(), event)).transpose();
    plan.map_err(|reason| SinkError::Undecodable { what: "the newest batch plan".into(), reason })
}
fn newest_event(log: &mut dyn LogBackend) -> Result<Option<SinkBatchPlanned>, SinkError> {
    let mut newest = None;
    for record_batch in log.read(SINK_BATCHES, 0, usize::MAX)? {
        for record in record_batch.records() {
            if let Some(bytes) = record?.value {
                newest = Some(wire::decode::<SinkBatchPlanned>(bytes)?);
            }
        }
    }
    Ok(newest.filter(|event| !BatchPlan::is_of_former_topics(event)))
}

/// True if the log has raw events.
pub(crate) fn has_raw_events(log: &mut dyn LogBackend) -> Result<bool, RuntimeError> {
    let raw = topics::ALL.iter().map(|topic| topic.name).filter(|name| topics::is_raw(name));
    Ok(log.end_offsets(&raw.collect::<Vec<_>>())?.values().any(|end| *end > 0))
}

/// Returns the error of a sink whose log is empty, although the warehouse has rows.
pub fn lost_log() -> WarehouseError {
    WarehouseError::Config {
        what: "the log is empty, but the warehouse has rows that this log wrote: they would all be deleted".into(),
        next: "restore the log from a backup, or ingest the raw events again; to begin with an empty warehouse, use another one"
            .into(),
    }
}

/// True if the log has written batches, so that a missing warehouse was removed.
///
/// # Errors
/// If the log cannot be read.
pub fn has_written(log: &mut dyn LogBackend) -> Result<bool, SinkError> {
    Ok(!committed(log)?.is_empty())
}

/// Compares the newest batch of a warehouse with the newest plan of its log. A call that returns `Pending` keeps its state, so the next
/// call continues it.
#[derive(Default)]
pub struct ContinuityCheck {
    /// Newest plan and committed offsets, read before the queries of the warehouse that are still running.
    before: Option<(Option<SinkBatchPlanned>, SinkOffsets)>,
    reads: usize,
}
impl ContinuityCheck {
    /// Compares a log with the warehouse that it owns.
    ///
    /// # Errors
    /// If the log or the warehouse cannot be read.
    pub fn check(
        &mut self,
        log: &mut dyn LogBackend,
        warehouse: &dyn Warehouse,
    ) -> Result<Progress<Continuity>, SinkError> {
        let log_id = log.existing_id()?.unwrap_or_default();
        while self.reads < MAX_READS {
            let before = match self.before.take() {
                Some(before) => before,
                None => {
                    let committed = committed(log)?;
                    (newest_event(log)?, committed)
                }
            };
            let found = match compare(log, &log_id, &before, warehouse)? {
                Progress::Done(found) => found,
                Progress::Pending(what) => {
                    self.before = Some(before);
                    return Ok(Progress::Pending(what));
                }
            };
            if let Some(continuity) = found
                && newest_event(log)? == before.0
            {
                return Ok(Progress::Done(continuity));
            }
            self.reads += 1;
        }
        Ok(Progress::Done(Continuity::Continues))
    }
}

/// Returns the result of an operation that is done; else returns `Pending` from the function.
macro_rules! done {
    ($progress:expr) => {
        match $progress {
            Progress::Done(result) => result,
            Progress::Pending(what) => return Ok(Progress::Pending(what)),
        }
    };
}

/// Reads the batches of the warehouse and decides; returns `None` if the writer state changed meanwhile.
fn compare(
    log: &mut dyn LogBackend,
    log_id: &str,
    (event, committed): &(Option<SinkBatchPlanned>, SinkOffsets),
    warehouse: &dyn Warehouse,
) -> Result<Progress<Option<Continuity>>, SinkError> {
    let state = done!(warehouse.writer_state()?);
    let writer = WriterId { sink: SINK.to_owned(), log: log_id.to_owned(), epoch: state.epoch };
    let plan = to_plan(event.as_ref(), &writer)?;
    let newest = done!(warehouse.newest_batch(state.epoch)?);
    let has_planned = match &plan {
        Some(plan) => done!(warehouse.is_committed(&plan.id)?),
        None => false,
    };
    let batches = StoredBatches { newest, has_planned };
    let may_be_lost = plan.is_none() && (batches.newest.is_some() || state.rebuilding);
    let is_lost = may_be_lost && !has_raw_events(log)? && !done!(warehouse.control_totals()?).is_empty();
    if done!(warehouse.writer_state()?) != state {
        return Ok(Progress::Done(None));
    }
    let recovery = Recovery::decide(plan.as_ref(), committed, &batches);
    let continuity = if is_lost { Continuity::LostLog } else { assess(&state, &recovery, &batches) };
    Ok(Progress::Done(Some(continuity)))
}

fn assess(state: &WriterState, recovery: &Recovery, batches: &StoredBatches) -> Continuity {
    // The sink does not raise an epoch in which nothing was written.
    let is_new_epoch = state.rebuilding && batches.newest.is_none();
    match recovery {
        Recovery::Rebuild if !is_new_epoch => Continuity::Diverged,
        _ if state.rebuilding => Continuity::Rebuilding,
        _ => Continuity::Continues,
    }
}
