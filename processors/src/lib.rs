//! The processors: what each revision of the topology decides, and nothing of how records reach it.
//!
//! There are two kinds. A *map* remembers nothing: one record in, some out (the loaders, the predictor). A *view* keeps, per
//! key, the rows of its input tables and publishes what `derive` says of them (everything in between).
//!
//! Invariant: the same state and the same record give the same answer on any machine in any year: no clock, randomness,
//! environment, file or network here (`clippy.toml` forbids them).
//! Not here: topics, offsets, commits; `runtime` has those, and `src/topology.rs` of the root joins the two.
pub mod fact_history;
pub mod feature_builder;
pub mod games;
pub mod loader;
pub mod markets;
pub mod materialized_view;
pub mod name_lookup;
pub mod name_resolver;
pub mod names;
pub mod predictor;
pub mod slate;
pub mod team_form;
#[cfg(test)]
mod view_test_driver;
