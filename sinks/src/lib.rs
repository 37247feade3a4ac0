//! The sink: what stands in the table topics, as rows of a warehouse. Reading order: `change`, `window`, `halves`, `plan`,
//! `warehouse`, `tables` and `rows`, then the warehouses (`sqlite`, `bigquery`), then `grade`; for
//! replays `dates` and `compare`; `tally` to hold a warehouse against its log.
//!
//! Invariant: the content of a warehouse depends only on the newest record per key, never on how the records were cut into
//! batches, repeated or interrupted.
//! Not here: reading topics, storing plans, committing positions; the runtime does that and calls this.
pub mod backoff;
pub mod bigquery;
pub mod change;
pub mod compare;
pub mod counters;
pub mod dates;
pub mod grade;
pub mod halves;
pub mod plan;
pub mod rows;
mod said;
pub mod sqlite;
pub mod tables;
pub mod tally;
pub mod warehouse;
pub mod window;

pub use bigquery::BigQuery;
pub use change::{Change, Input, Position, Record};
pub use counters::Counters;
pub use dates::Dates;
pub use halves::halves;
pub use plan::{BatchId, BatchPlan, Recovery, Writer};
pub use sqlite::Sqlite;
pub use warehouse::{BadRecord, ContentHash, Standing, Warehouse, WarehouseError, Written};
pub use window::{Batch, CloseReason, Limits, Range, Ranges, Window};
