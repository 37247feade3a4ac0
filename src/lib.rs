//! Fastbreak: raw NBA scraper events in, player-points predictions out.
//!
//! Read `topology` first. Invariant: one topology for live runs, replays and tests.
//! Not here: what processors decide (crate `processors`), how they run (crate `runtime`).
pub mod cli;
pub mod config;
pub mod http_server;
pub mod ingest;
pub mod lag;
pub mod pipeline;
pub mod reconciler;
pub mod redrive;
pub mod registry;
pub mod replay;
pub mod sink;
pub mod storage;
pub mod topology;
pub mod warehouse;
