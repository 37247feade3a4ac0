//! Whether the warehouse holds what the log says: asked by `audit`, and by the sink itself once an hour.
//!
//! The warehouse is asked first and the log read after it, to its end: so all that a row can rest on is among what is read, and a row is
//! wrong only where nothing is on its way to it. A difference counts when it is there twice.
//!
//! Invariant: read-only; a sink that writes meanwhile makes games open, never wrong.
//! Not here: what is compared (`sinks::tally`).
use crate::{dead_letters, topology::SINK};
use anyhow::{Context, Result};
use runtime::Storage;
use schemas::wire;
use serde::Serialize;
use sinks::{
    Input, Position, Warehouse, rows,
    tally::{Comparison, Difference, Newest, is_open},
};
use std::collections::BTreeSet;

/// Bytes that are read at a time: on Kafka each reading takes some calls.
const PIECE: usize = 32 << 20;

/// What a comparison found.
#[derive(Serialize)]
pub struct Agreement {
    /// Why nothing was compared.
    pub not_compared: Option<String>,
    /// Games compared, once per input.
    pub games: usize,
    /// Games with records that are not written yet, or rejected.
    pub open: usize,
    pub differences: Vec<Differing>,
}
/// A game of which the warehouse does not hold what the log says.
#[derive(Serialize)]
pub struct Differing {
    pub topic: &'static str,
    pub game: String,
    pub rows_in_log: u64,
    pub rows_in_warehouse: u64,
}

/// Compares the warehouse with the log, unless it is told to stop meanwhile.
pub fn look(log: &mut dyn Storage, warehouse: &dyn Warehouse, stop: &dyn Fn() -> bool) -> Result<Agreement> {
    let (standing, id) = (warehouse.standing()?, log.id()?);
    let why = match standing.log {
        Some(writer) if writer != id => Some(format!("log {writer} writes it, and this is log {id}")),
        None => Some("no log has written it yet".into()),
        Some(_) if standing.adopting => Some("it is being written from the start of the log".into()),
        Some(_) => None,
    };
    if let Some(why) = why {
        return Ok(Agreement::not(why));
    }
    let Some(mut comparison) = compare(log, warehouse, stop, false)? else {
        return Ok(Agreement::not("it was told to stop".into()));
    };
    // What compaction took while the log was read may look like a difference once, and no second time.
    if !comparison.differences.is_empty() {
        let Some(again) = compare(log, warehouse, stop, true)? else {
            return Ok(Agreement::not("it was told to stop".into()));
        };
        comparison.differences.retain(|difference| again.differences.contains(difference));
    }
    let differing = |difference: &Difference| Differing {
        topic: difference.input.topic(),
        game: difference.game.to_string(),
        rows_in_log: difference.log.rows,
        rows_in_warehouse: difference.warehouse.rows,
    };
    Ok(Agreement {
        not_compared: None,
        games: comparison.games,
        open: comparison.open,
        differences: comparison.differences.iter().map(differing).collect(),
    })
}
/// `is_thorough`: records of which no row can be made are looked for, too; their letters may have been purged.
fn compare(
    log: &mut dyn Storage,
    warehouse: &dyn Warehouse,
    stop: &dyn Fn() -> bool,
    is_thorough: bool,
) -> Result<Option<Comparison>> {
    let next = log.positions(SINK, &Input::ALL.map(Input::topic))?;
    let tallies = warehouse.tallies()?;
    let rejected = rejected(log)?;
    let mut newest = Vec::new();
    for input in Input::ALL {
        let mut of_input = Newest::of(input);
        for partition in 0..topics::PARTITIONS {
            let next = next.get(&(input.topic().to_owned(), partition)).copied().unwrap_or(0);
            let mut from = 0;
            loop {
                if stop() {
                    return Ok(None);
                }
                let chunks = log.read(input.topic(), partition, from, PIECE)?;
                let Some(read_to) = chunks.last().map(runtime::Chunk::next) else { break };
                for record in chunks.iter().flat_map(runtime::Chunk::records) {
                    let record = record?;
                    let at = Position { input, partition, offset: record.offset };
                    let key = record.key.parse().map_err(anyhow::Error::msg);
                    let key = key.with_context(|| format!("the key of {at}"))?;
                    let is_live = match is_open(at, next, &rejected) {
                        true => None,
                        false => makes_row(input, record.value, is_thorough)
                            .with_context(|| format!("the record {at}"))?,
                    };
                    of_input.push(key, record.offset, is_live);
                }
                if read_to <= from {
                    break;
                }
                from = read_to;
            }
        }
        newest.push(of_input);
    }
    Ok(Some(Comparison::of(&newest, &tallies)))
}

/// What no row could be made of.
fn rejected(log: &mut dyn Storage) -> Result<BTreeSet<Position>> {
    let letters = dead_letters::read(log, SINK)?.0;
    let of = letters.into_iter().filter_map(|found| {
        let input = found.letter.origin.parse().ok()?;
        Some(Position { input, partition: found.letter.partition, offset: found.letter.offset })
    });
    Ok(of.collect())
}

/// Whether there is a row of a record that was written; `None`: none can be made.
fn makes_row(input: Input, value: Option<&[u8]>, is_thorough: bool) -> Result<Option<bool>> {
    let Some(bytes) = value else { return Ok(Some(false)) };
    Ok(match input {
        // Whoever did not play has a record and no row.
        Input::PlayerGames => rows::player_game(&wire::decode(bytes)?).ok().map(|row| row.is_some()),
        Input::Predictions if is_thorough => rows::prediction(&wire::decode(bytes)?).ok().map(|_| true),
        Input::Predictions | Input::Features => Some(true),
    })
}

impl Agreement {
    fn not(why: String) -> Agreement {
        Agreement { not_compared: Some(why), games: 0, open: 0, differences: Vec::new() }
    }
    /// In one line.
    pub fn said(&self) -> String {
        let open = match self.open {
            0 => String::new(),
            n => format!("; of {n} games records are not written yet, or rejected"),
        };
        match (&self.not_compared, self.differences.len()) {
            (Some(why), _) => format!("the warehouse was not compared with the log: {why}"),
            (None, 0) => format!("the warehouse holds the log's newest records: {} games{open}", self.games),
            (None, n) => {
                let first: Vec<String> = self.differences.iter().take(3).map(Differing::said).collect();
                format!(
                    "the warehouse differs from the log in {n} of {} games: {}{open}",
                    self.games,
                    first.join("; ")
                )
            }
        }
    }
}
impl Differing {
    /// What differs, for a person.
    pub fn said(&self) -> String {
        let Differing { topic, game, rows_in_log, rows_in_warehouse } = self;
        match rows_in_log == rows_in_warehouse {
            true => format!("{topic}, game {game}: {rows_in_log} rows, and not of the newest records"),
            false => format!(
                "{topic}, game {game}: {rows_in_log} rows in the log, {rows_in_warehouse} in the warehouse"
            ),
        }
    }
}
