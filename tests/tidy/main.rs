//! Tidiness: tests of rules that a reviewer would otherwise have to check in every change.
//!
//! Invariant: existing exceptions to a rule are listed in a file in this folder, and no list grows.
//! Not here: formatting and lints (rustfmt, clippy), the drawing of the topology (`tests/topology.rs`).
#![allow(clippy::unwrap_used, clippy::panic)]
mod binary;
mod crates;
mod documents;
mod files;
mod lists;
mod structure;
mod vocabulary;
