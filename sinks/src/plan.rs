//! Batch plan: the input ranges of a batch, and its predecessor, stored durably before the batch is written.
//!
//! Invariant: a batch id identifies one set of input ranges of one log in one epoch. A batch that may have been written is built again from
//! the ranges of its plan, never from a new window, so the warehouse recognizes its id.
//! Not here: storing plans (the sink task stores the plan in the log before the write, and commits the offsets after it); what follows from
//! a plan after a restart (`recovery`).
use crate::{
    record::SinkTopic,
    tables::TABLES_VERSION,
    window::{Batch, CloseReason, Range, Ranges},
};
use schemas::{
    Timestamp,
    ops::{SinkBatchPlanned, StoredSinkBatch},
};
use std::{collections::BTreeMap, fmt};

/// Writer of a batch: name of the sink, id of the log, and warehouse epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriterId {
    pub sink: String,
    pub log: String,
    pub epoch: i64,
}

/// Id of a batch: 128 bits of a hash, in hexadecimal. It is the same every time the batch is built.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId(String);
impl BatchId {
    /// Hashes the writer, the table version and the ranges.
    pub fn new(writer: &WriterId, ranges: &Ranges) -> BatchId {
        let WriterId { sink, log, epoch } = writer;
        let mut canonical = format!("{sink}\n{log}\n{epoch}\n{TABLES_VERSION}\n");
        for range in range_texts(ranges) {
            canonical += &range;
            canonical.push('\n');
        }
        BatchId(blake3::hash(canonical.as_bytes()).to_hex()[..32].to_owned())
    }
    /// Returns the id whose text a warehouse or a log has stored.
    pub(crate) fn from_stored(text: impl Into<String>) -> BatchId {
        BatchId(text.into())
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

/// A batch that a warehouse has stored: its id, and the time of its plan. A batch id is a function of the input ranges, and a log that was
/// restored from a backup gives the same offsets to other records; the time tells the two batches apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBatch {
    pub id: BatchId,
    pub planned_at: Timestamp,
}

/// The newest batch that the warehouse had stored in the epoch when a batch was planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Predecessor {
    /// The plan was made by an earlier version, which did not state it.
    NotStated,
    /// `None`: the warehouse had stored no batch in this epoch.
    Stated(Option<StoredBatch>),
}

/// The input topics of earlier versions, whose record keys had no date and no pair of teams.
const FORMER_INPUTS: [&str; 3] = ["ml.predictions.v1/", "ml.features.v1/", "core.player-games.v1/"];

/// A planned batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchPlan {
    pub id: BatchId,
    pub writer: WriterId,
    pub ranges: Ranges,
    /// Number of records read.
    pub records: i64,
    pub reason: CloseReason,
    pub planned_at: Timestamp,
    pub predecessor: Predecessor,
}
impl BatchPlan {
    /// Plans a batch that is the first of its epoch; [`after`](Self::after) sets its predecessor.
    pub fn new(writer: WriterId, batch: &Batch, planned_at: Timestamp) -> BatchPlan {
        BatchPlan {
            id: BatchId::new(&writer, &batch.ranges),
            writer,
            ranges: batch.ranges.clone(),
            records: batch.read() as i64,
            reason: batch.reason,
            planned_at,
            predecessor: Predecessor::Stated(None),
        }
    }
    /// Returns an empty plan, which records that the log is about to be read from its start and that no earlier batch is unfinished.
    pub fn for_restart(writer: WriterId, planned_at: Timestamp) -> BatchPlan {
        let ranges = Ranges::new();
        BatchPlan {
            id: BatchId::new(&writer, &ranges),
            writer,
            ranges,
            records: 0,
            reason: CloseReason::Recovered,
            planned_at,
            predecessor: Predecessor::Stated(None),
        }
    }
    /// Sets the newest batch that the warehouse has stored in this epoch.
    #[must_use]
    pub fn after(self, newest_stored: Option<StoredBatch>) -> BatchPlan {
        BatchPlan { predecessor: Predecessor::Stated(newest_stored), ..self }
    }
    /// Returns the batch as the warehouse stores it.
    pub fn stored(&self) -> StoredBatch {
        StoredBatch { id: self.id.clone(), planned_at: self.planned_at }
    }
    /// Converts the plan to an event.
    pub fn event(&self) -> SinkBatchPlanned {
        let (states_predecessor, predecessor) = match &self.predecessor {
            Predecessor::NotStated => (false, None),
            Predecessor::Stated(predecessor) => (true, predecessor.as_ref()),
        };
        SinkBatchPlanned {
            batch_id: self.id.0.clone(),
            ranges: range_texts(&self.ranges),
            records: self.records,
            reason: self.reason.name().to_owned(),
            planned_at: self.planned_at,
            states_predecessor,
            predecessor: predecessor.map(|stored| StoredSinkBatch {
                batch_id: stored.id.0.clone(),
                planned_at: stored.planned_at,
            }),
        }
    }
    /// Converts an event to a plan. The plan keeps the id of the event, even if `writer` has a different epoch.
    ///
    /// # Errors
    /// A range or the close reason cannot be parsed.
    pub fn from_event(writer: WriterId, event: &SinkBatchPlanned) -> Result<BatchPlan, String> {
        let stored = |stored: &StoredSinkBatch| StoredBatch {
            id: BatchId::from_stored(&stored.batch_id),
            planned_at: stored.planned_at,
        };
        Ok(BatchPlan {
            id: BatchId::from_stored(&event.batch_id),
            writer,
            ranges: event.ranges.iter().map(|text| parse_range(text)).collect::<Result<_, _>>()?,
            records: event.records,
            reason: event.reason.parse()?,
            planned_at: event.planned_at,
            predecessor: if event.states_predecessor {
                Predecessor::Stated(event.predecessor.as_ref().map(stored))
            } else {
                Predecessor::NotStated
            },
        })
    }
    /// True if an event is the plan of a batch that an earlier version read from former topics. No batch of them can be read any more; the
    /// rows of the warehouse are written again from the topics of today.
    pub fn is_of_former_topics(event: &SinkBatchPlanned) -> bool {
        let is_former = |range: &String| FORMER_INPUTS.iter().any(|topic| range.starts_with(topic));
        event.ranges.iter().any(is_former)
    }
    /// Returns the offsets to commit after the write.
    pub fn next_offsets(&self) -> SinkOffsets {
        self.ranges.iter().map(|(key, range)| (*key, range.end)).collect()
    }
}

/// Next offset to read by input topic and partition.
pub type SinkOffsets = BTreeMap<(SinkTopic, i32), i64>;

/// Returns the ranges as texts `topic/partition:first-end`, sorted by topic and partition.
fn range_texts(ranges: &Ranges) -> Vec<String> {
    let text = |((input, partition), range): (&(SinkTopic, i32), &Range)| {
        format!("{input}/{partition}:{}-{}", range.first, range.end)
    };
    ranges.iter().map(text).collect()
}
fn parse_range(text: &str) -> Result<((SinkTopic, i32), Range), String> {
    let parts = || {
        let (topic_partition, range) = text.rsplit_once(':')?;
        let (topic, partition) = topic_partition.rsplit_once('/')?;
        let (first, end) = range.split_once('-')?;
        let range = Range { first: first.parse().ok()?, end: end.parse().ok()? };
        Some(((topic.parse().ok()?, partition.parse().ok()?), range))
    };
    parts().ok_or_else(|| format!("'{text}' is not an input range of the sink"))
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
    fn equal_ranges_have_one_id_and_other_ranges_another() {
        let id = BatchId::new(&writer(), &ranges(250));
        assert_eq!(id, plan().id);
        assert_eq!(id.as_str().len(), 32);
        assert_ne!(id, BatchId::new(&writer(), &ranges(251)));
        assert_ne!(id, BatchId::new(&WriterId { epoch: 2, ..writer() }, &ranges(250)));
        assert_ne!(id, BatchId::new(&WriterId { sink: "other".into(), ..writer() }, &ranges(250)));
    }
    #[test]
    fn a_plan_is_read_back_unchanged() {
        let event = plan().event();
        assert_eq!(event.ranges[0], "ml.predictions.v2/0:100-250");
        assert_eq!(BatchPlan::from_event(writer(), &event), Ok(plan()));
        for bad in ["ml.predictions.v2/0", "ml.guesses.v1/0:1-2", "ml.features.v2/x:1-2", ""] {
            assert!(parse_range(bad).is_err(), "{bad}");
        }
    }
    #[test]
    fn a_plan_states_its_predecessor_and_a_plan_of_the_first_version_does_not() {
        for predecessor in [None, Some(StoredBatch { planned_at: Timestamp(4), ..plan().stored() })] {
            let plan = plan().after(predecessor);
            assert_eq!(BatchPlan::from_event(writer(), &plan.event()), Ok(plan));
        }
        let former = SinkBatchPlanned { states_predecessor: false, ..plan().event() };
        let former = BatchPlan::from_event(writer(), &former).unwrap();
        assert_eq!(former.predecessor, Predecessor::NotStated);
        assert_eq!(BatchPlan::from_event(writer(), &former.event()), Ok(former));
    }
}
