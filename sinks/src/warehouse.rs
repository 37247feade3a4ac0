//! Interface of a warehouse, and its errors by who has to act.
//!
//! Invariant: a batch and its batch record are written atomically; of two records of a key the one with the higher (epoch, offset) is
//! stored, in whatever order they are written; a deleted row retains its (epoch, offset), so no older record restores it.
//! Not here: retrying, and the thread that a write blocks; the sink task owns both.
use crate::{
    control_totals::ControlTotalsByGame,
    counters::Counters,
    plan::{BatchId, BatchPlan},
    record::{SinkTopic, TopicPartitionOffset},
    window::Batch,
};
use schemas::{PlayerGameId, Timestamp};
use std::{collections::HashSet, time::Duration};

/// Stores the current row of every key.
pub trait Warehouse: Send {
    /// Log and epoch of the writer.
    fn writer_state(&self) -> Result<WriterState, WarehouseError>;
    /// Returns the epoch in which this log may write. A warehouse without a log becomes this log's.
    ///
    /// # Errors
    /// `Config` if another log owns the warehouse.
    fn acquire(&mut self, log: &str) -> Result<i64, WarehouseError>;
    /// Writes a batch under the id of its plan, unless a batch with this id is stored already. `now` is the time of the write in the batch
    /// record; a warehouse with a clock of its own ignores it.
    fn write(
        &mut self,
        batch: &Batch,
        plan: &BatchPlan,
        now: Timestamp,
    ) -> Result<WriteSummary, WarehouseError>;
    /// True if the batch is stored.
    fn is_committed(&self, id: &BatchId) -> Result<bool, WarehouseError>;
    /// The keys out of these that have a live row.
    fn existing_keys(
        &self,
        keys: &[(SinkTopic, PlayerGameId)],
    ) -> Result<HashSet<(SinkTopic, PlayerGameId)>, WarehouseError>;
    /// Makes this log the owner, raises the warehouse epoch and returns it. Rows stay readable while the log is read from its start.
    fn take_ownership(&mut self, log: &str) -> Result<i64, WarehouseError>;
    /// Deletes the rows of older epochs, and returns their number. To be called when this log has been read to its end: these rows have no
    /// record in it.
    fn delete_stale_epochs(&mut self, log: &str) -> Result<u64, WarehouseError>;
    /// Counts since the warehouse was opened.
    fn counters(&self) -> Counters;
    /// Content hash of each table: over its live rows in the order of the key, without source columns.
    fn content_hashes(&self) -> Result<Vec<ContentHash>, WarehouseError>;
    /// Number of live rows and sum of their offsets, by input topic and game.
    fn control_totals(&self) -> Result<ControlTotalsByGame, WarehouseError>;
}

/// Writer of a warehouse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriterState {
    /// `None`: no log has acquired the warehouse yet.
    pub log: Option<String>,
    pub epoch: i64,
    /// A rebuild is not finished: rows of older epochs remain.
    pub rebuilding: bool,
}

/// Content of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentHash {
    pub table: &'static str,
    pub rows: u64,
    /// BLAKE3, in hexadecimal.
    pub hash: String,
}

/// Records of a batch by outcome: records = applied + unchanged + stale + superseded + rejected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteSummary {
    /// Records read.
    pub records: u64,
    /// Records that changed rows.
    pub applied: u64,
    /// Records with the content of the stored row, and filtered records.
    pub unchanged: u64,
    /// Records that are not newer than the stored row.
    pub stale: u64,
    /// Records replaced by a later record of the batch.
    pub superseded: u64,
    /// Records sent to the dead-letter queue.
    pub rejected: u64,
    /// Rows inserted, replaced or deleted.
    pub rows: u64,
    /// The batch was stored before; the counts are those of that write.
    pub already_committed: bool,
}

/// A record that cannot be converted to rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRecord {
    pub coordinates: TopicPartitionOffset,
    pub reason: String,
}

/// Maximum number of unconvertible records in a batch (10, or 1 in 100). Beyond it the write is treated as a schema mismatch.
pub fn max_bad_records(records: usize) -> usize {
    (records / 100).max(10)
}

/// Failure of a call, by who has to act. Nothing of the batch is stored.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WarehouseError {
    /// Retry: the same call, later.
    #[error("the warehouse is not ready: {what}; {}", retry_text(after))]
    Retry {
        what: String,
        /// Pause before the next call. Zero: nothing failed, the operation takes longer than one call.
        after: Duration,
        /// The failures last so long that the operator should be alerted.
        alert: bool,
    },
    /// The sink: it sends these records to the dead-letter queue and writes the rest (`Batch::reject`).
    #[error("{} records cannot be converted to rows{}", .0.len(), first_reason(.0))]
    Rows(Vec<BadRecord>),
    /// The sink: it writes the batch in halves (`split`). `next` is for an operation that has no halves.
    #[error("{what}\nnext: {next}")]
    Size { what: String, next: String },
    /// The operator: configuration or dataset is wrong.
    #[error("{what}\nnext: {next}")]
    Config { what: String, next: String },
    /// The operator: the warehouse is damaged, or a bug.
    #[error("{what}\nnext: {next}")]
    Fatal { what: String, next: String },
}
impl WarehouseError {
    /// Nothing failed: the next call continues the operation.
    pub const fn pending(what: String) -> WarehouseError {
        WarehouseError::Retry { what, after: Duration::ZERO, alert: false }
    }
    pub const fn is_pending(&self) -> bool {
        matches!(self, WarehouseError::Retry { after, .. } if after.is_zero())
    }
}
fn retry_text(after: &Duration) -> String {
    match after.as_secs_f64() {
        0.0 => "in progress, the next call continues it".into(),
        after => format!("next attempt in {after:.1} s"),
    }
}
fn first_reason(bad: &[BadRecord]) -> String {
    bad.first().map_or_else(String::new, |bad| format!("; first {}: {}", bad.coordinates, bad.reason))
}

impl WriterState {
    /// Checks that this log owns the warehouse, and that the epoch is current.
    ///
    /// # Errors
    /// `Config` if not.
    pub fn check_writer(&self, log: &str, epoch: Option<i64>) -> Result<(), WarehouseError> {
        match &self.log {
            Some(own) if own != log => Err(WarehouseError::Config {
                what: format!(
                    "log {own} owns the warehouse, and this is log {log}: a rebuilt log, or another one"
                ),
                next: "check --data, --brokers and --warehouse; `fastbreak sink rebuild --take-over` previews a rebuild that makes this log the owner"
                    .into(),
            }),
            None if epoch.is_some() => Err(WarehouseError::Config {
                what: format!("no log has acquired the warehouse, and log {log} tries to write to it"),
                next: "start `fastbreak run` again: it acquires the warehouse and fills it from the start of the log"
                    .into(),
            }),
            _ if epoch.is_some_and(|epoch| epoch != self.epoch) => Err(WarehouseError::Config {
                what: format!("the batch was planned in another epoch than epoch {} of the warehouse", self.epoch),
                next: "start `fastbreak run` again: it reads the log from the start in the new epoch".into(),
            }),
            _ => Ok(()),
        }
    }
}
