//! BigQuery as the warehouse: one MERGE per batch, sent as a job with a deterministic id.
//!
//! Reading order: `schema`, `ddl` and `sql` define tables and statements; `encode` converts records to rows; `write` writes a batch, with
//! `jobs` (sending and reusing jobs), `writer_lease` (one DML job at a time), `staging` (large batches), `bad_row_search` (rows that
//! BigQuery rejects) and `retry_policy` (retry delay or remediation of a failure).
//!
//! Invariant: whichever requests are lost or repeated and whichever instances are killed, a batch and its batch record are written
//! atomically, an older record never overwrites a newer one, and at most one DML job on the records is in flight over all instances. A call
//! waits at most half a minute for a job or query, except when it reads whole tables; a longer operation returns `Retry`, and the next call
//! continues it.
//! Not here: planning batches, sleeping between calls; the sink task does both.
mod api_client;
mod auth;
mod bad_row_search;
mod clock;
mod config;
mod ddl;
mod encode;
mod error;
mod jobs;
mod provisioning;
mod queries;
mod retry_policy;
pub mod schema;
pub mod sql;
mod sql_text;
mod staging;
mod write;
mod writer_lease;

pub use auth::Credentials;
pub use clock::{Clock, Monotonic};
pub use config::BigQueryConfig;
pub use ddl::{Definition, definitions};
pub use encode::{Encoded, encode};
pub use provisioning::SchemaDiff;
pub use schema::Names;

use crate::{
    control_totals::ControlTotalsByGame,
    counters::Counters,
    plan::{BatchId, BatchPlan},
    record::SinkTopic,
    retry::{FailureWindow, RateLimiter},
    tables::TABLES,
    warehouse::{ContentHash, Warehouse, WarehouseError, WriterState},
    window::Batch,
    write_summary::WriteSummary,
};
use schemas::{PlayerGameId, Timestamp};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

/// A warehouse in a BigQuery dataset.
pub struct BigQuery {
    api_client: api_client::ApiClient,
    names: Names,
    config: BigQueryConfig,
    clock: Arc<dyn Clock>,
    /// Rate limiter of the DML jobs on the table: BigQuery allows 25 within 10 s.
    statements: RateLimiter,
    /// Rate limiter of the metadata updates of the lease's table: BigQuery allows 5 within 10 s.
    labels: RateLimiter,
    /// Rate limiter of the job insertions of this process.
    inserts: RateLimiter,
    /// Recent failures; a successful operation resets the number of consecutive failures.
    failures: RefCell<FailureWindow>,
    /// A query that is still running: hash of its request, job id, and time of the last poll in milliseconds.
    pending_query: RefCell<Option<(blake3::Hash, String, i64)>>,
    search: Option<bad_row_search::Search>,
    attempts: BTreeMap<String, u32>,
    /// Ids of the jobs that this instance has sent for the current batch.
    sent_jobs: BTreeSet<String>,
    /// Id of the last job of this instance that is known to be done.
    last_done: Option<String>,
    /// Id of a job that is in the writer lease but does not exist, and time in milliseconds of the first lookup that did not find it.
    missing_holder: Option<(String, i64)>,
    /// Job id prefix of a batch that BigQuery rejected as too large for a parameter.
    oversized_job_prefix: Option<String>,
    last_staging_cleanup_ms: Option<i64>,
    is_prepared: bool,
    counters: RefCell<Counters>,
}

impl BigQuery {
    /// Creates the client and loads the credentials, without a call to BigQuery.
    ///
    /// # Errors
    /// `Config` if project, dataset, endpoint or credentials are not usable.
    pub fn connect(config: BigQueryConfig) -> Result<BigQuery, WarehouseError> {
        if config.project.is_empty() || config.dataset.is_empty() {
            return Err(WarehouseError::Config {
                what: "the BigQuery project or dataset is not configured".into(),
                next: "set bigquery-project and bigquery-dataset; `fastbreak config show` lists the keys"
                    .into(),
            });
        }
        Ok(BigQuery {
            api_client: api_client::ApiClient::connect(&config)?,
            names: config.names(),
            clock: config.clock.clone(),
            config,
            statements: RateLimiter::new(20, 10_000),
            labels: RateLimiter::new(4, 10_000),
            inserts: RateLimiter::new(8, 1_000),
            failures: RefCell::default(),
            pending_query: RefCell::default(),
            search: None,
            attempts: BTreeMap::new(),
            sent_jobs: BTreeSet::new(),
            last_done: None,
            missing_holder: None,
            oversized_job_prefix: None,
            last_staging_cleanup_ms: None,
            is_prepared: false,
            counters: RefCell::default(),
        })
    }
}

impl BigQuery {
    /// Resets the number of consecutive failures after a successful operation.
    fn clear_failures_if_ok<T>(&self, outcome: Result<T, WarehouseError>) -> Result<T, WarehouseError> {
        if outcome.is_ok() {
            self.failures.borrow_mut().clear();
        }
        outcome
    }
}

impl Warehouse for BigQuery {
    fn writer_state(&self) -> Result<WriterState, WarehouseError> {
        self.clear_failures_if_ok(self.load_writer_state())
    }
    fn acquire(&mut self, log: &str) -> Result<i64, WarehouseError> {
        let epoch = self.run_acquire(log);
        self.clear_failures_if_ok(epoch)
    }
    fn write(
        &mut self,
        batch: &Batch,
        plan: &BatchPlan,
        _now: Timestamp,
    ) -> Result<WriteSummary, WarehouseError> {
        let started_ms = self.clock.now_ms();
        let written = self.write_batch(batch, plan);
        self.counters.get_mut().milliseconds += (self.clock.now_ms() - started_ms) as u64;
        self.clear_failures_if_ok(written)
    }
    fn is_committed(&self, id: &BatchId) -> Result<bool, WarehouseError> {
        let found = self.committed_batch(id).map(|found| found.is_some());
        self.clear_failures_if_ok(found.map_err(|api_error| self.query_error(&api_error)))
    }
    /// Runs before each attempt of a write, so its success does not reset the number of consecutive failures.
    fn existing_keys(
        &self,
        keys: &[(SinkTopic, PlayerGameId)],
    ) -> Result<HashSet<(SinkTopic, PlayerGameId)>, WarehouseError> {
        self.read_existing_keys(keys).map_err(|api_error| self.query_error(&api_error))
    }
    fn take_ownership(&mut self, log: &str) -> Result<i64, WarehouseError> {
        let epoch = self.run_take_ownership(log);
        self.clear_failures_if_ok(epoch)
    }
    fn delete_stale_epochs(&mut self, log: &str) -> Result<u64, WarehouseError> {
        let deleted = self.run_delete_stale_epochs(log);
        self.clear_failures_if_ok(deleted)
    }
    fn counters(&self) -> Counters {
        self.counters.borrow().clone()
    }
    fn content_hashes(&self) -> Result<Vec<ContentHash>, WarehouseError> {
        let hash = |table| self.hash(table).map_err(|api_error| self.query_error(&api_error));
        TABLES.iter().map(hash).collect()
    }
    fn control_totals(&self) -> Result<ControlTotalsByGame, WarehouseError> {
        self.clear_failures_if_ok(
            self.read_control_totals().map_err(|api_error| self.query_error(&api_error)),
        )
    }
}
