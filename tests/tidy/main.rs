//! Tidiness: what a reviewer would have to check in every change, checked by tests.
//!
//! Invariant: a rule that does not hold everywhere yet has a list of its exceptions beside this file, and no list grows.
//! Not here: formatting and lints (rustfmt, clippy), the drawn topology.
#![allow(clippy::unwrap_used, clippy::panic)]
mod crates;
mod documents;
mod files;
mod lists;
mod structure;
mod vocabulary;
