//! `lag`: the consumer lag of each processor, in records and in time, as a table.
//!
//! Invariant: with `--watch`, a closed standard output ends the command.
//! Not here: sampling the lag (`lag`), assessing it (`runtime::lag`).
use super::{
    outcome::CommandOutcome,
    output::{self, Output},
};
use crate::{
    app::App,
    lag::{self, LagReport, LagSampler, SAMPLE_INTERVAL},
};
use anyhow::Result;
use runtime::lag::{CatchUp, Lag, Status};
use std::io::IsTerminal;

/// Runs `lag`.
pub fn lag(app: &App, is_watch: bool, with_partitions: bool, output: Output) -> Result<CommandOutcome> {
    if is_watch {
        return watch(&mut LagSampler::new(app)?, with_partitions, output);
    }
    output::print(output, &lag::lag(app)?, |report| table(report, with_partitions))?;
    Ok(CommandOutcome::Done)
}

/// Prints samples until the process is stopped. On a terminal each table overwrites the one before; JSON is one sample per line.
fn watch(sampler: &mut LagSampler, with_partitions: bool, output: Output) -> Result<CommandOutcome> {
    let is_terminal = std::io::stdout().is_terminal();
    loop {
        let report = sampler.report()?;
        output::write(&match output {
            Output::Json => output::json_line(&report)? + "\n",
            Output::Table if is_terminal => {
                // Moves the cursor home, then clears only the rest of each line and of the screen. Clearing the whole screen would flicker.
                let text = table(&report, with_partitions).replace('\n', "\x1b[K\n");
                format!("\x1b[H{text}\x1b[K\n\x1b[J")
            }
            Output::Table => table(&report, with_partitions) + "\n\n",
        })?;
        std::thread::sleep(SAMPLE_INTERVAL);
    }
}

fn table(report: &LagReport, with_partitions: bool) -> String {
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
