//! The engine: records in, a commit out, purely.
//!
//! A node is one processor with the names of its topics and the partitions it holds. The two kinds, map and view, are the two
//! implementations; a topology is a list of nodes.
//! Invariant: every record pushed is counted exactly once in the next commit's account, as applied, unchanged, parked or rejected.
//! Not here: where records come from and where commits go (`log`).
mod breaker;
mod map;
mod port;
mod view;

use crate::{
    chunk::Chunk,
    log::{Commit, Halt, Restored},
};
pub use breaker::{Breaker, Recent};
pub use map::{Map, MapNode, Rows, Step};
pub use port::{Input, Output, Slots, rows, stream};
use processors::view::Waiting;
use schemas::ops::LedgerEntry;
use std::collections::BTreeMap;
use topics::TopicInfo;
pub use view::ViewNode;

/// One processor of the topology.
pub trait Node: Send {
    /// The processor's one name.
    fn name(&self) -> &'static str;
    /// The consumer group: the name; for a map the version too, since a new one reads its input anew.
    fn group(&self) -> String;
    fn inputs(&self) -> Vec<TopicInfo>;
    fn outputs(&self) -> Vec<TopicInfo>;
    /// Whether it has memory, and so a changelog.
    fn is_view(&self) -> bool;
    /// Sets when it stops for rejecting too much. A view rejects nothing.
    fn limit_rejects(&mut self, _: Breaker) {}
    fn assign(&mut self, partition: i32, restored: Restored) -> Result<(), Halt>;
    fn revoke(&mut self, partition: i32);
    /// Drops everything that is held or not committed.
    fn reset(&mut self);
    fn push(&mut self, topic: &str, partition: i32, chunk: &Chunk) -> Result<(), Halt>;
    /// Whether there is anything to commit.
    fn has_work(&self) -> bool;
    /// Closes the micro-batch.
    fn take(&mut self) -> Result<Commit, Halt>;
    /// How many rows stand in each table that it publishes, as it remembers it, over the partitions held. A map remembers none.
    fn published(&self) -> BTreeMap<&'static str, u64> {
        BTreeMap::new()
    }
    /// What waits for a named key, over the partitions held, and how many records that holds up.
    fn waiting(&self) -> (i64, Vec<Waiting>);
}

/// The changelog of a processor.
pub fn changelog_of(processor: &str) -> String {
    format!("{processor}.changelog")
}
/// The dead-letter topic of a processor.
pub fn dead_letters_of(processor: &str) -> String {
    format!("{processor}.dlq")
}

/// Appends the account of a commit.
fn account(commit: &mut Commit, entry: &LedgerEntry) -> Result<(), Halt> {
    let topic = topics::LEDGER.info;
    let value = schemas::wire::encode(entry).map_err(|error| Halt::Unencodable {
        processor: entry.processor.clone(),
        topic: topic.name.into(),
        reason: error.to_string(),
    })?;
    commit.out.entry((topic.name.into(), 0)).or_default().push(&entry.processor, Some(&value));
    commit.account = Some(entry.clone());
    Ok(())
}
