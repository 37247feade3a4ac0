//! The log of a replay: an embedded log of its own, and the raw topics of a source log.
//!
//! A replay reprocesses the raw topics of the source and writes all results to its own log. The source is opened for reading only. No
//! consumer group is registered in it, because raw topics have unlimited retention, so no record has to be protected from deletion. The
//! replay reads in rounds. The first round ends at the end offsets that the raw topics had when the log was opened. Another round, up to
//! the then current end offsets, follows only if fewer records were added than in the round before. So a replay ends even while ingest into
//! the source goes on.
//! Invariant: the source is never written to; the committed offsets of raw topics are the replay's own.
//! Not here: a log without a source (`backend`).
use crate::{
    backend::{EmbeddedLog, REPLAY_SOURCE, publish_end_offsets},
    lag_snapshot::beginning_offsets,
    member::{EmbeddedMember, MemberLog},
    offsets::committed_offsets,
    store::Store,
    stored_records,
};
use runtime::{
    Commit, CommitError, DeadLetterRecord, GroupMember, LogAdmin, LogBackend, LogReader, LogWriter,
    RawEventRecord, ReadSize, RecordBatch, RecordCount, Restored, RuntimeError, StoredRecords,
    lag::{PartitionProgress, ProcessorProgress, Unread},
    progress_board::ProgressBoard,
    subscription::{ReadLimits, RunContext, Subscription},
};
use schemas::Timestamp;
use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};
use topics::{Offset, Offsets, TopicPartition, is_raw};

/// The log of a replay: its own log, and the raw topics of a source log.
pub struct ReplayLog {
    own: EmbeddedLog,
    source: Store,
    /// The offsets up to which the source's raw topics are read in the current round.
    source_ends: Offsets,
    /// By how many records `source_ends` was last raised; `i64::MAX` in the first round.
    last_added: i64,
    /// True if the current `source_ends` are on the progress board, where members see them.
    is_source_published: bool,
}

impl ReplayLog {
    /// Opens the replay's log in `folder`, and the log in `source`, whose raw topics the replay reads. A replay must always have the same
    /// source.
    ///
    /// # Errors
    /// When a file cannot be opened, or the replay began with a different source.
    pub fn open(folder: &Path, source: &Path) -> Result<Self, RuntimeError> {
        let source = Store::open_read_only(source)?;
        let own = EmbeddedLog::open(folder)?;
        own.store().put_meta_if_absent(REPLAY_SOURCE, &source.id()?)?;
        ReplayLog::new(own, source)
    }
    /// Opens both logs for reading.
    ///
    /// # Errors
    /// As [`ReplayLog::open`], and when the replay's log does not exist.
    pub fn open_read_only(folder: &Path, source: &Path) -> Result<Self, RuntimeError> {
        let source = Store::open_read_only(source)?;
        ReplayLog::new(EmbeddedLog::open_read_only(folder)?, source)
    }
    fn new(own: EmbeddedLog, source: Store) -> Result<Self, RuntimeError> {
        let (store, source_id) = (own.store(), source.id()?);
        let began_with = store.ok(store.meta(REPLAY_SOURCE))?.unwrap_or_default();
        if began_with != source_id {
            return Err(RuntimeError::Precondition {
                what: format!("the replay in {}", store.folder().display()),
                reason: format!(
                    "it was started on the log with id {began_with}, but the log in {} has the id {source_id}",
                    source.path().display()
                ),
                next: "`fastbreak replay discard NAME --yes`, then replay again".into(),
            });
        }
        let source_ends = raw_end_offsets(&source)?;
        Ok(ReplayLog { own, source, source_ends, last_added: i64::MAX, is_source_published: false })
    }
    /// True if the committed offsets of these processors have reached `source_ends` in all raw topics that they read.
    fn has_read_source(&self, subscriptions: &[Subscription]) -> Result<bool, RuntimeError> {
        for subscription in subscriptions {
            let committed = committed_offsets(self.own.store(), &subscription.group)?;
            let is_input = |topic: &str| subscription.inputs.iter().any(|input| input.name == topic);
            let is_behind = self.source_ends.iter().any(|(partition, end)| {
                is_input(partition.topic) && committed.get(partition).copied().unwrap_or(0) < *end
            });
            if is_behind {
                return Ok(false);
            }
        }
        Ok(true)
    }
    /// Begins another round if records were added to the source, but fewer than in the previous round: raises `source_ends` to the current
    /// end offsets of the source, and returns true.
    fn extend_source_ends(&mut self, subscriptions: &[Subscription]) -> Result<bool, RuntimeError> {
        if !subscriptions.iter().flat_map(|subscription| &subscription.inputs).any(|input| is_raw(input.name))
        {
            return Ok(false);
        }
        let ends = raw_end_offsets(&self.source)?;
        let added = ends.values().sum::<Offset>() - self.source_ends.values().sum::<Offset>();
        if added == 0 || added >= self.last_added {
            return Ok(false);
        }
        (self.source_ends, self.last_added, self.is_source_published) = (ends, added, false);
        Ok(true)
    }
    /// Returns the progress in a partition of a raw topic. The offsets of raw records stay dense, so the next offset is that of the first
    /// unread record.
    fn source_progress(&self, progress: PartitionProgress) -> PartitionProgress {
        let end_offset = self.source_ends.get(&progress.topic_partition()).copied().unwrap_or(0);
        let next = progress.committed.unwrap_or(0);
        let unread = (next < end_offset).then_some(Unread { offset: next, appended: None });
        PartitionProgress { end_offset, unread, ..progress }
    }
}

fn raw_end_offsets(source: &Store) -> Result<Offsets, RuntimeError> {
    let mut ends = source.end_offsets()?;
    ends.retain(|partition, _| is_raw(partition.topic));
    Ok(ends)
}

impl LogReader for ReplayLog {
    fn existing_id(&mut self) -> Result<Option<String>, RuntimeError> {
        self.own.existing_id()
    }
    fn name(&self) -> String {
        self.own.name()
    }
    fn read(
        &mut self,
        partition: TopicPartition,
        from: Offset,
        max_bytes: usize,
    ) -> Result<Vec<RecordBatch>, RuntimeError> {
        if is_raw(partition.topic) {
            self.source.read(partition, from, max_bytes)
        } else {
            self.own.read(partition, from, max_bytes)
        }
    }
    fn read_stored(
        &mut self,
        from: &Offsets,
        size: ReadSize,
    ) -> Result<BTreeMap<TopicPartition, StoredRecords>, RuntimeError> {
        let (raw, own): (Offsets, Offsets) = from.iter().partition(|(partition, _)| is_raw(partition.topic));
        let mut records = self.own.read_stored(&own, size)?;
        records.extend(stored_records::read(&self.source, &raw, size)?);
        Ok(records)
    }
    fn read_newest(
        &mut self,
        partitions: &[TopicPartition],
        records: usize,
    ) -> Result<BTreeMap<TopicPartition, StoredRecords>, RuntimeError> {
        let (raw, own): (Vec<_>, Vec<_>) =
            partitions.iter().copied().partition(|partition| is_raw(partition.topic));
        let mut newest = self.own.read_newest(&own, records)?;
        newest.extend(stored_records::read_newest(&self.source, &raw, records)?);
        Ok(newest)
    }
    fn offsets_at(
        &mut self,
        partitions: &[TopicPartition],
        instant: Timestamp,
    ) -> Result<Offsets, RuntimeError> {
        let (raw, own): (Vec<_>, Vec<_>) =
            partitions.iter().copied().partition(|partition| is_raw(partition.topic));
        let mut offsets = self.own.offsets_at(&own, instant)?;
        offsets.extend(stored_records::offsets_at(&self.source, &raw, instant)?);
        Ok(offsets)
    }
    /// Waits for the replay's own topics; raw topics are looked at once.
    fn await_records(&mut self, next: &Offsets, timeout: Duration) -> Result<bool, RuntimeError> {
        let (raw, own): (Offsets, Offsets) = next.iter().partition(|(partition, _)| is_raw(partition.topic));
        Ok(stored_records::await_records(&self.source, &raw, Duration::ZERO)?
            || self.own.await_records(&own, timeout)?)
    }
    fn dead_letters(
        &mut self,
        processor: &str,
        partition: i32,
        from: Offset,
    ) -> Result<Vec<DeadLetterRecord>, RuntimeError> {
        self.own.dead_letters(processor, partition, from)
    }
    fn beginning_offsets(&mut self, topics: &[&str]) -> Result<Offsets, RuntimeError> {
        let (raw, derived): (Vec<&str>, Vec<&str>) = topics.iter().copied().partition(|topic| is_raw(topic));
        let mut offsets = self.own.beginning_offsets(&derived)?;
        offsets.extend(beginning_offsets(&self.source, &raw)?);
        Ok(offsets)
    }
    fn end_offsets(&mut self, topics: &[&str]) -> Result<Offsets, RuntimeError> {
        let mut offsets = self.own.end_offsets(topics)?;
        offsets.extend(self.source_ends.iter().filter(|(partition, _)| topics.contains(&partition.topic)));
        Ok(offsets)
    }
    fn committed_offsets(&mut self, group: &str, topics: &[&str]) -> Result<Offsets, RuntimeError> {
        self.own.committed_offsets(group, topics)
    }
    fn count_read_from_other_topics(&mut self, group: &str, topics: &[&str]) -> Result<i64, RuntimeError> {
        self.own.count_read_from_other_topics(group, topics)
    }
    fn restore(&mut self, subscription: &Subscription, partition: i32) -> Result<Restored, RuntimeError> {
        // Raw topics are streams, so a restore reads nothing from the source.
        self.own.restore(subscription, partition)
    }
    fn count_records_below(
        &mut self,
        partition: TopicPartition,
        offset: Offset,
    ) -> Result<RecordCount, RuntimeError> {
        self.own.count_records_below(partition, offset)
    }
    fn progress(&mut self, subscriptions: &[Subscription]) -> Result<Vec<ProcessorProgress>, RuntimeError> {
        let mut processors = self.own.progress(subscriptions)?;
        for (subscription, progress) in subscriptions.iter().zip(&mut processors) {
            let committed = committed_offsets(self.own.store(), &subscription.group)?;
            for partition in progress.partitions.iter_mut().filter(|progress| is_raw(progress.topic.name)) {
                partition.committed = committed.get(&partition.topic_partition()).copied();
                *partition = self.source_progress(*partition);
            }
        }
        Ok(processors)
    }
    fn is_caught_up(&mut self, subscriptions: &[Subscription]) -> Result<bool, RuntimeError> {
        // The raw topics must be checked first: the commit that moves their committed offsets also contains the records derived from them.
        Ok(self.has_read_source(subscriptions)?
            && self.own.is_caught_up(subscriptions)?
            && !self.extend_source_ends(subscriptions)?)
    }
}

impl LogWriter for ReplayLog {
    fn id(&mut self) -> Result<String, RuntimeError> {
        self.own.id()
    }
    fn ingest(&mut self, _: &[RawEventRecord], _: Commit) -> Result<usize, RuntimeError> {
        Err(RuntimeError::Precondition {
            what: format!("ingesting into {}", self.name()),
            reason: "it is the log of a replay, which has no raw topics of its own".into(),
            next: "ingest into the live log".into(),
        })
    }
    fn append(&mut self, commit: Commit) -> Result<(), CommitError> {
        self.own.append(commit)
    }
}

impl LogAdmin for ReplayLog {
    fn purge(&mut self, topic: &str, below: &BTreeMap<i32, Offset>) -> Result<(), RuntimeError> {
        self.own.purge(topic, below)
    }
    fn acquire_run_lock(&mut self) -> Result<(), RuntimeError> {
        self.own.acquire_run_lock()
    }
    fn run_maintenance(&mut self, board: &ProgressBoard) -> Result<Duration, RuntimeError> {
        if !self.is_source_published {
            publish_end_offsets(board, self.source_ends.clone());
            self.is_source_published = true;
        }
        self.own.run_maintenance(board)
    }
    fn discard(&mut self, topics: &[String], processors: &[String]) -> Result<Vec<String>, RuntimeError> {
        self.own.discard(topics, processors)
    }
}

impl LogBackend for ReplayLog {
    fn subscribe(
        &mut self,
        subscription: Subscription,
        limits: ReadLimits,
        context: Arc<RunContext>,
    ) -> Result<Box<dyn GroupMember>, RuntimeError> {
        self.own.register(&subscription)?;
        let log = Box::new(ReplayLog::open(self.own.store().folder(), self.source.folder())?);
        Ok(Box::new(EmbeddedMember::new(log, context, subscription, limits)))
    }
}

impl MemberLog for ReplayLog {
    fn commit(&mut self, commit: Commit) -> Result<Offsets, RuntimeError> {
        self.own.commit(commit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime::engine::ProcessorKind;
    use topics::RAW_SCHEDULES;

    const RAW: TopicPartition = TopicPartition::new(RAW_SCHEDULES.info.name, 0);
    const GAMES: TopicPartition = TopicPartition::new("core.games.v1", 0);

    fn append(log: &mut impl LogWriter, partition: TopicPartition, records: usize) {
        let mut commit = Commit::default();
        for number in 0..records {
            commit.append(partition, &number.to_string(), Some(b"x"));
        }
        log.append(commit).unwrap();
    }
    fn loader() -> Subscription {
        Subscription {
            name: "loader",
            group: "loader@1".into(),
            kind: ProcessorKind::Stateless,
            inputs: vec![RAW_SCHEDULES.info],
            outputs: Vec::new(),
            upstream: Vec::new(),
        }
    }
    /// Commits this offset for the raw partition, as the loader of the replay does after reading the records below it.
    fn commit_offset(replay: &mut ReplayLog, next: Offset) {
        let offsets = Offsets::from([(RAW, next)]);
        replay.append(Commit { group: loader().group, offsets, ..Commit::default() }).unwrap();
    }
    fn live_and_replay(folder: &Path) -> (EmbeddedLog, ReplayLog) {
        let mut live = EmbeddedLog::open(folder).unwrap();
        append(&mut live, RAW, 10);
        append(&mut live, GAMES, 3);
        let replay = ReplayLog::open(&folder.join("replays").join("a"), folder).unwrap();
        (live, replay)
    }

    #[test]
    fn raw_topics_are_those_of_the_source_and_all_others_are_the_replays_own() {
        let folder = tempfile::tempdir().unwrap();
        let (mut live, mut replay) = live_and_replay(folder.path());
        let read: u32 = replay.read(RAW, 4, usize::MAX).unwrap().iter().map(RecordBatch::len).sum();
        assert_eq!(read, 6);
        assert!(replay.read(GAMES, 0, usize::MAX).unwrap().is_empty());
        let topics = [RAW.topic, GAMES.topic];
        assert_eq!(replay.end_offsets(&topics).unwrap(), Offsets::from([(RAW, 10)]));
        append(&mut replay, GAMES, 5);
        commit_offset(&mut replay, 10);
        assert_eq!(live.end_offsets(&topics).unwrap()[&GAMES], 3);
        assert!(live.committed_offsets(&loader().group, &topics).unwrap().is_empty());
        assert!(replay.ingest(&[], Commit::default()).is_err());
    }
    #[test]
    fn the_progress_in_raw_topics_is_measured_against_the_source() {
        let folder = tempfile::tempdir().unwrap();
        let (_live, mut replay) = live_and_replay(folder.path());
        let progress = |replay: &mut ReplayLog| replay.progress(&[loader()]).unwrap()[0].partitions[0];
        assert_eq!((progress(&mut replay).end_offset, progress(&mut replay).behind()), (10, 10));
        commit_offset(&mut replay, 7);
        assert_eq!((progress(&mut replay).committed, progress(&mut replay).behind()), (Some(7), 3));
        commit_offset(&mut replay, 10);
        assert_eq!((progress(&mut replay).behind(), progress(&mut replay).unread), (0, None));
    }
    #[test]
    fn records_added_meanwhile_are_read_as_long_as_they_become_fewer() {
        let folder = tempfile::tempdir().unwrap();
        let (mut live, mut replay) = live_and_replay(folder.path());
        let is_caught_up = |replay: &mut ReplayLog| replay.is_caught_up(&[loader()]).unwrap();
        assert!(!is_caught_up(&mut replay));
        append(&mut live, RAW, 5);
        commit_offset(&mut replay, 10);
        assert!(!is_caught_up(&mut replay), "five records were added meanwhile");
        append(&mut live, RAW, 4);
        commit_offset(&mut replay, 15);
        assert!(!is_caught_up(&mut replay), "four more records were added, fewer than five");
        append(&mut live, RAW, 4);
        commit_offset(&mut replay, 19);
        assert!(is_caught_up(&mut replay), "again four records were added, not fewer, so reading ends");
    }
    #[test]
    fn a_source_that_was_rebuilt_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        drop(live_and_replay(folder.path()));
        for file in ["log.db", "log.db-wal", "log.db-shm"] {
            drop(std::fs::remove_file(folder.path().join(file)));
        }
        drop(EmbeddedLog::open(folder.path()).unwrap());
        let replay = folder.path().join("replays").join("a");
        let refused = ReplayLog::open(&replay, folder.path()).err().unwrap();
        assert!(refused.to_string().contains("replay discard"), "{refused}");
        EmbeddedLog::open(&replay).unwrap().discard(&[], &[]).unwrap();
        assert!(
            EmbeddedLog::open(folder.path()).unwrap().discard(&[], &[]).is_err(),
            "a live log must not be discarded"
        );
    }
}
