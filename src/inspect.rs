//! Reading: what stands in the log's table topics, and what its streams hold, for the verbs that show things.
//!
//! Invariant: read-only; a row is the newest record of its key.
//! Not here: the warehouse's own queries (crate `sinks`).
use anyhow::{Context, Result};
use runtime::{LogBackend, RecordBatch};
use schemas::{Event, Row, catalog::Entry, ops::LedgerEntry, wire};
use std::collections::BTreeMap;
use topics::{Policy, Topic, TopicInfo};

/// All chunks of one partition.
fn chunks(log: &mut dyn LogBackend, topic: &str, partition: i32) -> Result<Vec<RecordBatch>> {
    Ok(log.read(topic, partition, 0, usize::MAX)?)
}

/// Calls `each` with every event of a stream, partition by partition.
pub fn events<E: Event>(log: &mut dyn LogBackend, topic: &Topic<E>, mut each: impl FnMut(E)) -> Result<()> {
    for partition in 0..topic.info.partitions {
        for record_batch in chunks(log, topic.info.name, partition)? {
            for record in record_batch.records() {
                if let Some(bytes) = record?.value {
                    each(wire::decode(bytes)?);
                }
            }
        }
    }
    Ok(())
}

/// The newest value of each key of a topic's partition.
fn newest(
    log: &mut dyn LogBackend,
    topic: &str,
    partition: i32,
    rows: &mut BTreeMap<String, Vec<u8>>,
) -> Result<()> {
    for record_batch in chunks(log, topic, partition)? {
        for record in record_batch.records() {
            let record = record?;
            match record.value {
                Some(value) => _ = rows.insert(record.key.to_owned(), value.to_vec()),
                None => _ = rows.remove(record.key),
            }
        }
    }
    Ok(())
}

/// The rows of a table of which `wanted` likes the key.
pub fn table<E: Row>(
    log: &mut dyn LogBackend,
    topic: &Topic<E>,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<E>> {
    let mut rows = BTreeMap::new();
    for partition in 0..topic.info.partitions {
        newest(log, topic.info.name, partition, &mut rows)?;
    }
    let wanted = rows.iter().filter(|(key, _)| wanted(key));
    Ok(wanted.map(|(_, value)| wire::decode(value)).collect::<Result<_, _>>()?)
}

/// The content of one table topic: how many rows, and the BLAKE3 hash over keys and values in the order of keys, the values as
/// they would be without a registry.
pub fn content(log: &mut dyn LogBackend, topic: TopicInfo) -> Result<(u64, String)> {
    debug_assert_eq!(topic.policy, Policy::Compact);
    let mut rows = BTreeMap::new();
    for partition in 0..topic.partitions {
        newest(log, topic.name, partition, &mut rows)?;
    }
    let entry = Entry::find(topic.event).with_context(|| format!("{} has no schema", topic.name))?;
    let schemas = (entry.schemas)();
    let mut hash = blake3::Hasher::new();
    for (key, value) in &rows {
        let value = schemas.canonical(value).with_context(|| format!("{}, row {key}", topic.name))?;
        for part in [key.as_bytes(), &value] {
            hash.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
    }
    Ok((rows.len() as u64, hash.finalize().to_hex().to_string()))
}

/// The accounts, by processor and version.
pub fn accounts(log: &mut dyn LogBackend, from: i64) -> Result<BTreeMap<(String, i64), LedgerEntry>> {
    let mut accounts: BTreeMap<(String, i64), LedgerEntry> = BTreeMap::new();
    for record_batch in log.read(topics::LEDGER.info.name, 0, from, usize::MAX)? {
        for record in record_batch.records() {
            let Some(bytes) = record?.value else { continue };
            let entry: LedgerEntry = wire::decode(bytes)?;
            accounts.entry((entry.processor.clone(), entry.version)).or_default().add(&entry);
        }
    }
    Ok(accounts)
}

/// The version of each processor that accounted last.
pub fn newest_versions(log: &mut dyn LogBackend) -> Result<BTreeMap<String, i64>> {
    let mut newest = BTreeMap::new();
    events(log, &topics::LEDGER, |entry| _ = newest.insert(entry.processor, entry.version))?;
    Ok(newest)
}

/// Where the ledger ends, to read what a run adds to it.
pub fn ledger_end(log: &mut dyn LogBackend) -> Result<i64> {
    let ledger = topics::LEDGER.info.name;
    Ok(log.end_offsets(&[ledger])?.get(&(ledger.to_owned(), 0)).copied().unwrap_or(0))
}
