//! The conformance suite against the in-process fake of BigQuery.
//!
//! Invariant: every test has its own fake service and clock.
//! Not here: faults (`faults`, `schedules`).

use crate::conformance;
use crate::conformance::done;
use crate::fakebq::Fake;
use schemas::Timestamp;
use sinks::{
    Batch, BatchId, BatchPlan, BigQuery, Progress, RowKey, SinkTopic, StoredBatch, Warehouse, WarehouseError,
    WriteSummary,
    control_totals::ControlTotalsByGame,
    warehouse::{ContentHash, WriterState},
};
use std::collections::HashSet;

/// A warehouse, and the fake service to which it writes.
struct WarehouseWithService {
    warehouse: BigQuery,
    #[allow(dead_code)]
    fake: Fake,
}
impl Warehouse for WarehouseWithService {
    fn writer_state(&self) -> Result<Progress<WriterState>, WarehouseError> {
        self.warehouse.writer_state()
    }
    fn acquire(&mut self, log: &str) -> Result<Progress<i64>, WarehouseError> {
        self.warehouse.acquire(log)
    }
    fn write(
        &mut self,
        batch: &Batch,
        plan: &BatchPlan,
        now: Timestamp,
    ) -> Result<Progress<WriteSummary>, WarehouseError> {
        self.warehouse.write(batch, plan, now)
    }
    fn newest_batch(&self, epoch: i64) -> Result<Progress<Option<StoredBatch>>, WarehouseError> {
        self.warehouse.newest_batch(epoch)
    }
    fn is_committed(&self, id: &BatchId) -> Result<Progress<bool>, WarehouseError> {
        self.warehouse.is_committed(id)
    }
    fn take_ownership(&mut self, log: &str) -> Result<Progress<i64>, WarehouseError> {
        self.warehouse.take_ownership(log)
    }
    fn delete_stale_epochs(&mut self, log: &str) -> Result<Progress<u64>, WarehouseError> {
        self.warehouse.delete_stale_epochs(log)
    }
    fn existing_keys(
        &self,
        keys: &[(SinkTopic, RowKey)],
    ) -> Result<Progress<HashSet<(SinkTopic, RowKey)>>, WarehouseError> {
        self.warehouse.existing_keys(keys)
    }
    fn counters(&self) -> sinks::Counters {
        self.warehouse.counters()
    }
    fn content_hashes(&self) -> Result<Progress<Vec<ContentHash>>, WarehouseError> {
        self.warehouse.content_hashes()
    }
    fn control_totals(&self) -> Result<Progress<ControlTotalsByGame>, WarehouseError> {
        self.warehouse.control_totals()
    }
}

conformance!(|| {
    let fake = Fake::start();
    let mut warehouse = fake.connect();
    done(warehouse.acquire(conformance::LOG)).unwrap();
    WarehouseWithService { warehouse, fake }
});
