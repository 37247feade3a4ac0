//! `cat`: the records of a topic, one JSON object per line.
//!
//! Invariant: a line is complete, whatever a record contains; a closed standard output ends the command without an error.
//! Not here: reading and decoding the records (`cat`).
use super::{
    outcome::CommandOutcome,
    output::{self, write},
    signals,
    stderr::eprint_line,
};
use crate::{
    app::App,
    cat::{self, RecordFilter},
    namespace::Namespace,
};
use anyhow::Result;
use clap::Args;
use schemas::{EasternDate, Timestamp};

/// The texts after the help of the command.
pub const EXAMPLES: &str = "Examples:
  fastbreak cat core.games.v1 --limit 10                        the first ten records
  fastbreak cat ml.predictions.v2 --key 203999                  everything of a player; a key or its first parts
  fastbreak cat raw.odds.v1 --from 2024-11-07 --to 2024-11-07   the records that were appended on one Eastern day
  fastbreak cat ops.ledger.v1 --from 2024-11-07T18:00:00Z --follow | jq .value.read
  fastbreak cat odds-loader.dlq                                 dead letters, with their reasons
  fastbreak cat ml.features.v2 --replay new-model --limit 10    records of a replay

Each line is a JSON object: topic, partition, offset, timestamp, key, event, schema_id, schema_version, value. The value of a tombstone is
null. A record that cannot be decoded has `error`, and its `bytes` in hexadecimal; the exit code is then 1.";

#[derive(Args)]
pub struct CatArguments {
    /// Topic of the catalog, changelog or dead-letter queue; `fastbreak topics list` lists them
    topic: String,
    /// Only records with this key, or whose key begins with it before a '/'
    #[arg(long)]
    key: Option<String>,
    /// Only this partition
    #[arg(long)]
    partition: Option<i32>,
    /// Only records from this instant (RFC 3339) or Eastern date on
    #[arg(long, value_name = "TIME", value_parser = from_time)]
    from: Option<Timestamp>,
    /// Only records before this instant (RFC 3339), or up to the end of this Eastern date
    #[arg(long, value_name = "TIME", value_parser = to_time, conflicts_with = "follow")]
    to: Option<Timestamp>,
    /// The topic of this replay instead of the live one
    #[arg(long, value_name = "NAME")]
    replay: Option<Namespace>,
    /// Wait for new records until SIGINT or SIGTERM
    #[arg(long)]
    follow: bool,
    /// Maximum number of records
    #[arg(long)]
    limit: Option<u64>,
}

fn time(text: &str, plus_days: i32) -> Result<Timestamp, String> {
    if let Ok(date) = text.parse::<EasternDate>() {
        return Ok(date.plus_days(plus_days).at(0, 0));
    }
    let expected = "expected a date (YYYY-MM-DD) or an instant with its UTC offset (2024-11-07T18:00:00Z)";
    text.parse().map_err(|error| format!("{error}; {expected}"))
}
fn from_time(text: &str) -> Result<Timestamp, String> {
    time(text, 0)
}
fn to_time(text: &str) -> Result<Timestamp, String> {
    time(text, 1)
}

/// Runs `cat`.
pub fn cat(app: &App, arguments: CatArguments) -> Result<CommandOutcome> {
    let CatArguments { topic, key, partition, from, to, replay, follow, limit } = arguments;
    let filter = RecordFilter { key, partition, from, to, limit };
    let stop = if follow { Some(signals::stop_flag()?) } else { None };
    let report = cat::cat(app, (&topic, replay.as_ref()), &filter, stop.as_deref(), &mut |record| {
        write(&(output::json_line(record)? + "\n"))
    })?;
    if report.undecodable == 0 {
        return Ok(CommandOutcome::Done);
    }
    eprint_line(&format!("{} of {} records could not be decoded", report.undecodable, report.records));
    Ok(CommandOutcome::Unbalanced)
}
