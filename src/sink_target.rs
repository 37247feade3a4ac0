//! The warehouse that one sink task writes, and the games that it writes there.
//!
//! Invariant: `run` writes all games to the configured warehouse; a replay writes only the games of its dates, and only to its own
//! warehouse.
//! Not here: opening a warehouse (`warehouse`), filtering by date (crate `sinks`).
use crate::warehouse::WarehouseTarget;
use runtime::engine::AcceptedRecords;
use sinks::DateRange;

/// Destination of a sink task.
pub struct SinkTarget {
    pub warehouse: WarehouseTarget,
    /// The sink writes only the games of these dates; `None` if it writes all games.
    pub dates: Option<DateRange>,
    /// Records that do not count for the DLQ limits.
    pub accepted: AcceptedRecords,
}
