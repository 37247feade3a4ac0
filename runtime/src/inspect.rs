//! Reads a log for commands: the rows of its table topics, the events of its streams, the totals of its ledger.
//!
//! Invariant: read-only; a row is the newest record of its key.
//! Not here: the queries of a warehouse (crate `sinks`), dead letters (`dlq`).
use crate::{
    broker::LogReader,
    engine::LEDGER,
    error::RuntimeError,
    record_batch::{Record, RecordBatch},
};
use schemas::{Event, Row, catalog::Entry, ops::LedgerEntry, wire};
use std::collections::{BTreeMap, BTreeSet};
use topics::{Offset, Policy, Topic, TopicInfo, TopicPartition};

/// The newest record of a key.
struct StoredRow {
    partition: TopicPartition,
    offset: Offset,
    value: Vec<u8>,
}
impl StoredRow {
    fn undecodable(&self, error: &dyn std::fmt::Display) -> RuntimeError {
        undecodable(self.partition, self.offset, error)
    }
}

/// Calls `each` with every event of a stream, partition by partition.
///
/// # Errors
/// When the log cannot be read or a record is not an event of the topic.
pub fn events<E: Event>(
    log: &mut dyn LogReader,
    topic: &Topic<E>,
    mut each: impl FnMut(E),
) -> Result<(), RuntimeError> {
    for partition in partitions(topic.info) {
        for batch in whole_partition(log, partition)? {
            for record in batch.records() {
                let record = record?;
                if let Some(value) = record.value {
                    each(decode(partition, &record, value)?);
                }
            }
        }
    }
    Ok(())
}

/// Returns the rows of a table whose keys fulfill `is_wanted`, in key order.
///
/// # Errors
/// When the log cannot be read or a record is not a row of the table.
pub fn table<E: Row>(
    log: &mut dyn LogReader,
    topic: &Topic<E>,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<Vec<E>, RuntimeError> {
    let rows = newest_values(log, topic.info)?;
    let wanted = rows.iter().filter(|(key, _)| is_wanted(key));
    wanted.map(|(_, row)| wire::decode(&row.value).map_err(|error| row.undecodable(&error))).collect()
}

/// Calls `each` with every row of a table, partition by partition, in key order within a partition. Only the rows of one partition are in
/// memory at a time.
///
/// # Errors
/// When the log cannot be read or a record is not a row of the table.
pub fn each_row<E: Row>(
    log: &mut dyn LogReader,
    topic: &Topic<E>,
    mut each: impl FnMut(E),
) -> Result<(), RuntimeError> {
    for partition in partitions(topic.info) {
        let mut rows = BTreeMap::new();
        add_newest_values(log, partition, &mut rows)?;
        for row in rows.values() {
            each(wire::decode(&row.value).map_err(|error| row.undecodable(&error))?);
        }
    }
    Ok(())
}

/// Returns the keys of the rows of a table topic.
///
/// # Errors
/// When the log cannot be read.
pub fn keys(log: &mut dyn LogReader, topic: TopicInfo) -> Result<BTreeSet<String>, RuntimeError> {
    let mut keys = BTreeSet::new();
    for partition in partitions(topic) {
        for batch in whole_partition(log, partition)? {
            for record in batch.records() {
                let record = record?;
                if record.value.is_some() {
                    keys.insert(record.key.to_owned());
                } else {
                    keys.remove(record.key);
                }
            }
        }
    }
    Ok(keys)
}

/// Returns the number of rows of a table topic, and the BLAKE3 hash of their keys and values in key order. Values are hashed as they would
/// be encoded without a schema registry.
///
/// # Errors
/// When the log cannot be read or a record is not a row of the table.
pub fn content(log: &mut dyn LogReader, topic: TopicInfo) -> Result<(u64, String), RuntimeError> {
    debug_assert_eq!(topic.policy, Policy::Compact);
    let rows = newest_values(log, topic)?;
    let no_schema =
        || undecodable(TopicPartition::new(topic.name, 0), 0, &"the event of this topic has no schema");
    let schemas = (Entry::find(topic.event).ok_or_else(no_schema)?.schemas)();
    let mut hash = blake3::Hasher::new();
    for (key, row) in &rows {
        let value = schemas.canonical(&row.value).map_err(|error| row.undecodable(&error))?;
        for part in [key.as_bytes(), &value] {
            hash.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
    }
    Ok((rows.len() as u64, hash.finalize().to_hex().to_string()))
}

/// Returns the sums of the ledger entries from an offset on, by processor and version.
///
/// # Errors
/// When the log cannot be read or a record is not a ledger entry.
pub fn ledger_totals(
    log: &mut dyn LogReader,
    from: Offset,
) -> Result<BTreeMap<(String, i64), LedgerEntry>, RuntimeError> {
    let mut totals: BTreeMap<(String, i64), LedgerEntry> = BTreeMap::new();
    for batch in log.read(LEDGER, from, usize::MAX)? {
        for record in batch.records() {
            let record = record?;
            let Some(value) = record.value else { continue };
            let entry: LedgerEntry = decode(LEDGER, &record, value)?;
            totals.entry((entry.processor.clone(), entry.version)).or_default().add(&entry);
        }
    }
    Ok(totals)
}

/// Returns the version of each processor according to its newest ledger entry.
///
/// # Errors
/// When the log cannot be read or a record is not a ledger entry.
pub fn newest_versions(log: &mut dyn LogReader) -> Result<BTreeMap<String, i64>, RuntimeError> {
    let mut versions = BTreeMap::new();
    events(log, &topics::LEDGER, |entry| _ = versions.insert(entry.processor, entry.version))?;
    Ok(versions)
}

/// Returns the end offset of the ledger. All entries appended later have this offset or a higher one.
///
/// # Errors
/// When the log cannot be read.
pub fn ledger_end(log: &mut dyn LogReader) -> Result<Offset, RuntimeError> {
    Ok(log.end_offsets(&[LEDGER.topic])?.get(&LEDGER).copied().unwrap_or(0))
}

fn partitions(topic: TopicInfo) -> impl Iterator<Item = TopicPartition> {
    (0..topic.partitions).map(move |partition| TopicPartition::new(topic.name, partition))
}

fn whole_partition(
    log: &mut dyn LogReader,
    partition: TopicPartition,
) -> Result<Vec<RecordBatch>, RuntimeError> {
    log.read(partition, 0, usize::MAX)
}

/// Returns the rows of a table topic by key.
fn newest_values(
    log: &mut dyn LogReader,
    topic: TopicInfo,
) -> Result<BTreeMap<String, StoredRow>, RuntimeError> {
    let mut rows = BTreeMap::new();
    for partition in partitions(topic) {
        add_newest_values(log, partition, &mut rows)?;
    }
    Ok(rows)
}

/// Adds the rows of one partition of a table topic. No other partition has their keys.
fn add_newest_values(
    log: &mut dyn LogReader,
    partition: TopicPartition,
    rows: &mut BTreeMap<String, StoredRow>,
) -> Result<(), RuntimeError> {
    for batch in whole_partition(log, partition)? {
        for record in batch.records() {
            let record = record?;
            match record.value {
                Some(value) => {
                    let row = StoredRow { partition, offset: record.offset, value: value.to_vec() };
                    rows.insert(record.key.to_owned(), row);
                }
                None => _ = rows.remove(record.key),
            }
        }
    }
    Ok(())
}

fn decode<E: Event>(partition: TopicPartition, record: &Record<'_>, value: &[u8]) -> Result<E, RuntimeError> {
    wire::decode(value).map_err(|error| undecodable(partition, record.offset, &error))
}

fn undecodable(
    TopicPartition { topic, partition }: TopicPartition,
    offset: Offset,
    error: &dyn std::fmt::Display,
) -> RuntimeError {
    let (processor, reason) = ("this command".to_owned(), error.to_string());
    RuntimeError::Undecodable { processor, topic: topic.to_owned(), partition, offset, reason }
}
