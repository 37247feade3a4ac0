//! The stored form of records: compression, merging of small batches, retention, free pages, and files of the former version.
//!
//! Invariant: whatever form the batches have in the file, reading returns the records that were appended.
//! Not here: compaction without compression (`embedded`), how much a file grows (`growth`).
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use runtime::{Commit, LogAdmin, LogReader, LogWriter, RecordBatch, progress_board::ProgressBoard};
use runtime_embedded::EmbeddedLog;
use rusqlite::{Connection, params};
use schemas::units::Timestamp;
use std::{collections::BTreeMap, path::Path};
use tempfile::tempdir;
use topics::{GAMES, ODDS_OBSERVATIONS, Offset, Offsets, TopicPartition};

const STREAM: TopicPartition = TopicPartition::new(ODDS_OBSERVATIONS.info.name, 0);
const TABLE: TopicPartition = TopicPartition::new(GAMES.info.name, 0);
const GROUP: &str = "markets";
const DAY_MS: i64 = 86_400_000;

/// Offset, key and value of a stored record. The value is `None` for a tombstone.
type StoredRecord = (Offset, String, Option<Vec<u8>>);

fn read(
    log: &mut EmbeddedLog,
    partition: TopicPartition,
    from: Offset,
    max_bytes: usize,
) -> Vec<StoredRecord> {
    let (mut records, mut next) = (Vec::new(), from);
    loop {
        let batches = log.read(partition, next, max_bytes).unwrap();
        let Some(last) = batches.last() else { return records };
        next = last.next();
        for record in batches.iter().flat_map(RecordBatch::records).map(Result::unwrap) {
            records.push((record.offset, record.key.to_owned(), record.value.map(<[u8]>::to_vec)));
        }
    }
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

/// A record: its key, and the byte and length of its value. Long values make some batches too large to be merged.
type Record = (u8, Option<(u8, usize)>);

fn any_batches() -> impl Strategy<Value = Vec<Vec<Record>>> {
    let length = prop_oneof![8 => 0usize..300, 1 => Just(600_000)];
    let record = (0u8..4, prop::option::weighted(0.8, (any::<u8>(), length)));
    prop::collection::vec(prop::collection::vec(record, 1..6), 1..9)
}

fn append(log: &mut EmbeddedLog, partition: TopicPartition, records: &[Record]) {
    let mut commit = Commit::default();
    for (key, value) in records {
        let value = value.map(|(byte, length)| vec![byte; length]);
        commit.append(partition, &key.to_string(), value.as_deref());
    }
    log.append(commit).unwrap();
}

fn commit_offset(log: &mut EmbeddedLog, partition: TopicPartition, next: Offset) {
    let offsets = Offsets::from([(partition, next)]);
    log.append(Commit { group: GROUP.into(), offsets, ..Commit::default() }).unwrap();
}

fn database(folder: &Path) -> Connection {
    Connection::open(folder.join("log.db")).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn merging_changes_no_record_of_a_stream_and_no_row_of_a_table(
        batches in any_batches(),
        batches_read in 0usize..9,
        merged_after in 0usize..9,
        from in 0i64..40,
        max_bytes in 1usize..2_000,
    ) {
        let folder = tempdir().unwrap();
        let mut log = EmbeddedLog::open(folder.path()).unwrap();
        for topic in [ODDS_OBSERVATIONS.info, GAMES.info] {
            log.register_group(GROUP, &[topic]).unwrap();
        }
        let (mut expected, mut committed) = (Vec::new(), 0);
        for (number, batch) in batches.iter().enumerate() {
            for partition in [STREAM, TABLE] {
                append(&mut log, partition, batch);
            }
            for (key, value) in batch {
                let value = value.map(|(byte, length)| vec![byte; length]);
                expected.push((expected.len() as Offset, key.to_string(), value));
            }
            if number < batches_read {
                committed = expected.len() as Offset;
                commit_offset(&mut log, STREAM, committed);
                commit_offset(&mut log, TABLE, committed);
            }
            while number >= merged_after && log.merge_one(Some(2)).unwrap() {}
        }
        let mut log = EmbeddedLog::open(folder.path()).unwrap();
        let from_offset: Vec<_> = expected.iter().filter(|(offset, ..)| *offset >= from).cloned().collect();
        prop_assert_eq!(read(&mut log, STREAM, 0, usize::MAX), expected.clone());
        prop_assert_eq!(read(&mut log, STREAM, from, max_bytes), from_offset);

        let table = read(&mut log, TABLE, 0, max_bytes);
        prop_assert_eq!(rows(&table), rows(&expected));
        let unread = |records: &[StoredRecord]| -> Vec<StoredRecord> {
            records.iter().filter(|(offset, ..)| *offset >= committed).cloned().collect()
        };
        prop_assert_eq!(unread(&table), unread(&expected), "records that the group has not read");
        prop_assert!(table.iter().all(|record| expected.contains(record)), "every record keeps its offset");
        for number in 0..expected.len() {
            // Whatever a reader has read before, the records that follow complete its rows.
            let (mut continued, rest) = (expected[..number].to_vec(), read(&mut log, TABLE, number as Offset, max_bytes));
            continued.extend(rest);
            prop_assert_eq!(rows(&continued), rows(&expected), "a reader that continues at offset {}", number);
        }
        while log.compact_one(Some(1)).unwrap() || log.merge_one(Some(2)).unwrap() {}
        prop_assert_eq!(rows(&read(&mut log, TABLE, 0, max_bytes)), rows(&expected));
        append(&mut log, TABLE, &[(9, None)]);
        prop_assert_eq!(read(&mut log, TABLE, expected.len() as Offset, max_bytes).len(), 1, "the next record has the end offset");
    }
}

#[test]
fn small_batches_become_one_and_large_ones_stay_as_they_are() {
    let folder = tempdir().unwrap();
    let mut log = EmbeddedLog::open(folder.path()).unwrap();
    for length in [100, 100, 600_000, 100, 100, 100] {
        append(&mut log, STREAM, &[(1, Some((7, length)))]);
    }
    assert!(log.merge_one(Some(2)).unwrap());
    assert!(!log.merge_one(Some(2)).unwrap(), "nothing is left to merge");
    let bases = || -> Vec<Offset> {
        let db = database(folder.path());
        let mut statement = db.prepare("SELECT base FROM record_batch ORDER BY base").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(bases(), [0, 2, 3]);
    for _ in 0..2 {
        append(&mut log, STREAM, &[(1, Some((7, 100)))]);
    }
    assert!(log.merge_one(Some(2)).unwrap());
    assert_eq!(bases(), [0, 2, 3], "a merged batch that is still small is merged with those that follow");
}

/// The tables of the former version of the file.
const FORMER_TABLES: &str = "
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE topic(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, policy TEXT NOT NULL);
CREATE TABLE record_batch(
    id INTEGER PRIMARY KEY, topic INTEGER NOT NULL, partition INTEGER NOT NULL, base INTEGER NOT NULL, next INTEGER NOT NULL,
    records INTEGER NOT NULL, bytes BLOB NOT NULL, appended INTEGER NOT NULL);
CREATE UNIQUE INDEX record_batch_base ON record_batch(topic, partition, base);
CREATE TABLE end_offset(
    topic INTEGER NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL, dirty INTEGER NOT NULL DEFAULT 0,
    clean INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(topic, partition)) WITHOUT ROWID;
CREATE TABLE committed_offset(
    consumer_group TEXT NOT NULL, topic INTEGER NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL,
    PRIMARY KEY(consumer_group, topic, partition)) WITHOUT ROWID;
CREATE TABLE ingested(raw INTEGER PRIMARY KEY);
INSERT INTO meta VALUES('log_id', 'the id of the file');
INSERT INTO topic VALUES(1, 'core.games.v1', 'compact');
INSERT INTO end_offset VALUES(1, 0, 60, 60, 0);
";

#[test]
fn a_file_of_the_former_version_is_read_and_continued() {
    let folder = tempdir().unwrap();
    let db = database(folder.path());
    db.pragma_update(None, "journal_mode", "WAL").unwrap();
    db.execute_batch(FORMER_TABLES).unwrap();
    let mut expected = Vec::new();
    for base in [0, 20, 40] {
        let mut batch = RecordBatch::at(base);
        for offset in base..base + 20 {
            let (key, value) = ((offset % 7).to_string(), vec![offset as u8; 30]);
            batch.push(&key, Some(&value));
            expected.push((offset, key, Some(value)));
        }
        db.execute(
            "INSERT INTO record_batch(topic, partition, base, next, records, bytes, appended) VALUES(1, 0, ?, ?, 20, ?, 1)",
            params![base, batch.next(), batch.bytes()],
        )
        .unwrap();
    }
    drop(db);
    let mut reader = EmbeddedLog::open_read_only(folder.path()).unwrap();
    assert_eq!(read(&mut reader, TABLE, 0, usize::MAX), expected);

    assert!(EmbeddedLog::examine(folder.path()).unwrap().has_no_checksums);
    let mut log = EmbeddedLog::open(folder.path()).unwrap();
    let report = EmbeddedLog::examine(folder.path()).unwrap();
    assert!(!report.has_no_checksums && report.problems.is_empty(), "{report:?}");
    assert_eq!(log.id().unwrap(), "the id of the file");
    assert_eq!(read(&mut log, TABLE, 0, usize::MAX), expected);
    append(&mut log, TABLE, &[(1, Some((1, 5_000)))]);
    expected.push((60, "1".into(), Some(vec![1; 5_000])));
    for log in [&mut log, &mut reader] {
        assert_eq!(read(log, TABLE, 0, usize::MAX), expected, "uncompressed and compressed batches");
    }
    EmbeddedLog::open(folder.path()).unwrap();
    assert!(log.compact_one(Some(1)).unwrap());
    for log in [&mut log, &mut reader] {
        assert_eq!(rows(&read(log, TABLE, 0, usize::MAX)), rows(&expected));
        assert_eq!(read(log, TABLE, 0, usize::MAX).len(), 7);
    }
}

#[test]
fn a_corrupt_compressed_batch_is_reported_with_topic_partition_and_offset_and_stays() {
    let folder = tempdir().unwrap();
    let mut log = EmbeddedLog::open(folder.path()).unwrap();
    for _ in 0..3 {
        append(&mut log, TABLE, &[(1, Some((7, 1_000))), (2, Some((8, 1_000)))]);
    }
    let db = database(folder.path());
    let shorten = "UPDATE record_batch SET bytes = substr(bytes, 1, length(bytes) - 6) WHERE base = 2";
    assert_eq!(db.execute(shorten, []).unwrap(), 1);
    let count = || db.query_row("SELECT count(*) FROM record_batch", [], |row| row.get::<_, i64>(0)).unwrap();
    let is_named = |message: String| {
        let path = folder.path().display().to_string();
        assert!(message.contains("core.games.v1/0 at offset 2 is corrupt"), "{message}");
        assert!(message.contains(&path), "{message}");
    };
    is_named(log.read(TABLE, 0, usize::MAX).unwrap_err().to_string());
    is_named(log.compact_one(Some(1)).unwrap_err().to_string());
    is_named(log.merge_one(Some(2)).unwrap_err().to_string());
    assert_eq!(count(), 3);
    assert_eq!(read(&mut log, TABLE, 4, usize::MAX).len(), 2, "the batch that follows is readable");
}

#[test]
fn every_changed_row_is_named_by_an_examination_and_by_the_next_command() {
    for (sql, name) in [
        ("UPDATE meta SET value = value || 'x'", "log_id of table meta"),
        ("UPDATE topic SET name = 'core.games.v7'", "core.games.v7 of table topic"),
        ("UPDATE end_offset SET next = next + 1", "of table end_offset"),
        ("UPDATE committed_offset SET next = next + 1 WHERE partition = 0", "of table committed_offset"),
        ("UPDATE record_batch SET base = base + 1 WHERE base = 2", "at offset 3 is corrupt"),
        ("UPDATE record_batch SET records = records + 1 WHERE base = 2", "at offset 2 is corrupt"),
        ("UPDATE record_batch SET checksum = NULL WHERE base = 2", "it has no checksum"),
    ] {
        let folder = tempdir().unwrap();
        let mut log = EmbeddedLog::open(folder.path()).unwrap();
        log.register_group(GROUP, &[GAMES.info]).unwrap();
        for _ in 0..3 {
            append(&mut log, TABLE, &[(1, Some((7, 1_000))), (2, Some((8, 1_000)))]);
        }
        drop(log);
        assert!(EmbeddedLog::examine(folder.path()).unwrap().problems.is_empty());
        database(folder.path()).execute_batch(sql).unwrap();
        let report = EmbeddedLog::examine(folder.path()).unwrap();
        assert!(report.problems.iter().any(|problem| problem.contains(name)), "{sql}: {report:?}");
        let read = EmbeddedLog::open(folder.path()).and_then(|mut log| log.read(TABLE, 0, usize::MAX));
        assert!(read.unwrap_err().to_string().contains(name), "{sql}");
    }
}

#[test]
fn a_missing_batch_of_a_stream_is_found_before_processors_run() {
    let folder = tempdir().unwrap();
    let mut log = EmbeddedLog::open(folder.path()).unwrap();
    for _ in 0..3 {
        append(&mut log, STREAM, &[(1, Some((7, 1_000)))]);
    }
    log.acquire_run_lock().unwrap();
    drop(log);
    database(folder.path()).execute("DELETE FROM record_batch WHERE base = 1", []).unwrap();
    let mut log = EmbeddedLog::open(folder.path()).unwrap();
    let refused = log.acquire_run_lock().unwrap_err().to_string();
    assert!(refused.contains("1 record batches overlap or are missing"), "{refused}");
}

#[test]
fn a_file_that_is_removed_or_replaced_is_not_written_any_more() {
    let folder = tempdir().unwrap();
    let mut log = EmbeddedLog::open(folder.path()).unwrap();
    append(&mut log, TABLE, &[(1, None)]);
    let path = folder.path().join("log.db");
    std::fs::rename(&path, folder.path().join("moved")).unwrap();
    let mut commit = Commit::default();
    commit.append(TABLE, "key", None);
    let refused = log.append(commit).unwrap_err().to_string();
    assert!(refused.contains("log.db was removed while this process had it open"), "{refused}");
    std::fs::write(&path, "").unwrap();
    let refused = log.run_maintenance(&ProgressBoard::default()).unwrap_err().to_string();
    assert!(refused.contains("log.db was replaced by another file"), "{refused}");
}

#[test]
fn an_expired_record_of_a_stream_is_deleted_when_every_group_has_read_it() {
    let folder = tempdir().unwrap();
    let mut log = EmbeddedLog::open(folder.path()).unwrap();
    for partition in [STREAM, TABLE] {
        for value in 0..4 {
            append(&mut log, partition, &[(value, Some((value, 10)))]);
        }
    }
    // Three batches are 40 days old, the last one is a day old.
    database(folder.path())
        .execute("UPDATE record_batch SET appended = CASE WHEN base < 3 THEN 0 ELSE 39 * ? END", [DAY_MS])
        .unwrap();
    let now = Timestamp(40 * DAY_MS);
    assert_eq!(log.delete_expired(now).unwrap(), 0, "no group has read anything");
    for group in [GROUP, "other"] {
        log.register_group(group, &[ODDS_OBSERVATIONS.info, GAMES.info]).unwrap();
    }
    commit_offset(&mut log, STREAM, 4);
    commit_offset(&mut log, TABLE, 4);
    assert_eq!(log.delete_expired(now).unwrap(), 0, "one group has read nothing");
    let offsets = Offsets::from([(STREAM, 2), (TABLE, 4)]);
    log.append(Commit { group: "other".into(), offsets, ..Commit::default() }).unwrap();
    assert_eq!(log.delete_expired(Timestamp(30 * DAY_MS)).unwrap(), 0, "nothing is older than 30 days");
    assert_eq!(log.delete_expired(now).unwrap(), 2);
    let offsets = |log: &mut EmbeddedLog, partition| -> Vec<Offset> {
        read(log, partition, 0, usize::MAX).iter().map(|(offset, ..)| *offset).collect()
    };
    assert_eq!(offsets(&mut log, STREAM), [2, 3]);
    assert_eq!(offsets(&mut log, TABLE), [0, 1, 2, 3], "rows of tables do not expire");
    let all_read = Offsets::from([(STREAM, 4)]);
    log.append(Commit { group: "other".into(), offsets: all_read, ..Commit::default() }).unwrap();
    assert_eq!(log.delete_expired(now).unwrap(), 1, "the last record has not expired");
    assert_eq!(log.delete_expired(Timestamp(70 * DAY_MS)).unwrap(), 1);
    assert!(read(&mut log, STREAM, 0, usize::MAX).is_empty());
    append(&mut log, STREAM, &[(1, None)]);
    assert_eq!(offsets(&mut log, STREAM), [4], "offsets are not used again");
}

#[test]
fn free_pages_are_returned_after_a_purge_and_by_maintenance() {
    let folder = tempdir().unwrap();
    let mut log = EmbeddedLog::open(folder.path()).unwrap();
    let mut value = 1u64;
    let mut append_random = |log: &mut EmbeddedLog| {
        let mut next = || {
            value = value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (value >> 56) as u8
        };
        let bytes: Vec<u8> = (0..3_000_000).map(|_| next()).collect();
        let mut commit = Commit::default();
        commit.append(STREAM, "key", Some(&bytes));
        log.append(commit).unwrap();
    };
    let free_pages = || -> i64 {
        database(folder.path()).query_row("PRAGMA freelist_count", [], |row| row.get(0)).unwrap()
    };
    append_random(&mut log);
    log.purge(STREAM.topic, &BTreeMap::from([(0, 1)])).unwrap();
    assert_eq!(free_pages(), 0);
    append_random(&mut log);
    database(folder.path()).execute("DELETE FROM record_batch", []).unwrap();
    assert!(free_pages() > 700, "{}", free_pages());
    log.run_maintenance(&ProgressBoard::default()).unwrap();
    assert!(free_pages() <= 256, "{}", free_pages());
}
