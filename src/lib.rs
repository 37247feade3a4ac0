//! Fastbreak: an event-sourced stream processor from raw NBA scraper events to player-points predictions.
//!
//! Read `topology` first. Invariant: live runs, replays and tests use the same topology.
//! Not here: the decisions of the processors (crate `processors`), the stream runtime (crate `runtime`), warehouses (crate `sinks`).
pub mod app;
pub mod audit;
mod await_done;
pub mod backup;
pub mod bench;
pub mod cat;
pub mod cli;
pub mod config;
mod continuity;
pub mod dead_letters;
pub mod demo;
pub mod doctor;
pub mod error_chain;
pub mod grade;
pub mod http_server;
pub mod ingest;
pub mod lag;
pub mod lineage;
pub mod links;
pub mod names;
pub mod namespace;
pub mod pipeline;
mod precondition;
pub mod read_progress;
pub mod reasons;
pub mod redrive;
pub mod registry;
pub mod replay;
pub mod restore;
pub mod retract;
pub mod run;
pub mod schema_registration;
pub mod service_notification;
pub mod sink_rebuild;
pub mod sink_target;
pub mod slate;
mod summarize;
pub mod topic_admin;
pub mod topology;
pub mod training;
pub mod usage_error;
pub mod warehouse;
