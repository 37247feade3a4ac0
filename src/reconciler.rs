//! Whether the warehouse holds what the log says: asked by `audit`, and by the sink itself once an hour.
//!
//! The warehouse is asked first and the log read after it, to its end: so all that a row can rest on is among what is read, and a row is
//! wrong only where nothing is on its way to it. A difference counts when it is there twice.
//!
//! Invariant: read-only; a sink that writes meanwhile makes games in flight, never wrong.
//! Not here: what is compared (`sinks::control_totals`).
use crate::topology::SINK;
use anyhow::{Context, Result};
use runtime::{LogBackend, dlq};
use schemas::wire;
use serde::Serialize;
use sinks::{
    SinkTopic, TopicPartitionOffset, Warehouse,
    control_totals::{Comparison, LatestByKey, TotalsMismatch, is_in_flight},
    rows,
};
use std::collections::BTreeSet;
use topics::TopicPartition;

/// Bytes that are read at a time: on Kafka each reading takes some calls.
const READ_BYTES: usize = 32 << 20;

/// What a comparison found.
#[derive(Serialize)]
pub struct Reconciliation {
    /// Why nothing was compared.
    pub skipped: Option<String>,
    /// Games compared, once per input.
    pub games: usize,
    /// Games with records that are not written yet, or rejected.
    pub in_flight: usize,
    pub mismatches: Vec<Mismatch>,
}
/// A game of which the warehouse does not hold what the log says.
#[derive(Serialize)]
pub struct Mismatch {
    pub topic: &'static str,
    pub game: String,
    pub rows_in_log: u64,
    pub rows_in_warehouse: u64,
}

/// Compares the warehouse with the log, unless it is told to stop meanwhile.
pub fn reconcile(
    log: &mut dyn LogBackend,
    warehouse: &dyn Warehouse,
    stop: &dyn Fn() -> bool,
) -> Result<Reconciliation> {
    let (writer_state, id) = (warehouse.writer_state()?, log.id()?);
    let why = match writer_state.log {
        Some(writer) if writer != id => Some(format!("log {writer} writes it, and this is log {id}")),
        None => Some("no log has written it yet".into()),
        Some(_) if writer_state.rebuilding => Some("it is being written from the start of the log".into()),
        Some(_) => None,
    };
    if let Some(why) = why {
        return Ok(Reconciliation::skipped(why));
    }
    let Some(mut comparison) = compare(log, warehouse, stop, false)? else {
        return Ok(Reconciliation::skipped("it was told to stop".into()));
    };
    // What compaction took while the log was read may look like a difference once, and no second time.
    if !comparison.mismatches.is_empty() {
        let Some(again) = compare(log, warehouse, stop, true)? else {
            return Ok(Reconciliation::skipped("it was told to stop".into()));
        };
        comparison.mismatches.retain(|mismatch| again.mismatches.contains(mismatch));
    }
    let to_mismatch = |mismatch: &TotalsMismatch| Mismatch {
        topic: mismatch.input.topic(),
        game: mismatch.game.to_string(),
        rows_in_log: mismatch.log.rows,
        rows_in_warehouse: mismatch.warehouse.rows,
    };
    Ok(Reconciliation {
        skipped: None,
        games: comparison.games,
        in_flight: comparison.in_flight,
        mismatches: comparison.mismatches.iter().map(to_mismatch).collect(),
    })
}
/// `is_thorough`: records of which no row can be made are looked for, too; their letters may have been purged.
fn compare(
    log: &mut dyn LogBackend,
    warehouse: &dyn Warehouse,
    stop: &dyn Fn() -> bool,
    is_thorough: bool,
) -> Result<Option<Comparison>> {
    let next = log.committed_offsets(SINK, &SinkTopic::ALL.map(SinkTopic::topic))?;
    let control_totals = warehouse.control_totals()?;
    let rejected = rejected(log)?;
    let mut newest = Vec::new();
    for input in SinkTopic::ALL {
        let mut latest = LatestByKey::new(input);
        for partition in 0..topics::PARTITIONS {
            let next = next.get(&TopicPartition::new(input.topic(), partition)).copied().unwrap_or(0);
            let mut from = 0;
            loop {
                if stop() {
                    return Ok(None);
                }
                let record_batches =
                    log.read(TopicPartition::new(input.topic(), partition), from, READ_BYTES)?;
                let Some(read_to) = record_batches.last().map(runtime::RecordBatch::next) else { break };
                for record in record_batches.iter().flat_map(runtime::RecordBatch::records) {
                    let record = record?;
                    let at = TopicPartitionOffset { input, partition, offset: record.offset };
                    let key = record.key.parse().map_err(anyhow::Error::msg);
                    let key = key.with_context(|| format!("the key of {at}"))?;
                    let is_live = match is_in_flight(at, next, &rejected) {
                        true => None,
                        false => makes_row(input, record.value, is_thorough)
                            .with_context(|| format!("the record {at}"))?,
                    };
                    latest.push(key, record.offset, is_live);
                }
                if read_to <= from {
                    break;
                }
                from = read_to;
            }
        }
        newest.push(latest);
    }
    Ok(Some(Comparison::new(&newest, &control_totals)))
}

/// What no row could be made of.
fn rejected(log: &mut dyn LogBackend) -> Result<BTreeSet<TopicPartitionOffset>> {
    let dead_letters = dlq::read(log, SINK)?.records;
    let of = dead_letters.into_iter().filter_map(|found| {
        let input = found.dead_letter.origin.parse().ok()?;
        Some(TopicPartitionOffset {
            input,
            partition: found.dead_letter.partition,
            offset: found.dead_letter.offset,
        })
    });
    Ok(of.collect())
}

/// Whether there is a row of a record that was written; `None`: none can be made.
fn makes_row(input: SinkTopic, value: Option<&[u8]>, is_thorough: bool) -> Result<Option<bool>> {
    let Some(bytes) = value else { return Ok(Some(false)) };
    Ok(match input {
        // Whoever did not play has a record and no row.
        SinkTopic::PlayerGames => rows::player_game(&wire::decode(bytes)?).ok().map(|row| row.is_some()),
        SinkTopic::Predictions if is_thorough => rows::prediction(&wire::decode(bytes)?).ok().map(|_| true),
        SinkTopic::Predictions | SinkTopic::Features => Some(true),
    })
}

impl Reconciliation {
    fn skipped(why: String) -> Reconciliation {
        Reconciliation { skipped: Some(why), games: 0, in_flight: 0, mismatches: Vec::new() }
    }
    /// In one line.
    pub fn summary(&self) -> String {
        let in_flight = match self.in_flight {
            0 => String::new(),
            n => format!("; of {n} games records are not written yet, or rejected"),
        };
        match (&self.skipped, self.mismatches.len()) {
            (Some(why), _) => format!("the warehouse was not compared with the log: {why}"),
            (None, 0) => {
                format!("the warehouse holds the log's newest records: {} games{in_flight}", self.games)
            }
            (None, n) => {
                let first: Vec<String> = self.mismatches.iter().take(3).map(Mismatch::summary).collect();
                format!(
                    "the warehouse differs from the log in {n} of {} games: {}{in_flight}",
                    self.games,
                    first.join("; ")
                )
            }
        }
    }
}
impl Mismatch {
    /// What differs, for a person.
    pub fn summary(&self) -> String {
        let Mismatch { topic, game, rows_in_log, rows_in_warehouse } = self;
        match rows_in_log == rows_in_warehouse {
            true => format!("{topic}, game {game}: {rows_in_log} rows, and not of the newest records"),
            false => format!(
                "{topic}, game {game}: {rows_in_log} rows in the log, {rows_in_warehouse} in the warehouse"
            ),
        }
    }
}
