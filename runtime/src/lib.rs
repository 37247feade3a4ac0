//! The stream runtime: runs processors on a log. This crate has only the traits of a log, not a client of Kafka or SQLite.
//!
//! `engine` turns records into a `Commit`, a value with everything that one micro-batch makes durable; `commit` has that value and the
//! events of a task; `broker` has the traits that a log implements; `task` is the loop of one processor; `supervisor` runs all of them.
//! Invariant: nothing is published outside a commit, and a commit is atomic.
//! Not here: what processors decide (crate `processors`), which topics exist (crate `topics`), the logs (`runtime-kafka`,
//! `runtime-embedded`).
pub mod broker;
pub mod clock;
pub mod commit;
pub mod dlq;
pub mod engine;
pub mod error;
pub mod inspect;
pub mod instrumented;
pub mod lag;
pub mod metrics;
pub mod progress_board;
pub mod record_batch;
pub mod stored_record;
pub mod subscription;
pub mod supervisor;
pub mod task;

pub use broker::{GroupMember, LogAdmin, LogBackend, LogReader, LogWriter};
pub use commit::{Commit, DeadLetterRecord, RawEventRecord, RecordCount, Restored, TaskEvent};
pub use engine::ProcessorNode;
pub use error::{CommitError, RuntimeError};
pub use record_batch::{Record, RecordBatch};
pub use stored_record::{ReadSize, StoredRecord, StoredRecords, StoredValue};
