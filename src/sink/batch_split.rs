//! A batch that is too large for the warehouse: its records are read again and written in halves, and halves of those.
//!
//! Each half is planned, written and committed as any batch is, the first before the second is planned. The plan that they were cut from
//! needs no end: whatever happens in between, the newest plan decides, and behind it the positions say what is left to read.
//! Invariant: every record of a planned batch is in a batch that stands, or the sink stops; a dead letter stands before its record is
//! left out of any of them.
//! Not here: how a batch is cut (`sinks::split`); what a warehouse tries before it says that a batch is too large.
use super::{SINK, SINK_BATCHES, SinkTask, decode_record, now};
use anyhow::Result;
use runtime::Commit;
use schemas::wire;
use sinks::{Batch, BatchPlan, CloseReason, Record, TopicPartitionOffset, WarehouseError, split};
use topics::TopicPartition;

/// Records that a batch may have in any case.
const MIN_BATCH_RECORDS: usize = 100;

/// Bytes that are read at a time.
const READ_BYTES: usize = 1 << 20;

/// What became of a batch that was sent.
pub(super) enum WriteOutcome {
    /// It is written and committed.
    Written,
    /// Nothing of it is written, as it is too large: what the warehouse says.
    TooLarge(String),
}

impl SinkTask {
    /// Makes a batch's plan durable.
    pub(super) fn plan(&mut self, batch: &Batch) -> Result<BatchPlan> {
        let plan = BatchPlan::new(self.writer.clone(), batch, now());
        let mut commit = Commit { group: SINK.to_owned(), ..Commit::default() };
        commit.append(SINK_BATCHES, SINK, Some(&wire::encode(&plan.event())?));
        self.commit_to_log(commit)?;
        Ok(plan)
    }
    /// Writes and commits a planned batch, whole or in parts.
    pub(super) fn write_in_parts(&mut self, batch: Batch, plan: BatchPlan) -> Result<()> {
        let whole = batch.records.len() + batch.rejected;
        self.rejects.begin(whole, false);
        let (mut rejected, mut open) = (Vec::new(), Vec::new());
        let mut in_hand = Some((batch, plan));
        while let Some((batch, plan)) = in_hand {
            if let WriteOutcome::TooLarge(what) = self.write_with_retries(batch, &plan, &mut rejected)? {
                // What was counted of it is of its halves.
                let is_counted = self.rejects.is_counted();
                open.extend(self.split_batch(&plan, what)?.into_iter().rev().map(|half| (half, is_counted)));
                // Those to come would be refused and halved each, too. One record may be what was too large: others pay little for it.
                let half = usize::try_from(plan.records / 2)?.max(MIN_BATCH_RECORDS);
                self.max_batch_records = Some(
                    self.max_batch_records.map_or(half, |max_batch_records| max_batch_records.min(half)),
                );
            }
            in_hand = match open.pop() {
                None => None,
                Some((mut half, is_counted)) => {
                    self.rejects.begin(whole, is_counted);
                    // Their letters are durable.
                    half.reject(&rejected);
                    let plan = self.plan(&half)?;
                    Some((half, plan))
                }
            };
        }
        Ok(())
    }
    /// The halves of a planned batch; an empty one when the log holds none of its records any more.
    fn split_batch(&mut self, plan: &BatchPlan, what: String) -> Result<Vec<Batch>> {
        if let (true, Some(((input, partition), range))) = (plan.records <= 1, plan.ranges.iter().next()) {
            let at = TopicPartitionOffset { input: *input, partition: *partition, offset: range.first };
            return Err(WarehouseError::Fatal {
                what: format!("the record {at} alone is too large for the warehouse: {what}"),
                next: "start `fastbreak run` again, it tries once more; once a newer record of its key is in the log, `fastbreak sink rebuild` before it reads the log anew, and what was replaced is not written"
                    .into(),
            }
            .into());
        }
        let mut halves: Vec<Batch> = split(self.reread(plan)?).collect();
        if halves.is_empty() {
            halves.push(Batch::empty(plan.ranges.clone(), CloseReason::Split));
        }
        let into: Vec<usize> = halves.iter().map(Batch::read).collect();
        tracing::warn!(
            batch = %plan.id, records = plan.records, ?into, reason = what,
            "the batch is too large for the warehouse, its halves are written"
        );
        Ok(halves)
    }
    /// The records of a plan's ranges, by input, partition and offset. Some may have been compacted away since they were planned.
    pub(super) fn reread(&mut self, plan: &BatchPlan) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        for ((input, partition), range) in &plan.ranges {
            // Piece by piece: what follows the range may be a season.
            let mut next = range.first;
            while next < range.end {
                let record_batches = self.member.log().read(
                    TopicPartition::new(input.topic(), *partition),
                    next,
                    READ_BYTES,
                )?;
                let Some(read_to) = record_batches.last().map(runtime::RecordBatch::next) else { break };
                for record in record_batches.iter().flat_map(|record_batch| record_batch.records()) {
                    let record = record?;
                    if record.offset >= next && range.contains(record.offset) {
                        let at = TopicPartitionOffset {
                            input: *input,
                            partition: *partition,
                            offset: record.offset,
                        };
                        records.push(Record { at, change: decode_record(*input, record.key, record.value)? });
                    }
                }
                next = read_to.max(next + 1);
            }
        }
        Ok(records)
    }
}
