//! Writes the events of a simulated season to standard output as JSONL, for runs without the data of a real season.
//!
//! Invariant: every run writes the same events.
//! Not here: the simulation (the library).
use std::io::Write;

fn main() -> std::io::Result<()> {
    let mut season = simulator::Season::new(11, 2023);
    (season.teams, season.games_per_team) = (8, 12);
    season.faults = simulator::Faults::all(0.2);
    let mut out = std::io::stdout().lock();
    season.events().iter().try_for_each(|event| writeln!(out, "{}", event.to_jsonl()))
}
