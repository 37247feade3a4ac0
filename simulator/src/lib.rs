//! An invented season, or a night of polling after one: seeded, deterministic, in the payload shapes of the sources, with faults.
//!
//! Used by the demo, the tests and the benches. No data is copied from a source: players, ids, scores and lines are invented.
//!
//! Invariant: the same [`Season`] or [`Night`] gives the same bytes on any machine at any time. The simulation reads no clock,
//! environment or files.
//! Not here: processing of the events (crate `processors`).
mod calendar;
mod event;
mod feeds;
mod fetches;
mod league;
mod names;
mod night;
mod odds_fetches;
mod parameters;
mod play;
mod publish;
mod random;
mod retractions;
mod scenario;
mod world;

pub use event::ScraperEvent;
pub use night::Night;
pub use parameters::{Faults, Season};
pub use retractions::retractions;
pub use scenario::{GameDay, game_day, tiny};
