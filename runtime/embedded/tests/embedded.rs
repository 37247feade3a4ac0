//! The embedded log: commits, committed offsets, compaction, purges, lag, and opening the file again.
//!
//! Invariant: after the file is opened again, the log contains what was committed and nothing else.
//! Not here: the whole topology on this log (`tests/laws` of the root crate).
#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use runtime::{
    Commit, LogAdmin, LogBackend, LogReader, LogWriter, RawEventRecord, RuntimeError,
    engine::{ProcessorKind, dlq_topic},
    lag::PartitionProgress,
    subscription::{ReadLimits, RunContext, Subscription},
    supervisor::{CustomTask, Supervisor},
};
use runtime_embedded::{EmbeddedLog, RunLock};
use rusqlite::{Connection, params};
use schemas::{
    RawId,
    raw::{DeadLetter, RejectCode},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};
use tempfile::tempdir;
use topics::{GAMES, Offset, Offsets, TopicPartition};

/// A partition of a table topic.
const TABLE: TopicPartition = TopicPartition::new(GAMES.info.name, 0);
/// The name of a processor and of its consumer group.
const PROCESSOR: &str = "reader-of-games";

fn subscription() -> Subscription {
    Subscription {
        name: PROCESSOR,
        group: PROCESSOR.into(),
        kind: ProcessorKind::Stateless,
        inputs: vec![GAMES.info],
        outputs: Vec::new(),
        upstream: Vec::new(),
    }
}

/// Appends records with these keys and values in one commit.
fn append(log: &mut EmbeddedLog, records: &[(u8, Option<u8>)]) {
    let mut commit = Commit::default();
    for (key, value) in records {
        commit.append(TABLE, &key.to_string(), value.map(|value| vec![value]).as_deref());
    }
    log.append(commit).unwrap();
}

/// Offset, key and value of a stored record. The value is `None` for a tombstone.
type StoredRecord = (Offset, String, Option<Vec<u8>>);

/// Returns the records from an offset on, and the offset at which reading continues.
fn read(log: &mut EmbeddedLog, from: Offset) -> (Vec<StoredRecord>, Offset) {
    let (mut records, mut next) = (Vec::new(), from);
    for batch in log.read(TABLE, from, usize::MAX).unwrap() {
        next = batch.next();
        for record in batch.records().map(Result::unwrap) {
            records.push((record.offset, record.key.to_owned(), record.value.map(<[u8]>::to_vec)));
        }
    }
    (records, next)
}

/// Returns the newest record of each key, without the keys whose newest record is a tombstone.
fn rows(records: &[StoredRecord]) -> BTreeMap<String, (Offset, Vec<u8>)> {
    let mut rows = BTreeMap::new();
    for (offset, key, value) in records {
        match value {
            Some(value) => _ = rows.insert(key.clone(), (*offset, value.clone())),
            None => _ = rows.remove(key),
        }
    }
    rows
}

fn commit_offset(log: &mut EmbeddedLog, next: Offset) {
    let offsets = Offsets::from([(TABLE, next)]);
    log.append(Commit { group: PROCESSOR.into(), offsets, ..Commit::default() }).unwrap();
}

/// Opens a connection to the file, in addition to the log's own.
fn database(folder: &Path) -> Connection {
    Connection::open(folder.join("log.db")).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn compaction_keeps_rows_offsets_and_unread_records(
        batches in prop::collection::vec(prop::collection::vec((0u8..4, prop::option::of(any::<u8>())), 1..5), 1..8),
        batches_read in 0usize..8,
    ) {
        let folder = tempdir().unwrap();
        let mut log = EmbeddedLog::open(folder.path()).unwrap();
        log.register_group(PROCESSOR, &[GAMES.info]).unwrap();
        let mut committed = 0;
        for (number, batch) in batches.iter().enumerate() {
            append(&mut log, batch);
            committed += if number < batches_read { batch.len() as Offset } else { 0 };
        }
        commit_offset(&mut log, committed);
        let (before, end_offset) = read(&mut log, 0);
        let unread = read(&mut log, committed);
        while log.compact_one(Some(1)).unwrap() {}
        drop(log);
        let mut log = EmbeddedLog::open(folder.path()).unwrap();
        let (after, end_offset_after) = read(&mut log, 0);
        prop_assert_eq!(end_offset_after, end_offset);
        prop_assert_eq!(rows(&after), rows(&before));
        prop_assert_eq!(read(&mut log, committed), unread);
        let compacted: Vec<_> = after.iter().filter(|(offset, ..)| *offset < committed).collect();
        let keys: BTreeSet<_> = compacted.iter().map(|(_, key, _)| key).collect();
        prop_assert_eq!(keys.len(), compacted.len(), "one record per key below the committed offset");
        prop_assert!(compacted.iter().all(|(.., value)| value.is_some()), "no tombstone below the committed offset");
        append(&mut log, &[(9, Some(9))]);
        prop_assert_eq!(read(&mut log, end_offset).0.len(), 1, "the next record has the end offset");
    }
}

#[test]
fn compaction_keeps_everything_for_a_registered_group_that_has_committed_nothing() {
    let folder = tempdir().unwrap();
    let mut log = EmbeddedLog::open(folder.path()).unwrap();
    log.register_group(PROCESSOR, &[GAMES.info]).unwrap();
    append(&mut log, &[(1, Some(1)), (1, Some(2)), (1, None)]);
    log.compact_one(Some(1)).unwrap();
    assert_eq!(read(&mut log, 0).0.len(), 3);
}

#[test]
fn registering_a_group_again_keeps_its_committed_offsets() {
    let folder = tempdir().unwrap();
    let mut log = EmbeddedLog::open(folder.path()).unwrap();
    append(&mut log, &[(1, Some(1))]);
    commit_offset(&mut log, 1);
    log.register_group(PROCESSOR, &[GAMES.info]).unwrap();
    assert_eq!(log.committed_offsets(PROCESSOR, &[TABLE.topic]).unwrap()[&TABLE], 1);
}

/// Returns base offset, append time and bytes of each stored batch of a partition.
fn stored_batches(folder: &Path, partition: TopicPartition) -> Vec<(Offset, i64, Vec<u8>)> {
    let db = database(folder);
    let mut statement = db
        .prepare(
            "SELECT base, appended, bytes FROM record_batch JOIN topic ON topic.id = record_batch.topic
             WHERE name = ? AND partition = ? ORDER BY base",
        )
        .unwrap();
    let rows = statement
        .query_map(params![partition.topic, partition.partition], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn purging_a_dlq_keeps_the_append_time_of_the_batch_that_the_boundary_cuts() {
    let folder = tempdir().unwrap();
    let mut log = EmbeddedLog::open(folder.path()).unwrap();
    let dlq = TopicPartition::new(dlq_topic(PROCESSOR), 0);
    for count in [3, 1] {
        let mut commit = Commit::default();
        for number in 0..count {
            commit.reject(dlq, DeadLetter::new(RejectCode::BadPayload, number.to_string()));
        }
        log.append(commit).unwrap();
    }
    // Sets append times that differ from the time of this test run.
    database(folder.path()).execute("UPDATE record_batch SET appended = 1000 + base", []).unwrap();

    log.purge(dlq.topic, &BTreeMap::from([(0, 1)])).unwrap();
    let dead_letters = log.dead_letters(PROCESSOR, 0, 0).unwrap().into_iter();
    let dead_letters: Vec<_> =
        dead_letters.map(|record| (record.offset, record.dead_letter.reason)).collect();
    assert_eq!(dead_letters, [(1, "1".to_owned()), (2, "2".to_owned()), (3, "0".to_owned())]);
    let batches = stored_batches(folder.path(), dlq).into_iter();
    let append_times: Vec<_> = batches.map(|(base, appended, _)| (base, appended)).collect();
    assert_eq!(append_times, [(1, 1000), (3, 1003)], "base offset and append time of each batch");

    log.purge(dlq.topic, &BTreeMap::from([(0, 4)])).unwrap();
    assert!(log.dead_letters(PROCESSOR, 0, 0).unwrap().is_empty());
    assert_eq!(log.end_offsets(&[dlq.topic]).unwrap()[&dlq], 4, "a purge does not move the end offset");
}

#[test]
fn compacting_a_partition_with_a_corrupt_batch_fails_and_deletes_nothing() {
    let folder = tempdir().unwrap();
    let mut log = EmbeddedLog::open(folder.path()).unwrap();
    for value in 1..=3 {
        append(&mut log, &[(1, Some(value)), (2, Some(value))]);
    }
    let set_bytes = |bytes: &[u8]| {
        let changed = database(folder.path())
            .execute("UPDATE record_batch SET bytes = ? WHERE base = 2", [bytes])
            .unwrap();
        assert_eq!(changed, 1);
    };
    let sound = stored_batches(folder.path(), TABLE)[1].2.clone();
    set_bytes(&sound[..sound.len() - 1]);
    let before = stored_batches(folder.path(), TABLE);
    for _ in 0..2 {
        let error = log.compact_one(Some(1)).unwrap_err();
        assert!(matches!(error, RuntimeError::Storage { .. }), "{error}");
        assert_eq!(stored_batches(folder.path(), TABLE), before);
        log = EmbeddedLog::open(folder.path()).unwrap();
    }

    set_bytes(&sound);
    assert!(log.compact_one(Some(1)).unwrap());
    let newest = [(4, "1".to_owned(), Some(vec![3])), (5, "2".to_owned(), Some(vec![3]))];
    assert_eq!(read(&mut log, 0).0, newest);
}

#[test]
fn one_process_at_a_time_holds_the_run_lock() {
    let folder = tempdir().unwrap();
    let lock = RunLock::acquire(folder.path()).unwrap();
    assert!(matches!(RunLock::acquire(folder.path()), Err(RuntimeError::Locked { .. })));
    drop(lock);
    RunLock::acquire(folder.path()).unwrap();
}

/// Returns the progress in the first partition of the input.
fn progress(log: &mut EmbeddedLog) -> PartitionProgress {
    log.progress(&[subscription()]).unwrap()[0].partitions[0]
}

#[test]
fn progress_has_the_first_unread_record_and_its_append_time() {
    let folder = tempdir().unwrap();
    let mut log = EmbeddedLog::open(folder.path()).unwrap();
    assert_eq!((progress(&mut log).unread, progress(&mut log).committed), (None, None));
    append(&mut log, &[(1, Some(1)), (2, Some(2))]);
    append(&mut log, &[(3, Some(3))]);
    commit_offset(&mut log, 1);
    let sample = progress(&mut log);
    assert_eq!(
        (sample.committed, sample.log_start_offset, sample.end_offset, sample.behind()),
        (Some(1), 0, 3, 2)
    );
    assert_eq!(sample.unread.unwrap().offset, 1);
    assert!(sample.unread.unwrap().appended.is_some());
    commit_offset(&mut log, 3);
    assert_eq!(progress(&mut log).unread, None);
}

#[test]
fn compacted_records_are_no_lag_and_the_remaining_ones_keep_their_append_time() {
    let folder = tempdir().unwrap();
    let mut log = EmbeddedLog::open(folder.path()).unwrap();
    append(&mut log, &[(1, Some(1))]);
    append(&mut log, &[(1, Some(2)), (2, Some(2))]);
    append(&mut log, &[(2, None)]);
    while log.compact_one(Some(1)).unwrap() {}
    let sample = progress(&mut log);
    assert_eq!((sample.log_start_offset, sample.end_offset, sample.unread.unwrap().offset), (1, 4, 1));
    assert!(sample.unread.unwrap().appended.is_some());
    commit_offset(&mut log, 2);
    assert_eq!((progress(&mut log).unread, progress(&mut log).behind()), (None, 0));
}

#[test]
fn a_processor_has_active_members_while_a_process_runs_it() {
    let folder = tempdir().unwrap();
    let mut log = EmbeddedLog::open(folder.path()).unwrap();
    let has_active_members = || {
        let mut other = EmbeddedLog::open(folder.path()).unwrap();
        other.progress(&[subscription()]).unwrap()[0].has_active_members
    };
    assert!(!has_active_members());
    log.acquire_run_lock().unwrap();
    assert!(!has_active_members(), "the process runs other processors only");
    let member =
        log.subscribe(subscription(), ReadLimits::default(), Arc::new(RunContext::default())).unwrap();
    assert!(has_active_members());
    drop((member, log));
    assert!(!has_active_members());
}

#[test]
fn a_processor_that_panics_ends_the_run() {
    let folder = tempdir().unwrap();
    let log = Box::new(EmbeddedLog::open(folder.path()).unwrap());
    let task: CustomTask = Box::new(|_| panic!("on purpose"));
    let run_context = Arc::new(RunContext::default());
    let custom_tasks = vec![(subscription(), task)];
    let supervisor =
        Supervisor::start(log, Vec::new(), custom_tasks, ReadLimits::default(), run_context).unwrap();
    let message = supervisor.watch(false, |_| {}).unwrap_err().to_string();
    assert!(message.contains(&format!("the thread of {PROCESSOR} panicked")), "{message}");
}

/// Returns a raw event of a schedule with this id and rank.
fn raw_event(id: i64, rank: u8) -> RawEventRecord {
    let topic = topics::RAW_SCHEDULES.info;
    RawEventRecord { topic, partition: 0, key: "k".into(), id: RawId(id), rank, value: vec![rank] }
}

proptest! {
    #[test]
    fn an_event_is_appended_exactly_when_its_rank_is_higher_than_all_before(
        batches in prop::collection::vec(prop::collection::vec((0_i64..3, 0_u8..6), 0..6), 0..5),
    ) {
        let folder = tempdir().unwrap();
        let mut log = EmbeddedLog::open(folder.path()).unwrap();
        let mut highest: BTreeMap<i64, u8> = BTreeMap::new();
        for batch in &batches {
            let mut expected = 0;
            for (id, rank) in batch {
                let is_new = highest.get(id).is_none_or(|highest| rank > highest);
                expected += usize::from(is_new);
                if is_new {
                    highest.insert(*id, *rank);
                }
            }
            let events: Vec<RawEventRecord> = batch.iter().map(|(id, rank)| raw_event(*id, *rank)).collect();
            prop_assert_eq!(log.ingest(&events, Commit::default()).unwrap(), expected);
        }
    }
}

#[test]
fn the_events_of_a_file_without_ranks_are_known_with_every_rank() {
    let folder = tempdir().unwrap();
    EmbeddedLog::open(folder.path()).unwrap().ingest(&[raw_event(1, 0)], Commit::default()).unwrap();
    let db = Connection::open(folder.path().join("log.db")).unwrap();
    db.execute_batch("ALTER TABLE ingested DROP COLUMN rank").unwrap();
    drop(db);
    let mut log = EmbeddedLog::open(folder.path()).unwrap();
    let events = [raw_event(1, 5), raw_event(2, 0), raw_event(2, 5)];
    assert_eq!(log.ingest(&events, Commit::default()).unwrap(), 2);
}
