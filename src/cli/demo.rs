//! `demo`: a simulated game day through everything.
use super::{CommandOutcome, Output, output, slate};
use crate::{
    config::Config,
    ingest::Ingest,
    warehouse::{self, WarehouseTarget},
};
use anyhow::Result;
use serde::Serialize;
use sinks::sqlite::{Coverage, PlayerSlate};
use std::time::Instant;

#[derive(Serialize)]
struct Report {
    date: String,
    log: String,
    warehouse: String,
    seconds: f64,
    slate: Vec<PlayerSlate>,
    coverage: Coverage,
}

pub fn demo(config: &Config, has_folder: bool, seed: u64, output: Output) -> Result<CommandOutcome> {
    let started = Instant::now();
    // A demonstration is nothing for brokers and registries that others use.
    let mut config = config.clone();
    // What it shows is read from the file that it leaves.
    config.warehouse = crate::warehouse::WarehouseKind::Sqlite;
    config.brokers = None;
    config.registry.url = None;
    if !has_folder {
        config.data = config.data.join(format!("demo-{seed}"));
    }
    let day = simulator::game_day(seed);
    output::eprint_line(&format!(
        "an evening of {} games on {}, with {} events that scrapers fetched until {}",
        day.games.len(),
        day.date,
        day.before.len(),
        day.now
    ));
    let mut log = crate::storage::open(&config)?;
    let mut ingest = Ingest::new(log.as_mut());
    for (number, event) in day.before.iter().enumerate() {
        ingest.line("demo", number as u64 + 1, event.to_jsonl().as_bytes())?;
    }
    let ingested = ingest.finish()?;
    output::eprint_line(&format!(
        "{} events into the raw topics, {} were there already",
        ingested.new, ingested.known
    ));
    super::run::go(&config, true, &[])?;
    let warehouse = warehouse::path_in(&config.data);
    let reader = WarehouseTarget::live(&config).reader()?;
    let report = Report {
        date: day.date.to_string(),
        log: log.name(),
        warehouse: warehouse.display().to_string(),
        seconds: started.elapsed().as_secs_f64(),
        slate: reader.slate(day.date)?,
        coverage: reader.coverage(day.date)?,
    };
    let data = config.data.display().to_string();
    output::print(output, &report, |report| show(report, &data))?;
    Ok(CommandOutcome::Done)
}

fn show(report: &Report, data: &str) -> String {
    let candidates: u64 = report.coverage.statuses.values().sum();
    let states: Vec<String> = report
        .coverage
        .statuses
        .iter()
        .map(|(status, n)| format!("{n} {}", status.replace('_', " ")))
        .collect();
    let someone = report.slate.iter().find(|player| player.status == "predicted");
    let explain = someone.map_or_else(String::new, |player| {
        format!(
            "  fastbreak explain \"{}\" {} --data {data}     why this prediction\n",
            player.player_name, report.date
        )
    });
    format!(
        "{}\n\n~ marks an estimated line; P(over) and call are the ensemble's at the line shown; learned has no artifact yet\n\
         {candidates} candidates, each with one terminal state: {}\n\
         everything took {:.1} s; the log is {}, the warehouse {}\n\n\
         what to try next\n\
         {explain}  \
         fastbreak coverage {date} --players --data {data}\n  \
         fastbreak audit --data {data}     every record accounted for\n  \
         sqlite3 {} \"select * from player_prop_predictions limit 5\"\n",
        slate::table(&report.slate),
        states.join(", "),
        report.seconds,
        report.log,
        report.warehouse,
        report.warehouse,
        date = report.date,
    )
}
