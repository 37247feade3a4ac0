//! `demo`: run a simulated game day through the topology.
//!
//! Invariant: it uses the embedded log and the SQLite warehouse even if brokers, a schema registry or BigQuery are configured.
//! Not here: the simulated events (crate `simulator`).
use super::{
    outcome::CommandOutcome,
    output::{self, Output},
    run, slate,
};
use crate::{
    app::{App, LogTarget},
    ingest::{Ingest, Ingested},
    stderr::eprint_line,
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

pub fn demo(app: &App, seed: u64, output: Output) -> Result<CommandOutcome> {
    let started = Instant::now();
    let day = simulator::game_day(seed);
    eprint_line(&format!(
        "simulated {} games on {}: {} events, fetched until {}",
        day.games.len(),
        day.date,
        day.before.len(),
        day.now
    ));
    let mut log = app.open_log()?;
    let mut ingest = Ingest::new(log.as_mut());
    for (number, event) in day.before.iter().enumerate() {
        ingest.line("demo", number as u64 + 1, event.to_jsonl().as_bytes())?;
    }
    let Ingested { new, known, .. } = ingest.finish()?;
    eprint_line(&format!("{new} events ingested, {known} were already in the log"));
    run::run_pipeline(app, true, &[])?;
    let queries = app.warehouse().reader()?;
    let report = Report {
        date: day.date.to_string(),
        log: log.name(),
        warehouse: app.warehouse().name(),
        seconds: started.elapsed().as_secs_f64(),
        slate: queries.slate(day.date)?,
        coverage: queries.coverage(day.date)?,
    };
    let data = match app.log_target() {
        LogTarget::Folder(folder) => folder.display().to_string(),
        LogTarget::Kafka(_) => String::new(),
    };
    output::print(output, &report, |report| show(report, &data))?;
    Ok(CommandOutcome::Done)
}

fn show(report: &Report, data: &str) -> String {
    let candidates: u64 = report.coverage.statuses.values().sum();
    let statuses: Vec<String> = report
        .coverage
        .statuses
        .iter()
        .map(|(status, count)| format!("{count} {}", status.replace('_', " ")))
        .collect();
    let predicted = report.slate.iter().find(|player| player.status == "predicted");
    let explain = predicted.map_or_else(String::new, |player| {
        format!(
            "  fastbreak explain \"{}\" {} --data {data}     every event and feature behind this prediction\n",
            player.player_name, report.date
        )
    });
    format!(
        "{}\n\n~ marks an estimated line; P(over) and call are those of the ensemble for the line shown; without a model artifact, learned is empty\n\
         {candidates} candidates, each with one eligibility: {}\n\
         completed in {:.1} s; the log is {}, the warehouse {}\n\n\
         next:\n\
         {explain}  \
         fastbreak coverage {date} --players --data {data}     every candidate\n  \
         fastbreak audit --data {data}     the outcome of every record\n  \
         sqlite3 {} \"select * from player_prop_predictions limit 5\"\n",
        slate::table(&report.slate),
        statuses.join(", "),
        report.seconds,
        report.log,
        report.warehouse,
        report.warehouse,
        date = report.date,
    )
}
