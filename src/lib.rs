//! Fastbreak: an event-sourced stream processor from raw NBA scraper events to player-points predictions.
//!
//! Read `topology` first. Invariant: live runs, replays and tests use the same topology.
//! Not here: the decisions of the processors (crate `processors`), the stream runtime (crate `runtime`), warehouses (crate `sinks`).
mod artifact;
mod await_done;
pub mod cli;
pub mod config;
pub mod error_chain;
pub mod http_server;
pub mod ingest;
pub mod lag;
pub mod namespace;
pub mod pipeline;
pub mod redrive;
pub mod registry;
pub mod replay;
pub mod sink_target;
mod stderr;
pub mod storage;
pub mod topology;
pub mod warehouse;
