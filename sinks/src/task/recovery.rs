//! Recovery when the sink acquires the writer role: it completes the newest planned batch, or reads the log again.
//!
//! Before it reads the log again, the sink commits the start offsets, an empty plan and a new ledger version in one commit. A later
//! restart therefore continues from these offsets, and the ledger entries of the new version count only the records that are read again.
//!
//! Invariant: no other batch is written before the batch of the newest plan is stored, unless a new epoch begins; if an operator has reset the
//! committed offsets, the sink reads from the reset offsets. A log that is empty replaces no rows.
//! Not here: deciding by plan, committed offsets and stored batches how to recover (`crate::recovery`).
use super::batch_writer::BatchWriter;
use crate::{
    continuity,
    plan::{BatchPlan, SinkOffsets},
    record::SinkTopic,
    recovery::{Recovery, StoredBatches},
    sink_error::SinkError,
    subscription::{SINK, SINK_BATCHES},
    window::{Batch, CloseReason},
};
use runtime::{Commit, clock::now, engine::LEDGER};
use schemas::{ops::LedgerEntry, wire};
use topics::TopicPartition;

/// Acquires the warehouse for this log and recovers. Returns true if the warehouse is being rebuilt: rows of older epochs remain until the
/// log is read to its end.
pub fn acquire_writer(batch_writer: &mut BatchWriter) -> Result<bool, SinkError> {
    let log = batch_writer.writer.log.clone();
    batch_writer.writer.epoch = batch_writer.warehouse.retry(|warehouse| warehouse.acquire(&log))?;
    let is_rebuilding = batch_writer.warehouse.retry(|warehouse| warehouse.writer_state())?.rebuilding;
    batch_writer.ledger_version = batch_writer.log.ledger_version()?;
    recover(batch_writer, is_rebuilding)
}

fn recover(batch_writer: &mut BatchWriter, is_rebuilding: bool) -> Result<bool, SinkError> {
    let committed = batch_writer.log.committed()?;
    // Recovery may commit dead letters before it reads any record. This seek ensures that such a commit does not change the committed
    // offsets.
    batch_writer.log.seek(&committed);
    let plan = batch_writer.log.newest_plan(&batch_writer.writer)?;
    let batches = stored_batches(batch_writer, plan.as_ref())?;
    ensure_log_is_not_lost(batch_writer, plan.as_ref(), &batches, is_rebuilding)?;
    let is_new_epoch = is_rebuilding && batches.newest.is_none();
    match (Recovery::decide(plan.as_ref(), &committed, &batches), plan) {
        (Recovery::Resume, _) => Ok(is_rebuilding),
        (Recovery::CommitOffsets(_) | Recovery::RewriteBatch(_), Some(plan)) => {
            complete_batch(batch_writer, plan, committed)?;
            Ok(is_rebuilding)
        }
        _ => {
            // After `sink rebuild`, the epoch is new already, and the warehouse is expected to lack batches. If it has one of this epoch that
            // the log did not plan, its rows must not stay in the epoch of the rows that are written now.
            if !is_new_epoch {
                tracing::warn!(
                    "{}: writing all rows again from the start of the log, in a new epoch",
                    continuity::DIVERGED
                );
                batch_writer.warehouse.metrics().count_divergence();
                let log = batch_writer.writer.log.clone();
                batch_writer.writer.epoch =
                    batch_writer.warehouse.retry(|warehouse| warehouse.take_ownership(&log))?;
                batch_writer.newest_stored = None;
            }
            restart_from(batch_writer, SinkOffsets::new())?;
            Ok(true)
        }
    }
}

/// Reads from the warehouse its newest batch, and whether it has the batch of the newest plan.
fn stored_batches(
    batch_writer: &mut BatchWriter,
    plan: Option<&BatchPlan>,
) -> Result<StoredBatches, SinkError> {
    let newest = batch_writer.read_newest_stored()?;
    batch_writer.newest_stored.clone_from(&newest);
    let has_planned = match plan {
        Some(plan) if newest.as_ref().is_none_or(|stored| stored.id != plan.id) => {
            batch_writer.warehouse.retry(|warehouse| warehouse.is_committed(&plan.id))?
        }
        plan => plan.is_some(),
    };
    Ok(StoredBatches { newest, has_planned })
}

/// Checks that an empty log does not replace the rows of the log that it was before.
///
/// # Errors
/// `Config` if the log has neither a plan nor a raw event, but the warehouse has rows.
fn ensure_log_is_not_lost(
    batch_writer: &mut BatchWriter,
    plan: Option<&BatchPlan>,
    batches: &StoredBatches,
    is_rebuilding: bool,
) -> Result<(), SinkError> {
    let may_have_rows = batches.newest.is_some() || is_rebuilding;
    if plan.is_some() || !may_have_rows || continuity::has_raw_events(batch_writer.log.backend())? {
        return Ok(());
    }
    if batch_writer.warehouse.retry(|warehouse| warehouse.control_totals())?.is_empty() {
        return Ok(());
    }
    Err(continuity::lost_log().into())
}

/// Writes the batch of the newest plan and commits its offsets, unless an operator has reset the committed offsets.
fn complete_batch(
    batch_writer: &mut BatchWriter,
    plan: BatchPlan,
    committed: SinkOffsets,
) -> Result<(), SinkError> {
    if was_rewound(batch_writer, &plan, &committed)? {
        tracing::warn!("the committed offsets of the sink were reset: reading again from the reset offsets");
        return restart_from(batch_writer, committed);
    }
    // The batch is built again from its ranges even if it is stored: the warehouse then only returns the counts of its records.
    let batch = Batch::from_records(batch_writer.log.read_planned(&plan)?);
    // If compaction removed all of its records, an empty batch completes the plan.
    let batch = batch.unwrap_or_else(|| Batch::empty(plan.ranges.clone(), CloseReason::Recovered));
    batch_writer.write_planned(batch, plan)?;
    let committed = batch_writer.log.committed()?;
    batch_writer.log.seek(&committed);
    Ok(())
}

/// Restarts reading from these offsets, and from 0 in all other partitions.
fn restart_from(batch_writer: &mut BatchWriter, from: SinkOffsets) -> Result<(), SinkError> {
    batch_writer.ledger_version += 1;
    let mut ledger_entry = LedgerEntry {
        processor: SINK.to_owned(),
        version: batch_writer.ledger_version,
        ..LedgerEntry::default()
    };
    let mut next = SinkOffsets::new();
    for (input, partition) in
        SinkTopic::ALL.into_iter().flat_map(|input| (0..input.info().partitions).map(move |n| (input, n)))
    {
        let topic_partition = TopicPartition::new(input.topic(), partition);
        let key = (input, partition);
        let offset = from.get(&key).copied().unwrap_or(0);
        next.insert(key, offset);
        // Records below the offset count as read and unchanged: they were stored when the offset was committed.
        if offset > 0 {
            let below = batch_writer.log.count_below(topic_partition, offset)?;
            ledger_entry.read += below;
            ledger_entry.unchanged += below;
        }
    }
    let plan = BatchPlan::for_restart(batch_writer.writer.clone(), now());
    let plan = plan.after(batch_writer.newest_stored.clone());
    let mut commit = Commit::default();
    commit.append(SINK_BATCHES, SINK, Some(&wire::encode(&plan.event())?));
    commit.append(LEDGER, SINK, Some(&wire::encode(&ledger_entry)?));
    batch_writer.log.commit_offsets(&next, commit)?;
    batch_writer.log.seek(&from);
    Ok(())
}

/// True if a record exists between the committed offsets and the start of the plan. In this case the offsets were reset, since a plan
/// begins where the previous one ended.
fn was_rewound(
    batch_writer: &mut BatchWriter,
    plan: &BatchPlan,
    committed: &SinkOffsets,
) -> Result<bool, SinkError> {
    for ((input, partition), range) in &plan.ranges {
        let next = committed.get(&(*input, *partition)).copied().unwrap_or(0);
        let topic_partition = TopicPartition::new(input.topic(), *partition);
        if next < range.first && batch_writer.log.has_record(topic_partition, next, range.first)? {
            return Ok(true);
        }
    }
    Ok(false)
}
