//! Demo: run a simulated game day through the topology.
//!
//! Invariant: the application is that of `App::for_demo`, so the log and the warehouse are local files. They are in a folder that a demo
//! created; any other folder is refused before anything is written.
//! Not here: the simulated events (crate `simulator`).
use crate::{
    app::{App, LogTarget},
    ingest::{Ingest, Ingested},
    run::{self, RunObserver, RunOptions},
    service_notification::Watchdog,
};
use anyhow::Result;
use serde::Serialize;
use sinks::sqlite::{Coverage, PlayerSlate};
use std::{path::PathBuf, time::Instant};

/// The predictions of the simulated game day.
#[derive(Serialize)]
pub struct DemoReport {
    pub date: String,
    pub log: String,
    pub warehouse: String,
    pub seconds: f64,
    pub slate: Vec<PlayerSlate>,
    pub coverage: Coverage,
    /// Folder of log and warehouse.
    #[serde(skip)]
    pub data: PathBuf,
}

/// The simulated game day.
#[derive(Clone, Debug)]
pub struct SimulatedDay {
    pub date: String,
    pub games: usize,
    pub events: usize,
    /// Fetch time of the last event, in RFC 3339.
    pub fetched_until: String,
}

/// Receives the events of a demo.
pub trait DemoObserver: RunObserver {
    fn simulated(&mut self, day: SimulatedDay);
    fn ingested(&mut self, ingested: Ingested);
}

/// Simulates a game day, ingests its events and processes them.
///
/// # Errors
/// If the log cannot be opened, or a processor or the sink fails.
pub fn demo(app: &App, seed: u64, observer: &mut dyn DemoObserver) -> Result<DemoReport> {
    let started = Instant::now();
    let watchdog = Watchdog::from_environment()?;
    let mut log = app.open_demo_log()?;
    let day = simulator::game_day(seed);
    observer.simulated(SimulatedDay {
        date: day.date.to_string(),
        games: day.games.len(),
        events: day.before.len(),
        fetched_until: day.now.to_string(),
    });
    let mut ingest = Ingest::new(log.as_mut());
    for (number, event) in day.before.iter().enumerate() {
        ingest.line("demo", number as u64 + 1, event.to_jsonl().as_bytes())?;
    }
    observer.ingested(ingest.finish()?);
    run::run_pipeline(
        app,
        RunOptions { until_caught_up: true, ..RunOptions::default() },
        observer,
        watchdog,
    )?;
    let queries = app.warehouse().reader()?;
    Ok(DemoReport {
        date: day.date.to_string(),
        log: log.name(),
        warehouse: app.warehouse().name(),
        seconds: started.elapsed().as_secs_f64(),
        slate: queries.slate(day.date)?,
        coverage: queries.coverage(day.date)?,
        data: match app.log_target() {
            LogTarget::Folder(folder) => folder.clone(),
            LogTarget::Kafka(_) => PathBuf::new(),
        },
    })
}
