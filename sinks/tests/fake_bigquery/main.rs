//! Tests of the sink against the in-process fake of BigQuery.
//!
//! One test binary, because compiling and linking the fake takes longer than most of these tests.
//! Invariant: every test has its own fake service and clock.
//! Not here: BigQuery's SQL (`emulator`), SQLite (`sqlite`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]
#[path = "../conformance/mod.rs"]
mod conformance;
mod credentials;
#[path = "../driven/mod.rs"]
mod driven;
#[allow(dead_code)]
#[path = "../fakebq/mod.rs"]
mod fakebq;
mod faults;
mod schedules;
mod stops;
mod suite;
mod waits;
