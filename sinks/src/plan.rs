//! The plan of a batch: what is about to be written, made durable before the first call to the warehouse, and what to do with it
//! after a restart.
//!
//! Invariant: an id names one set of input ranges of one log in one epoch. A batch whose write may have happened is made again
//! from the ranges of its plan, never from a fresh window, so the warehouse knows it by its id.
//! Not here: storing plans; the runtime's log does, before the write, and commits the positions after it.
use crate::{
    record::SinkTopic,
    tables::TABLES_VERSION,
    window::{Batch, CloseReason, Range, Ranges},
};
use schemas::{Timestamp, ops::SinkBatchPlanned};
use std::{collections::BTreeMap, fmt};

/// Who writes: a sink, the log that it reads, and the epoch in which the warehouse knows that log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriterId {
    pub sink: String,
    pub log: String,
    pub epoch: i64,
}

/// The name of a batch, the same whenever it is made: 128 bits of a hash, in hex.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId(String);
impl BatchId {
    /// Of the writer, the version of the tables and the ranges.
    pub fn new(writer: &WriterId, ranges: &Ranges) -> BatchId {
        let WriterId { sink, log, epoch } = writer;
        let mut canonical = format!("{sink}\n{log}\n{epoch}\n{TABLES_VERSION}\n");
        for range in texts(ranges) {
            canonical += &range;
            canonical.push('\n');
        }
        BatchId(blake3::hash(canonical.as_bytes()).to_hex()[..32].to_owned())
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is about to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchPlan {
    pub id: BatchId,
    pub writer: WriterId,
    pub ranges: Ranges,
    /// Records read.
    pub records: i64,
    pub reason: CloseReason,
    pub planned_at: Timestamp,
}
impl BatchPlan {
    pub fn new(writer: WriterId, batch: &Batch, planned_at: Timestamp) -> BatchPlan {
        BatchPlan {
            id: BatchId::new(&writer, &batch.ranges),
            writer,
            ranges: batch.ranges.clone(),
            records: batch.read() as i64,
            reason: batch.reason,
            planned_at,
        }
    }
    /// The plan of no batch: the log is about to be read again, and nothing of before is open.
    pub fn for_restart(writer: WriterId, planned_at: Timestamp) -> BatchPlan {
        let ranges = Ranges::new();
        BatchPlan {
            id: BatchId::new(&writer, &ranges),
            writer,
            ranges,
            records: 0,
            reason: CloseReason::Recovered,
            planned_at,
        }
    }
    /// The plan as the log keeps it.
    pub fn event(&self) -> SinkBatchPlanned {
        SinkBatchPlanned {
            batch_id: self.id.0.clone(),
            ranges: texts(&self.ranges),
            records: self.records,
            reason: self.reason.name().to_owned(),
            planned_at: self.planned_at,
        }
    }
    /// The plan that the log kept. Its id stays the planned one, whoever asks.
    pub fn from_event(writer: WriterId, event: &SinkBatchPlanned) -> Result<BatchPlan, String> {
        Ok(BatchPlan {
            id: BatchId(event.batch_id.clone()),
            writer,
            ranges: event.ranges.iter().map(|text| parse(text)).collect::<Result<_, _>>()?,
            records: event.records,
            reason: event.reason.parse()?,
            planned_at: event.planned_at,
        })
    }
    /// The positions to commit once it is written: next to read.
    pub fn next(&self) -> SinkOffsets {
        self.ranges.iter().map(|(at, range)| (*at, range.end)).collect()
    }
}

/// Per input and partition the next offset to read.
pub type SinkOffsets = BTreeMap<(SinkTopic, i32), i64>;

/// Ranges as text, `topic/partition:first-end` each, sorted.
fn texts(ranges: &Ranges) -> Vec<String> {
    let text = |((input, partition), range): (&(SinkTopic, i32), &Range)| {
        format!("{input}/{partition}:{}-{}", range.first, range.end)
    };
    ranges.iter().map(text).collect()
}
fn parse(text: &str) -> Result<((SinkTopic, i32), Range), String> {
    let parts = || {
        let (place, range) = text.rsplit_once(':')?;
        let (topic, partition) = place.rsplit_once('/')?;
        let (first, end) = range.split_once('-')?;
        let range = Range { first: first.parse().ok()?, end: end.parse().ok()? };
        Some(((topic.parse().ok()?, partition.parse().ok()?), range))
    };
    parts().ok_or_else(|| format!("'{text}' is not a range of the sink's input"))
}

/// What to do first after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// Nothing is open: read on from the committed positions.
    Resume,
    /// The newest batch is in the warehouse, the positions behind it are not committed: commit them.
    CommitOffsets(SinkOffsets),
    /// The newest batch is not in the warehouse: read its ranges again, write it under its id, commit.
    RewriteBatch(Ranges),
    /// The log has committed what the warehouse does not have: it is a new one, or was set back to an older copy; or the newest
    /// plan is of another epoch or of other tables. Begin a new epoch (`Warehouse::take_ownership`), read from the start, then
    /// `Warehouse::delete_stale_epochs`.
    Rebuild,
}
impl Recovery {
    /// From the newest plan that the log holds (read back as the present writer's), the committed positions, and whether the
    /// warehouse has that plan's batch.
    pub fn decide(newest: Option<&BatchPlan>, committed: &SinkOffsets, in_warehouse: bool) -> Recovery {
        let Some(plan) = newest else {
            return if committed.is_empty() { Recovery::Resume } else { Recovery::Rebuild };
        };
        if plan.id != BatchId::new(&plan.writer, &plan.ranges) {
            return Recovery::Rebuild;
        }
        if plan.ranges.is_empty() {
            return Recovery::Resume;
        }
        let next = plan.next();
        let is_committed = next.iter().all(|(at, end)| committed.get(at).is_some_and(|to| to >= end));
        match (in_warehouse, is_committed) {
            (true, true) => Recovery::Resume,
            (true, false) => Recovery::CommitOffsets(next),
            (false, false) => Recovery::RewriteBatch(plan.ranges.clone()),
            (false, true) => Recovery::Rebuild,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer() -> WriterId {
        WriterId { sink: "warehouse".into(), log: "log-1".into(), epoch: 1 }
    }
    fn ranges(end: i64) -> Ranges {
        let range = |first, end| Range { first, end };
        BTreeMap::from([
            ((SinkTopic::PlayerGames, 1), range(7, 9)),
            ((SinkTopic::Predictions, 0), range(100, end)),
            ((SinkTopic::Predictions, 3), range(0, 12)),
        ])
    }
    fn plan() -> BatchPlan {
        let batch = Batch {
            ranges: ranges(250),
            records: vec![],
            superseded: 3,
            rejected: 0,
            filtered: 0,
            reason: CloseReason::Age,
        };
        BatchPlan::new(writer(), &batch, Timestamp(5))
    }

    #[test]
    fn an_id_is_the_same_for_the_same_ranges_and_no_other() {
        let id = BatchId::new(&writer(), &ranges(250));
        assert_eq!(id, plan().id);
        assert_eq!(id.as_str().len(), 32);
        assert_ne!(id, BatchId::new(&writer(), &ranges(251)));
        assert_ne!(id, BatchId::new(&WriterId { epoch: 2, ..writer() }, &ranges(250)));
        assert_ne!(id, BatchId::new(&WriterId { sink: "other".into(), ..writer() }, &ranges(250)));
    }
    #[test]
    fn a_plan_comes_back_from_the_log_as_it_was() {
        let event = plan().event();
        assert_eq!(event.ranges[0], "ml.predictions.v1/0:100-250");
        assert_eq!(BatchPlan::from_event(writer(), &event), Ok(plan()));
        for bad in ["ml.predictions.v1/0", "ml.guesses.v1/0:1-2", "ml.features.v1/x:1-2", ""] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
    #[test]
    fn a_restart_finishes_what_the_newest_plan_began() {
        let (plan, before) = (plan(), SinkOffsets::from([((SinkTopic::Predictions, 0), 100)]));
        let decide =
            |committed: &SinkOffsets, in_warehouse| Recovery::decide(Some(&plan), committed, in_warehouse);
        assert_eq!(decide(&before, false), Recovery::RewriteBatch(ranges(250)));
        assert_eq!(decide(&before, true), Recovery::CommitOffsets(plan.next()));
        assert_eq!(decide(&plan.next(), true), Recovery::Resume);
        assert_eq!(Recovery::decide(None, &SinkOffsets::new(), false), Recovery::Resume);
    }
    #[test]
    fn a_warehouse_that_lost_a_committed_batch_is_filled_from_the_start() {
        let plan = plan();
        assert_eq!(Recovery::decide(Some(&plan), &plan.next(), false), Recovery::Rebuild);
        assert_eq!(Recovery::decide(None, &plan.next(), false), Recovery::Rebuild);
    }
    #[test]
    fn a_reading_that_was_begun_is_gone_on_with_from_where_it_is() {
        let begun = BatchPlan::for_restart(writer(), Timestamp(5));
        for committed in [SinkOffsets::new(), plan().next()] {
            assert_eq!(Recovery::decide(Some(&begun), &committed, false), Recovery::Resume);
        }
        let later = WriterId { epoch: 2, ..writer() };
        let event = BatchPlan::from_event(later, &begun.event()).unwrap();
        assert_eq!(Recovery::decide(Some(&event), &SinkOffsets::new(), false), Recovery::Rebuild);
    }
    #[test]
    fn a_plan_of_another_epoch_is_not_gone_on_with() {
        let event = plan().event();
        let later = BatchPlan::from_event(WriterId { epoch: 2, ..writer() }, &event).unwrap();
        for in_warehouse in [false, true] {
            assert_eq!(Recovery::decide(Some(&later), &later.next(), in_warehouse), Recovery::Rebuild);
        }
    }
}
