//! The warehouse, as the sink sees it.
//!
//! Invariant: a batch and its batch record become durable together or not at all; of two records of a key the one with the higher
//! (epoch, offset) stands, in whatever order they are written; a tombstone keeps its sequence, so nothing older comes back.
//! Not here: retrying, and the task that writing blocks; the runtime owns both.
use crate::{
    control_totals::ControlTotalsByGame,
    counters::Counters,
    plan::{BatchId, BatchPlan},
    record::{SinkTopic, TopicPartitionOffset},
    window::Batch,
};
use schemas::{PlayerGameId, Timestamp};
use std::{collections::HashSet, time::Duration};

/// Holds the current row of every key.
pub trait Warehouse: Send {
    /// Who writes it, and since which epoch.
    fn writer_state(&self) -> Result<WriterState, WarehouseError>;
    /// The epoch in which this log may write. A warehouse that no log has written becomes this one's; one that another log writes
    /// refuses.
    fn acquire(&mut self, log: &str) -> Result<i64, WarehouseError>;
    /// Writes a batch under its plan's id, unless that is written already.
    fn write(
        &mut self,
        batch: &Batch,
        plan: &BatchPlan,
        at: Timestamp,
    ) -> Result<WriteSummary, WarehouseError>;
    fn is_committed(&self, id: &BatchId) -> Result<bool, WarehouseError>;
    /// Which of these records' keys have a row.
    fn existing_keys(
        &self,
        keys: &[(SinkTopic, PlayerGameId)],
    ) -> Result<HashSet<(SinkTopic, PlayerGameId)>, WarehouseError>;
    /// Begins a new epoch that belongs to this log, and returns it. Rows stay readable while the log is read from its start.
    fn take_ownership(&mut self, log: &str) -> Result<i64, WarehouseError>;
    /// This log has been read to its end: rows of older epochs are in it no more and are deleted. Returns how many.
    fn delete_stale_epochs(&mut self, log: &str) -> Result<u64, WarehouseError>;
    /// What was counted since it was opened.
    fn counters(&self) -> Counters;
    /// A hash per table over its live rows by key: what they say, not who wrote them when.
    fn content_hashes(&self) -> Result<Vec<ContentHash>, WarehouseError>;
    /// What the live rows of each game rest on.
    fn control_totals(&self) -> Result<ControlTotalsByGame, WarehouseError>;
}

/// Who writes a warehouse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriterState {
    /// `None`: nobody yet.
    pub log: Option<String>,
    pub epoch: i64,
    /// An adoption is not finished: rows of older epochs are still there.
    pub rebuilding: bool,
}

/// The content of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentHash {
    pub table: &'static str,
    pub rows: u64,
    /// BLAKE3, in hex.
    pub hash: String,
}

/// What became of a batch: read = applied + unchanged + stale + superseded + rejected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteSummary {
    /// Records read.
    pub records: u64,
    /// Records that changed the tables.
    pub applied: u64,
    /// Records that say what the tables say.
    pub unchanged: u64,
    /// Records no newer than what the tables hold.
    pub stale: u64,
    /// Records that a later one of the batch replaced.
    pub superseded: u64,
    /// Records that went to the dead-letter topic.
    pub rejected: u64,
    /// Table rows put or deleted.
    pub rows: u64,
    /// The batch had been written before; the counts are those of that time.
    pub already_committed: bool,
}

/// A record that no row can be made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRecord {
    pub at: TopicPartitionOffset,
    pub reason: String,
}

/// Beyond so many bad records of a batch, ten or one in a hundred, it is not the records.
pub fn max_bad_records(records: usize) -> usize {
    (records / 100).max(10)
}

/// A write that failed, by who has to act. Nothing of the batch is in the warehouse.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WarehouseError {
    /// Nobody: the same write, later.
    #[error("the warehouse is not ready: {what}; {}", again(after))]
    Retry {
        what: String,
        /// How long to wait before; zero: nothing failed, and what is being done takes longer than one call.
        after: Duration,
        /// It has gone on for so long that somebody should look.
        alert: bool,
    },
    /// The sink: these records go to the dead-letter topic, the rest is written again (`Batch::reject`).
    #[error("{} records cannot be written{}", .0.len(), first(.0))]
    Rows(Vec<BadRecord>),
    /// The sink: halves of the batch are written instead (`split`). What to do says `next` when it is nothing that has halves.
    #[error("{what}\nnext: {next}")]
    Size { what: String, next: String },
    /// The operator: something is set up wrongly.
    #[error("{what}\nnext: {next}")]
    Config { what: String, next: String },
    /// The operator: the warehouse is broken.
    #[error("{what}\nnext: {next}")]
    Fatal { what: String, next: String },
}
impl WarehouseError {
    /// Nothing failed: the same call goes on with it.
    pub const fn pending(what: String) -> WarehouseError {
        WarehouseError::Retry { what, after: Duration::ZERO, alert: false }
    }
    pub const fn is_pending(&self) -> bool {
        matches!(self, WarehouseError::Retry { after, .. } if after.is_zero())
    }
}
fn again(after: &Duration) -> String {
    match after.as_secs_f64() {
        0.0 => "ask again, it goes on with it".into(),
        after => format!("to be tried again in {after:.1} s"),
    }
}
fn first(bad: &[BadRecord]) -> String {
    bad.first().map_or_else(String::new, |bad| format!("; first {}: {}", bad.at, bad.reason))
}

impl WriterState {
    /// Refuses a write that the warehouse's own log and epoch did not plan.
    pub fn check_writer(&self, log: &str, epoch: Option<i64>) -> Result<(), WarehouseError> {
        match &self.log {
            Some(own) if own != log => Err(WarehouseError::Config {
                what: format!(
                    "the warehouse is written by log {own}, and this is log {log}: rebuilt, or another one"
                ),
                next: "`fastbreak sink rebuild` hands the warehouse to this log and replaces what is in it"
                    .into(),
            }),
            None if epoch.is_some() => Err(WarehouseError::Config {
                what: format!("no log has claimed the warehouse, and log {log} wants to write to it"),
                next: "start `fastbreak run` again: it claims the warehouse and fills it from the start"
                    .into(),
            }),
            _ if epoch.is_some_and(|epoch| epoch != self.epoch) => Err(WarehouseError::Config {
                what: format!("the batch was planned in another epoch than the warehouse's, {}", self.epoch),
                next: "start `fastbreak run` again: it reads the log from the start in the new epoch".into(),
            }),
            _ => Ok(()),
        }
    }
}
