//! The sink: what stands in the table topics, as rows of a warehouse. Reading order: `record`, `window`, `split`, `plan`,
//! `warehouse`, `tables` and `rows`, then the warehouses (`sqlite`, `bigquery`), then `grading`; for
//! replays `date_filter` and `diff`; `control_totals` to hold a warehouse against its log.
//!
//! Invariant: the content of a warehouse depends only on the newest record per key, never on how the records were cut into
//! batches, repeated or interrupted.
//! Not here: reading topics, storing plans, committing positions; the runtime does that and calls this.
pub mod bigquery;
mod content_hash;
pub mod control_totals;
pub mod counters;
pub mod date_filter;
pub mod diff;
pub mod grading;
pub mod plan;
pub mod record;
pub mod retry;
pub mod rows;
pub mod split;
pub mod sqlite;
pub mod tables;
pub mod warehouse;
pub mod window;

pub use bigquery::BigQuery;
pub use counters::Counters;
pub use date_filter::DateRange;
pub use plan::{BatchId, BatchPlan, Recovery, WriterId};
pub use record::{Record, RecordChange, SinkTopic, TopicPartitionOffset};
pub use split::split;
pub use sqlite::Sqlite;
pub use warehouse::{BadRecord, ContentHash, Warehouse, WarehouseError, WriteSummary, WriterState};
pub use window::{Batch, BatchLimits, CloseReason, Range, Ranges, Window};
