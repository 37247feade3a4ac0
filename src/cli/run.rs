//! `run`: the record counts of a run as a table, and its progress as a bar.
//!
//! Invariant: the bar is shown only on a terminal.
//! Not here: the run itself (`run`), signals (`signals`).
use super::{
    outcome::CommandOutcome,
    output::{self, Output, RunBar},
    signals,
    stderr::eprint_line,
};
use crate::{
    app::App,
    http_server::ConsoleServer,
    run::{self, RunObserver, RunOptions, RunProgress, RunReport},
};
use anyhow::Result;
use runtime::subscription::RunContext;
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// Pause between two updates of the bar.
const BAR_INTERVAL: Duration = Duration::from_millis(500);

/// Runs `run`.
pub fn run(app: &App, options: RunOptions<'_>, output: Output) -> Result<CommandOutcome> {
    let mut terminal = RunTerminal::new();
    let report = run::run(app, options, &mut terminal)?;
    terminal.clear();
    output::print(output, &report, |report| show(report, options.until_caught_up))?;
    Ok(CommandOutcome::Done)
}

fn show(report: &RunReport, until_caught_up: bool) -> String {
    if report.processors.is_empty() {
        let reason = if until_caught_up { ": all records were already processed" } else { "" };
        return format!("nothing new was committed in {:.1} s{reason}", report.seconds);
    }
    let rows = report.processors.iter().map(|counts| {
        let numbers = [counts.read, counts.published, counts.parked, counts.rejected];
        let [read, published, parked, rejected] = numbers.map(|number| number.to_string());
        [counts.processor.clone(), read, published, parked, rejected]
    });
    let table = output::table(["processor", "read", "published", "parked", "rejected"], rows);
    format!("{table}\ncommitted in {:.1} s", report.seconds)
}

/// Shows the events of a run on standard error.
pub struct RunTerminal {
    bar: RunBar,
}
impl RunTerminal {
    pub fn new() -> RunTerminal {
        RunTerminal { bar: RunBar::new() }
    }
    /// Removes the bar.
    pub fn clear(&self) {
        self.bar.clear();
    }
}
impl RunObserver for RunTerminal {
    fn console_unavailable(&mut self, address: SocketAddr) {
        eprint_line(&format!(
            "running without a console: {address} is not available; set FASTBREAK_CONSOLE=127.0.0.1:PORT to use another address"
        ));
    }
    fn started(&mut self, console: Option<ConsoleServer>, run_context: Arc<RunContext>) -> Result<()> {
        if let Some(console) = &console {
            eprint_line(&format!("console: http://{}", console.address));
        }
        signals::listen(console, run_context)
    }
    fn progress_interval(&self) -> Option<Duration> {
        (!self.bar.is_hidden()).then_some(BAR_INTERVAL)
    }
    fn progress(&mut self, progress: RunProgress) {
        let RunProgress { estimate, player_games, candidates, predictions } = progress;
        let message =
            format!("{player_games} player games · {candidates} candidates · {predictions} predictions");
        self.bar.show(&estimate, &message);
    }
}
