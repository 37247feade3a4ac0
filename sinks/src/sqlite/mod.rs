//! The local warehouse: one SQLite file that any SQL tool can read while the sink writes to it.
//!
//! Invariant: one SQL transaction checks log and epoch of the writer, and writes a batch and its batch record in `sink_batches`.
//! Not here: the content of the rows (`tables`, `rows`).
mod content;
mod ddl;
mod error;
mod examine;
mod migration;
mod queries;
mod query_copy;
mod snapshot;
mod warehouse;
mod write;

pub use examine::{WarehouseExamination, examine};
pub use queries::{Coverage, PlayerSlate, Span, SystemLine, WarehouseQueries};
pub use query_copy::QueryCopy;
pub use snapshot::Snapshot;
pub use warehouse::Sqlite;
