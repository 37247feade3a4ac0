//! The accounting: what became of every record that a processor read.
//!
//! Invariant: over all entries of a processor, read = applied + unchanged + parked + rejected, where parked is a gauge whose
//! changes are recorded (it goes down when something is released). For a loader, rows = emitted + bad + out of scope +
//! repeated.
//! Not here: lag, time, hosts; those are metrics.
use crate::Timestamp;
use serde::{Deserialize, Serialize};
use serde_avro_derive::BuildSchema;

/// What one commit adds to a processor's accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct LedgerEntry {
    pub processor: String,
    /// The version of a map's code and model, which reads its input anew; of the sink which reading it is; 0 for views.
    pub version: i64,
    /// Records read.
    pub read: i64,
    pub applied: i64,
    pub unchanged: i64,
    /// Change of the number of records that wait for a named key.
    pub parked: i64,
    pub rejected: i64,
    /// Records published.
    pub published: i64,
    /// Loaders: rows found in the payloads that opened, and what became of them.
    pub rows: i64,
    pub rows_emitted: i64,
    pub rows_bad: i64,
    pub rows_out_of_scope: i64,
    /// The same row once more in one payload; the first stands for both.
    pub rows_repeated: i64,
}
impl LedgerEntry {
    pub fn add(&mut self, other: &LedgerEntry) {
        self.read += other.read;
        self.applied += other.applied;
        self.unchanged += other.unchanged;
        self.parked += other.parked;
        self.rejected += other.rejected;
        self.published += other.published;
        self.rows += other.rows;
        self.rows_emitted += other.rows_emitted;
        self.rows_bad += other.rows_bad;
        self.rows_out_of_scope += other.rows_out_of_scope;
        self.rows_repeated += other.rows_repeated;
    }
    /// Records, and rows, that ended as nothing: zero in a sound log.
    pub const fn imbalance(&self) -> (i64, i64) {
        (
            self.read - self.applied - self.unchanged - self.parked - self.rejected,
            self.rows - self.rows_emitted - self.rows_bad - self.rows_out_of_scope - self.rows_repeated,
        )
    }
}

/// One batch of rows that the sink wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct SinkBatchPlanned {
    pub batch_id: String,
    /// Ranges of the input, as `topic/partition:first-end`.
    pub ranges: Vec<String>,
    pub records: i64,
    pub reason: String,
    /// The time at which the batch was closed.
    pub planned_at: Timestamp,
}

/// The id of a log: the record that names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct LogId {
    pub id: String,
}
