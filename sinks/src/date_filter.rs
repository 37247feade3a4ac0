//! Which games a replay's sink writes: those of some days.
//!
//! A batch is narrowed just before it is written, so its ranges, its plan and its id are those of any sink.
//! Invariant: what a warehouse holds after a narrowed batch depends on the newest record per key alone: a game that moves to a day
//! outside takes its rows with it.
//! Not here: the batches (`window`), the warehouse.
use crate::{
    record::Record,
    warehouse::{Warehouse, WarehouseError},
    window::Batch,
};
use schemas::EasternDate;
use std::{collections::HashSet, fmt};

/// Eastern game days, the first and the last included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateRange {
    pub from: EasternDate,
    pub to: EasternDate,
}
impl DateRange {
    pub fn contains(self, date: EasternDate) -> bool {
        self.from <= date && date <= self.to
    }
    /// Takes out of a batch what is of no game of these days, and counts it as filtered. Where the warehouse has a row of such a key, the
    /// record says that there is none any more. To do it twice is to do it once.
    pub fn filter_batch(self, batch: &mut Batch, warehouse: &dyn Warehouse) -> Result<(), WarehouseError> {
        let is_inside = |record: &Record| record.change.date().is_some_and(|date| self.contains(date));
        let key = |record: &Record| (record.at.input, record.change.id());
        let filtered: Vec<_> = batch.records.iter().filter(|record| !is_inside(record)).map(key).collect();
        let existing =
            if filtered.is_empty() { HashSet::new() } else { warehouse.existing_keys(&filtered)? };
        let before = batch.records.len();
        batch.records.retain(|record| is_inside(record) || existing.contains(&key(record)));
        batch.filtered += before - batch.records.len();
        for record in batch.records.iter_mut().filter(|record| !is_inside(record)) {
            record.change = record.change.tombstone();
        }
        Ok(())
    }
}
impl fmt::Display for DateRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.from, self.to)
    }
}
