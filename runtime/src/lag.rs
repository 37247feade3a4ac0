//! Consumer lag: how far each processor is behind, in records and in time, its trend, and its status.
//!
//! A sample is the progress of all processors in a log ([`ProcessorProgress`]). A [`LagMonitor`] keeps the samples of the last minute and
//! assesses them. Time lag is exact: it is the age of the first unread record. Nothing is configurable: the window and the thresholds are
//! constants.
//! Invariant: lag is 0 if there is no record at or after the committed offset, even if the end offset is higher, because offsets have
//! gaps. A status that cannot be known yet is `unknown`, never `ok`.
//! Not here: sampling a log (`LogReader::progress`), showing the lag (`src/lag.rs` of the binary, crate `console`).
mod assess;
mod monitor;
mod owner;
mod progress;
mod status;

#[cfg(test)]
mod laws;

pub use monitor::LagMonitor;
pub use owner::Owner;
pub use progress::{PartitionProgress, ProcessorProgress, Unread};
pub use status::{CatchUp, Lag, PartitionLag, ProcessorLag, Status, Trend};
