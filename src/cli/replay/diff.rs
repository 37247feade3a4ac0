//! `replay diff`: the rows of the live warehouse that a replay would change, as tables.
//!
//! Invariant: the text states how many rows and players it omits.
//! Not here: the comparison (`replay::diff`).
use super::super::{
    outcome::CommandOutcome,
    output::{self, Output},
};
use crate::{
    app::App,
    namespace::Namespace,
    replay::{self, DiffReport},
};
use anyhow::Result;
use serde_json::Value;
use sinks::diff::{Comparison, Counts, Difference, RowDiff};

/// Maximum number of players that the text lists.
const MAX_PLAYERS: usize = 20;

/// Runs `replay diff`.
pub fn diff(app: &App, namespace: &Namespace, limit: usize, output: Output) -> Result<CommandOutcome> {
    let report = replay::diff(app, namespace, limit)?;
    output::print(output, &report, report_text)?;
    Ok(if report.equal { CommandOutcome::Done } else { CommandOutcome::Differs })
}

/// Formats row counts as a table with one row per name; `column` is the header of the names.
fn count_table<'a>(column: &'static str, rows: impl Iterator<Item = (String, &'a Counts)>) -> String {
    let rows = rows.map(|(name, counts)| {
        let Counts { equal, changed, version, only_live, only_replay } = *counts;
        let [equal, changed, version, only_live, only_replay] =
            [equal, changed, version, only_live, only_replay].map(|count| count.to_string());
        [name, equal, changed, version, only_live, only_replay]
    });
    output::table([column, "equal", "changed", "by another version", "only live", "only replay"], rows)
}

fn report_text(report: &DiffReport) -> String {
    let Comparison { tables, rows, more, .. } = &report.comparison;
    let mut parts =
        vec![count_table("table", tables.iter().map(|(name, counts)| ((*name).to_owned(), counts)))];
    if !report.equal {
        parts.extend(difference_tables(&report.comparison));
    }
    if !rows.is_empty() {
        parts.push(rows.iter().map(row_text).collect::<Vec<_>>().join("\n"));
    }
    if *more > 0 {
        parts.push(format!("… and {more} more rows (--limit shows more)"));
    }
    if !report.live_caught_up {
        parts.push(
            "the live processors and the live sink have not caught up: differences may be rows that are not written yet"
                .into(),
        );
    }
    let verdict = if report.equal { "no row would change" } else { "rows would change" };
    parts.push(format!("{}, games of {} to {}: {verdict}", report.namespace, report.from, report.to));
    parts.join("\n\n")
}

/// Returns tables of the dates with differing rows, of the systems, and of the players with the most differing rows.
fn difference_tables(comparison: &Comparison) -> Vec<String> {
    let Comparison { dates, systems, players, .. } = comparison;
    let dates = dates.iter().filter(|(_, counts)| !counts.are_equal());
    let players: Vec<_> = players.iter().filter(|player| player.counts.listed() > 0).collect();
    let listed = players.iter().take(MAX_PLAYERS).map(|player| (player.player_name.clone(), &player.counts));
    let mut parts = vec![
        count_table("date", dates.map(|(date, counts)| (date.clone(), counts))),
        count_table("system", systems.iter().map(|(system, counts)| (system.clone(), counts))),
        count_table("player", listed),
    ];
    if players.len() > MAX_PLAYERS {
        parts.push(format!("… and {} more players (--output json lists all)", players.len() - MAX_PLAYERS));
    }
    parts
}

fn row_text(row: &Difference) -> String {
    let key = row.key.values().map(value_text).collect::<Vec<_>>().join(" ");
    let name = format!("{} {key} {}", row.table, row.player);
    match row.kind {
        RowDiff::OnlyLive => format!("- {name}"),
        RowDiff::OnlyReplay => format!("+ {name}"),
        _ => {
            let fields = row.fields.iter().map(|field| {
                format!("{} {} → {}", field.field, value_text(&field.live), value_text(&field.replay))
            });
            format!("~ {name}: {}", fields.collect::<Vec<_>>().join(", "))
        }
    }
}
fn value_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "–".to_owned(),
        other => other.to_string(),
    }
}
