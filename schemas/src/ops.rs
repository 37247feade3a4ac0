//! Record accounting: ledger entries, and the plans of sink batches.
//!
//! A parked record is one that was read and saved, but needs a key (a fixture or a name) that does not exist yet.
//!
//! Invariant: over all entries of a processor, read = applied + unchanged + parked + rejected. Here `parked` is the change in the number of
//! parked records; it is negative when missing keys arrive. For a loader, rows = emitted + bad + out of scope + repeated.
//! Not here: lag, durations and hosts, which are metrics.
use crate::units::Timestamp;
use serde::{Deserialize, Serialize};
use serde_avro_derive::BuildSchema;

/// The counts that one commit of a processor appends to the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct LedgerEntry {
    pub processor: String,
    /// For a stateless processor, the version of its code and model; every version reads all input from the start. For the sink, a number
    /// that is raised each time the sink reads its input again. 0 for a materialized view.
    pub version: i64,
    /// Number of input records read; the following four fields count them by outcome.
    pub read: i64,
    pub applied: i64,
    pub unchanged: i64,
    /// Change in the number of parked records; negative if more parked records got their missing key than new ones were parked.
    pub parked: i64,
    pub rejected: i64,
    /// Number of output records published.
    pub published: i64,
    /// For a loader, the number of rows in readable payloads; the following four fields count these rows by outcome.
    pub rows: i64,
    pub rows_emitted: i64,
    pub rows_bad: i64,
    pub rows_out_of_scope: i64,
    /// Number of rows that repeat an earlier row of the same payload.
    pub rows_repeated: i64,
}
impl LedgerEntry {
    /// Adds the counts of another entry; does not change processor and version.
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
    /// Returns how many records and how many rows are not counted in any outcome; both are zero in a consistent log.
    pub const fn imbalance(&self) -> (i64, i64) {
        (
            self.read - self.applied - self.unchanged - self.parked - self.rejected,
            self.rows - self.rows_emitted - self.rows_bad - self.rows_out_of_scope - self.rows_repeated,
        )
    }
}

/// The plan of one sink batch (the records that the sink writes to the warehouse with one write). It is stored durably before the write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct SinkBatchPlanned {
    pub batch_id: String,
    /// The offset ranges of the input records, each as `topic/partition:first-end`.
    pub ranges: Vec<String>,
    pub records: i64,
    /// The reason why no more records were added to the batch.
    pub reason: String,
    /// The time at which the batch was closed.
    pub planned_at: Timestamp,
    /// True if `predecessor` is known. Plans of the first version do not state it.
    #[serde(default)]
    pub states_predecessor: bool,
    /// The newest batch that the warehouse had stored in the same epoch when this batch was planned. `None`: it had stored none, or the plan
    /// does not state it.
    #[serde(default)]
    pub predecessor: Option<StoredSinkBatch>,
}

/// A sink batch that a warehouse has stored. Its id and the time of its plan together identify one plan: if a log was restored from a
/// backup, it can plan a batch whose id equals that of another batch, which is lost with the newer log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct StoredSinkBatch {
    pub batch_id: String,
    pub planned_at: Timestamp,
}

/// A record that stores the id of the log in which it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct LogId {
    pub id: String,
}
