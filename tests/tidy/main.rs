//! Tidiness: tests of rules that a reviewer would otherwise have to check in every change.
//!
//! Invariant: a rule that is not followed everywhere yet has a list of its exceptions in this folder, and no list grows.
//! Not here: formatting and lints (rustfmt, clippy), the drawing of the topology (`tests/topology.rs`).
#![allow(clippy::unwrap_used, clippy::panic)]
mod crates;
mod documents;
mod files;
mod lists;
mod structure;
mod vocabulary;
