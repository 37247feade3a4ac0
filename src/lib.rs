//! Fastbreak: raw NBA scraper events in, player-points predictions out.
//!
//! Read `topology` first. Invariant: one topology for live runs, replays and tests.
//! Not here: what processors decide (crate `processors`), how they run (crate `runtime`).
mod maps;
pub mod topology;
