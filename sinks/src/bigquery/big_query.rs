//! `BigQuery`, the warehouse in a BigQuery dataset: connects its parts and implements the interface of a warehouse with them.
//!
//! Invariant: an operation that is done resets the number of consecutive failures. An operation that is still running is converted here, and
//! only here, to `Progress::Pending`.
//! Not here: the operations themselves (`writer`, `queries`, `provisioning`).
use super::{
    api_client::ApiClient,
    call_end::{CallEnd, into_progress},
    clock::Clock,
    config::BigQueryConfig,
    ddl::Definition,
    error::ApiError,
    provisioning::{Provisioning, SchemaDiff},
    queries::Queries,
    retry_policy::RetryPolicy,
    shared_counters::SharedCounters,
    writer::Writer,
};
use crate::{
    control_totals::ControlTotalsByGame,
    counters::Counters,
    plan::{BatchId, BatchPlan, StoredBatch},
    progress::Progress,
    record::{RowKey, SinkTopic},
    sqlite::{QueryCopy, WarehouseQueries},
    tables::TABLES,
    warehouse::{ContentHash, Warehouse, WarehouseError, WriterState},
    window::Batch,
    write_summary::WriteSummary,
};
use schemas::Timestamp;
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
    /// `Setting` if project, dataset or endpoint is not usable; `Config` if the credentials or certificates are not.
    pub fn connect(config: BigQueryConfig) -> Result<BigQuery, WarehouseError> {
        for (setting, value) in [("bigquery-project", &config.project), ("bigquery-dataset", &config.dataset)]
        {
            if value.is_empty() {
                return Err(WarehouseError::Setting {
                    setting: setting.into(),
                    reason: "it is empty, but the warehouse is BigQuery".into(),
                    next: format!("set {setting}; `fastbreak config show` lists the keys"),
                });
            }
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
    pub fn apply(&mut self) -> Result<Progress<usize>, WarehouseError> {
        into_progress(self.provisioning.apply())
    }
    /// Deletes both datasets with their content.
    pub fn discard(self) -> Result<(), WarehouseError> {
        self.provisioning.discard()
    }
    /// Copies all live rows into a temporary SQLite file, so that the read queries of SQLite run on them.
    pub fn copy_live_rows(&self) -> Result<Progress<WarehouseQueries>, WarehouseError> {
        into_progress(self.read_live_rows())
    }
    fn read_live_rows(&self) -> Result<WarehouseQueries, CallEnd> {
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
                Some(error) => return Err(error.into()),
                None => read.map_err(|end| self.retry_policy.query_end(end))?,
            }
        }
        Ok(copy.finish()?)
    }
    fn prepare_and_acquire(&mut self, log: &str) -> Result<i64, CallEnd> {
        self.provisioning.prepare_once(|| self.writer.delete_expired_staging())?;
        self.writer.acquire(log)
    }
    fn prepare_and_take_ownership(&mut self, log: &str) -> Result<i64, CallEnd> {
        self.provisioning.prepare_once(|| Ok(()))?;
        self.writer.take_ownership(log)
    }
    /// Converts the result of an operation, and resets the number of consecutive failures if the operation is done.
    fn finish<T>(&self, outcome: Result<T, CallEnd>) -> Result<Progress<T>, WarehouseError> {
        if outcome.is_ok() {
            self.retry_policy.clear_failures();
        }
        into_progress(outcome)
    }
    /// Like [`finish`](Self::finish), for a query.
    fn finish_query<T>(&self, outcome: Result<T, CallEnd<ApiError>>) -> Result<Progress<T>, WarehouseError> {
        self.finish(outcome.map_err(|end| self.retry_policy.query_end(end)))
    }
}

impl Warehouse for BigQuery {
    fn writer_state(&self) -> Result<Progress<WriterState>, WarehouseError> {
        self.finish(self.writer.writer_state())
    }
    fn acquire(&mut self, log: &str) -> Result<Progress<i64>, WarehouseError> {
        let epoch = self.prepare_and_acquire(log);
        self.finish(epoch)
    }
    fn write(
        &mut self,
        batch: &Batch,
        plan: &BatchPlan,
        _now: Timestamp,
    ) -> Result<Progress<WriteSummary>, WarehouseError> {
        let started_ms = self.clock.now_ms();
        let written = self.writer.write_batch(batch, plan);
        let elapsed_ms = (self.clock.now_ms() - started_ms) as u64;
        self.counters.update(|counters| counters.milliseconds += elapsed_ms);
        self.finish(written)
    }
    fn newest_batch(&self, epoch: i64) -> Result<Progress<Option<StoredBatch>>, WarehouseError> {
        self.finish_query(self.queries.newest_batch(epoch))
    }
    fn is_committed(&self, id: &BatchId) -> Result<Progress<bool>, WarehouseError> {
        self.finish_query(self.queries.committed_batch(id).map(|found| found.is_some()))
    }
    /// Does not reset the number of consecutive failures on success: it is called before each attempt of a write, so otherwise the number
    /// would be reset before each attempt and failing writes would never raise an alert.
    fn existing_keys(
        &self,
        keys: &[(SinkTopic, RowKey)],
    ) -> Result<Progress<HashSet<(SinkTopic, RowKey)>>, WarehouseError> {
        let existing = self.queries.read_existing_keys(keys);
        into_progress(existing.map_err(|end| self.retry_policy.query_end(end)))
    }
    fn take_ownership(&mut self, log: &str) -> Result<Progress<i64>, WarehouseError> {
        let epoch = self.prepare_and_take_ownership(log);
        self.finish(epoch)
    }
    fn delete_stale_epochs(&mut self, log: &str) -> Result<Progress<u64>, WarehouseError> {
        let deleted = self.writer.delete_stale_epochs(log);
        self.finish(deleted)
    }
    fn counters(&self) -> Counters {
        self.counters.snapshot()
    }
    fn content_hashes(&self) -> Result<Progress<Vec<ContentHash>>, WarehouseError> {
        let hash = |table| self.queries.hash(table).map_err(|end| self.retry_policy.query_end(end));
        into_progress(TABLES.iter().map(hash).collect())
    }
    fn control_totals(&self) -> Result<Progress<ControlTotalsByGame>, WarehouseError> {
        self.finish_query(self.queries.read_control_totals())
    }
}
