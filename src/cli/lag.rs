//! `lag`: how far each processor is behind, in records and in time, from outside the process that runs them.
use super::{CommandOutcome, Output, output};
use crate::{config::Config, http_server::SAMPLE_INTERVAL, lag};
use anyhow::Result;
use runtime::lag::{CatchUp, Lag, LagMonitor, ProcessorLag, Status};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    io::{IsTerminal, Write},
    time::Duration,
};

#[derive(Serialize)]
struct ProcessorRow {
    #[serde(flatten)]
    lag: ProcessorLag,
    dead_letters: i64,
}
#[derive(Serialize)]
struct Report {
    log: String,
    processors: Vec<ProcessorRow>,
}

/// One look tells where everybody stands; whether that gets better takes three.
const SAMPLES: usize = 3;

pub fn lag(config: &Config, is_watch: bool, with_partitions: bool, output: Output) -> Result<CommandOutcome> {
    let readers = lag::subscriptions(config)?;
    let mut log = crate::storage::open(config)?;
    let mut watch = LagMonitor::default();
    let mut sample = || -> Result<Report> {
        let (processors, dead_letters): (Vec<ProcessorLag>, BTreeMap<String, i64>) =
            lag::sample(log.as_mut(), &readers, &mut watch)?;
        let processors = processors.into_iter().map(|lag| {
            let dead_letters = dead_letters.get(lag.processor).copied().unwrap_or(0);
            ProcessorRow { lag, dead_letters }
        });
        Ok(Report { log: log.name(), processors: processors.collect() })
    };
    if !is_watch {
        let mut report = sample()?;
        for _ in 1..SAMPLES {
            if report.processors.iter().all(|processor| processor.lag.lag.records == 0) {
                break;
            }
            std::thread::sleep(Duration::from_secs(1));
            report = sample()?;
        }
        output::print(output, &report, |report| table(report, with_partitions))?;
        return Ok(CommandOutcome::Done);
    }
    let is_terminal = std::io::stdout().is_terminal();
    loop {
        let report = sample()?;
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
        std::thread::sleep(SAMPLE_INTERVAL);
    }
}

fn table(report: &Report, with_partitions: bool) -> String {
    let mut rows = Vec::new();
    for processor in &report.processors {
        // Counted by offsets, of which commits take some.
        let dead_letters = if processor.dead_letters == 0 {
            "–".into()
        } else {
            format!("≤ {}", processor.dead_letters)
        };
        rows.push(row(processor.lag.processor.to_owned(), &processor.lag.lag, dead_letters));
        let behind = processor.lag.partitions.iter().filter(|place| place.lag.records > 0);
        for place in behind.filter(|_| with_partitions) {
            rows.push(row(format!("  {}/{}", place.topic, place.partition), &place.lag, String::new()));
        }
    }
    let header =
        ["processor", "status", "records", "time", "trend", "reads/s", "caught up in", "dead", "why"];
    output::table(header, rows)
}

fn row(name: String, lag: &Lag, dead_letters: String) -> [String; 9] {
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
    [name, name_of, records, time, lag.trend.name().into(), reads, end, dead_letters, lag.reason.clone()]
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
