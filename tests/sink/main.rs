//! Tests of the sink on a real log, with SQLite or the in-process fake of BigQuery as its warehouse.
//!
//! One test binary, because compiling and linking the fake takes longer than most of these tests.
//! Invariant: every test has its own log and its own warehouse.
//! Not here: the sink without a log (crate `sinks`), chaos on Kafka (`tests/kafka/chaos`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]
mod batch_split;
mod bigquery;
mod commits;
#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code)]
#[path = "../../sinks/tests/fakebq/mod.rs"]
mod fakebq;
#[path = "../fault_injection/mod.rs"]
mod fault_injection;
mod pending;
mod restored;
