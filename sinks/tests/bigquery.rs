//! The conformance suite over BigQuery, as the in-process fake has it.
//!
//! Invariant: every test has a service and a clock of its own.
//! Not here: faults (`faults`, `schedules`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#[allow(dead_code)]
mod conformance;
#[allow(dead_code)]
mod fakebq;

use fakebq::Fake;
use schemas::Instant;
use sinks::{
    Batch, BatchId, BatchPlan, BigQuery, Warehouse, WarehouseError, Written,
    tally::Tallies,
    warehouse::{ContentHash, Standing},
};

/// A warehouse that brings its service along.
struct Whole {
    warehouse: BigQuery,
    #[allow(dead_code)]
    fake: Fake,
}
impl Warehouse for Whole {
    fn standing(&self) -> Result<Standing, WarehouseError> {
        self.warehouse.standing()
    }
    fn claim(&mut self, log: &str) -> Result<i64, WarehouseError> {
        self.warehouse.claim(log)
    }
    fn write(&mut self, batch: &Batch, plan: &BatchPlan, at: Instant) -> Result<Written, WarehouseError> {
        self.warehouse.write(batch, plan, at)
    }
    fn is_committed(&self, id: &BatchId) -> Result<bool, WarehouseError> {
        self.warehouse.is_committed(id)
    }
    fn adopt(&mut self, log: &str) -> Result<i64, WarehouseError> {
        self.warehouse.adopt(log)
    }
    fn finish_adoption(&mut self, log: &str) -> Result<u64, WarehouseError> {
        self.warehouse.finish_adoption(log)
    }
    fn held(
        &self,
        keys: &[(sinks::Input, schemas::PlayerGameId)],
    ) -> Result<std::collections::HashSet<(sinks::Input, schemas::PlayerGameId)>, WarehouseError> {
        self.warehouse.held(keys)
    }
    fn counters(&self) -> sinks::Counters {
        self.warehouse.counters()
    }
    fn content_hashes(&self) -> Result<Vec<ContentHash>, WarehouseError> {
        self.warehouse.content_hashes()
    }
    fn tallies(&self) -> Result<Tallies, WarehouseError> {
        self.warehouse.tallies()
    }
}

conformance!(|| {
    let fake = Fake::start();
    let mut warehouse = fake.connect();
    warehouse.claim(conformance::LOG).unwrap();
    Whole { warehouse, fake }
});
