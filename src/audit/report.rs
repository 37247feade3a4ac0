//! The report of an audit.
//!
//! Invariant: `balanced` is false exactly if a processor has a problem, or the warehouse has one or does not match the log for a game.
//! Not here: determining the figures (`processor`, `names`), the text of the report (`cli::audit`).
use crate::retract::RetractedEvent;
use schemas::ops::LedgerEntry;
use serde::Serialize;
use sinks::reconciler::Reconciliation;
use std::collections::BTreeMap;

/// The result of an audit.
#[derive(Serialize)]
pub struct AuditReport {
    pub balanced: bool,
    /// Problems that concern the warehouse as a whole.
    pub problems: Vec<String>,
    pub processors: Vec<Accounting>,
    pub parked: Vec<ParkedReport>,
    /// The raw events that are retracted. Their records stay in the record accounting.
    pub retracted: Vec<RetractedEvent>,
    pub names: Vec<NameResolution>,
    pub topics: Vec<TableContent>,
    pub warehouse: Vec<TableContent>,
    /// The comparison of warehouse and log; `None` if no warehouse exists yet.
    pub reconciliation: Option<Reconciliation>,
}

/// Record accounting of a processor: ledger totals, and problems found by comparing them with the log.
#[derive(Clone, Serialize)]
pub struct Accounting {
    pub processor: String,
    pub read: i64,
    pub applied: i64,
    pub unchanged: i64,
    pub parked: i64,
    pub rejected: i64,
    pub rows: i64,
    pub rows_bad: i64,
    pub rows_out_of_scope: i64,
    /// Empty if the accounting is balanced.
    pub problems: Vec<String>,
}
impl Accounting {
    pub fn new(processor: &str, totals: &LedgerEntry, problems: Vec<String>) -> Accounting {
        Accounting {
            processor: processor.to_owned(),
            read: totals.read,
            applied: totals.applied,
            unchanged: totals.unchanged,
            parked: totals.parked,
            rejected: totals.rejected,
            rows: totals.rows,
            rows_bad: totals.rows_bad,
            rows_out_of_scope: totals.rows_out_of_scope,
            problems,
        }
    }
}

/// The items that one processor has parked because they need the same key (a fixture or a name), which does not exist yet.
#[derive(Serialize)]
pub struct ParkedReport {
    pub processor: &'static str,
    pub key: String,
    pub items: Vec<String>,
}

/// Number of names from one source, by the result of their lookup.
#[derive(Default, Serialize)]
pub struct NameResolution {
    pub source: String,
    pub names: u64,
    pub resolved: u64,
    /// The names that an operator's link states to refer to nobody.
    pub nobody: u64,
    pub ambiguous: u64,
    pub unknown: u64,
    pub by_rule: BTreeMap<&'static str, u64>,
}

/// Row count and content hash of a table.
#[derive(Serialize)]
pub struct TableContent {
    pub name: String,
    pub rows: u64,
    pub hash: String,
}
