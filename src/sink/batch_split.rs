//! Writing a batch that is too large for the warehouse: its records are read again and written in halves, recursively.
//!
//! Each half is planned, written and committed like any batch; the second half is planned after the first is committed. The plan of the
//! original batch need not be completed: after a crash only the newest plan counts, and the sink reads on from the committed offsets.
//!
//! Invariant: every record of a planned batch is in a committed batch, or the sink stops; a dead letter is durable before its record is
//! left out of a batch.
//! Not here: splitting a batch (`sinks::split`); the attempts of a warehouse before it reports that a batch is too large.
use super::{SINK, SINK_BATCHES, SinkTask, decode_record};
use anyhow::Result;
use runtime::{Commit, clock::now};
use schemas::wire;
use sinks::{Batch, BatchPlan, CloseReason, Record, TopicPartitionOffset, WarehouseError, split};
use topics::TopicPartition;

/// Minimum of the record limit per batch.
const MIN_BATCH_RECORDS: usize = 100;

/// Maximum bytes per read.
const READ_BYTES: usize = 1 << 20;

/// Outcome of writing a batch.
pub(super) enum WriteOutcome {
    /// The batch is written and committed.
    Written,
    /// The batch is too large, and nothing of it is written. Contains the message of the warehouse.
    TooLarge(String),
}

impl SinkTask {
    /// Creates the plan of a batch and commits it to the log.
    pub(super) fn plan(&mut self, batch: &Batch) -> Result<BatchPlan> {
        let plan = BatchPlan::new(self.writer.clone(), batch, now());
        let mut commit = Commit { group: SINK.to_owned(), ..Commit::default() };
        commit.append(SINK_BATCHES, SINK, Some(&wire::encode(&plan.event())?));
        self.commit_to_log(commit)?;
        Ok(plan)
    }
    /// Writes and commits a planned batch, as a whole or in parts.
    pub(super) fn write_in_parts(&mut self, batch: Batch, plan: BatchPlan) -> Result<()> {
        let batch_records = batch.records.len() + batch.rejected;
        self.rejects.begin(batch_records, false);
        let (mut rejected, mut halves) = (Vec::new(), Vec::new());
        let mut current = Some((batch, plan));
        while let Some((batch, plan)) = current {
            if let WriteOutcome::TooLarge(what) = self.write_with_retries(batch, &plan, &mut rejected)? {
                // Records counted for the batch are not counted again for its halves.
                let is_counted = self.rejects.is_counted();
                halves
                    .extend(self.split_batch(&plan, what)?.into_iter().rev().map(|half| (half, is_counted)));
                // Later batches of this size would be too large, too. The minimum keeps batches efficient if a single record was the cause.
                let half = usize::try_from(plan.records / 2)?.max(MIN_BATCH_RECORDS);
                self.max_batch_records = Some(
                    self.max_batch_records.map_or(half, |max_batch_records| max_batch_records.min(half)),
                );
            }
            current = match halves.pop() {
                None => None,
                Some((mut half, is_counted)) => {
                    self.rejects.begin(batch_records, is_counted);
                    // The dead letters of these records are durable already.
                    half.reject(&rejected);
                    let plan = self.plan(&half)?;
                    Some((half, plan))
                }
            };
        }
        Ok(())
    }
    /// Reads a planned batch again and splits it; returns one empty half if compaction has removed all of its records.
    ///
    /// # Errors
    /// `Fatal` if the batch has one record only.
    fn split_batch(&mut self, plan: &BatchPlan, what: String) -> Result<Vec<Batch>> {
        if let (true, Some(((input, partition), range))) = (plan.records <= 1, plan.ranges.iter().next()) {
            let coordinates =
                TopicPartitionOffset { input: *input, partition: *partition, offset: range.first };
            return Err(WarehouseError::Fatal {
                what: format!("the record {coordinates} alone is too large for the warehouse: {what}"),
                next: "start `fastbreak run` again, it makes another attempt. Once the log has a newer record of the key, run `fastbreak sink rebuild` first: it does not write records that a newer one replaces"
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
            "the batch is too large for the warehouse, writing it in halves"
        );
        Ok(halves)
    }
    /// Reads the records in a plan's ranges, ordered by input topic, partition and offset. Compaction may have removed some of them since
    /// they were planned.
    pub(super) fn reread(&mut self, plan: &BatchPlan) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        for ((input, partition), range) in &plan.ranges {
            // The size of a read is limited, since many records may follow the range.
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
                        let coordinates = TopicPartitionOffset {
                            input: *input,
                            partition: *partition,
                            offset: record.offset,
                        };
                        records.push(Record {
                            coordinates,
                            change: decode_record(*input, record.key, record.value)?,
                        });
                    }
                }
                next = read_to.max(next + 1);
            }
        }
        Ok(records)
    }
}
