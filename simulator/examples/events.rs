//! Writes a simulated season's events to standard output, as JSONL: input for runs that have no real season.
//!
//! Invariant: the same events at every call.
//! Not here: what is simulated (the crate).
use std::io::Write;

fn main() -> std::io::Result<()> {
    let mut season = simulator::Season::new(11, 2023);
    (season.teams, season.games_per_team) = (8, 12);
    season.faults = simulator::Faults::all(0.2);
    let mut out = std::io::stdout().lock();
    season.events().iter().try_for_each(|event| writeln!(out, "{}", event.to_jsonl()))
}
