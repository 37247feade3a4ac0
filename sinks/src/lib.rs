//! Library of the sink: stores the newest record of each key of the table topics as rows of a warehouse.
//!
//! Reading order: `record`, `window`, `split`, `plan`, `recovery`, `progress`, `warehouse`, `tables` and `rows`, then the warehouses (`sqlite`, `bigquery`), then
//! `grading`. Only replays use `date_filter` and `diff`. `reconciler` compares a warehouse with its log by `control_totals`,
//! `continuity` by the newest batch and plan. `task` is the
//! sink task: it reads the topics, stores plans, writes batches with this library, and commits offsets.
//!
//! Invariant: the content of a warehouse depends only on the newest record per key, never on how the records were split into
//! batches, nor on repeated or interrupted writes.
//! Not here: the log and its group members (crate `runtime`).
pub mod bigquery;
mod column;
mod content_hash;
pub mod continuity;
pub mod control_totals;
pub mod counters;
pub mod date_filter;
pub mod diff;
mod feature_columns;
pub mod grading;
pub mod plan;
mod progress;
pub mod reconciler;
pub mod record;
pub mod recovery;
pub mod retry;
pub mod rows;
mod sink_error;
pub mod split;
pub mod sqlite;
pub mod subscription;
pub mod tables;
pub mod task;
pub mod views;
pub mod warehouse;
pub mod window;
mod write_summary;

pub use bigquery::BigQuery;
pub use counters::Counters;
pub use date_filter::DateRange;
pub use plan::{BatchId, BatchPlan, StoredBatch, WriterId};
pub use progress::Progress;
pub use record::{KeyPart, Record, RecordChange, RowKey, SinkTopic, TopicPartitionOffset};
pub use recovery::{Recovery, StoredBatches};
pub use sink_error::SinkError;
pub use split::split;
pub use sqlite::Sqlite;
pub use subscription::SINK;
pub use warehouse::{BadRecord, ContentHash, Warehouse, WarehouseError, WriterState};
pub use window::{Batch, BatchLimits, CloseReason, Range, Ranges, Window};
pub use write_summary::WriteSummary;
