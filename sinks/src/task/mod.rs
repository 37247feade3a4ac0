//! The sink task: collects the records of three table topics into batches, plans each batch in the log, writes it to the warehouse in one
//! transaction, and commits its offsets.
//!
//! Reading order: `sink_task` (handles the task events), `recovery` (what an instance does first when it becomes the writer),
//! `batch_writer` (plan, write, commit), then the modules that these use: `sink_log`, `retrying_warehouse`, `reject_tracker`,
//! `reconciliation_schedule`.
//!
//! Invariant: each batch is planned, written and committed, in this order. After a restart the batch of the newest plan is built again from
//! the plan's ranges; if the warehouse already has the batch, it recognizes the batch by its id.
//! Not here: closing batches (`window`), the content of a plan (`plan`), writing rows (the trait `Warehouse`).
mod batch_writer;
mod decode;
mod metrics;
mod reconciliation_schedule;
mod recovery;
mod reject_tracker;
mod retrying_warehouse;
mod sink_log;
mod sink_task;

pub use sink_task::{SinkConfig, WarehouseFactory, sink_task};
