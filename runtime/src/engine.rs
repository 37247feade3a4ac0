//! The engine: records in, a commit out, purely.
//!
//! A node is one processor with the names of its topics and the partitions it holds. The two kinds, map and view, are the two
//! implementations; a topology is a list of nodes.
//! Invariant: every record pushed is counted exactly once in the next commit's account, as applied, unchanged, parked or rejected.
//! Not here: where records come from and where commits go (`log`).
mod codec;
mod dlq_limits;
mod materialized_view;
mod stateless;

use crate::{
    log::{Commit, Restored, RuntimeError},
    record_batch::RecordBatch,
};
pub use codec::{Input, Output, ParseOutputKey, stream, table};
pub use dlq_limits::{DlqLimits, RejectWindow};
pub use materialized_view::MaterializedViewNode;
use processors::materialized_view::ParkedItem;
use schemas::ops::LedgerEntry;
pub use stateless::{MapOutput, RowCounts, StatelessNode, StatelessProcessor};
use std::collections::BTreeMap;
use topics::TopicInfo;

/// One processor of the topology.
pub trait ProcessorNode: Send {
    /// The processor's one name.
    fn name(&self) -> &'static str;
    /// The consumer group: the name; for a map the version too, since a new one reads its input anew.
    fn group(&self) -> String;
    fn inputs(&self) -> Vec<TopicInfo>;
    fn outputs(&self) -> Vec<TopicInfo>;
    /// Whether it has memory, and so a changelog.
    fn is_view(&self) -> bool;
    /// Sets when it stops for rejecting too much. A view rejects nothing.
    fn set_dlq_limits(&mut self, _: DlqLimits) {}
    fn assign(&mut self, partition: i32, restored: Restored) -> Result<(), RuntimeError>;
    fn revoke(&mut self, partition: i32);
    /// Drops everything that is held or not committed.
    fn reset(&mut self);
    fn process(
        &mut self,
        topic: &str,
        partition: i32,
        record_batch: &RecordBatch,
    ) -> Result<(), RuntimeError>;
    /// Whether there is anything to commit.
    fn has_pending(&self) -> bool;
    /// Closes the micro-batch.
    fn take_commit(&mut self) -> Result<Commit, RuntimeError>;
    /// How many rows stand in each table that it publishes, as it remembers it, over the partitions held. A map remembers none.
    fn published(&self) -> BTreeMap<&'static str, u64> {
        BTreeMap::new()
    }
    /// What waits for a named key, over the partitions held, and how many records that holds up.
    fn parked(&self) -> (i64, Vec<ParkedItem>);
}

/// The changelog of a processor.
pub fn changelog_topic(processor: &str) -> String {
    format!("{processor}.changelog")
}
/// The dead-letter topic of a processor.
pub fn dlq_topic(processor: &str) -> String {
    format!("{processor}.dlq")
}

/// Appends the account of a commit.
fn append_ledger_entry(commit: &mut Commit, entry: &LedgerEntry) -> Result<(), RuntimeError> {
    let topic = topics::LEDGER.info;
    let value = schemas::wire::encode(entry).map_err(|error| RuntimeError::Unencodable {
        processor: entry.processor.clone(),
        topic: topic.name.into(),
        reason: error.to_string(),
    })?;
    commit.out.entry((topic.name.into(), 0)).or_default().push(&entry.processor, Some(&value));
    commit.ledger_entry = Some(entry.clone());
    Ok(())
}
