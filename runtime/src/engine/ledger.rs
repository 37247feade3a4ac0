//! The ledger entry of a commit: a record that states how many records the commit has read, by outcome, and how many it publishes.
//!
//! Invariant: the entry is a record in the same commit as the records that it counts.
//! Not here: the counts and what they must add up to (`schemas::ops`).
use crate::{commit::Commit, error::RuntimeError};
use schemas::ops::LedgerEntry;
use topics::TopicPartition;

/// The only partition of the ledger topic.
pub const LEDGER: TopicPartition = TopicPartition::new(topics::LEDGER.info.name, 0);

/// Appends a ledger entry to the commit whose records it counts.
///
/// # Errors
/// When the entry cannot be encoded.
pub fn append_ledger_entry(commit: &mut Commit, entry: LedgerEntry) -> Result<(), RuntimeError> {
    let value = schemas::wire::encode(&entry).map_err(|error| RuntimeError::Unencodable {
        processor: entry.processor.clone(),
        topic: LEDGER.topic.into(),
        reason: error.to_string(),
    })?;
    commit.append(LEDGER, &entry.processor, Some(&value));
    commit.ledger_entry = Some(entry);
    Ok(())
}
