//! `BigQuery`, the warehouse in a BigQuery dataset: connects its parts and implements the interface of a warehouse with them.
//!
//! Invariant: a successful operation resets the number of consecutive failures.
//! Not here: the operations themselves (`writer`, `queries`, `provisioning`).
use super::{
    api_client::ApiClient,
    clock::Clock,
    config::BigQueryConfig,
    ddl::Definition,
    provisioning::{Provisioning, SchemaDiff},
    queries::Queries,
    retry_policy::RetryPolicy,
    shared_counters::SharedCounters,
    writer::Writer,
};
use crate::{
    control_totals::ControlTotalsByGame,
    counters::Counters,
    plan::{BatchId, BatchPlan},
    record::SinkTopic,
    sqlite::{QueryCopy, WarehouseQueries},
    tables::TABLES,
    warehouse::{ContentHash, Warehouse, WarehouseError, WriterState},
    window::Batch,
    write_summary::WriteSummary,
};
use schemas::{PlayerGameId, Timestamp};
use std::{collections::HashSet, sync::Arc};

/// A warehouse in a BigQuery dataset.
pub struct BigQuery {
    provisioning: Provisioning,
    queries: Arc<Queries>,
    writer: Writer,
    retry_policy: Arc<RetryPolicy>,
    counters: SharedCounters,
    clock: Arc<dyn Clock>,
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
        let api = Arc::new(ApiClient::connect(&config)?);
        let counters = SharedCounters::default();
        let retry_policy = Arc::new(RetryPolicy::new(&config, counters.clone()));
        let queries = Arc::new(Queries::new(&config, api.clone()));
        Ok(BigQuery {
            provisioning: Provisioning::new(&config, api.clone(), queries.clone(), retry_policy.clone()),
            writer: Writer::new(&config, api, queries.clone(), retry_policy.clone(), counters.clone()),
            queries,
            retry_policy,
            counters,
            clock: config.clock,
        })
    }
    /// Returns the definitions of all tables and views, which `warehouse ddl` prints.
    pub fn ddl(&self) -> Vec<Definition> {
        self.provisioning.ddl()
    }
    /// Compares the dataset with the definitions of its tables and views.
    pub fn plan(&self) -> Result<SchemaDiff, WarehouseError> {
        self.provisioning.plan()
    }
    /// Creates missing datasets, tables, columns and views, replaces changed views, and returns the number of created datasets and
    /// executed statements.
    ///
    /// # Errors
    /// `Config` if a column has a different type than in its definition.
    pub fn apply(&mut self) -> Result<usize, WarehouseError> {
        self.provisioning.apply()
    }
    /// Deletes both datasets with their content.
    pub fn discard(self) -> Result<(), WarehouseError> {
        self.provisioning.discard()
    }
    /// Copies all live rows into a temporary SQLite file, so that the read queries of SQLite run on them.
    pub fn copy_live_rows(&self) -> Result<WarehouseQueries, WarehouseError> {
        let copy = QueryCopy::new()?;
        let mut failed = None;
        for table in &TABLES {
            let read = self.queries.live_rows(table, &mut |row| {
                copy.put(table, row).map_err(|error| {
                    let what = error.to_string();
                    failed = Some(error);
                    what
                })
            });
            match failed.take() {
                Some(error) => return Err(error),
                None => read.map_err(|api_error| self.retry_policy.query_error(&api_error))?,
            }
        }
        copy.finish()
    }
    fn prepare_and_acquire(&mut self, log: &str) -> Result<i64, WarehouseError> {
        self.provisioning.prepare_once(|| self.writer.delete_expired_staging())?;
        self.writer.acquire(log)
    }
    fn prepare_and_take_ownership(&mut self, log: &str) -> Result<i64, WarehouseError> {
        self.provisioning.prepare_once(|| Ok(()))?;
        self.writer.take_ownership(log)
    }
}

impl Warehouse for BigQuery {
    fn writer_state(&self) -> Result<WriterState, WarehouseError> {
        self.retry_policy.clear_failures_if_ok(self.writer.writer_state())
    }
    fn acquire(&mut self, log: &str) -> Result<i64, WarehouseError> {
        let epoch = self.prepare_and_acquire(log);
        self.retry_policy.clear_failures_if_ok(epoch)
    }
    fn write(
        &mut self,
        batch: &Batch,
        plan: &BatchPlan,
        _now: Timestamp,
    ) -> Result<WriteSummary, WarehouseError> {
        let started_ms = self.clock.now_ms();
        let written = self.writer.write_batch(batch, plan);
        let elapsed_ms = (self.clock.now_ms() - started_ms) as u64;
        self.counters.update(|counters| counters.milliseconds += elapsed_ms);
        self.retry_policy.clear_failures_if_ok(written)
    }
    fn is_committed(&self, id: &BatchId) -> Result<bool, WarehouseError> {
        let found = self.queries.committed_batch(id).map(|found| found.is_some());
        self.retry_policy
            .clear_failures_if_ok(found.map_err(|api_error| self.retry_policy.query_error(&api_error)))
    }
    /// Does not reset the number of consecutive failures on success: it is called before each attempt of a write, so otherwise the number
    /// would be reset before each attempt and failing writes would never raise an alert.
    fn existing_keys(
        &self,
        keys: &[(SinkTopic, PlayerGameId)],
    ) -> Result<HashSet<(SinkTopic, PlayerGameId)>, WarehouseError> {
        self.queries.read_existing_keys(keys).map_err(|api_error| self.retry_policy.query_error(&api_error))
    }
    fn take_ownership(&mut self, log: &str) -> Result<i64, WarehouseError> {
        let epoch = self.prepare_and_take_ownership(log);
        self.retry_policy.clear_failures_if_ok(epoch)
    }
    fn delete_stale_epochs(&mut self, log: &str) -> Result<u64, WarehouseError> {
        let deleted = self.writer.delete_stale_epochs(log);
        self.retry_policy.clear_failures_if_ok(deleted)
    }
    fn counters(&self) -> Counters {
        self.counters.snapshot()
    }
    fn content_hashes(&self) -> Result<Vec<ContentHash>, WarehouseError> {
        let hash =
            |table| self.queries.hash(table).map_err(|api_error| self.retry_policy.query_error(&api_error));
        TABLES.iter().map(hash).collect()
    }
    fn control_totals(&self) -> Result<ControlTotalsByGame, WarehouseError> {
        self.retry_policy.clear_failures_if_ok(
            self.queries.read_control_totals().map_err(|api_error| self.retry_policy.query_error(&api_error)),
        )
    }
}
