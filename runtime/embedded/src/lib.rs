//! The embedded log: topics, committed offsets and changelogs in one SQLite file, one SQL transaction per commit.
//!
//! Records are stored as record batches, not as rows; batches are compressed, and small ones are merged. One process runs the processors (guaranteed by a lock file); others may append and
//! read at the same time. SQLite runs in WAL mode with `synchronous=FULL`, so a commit survives `kill -9` and power loss, and offsets are
//! never reused.
//! Invariant: records, committed offsets and everything else of a commit are in one transaction. Compaction and merging keep offsets and stay
//! below the smallest committed offset of any consumer group.
//! Not here: the loop of a processor (`runtime::task`), the log on Kafka (`runtime-kafka`).
mod append;
mod backend;
mod checksum;
mod compaction;
mod error;
mod integrity;
mod lag_snapshot;
mod maintenance;
mod member;
mod merging;
mod offsets;
mod replay_log;
mod retention;
mod run_lock;
mod schema;
mod small_tables;
mod store;
mod stored_batch;
mod stored_records;
mod vacuum;

pub use backend::EmbeddedLog;
pub use error::missing_log;
pub use integrity::IntegrityReport;
pub use member::EmbeddedMember;
pub use replay_log::ReplayLog;
pub use run_lock::{RunLock, lock_holder};
pub use store::PartitionSize;
