//! BigQuery as the warehouse: one statement a batch, sent under a name that it always has.
//!
//! Reading order: `schema`, `ddl`, `sql` say what is there and what is sent; `encode` makes the rows; `write` is a batch's way, with
//! `jobs` (sending, adopting, classes of failure), `writer_lease` (one at a time), `staging` (large ones), `bad_row_search` (bad rows) and `retry_policy` (what
//! is said of a failure) below it.
//!
//! Invariant: whatever is lost, repeated or killed: a batch and its batch record are there together or not at all, nothing older
//! overwrites, and one statement that changes the records is in flight over all instances. No job and no question is waited for longer
//! than half a minute, but for the rows of whole tables: what takes longer is `Retry`, and the next call finds out what became of it.
//! Not here: planning batches, waiting between calls; the sink's loop does.
mod api_client;
mod auth;
mod bad_row_search;
mod clock;
mod ddl;
mod encode;
mod error;
mod jobs;
mod provisioning;
mod queries;
mod retry_policy;
pub mod schema;
pub mod sql;
mod staging;
mod write;
mod writer_lease;

pub use auth::Credentials;
pub use clock::{Clock, Monotonic};
pub use ddl::{Definition, definitions};
pub use encode::{Encoded, encode};
pub use provisioning::SchemaDiff;
pub use schema::Names;

use crate::{
    control_totals::ControlTotalsByGame,
    counters::Counters,
    plan::{BatchId, BatchPlan},
    record::SinkTopic,
    retry::{Backoff, FailureWindow, RateLimiter},
    tables::TABLES,
    warehouse::{ContentHash, Warehouse, WarehouseError, WriteSummary, WriterState},
    window::Batch,
};
use schemas::{PlayerGameId, Timestamp};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

/// Where the dataset is, and how it is written.
#[derive(Clone)]
pub struct BigQueryConfig {
    pub project: String,
    pub dataset: String,
    pub location: String,
    /// Without a path, e.g. `http://127.0.0.1:9050`; Google's own otherwise.
    pub endpoint: Option<String>,
    pub credentials: Credentials,
    pub backoff: Backoff,
    /// Bytes of a request up to which the rows go as a parameter; BigQuery takes 10 MB.
    pub inline_bytes: usize,
    /// Of a call.
    pub timeout: Duration,
    /// After which BigQuery gives a job up.
    pub job_timeout: Duration,
    pub clock: Arc<dyn Clock>,
}
impl BigQueryConfig {
    /// With everything else as usual.
    pub fn new(project: &str, dataset: &str, location: &str) -> BigQueryConfig {
        BigQueryConfig {
            project: project.to_owned(),
            dataset: dataset.to_owned(),
            location: location.to_owned(),
            endpoint: None,
            credentials: Credentials::ApplicationDefault,
            backoff: Backoff::default(),
            inline_bytes: 6 * 1024 * 1024,
            timeout: Duration::from_secs(60),
            job_timeout: Duration::from_secs(600),
            clock: Arc::new(Monotonic),
        }
    }
}
const GOOGLE: &str = "https://bigquery.googleapis.com";
/// Of a request for a token, which the HTTP client's own does not cover.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(30);

/// A dataset of BigQuery.
pub struct BigQuery {
    runtime: tokio::runtime::Runtime,
    api_client: api_client::ApiClient,
    names: Names,
    config: BigQueryConfig,
    clock: Arc<dyn Clock>,
    /// BigQuery takes 25 statements within 10 s of a table.
    statements: RateLimiter,
    /// And 5 changes within 10 s of what a table is called and labelled.
    labels: RateLimiter,
    /// Jobs of this process.
    inserts: RateLimiter,
    /// Since something that was asked for was last done.
    failures: RefCell<FailureWindow>,
    /// A question that takes long: of which text, its job, and when it was last looked at.
    open_query: RefCell<Option<(blake3::Hash, String, i64)>>,
    search: Option<bad_row_search::Search>,
    attempts: BTreeMap<String, u32>,
    /// The jobs that this instance has sent for the batch in hand.
    sent_jobs: BTreeSet<String>,
    /// The last job of this instance that is known to be done.
    last_done: Option<String>,
    /// A job that another announced and that is not there, since when.
    missing_holder: Option<(String, i64)>,
    /// The stem of a batch that BigQuery found too large for a parameter.
    oversized_stem: Option<String>,
    last_staging_cleanup_ms: Option<i64>,
    is_prepared: bool,
    counters: RefCell<Counters>,
}

impl BigQuery {
    /// Connects; nothing is asked yet but a token's source.
    pub fn connect(config: BigQueryConfig) -> Result<BigQuery, WarehouseError> {
        let wrong = |what: String| {
            WarehouseError::Config {
            what: format!("BigQuery: {what}"),
            next: "set bigquery-credentials to the key file of a service account, or run `gcloud auth application-default login`; for an emulator set bigquery-endpoint, and bigquery-credentials to none".into(),
        }
        };
        if config.project.is_empty() || config.dataset.is_empty() {
            return Err(WarehouseError::Config {
                what: "which BigQuery project and dataset is not said".into(),
                next: "set bigquery-project and bigquery-dataset; `fastbreak config show` lists the keys"
                    .into(),
            });
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| wrong(error.to_string()))?;
        let token = runtime
            .block_on(auth::Token::new(&config.credentials, config.timeout.min(TOKEN_TIMEOUT)))
            .map_err(&wrong)?;
        let http =
            reqwest::Client::builder().timeout(config.timeout).connect_timeout(Duration::from_secs(10));
        let http = http.user_agent(concat!("fastbreak/", env!("CARGO_PKG_VERSION"))).build();
        let http = http.map_err(|_| wrong("no HTTP client".into()))?;
        let endpoint = config.endpoint.clone().unwrap_or_else(|| GOOGLE.to_owned());
        if reqwest::Url::parse(&endpoint).is_err() {
            return Err(WarehouseError::Config {
                what: format!("bigquery-endpoint = '{endpoint}' is no address"),
                next: "say it as http://127.0.0.1:9050, without a path; leave it empty for Google's own"
                    .into(),
            });
        }
        Ok(BigQuery {
            api_client: api_client::ApiClient::new(http, token, &endpoint, &config.project, &config.location),
            runtime,
            names: Names { project: config.project.clone(), dataset: config.dataset.clone() },
            clock: config.clock.clone(),
            config,
            statements: RateLimiter::new(20, 10_000),
            labels: RateLimiter::new(4, 10_000),
            inserts: RateLimiter::new(8, 1_000),
            failures: RefCell::default(),
            open_query: RefCell::default(),
            search: None,
            attempts: BTreeMap::new(),
            sent_jobs: BTreeSet::new(),
            last_done: None,
            missing_holder: None,
            oversized_stem: None,
            last_staging_cleanup_ms: None,
            is_prepared: false,
            counters: RefCell::default(),
        })
    }
}

impl BigQuery {
    /// What was asked for is done: failures are counted from none again.
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
        let claimed = self.run_acquire(log);
        self.clear_failures_if_ok(claimed)
    }
    fn write(
        &mut self,
        batch: &Batch,
        plan: &BatchPlan,
        _at: Timestamp,
    ) -> Result<WriteSummary, WarehouseError> {
        let since = self.clock.now_ms();
        let written = self.write_batch(batch, plan);
        self.counters.get_mut().milliseconds += (self.clock.now_ms() - since) as u64;
        self.clear_failures_if_ok(written)
    }
    fn is_committed(&self, id: &BatchId) -> Result<bool, WarehouseError> {
        let found = self.committed_batch(id).map(|found| found.is_some());
        self.clear_failures_if_ok(found.map_err(|api_error| self.query_error(&api_error)))
    }
    /// Asked before each attempt of a write, so that an answer says nothing of how the writes do.
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
