//! Positions that Kafka has forgotten: those of a group that had no member for `offsets.retention.minutes`, by default a week.
//!
//! Its processor reads everything again, which changes no content. What its account says of the first reading is taken back before, so
//! that each record is counted once; what is parked stays in the account as long as it is in its memory.
//! Invariant: an account is taken back once, whoever else starts at the same time, and never while there is any position or member.
//! Not here: positions before what a topic still has (`storage`).
use super::{originals::Originals, storage::KafkaStorage, transaction::Transactions};
use crate::{
    chunk::Chunk,
    engine::changelog_of,
    log::{Halt, Storage},
    member::Reader,
};
use schemas::{ops::LedgerEntry, wire};
use std::collections::BTreeMap;

/// Under this name one process at a time takes accounts back: the next one ends what an earlier one has begun.
pub(super) const OWNER: &str = "start-over";

/// Takes the account of a reader's group back when the brokers know no position of it any more.
pub(super) fn settle(storage: &mut KafkaStorage, reader: &Reader) -> Result<(), Halt> {
    while taken_back(storage, reader)?.is_some() {
        let mut settings = storage.settings().clone();
        settings.instance = OWNER.into();
        let mut transactions = Transactions::begin_life(&settings, &reader.group)?;
        // Whoever had this name before may have done it just now.
        let Some(entry) = taken_back(storage, reader)? else { return Ok(()) };
        tracing::warn!(
            processor = reader.name,
            read = -entry.read,
            "the brokers have forgotten where this processor was, it reads everything again"
        );
        let ledger = topics::LEDGER.info.name;
        let value = wire::encode(&entry).map_err(|error| Halt::Unencodable {
            processor: reader.name.into(),
            topic: ledger.into(),
            reason: error.to_string(),
        })?;
        let mut chunk = Chunk::default();
        chunk.push(reader.name, Some(&value));
        let out = BTreeMap::from([((ledger.to_owned(), 0), chunk)]);
        match transactions.commit(out, None, Originals::new()) {
            Err(Halt::Interrupted { reason, .. }) => tracing::debug!(reason, "looking again"),
            done => return done,
        }
    }
    Ok(())
}

/// What takes the account of a group without positions back; `None` when there are some, or nothing was counted.
fn taken_back(storage: &mut KafkaStorage, reader: &Reader) -> Result<Option<LedgerEntry>, Halt> {
    if !storage.committed_of(reader)?.is_empty() || storage.is_attended(&reader.group)? {
        return Ok(None);
    }
    let Some(account) = account(storage, reader)? else { return Ok(None) };
    // Entries and positions are committed together, so what the account has while there is still no position was forgotten.
    let is_forgotten = storage.committed_of(reader)?.is_empty();
    let remembered = if has_memory(storage, reader)? { account.parked } else { 0 };
    let entry = LedgerEntry {
        processor: account.processor,
        version: account.version,
        read: -account.read,
        // What is parked in its memory is not parked again when it is read again, and counts as applied.
        applied: -account.applied - remembered,
        unchanged: -account.unchanged,
        parked: remembered - account.parked,
        rejected: -account.rejected,
        published: -account.published,
        rows: -account.rows,
        rows_emitted: -account.rows_emitted,
        rows_bad: -account.rows_bad,
        rows_out_of_scope: -account.rows_out_of_scope,
        rows_repeated: -account.rows_repeated,
    };
    Ok(Some(entry).filter(|entry| is_forgotten && entry.read != 0))
}

/// Whether the changelog of a reader was ever written to since its topic was made.
fn has_memory(storage: &mut KafkaStorage, reader: &Reader) -> Result<bool, Halt> {
    Ok(reader.is_view && storage.ends(&[&changelog_of(reader.name)])?.values().any(|end| *end > 0))
}

/// The sum of a group's entries in the ledger; of the sink, those of its newest reading.
fn account(storage: &mut KafkaStorage, reader: &Reader) -> Result<Option<LedgerEntry>, Halt> {
    let mut account: Option<LedgerEntry> = None;
    for chunk in storage.read(topics::LEDGER.info.name, 0, 0, usize::MAX)? {
        for record in chunk.records() {
            let record = record?;
            // Its key is the processor.
            let Some(value) = record.value.filter(|_| record.key == reader.name) else { continue };
            let entry = wire::decode::<LedgerEntry>(value).map_err(|error| Halt::Undecodable {
                processor: reader.name.into(),
                topic: topics::LEDGER.info.name.into(),
                partition: 0,
                offset: record.offset,
                reason: error.to_string(),
            })?;
            // The versions of a map have a group each.
            let is_own = reader.group == reader.name
                || reader.group == format!("{}@{:x}", entry.processor, entry.version);
            match &mut account {
                _ if !is_own => {}
                Some(account) if entry.version < account.version => {}
                Some(account) if entry.version == account.version => account.add(&entry),
                account => *account = Some(entry),
            }
        }
    }
    Ok(account)
}
