//! Commands of the binary in the hands of an operator: what they may write, what they refuse, and what they say.
//!
//! Invariant: every test runs the binary on a folder of its own.
//! Not here: the results of the commands (one test file per use case).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]
mod cat;
#[path = "../common/mod.rs"]
mod common;
mod damage;
mod doors;
mod explain;
mod lost_files;
mod modes;
mod output;
mod packaging;
mod read_only;
mod refusals;
mod restored;
mod running;
mod secrets;
mod service_notification;
mod status;
mod support;
mod training;
