//! The engine: processes input records and returns the results as a commit. It has no access to a log.
//!
//! Invariant: a commit depends on the records and the restored state alone; the engine uses no clock, no randomness and no I/O.
//! Not here: where records come from and where commits go (`broker`), the loop (`task`).
mod changelog_record;
mod codec;
mod derived_topics;
mod dlq_limits;
mod ledger;
mod materialized_view;
mod node;
mod stateless;
mod view_state;

pub use changelog_record::changelog_record;
pub use codec::{Input, Output, ParseOutputKey, stream, table};
pub use derived_topics::{changelog_topic, dlq_topic};
pub use dlq_limits::{AcceptedRecords, DlqLimits, RejectWindow};
pub use ledger::{LEDGER, append_ledger_entry};
pub use materialized_view::MaterializedViewNode;
pub use node::{ProcessorKind, ProcessorNode};
pub use stateless::{ProcessorOutput, RowCounts, StatelessNode, StatelessProcessor};
