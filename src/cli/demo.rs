//! `demo`: the slate of a simulated game day, and the commands to run next.
//!
//! Invariant: each command that is shown names the data folder of the demo.
//! Not here: the demo itself (`demo`).
use super::{
    outcome::CommandOutcome,
    output::{self, Output},
    run::RunTerminal,
    slate,
    stderr::eprint_line,
};
use crate::{
    app::App,
    demo::{self, DemoObserver, DemoReport, SimulatedDay},
    ingest::Ingested,
};
use anyhow::Result;

/// Runs `demo`.
pub fn demo(app: &App, seed: u64, output: Output) -> Result<CommandOutcome> {
    let mut terminal = RunTerminal::new();
    let report = demo::demo(app, seed, &mut terminal)?;
    terminal.clear();
    output::print(output, &report, show)?;
    Ok(CommandOutcome::Done)
}

impl DemoObserver for RunTerminal {
    fn simulated(&mut self, day: SimulatedDay) {
        let SimulatedDay { date, games, events, fetched_until } = day;
        eprint_line(&format!(
            "simulated {games} games on {date}: {events} events, fetched until {fetched_until}"
        ));
    }
    fn ingested(&mut self, Ingested { new, known, .. }: Ingested) {
        eprint_line(&format!("{new} events ingested, {known} were already in the log"));
    }
}

fn show(report: &DemoReport) -> String {
    let data = report.data.display();
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
