//! Interface of a warehouse, and its errors, classified by who must act.
//!
//! Invariant: a batch and its batch record are written atomically; of two records with the same key, the one with the higher (epoch,
//! offset) is stored, in whatever order they are written; a deleted row retains its (epoch, offset), so no older record restores it.
//! Not here: operations that are still running, which are no errors (`progress`); retries, and the thread on which a blocking write runs;
//! the sink task provides both.
use crate::{
    control_totals::ControlTotalsByGame,
    counters::Counters,
    plan::{BatchId, BatchPlan, StoredBatch},
    progress::Progress,
    record::{RowKey, SinkTopic, TopicPartitionOffset},
    window::Batch,
    write_summary::WriteSummary,
};
use schemas::Timestamp;
use std::{collections::HashSet, time::Duration};

/// Stores the current row of every key. A method that returns `Progress` may need more than one call: after `Pending`, the next call with
/// equal arguments continues the operation.
pub trait Warehouse: Send {
    /// Returns the log that may write to the warehouse, and the warehouse epoch.
    fn writer_state(&self) -> Result<Progress<WriterState>, WarehouseError>;
    /// Returns the epoch in which this log may write. If no log owns the warehouse, this log becomes its owner.
    ///
    /// # Errors
    /// `Config` if another log owns the warehouse.
    fn acquire(&mut self, log: &str) -> Result<Progress<i64>, WarehouseError>;
    /// Writes a batch under the id of its plan, unless a batch with this id is stored already. `now` becomes
    /// `committed_at` in the batch record; a warehouse with a clock of its own ignores `now`.
    fn write(
        &mut self,
        batch: &Batch,
        plan: &BatchPlan,
        now: Timestamp,
    ) -> Result<Progress<WriteSummary>, WarehouseError>;
    /// Returns the batch of this epoch that was stored last.
    fn newest_batch(&self, epoch: i64) -> Result<Progress<Option<StoredBatch>>, WarehouseError>;
    /// True if the batch is stored.
    fn is_committed(&self, id: &BatchId) -> Result<Progress<bool>, WarehouseError>;
    /// Returns those of the given keys that have a live row.
    fn existing_keys(
        &self,
        keys: &[(SinkTopic, RowKey)],
    ) -> Result<Progress<HashSet<(SinkTopic, RowKey)>>, WarehouseError>;
    /// Makes this log the owner of the warehouse, and raises and returns the warehouse epoch. Rows stay readable while the log is read
    /// from its start.
    fn take_ownership(&mut self, log: &str) -> Result<Progress<i64>, WarehouseError>;
    /// Deletes the rows of older epochs, and returns their number. Must be called only after this log has been read to its end: a row that
    /// is then still in an older epoch has no record in the log.
    fn delete_stale_epochs(&mut self, log: &str) -> Result<Progress<u64>, WarehouseError>;
    /// Returns the counts since the warehouse was opened.
    fn counters(&self) -> Counters;
    /// Returns a content hash per table, computed over its live rows in key order, without source columns.
    fn content_hashes(&self) -> Result<Progress<Vec<ContentHash>>, WarehouseError>;
    /// Returns the number of live rows and the sum of their offsets, by input topic and game.
    fn control_totals(&self) -> Result<Progress<ControlTotalsByGame>, WarehouseError>;
}

/// The log that may write to a warehouse, and the warehouse epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriterState {
    /// `None`: no log has acquired the warehouse yet.
    pub log: Option<String>,
    pub epoch: i64,
    /// True if a rebuild is not finished, so that rows of older epochs remain.
    pub rebuilding: bool,
}

/// Row count and content hash of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentHash {
    pub table: &'static str,
    pub rows: u64,
    /// BLAKE3, in hexadecimal.
    pub hash: String,
}

/// A record that cannot be converted to rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRecord {
    pub coordinates: TopicPartitionOffset,
    pub reason: String,
}

/// Returns the maximum number of unconvertible records in a batch: 1 in 100, but at least 10. If a batch has more, the schema is assumed
/// not to match.
pub fn max_bad_records(records: usize) -> usize {
    (records / 100).max(10)
}

/// Failure of a call to a warehouse; the variant determines who must act. After `Rows` and `Size` the batch is not stored; after any other
/// failure of a write the complete batch may be stored, but never a part of it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WarehouseError {
    /// The caller must repeat the same call after a pause.
    #[error("the warehouse is not ready: {what}\nnext: run the same command again")]
    Retry {
        what: String,
        /// Pause before the next call; longer than zero.
        after: Duration,
        /// True if the operator should be alerted, for example because the failures last long.
        alert: bool,
    },
    /// The sink task must send these records to the dead-letter queue and write the rest (`Batch::reject`).
    #[error("{} records cannot be converted to rows{}", .0.len(), first_reason(.0))]
    Rows(Vec<BadRecord>),
    /// The sink task must write the batch in halves (`split`). `next` is the remediation for an operation that cannot be split.
    #[error("{what}\nnext: {next}")]
    Size { what: String, next: String },
    /// The operator must act: a configuration key is missing or not valid, so the warehouse was not called.
    #[error("{setting} is not valid: {reason}\nnext: {next}")]
    Setting { setting: String, reason: String, next: String },
    /// The operator must act: the warehouse is not as the configuration requires it.
    #[error("{what}\nnext: {next}")]
    Config { what: String, next: String },
    /// The operator must act: the warehouse is damaged, or the program has a bug.
    #[error("{what}\nnext: {next}")]
    Fatal { what: String, next: String },
}
fn first_reason(bad: &[BadRecord]) -> String {
    bad.first()
        .map_or_else(String::new, |bad| format!("; the first one is {}: {}", bad.coordinates, bad.reason))
}

impl WriterState {
    /// Checks that no other log owns the warehouse; if `epoch` is given, also that this log owns it and that the epoch is current.
    ///
    /// # Errors
    /// `Config` if a check fails.
    pub fn check_writer(&self, log: &str, epoch: Option<i64>) -> Result<(), WarehouseError> {
        match &self.log {
            Some(own) if own != log => Err(WarehouseError::Config {
                what: format!(
                    "log {own} owns the warehouse, but the log of this process is {log}: the log was rebuilt, or it is a different log"
                ),
                next: "check --data, --brokers and --warehouse; if the log was lost, restore it from a backup; `fastbreak sink rebuild --take-over` previews a rebuild that makes this log the owner, and counts the rows that it would delete"
                    .into(),
            }),
            None if epoch.is_some() => Err(WarehouseError::Config {
                what: format!("no log has acquired the warehouse, so log {log} cannot write to it"),
                next: "start `fastbreak run` again: it acquires the warehouse and fills it from the start of the log"
                    .into(),
            }),
            _ if epoch.is_some_and(|epoch| epoch != self.epoch) => Err(WarehouseError::Config {
                what: format!("the batch was not planned in epoch {}, the current epoch of the warehouse", self.epoch),
                next: "start `fastbreak run` again: it reads the log from the start in the new epoch".into(),
            }),
            _ => Ok(()),
        }
    }
}
