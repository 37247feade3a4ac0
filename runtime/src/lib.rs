//! The runtime: what stands between processors and a log.
//!
//! `engine` turns records into a `Commit`, a value that says everything one micro-batch makes durable; `log` has the two traits a
//! log must have (what wakes me; commit this) and the closed set of things that can wake a processor; `embedded` is a log in one
//! SQLite file.
//! Invariant: nothing is published outside a commit, and a commit is all or nothing.
//! Not here: what processors decide, which topics exist.
pub mod embedded;
pub mod engine;
pub mod instrumented;
pub mod kafka;
pub mod lag;
pub mod log;
pub mod metrics;
pub mod progress_board;
pub mod record_batch;
pub mod subscription;
pub mod supervisor;

pub use engine::ProcessorNode;
pub use log::{Commit, GroupMember, Log, LogBackend, Restored, RuntimeError, Source, TaskEvent};
pub use record_batch::{Record, RecordBatch};
