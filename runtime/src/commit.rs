//! Plain values for one micro-batch: the events that a task receives, and the commit with everything that becomes durable.
//!
//! A task receives [`TaskEvent`]s, restores a partition from [`Restored`], and hands a [`Commit`] to its group member. The backend decides
//! where records come from and where a commit is stored.
//! Invariant: offsets in a commit are the next offsets to read. A commit is atomic: records, dead letters, the ledger entry and the
//! committed offsets become durable together or none of them does.
//! Not here: the traits that read and write (`broker`), the loop (`task`), errors (`error`).
use crate::{error::RuntimeError, record_batch::RecordBatch};
use schemas::{RawId, ops::LedgerEntry, raw::DeadLetter};
use std::collections::BTreeMap;
use topics::{Offset, Offsets, TopicInfo, TopicPartition};

/// An event that a task must handle: a change of its assignment, input records, idleness, shutdown or a fatal error.
#[derive(Debug)]
pub enum TaskEvent {
    /// From now on, exactly these partitions are assigned to this instance: restore them, then continue.
    Assigned(Vec<i32>),
    /// Partitions are revoked: commit what was read, then stop processing them.
    Revoked(Vec<i32>),
    /// The assignment was lost (session expired). Uncommitted work is discarded; the new owner reprocesses it.
    Lost,
    /// Input records to process, in offset order per partition.
    Records(Vec<(TopicPartition, RecordBatch)>),
    /// There is nothing to read now.
    Idle,
    /// Stop after committing what was read.
    Shutdown,
    /// The backend failed with this error, and the task must end.
    Failed(RuntimeError),
}

/// Everything that one micro-batch makes durable, in one transaction.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// The consumer group whose offsets are committed.
    pub group: String,
    /// Records to append, including changelog records and the ledger entry.
    pub records: BTreeMap<TopicPartition, RecordBatch>,
    /// Dead letters to append, by partition of a dead-letter queue. Each backend stores them in its own form.
    pub dead_letters: BTreeMap<TopicPartition, Vec<DeadLetter>>,
    /// The next offset to read, by input partition.
    pub offsets: Offsets,
    /// A copy of the ledger entry that `records` contains, for metrics.
    pub ledger_entry: Option<LedgerEntry>,
}

impl Commit {
    /// Appends one record.
    pub fn append(&mut self, partition: TopicPartition, key: &str, value: Option<&[u8]>) {
        self.records.entry(partition).or_default().push(key, value);
    }
    /// Appends one dead letter to a partition of a dead-letter queue; of a record above the limit of an event, it keeps the first bytes.
    pub fn reject(&mut self, partition: TopicPartition, dead_letter: DeadLetter) {
        self.dead_letters.entry(partition).or_default().push(dead_letter.within_limit());
    }
}

/// The content of a partition from which a processor restores its state.
#[derive(Debug, Default)]
pub struct Restored {
    pub changelog: Vec<RecordBatch>,
    /// The records of the processor's input tables, up to their end offsets, by topic.
    pub tables: Vec<(&'static str, Vec<RecordBatch>)>,
    /// Committed offsets of this partition number in all input topics, by topic.
    pub offsets: BTreeMap<&'static str, Offset>,
}

/// A dead letter with its partition and offset in the dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterRecord {
    pub partition: i32,
    pub offset: Offset,
    pub dead_letter: DeadLetter,
}

/// How many records were ever appended to a partition below a given offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordCount {
    Exactly(i64),
    /// The exact number is unknown, because records may have been compacted or deleted. This many are still stored.
    AtLeast(i64),
}

/// A raw event (one response of a source, byte for byte) that is to be appended to the log.
#[derive(Clone, Debug)]
pub struct RawEventRecord {
    pub topic: TopicInfo,
    pub partition: i32,
    pub key: String,
    /// The id of the event. An event whose id is already in the log is appended again only if its rank is higher than that of every event
    /// with this id in the log.
    pub id: RawId,
    /// The rank of the event's fetch outcome, which is not part of its id.
    pub rank: u8,
    /// The encoded event.
    pub value: Vec<u8>,
}
