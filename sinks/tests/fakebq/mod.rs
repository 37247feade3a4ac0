//! An in-process fake of BigQuery: it enforces BigQuery's rules and limits, runs fast, and injects scripted faults.
//!
//! It serves the API calls that the sink makes, over HTTP on loopback, and knows the statements that the sink generates. Its clock is
//! [`TestClock`], a simulated clock that advances only when the test or the sink sleeps.
//!
//! Invariant: a response has the status and body that BigQuery documents for the case.
//! Not here: execution of SQL, which the tests against an emulator cover; the handling of each API call (`calls`).
mod calls;
pub mod http;
mod jobs;
mod statement;
mod table;

pub use jobs::{Service, Statistics};
pub use table::{int, text};

use http::Server;
use serde_json::{Value, json};
use sinks::{
    BigQuery,
    bigquery::{BigQueryConfig, Clock, Credentials, Names},
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

pub const PROJECT: &str = "fastbreak";
pub const DATASET: &str = "predictions";

/// A simulated clock: only calls of `sleep` advance it.
#[derive(Default)]
pub struct TestClock(AtomicI64);
impl Clock for TestClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
    fn sleep(&self, pause: Duration) {
        self.0.fetch_add((pause.as_millis() as i64).max(1), Ordering::SeqCst);
        std::thread::yield_now();
    }
    fn unix_ms(&self) -> i64 {
        1_735_000_000_000 + self.now_ms()
    }
}

/// Kind of call to which a fault applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Any,
    /// jobs.insert, with or without an upload.
    Insert,
    Upload,
    Job,
    Query,
    Patch,
    /// tables.list.
    List,
}
/// Fault of one call.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// The call is not executed, and the socket is closed.
    RequestLost,
    /// The call is executed, and the socket is closed without a response.
    ResponseLost,
    /// There is no response. If true, the call is executed.
    TimedOut(bool),
    /// The response is an error. If true, the call is executed before the response.
    Responds(FaultResponse, bool),
    /// The instance dies: its response is lost, and no later call is executed. If true, the call itself is executed.
    Killed(bool),
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultResponse {
    Unavailable,
    TooMany,
    RateLimited,
    QuotaExceeded,
    Html,
    Nothing,
    Truncated,
    Unauthorized,
    Denied,
}

struct State {
    service: Service,
    /// Location of each dataset.
    datasets: BTreeMap<String, String>,
    /// Tables and views: the responses of tables.get.
    tables: BTreeMap<(String, String), Value>,
    etags: u64,
    /// Times of recent metadata updates by table.
    updates: BTreeMap<(String, String), Vec<i64>>,
    /// Faults that have not occurred yet: kind of call, number of calls of this kind before the fault, and the fault.
    faults: VecDeque<(Call, usize, Fault)>,
    is_dead: bool,
    names: Names,
    clock: Arc<TestClock>,
    /// Queries whose result is not yet read completely, by job: rows, and number of upcoming responses that report the query as running.
    pending_queries: BTreeMap<String, (Vec<Value>, usize)>,
    /// Number of responses that report a new query as running.
    running_responses: usize,
    /// True if responses contain a warning.
    is_warning: bool,
    /// Tokens of the calls, in order; consecutive equal tokens are stored once.
    tokens: Vec<String>,
    /// The first 5,000 calls as text, without headers.
    log: Vec<String>,
}

/// The service and its HTTP server.
pub struct Fake {
    state: Arc<Mutex<State>>,
    server: Server,
    pub clock: Arc<TestClock>,
}

impl Fake {
    pub fn start() -> Fake {
        let clock = Arc::new(TestClock::default());
        let names = Names { project: PROJECT.into(), dataset: DATASET.into() };
        let state = Arc::new(Mutex::new(State {
            service: Service {
                takes_ms: 800,
                max_merged_rows: usize::MAX,
                max_loaded_rows: usize::MAX,
                ..Service::default()
            },
            datasets: BTreeMap::new(),
            tables: BTreeMap::new(),
            etags: 0,
            updates: BTreeMap::new(),
            faults: VecDeque::new(),
            is_dead: false,
            names,
            clock: clock.clone(),
            pending_queries: BTreeMap::new(),
            running_responses: 0,
            is_warning: false,
            tokens: Vec::new(),
            log: Vec::new(),
        }));
        let shared = state.clone();
        let server = Server::start(move |request| shared.lock().unwrap().handle(&request));
        Fake { state, server, clock }
    }
    pub fn config(&self) -> BigQueryConfig {
        BigQueryConfig {
            endpoint: Some(format!("http://{}", self.server.at)),
            credentials: Credentials::None,
            clock: self.clock.clone(),
            timeout: Duration::from_secs(5),
            ..BigQueryConfig::new(PROJECT, DATASET, "US")
        }
    }
    pub fn connect(&self) -> BigQuery {
        BigQuery::connect(self.config()).unwrap()
    }
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
    /// Reads or changes the state of the service.
    pub fn with<T>(&self, access: impl FnOnce(&mut Service) -> T) -> T {
        let now = self.clock.now_ms();
        let mut state = self.state();
        state.service.advance(now);
        access(&mut state.service)
    }
    pub fn statistics(&self) -> Statistics {
        self.with(|service| service.statistics.clone())
    }
    /// Adds a fault for a call of this kind; `after` calls of the kind are executed first. Faults apply in the order in which they are
    /// added.
    pub fn fail(&self, call: Call, after: usize, fault: Fault) {
        self.state().faults.push_back((call, after, fault));
    }
    /// True if the instance was killed.
    pub fn is_dead(&self) -> bool {
        self.state().is_dead
    }
    pub fn revive(&self) {
        self.state().is_dead = false;
    }
    pub fn clear_faults(&self) {
        let mut state = self.state();
        state.faults.clear();
        state.is_dead = false;
    }
    /// Deletes the job history.
    pub fn clear_jobs(&self) {
        self.with(|service| service.jobs.clear());
    }
    pub fn change_table(&self, dataset: &str, table: &str, change: impl FnOnce(&mut Value)) {
        change(self.state().tables.get_mut(&(dataset.into(), table.into())).unwrap());
    }
    /// Creates a table or view with the current time as creation time.
    pub fn create_table(&self, dataset: &str, table: &str, of: &str, labels: Value) {
        let made = self.clock.unix_ms().to_string();
        let table_of = json!({"type": of, "creationTime": made, "labels": labels});
        self.state().tables.insert((dataset.into(), table.into()), table_of);
    }
    /// Deletes a dataset with its tables.
    pub fn drop_dataset(&self, dataset: &str) {
        let mut state = self.state();
        state.datasets.remove(dataset);
        state.tables.retain(|(of, _), _| of != dataset);
    }
    /// Creates a dataset in this location.
    pub fn place_dataset(&self, dataset: &str, location: &str) {
        self.state().datasets.insert(dataset.into(), location.into());
    }
    /// Returns the names of the tables and views of a dataset.
    pub fn tables(&self, dataset: &str) -> Vec<String> {
        let state = self.state();
        state.tables.keys().filter(|(of, _)| of == dataset).map(|(_, name)| name.clone()).collect()
    }
    pub fn drop_staged(&self) {
        let mut state = self.state();
        state.service.staged.clear();
        state.tables.retain(|(dataset, _), _| !dataset.ends_with("_staging"));
    }
    pub fn staged(&self) -> usize {
        self.with(|service| service.staged.len())
    }
    /// Returns the number of live rows of an input topic; for predictions, the number of predictions.
    pub fn rows(&self, input: &str) -> usize {
        self.with(|service| {
            let live = service.records.rows.iter().filter(|row| {
                int(row, "season_start") > Some(0) && text(row, "input") == input && row["deleted"] == false
            });
            match input {
                "predictions" => live.map(|row| int(row, "row_count").unwrap_or(0) as usize).sum(),
                _ => live.count(),
            }
        })
    }
    /// Returns the number of keys with more than one row.
    pub fn duplicate_keys(&self) -> usize {
        self.with(|service| {
            let mut keys = BTreeMap::<(Option<i64>, String, String, Option<i64>, String), usize>::new();
            for row in &service.records.rows {
                let key = (
                    int(row, "season_start"),
                    text(row, "input").into(),
                    text(row, "game_id").into(),
                    int(row, "player_id"),
                    text(row, "key_part").into(),
                );
                *keys.entry(key).or_default() += 1;
            }
            keys.values().filter(|count| **count > 1).count()
        })
    }
    /// Makes this number of responses to each new query report the query as running.
    pub fn respond_slowly(&self, responses: usize) {
        self.state().running_responses = responses;
    }
    pub fn warn(&self) {
        self.state().is_warning = true;
    }
    pub fn calls(&self) -> Vec<String> {
        self.state().log.clone()
    }
    pub fn tokens(&self) -> Vec<String> {
        self.state().tokens.clone()
    }
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.server.at)
    }
    /// Advances the clock in real time, for a client in another process.
    pub fn tick(&self) {
        let clock = Arc::downgrade(&self.clock);
        std::thread::spawn(move || {
            while let Some(clock) = clock.upgrade() {
                std::thread::sleep(Duration::from_millis(5));
                clock.sleep(Duration::from_millis(5));
            }
        });
    }
}
