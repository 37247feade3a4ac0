//! Writing to the log file: a commit or an ingest is one SQL transaction, and a purge is one transaction per partition.
//!
//! Invariant: commits and ingests are atomic; the offsets of a partition are dense when they are written.
//! Not here: compaction, which removes records and keeps offsets (`compaction`).
use crate::{
    checksum,
    small_tables::CorruptRow,
    store::Store,
    stored_batch::{COLUMNS, CorruptStoredBatch, SMALL_BATCH_BYTES, StoredBatch, StoredPartition},
    vacuum::release_free_pages,
};
use runtime::{Commit, RawEventRecord, RecordBatch, RuntimeError, clock};
use rusqlite::{Connection, OptionalExtension, params};
use schemas::wire;
use std::collections::BTreeMap;
use topics::{Offset, Offsets, Policy, TopicPartition};

/// Makes a commit durable; returns the new end offsets of the partitions that it wrote to.
pub fn commit(store: &mut Store, commit: Commit) -> Result<Offsets, RuntimeError> {
    let batches = pack_all(all_records(commit.records, commit.dead_letters)?);
    store.transaction(|tx| {
        let end_offsets = append_all(tx, batches)?;
        for (TopicPartition { topic, partition }, next) in &commit.offsets {
            let topic = topic_id(tx, topic)?;
            put_committed_offset(tx, &commit.group, (topic, *partition), *next)?;
        }
        Ok(end_offsets)
    })
}

/// Appends the raw events that are not in the log yet, or only with a lower rank, and a commit; returns how many events were appended.
pub fn ingest(store: &mut Store, events: &[RawEventRecord], commit: Commit) -> Result<usize, RuntimeError> {
    let others = pack_all(all_records(commit.records, commit.dead_letters)?);
    store.transaction(|tx| {
        let mut records: BTreeMap<TopicPartition, RecordBatch> = BTreeMap::new();
        let mut new_events = 0;
        for event in events {
            let changed = tx
                .prepare_cached(
                    "INSERT INTO ingested(raw, rank) VALUES(?1, ?2)
                     ON CONFLICT DO UPDATE SET rank = ?2 WHERE rank < ?2",
                )?
                .execute([event.id.0, i64::from(event.rank)])?;
            if changed == 1 {
                let partition = TopicPartition::new(event.topic.name, event.partition);
                records.entry(partition).or_default().push(&event.key, Some(&event.value));
                new_events += 1;
            }
        }
        append_all(tx, pack_all(records))?;
        append_all(tx, others)?;
        Ok(new_events)
    })
}

/// Deletes the records of a topic below these offsets; the other records keep their offsets.
pub fn purge(store: &mut Store, topic: &str, below: &BTreeMap<i32, Offset>) -> Result<(), RuntimeError> {
    for (partition, below) in below {
        store.transaction(|tx| {
            let topic_id = topic_id(tx, topic)?;
            let divided: Option<StoredBatch> = tx
                .query_row(
                    &format!("SELECT {COLUMNS} FROM record_batch WHERE topic = ?1 AND partition = ?2 AND base < ?3 AND next > ?3"),
                    params![topic_id, partition, below],
                    StoredBatch::from_row,
                )
                .optional()?;
            tx.execute(
                "DELETE FROM record_batch WHERE topic = ? AND partition = ? AND base < ?",
                params![topic_id, partition, below],
            )?;
            // If `below` is inside a batch, the batch is stored again without the records below this offset.
            if let Some(divided) = divided {
                let (base, appended) = (divided.base, divided.appended);
                let rest = divided.open(topic, *partition)?.from_offset(*below);
                let rest = rest.map_err(|corrupt| CorruptStoredBatch::new(topic, *partition, base, &corrupt))?;
                if !rest.is_empty() {
                    let stored = StoredPartition { topic_id, topic, partition: *partition };
                    StoredBatch::pack(&rest, appended).insert(tx, stored)?;
                }
            }
            Ok(())
        })?;
    }
    store.ok(release_free_pages(&store.db, 0))
}

/// Returns the records of a commit and its dead letters. A dead letter is encoded as an event, with the key of its original record.
fn all_records(
    mut records: BTreeMap<TopicPartition, RecordBatch>,
    dead_letters: BTreeMap<TopicPartition, Vec<schemas::raw::DeadLetter>>,
) -> Result<BTreeMap<TopicPartition, RecordBatch>, RuntimeError> {
    for (partition, dead_letters) in dead_letters {
        let batch = records.entry(partition).or_default();
        for dead_letter in dead_letters {
            let value = wire::encode(&dead_letter).map_err(|error| RuntimeError::Unencodable {
                processor: dead_letter.processor.clone(),
                topic: partition.topic.into(),
                reason: error.to_string(),
            })?;
            batch.push(&dead_letter.key, Some(&value));
        }
    }
    Ok(records)
}

/// Packs batches for the file. Done before the transaction begins, because other members cannot commit during a transaction.
fn pack_all(records: BTreeMap<TopicPartition, RecordBatch>) -> Vec<(TopicPartition, StoredBatch)> {
    let appended = clock::now().0;
    let pack = |(partition, batch)| (partition, StoredBatch::pack(&batch, appended));
    records.into_iter().map(pack).collect()
}

/// Appends batches; returns the new end offsets.
fn append_all(db: &Connection, batches: Vec<(TopicPartition, StoredBatch)>) -> rusqlite::Result<Offsets> {
    let mut end_offsets = Offsets::new();
    for (partition, batch) in batches {
        let TopicPartition { topic, partition: number } = partition;
        let stored = StoredPartition { topic_id: topic_id(db, topic)?, topic, partition: number };
        end_offsets.insert(partition, append(db, stored, batch)?);
    }
    Ok(end_offsets)
}

fn append(db: &Connection, stored: StoredPartition<'_>, batch: StoredBatch) -> rusqlite::Result<Offset> {
    let StoredPartition { topic_id: topic, partition, .. } = stored;
    let end_offset: Option<(Offset, Option<i64>)> = db
        .prepare_cached("SELECT next, checksum FROM end_offset WHERE topic = ? AND partition = ?")?
        .query_row(params![topic, partition], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    // After a wrong end offset, records would get offsets that others had.
    if let Some((next, checksum)) = end_offset
        && checksum != Some(checksum::of_end_offset(topic, partition, next))
    {
        return Err(CorruptRow::new("end_offset", format!("{}/{partition}", stored.topic)).into());
    }
    let batch = batch.rebased(end_offset.map_or(0, |(next, _)| next));
    batch.insert(db, stored)?;
    let is_small = batch.size() < SMALL_BATCH_BYTES;
    let small_bytes = if is_small { batch.size() } else { 0 };
    db.prepare_cached(
        "INSERT INTO end_offset(topic, partition, next, dirty, dirty_bytes, unmerged_batches, unmerged_bytes, checksum)
         VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO UPDATE SET next = ?3, dirty = dirty + ?4, dirty_bytes = dirty_bytes + ?5,
         unmerged_batches = unmerged_batches + ?6, unmerged_bytes = unmerged_bytes + ?7, checksum = ?8",
    )?
    .execute(params![
        topic,
        partition,
        batch.next,
        batch.records,
        batch.size(),
        is_small,
        small_bytes,
        checksum::of_end_offset(topic, partition, batch.next)
    ])?;
    Ok(batch.next)
}

/// Stores the committed offset of a consumer group in a partition.
pub fn put_committed_offset(
    db: &Connection,
    group: &str,
    (topic, partition): (i64, i32),
    next: Offset,
) -> rusqlite::Result<()> {
    let checksum = checksum::of_committed_offset(group, topic, partition, next);
    db.prepare_cached(
        "INSERT OR REPLACE INTO committed_offset(consumer_group, topic, partition, next, checksum) VALUES(?, ?, ?, ?, ?)",
    )?
    .execute(params![group, topic, partition, next, checksum])
    .map(|_| ())
}

/// Returns the id of a topic in the log file; adds the topic if it is new.
pub fn topic_id(db: &Connection, name: &str) -> rusqlite::Result<i64> {
    let known = db
        .prepare_cached("SELECT id FROM topic WHERE name = ?")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    if let Some(id) = known {
        return Ok(id);
    }
    let policy = topics::ALL.iter().find(|topic| topic.name == name).map(|topic| topic.policy);
    let derived = if name.ends_with(".changelog") { Policy::Compact } else { Policy::Keep };
    let policy = policy.unwrap_or(derived).name();
    let id = db.query_row("SELECT ifnull(max(id), 0) + 1 FROM topic", [], |row| row.get(0))?;
    db.prepare_cached("INSERT INTO topic(id, name, policy, checksum) VALUES(?, ?, ?, ?)")?
        .execute(params![id, name, policy, checksum::of_topic(id, name, policy)])?;
    Ok(id)
}
