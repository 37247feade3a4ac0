//! A processor as the runtime sees it: its name, its topics, and the methods that a task calls.
//!
//! A parked record was read and saved, but needs a key (for example of a game) that does not exist yet.
//! Invariant: every record processed is counted exactly once in the ledger entry of the next commit, as applied, unchanged, parked or
//! rejected.
//! Not here: the two implementations (`stateless`, `materialized_view`), the loop that calls them (`task`).
use super::{AcceptedRecords, DlqLimits};
use crate::{
    commit::{Commit, Restored},
    error::RuntimeError,
    record_batch::RecordBatch,
};
use processors::materialized_view::ParkedItem;
use std::collections::BTreeMap;
use topics::{TopicInfo, TopicPartition};

/// The kind of a processor: what it keeps between records, and how its partitions are assigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessorKind {
    /// Keeps nothing between records; has a dead-letter queue.
    Stateless,
    /// Keeps tables in memory, and a changelog from which they are restored.
    MaterializedView,
    /// Writes to a warehouse. All partitions are assigned to one instance (exclusive consumer); other instances are idle members without
    /// state.
    Sink,
}

impl ProcessorKind {
    pub const fn name(self) -> &'static str {
        match self {
            ProcessorKind::Stateless => "stateless",
            ProcessorKind::MaterializedView => "materialized_view",
            ProcessorKind::Sink => "sink",
        }
    }
    /// True if the processor has a changelog to restore from.
    pub const fn has_changelog(self) -> bool {
        matches!(self, ProcessorKind::MaterializedView)
    }
    /// True if the processor can reject records, and so has a dead-letter queue.
    pub const fn has_dlq(self) -> bool {
        !matches!(self, ProcessorKind::MaterializedView)
    }
    /// True if all partitions are assigned to one instance.
    pub const fn is_exclusive(self) -> bool {
        matches!(self, ProcessorKind::Sink)
    }
}

/// One processor of the topology.
pub trait ProcessorNode: Send {
    /// Returns the processor's unique name.
    fn name(&self) -> &'static str;
    /// Returns the name of the consumer group: the processor's name, and for a stateless processor also its version, because a new version
    /// reprocesses its input from the start.
    fn group(&self) -> String;
    fn inputs(&self) -> Vec<TopicInfo>;
    fn outputs(&self) -> Vec<TopicInfo>;
    fn kind(&self) -> ProcessorKind;
    /// Sets the DLQ limits. By default this does nothing, because a materialized view rejects no records.
    fn set_dlq_limits(&mut self, _: DlqLimits) {}
    /// Sets the records that do not count for the DLQ limits. By default this does nothing.
    fn accept_records(&mut self, _: AcceptedRecords) {}
    /// Restores the state of an assigned partition.
    ///
    /// # Errors
    /// When a stored record cannot be decoded.
    fn assign(&mut self, partition: i32, restored: Restored) -> Result<(), RuntimeError>;
    /// Drops the state of a partition.
    fn revoke(&mut self, partition: i32);
    /// Drops the state of all partitions and everything that is not committed.
    fn reset(&mut self);
    /// Processes records of one input partition.
    ///
    /// # Errors
    /// When a record cannot be decoded, an output cannot be encoded, or a DLQ limit is exceeded.
    fn process(&mut self, partition: TopicPartition, batch: &RecordBatch) -> Result<(), RuntimeError>;
    /// True if there is anything to commit.
    fn has_pending(&self) -> bool;
    /// Ends the micro-batch and returns its results as a commit, which the caller must make durable.
    ///
    /// # Errors
    /// When an output cannot be encoded.
    fn take_commit(&mut self) -> Result<Commit, RuntimeError>;
    /// Returns the number of rows currently published in each output table, summed over the assigned partitions. Empty for a stateless
    /// processor.
    fn published(&self) -> BTreeMap<&'static str, u64> {
        BTreeMap::new()
    }
    /// Returns the state of an assigned partition as text, one entry per key and per published row, sorted. Tests compare a restored instance
    /// with a running one by it. Empty for a processor without state.
    fn state_text(&self, _partition: i32) -> Vec<String> {
        Vec::new()
    }
    /// Returns the number of parked records in the assigned partitions, and the keys that they need.
    fn parked(&self) -> (i64, Vec<ParkedItem>);
}
