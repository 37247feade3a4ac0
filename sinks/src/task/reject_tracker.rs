//! Dead letters of the sink: records that cannot be converted to rows.
//!
//! If a batch has too many of them, the cause is probably not the records but a mismatch between program and warehouse. The sink then stops
//! before it sends a whole batch to the dead-letter queue.
//!
//! Invariant: a dead letter is durable before the batch is written without its record, so after a crash it may exist twice, but none is
//! lost. When the sink stops because an attempt found too many bad records, it writes no dead letters for them; dead letters of earlier
//! attempts may exist, and may be written again after a restart.
//! Not here: finding records that cannot be converted (`sinks::Warehouse::write`); dead letters of the other processors
//! (`runtime::engine`).
use crate::{
    plan::BatchPlan,
    record::{Record, RecordChange, SinkTopic, TopicPartitionOffset},
    sink_error::SinkError,
    subscription::SINK,
    tables::TABLES_VERSION,
    warehouse::{BadRecord, max_bad_records},
    window::Batch,
};
use runtime::{
    Commit, RuntimeError,
    engine::{AcceptedRecords, DlqLimits, RejectWindow, dlq_topic},
};
use schemas::{
    raw::{DeadLetter, RejectCode},
    wire,
};
use std::collections::{BTreeMap, BTreeSet};
use topics::TopicPartition;

/// Counts the rejected records of the sink, and checks the same DLQ limits that the processors have.
#[derive(Default)]
pub struct RejectTracker {
    limits: DlqLimits,
    /// Records that do not count for the limits.
    accepted: AcceptedRecords,
    windows: BTreeMap<(SinkTopic, i32), RejectWindow>,
    /// True if all records of the current batch are counted already, which happens when its first bad records are found.
    is_counted: bool,
    /// Number of records in the current batch before it was split.
    batch_records: usize,
}
impl RejectTracker {
    pub fn new(limits: DlqLimits, accepted: AcceptedRecords) -> RejectTracker {
        RejectTracker { limits, accepted, ..RejectTracker::default() }
    }
    /// Starts a batch or, after a split, a half of it. `batch_records` is the number of records in the batch before the split; `is_counted`
    /// is true if the records are counted already.
    pub fn begin(&mut self, batch_records: usize, is_counted: bool) {
        (self.is_counted, self.batch_records) = (is_counted, batch_records);
    }
    pub const fn is_counted(&self) -> bool {
        self.is_counted
    }
    /// Counts the records of a batch; returns the limit that they exceed, or `None`. A batch of one record has no limit of its own: it
    /// counts only together with earlier records of its partition.
    fn count(&mut self, batch: &Batch, bad: &[BadRecord]) -> Option<String> {
        let is_accepted = |bad: &BadRecord| {
            let TopicPartitionOffset { input, partition, offset } = bad.coordinates;
            self.accepted.contains(TopicPartition::new(input.topic(), partition), offset)
        };
        if bad.iter().all(is_accepted) {
            return None;
        }
        let (all, unusable) = (batch.records.len() + batch.rejected, bad.len() + batch.rejected);
        let is_whole_batch = all > 1 && all >= self.batch_records && unusable == all;
        if self.limits.ratio < 1.0 && (is_whole_batch || unusable > max_bad_records(all)) {
            return Some(format!(
                "{unusable} of the {all} records of a batch cannot be converted to rows; the sink continues only if dead-letter-max-ratio is 1"
            ));
        }
        let rejected: BTreeSet<TopicPartitionOffset> = bad.iter().map(|bad| bad.coordinates).collect();
        // If a later attempt finds more bad records in the same batch, its other records are counted already, so only the newly found ones
        // are counted.
        let is_counted = std::mem::replace(&mut self.is_counted, true);
        let mut records: Vec<TopicPartitionOffset> =
            batch.records.iter().map(|record| record.coordinates).collect();
        records.retain(|coordinates| !is_counted || rejected.contains(coordinates));
        records.sort_unstable();
        records.into_iter().find_map(|coordinates| {
            let window = self.windows.entry((coordinates.input, coordinates.partition)).or_default();
            window.count(&self.limits, rejected.contains(&coordinates))
        })
    }
    /// Removes the bad records from the batch, and returns a commit with their dead letters.
    ///
    /// # Errors
    /// `DlqLimitExceeded` if the bad records exceed a DLQ limit; the batch is unchanged then.
    pub fn reject(
        &mut self,
        batch: &mut Batch,
        plan: &BatchPlan,
        bad: Vec<BadRecord>,
    ) -> Result<Commit, SinkError> {
        if let (Some(limit), Some(last)) = (self.count(batch, &bad), bad.last()) {
            let (processor, at, sample) =
                (SINK.to_owned(), last.coordinates.to_string(), last.reason.clone());
            return Err(RuntimeError::DlqLimitExceeded { processor, at, limit, sample }.into());
        }
        let mut commit = Commit::default();
        let reasons: BTreeMap<TopicPartitionOffset, String> =
            bad.into_iter().map(|bad| (bad.coordinates, bad.reason)).collect();
        let rejected: Vec<TopicPartitionOffset> = reasons.keys().copied().collect();
        for record in batch.reject(&rejected) {
            // The records are in batch order, but the reasons are sorted by coordinates, so each reason is looked up.
            let reason = reasons.get(&record.coordinates).cloned().unwrap_or_default();
            let dead_letter = DeadLetter { batch: plan.id.to_string(), ..dead_letter(&record, reason)? };
            commit.reject(TopicPartition::new(dlq_topic(SINK), 0), dead_letter);
        }
        Ok(commit)
    }
    /// Counts the records of a written batch, unless they are counted already.
    pub fn count_written(&mut self, batch: &Batch) {
        if self.is_counted {
            return;
        }
        for Record { coordinates, .. } in &batch.records {
            self.windows
                .entry((coordinates.input, coordinates.partition))
                .or_default()
                .count(&self.limits, false);
        }
    }
}

/// Creates the dead letter of a record. Encoding is deterministic, so encoding the event again gives the original bytes.
fn dead_letter(record: &Record, reason: String) -> Result<DeadLetter, SinkError> {
    let value = match &record.change {
        RecordChange::Prediction(_, event) => event.as_ref().map(wire::encode),
        RecordChange::Features(_, event) => event.as_ref().map(wire::encode),
        RecordChange::PlayerGame(_, event) => event.as_ref().map(wire::encode),
    };
    Ok(DeadLetter {
        origin: record.coordinates.input.topic().to_owned(),
        partition: record.coordinates.partition,
        offset: record.coordinates.offset,
        value: value.transpose()?.unwrap_or_default(),
        processor: SINK.to_owned(),
        key: record.change.key().to_string(),
        processor_version: TABLES_VERSION.into(),
        ..DeadLetter::new(RejectCode::BadRow, reason)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::{EasternDate, GameId, PlayerGameDateId, PlayerId};

    fn key(player: u32) -> PlayerGameDateId {
        PlayerGameDateId { player: PlayerId(player), game: GameId(22_300_061), date: EasternDate(19_700) }
    }
    fn coordinates(offset: usize) -> TopicPartitionOffset {
        TopicPartitionOffset { input: SinkTopic::Features, partition: 0, offset: offset as i64 }
    }
    /// Returns the limit that a batch of `all` records exceeds if `bad` of them are bad.
    fn limit(rejects: &mut RejectTracker, all: usize, bad: usize) -> Option<String> {
        let id = |n| key(n as u32);
        let record =
            |n: usize| Record { coordinates: coordinates(n), change: RecordChange::Features(id(n), None) };
        let batch = Batch::from_records((0..all).map(record)).unwrap();
        let bad: Vec<_> =
            (0..bad).map(|n| BadRecord { coordinates: coordinates(n), reason: "bad".into() }).collect();
        rejects.count(&batch, &bad)
    }

    #[test]
    fn a_batch_may_have_ten_bad_records_or_one_percent_unless_all_are_bad() {
        let is_stopped = |all, bad| limit(&mut RejectTracker::default(), all, bad).is_some();
        let stopped =
            [(1, 1), (2, 1), (2, 2), (10, 9), (10, 10), (100, 10), (100, 11), (5_000, 50), (5_000, 51)];
        let stopped = stopped.map(|(all, bad)| is_stopped(all, bad));
        assert_eq!(stopped, [false, false, true, false, true, false, true, false, true]);
    }
    #[test]
    fn accepted_records_exceed_no_limit() {
        let below = |offset| {
            AcceptedRecords::below([(TopicPartition::new(SinkTopic::Features.topic(), 0), offset)].into())
        };
        let stopped = [99, 100].map(|offset| {
            limit(&mut RejectTracker::new(DlqLimits::default(), below(offset)), 100, 100).is_some()
        });
        assert_eq!(stopped, [true, false]);
    }
    #[test]
    fn good_records_between_bad_ones_end_a_series() {
        let id = |n| key(n as u32);
        let record =
            |n: usize| Record { coordinates: coordinates(n), change: RecordChange::Features(id(n), None) };
        // Newest first, as in some batches: records are counted in the order of their offsets, not in batch order.
        let batch = Batch::from_records((0..1000).rev().map(record)).unwrap();
        let every_second: Vec<_> =
            (0..400).map(|n| BadRecord { coordinates: coordinates(2 * n), reason: "bad".into() }).collect();
        let mut rejects =
            RejectTracker::new(DlqLimits { consecutive: 3, ratio: 1.0 }, AcceptedRecords::default());
        assert_eq!(rejects.count(&batch, &every_second), None);
    }
    #[test]
    fn without_a_ratio_limit_bad_records_in_a_row_are_counted_over_batches() {
        let limits = DlqLimits { consecutive: 3, ratio: 1.0 };
        let mut rejects = RejectTracker::new(limits, AcceptedRecords::default());
        assert_eq!(limit(&mut rejects, 2, 2), None);
        rejects.begin(0, false);
        assert_eq!(limit(&mut rejects, 1, 1), None);
        rejects.begin(0, false);
        assert!(limit(&mut rejects, 1, 1).unwrap().contains("more than 3 records in a row"));
        // A written batch ends a series of consecutive bad records.
        let mut rejects = RejectTracker::new(limits, AcceptedRecords::default());
        for _ in 0..5 {
            assert_eq!(limit(&mut rejects, 2, 2), None);
            let written = Record {
                coordinates: coordinates(9),
                change: RecordChange::Features("200001/0022300061/2023-10-24".parse().unwrap(), None),
            };
            rejects.begin(0, false);
            rejects.count_written(&Batch::from_records([written]).unwrap());
            rejects.begin(0, false);
        }
    }
}
