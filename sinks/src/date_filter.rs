//! Date filter for the sink of a replay, which writes only the games of a range of days.
//!
//! A batch is filtered just before it is written, so its ranges, plan and id equal those of a sink without the filter.
//!
//! Invariant: the content after a filtered batch depends only on the newest record per key: if a game moves to a day outside the range, its
//! rows are deleted.
//! Not here: collecting a batch (`window`), writing it (`warehouse`).
use crate::{
    progress::Progress,
    record::Record,
    warehouse::{Warehouse, WarehouseError},
    window::Batch,
};
use schemas::EasternDate;
use std::{collections::HashSet, fmt};

/// Range of Eastern game days, first and last included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateRange {
    pub from: EasternDate,
    pub to: EasternDate,
}
impl DateRange {
    pub fn contains(self, date: EasternDate) -> bool {
        self.from <= date && date <= self.to
    }
    /// Removes the records of games outside the range from a batch and counts them as filtered. A record whose key has a row in the
    /// warehouse is not removed, but becomes a tombstone. The operation is idempotent. While the query of the existing keys is still running,
    /// the batch is unchanged.
    ///
    /// # Errors
    /// The warehouse cannot be queried.
    pub fn filter_batch(
        self,
        batch: &mut Batch,
        warehouse: &dyn Warehouse,
    ) -> Result<Progress<()>, WarehouseError> {
        let is_inside = |record: &Record| record.change.date().is_some_and(|date| self.contains(date));
        let key = |record: &Record| (record.coordinates.input, record.change.key());
        let filtered: Vec<_> = batch.records.iter().filter(|record| !is_inside(record)).map(key).collect();
        let existing = if filtered.is_empty() {
            HashSet::new()
        } else {
            match warehouse.existing_keys(&filtered)? {
                Progress::Done(existing) => existing,
                Progress::Pending(what) => return Ok(Progress::Pending(what)),
            }
        };
        let before = batch.records.len();
        batch.records.retain(|record| is_inside(record) || existing.contains(&key(record)));
        batch.filtered += before - batch.records.len();
        for record in batch.records.iter_mut().filter(|record| !is_inside(record)) {
            record.change = record.change.tombstone();
        }
        Ok(Progress::Done(()))
    }
}
impl fmt::Display for DateRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.from, self.to)
    }
}
