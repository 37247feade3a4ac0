//! The embedded log: topics, positions and changelogs in one SQLite file, one SQL transaction per commit.
//!
//! Records are stored as chunks, not rows. One process runs the processors (a lock file says who); others may append and read at
//! the same time. WAL, `synchronous=FULL`: a commit survives `kill -9` and power loss, so offsets are never used twice.
//! Invariant: a chunk, its positions and everything else of a commit are in one transaction. Compaction keeps offsets and stays
//! below the least position of any reader.
//! Not here: the loop (`log::run`).
mod backend;
mod compaction;
mod lag_snapshot;
mod member;
mod replay_log;
mod store;

pub use member::EmbeddedMember;
pub use store::{EmbeddedLog, RunLock, TopicState};
