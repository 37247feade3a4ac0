//! The traits of a log: the operations that processor instances, commands and the supervisor need.
//!
//! [`GroupMember`] is one processor instance in its consumer group. All other code uses [`LogReader`], [`LogWriter`] and [`LogAdmin`]; a
//! [`LogBackend`] implements all three and creates members.
//! Invariant: a read ends at the end offset that the partition had when the read began; a write is atomic.
//! Not here: the implementations (`runtime-kafka`, `runtime-embedded`), the loop that calls a member (`task`).
use crate::{
    commit::{Commit, DeadLetterRecord, RawEventRecord, RecordCount, Restored, TaskEvent},
    error::{CommitError, RuntimeError},
    lag::ProcessorProgress,
    progress_board::ProgressBoard,
    record_batch::RecordBatch,
    stored_record::{ReadSize, StoredRecords},
    subscription::{ReadLimits, RunContext, Subscription},
};
use schemas::Timestamp;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use topics::{Offset, Offsets, TopicPartition};

/// One processor instance in its consumer group: its assignment, its input, its transactions.
pub trait GroupMember: Send {
    /// Blocks until there is an event for the task, and returns it.
    fn next_event(&mut self) -> TaskEvent;
    /// Reads the content from which a partition's state is restored; `None` if the in-memory state is still current.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn restore(&mut self, partition: i32) -> Result<Option<Restored>, RuntimeError>;
    /// Makes a micro-batch durable.
    ///
    /// # Errors
    /// After [`CommitError::Aborted`] the member assigns its partitions again, and processing continues from the committed offsets.
    fn commit(&mut self, commit: Commit) -> Result<(), CommitError>;
    /// Continues reading from these offsets, as after a restart.
    fn seek(&mut self, offsets: Offsets);
    /// True if the instance has read all its input, and no upstream processor in this process has unread input.
    fn is_caught_up(&self) -> bool;
    /// Returns the log that the member belongs to.
    fn log(&mut self) -> &mut dyn LogBackend;
}

/// Reads a log without changing it.
pub trait LogReader: Send {
    /// Returns the id of this log; `None` if none was created yet.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn existing_id(&mut self) -> Result<Option<String>, RuntimeError>;
    /// Returns the name of the log for messages: its path, or its brokers.
    fn name(&self) -> String;
    /// Reads the records from an offset on: up to about `max_bytes`, up to the end offset at the time of the call, and at least one record
    /// if there is any. Reading continues at [`RecordBatch::next`] of the last batch. A dead-letter queue is read with
    /// [`LogReader::dead_letters`].
    ///
    /// # Errors
    /// When the log cannot be read.
    fn read(
        &mut self,
        partition: TopicPartition,
        from: Offset,
        max_bytes: usize,
    ) -> Result<Vec<RecordBatch>, RuntimeError>;
    /// Reads the records of several partitions as they are stored, from these offsets on: of each partition up to about the size, up to the
    /// end offset at the time of the call, and at least one record if there is any. A partition of which nothing is left to read may be
    /// absent. Transactions that are open or were aborted are not read, and not waited for.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn read_stored(
        &mut self,
        from: &Offsets,
        size: ReadSize,
    ) -> Result<BTreeMap<TopicPartition, StoredRecords>, RuntimeError>;
    /// Reads the newest records of several partitions as they are stored: of each at least `records` if it has as many, but not more than
    /// about a megabyte. Costs as much however many records the partitions have.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn read_newest(
        &mut self,
        partitions: &[TopicPartition],
        records: usize,
    ) -> Result<BTreeMap<TopicPartition, StoredRecords>, RuntimeError>;
    /// Returns the offset of the first record of each partition whose timestamp is not before an instant; partitions without such a record
    /// are absent.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn offsets_at(
        &mut self,
        partitions: &[TopicPartition],
        instant: Timestamp,
    ) -> Result<Offsets, RuntimeError>;
    /// Waits until a partition has a record at or after its offset, at most for `timeout`. Returns true if there may be one.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn await_records(&mut self, next: &Offsets, timeout: Duration) -> Result<bool, RuntimeError>;
    /// Reads the dead letters of a processor in one partition of its dead-letter queue, from an offset on.
    ///
    /// # Errors
    /// When the log cannot be read, or a record of the queue is not a dead letter.
    fn dead_letters(
        &mut self,
        processor: &str,
        partition: i32,
        from: Offset,
    ) -> Result<Vec<DeadLetterRecord>, RuntimeError>;
    /// Returns the log start offsets of all partitions of these topics. For a partition that stores no record, this is the end offset.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn beginning_offsets(&mut self, topics: &[&str]) -> Result<Offsets, RuntimeError>;
    /// Returns the end offsets of all partitions of these topics, at which a reader of committed records stops.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn end_offsets(&mut self, topics: &[&str]) -> Result<Offsets, RuntimeError>;
    /// Returns the committed offsets of a consumer group in these topics; partitions without a committed offset are absent.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn committed_offsets(&mut self, group: &str, topics: &[&str]) -> Result<Offsets, RuntimeError>;
    /// Returns how many records a consumer group has read from other topics than these, which former versions of the processor had as
    /// inputs. Kafka does not list them, and returns 0.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn count_read_from_other_topics(&mut self, group: &str, topics: &[&str]) -> Result<i64, RuntimeError>;
    /// Reads the content from which a new instance restores a partition.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn restore(&mut self, subscription: &Subscription, partition: i32) -> Result<Restored, RuntimeError>;
    /// Counts the records that were ever appended below an offset.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn count_records_below(
        &mut self,
        partition: TopicPartition,
        offset: Offset,
    ) -> Result<RecordCount, RuntimeError>;
    /// Returns the progress of processors in every partition of their inputs, in one consistent sample: committed offset, log start offset,
    /// end offset, and the first unread record. Processors that never ran are included.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn progress(&mut self, subscriptions: &[Subscription]) -> Result<Vec<ProcessorProgress>, RuntimeError>;
    /// True if the committed offsets of these processors cover all records in their input topics.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn is_caught_up(&mut self, subscriptions: &[Subscription]) -> Result<bool, RuntimeError>;
}

/// Writes to a log from outside any processor.
pub trait LogWriter: Send {
    /// Returns the id of this log, which no other log has, and which changes if the log is rebuilt. Creates the id on first use.
    ///
    /// # Errors
    /// When the log cannot be read or written.
    fn id(&mut self) -> Result<String, RuntimeError>;
    /// Appends the raw events that are not in the log yet, or only with a lower rank, and everything in `commit`, atomically. Returns how
    /// many events were appended.
    ///
    /// # Errors
    /// When the log cannot be written.
    fn ingest(&mut self, events: &[RawEventRecord], commit: Commit) -> Result<usize, RuntimeError>;
    /// Appends the records and dead letters of a commit and commits its offsets, atomically.
    ///
    /// # Errors
    /// [`CommitError::Aborted`] when the commit was aborted or is unconfirmed.
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
    /// When another process holds this right.
    fn acquire_run_lock(&mut self) -> Result<(), RuntimeError>;
    /// Runs periodic maintenance: publishes new end offsets on the progress board and compacts. Returns the time until the next call.
    ///
    /// # Errors
    /// When the log cannot be read or written.
    fn run_maintenance(&mut self, board: &ProgressBoard) -> Result<Duration, RuntimeError>;
    /// Deletes a replay's topics and consumer groups: the given topics in the replay's namespace, except raw topics, and the groups of the
    /// given processors. No process may run the replay at that time. Returns the names of everything that was deleted.
    ///
    /// # Errors
    /// When the log is a live log.
    fn discard(&mut self, topics: &[String], processors: &[String]) -> Result<Vec<String>, RuntimeError>;
}

/// A log on which processors run.
pub trait LogBackend: LogReader + LogWriter + LogAdmin {
    /// Creates a member of a processor's consumer group. [`LogAdmin::acquire_run_lock`] must have been called before.
    ///
    /// # Errors
    /// When a topic of the subscription is missing or has the wrong partition count, or another process runs under the same instance name.
    fn subscribe(
        &mut self,
        subscription: Subscription,
        limits: ReadLimits,
        context: Arc<RunContext>,
    ) -> Result<Box<dyn GroupMember>, RuntimeError>;
}
