//! The runtime: what stands between processors and a log.
//!
//! `engine` turns records into a `Commit`, a value that says everything one micro-batch makes durable; `log` has the two traits a
//! log must have (what wakes me; commit this) and the closed set of things that can wake a processor; `embedded` is a log in one
//! SQLite file.
//! Invariant: nothing is published outside a commit, and a commit is all or nothing.
//! Not here: what processors decide, which topics exist.
pub mod board;
pub mod chunk;
pub mod embedded;
pub mod engine;
pub mod kafka;
pub mod lag;
pub mod log;
pub mod member;
pub mod metered;
pub mod metrics;
pub mod supervisor;

pub use chunk::{Chunk, Record};
pub use engine::Node;
pub use log::{Commit, Halt, Log, Member, Restored, Source, Storage, Wake};
