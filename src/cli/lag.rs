//! `lag`: how far each processor is behind, in records and in time, from outside the process that runs them.
use super::{Ended, Output, output};
use crate::{config::Config, console::LOOK_EVERY, lag};
use anyhow::Result;
use runtime::lag::{CatchUp, Lag, StageLag, Status, Watch};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    io::{IsTerminal, Write},
    time::Duration,
};

#[derive(Serialize)]
struct Stage {
    #[serde(flatten)]
    lag: StageLag,
    dead_letters: i64,
}
#[derive(Serialize)]
struct Report {
    log: String,
    stages: Vec<Stage>,
}

/// One look tells where everybody stands; whether that gets better takes three.
const LOOKS: usize = 3;

pub fn lag(config: &Config, is_watch: bool, with_partitions: bool, output: Output) -> Result<Ended> {
    let readers = lag::readers(config)?;
    let mut log = crate::storage::open(config)?;
    let mut watch = Watch::default();
    let mut look = || -> Result<Report> {
        let (stages, letters): (Vec<StageLag>, BTreeMap<String, i64>) =
            lag::look(log.as_mut(), &readers, &mut watch)?;
        let stages = stages.into_iter().map(|lag| {
            let dead_letters = letters.get(lag.processor).copied().unwrap_or(0);
            Stage { lag, dead_letters }
        });
        Ok(Report { log: log.name(), stages: stages.collect() })
    };
    if !is_watch {
        let mut report = look()?;
        for _ in 1..LOOKS {
            if report.stages.iter().all(|stage| stage.lag.lag.records == 0) {
                break;
            }
            std::thread::sleep(Duration::from_secs(1));
            report = look()?;
        }
        output::print(output, &report, |report| table(report, with_partitions))?;
        return Ok(Ended::Done);
    }
    let is_terminal = std::io::stdout().is_terminal();
    loop {
        let report = look()?;
        let mut out = std::io::stdout().lock();
        match output {
            // One look a line, for whoever reads along.
            Output::Json => {
                serde_json::to_writer(&mut out, &report)?;
                writeln!(out)?;
            }
            Output::Table if is_terminal => {
                // Home, the table over what was there, the rest cleared: no flicker.
                let text = table(&report, with_partitions).replace('\n', "\x1b[K\n");
                write!(out, "\x1b[H{text}\x1b[K\n\x1b[J")?;
            }
            Output::Table => writeln!(out, "{}\n", table(&report, with_partitions))?,
        }
        out.flush()?;
        drop(out);
        std::thread::sleep(LOOK_EVERY);
    }
}

fn table(report: &Report, with_partitions: bool) -> String {
    let mut rows = Vec::new();
    for stage in &report.stages {
        // Counted by offsets, of which commits take some.
        let letters =
            if stage.dead_letters == 0 { "–".into() } else { format!("≤ {}", stage.dead_letters) };
        rows.push(row(stage.lag.processor.to_owned(), &stage.lag.lag, letters));
        let behind = stage.lag.partitions.iter().filter(|place| place.lag.records > 0);
        for place in behind.filter(|_| with_partitions) {
            rows.push(row(format!("  {}/{}", place.topic, place.partition), &place.lag, String::new()));
        }
    }
    let header = ["stage", "status", "records", "time", "trend", "reads/s", "caught up in", "dead", "why"];
    output::table(header, rows)
}

fn row(name: String, lag: &Lag, letters: String) -> [String; 9] {
    let time = match lag.seconds {
        None => "not recorded".into(),
        Some(_) if lag.records == 0 => "–".into(),
        Some(seconds) => span(seconds),
    };
    let end = match lag.catch_up {
        Some(_) if lag.records == 0 => "–".into(),
        Some(CatchUp::In(seconds)) => span(seconds),
        Some(CatchUp::Never) => "never".into(),
        None if lag.status == Status::Ok => "–".into(),
        None => "?".into(),
    };
    let reads = lag.out_rate.map_or_else(|| "?".into(), |rate| format!("{rate:.0}"));
    let name_of = lag.status.name().replace('_', " ");
    let records = lag.records.to_string();
    [name, name_of, records, time, lag.trend.name().into(), reads, end, letters, lag.reason.clone()]
}

/// A length of time in its two greatest units.
fn span(seconds: f64) -> String {
    let whole = seconds as i64;
    match whole {
        ..10 => format!("{seconds:.1} s"),
        10..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        3600..86_400 => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
        _ => format!("{} d {} h", whole / 86_400, whole % 86_400 / 3600),
    }
}
