//! The embedded log as a backend of the runtime.
//!
//! Invariant: every member has its own connection to the file. Offsets are dense when they are written, so an offset is the number of
//! records appended before it.
//! Not here: the file itself (`store`), what a member reads next (`member`), the log of a replay (`replay_log`).
use crate::{
    append, compaction,
    error::storage_error,
    integrity::{self, IntegrityReport},
    lag_snapshot,
    maintenance::Maintenance,
    member::{EmbeddedMember, MemberLog},
    merging, offsets, retention,
    run_lock::RunLock,
    store::{PartitionSize, Store},
    stored_records,
};
use runtime::{
    Commit, CommitError, DeadLetterRecord, GroupMember, LogAdmin, LogBackend, LogReader, LogWriter,
    RawEventRecord, ReadSize, RecordBatch, RecordCount, Restored, RuntimeError, StoredRecords,
    engine::{changelog_topic, dlq_topic},
    lag::ProcessorProgress,
    progress_board::ProgressBoard,
    subscription::{ReadLimits, RunContext, Subscription},
};
use schemas::{units::Timestamp, wire};
use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};
use topics::{Offset, Offsets, Policy, TopicInfo, TopicPartition};

/// How often to look for records that another process appended, because that process does not notify this one.
const MAINTENANCE_INTERVAL: Duration = Duration::from_millis(10);
/// The key in table `meta` under which a replay stores the id of the log whose raw topics it reads.
pub const REPLAY_SOURCE: &str = "replay_source";

/// The log in one SQLite file.
pub struct EmbeddedLog {
    store: Store,
    run_lock: Option<RunLock>,
    /// The data version of the file when its end offsets were last published on the progress board; `None` before the first time.
    published_version: Option<i64>,
    maintenance: Maintenance,
}

impl EmbeddedLog {
    /// Opens the log in a folder, creating both if they do not exist.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(folder: &Path) -> Result<Self, RuntimeError> {
        Store::open(folder).map(EmbeddedLog::from_store)
    }
    /// Opens the log of a demo in a folder, creating both if they do not exist.
    ///
    /// # Errors
    /// [`RuntimeError::Precondition`] when the folder has files, and no log that a demo created; when the file cannot be opened.
    pub fn open_demo(folder: &Path) -> Result<Self, RuntimeError> {
        Store::open_demo(folder).map(EmbeddedLog::from_store)
    }
    /// Opens the log in a folder for reading.
    ///
    /// # Errors
    /// When there is no log, or it cannot be opened.
    pub fn open_read_only(folder: &Path) -> Result<Self, RuntimeError> {
        Store::open_read_only(folder).map(EmbeddedLog::from_store)
    }
    /// Examines the log in a folder: every page of the file and every row. Works although the file is damaged, and changes nothing.
    ///
    /// # Errors
    /// When there is no log, or the file is not a database.
    pub fn examine(folder: &Path) -> Result<IntegrityReport, RuntimeError> {
        integrity::examine(&Store::open_to_examine(folder)?)
    }
    /// Examines the structure of the log in a folder and its small tables, in a moment; changes nothing.
    ///
    /// # Errors
    /// When there is no log, or the file is damaged.
    pub fn examine_structure(folder: &Path) -> Result<(), RuntimeError> {
        integrity::ensure_structure(&Store::open_read_only(folder)?)
    }
    /// Returns the append time of the newest record batch; `None` if there is none.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn newest_append_time(&self) -> Result<Option<Timestamp>, RuntimeError> {
        let sql = "SELECT max(appended) FROM record_batch";
        let newest: Option<i64> = self.store.ok(self.store.db.query_row(sql, [], |row| row.get(0)))?;
        Ok(newest.map(Timestamp))
    }
    fn from_store(store: Store) -> Self {
        EmbeddedLog { store, run_lock: None, published_version: None, maintenance: Maintenance::default() }
    }
    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        self.store.path()
    }
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }
    /// Returns the number of records and bytes stored in each partition.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn partition_sizes(&self) -> Result<BTreeMap<TopicPartition, PartitionSize>, RuntimeError> {
        self.store.partition_sizes()
    }
    /// Compacts the partition to which the most records were appended since its last compaction. Returns false if there were fewer than
    /// `min_dirty_records` such records in every partition; `None` means the default.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn compact_one(&mut self, min_dirty_records: Option<i64>) -> Result<bool, RuntimeError> {
        compaction::compact_one(&mut self.store, min_dirty_records)
    }
    /// Merges consecutive small batches of one partition; returns false if no partition has at least `min_batches` of them, below the
    /// smallest committed offset of its consumer groups, or enough bytes. `None` means the default.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn merge_one(&mut self, min_batches: Option<i64>) -> Result<bool, RuntimeError> {
        merging::merge_one(&mut self.store, min_batches)
    }
    /// Deletes the records of streams whose retention has ended at this instant and which all consumer groups have read; returns the
    /// number of deleted batches.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn delete_expired(&mut self, now: Timestamp) -> Result<usize, RuntimeError> {
        retention::delete_expired(&mut self.store, now.0)
    }
    /// Registers a consumer group before it has read anything, so that compaction keeps what the group has not read.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn register_group(&mut self, group: &str, inputs: &[TopicInfo]) -> Result<(), RuntimeError> {
        offsets::register_group(&mut self.store, group, inputs)
    }
    /// Registers a processor of this process: its consumer group, and its name in the run lock.
    pub(crate) fn register(&mut self, subscription: &Subscription) -> Result<(), RuntimeError> {
        offsets::delete_other_versions(&self.store, &subscription.group)?;
        offsets::register_group(&mut self.store, &subscription.group, &subscription.inputs)?;
        self.run_lock.as_mut().map_or(Ok(()), |lock| lock.register_processor(subscription.name))
    }
    /// Reads the content from which a partition is restored; `read` must read a whole partition.
    pub(crate) fn restore_with(
        &mut self,
        subscription: &Subscription,
        partition: i32,
        mut read: impl FnMut(&mut Self, TopicPartition) -> Result<Vec<RecordBatch>, RuntimeError>,
    ) -> Result<Restored, RuntimeError> {
        let committed = offsets::committed_offsets(&self.store, &subscription.group)?;
        let mut restored = Restored::default();
        for input in &subscription.inputs {
            let input_partition = TopicPartition::new(input.name, partition);
            restored.offsets.insert(input.name, committed.get(&input_partition).copied().unwrap_or(0));
            if subscription.kind.has_changelog() && input.policy == Policy::Compact {
                restored.tables.push((input.name, read(self, input_partition)?));
            }
        }
        if subscription.kind.has_changelog() {
            let changelog = TopicPartition::new(changelog_topic(subscription.name), partition);
            restored.changelog = read(self, changelog)?;
        }
        Ok(restored)
    }
}

impl LogReader for EmbeddedLog {
    fn existing_id(&mut self) -> Result<Option<String>, RuntimeError> {
        self.store.id().map(Some)
    }
    fn name(&self) -> String {
        self.path().display().to_string()
    }
    fn read(
        &mut self,
        partition: TopicPartition,
        from: Offset,
        max_bytes: usize,
    ) -> Result<Vec<RecordBatch>, RuntimeError> {
        self.store.read(partition, from, max_bytes)
    }
    fn read_stored(
        &mut self,
        from: &Offsets,
        size: ReadSize,
    ) -> Result<BTreeMap<TopicPartition, StoredRecords>, RuntimeError> {
        stored_records::read(&self.store, from, size)
    }
    fn read_newest(
        &mut self,
        partitions: &[TopicPartition],
        records: usize,
    ) -> Result<BTreeMap<TopicPartition, StoredRecords>, RuntimeError> {
        stored_records::read_newest(&self.store, partitions, records)
    }
    fn offsets_at(
        &mut self,
        partitions: &[TopicPartition],
        instant: Timestamp,
    ) -> Result<Offsets, RuntimeError> {
        stored_records::offsets_at(&self.store, partitions, instant)
    }
    fn await_records(&mut self, next: &Offsets, timeout: Duration) -> Result<bool, RuntimeError> {
        stored_records::await_records(&self.store, next, timeout)
    }
    fn dead_letters(
        &mut self,
        processor: &str,
        partition: i32,
        from: Offset,
    ) -> Result<Vec<DeadLetterRecord>, RuntimeError> {
        let dlq = TopicPartition::new(dlq_topic(processor), partition);
        let mut dead_letters = Vec::new();
        for batch in self.store.read(dlq, from, usize::MAX)? {
            for record in batch.records() {
                let record = record?;
                let Some(value) = record.value else { continue };
                let dead_letter = wire::decode(value).map_err(|error| RuntimeError::Undecodable {
                    processor: processor.to_owned(),
                    topic: dlq.topic.to_owned(),
                    partition,
                    offset: record.offset,
                    reason: error.to_string(),
                })?;
                dead_letters.push(DeadLetterRecord { partition, offset: record.offset, dead_letter });
            }
        }
        Ok(dead_letters)
    }
    fn beginning_offsets(&mut self, topics: &[&str]) -> Result<Offsets, RuntimeError> {
        lag_snapshot::beginning_offsets(&self.store, topics)
    }
    fn end_offsets(&mut self, topics: &[&str]) -> Result<Offsets, RuntimeError> {
        let mut offsets = self.store.end_offsets()?;
        offsets.retain(|partition, _| topics.contains(&partition.topic));
        Ok(offsets)
    }
    fn committed_offsets(&mut self, group: &str, topics: &[&str]) -> Result<Offsets, RuntimeError> {
        let mut offsets = offsets::committed_offsets(&self.store, group)?;
        offsets.retain(|partition, _| topics.contains(&partition.topic));
        Ok(offsets)
    }
    fn count_read_from_other_topics(&mut self, group: &str, topics: &[&str]) -> Result<i64, RuntimeError> {
        offsets::count_read_from_other_topics(&self.store, group, topics)
    }
    fn restore(&mut self, subscription: &Subscription, partition: i32) -> Result<Restored, RuntimeError> {
        self.restore_with(subscription, partition, |log, partition| log.store.read(partition, 0, usize::MAX))
    }
    fn count_records_below(
        &mut self,
        _: TopicPartition,
        offset: Offset,
    ) -> Result<RecordCount, RuntimeError> {
        Ok(RecordCount::Exactly(offset))
    }
    fn progress(&mut self, subscriptions: &[Subscription]) -> Result<Vec<ProcessorProgress>, RuntimeError> {
        lag_snapshot::progress(&self.store, subscriptions)
    }
    fn is_caught_up(&mut self, subscriptions: &[Subscription]) -> Result<bool, RuntimeError> {
        offsets::is_caught_up(&self.store, subscriptions)
    }
}

impl LogWriter for EmbeddedLog {
    fn id(&mut self) -> Result<String, RuntimeError> {
        self.store.id()
    }
    fn ingest(&mut self, events: &[RawEventRecord], commit: Commit) -> Result<usize, RuntimeError> {
        append::ingest(&mut self.store, events, commit)
    }
    fn append(&mut self, commit: Commit) -> Result<(), CommitError> {
        append::commit(&mut self.store, commit)?;
        Ok(())
    }
}

impl LogAdmin for EmbeddedLog {
    fn purge(&mut self, topic: &str, below: &BTreeMap<i32, Offset>) -> Result<(), RuntimeError> {
        append::purge(&mut self.store, topic, below)
    }
    fn acquire_run_lock(&mut self) -> Result<(), RuntimeError> {
        if self.run_lock.is_none() {
            let run_lock = RunLock::acquire(self.store.folder())?;
            integrity::ensure_structure(&self.store)?;
            self.run_lock = Some(run_lock);
        }
        Ok(())
    }
    fn run_maintenance(&mut self, board: &ProgressBoard) -> Result<Duration, RuntimeError> {
        self.store.ensure_same_file()?;
        let version = self.store.data_version()?;
        if self.published_version != Some(version) {
            self.published_version = Some(version);
            publish_end_offsets(board, self.store.end_offsets()?);
        }
        self.maintenance.run(&mut self.store)?;
        Ok(MAINTENANCE_INTERVAL)
    }
    /// Deletes the files of a replay.
    fn discard(&mut self, _: &[String], _: &[String]) -> Result<Vec<String>, RuntimeError> {
        let source = self.store.ok(self.store.meta(REPLAY_SOURCE))?;
        if source.is_none() {
            return Err(RuntimeError::Precondition {
                what: format!("discarding {}", self.path().display()),
                reason: "it is a live log; only the log of a replay can be discarded".into(),
                next: "`fastbreak replay list` lists the replays".into(),
            });
        }
        self.acquire_run_lock()?;
        let mut removed = Vec::new();
        for suffix in ["", "-wal", "-shm"] {
            let file = self.path().with_file_name(format!("log.db{suffix}"));
            match std::fs::remove_file(&file) {
                Ok(()) => removed.push(file.display().to_string()),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(storage_error(&file, error.to_string())),
            }
        }
        Ok(removed)
    }
}

/// Raises the end offsets on the progress board, and wakes the members if any of them changed.
pub(crate) fn publish_end_offsets(board: &ProgressBoard, end_offsets: Offsets) {
    let mut is_changed = false;
    for (partition, end_offset) in end_offsets {
        if board.end_offset(partition) < end_offset {
            board.advance(partition, end_offset);
            is_changed = true;
        }
    }
    if is_changed {
        board.notify();
    }
}

impl LogBackend for EmbeddedLog {
    fn subscribe(
        &mut self,
        subscription: Subscription,
        limits: ReadLimits,
        context: Arc<RunContext>,
    ) -> Result<Box<dyn GroupMember>, RuntimeError> {
        self.register(&subscription)?;
        let log = Box::new(EmbeddedLog::open(self.store.folder())?);
        Ok(Box::new(EmbeddedMember::new(log, context, subscription, limits)))
    }
}

impl MemberLog for EmbeddedLog {
    fn commit(&mut self, commit: Commit) -> Result<Offsets, RuntimeError> {
        append::commit(&mut self.store, commit)
    }
}
