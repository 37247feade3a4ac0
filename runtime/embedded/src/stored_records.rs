//! Records of the log file for a command that shows them: with the append time of their batch, and waiting for new ones.
//!
//! Invariant: read-only; a process that appends is noticed by the data version of the file, which costs no read of a page.
//! Not here: the records that processors read (`member`), the stored form (`stored_batch`).
use crate::store::Store;
use runtime::{
    ReadSize, RecordBatch, RuntimeError, StoredRecord, StoredRecords, StoredValue,
    stored_record::NEWEST_BYTES,
};
use rusqlite::params;
use schemas::Timestamp;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use topics::{Offset, Offsets, TopicPartition};

/// Pause between two looks at the data version.
const DATA_VERSION_INTERVAL: Duration = Duration::from_millis(50);

/// Reads the records of several partitions from these offsets on, of each about this size.
pub fn read(
    store: &Store,
    from: &Offsets,
    size: ReadSize,
) -> Result<BTreeMap<TopicPartition, StoredRecords>, RuntimeError> {
    from.iter()
        .map(|(partition, from)| Ok((*partition, read_partition(store, *partition, *from, size)?)))
        .collect()
}

fn read_partition(
    store: &Store,
    partition: TopicPartition,
    from: Offset,
    size: ReadSize,
) -> Result<StoredRecords, RuntimeError> {
    let batches = store.read_with_append_times(partition, from, size.bytes)?;
    let end = batches.last().map_or(from, |(batch, _)| batch.next());
    let records = records(batches, size.records)?;
    // If records are left out, reading continues after the last one.
    let last = records.last().filter(|_| records.len() >= size.records);
    Ok(StoredRecords { next: last.map_or(end, |record| record.offset + 1), records })
}

/// Reads the newest records of several partitions.
pub fn read_newest(
    store: &Store,
    partitions: &[TopicPartition],
    count: usize,
) -> Result<BTreeMap<TopicPartition, StoredRecords>, RuntimeError> {
    let newest = partitions.iter().map(|partition| {
        let batches = store.read_last_batches(*partition, count, NEWEST_BYTES)?;
        let next = batches.last().map_or(0, |(batch, _)| batch.next());
        Ok((*partition, StoredRecords { next, records: records(batches, usize::MAX)? }))
    });
    newest.collect()
}

/// Returns the first records of batches, at most `max_records`, each with the append time of its batch.
fn records(
    batches: Vec<(RecordBatch, Option<i64>)>,
    max_records: usize,
) -> Result<Vec<StoredRecord>, RuntimeError> {
    let mut records = Vec::new();
    for (batch, appended) in batches {
        for record in batch.records().take(max_records.saturating_sub(records.len())) {
            let record = record?;
            let bytes = record.value.map(<[u8]>::to_vec);
            records.push(StoredRecord {
                offset: record.offset,
                timestamp: appended.map(Timestamp),
                key: record.key.to_owned(),
                value: bytes.map_or(StoredValue::Tombstone, StoredValue::Bytes),
            });
        }
    }
    Ok(records)
}

/// Returns the base offset of the first batch of each partition that was appended at an instant or later.
pub fn offsets_at(
    store: &Store,
    partitions: &[TopicPartition],
    instant: Timestamp,
) -> Result<Offsets, RuntimeError> {
    let read = || -> rusqlite::Result<Offsets> {
        let mut offsets = Offsets::new();
        let mut statement = store.db.prepare_cached(
            "SELECT min(base) FROM record_batch
             WHERE topic = (SELECT id FROM topic WHERE name = ?1) AND partition = ?2 AND appended >= ?3",
        )?;
        for partition in partitions {
            let parameters = params![partition.topic, partition.partition, instant.0];
            let base: Option<Offset> = statement.query_row(parameters, |row| row.get(0))?;
            offsets.extend(base.map(|base| (*partition, base)));
        }
        Ok(offsets)
    };
    store.ok(read())
}

/// Waits until a partition has a record at or after its offset, at most for `timeout`.
pub fn await_records(store: &Store, next: &Offsets, timeout: Duration) -> Result<bool, RuntimeError> {
    let started = Instant::now();
    let mut checked_version = None;
    loop {
        let version = store.data_version()?;
        if checked_version != Some(version) {
            let end_offsets = store.end_offsets()?;
            let has_records = |(partition, next): (&TopicPartition, &Offset)| {
                end_offsets.get(partition).is_some_and(|end| end > next)
            };
            if next.iter().any(has_records) {
                return Ok(true);
            }
            checked_version = Some(version);
        }
        let Some(rest) = timeout.checked_sub(started.elapsed()).filter(|rest| !rest.is_zero()) else {
            return Ok(false);
        };
        std::thread::sleep(rest.min(DATA_VERSION_INTERVAL));
    }
}
