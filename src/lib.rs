//! Fastbreak: raw NBA scraper events in, player-points predictions out.
//!
//! Read `topology` first. Invariant: one topology for live runs, replays and tests.
//! Not here: what processors decide (crate `processors`), how they run (crate `runtime`).
pub mod agreement;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod console;
pub mod dead_letters;
pub mod ingest;
pub mod lag;
pub mod lines;
mod maps;
pub mod pipeline;
pub mod reading;
pub mod registry;
pub mod replay;
pub mod sink;
pub mod storage;
pub mod topology;
pub mod warehouse;
