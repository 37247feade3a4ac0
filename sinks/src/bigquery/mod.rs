//! BigQuery as the warehouse: one statement a batch, sent under a name that it always has.
//!
//! Reading order: `schema`, `ddl`, `sql` say what is there and what is sent; `encode` makes the rows; `write` is a batch's way, with
//! `submit` (sending, adopting, classes of failure), `turn` (one at a time), `bulk` (large ones), `bisect` (bad rows) and `words` (what
//! is said of a failure) below it.
//!
//! Invariant: whatever is lost, repeated or killed: a batch and its ledger row are there together or not at all, nothing older
//! overwrites, and one statement that changes the records is in flight over all instances. No job and no question is waited for longer
//! than half a minute, but for the rows of whole tables: what takes longer is `Retry`, and the next call finds out what became of it.
//! Not here: planning batches, waiting between calls; the sink's loop does.
mod apply;
mod auth;
mod bisect;
mod bulk;
mod clock;
mod ddl;
mod encode;
mod error;
mod http;
mod read;
pub mod schema;
pub mod sql;
mod submit;
mod turn;
mod words;
mod write;

pub use apply::Lack;
pub use auth::Credentials;
pub use clock::{Clock, Monotonic};
pub use ddl::{Definition, definitions};
pub use encode::{Encoded, encode};
pub use schema::Names;

use crate::{
    backoff::{Backoff, Bucket, Failures},
    change::Input,
    counters::Counters,
    plan::{BatchId, BatchPlan},
    tables::TABLES,
    tally::Tallies,
    warehouse::{ContentHash, Standing, Warehouse, WarehouseError, Written},
    window::Batch,
};
use schemas::{Instant, PlayerGameId};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

/// Where the dataset is, and how it is written.
#[derive(Clone)]
pub struct Settings {
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
impl Settings {
    /// With everything else as usual.
    pub fn new(project: &str, dataset: &str, location: &str) -> Settings {
        Settings {
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
    http: http::Http,
    names: Names,
    settings: Settings,
    clock: Arc<dyn Clock>,
    /// BigQuery takes 25 statements within 10 s of a table.
    statements: Bucket,
    /// And 5 changes within 10 s of what a table is called and labelled.
    labels: Bucket,
    /// Jobs of this process.
    inserts: Bucket,
    /// Since something that was asked for was last done.
    failures: RefCell<Failures>,
    /// A question that takes long: of which text, its job, and when it was last looked at.
    asked: RefCell<Option<(blake3::Hash, String, i64)>>,
    search: Option<bisect::Search>,
    attempts: BTreeMap<String, u32>,
    /// The jobs that this instance has sent for the batch in hand.
    own: BTreeSet<String>,
    /// The last job of this instance that is known to be done.
    last_done: Option<String>,
    /// A job that another announced and that is not there, since when.
    awaited: Option<(String, i64)>,
    /// The stem of a batch that BigQuery found too large for a parameter.
    oversized: Option<String>,
    swept_at: Option<i64>,
    is_prepared: bool,
    counters: RefCell<Counters>,
}

impl BigQuery {
    /// Connects; nothing is asked yet but a token's source.
    pub fn connect(settings: Settings) -> Result<BigQuery, WarehouseError> {
        let wrong = |what: String| {
            WarehouseError::Config {
            what: format!("BigQuery: {what}"),
            next: "set bigquery-credentials to the key file of a service account, or run `gcloud auth application-default login`; for an emulator set bigquery-endpoint, and bigquery-credentials to none".into(),
        }
        };
        if settings.project.is_empty() || settings.dataset.is_empty() {
            return Err(WarehouseError::Config {
                what: "which BigQuery project and dataset is not said".into(),
                next: "set bigquery-project and bigquery-dataset; `fastbreak config show` lists the keys"
                    .into(),
            });
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| wrong(error.to_string()))?;
        let token = runtime
            .block_on(auth::Token::of(&settings.credentials, settings.timeout.min(TOKEN_TIMEOUT)))
            .map_err(&wrong)?;
        let http =
            reqwest::Client::builder().timeout(settings.timeout).connect_timeout(Duration::from_secs(10));
        let http = http.user_agent(concat!("fastbreak/", env!("CARGO_PKG_VERSION"))).build();
        let http = http.map_err(|_| wrong("no HTTP client".into()))?;
        let endpoint = settings.endpoint.clone().unwrap_or_else(|| GOOGLE.to_owned());
        if reqwest::Url::parse(&endpoint).is_err() {
            return Err(WarehouseError::Config {
                what: format!("bigquery-endpoint = '{endpoint}' is no address"),
                next: "say it as http://127.0.0.1:9050, without a path; leave it empty for Google's own"
                    .into(),
            });
        }
        Ok(BigQuery {
            http: http::Http::new(http, token, &endpoint, &settings.project, &settings.location),
            runtime,
            names: Names { project: settings.project.clone(), dataset: settings.dataset.clone() },
            clock: settings.clock.clone(),
            settings,
            statements: Bucket::new(20, 10_000),
            labels: Bucket::new(4, 10_000),
            inserts: Bucket::new(8, 1_000),
            failures: RefCell::default(),
            asked: RefCell::default(),
            search: None,
            attempts: BTreeMap::new(),
            own: BTreeSet::new(),
            last_done: None,
            awaited: None,
            oversized: None,
            swept_at: None,
            is_prepared: false,
            counters: RefCell::default(),
        })
    }
}

impl BigQuery {
    /// What was asked for is done: failures are counted from none again.
    fn done<T>(&self, outcome: Result<T, WarehouseError>) -> Result<T, WarehouseError> {
        if outcome.is_ok() {
            self.failures.borrow_mut().clear();
        }
        outcome
    }
}

impl Warehouse for BigQuery {
    fn standing(&self) -> Result<Standing, WarehouseError> {
        self.done(self.stands())
    }
    fn claim(&mut self, log: &str) -> Result<i64, WarehouseError> {
        let claimed = self.begin(log);
        self.done(claimed)
    }
    fn write(&mut self, batch: &Batch, plan: &BatchPlan, _at: Instant) -> Result<Written, WarehouseError> {
        let since = self.clock.now_ms();
        let written = self.write_batch(batch, plan);
        self.counters.get_mut().milliseconds += (self.clock.now_ms() - since) as u64;
        self.done(written)
    }
    fn is_committed(&self, id: &BatchId) -> Result<bool, WarehouseError> {
        let found = self.recorded(id).map(|found| found.is_some());
        self.done(found.map_err(|trouble| self.unanswered(&trouble)))
    }
    /// Asked before each attempt of a write, so that an answer says nothing of how the writes do.
    fn held(&self, keys: &[(Input, PlayerGameId)]) -> Result<HashSet<(Input, PlayerGameId)>, WarehouseError> {
        self.read_held(keys).map_err(|trouble| self.unanswered(&trouble))
    }
    fn adopt(&mut self, log: &str) -> Result<i64, WarehouseError> {
        let epoch = self.take_over(log);
        self.done(epoch)
    }
    fn finish_adoption(&mut self, log: &str) -> Result<u64, WarehouseError> {
        let deleted = self.finish(log);
        self.done(deleted)
    }
    fn counters(&self) -> Counters {
        self.counters.borrow().clone()
    }
    fn content_hashes(&self) -> Result<Vec<ContentHash>, WarehouseError> {
        let hash = |table| self.hash(table).map_err(|trouble| self.unanswered(&trouble));
        TABLES.iter().map(hash).collect()
    }
    fn tallies(&self) -> Result<Tallies, WarehouseError> {
        self.done(self.read_tallies().map_err(|trouble| self.unanswered(&trouble)))
    }
}
