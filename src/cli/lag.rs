//! `lag`: the consumer lag of each processor, in records and in time, sampled without contact to the running processors.
//!
//! Invariant: read-only; it joins no consumer group.
//! Not here: assessing the lag (`runtime::lag`).
use super::{
    outcome::CommandOutcome,
    output::{self, Output},
};
use crate::{
    app::App,
    lag::{self, SAMPLE_INTERVAL},
};
use anyhow::Result;
use runtime::{
    LogBackend,
    lag::{CatchUp, Lag, LagMonitor, ProcessorLag, Status},
    subscription::Subscription,
};
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

/// Number of samples that are taken without `--watch` if there are unread records: trend and catch-up time need three samples.
const MAX_SAMPLES: usize = 3;
/// Pause between the samples without `--watch`.
const SHORT_SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// Samples the lag of all processors.
struct Sampler {
    log: Box<dyn LogBackend>,
    subscriptions: Vec<Subscription>,
    monitor: LagMonitor,
}
impl Sampler {
    fn sample(&mut self) -> Result<Report> {
        let (processors, dead_letters): (Vec<ProcessorLag>, BTreeMap<String, i64>) =
            lag::sample(self.log.as_mut(), &self.subscriptions, &mut self.monitor)?;
        let processors = processors.into_iter().map(|lag| {
            let dead_letters = dead_letters.get(lag.processor).copied().unwrap_or(0);
            ProcessorRow { lag, dead_letters }
        });
        Ok(Report { log: self.log.name(), processors: processors.collect() })
    }
}

pub fn lag(app: &App, is_watch: bool, with_partitions: bool, output: Output) -> Result<CommandOutcome> {
    let subscriptions = app.subscriptions()?.to_vec();
    let mut sampler = Sampler { log: app.open_log()?, subscriptions, monitor: LagMonitor::default() };
    if is_watch {
        return watch(&mut sampler, with_partitions, output);
    }
    let mut report = sampler.sample()?;
    for _ in 1..MAX_SAMPLES {
        if report.processors.iter().all(|processor| processor.lag.lag.records == 0) {
            break;
        }
        std::thread::sleep(SHORT_SAMPLE_INTERVAL);
        report = sampler.sample()?;
    }
    output::print(output, &report, |report| table(report, with_partitions))?;
    Ok(CommandOutcome::Done)
}

/// Prints samples until the process is stopped. On a terminal each table overwrites the one before; JSON is one sample per line.
fn watch(sampler: &mut Sampler, with_partitions: bool, output: Output) -> Result<CommandOutcome> {
    let is_terminal = std::io::stdout().is_terminal();
    loop {
        let report = sampler.sample()?;
        let mut stdout = std::io::stdout().lock();
        match output {
            Output::Json => {
                serde_json::to_writer(&mut stdout, &report)?;
                writeln!(stdout)?;
            }
            Output::Table if is_terminal => {
                // Moves the cursor home, then clears only the rest of each line and of the screen. Clearing the whole screen would flicker.
                let text = table(&report, with_partitions).replace('\n', "\x1b[K\n");
                write!(stdout, "\x1b[H{text}\x1b[K\n\x1b[J")?;
            }
            Output::Table => writeln!(stdout, "{}\n", table(&report, with_partitions))?,
        }
        stdout.flush()?;
        drop(stdout);
        std::thread::sleep(SAMPLE_INTERVAL);
    }
}

fn table(report: &Report, with_partitions: bool) -> String {
    let mut rows = Vec::new();
    for processor in &report.processors {
        // The count is only an upper bound, because it is a difference of offsets, which have gaps. So it is shown with `≤`.
        let dead_letters = match processor.dead_letters {
            0 => "–".into(),
            count => format!("≤ {count}"),
        };
        rows.push(row(processor.lag.processor.to_owned(), &processor.lag.lag, dead_letters));
        let unread = processor.lag.partitions.iter().filter(|partition| partition.lag.records > 0);
        for partition in unread.filter(|_| with_partitions) {
            let name = format!("  {}/{}", partition.topic, partition.partition);
            rows.push(row(name, &partition.lag, String::new()));
        }
    }
    let header = [
        "processor",
        "status",
        "unread",
        "oldest",
        "trend",
        "reads/s",
        "caught up in",
        "dead letters",
        "reason",
    ];
    output::table(header, rows)
}

fn row(name: String, lag: &Lag, dead_letters: String) -> [String; 9] {
    let oldest = match lag.seconds {
        None => "not recorded".into(),
        Some(_) if lag.records == 0 => "–".into(),
        Some(seconds) => format_duration(seconds),
    };
    let catch_up = match lag.catch_up {
        Some(_) if lag.records == 0 => "–".into(),
        Some(CatchUp::In(seconds)) => format_duration(seconds),
        Some(CatchUp::Never) => "never".into(),
        None if lag.status == Status::Ok => "–".into(),
        None => "?".into(),
    };
    let reads = lag.out_rate.map_or_else(|| "?".into(), |rate| format!("{rate:.0}"));
    let status = lag.status.name().replace('_', " ");
    let records = lag.records.to_string();
    [
        name,
        status,
        records,
        oldest,
        lag.trend.name().into(),
        reads,
        catch_up,
        dead_letters,
        lag.reason.clone(),
    ]
}

/// Formats a duration in its two largest units.
fn format_duration(seconds: f64) -> String {
    let whole_seconds = seconds as i64;
    match whole_seconds {
        ..10 => format!("{seconds:.1} s"),
        10..60 => format!("{whole_seconds} s"),
        60..3600 => format!("{} min {} s", whole_seconds / 60, whole_seconds % 60),
        3600..86_400 => format!("{} h {} min", whole_seconds / 3600, whole_seconds % 3600 / 60),
        _ => format!("{} d {} h", whole_seconds / 86_400, whole_seconds % 86_400 / 3600),
    }
}
