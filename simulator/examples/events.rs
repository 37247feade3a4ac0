//! Writes simulated events to standard output as JSONL, for runs without the data of a real season:
//!
//! ```text
//! events                               a season with every fault
//! events night [season | polls]        a night of polling and the season before it, or only one of the two
//! events small-night [season | polls]  the same for a short night of two games
//! ```
//!
//! Invariant: every run writes the same events.
//! Not here: the simulation (the library).
use simulator::{Faults, Night, ScraperEvent, Season};
use std::io::{BufWriter, Error, ErrorKind, Result, Write};

const SEED: u64 = 11;
const START_YEAR: i16 = 2023;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut write = |event: ScraperEvent| writeln!(out, "{}", event.to_jsonl());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (night, part) = match arguments.as_slice() {
        [] => {
            let faults = Faults::all(0.2);
            let season = Season { teams: 8, games_per_team: 12, faults, ..Season::new(SEED, START_YEAR) };
            season.events().into_iter().try_for_each(&mut write)?;
            return out.flush();
        }
        ["night", part @ ..] => (Night::new(SEED, START_YEAR), part),
        ["small-night", part @ ..] => (Night::small(SEED, START_YEAR), part),
        _ => return Err(usage()),
    };
    if !matches!(part, [] | ["season"] | ["polls"]) {
        return Err(usage());
    }
    if part != ["polls"] {
        night.season_events().into_iter().try_for_each(&mut write)?;
    }
    if part != ["season"] {
        night.try_for_each(&mut write)?;
    }
    out.flush()
}

fn usage() -> Error {
    Error::new(ErrorKind::InvalidInput, "usage: events [night | small-night [season | polls]]")
}
