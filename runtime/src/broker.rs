//! The log as traits: what a processor instance needs of it, and what tools, ingest and the supervisor need.
//!
//! [`GroupMember`] is one processor instance in its consumer group. [`LogReader`], [`LogWriter`] and [`LogAdmin`] are the log to
//! everyone else; a [`LogBackend`] is all three and creates members.
//! Invariant: reading ends at what was committed when it began; a write is atomic.
//! Not here: any particular log (`runtime-kafka`, `runtime-embedded`), the loop over a member (`task`).
use crate::{
    commit::{Commit, DeadLetterRecord, RawEventRecord, RecordCount, Restored, TaskEvent},
    error::{CommitError, RuntimeError},
    lag::ProcessorProgress,
    progress_board::ProgressBoard,
    record_batch::RecordBatch,
    subscription::{ReadLimits, RunContext, Subscription},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use topics::{Offset, Offsets, TopicPartition};

/// One processor instance in its consumer group: its assignment, its input, its transactions.
pub trait GroupMember: Send {
    /// Blocks until there is something to react to.
    fn next_event(&mut self) -> TaskEvent;
    /// The content from which a partition's state is restored; `None` if the in-memory state is still current.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn restore(&mut self, partition: i32) -> Result<Option<Restored>, RuntimeError>;
    /// Makes a micro-batch durable.
    ///
    /// # Errors
    /// After [`CommitError::Aborted`] the member assigns its partitions again, and processing continues from the committed offsets.
    fn commit(&mut self, commit: Commit) -> Result<(), CommitError>;
    /// Continues from these offsets, as after a restart.
    fn seek(&mut self, offsets: Offsets);
    /// Whether the instance has read everything and no upstream processor of this process has anything left to read.
    fn is_caught_up(&self) -> bool;
    /// The log that the member belongs to.
    fn log(&mut self) -> &mut dyn LogBackend;
}

/// Reads a log without changing it.
pub trait LogReader: Send {
    /// The id of this log, if it has one yet.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn existing_id(&mut self) -> Result<Option<String>, RuntimeError>;
    /// The log as a person names it: its path, or its brokers.
    fn name(&self) -> String;
    /// The records from an offset on, up to about `max_bytes` and to the end offset at the time of the call; at least one record if
    /// there is any. The last batch ends where reading continues. A dead-letter queue is read with [`LogReader::dead_letters`].
    ///
    /// # Errors
    /// When the log cannot be read.
    fn read(
        &mut self,
        partition: TopicPartition,
        from: Offset,
        max_bytes: usize,
    ) -> Result<Vec<RecordBatch>, RuntimeError>;
    /// The dead letters of a processor in one partition of its dead-letter queue, from an offset on.
    ///
    /// # Errors
    /// When the log cannot be read, or a record of the queue is not a dead letter.
    fn dead_letters(
        &mut self,
        processor: &str,
        partition: i32,
        from: Offset,
    ) -> Result<Vec<DeadLetterRecord>, RuntimeError>;
    /// The first offset that is still stored, for all partitions of these topics; the end offset where none is.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn beginning_offsets(&mut self, topics: &[&str]) -> Result<Offsets, RuntimeError>;
    /// The offset at which a reader of committed records stops, for all partitions of these topics.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn end_offsets(&mut self, topics: &[&str]) -> Result<Offsets, RuntimeError>;
    /// The committed offsets of a consumer group in these topics; partitions without one are absent.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn committed_offsets(&mut self, group: &str, topics: &[&str]) -> Result<Offsets, RuntimeError>;
    /// The content from which a new instance restores a partition.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn restore(&mut self, subscription: &Subscription, partition: i32) -> Result<Restored, RuntimeError>;
    /// How many records lie below an offset.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn count_records_below(
        &mut self,
        partition: TopicPartition,
        offset: Offset,
    ) -> Result<RecordCount, RuntimeError>;
    /// The progress of processors in every partition of their inputs, in one consistent sample: committed offset, log start and end
    /// offset, and the first unread record. Processors that never ran are included.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn progress(&mut self, subscriptions: &[Subscription]) -> Result<Vec<ProcessorProgress>, RuntimeError>;
    /// Whether these processors have committed having read everything in their input topics.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn is_caught_up(&mut self, subscriptions: &[Subscription]) -> Result<bool, RuntimeError>;
}

/// Writes to a log from outside any processor.
pub trait LogWriter: Send {
    /// The id of this log: another log, or a rebuilt one, has another id. Creates the id on first use.
    ///
    /// # Errors
    /// When the log cannot be read or written.
    fn id(&mut self) -> Result<String, RuntimeError>;
    /// Appends the raw events that are not in the log yet, and everything in `commit`, atomically. Returns how many events were new.
    ///
    /// # Errors
    /// When the log cannot be written.
    fn ingest(&mut self, events: &[RawEventRecord], commit: Commit) -> Result<usize, RuntimeError>;
    /// Appends the records and dead letters of a commit and commits its offsets, atomically.
    ///
    /// # Errors
    /// [`CommitError::Aborted`] when nothing of it is known to be durable.
    fn append(&mut self, commit: Commit) -> Result<(), CommitError>;
}

/// Administers a log.
pub trait LogAdmin: Send {
    /// Deletes the records of a topic below these offsets, by partition.
    ///
    /// # Errors
    /// When the log cannot be written.
    fn purge(&mut self, topic: &str, below: &BTreeMap<i32, Offset>) -> Result<(), RuntimeError>;
    /// Acquires the exclusive right to run processors on this log, for as long as this value exists.
    ///
    /// # Errors
    /// When another process holds it.
    fn acquire_run_lock(&mut self) -> Result<(), RuntimeError>;
    /// Periodic maintenance: publish new end offsets, run compaction. Returns the next interval.
    ///
    /// # Errors
    /// When the log cannot be read or written.
    fn run_maintenance(&mut self, board: &ProgressBoard) -> Result<Duration, RuntimeError>;
    /// Deletes the topics and groups of a replay's namespace and nothing else, while nobody runs it: these topics except the raw ones,
    /// and the groups of these processors. Returns what was deleted.
    ///
    /// # Errors
    /// A live log refuses.
    fn discard(&mut self, topics: &[String], processors: &[String]) -> Result<Vec<String>, RuntimeError>;
}

/// A log on which processors run.
pub trait LogBackend: LogReader + LogWriter + LogAdmin {
    /// Creates a member of a processor's consumer group. Only after [`LogAdmin::acquire_run_lock`].
    ///
    /// # Errors
    /// When the topics do not fit the subscription, or another process runs under the same name.
    fn subscribe(
        &mut self,
        subscription: Subscription,
        limits: ReadLimits,
        context: Arc<RunContext>,
    ) -> Result<Box<dyn GroupMember>, RuntimeError>;
}
