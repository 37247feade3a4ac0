//! Records that the warehouse can make no row of: dead letters, as long as it is the records that are wrong.
//!
//! Too many of them are no bad records but a program and a warehouse that do not fit together, and a batch would end in the dead letters.
//!
//! Invariant: letters are durable before the batch is written without their records: after a crash one may stand twice, none is lost.
//! When the sink stops for too many, there are none of this search; those of one before it may stand, and stand twice later.
//! Not here: who finds the records (a warehouse); the processors' own letters (`runtime::engine`).
use super::{SINK, SinkTask};
use anyhow::Result;
use runtime::{
    Commit, RuntimeError,
    engine::{DlqLimits, RejectWindow, dlq_topic},
};
use schemas::{
    raw::{DeadLetter, RejectCode},
    wire,
};
use sinks::{
    BadRecord, Batch, BatchPlan, Record, RecordChange, SinkTopic, TopicPartitionOffset,
    tables::TABLES_VERSION, warehouse::max_bad_records,
};
use std::collections::{BTreeMap, BTreeSet};
use topics::TopicPartition;

/// What became of the newest records, against the limits that the processors have, too.
#[derive(Default)]
pub struct RejectTracker {
    limits: DlqLimits,
    recent: BTreeMap<(SinkTopic, i32), RejectWindow>,
    /// The batch in hand had bad records, and all of its records are counted.
    is_counted: bool,
    /// Records of the batch in hand before any of it was written in halves.
    whole: usize,
}
impl RejectTracker {
    pub fn new(limits: DlqLimits) -> RejectTracker {
        RejectTracker { limits, ..RejectTracker::default() }
    }
    /// Another batch is in hand, or a part of one of so many records, which may be counted already.
    pub fn begin(&mut self, whole: usize, is_counted: bool) {
        (self.is_counted, self.whole) = (is_counted, whole);
    }
    pub const fn is_counted(&self) -> bool {
        self.is_counted
    }
    /// The limit that these records of a batch exceed. A batch of one record says nothing: it counts with those before it.
    fn count(&mut self, batch: &Batch, bad: &[BadRecord]) -> Option<String> {
        let (all, unusable) = (batch.records.len() + batch.rejected, bad.len() + batch.rejected);
        let is_whole = all > 1 && all >= self.whole && unusable == all;
        if self.limits.ratio < 1.0 && (is_whole || unusable > max_bad_records(all)) {
            return Some(format!(
                "{unusable} of the {all} records of a batch make no row, which a dead-letter-max-ratio of 1 alone allows"
            ));
        }
        let places: BTreeSet<TopicPartitionOffset> = bad.iter().map(|bad| bad.at).collect();
        // Those that a first search left are counted already.
        let counted = std::mem::replace(&mut self.is_counted, true);
        let mut records: Vec<TopicPartitionOffset> = batch.records.iter().map(|record| record.at).collect();
        records.retain(|at| !counted || places.contains(at));
        records.sort_unstable();
        records.into_iter().find_map(|at| {
            self.recent.entry((at.input, at.partition)).or_default().count(&self.limits, places.contains(&at))
        })
    }
    /// The records of a batch that was written.
    pub fn count_used(&mut self, batch: &Batch) {
        if self.is_counted {
            return;
        }
        for Record { at, .. } in &batch.records {
            self.recent.entry((at.input, at.partition)).or_default().count(&self.limits, false);
        }
    }
}

impl SinkTask {
    /// Takes these records out of the batch, into the dead letters; stops when there are too many.
    pub(super) fn send_to_dlq(
        &mut self,
        batch: &mut Batch,
        plan: &BatchPlan,
        bad: Vec<BadRecord>,
    ) -> Result<()> {
        if let (Some(limit), Some(last)) = (self.rejects.count(batch, &bad), bad.last()) {
            let (processor, at, sample) = (SINK.to_owned(), last.at.to_string(), last.reason.clone());
            return Err(RuntimeError::DlqLimitExceeded { processor, at, limit, sample }.into());
        }
        let mut commit = Commit { group: SINK.to_owned(), ..Commit::default() };
        let reasons: BTreeMap<TopicPartitionOffset, String> =
            bad.into_iter().map(|bad| (bad.at, bad.reason)).collect();
        let places: Vec<TopicPartitionOffset> = reasons.keys().copied().collect();
        for record in batch.reject(&places) {
            // Bad records are named in another order than they were read in.
            let reason = reasons.get(&record.at).cloned().unwrap_or_default();
            let dead_letter = DeadLetter { batch: plan.id.to_string(), ..dead_letter(&record, reason)? };
            commit.reject(TopicPartition::new(dlq_topic(SINK), 0), dead_letter);
        }
        self.commit_to_log(commit)
    }
}

/// The record as it was read: an event's encoding is one run of bytes, so it is made again.
fn dead_letter(record: &Record, reason: String) -> Result<DeadLetter> {
    let value = match &record.change {
        RecordChange::Prediction(_, event) => event.as_ref().map(wire::encode),
        RecordChange::Features(_, event) => event.as_ref().map(wire::encode),
        RecordChange::PlayerGame(_, event) => event.as_ref().map(wire::encode),
    };
    Ok(DeadLetter {
        origin: record.at.input.topic().to_owned(),
        partition: record.at.partition,
        offset: record.at.offset,
        value: value.transpose()?.unwrap_or_default(),
        processor: SINK.to_owned(),
        key: record.change.id().to_string(),
        processor_version: TABLES_VERSION.into(),
        ..DeadLetter::new(RejectCode::BadRow, reason)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::{GameId, PlayerGameId, PlayerId};

    fn at(offset: usize) -> TopicPartitionOffset {
        TopicPartitionOffset { input: SinkTopic::Features, partition: 0, offset: offset as i64 }
    }
    /// The limit that so many bad records of a batch of so many exceed.
    fn limit(rejects: &mut RejectTracker, all: usize, bad: usize) -> Option<String> {
        let id = |n| PlayerGameId { player: PlayerId(n as u32), game: GameId(22_300_061) };
        let record = |n: usize| Record { at: at(n), change: RecordChange::Features(id(n), None) };
        let batch = Batch::from_records((0..all).map(record)).unwrap();
        let bad: Vec<_> = (0..bad).map(|n| BadRecord { at: at(n), reason: "bad".into() }).collect();
        rejects.count(&batch, &bad)
    }

    #[test]
    fn a_batch_may_have_ten_bad_records_or_one_in_a_hundred_and_one_good_one() {
        let is_stopped = |all, bad| limit(&mut RejectTracker::default(), all, bad).is_some();
        let stopped =
            [(1, 1), (2, 1), (2, 2), (10, 9), (10, 10), (100, 10), (100, 11), (5_000, 50), (5_000, 51)];
        let stopped = stopped.map(|(all, bad)| is_stopped(all, bad));
        assert_eq!(stopped, [false, false, true, false, true, false, true, false, true]);
    }
    #[test]
    fn good_records_between_bad_ones_end_a_row() {
        let id = |n| PlayerGameId { player: PlayerId(n as u32), game: GameId(22_300_061) };
        let record = |n: usize| Record { at: at(n), change: RecordChange::Features(id(n), None) };
        // Read newest first, as a batch may hold them: places count.
        let batch = Batch::from_records((0..1000).rev().map(record)).unwrap();
        let every_second: Vec<_> =
            (0..400).map(|n| BadRecord { at: at(2 * n), reason: "bad".into() }).collect();
        let mut rejects = RejectTracker::new(DlqLimits { consecutive: 3, ratio: 1.0 });
        assert_eq!(rejects.count(&batch, &every_second), None);
    }
    #[test]
    fn without_a_limit_for_a_batch_records_in_a_row_are_counted_over_batches() {
        let limits = DlqLimits { consecutive: 3, ratio: 1.0 };
        let mut rejects = RejectTracker::new(limits);
        assert_eq!(limit(&mut rejects, 2, 2), None);
        rejects.begin(0, false);
        assert_eq!(limit(&mut rejects, 1, 1), None);
        rejects.begin(0, false);
        assert!(limit(&mut rejects, 1, 1).unwrap().contains("more than 3 records in a row"));
        // A batch that was written ends the row.
        let mut rejects = RejectTracker::new(limits);
        for _ in 0..5 {
            assert_eq!(limit(&mut rejects, 2, 2), None);
            let written = Record {
                at: at(9),
                change: RecordChange::Features("200001/0022300061".parse().unwrap(), None),
            };
            rejects.begin(0, false);
            rejects.count_used(&Batch::from_records([written]).unwrap());
            rejects.begin(0, false);
        }
    }
}
