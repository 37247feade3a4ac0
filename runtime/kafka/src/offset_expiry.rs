//! Handles expired committed offsets (`offsets.retention.minutes`, by default a week without members): appends a compensating ledger
//! entry, so that the group can reprocess from the start.
//!
//! Reprocessing changes no content. The compensating entry subtracts the counts of the first processing, so that each record is counted
//! once; parked records stay counted as long as they are in the changelog.
//! Invariant: only one compensating entry is appended, even if several instances start at the same time, and none is appended while the
//! group has a committed offset or a member.
//! Not here: committed offsets below the log start offset, and a first read above offset 0 (`restore`).
use crate::{
    client_config::LEDGER_RESET_INSTANCE,
    cluster::KafkaCluster,
    transaction::{TransactionContent, TransactionalProducer},
};
use runtime::{
    Commit, CommitError, RuntimeError,
    engine::{LEDGER, append_ledger_entry, changelog_topic},
    subscription::Subscription,
};
use schemas::{ops::LedgerEntry, wire};

/// Appends a compensating ledger entry if the committed offsets of the subscription's group expired.
///
/// # Errors
/// When the log cannot be read or written.
pub fn handle_expired_offsets(
    cluster: &KafkaCluster,
    subscription: &Subscription,
) -> Result<(), RuntimeError> {
    while compensating_entry(cluster, subscription)?.is_some() {
        let mut config = cluster.config().clone();
        config.instance = LEDGER_RESET_INSTANCE.into();
        let mut producer = TransactionalProducer::init_transactions(&config, &subscription.group)?;
        // Another instance, whose producer is now fenced, may have appended the entry in the meantime.
        let Some(entry) = compensating_entry(cluster, subscription)? else { return Ok(()) };
        tracing::warn!(
            processor = subscription.name,
            read = -entry.read,
            "committed offsets expired, reprocessing from the start"
        );
        let mut commit = Commit::default();
        append_ledger_entry(&mut commit, entry)?;
        let content = TransactionContent { records: commit.records, ..TransactionContent::default() };
        match producer.commit(content) {
            Err(CommitError::Aborted { reason }) => {
                tracing::debug!(reason, "no ledger entry committed, checking again")
            }
            Err(CommitError::Fatal(error)) => return Err(error),
            Ok(()) => return Ok(()),
        }
    }
    Ok(())
}

/// Returns the entry that compensates the ledger of a group without committed offsets; `None` if the group has committed offsets or
/// members, or its ledger entries have no counts.
fn compensating_entry(
    cluster: &KafkaCluster,
    subscription: &Subscription,
) -> Result<Option<LedgerEntry>, RuntimeError> {
    if !cluster.committed_input_offsets(subscription)?.is_empty()
        || cluster.has_active_members(&subscription.group)?
    {
        return Ok(None);
    }
    let Some(total) = ledger_total(cluster, subscription)? else { return Ok(None) };
    // Ledger entries and offsets are committed together. So if there are entries but no committed offset, the offset has expired.
    let is_expired = cluster.committed_input_offsets(subscription)?.is_empty();
    let still_parked = if has_changelog_records(cluster, subscription)? { total.parked } else { 0 };
    let entry = LedgerEntry {
        processor: total.processor,
        version: total.version,
        read: -total.read,
        // A record that is parked in the changelog is not parked again when it is reprocessed; it counts as applied.
        applied: -total.applied - still_parked,
        unchanged: -total.unchanged,
        parked: still_parked - total.parked,
        rejected: -total.rejected,
        published: -total.published,
        rows: -total.rows,
        rows_emitted: -total.rows_emitted,
        rows_bad: -total.rows_bad,
        rows_out_of_scope: -total.rows_out_of_scope,
        rows_repeated: -total.rows_repeated,
    };
    Ok(Some(entry).filter(|entry| is_expired && entry.read != 0))
}

/// Returns true if the ledger shows that the subscription's group has read records, whether or not its committed offsets still exist.
///
/// # Errors
/// When the log cannot be read.
pub fn has_ledger_entries(cluster: &KafkaCluster, subscription: &Subscription) -> Result<bool, RuntimeError> {
    Ok(ledger_total(cluster, subscription)?.is_some())
}

/// Returns true if the processor has a changelog, and records were written to it since its topic was created.
fn has_changelog_records(cluster: &KafkaCluster, subscription: &Subscription) -> Result<bool, RuntimeError> {
    if !subscription.kind.has_changelog() {
        return Ok(false);
    }
    let partitions = cluster.partitions(changelog_topic(subscription.name))?;
    Ok(cluster.last_stable_offsets(&partitions)?.values().any(|end_offset| *end_offset > 0))
}

/// Returns the sum of a group's ledger entries; for the sink, only those of its newest version.
fn ledger_total(
    cluster: &KafkaCluster,
    subscription: &Subscription,
) -> Result<Option<LedgerEntry>, RuntimeError> {
    let mut total: Option<LedgerEntry> = None;
    if !cluster.has_partition(LEDGER)? {
        return Ok(None);
    }
    for batch in cluster.read_partition(LEDGER)? {
        for record in batch.records() {
            let record = record?;
            // The key of a ledger record is the name of its processor.
            let Some(value) = record.value.filter(|_| record.key == subscription.name) else { continue };
            let entry = wire::decode::<LedgerEntry>(value).map_err(|error| RuntimeError::Undecodable {
                processor: subscription.name.into(),
                topic: LEDGER.topic.into(),
                partition: LEDGER.partition,
                offset: record.offset,
                reason: error.to_string(),
            })?;
            // Each version of a stateless processor has a group of its own.
            let is_of_group = subscription.group == subscription.name
                || subscription.group == format!("{}@{:x}", entry.processor, entry.version);
            match &mut total {
                _ if !is_of_group => {}
                Some(total) if entry.version < total.version => {}
                Some(total) if entry.version == total.version => total.add(&entry),
                total => *total = Some(entry),
            }
        }
    }
    Ok(total)
}
