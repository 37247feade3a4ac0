//! The report of `audit`: its JSON fields and its text.
//!
//! Invariant: `balanced` is false exactly if a processor has a problem or the warehouse does not match the log for a game.
//! Not here: determining the figures (`processor`, `names`).
use super::super::output;
use schemas::ops::LedgerEntry;
use serde::Serialize;
use sinks::reconciler::Reconciliation;
use std::collections::BTreeMap;

/// Maximum number of parked keys that the text lists.
const MAX_PARKED_KEYS: usize = 20;
/// Number of characters of a content hash that the text shows.
const HASH_CHARS: usize = 16;

#[derive(Serialize)]
pub struct Report {
    pub balanced: bool,
    pub processors: Vec<Accounting>,
    pub parked: Vec<ParkedReport>,
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

impl Report {
    pub fn text(&self) -> String {
        let reconciliation = match &self.reconciliation {
            Some(reconciliation) => reconciliation.summary(),
            None => "there is no warehouse yet".to_owned(),
        };
        let verdict = if self.balanced { "everything balances" } else { "something does not balance" };
        format!(
            "{}\n\n{}\n\n{}\n\n{}\n\n{reconciliation}\n{verdict}",
            accounting_table(&self.processors),
            content_table(self.topics.iter().chain(&self.warehouse)),
            name_table(&self.names),
            parked_table(&self.parked)
        )
    }
}

fn accounting_table(processors: &[Accounting]) -> String {
    let rows = processors.iter().map(|accounting| {
        let verdict = match accounting.problems.as_slice() {
            [] => "balanced".to_owned(),
            problems => problems.join("; "),
        };
        let counts = [
            accounting.read,
            accounting.applied,
            accounting.unchanged,
            accounting.parked,
            accounting.rejected,
            accounting.rows,
            accounting.rows_bad,
            accounting.rows_out_of_scope,
        ];
        let [read, applied, unchanged, parked, rejected, rows, bad, out_of_scope] =
            counts.map(|count| count.to_string());
        let processor = accounting.processor.clone();
        [processor, read, applied, unchanged, parked, rejected, rows, bad, out_of_scope, verdict]
    });
    let header = [
        "processor",
        "read",
        "applied",
        "unchanged",
        "parked",
        "rejected",
        "rows",
        "bad",
        "out of scope",
        "verdict",
    ];
    output::table(header, rows)
}

fn content_table<'a>(contents: impl Iterator<Item = &'a TableContent>) -> String {
    let rows = contents.map(|content| {
        [content.name.clone(), content.rows.to_string(), content.hash[..HASH_CHARS].to_owned()]
    });
    output::table(["table", "rows", "content hash"], rows)
}

fn name_table(names: &[NameResolution]) -> String {
    if names.is_empty() {
        return "no names were looked up".to_owned();
    }
    let rows = names.iter().map(|counts| {
        let rules: Vec<String> =
            counts.by_rule.iter().map(|(rule, count)| format!("{count} {rule}")).collect();
        let resolved = format!("{:.2} %", 100.0 * counts.resolved as f64 / counts.names.max(1) as f64);
        [
            counts.source.clone(),
            counts.names.to_string(),
            resolved,
            rules.join(", "),
            counts.ambiguous.to_string(),
            counts.unknown.to_string(),
        ]
    });
    output::table(["source", "names", "resolved", "by rule", "ambiguous", "unknown"], rows)
}

fn parked_table(parked: &[ParkedReport]) -> String {
    if parked.is_empty() {
        return "nothing is parked".to_owned();
    }
    let rows = parked
        .iter()
        .take(MAX_PARKED_KEYS)
        .map(|parked| [parked.processor.to_owned(), parked.key.clone(), parked.items.len().to_string()]);
    let table = output::table(["processor", "parked until", "items"], rows);
    match parked.len().saturating_sub(MAX_PARKED_KEYS) {
        0 => table,
        more => format!("{table}\n… and {more} more keys (--output json lists all)"),
    }
}
