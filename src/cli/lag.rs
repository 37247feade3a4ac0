//! `lag`: the consumer lag of each processor, in records and in time, and the age of each feed, as tables.
//!
//! Invariant: with `--watch`, a closed standard output ends the command.
//! Not here: sampling the lag (`lag`), assessing it (`runtime::lag`).
use super::{
    outcome::CommandOutcome,
    output::{self, Output},
    stderr::eprint_line,
};
use crate::{
    app::App,
    lag::{self, LagFilter, LagReport, LagSampler, SAMPLE_INTERVAL},
    topology::descriptors,
};
use anyhow::Result;
use clap::Args;
use runtime::lag::{CatchUp, Lag, Status};
use std::{collections::BTreeSet, io::IsTerminal};

/// The texts after the help of the command.
pub const EXAMPLES: &str = "Examples:
  fastbreak lag --fail-on stalled,stopped,losing_data   for a monitoring script: exit code 3 if a processor has one of these statuses
  fastbreak lag --only markets,windowed-sink            two processors
  fastbreak lag --only falling_behind,stalled           the processors that have one of these statuses
  fastbreak lag --watch --fail-on stalled               until a processor stalls

Statuses: idle, ok, unknown, catching_up, falling_behind, stalled, stopped, rewound, losing_data.";

#[derive(Args)]
pub struct LagArguments {
    /// Sample and print the lag repeatedly until the process is stopped
    #[arg(long)]
    watch: bool,
    /// Also show each partition with unread records
    #[arg(long)]
    partitions: bool,
    /// Only processors with one of these names or statuses
    #[arg(long, value_delimiter = ',', value_name = "PROCESSOR|STATUS", value_parser = shown)]
    only: Vec<Shown>,
    /// Exit with 3 if a shown processor has one of these statuses
    #[arg(long, value_delimiter = ',', value_name = "STATUS")]
    fail_on: Vec<Status>,
}

/// A value of `--only`.
#[derive(Clone, Debug)]
enum Shown {
    Name(&'static str),
    Status(Status),
}

fn shown(text: &str) -> Result<Shown, String> {
    let names: Vec<&str> = descriptors().map(|descriptor| descriptor.name).collect();
    match names.iter().find(|name| **name == text) {
        Some(name) => Ok(Shown::Name(name)),
        None => text.parse().map(Shown::Status).map_err(|reason: String| {
            format!("{reason}; nor is it a processor, expected one of {}", names.join(", "))
        }),
    }
}

/// Runs `lag`.
pub fn lag(app: &App, arguments: LagArguments, output: Output) -> Result<CommandOutcome> {
    let LagArguments { watch: is_watch, partitions, only, fail_on } = arguments;
    let mut filter = LagFilter::default();
    for shown in only {
        match shown {
            Shown::Name(name) => filter.names.push(name.to_owned()),
            Shown::Status(status) => filter.statuses.push(status),
        }
    }
    let shown_lag = ShownLag { filter, with_partitions: partitions, fail_on };
    if is_watch {
        return watch(&mut LagSampler::new(app)?, &shown_lag, output);
    }
    let report = lag::lag(app, &shown_lag.filter)?;
    output::print(output, &report, |report| text(report, partitions))?;
    Ok(shown_lag.outcome(&report))
}

/// What is shown, and what ends the command with exit code 3.
struct ShownLag {
    filter: LagFilter,
    with_partitions: bool,
    fail_on: Vec<Status>,
}
impl ShownLag {
    /// Returns the outcome of a report, and names the processors that have one of the statuses on standard error.
    fn outcome(&self, report: &LagReport) -> CommandOutcome {
        let mut outcome = CommandOutcome::Done;
        for lag in report.with_status(&self.fail_on) {
            eprint_line(&format!("{} is {}: {}", lag.processor, lag.lag.status.name(), lag.lag.reason));
            outcome = CommandOutcome::Differs;
        }
        outcome
    }
}

/// Prints samples until the process is stopped, or a processor has one of the statuses. On a terminal each table overwrites the one before;
/// JSON is one sample per line.
fn watch(sampler: &mut LagSampler, shown_lag: &ShownLag, output: Output) -> Result<CommandOutcome> {
    let is_terminal = std::io::stdout().is_terminal();
    loop {
        let report = sampler.report(&shown_lag.filter)?;
        output::write(&match output {
            Output::Json => output::json_line(&report)? + "\n",
            Output::Table if is_terminal => {
                // Moves the cursor home, then clears only the rest of each line and of the screen. Clearing the whole screen would flicker.
                let text = text(&report, shown_lag.with_partitions).replace('\n', "\x1b[K\n");
                format!("\x1b[H{text}\x1b[K\n\x1b[J")
            }
            Output::Table => text(&report, shown_lag.with_partitions) + "\n\n",
        })?;
        let outcome = shown_lag.outcome(&report);
        if outcome != CommandOutcome::Done {
            return Ok(outcome);
        }
        std::thread::sleep(SAMPLE_INTERVAL);
    }
}

fn text(report: &LagReport, with_partitions: bool) -> String {
    let processors = table(report, with_partitions);
    let feeds = report.feeds.iter().map(|feed| {
        let unknown = if feed.is_complete { "no event" } else { "not among the newest records" };
        let fetched_at = feed.last_fetched_at.clone().unwrap_or_else(|| unknown.into());
        let age = feed.age_seconds.map_or_else(|| "–".into(), |seconds| format_duration(seconds as f64));
        [feed.feed.clone(), age, fetched_at, feed.topic.to_owned()]
    });
    format!("{processors}\n\n{}", output::table(["feed", "age", "last fetched at", "topic"], feeds))
}

fn table(report: &LagReport, with_partitions: bool) -> String {
    let mut rows = Vec::new();
    for processor in &report.processors {
        // The count is only an upper bound, because it is a difference of offsets, which have gaps. So it is shown with `≤`.
        let dead_letters = match processor.dead_letters {
            0 => "–".into(),
            count => format!("≤ {count}"),
        };
        let partitions = &processor.lag.partitions;
        let owners: BTreeSet<String> =
            partitions.iter().filter_map(|partition| Some(partition.owner.as_ref()?.to_string())).collect();
        let owners = owners.into_iter().collect::<Vec<_>>().join(", ");
        rows.push(row(processor.lag.processor.to_owned(), &processor.lag.lag, [dead_letters, owners]));
        let unread = partitions.iter().filter(|partition| partition.lag.records > 0);
        for partition in unread.filter(|_| with_partitions) {
            let name = format!("  {}/{}", partition.topic, partition.partition);
            let owner = partition.owner.as_ref().map(ToString::to_string).unwrap_or_default();
            rows.push(row(name, &partition.lag, [String::new(), owner]));
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
        "owner",
        "reason",
    ];
    output::table(header, rows)
}

fn row(name: String, lag: &Lag, [dead_letters, owner]: [String; 2]) -> [String; 10] {
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
        if owner.is_empty() { "–".into() } else { owner },
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
