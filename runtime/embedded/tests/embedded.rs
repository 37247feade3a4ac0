//! The embedded log's own invariants: commits, positions, compaction, restarts.
//!
//! Invariant: what a commit said is there after the file is opened again, and nothing else is.
//! Not here: the whole topology on it (the root's law tests).
#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use runtime::{
    Commit, LogBackend, RecordBatch,
    embedded::EmbeddedLog,
    lag::{PartitionProgress, Unread},
    subscription::{ReadLimits, RunContext, Subscription},
    supervisor::Supervisor,
};
use std::{collections::BTreeMap, sync::Arc};
use tempfile::tempdir;

const TABLE: &str = "core.games.v1";
const READER: &str = "reader";

fn write(log: &mut EmbeddedLog, records: &[(u8, Option<u8>)]) {
    let mut commit = Commit::default();
    let record_batch: &mut RecordBatch = commit.out.entry((TABLE.into(), 0)).or_default();
    for (key, value) in records {
        record_batch.push(&key.to_string(), value.map(|value| vec![value]).as_deref());
    }
    log.commit(commit).unwrap();
}
/// Offset, key, value.
type Stored = (i64, String, Option<Vec<u8>>);

fn read(log: &mut EmbeddedLog, from: i64) -> (Vec<Stored>, i64) {
    let (mut records, mut next) = (Vec::new(), from);
    for record_batch in log.read(TABLE, 0, from, usize::MAX).unwrap() {
        next = record_batch.next();
        for record in record_batch.records().map(Result::unwrap) {
            records.push((record.offset, record.key.to_owned(), record.value.map(<[u8]>::to_vec)));
        }
    }
    (records, next)
}
fn rows(records: &[Stored]) -> BTreeMap<String, (i64, Vec<u8>)> {
    let mut rows = BTreeMap::new();
    for (offset, key, value) in records {
        match value {
            Some(value) => _ = rows.insert(key.clone(), (*offset, value.clone())),
            None => _ = rows.remove(key),
        }
    }
    rows
}
fn move_to(log: &mut EmbeddedLog, next: i64) {
    let next = BTreeMap::from([((TABLE, 0), next)]);
    log.commit(Commit { group: READER.into(), next, ..Commit::default() }).unwrap();
}
fn table() -> topics::TopicInfo {
    *topics::ALL.iter().find(|topic| topic.name == TABLE).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn compaction_keeps_rows_offsets_and_what_a_reader_has_not_seen(
        batches in prop::collection::vec(prop::collection::vec((0u8..4, prop::option::of(any::<u8>())), 1..5), 1..8),
        seen in 0usize..8,
    ) {
        let folder = tempdir().unwrap();
        let mut log = EmbeddedLog::open(folder.path()).unwrap();
        log.register(READER, &[table()]).unwrap();
        let mut at = 0;
        for (i, batch) in batches.iter().enumerate() {
            write(&mut log, batch);
            at += if i < seen { batch.len() as i64 } else { 0 };
        }
        move_to(&mut log, at);
        let (before, end) = read(&mut log, 0);
        let unread = read(&mut log, at);
        while log.compact_one(Some(1)).unwrap() {}
        drop(log);
        let mut log = EmbeddedLog::open(folder.path()).unwrap();
        let (after, same_end) = read(&mut log, 0);
        prop_assert_eq!(same_end, end);
        prop_assert_eq!(rows(&after), rows(&before));
        prop_assert_eq!(read(&mut log, at), unread);
        let seen: Vec<_> = after.iter().filter(|(offset, ..)| *offset < at).collect();
        let keys: std::collections::BTreeSet<_> = seen.iter().map(|(_, key, _)| key).collect();
        prop_assert_eq!(keys.len(), seen.len(), "one record a key");
        prop_assert!(seen.iter().all(|(.., value)| value.is_some()), "and no tombstone");
        write(&mut log, &[(9, Some(9))]);
        prop_assert_eq!(read(&mut log, end).0.len(), 1, "offsets go on where they were");
    }
}
#[test]
fn a_reader_that_has_read_nothing_yet_finds_everything_after_compaction() {
    let folder = tempdir().unwrap();
    let mut log = EmbeddedLog::open(folder.path()).unwrap();
    log.register(READER, &[table()]).unwrap();
    write(&mut log, &[(1, Some(1)), (1, Some(2)), (1, None)]);
    log.compact_one(Some(1)).unwrap();
    assert_eq!(read(&mut log, 0).0.len(), 3);
}
#[test]
fn registering_again_moves_no_position() {
    let folder = tempdir().unwrap();
    let mut log = EmbeddedLog::open(folder.path()).unwrap();
    write(&mut log, &[(1, Some(1))]);
    move_to(&mut log, 1);
    log.register(READER, &[table()]).unwrap();
    assert_eq!(log.committed_offsets(READER).unwrap()[&(TABLE.to_owned(), 0)], 1);
}
#[test]
fn a_log_is_run_by_one_process_at_a_time() {
    let folder = tempdir().unwrap();
    let lock = EmbeddedLog::lock(folder.path()).unwrap();
    assert!(EmbeddedLog::lock(folder.path()).is_err());
    drop(lock);
    EmbeddedLog::lock(folder.path()).unwrap();
}

fn reader() -> Subscription {
    Subscription {
        name: READER,
        group: READER.into(),
        inputs: vec![table()],
        outputs: Vec::new(),
        is_view: false,
        is_alone: false,
        upstream: Vec::new(),
    }
}
fn first_place(log: &mut EmbeddedLog) -> PartitionProgress {
    log.lag_snapshot(&[reader()]).unwrap()[0].partitions[0]
}

#[test]
fn a_reader_stands_at_its_first_unread_record_with_its_append_time() {
    let folder = tempdir().unwrap();
    let mut log = EmbeddedLog::open(folder.path()).unwrap();
    assert_eq!((first_place(&mut log).unread, first_place(&mut log).committed), (None, None));
    write(&mut log, &[(1, Some(1)), (2, Some(2))]);
    write(&mut log, &[(3, Some(3))]);
    move_to(&mut log, 1);
    let progress = first_place(&mut log);
    assert_eq!(
        (progress.committed, progress.log_start_offset, progress.end_offset, progress.behind()),
        (Some(1), 0, 3, 2)
    );
    assert_eq!(progress.unread.unwrap().offset, 1);
    assert!(progress.unread.unwrap().appended.is_some());
    move_to(&mut log, 3);
    assert_eq!(first_place(&mut log).unread, None);
}

#[test]
fn what_compaction_took_is_no_lag_and_what_it_left_keeps_its_append_time() {
    let folder = tempdir().unwrap();
    let mut log = EmbeddedLog::open(folder.path()).unwrap();
    write(&mut log, &[(1, Some(1))]);
    write(&mut log, &[(1, Some(2)), (2, Some(2))]);
    write(&mut log, &[(2, None)]);
    while log.compact_one(Some(1)).unwrap() {}
    let progress = first_place(&mut log);
    assert_eq!((progress.log_start_offset, progress.end_offset, progress.unread.unwrap().offset), (1, 4, 1));
    assert!(progress.unread.unwrap().appended.is_some());
    move_to(&mut log, 2);
    assert_eq!((first_place(&mut log).unread, first_place(&mut log).behind()), (None, 0));
}

#[test]
fn a_file_without_append_times_gets_the_column_and_says_what_it_does_not_know() {
    let folder = tempdir().unwrap();
    let mut log = EmbeddedLog::open(folder.path()).unwrap();
    write(&mut log, &[(1, Some(1))]);
    drop(log);
    let db = rusqlite::Connection::open(folder.path().join("log.db")).unwrap();
    db.execute_batch("ALTER TABLE chunk DROP COLUMN appended").unwrap();
    drop(db);
    let mut log = EmbeddedLog::open(folder.path()).unwrap();
    write(&mut log, &[(2, Some(2))]);
    assert_eq!(first_place(&mut log).unread, Some(Unread { offset: 0, appended: None }));
    move_to(&mut log, 1);
    assert!(first_place(&mut log).unread.unwrap().appended.is_some());
}

#[test]
fn a_reader_is_attended_while_a_process_that_runs_it_lives() {
    let folder = tempdir().unwrap();
    let mut log = EmbeddedLog::open(folder.path()).unwrap();
    let attended = || {
        let mut other = EmbeddedLog::open(folder.path()).unwrap();
        other.lag_snapshot(&[reader()]).unwrap()[0].has_active_members
    };
    assert!(!attended());
    log.acquire_run_lock().unwrap();
    assert!(!attended(), "a process that runs other readers");
    let member = log.subscribe(reader(), ReadLimits::default(), Arc::new(RunContext::default())).unwrap();
    assert!(attended());
    drop((member, log));
    assert!(!attended());
}

#[test]
fn a_processor_that_panics_ends_the_run() {
    let folder = tempdir().unwrap();
    let log = Box::new(EmbeddedLog::open(folder.path()).unwrap());
    let work: runtime::supervisor::CustomTask = Box::new(|_| panic!("on purpose"));
    let run_context = Arc::new(RunContext::default());
    let running =
        Supervisor::start(log, Vec::new(), vec![(reader(), work)], ReadLimits::default(), run_context)
            .unwrap();
    let said = running.watch(false, |_| {}).unwrap_err().to_string();
    assert!(said.contains("the thread of reader died"), "{said}");
}
