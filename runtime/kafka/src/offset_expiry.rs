//! Positions that Kafka has forgotten: those of a group that had no member for `offsets.retention.minutes`, by default a week.
//!
//! Its processor reads everything again, which changes no content. What its account says of the first reading is taken back before, so
//! that each record is counted once; what is parked stays in the account as long as it is in its memory.
//! Invariant: an account is taken back once, whoever else starts at the same time, and never while there is any position or member.
//! Not here: positions before what a topic still has (`storage`).
use super::{backend::KafkaLog, original_record::OriginalRecords, transaction::TransactionalProducer};
use crate::{
    engine::changelog_topic,
    log::{LogBackend, RuntimeError},
    record_batch::RecordBatch,
    subscription::Subscription,
};
use schemas::{ops::LedgerEntry, wire};
use std::collections::BTreeMap;

/// Under this name one process at a time takes accounts back: the next one ends what an earlier one has begun.
pub(super) const OWNER: &str = "ledger-reset";

/// Takes the account of a reader's group back when the brokers know no position of it any more.
pub(super) fn handle_expired_offsets(
    storage: &mut KafkaLog,
    subscription: &Subscription,
) -> Result<(), RuntimeError> {
    while compensating_entry(storage, subscription)?.is_some() {
        let mut settings = storage.settings().clone();
        settings.instance = OWNER.into();
        let mut producer = TransactionalProducer::init_transactions(&settings, &subscription.group)?;
        // Whoever had this name before may have done it just now.
        let Some(entry) = compensating_entry(storage, subscription)? else { return Ok(()) };
        tracing::warn!(
            processor = subscription.name,
            read = -entry.read,
            "the brokers have forgotten where this processor was, it reads everything again"
        );
        let ledger = topics::LEDGER.info.name;
        let value = wire::encode(&entry).map_err(|error| RuntimeError::Unencodable {
            processor: subscription.name.into(),
            topic: ledger.into(),
            reason: error.to_string(),
        })?;
        let mut record_batch = RecordBatch::default();
        record_batch.push(subscription.name, Some(&value));
        let out = BTreeMap::from([((ledger.to_owned(), 0), record_batch)]);
        match producer.commit(out, None, OriginalRecords::new()) {
            Err(RuntimeError::Aborted { reason, .. }) => tracing::debug!(reason, "looking again"),
            done => return done,
        }
    }
    Ok(())
}

/// What takes the account of a group without positions back; `None` when there are some, or nothing was counted.
fn compensating_entry(
    storage: &mut KafkaLog,
    subscription: &Subscription,
) -> Result<Option<LedgerEntry>, RuntimeError> {
    if !storage.committed_of(subscription)?.is_empty() || storage.has_active_members(&subscription.group)? {
        return Ok(None);
    }
    let Some(total) = ledger_total(storage, subscription)? else { return Ok(None) };
    // Entries and positions are committed together, so what the account has while there is still no position was forgotten.
    let is_forgotten = storage.committed_of(subscription)?.is_empty();
    let remembered = if has_memory(storage, subscription)? { total.parked } else { 0 };
    let entry = LedgerEntry {
        processor: total.processor,
        version: total.version,
        read: -total.read,
        // What is parked in its memory is not parked again when it is read again, and counts as applied.
        applied: -total.applied - remembered,
        unchanged: -total.unchanged,
        parked: remembered - total.parked,
        rejected: -total.rejected,
        published: -total.published,
        rows: -total.rows,
        rows_emitted: -total.rows_emitted,
        rows_bad: -total.rows_bad,
        rows_out_of_scope: -total.rows_out_of_scope,
        rows_repeated: -total.rows_repeated,
    };
    Ok(Some(entry).filter(|entry| is_forgotten && entry.read != 0))
}

/// Whether the changelog of a reader was ever written to since its topic was made.
fn has_memory(storage: &mut KafkaLog, subscription: &Subscription) -> Result<bool, RuntimeError> {
    Ok(subscription.is_view
        && storage.end_offsets(&[&changelog_topic(subscription.name)])?.values().any(|end| *end > 0))
}

/// The sum of a group's entries in the ledger; of the sink, those of its newest reading.
fn ledger_total(
    storage: &mut KafkaLog,
    subscription: &Subscription,
) -> Result<Option<LedgerEntry>, RuntimeError> {
    let mut total: Option<LedgerEntry> = None;
    for record_batch in storage.read(topics::LEDGER.info.name, 0, 0, usize::MAX)? {
        for record in record_batch.records() {
            let record = record?;
            // Its key is the processor.
            let Some(value) = record.value.filter(|_| record.key == subscription.name) else { continue };
            let entry = wire::decode::<LedgerEntry>(value).map_err(|error| RuntimeError::Undecodable {
                processor: subscription.name.into(),
                topic: topics::LEDGER.info.name.into(),
                partition: 0,
                offset: record.offset,
                reason: error.to_string(),
            })?;
            // The versions of a map have a group each.
            let is_own = subscription.group == subscription.name
                || subscription.group == format!("{}@{:x}", entry.processor, entry.version);
            match &mut total {
                _ if !is_own => {}
                Some(total) if entry.version < total.version => {}
                Some(total) if entry.version == total.version => total.add(&entry),
                total => *total = Some(entry),
            }
        }
    }
    Ok(total)
}
