//! Plans, writes and commits batches. A batch that is too large for the warehouse is read again and written in halves, recursively.
//!
//! Each half is planned, written and committed like any batch; the second half is planned after the first is committed. The plan of the
//! original batch need not be completed: after a crash only the newest plan counts, and the sink reads on from the committed offsets.
//!
//! Invariant: every record of a planned batch is in a committed batch, or the sink stops; a dead letter is durable before its record is
//! left out of a batch.
//! Not here: splitting a batch (`split`); what a warehouse tries before it reports that a batch is too large (`bigquery::writer`).
use super::{reject_tracker::RejectTracker, retrying_warehouse::RetryingWarehouse, sink_log::SinkLog};
use crate::{
    date_filter::DateRange,
    plan::{BatchPlan, StoredBatch, WriterId},
    progress::Progress,
    record::TopicPartitionOffset,
    sink_error::SinkError,
    split::split,
    subscription::SINK,
    warehouse::WarehouseError,
    window::{Batch, CloseReason},
    write_summary::WriteSummary,
};
use runtime::{
    Commit,
    clock::now,
    engine::{AcceptedRecords, DlqLimits, append_ledger_entry},
};
use schemas::ops::LedgerEntry;

/// Lower bound of `max_batch_records`: smaller batches would be inefficient.
const MIN_BATCH_RECORDS: i64 = 100;

/// Outcome of writing a batch.
enum WriteOutcome {
    /// The batch is written and committed.
    Written,
    /// The batch is too large, and nothing of it is written. Contains the message of the warehouse.
    TooLarge(String),
}

/// Writes batches of one log to one warehouse.
pub struct BatchWriter {
    pub log: SinkLog,
    pub warehouse: RetryingWarehouse,
    /// Name of the sink, id of the log, and warehouse epoch under which batches are written.
    pub writer: WriterId,
    /// The batch that the warehouse stored last in this epoch: the predecessor of the next plan.
    pub newest_stored: Option<StoredBatch>,
    /// Version of the sink's ledger entries: raised whenever the sink goes back in the log and reads records again.
    pub ledger_version: i64,
    /// Days whose games are written; `None` for all days.
    dates: Option<DateRange>,
    rejects: RejectTracker,
    /// Maximum number of records per batch. `None` until a batch is too large for the warehouse; from then on set until the process ends.
    max_batch_records: Option<i64>,
}

impl BatchWriter {
    /// Creates a writer that has not acquired its warehouse yet.
    pub fn new(
        log: SinkLog,
        warehouse: RetryingWarehouse,
        writer: WriterId,
        dates: Option<DateRange>,
    ) -> BatchWriter {
        BatchWriter {
            log,
            warehouse,
            writer,
            newest_stored: None,
            ledger_version: 0,
            dates,
            rejects: RejectTracker::default(),
            max_batch_records: None,
        }
    }
    /// Starts counting rejected records from zero, with these DLQ limits, which do not apply to the accepted records.
    pub fn reset_rejects(&mut self, limits: DlqLimits, accepted: AcceptedRecords) {
        self.rejects = RejectTracker::new(limits, accepted);
    }
    /// Returns the maximum number of records per batch, if a batch was too large before.
    pub fn max_batch_records(&self) -> Option<usize> {
        self.max_batch_records.and_then(|records| usize::try_from(records).ok())
    }
    /// Plans, writes and commits one batch.
    pub fn write_batch(&mut self, batch: Batch) -> Result<(), SinkError> {
        let plan = self.plan(&batch)?;
        self.write_planned(batch, plan)
    }
    /// Writes and commits a planned batch, as a whole or in parts.
    pub fn write_planned(&mut self, batch: Batch, plan: BatchPlan) -> Result<(), SinkError> {
        self.warehouse.metrics().set_in_flight(true);
        let written = self.write_in_parts(batch, plan);
        // Reset after a failure, too: the metric counts only batches that are being written.
        self.warehouse.metrics().set_in_flight(false);
        written
    }
    /// Creates the plan of a batch and commits it to the log.
    fn plan(&mut self, batch: &Batch) -> Result<BatchPlan, SinkError> {
        let plan = BatchPlan::new(self.writer.clone(), batch, now()).after(self.newest_stored.clone());
        self.log.append_plan(&plan)?;
        Ok(plan)
    }
    fn write_in_parts(&mut self, batch: Batch, plan: BatchPlan) -> Result<(), SinkError> {
        let batch_records = batch.records.len() + batch.rejected;
        self.rejects.begin(batch_records, false);
        let (mut rejected, mut halves) = (Vec::new(), Vec::new());
        let mut current = Some((batch, plan));
        while let Some((batch, plan)) = current {
            if let WriteOutcome::TooLarge(what) = self.write_whole(batch, &plan, &mut rejected)? {
                // Records that are already counted for the DLQ limits are not counted again in the halves.
                let is_counted = self.rejects.is_counted();
                halves
                    .extend(self.split_batch(&plan, what)?.into_iter().rev().map(|half| (half, is_counted)));
                // Later batches of this size would be too large, too. If a single record was the cause, the minimum keeps later batches
                // from becoming inefficiently small.
                let half = (plan.records / 2).max(MIN_BATCH_RECORDS);
                self.max_batch_records = Some(self.max_batch_records.map_or(half, |max| max.min(half)));
            }
            current = match halves.pop() {
                None => None,
                Some((mut half, is_counted)) => {
                    self.rejects.begin(batch_records, is_counted);
                    // The records in `rejected` have durable dead letters already, so they are removed from the half.
                    half.reject(&rejected);
                    let plan = self.plan(&half)?;
                    Some((half, plan))
                }
            };
        }
        Ok(())
    }
    /// Writes and commits a planned batch. Records that cannot be converted go to the dead-letter queue and are added to `rejected`.
    fn write_whole(
        &mut self,
        mut batch: Batch,
        plan: &BatchPlan,
        rejected: &mut Vec<TopicPartitionOffset>,
    ) -> Result<WriteOutcome, SinkError> {
        let written = loop {
            match self.warehouse.attempt_write(&mut batch, plan, self.dates) {
                Ok(Progress::Done(written)) => break written,
                Ok(Progress::Pending(what)) => self.warehouse.continue_pending(what)?,
                Err(WarehouseError::Rows(bad)) => {
                    let coordinates: Vec<TopicPartitionOffset> =
                        bad.iter().map(|bad| bad.coordinates).collect();
                    let dead_letters = self.rejects.reject(&mut batch, plan, bad)?;
                    self.log.commit(dead_letters)?;
                    rejected.extend(coordinates);
                }
                Err(WarehouseError::Size { what, .. }) => return Ok(WriteOutcome::TooLarge(what)),
                Err(WarehouseError::Retry { what, after, alert }) => {
                    self.warehouse.wait(what, after, alert)?;
                }
                Err(error) => return Err(error.into()),
            }
        };
        self.newest_stored = if written.already_committed {
            // After an offset reset, a later batch may have been stored since.
            self.read_newest_stored()?
        } else {
            Some(plan.stored())
        };
        self.rejects.count_written(&batch);
        let entry = LedgerEntry { version: self.ledger_version, ..ledger_entry(written) };
        let mut commit = Commit::default();
        append_ledger_entry(&mut commit, entry)?;
        self.log.commit_offsets(&plan.next_offsets(), commit)?;
        Ok(WriteOutcome::Written)
    }
    /// Reads from the warehouse which batch it stored last in this epoch.
    pub fn read_newest_stored(&mut self) -> Result<Option<StoredBatch>, SinkError> {
        let epoch = self.writer.epoch;
        self.warehouse.retry(|warehouse| warehouse.newest_batch(epoch))
    }
    /// Reads a planned batch again and splits it; returns one empty half if compaction has removed all of its records.
    ///
    /// # Errors
    /// `Fatal` if the batch has one record only.
    fn split_batch(&mut self, plan: &BatchPlan, what: String) -> Result<Vec<Batch>, SinkError> {
        if let (true, Some(((input, partition), range))) = (plan.records <= 1, plan.ranges.iter().next()) {
            let coordinates =
                TopicPartitionOffset { input: *input, partition: *partition, offset: range.first };
            return Err(WarehouseError::Fatal {
                what: format!("the record {coordinates} alone is too large for the warehouse: {what}"),
                next: "start `fastbreak run` again: it makes another attempt. If the log has a newer record with the same key by then, run `fastbreak sink rebuild` first: it does not write a record that a newer record replaces"
                    .into(),
            }
            .into());
        }
        let mut halves: Vec<Batch> = split(self.log.read_planned(plan)?).collect();
        if halves.is_empty() {
            halves.push(Batch::empty(plan.ranges.clone(), CloseReason::Split));
        }
        let into: Vec<usize> = halves.iter().map(Batch::read).collect();
        tracing::warn!(
            batch = %plan.id, records = plan.records, ?into, reason = what,
            "the batch is too large for the warehouse, writing it in halves"
        );
        Ok(halves)
    }
}

/// Returns the ledger entry of a written batch. If the batch was already stored before a crash, its counts are those of that earlier write.
fn ledger_entry(written: WriteSummary) -> LedgerEntry {
    LedgerEntry {
        processor: SINK.to_owned(),
        read: written.records as i64,
        applied: written.applied as i64,
        unchanged: (written.unchanged + written.stale + written.superseded) as i64,
        rejected: written.rejected as i64,
        published: written.rows as i64,
        ..LedgerEntry::default()
    }
}
