//! Tests of the console over HTTP.
//!
//! Invariant: every test has its own server.
//! Not here: the checks of a running process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#[path = "../common/mod.rs"]
mod common;
mod connections;
mod health;
mod page;
