//! `replay diff`: which rows of the warehouse a replay would change.
use super::super::{CommandOutcome, Output, output};
use crate::{
    config::Config,
    replay::{self, Namespace, Replay},
    warehouse::WarehouseTarget,
};
use anyhow::Result;
use serde::Serialize;
use serde_json::Value;
use sinks::diff::{Comparison, Counts, Difference, RowDiff, compare};

/// How many players are named.
const MAX_PLAYERS: usize = 20;

#[derive(Serialize)]
struct Report {
    namespace: String,
    from: String,
    to: String,
    equal: bool,
    /// While it is not, differences may be what the live side has yet to write.
    live_caught_up: bool,
    #[serde(flatten)]
    comparison: Comparison,
}

pub fn diff(config: &Config, namespace: &Namespace, limit: usize, output: Output) -> Result<CommandOutcome> {
    let replay = Replay::load(config, namespace)?;
    let status = replay::status(config, &replay)?;
    replay::ensure_comparable(&replay, &status)?;
    replay.ensure_same_warehouse(config)?;
    let live = WarehouseTarget::live(config).reader()?;
    let ours = WarehouseTarget::for_replay(config, namespace).reader()?;
    let comparison = compare(&live.snapshot()?, &ours.snapshot()?, replay.dates, limit)?;
    let report = Report {
        namespace: namespace.to_string(),
        from: replay.dates.from.to_string(),
        to: replay.dates.to.to_string(),
        equal: comparison.is_equal(),
        live_caught_up: status.live_caught_up,
        comparison,
    };
    output::print(output, &report, show)?;
    Ok(if report.equal { CommandOutcome::Done } else { CommandOutcome::Differs })
}

const HEADER: [&str; 5] = ["equal", "changed", "by another version", "only live", "only replay"];
fn counts(of: String, counts: &Counts) -> [String; 6] {
    let Counts { equal, changed, version, only_live, only_replay } = *counts;
    let [equal, changed, version, live, replay] =
        [equal, changed, version, only_live, only_replay].map(|n| n.to_string());
    [of, equal, changed, version, live, replay]
}
fn table<'a>(what: &'static str, rows: impl Iterator<Item = (String, &'a Counts)>) -> String {
    let [equal, changed, version, live, replay] = HEADER;
    output::table([what, equal, changed, version, live, replay], rows.map(|(of, n)| counts(of, n)))
}

fn show(report: &Report) -> String {
    let Comparison { tables, dates, systems, players, rows, more } = &report.comparison;
    let mut parts = vec![table("table", tables.iter().map(|(name, counts)| ((*name).to_owned(), counts)))];
    if !report.equal {
        let differing = dates.iter().filter(|(_, counts)| !counts.are_equal());
        parts.push(table("day", differing.map(|(day, counts)| (day.clone(), counts))));
        parts.push(table("system", systems.iter().map(|(system, counts)| (system.clone(), counts))));
        let listed: Vec<_> = players.iter().filter(|player| player.counts.listed() > 0).collect();
        let named =
            listed.iter().take(MAX_PLAYERS).map(|player| (player.player_name.clone(), &player.counts));
        parts.push(table("player", named));
        if listed.len() > MAX_PLAYERS {
            parts
                .push(format!("… and {} more players (--output json lists all)", listed.len() - MAX_PLAYERS));
        }
    }
    if !rows.is_empty() {
        parts.push(rows.iter().map(row).collect::<Vec<_>>().join("\n"));
    }
    if *more > 0 {
        parts.push(format!("… and {more} more rows (--limit)"));
    }
    if !report.live_caught_up {
        parts.push("the live side has not read and written everything yet: a difference may be that".into());
    }
    let verdict = if report.equal { "no row would change" } else { "rows would change" };
    parts.push(format!("{}, games of {} to {}: {verdict}", report.namespace, report.from, report.to));
    parts.join("\n\n")
}

fn row(row: &Difference) -> String {
    let key = row.key.values().map(plain).collect::<Vec<_>>().join(" ");
    let head = format!("{} {key} {}", row.table, row.player);
    match row.kind {
        RowDiff::OnlyLive => format!("- {head}"),
        RowDiff::OnlyReplay => format!("+ {head}"),
        _ => {
            let fields =
                row.fields.iter().map(|f| format!("{} {} → {}", f.field, plain(&f.live), plain(&f.replay)));
            format!("~ {head}: {}", fields.collect::<Vec<_>>().join(", "))
        }
    }
}
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "–".to_owned(),
        other => other.to_string(),
    }
}
