//! The embedded log: topics, committed offsets and changelogs in one SQLite file, one SQL transaction per commit.
//!
//! Records are stored as record batches, not as rows. One process runs the processors (guaranteed by a lock file); others may append and
//! read at the same time. SQLite runs in WAL mode with `synchronous=FULL`, so a commit survives `kill -9` and power loss, and offsets are
//! never reused.
//! Invariant: records, committed offsets and everything else of a commit are in one transaction. Compaction keeps offsets and stays
//! below the smallest committed offset of any consumer group.
//! Not here: the loop of a processor (`runtime::task`), the log on Kafka (`runtime-kafka`).
mod append;
mod backend;
mod compaction;
mod error;
mod lag_snapshot;
mod member;
mod offsets;
mod replay_log;
mod run_lock;
mod store;

pub use backend::EmbeddedLog;
pub use member::EmbeddedMember;
pub use replay_log::ReplayLog;
pub use run_lock::RunLock;
pub use store::PartitionSize;
