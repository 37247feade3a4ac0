//! The processors: the pure logic of each step of the topology, without the transport of records.
//!
//! There are two kinds. A *stateless processor* maps one record to output records (the loaders, the predictor). A *materialized view*
//! stores, per key, the rows of its input tables and publishes the rows that `derive` computes from them (all other processors).
//!
//! Invariant: the same state and the same record give the same output on any machine at any time. The code uses no clock, randomness,
//! environment, file or network (`clippy.toml` forbids clock, environment and files).
//! Not here: topics, offsets and commits (crate `runtime`), the wiring of processors and topics (`src/topology.rs` of the binary).
mod ewma;
pub mod feature_builder;
pub mod fixtures;
pub mod games;
pub mod history;
pub mod loader;
pub mod markets;
pub mod materialized_view;
mod member_history;
pub mod memberships;
pub mod name_lookup;
pub mod name_resolver;
pub mod names;
pub mod odds_events;
pub mod predictor;
pub mod slate;
pub mod team_form;
#[cfg(test)]
mod view_test_driver;
