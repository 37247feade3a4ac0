//! A BigQuery in the test's own process: strict where the real one is, quick, and breakable on purpose.
//!
//! It has the eight calls that the sink makes, over HTTP on loopback, and understands the statements that the sink generates. Time is the
//! test's: whoever sleeps moves it on.
//!
//! Invariant: what it answers is what BigQuery documents for that case, body and status.
//! Not here: SQL, which the emulator's suite runs on an engine; the calls one by one (`calls`).
mod calls;
pub mod http;
mod jobs;
mod statement;
mod table;

pub use jobs::{Seen, Service};
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

/// Time that only moves when somebody sleeps.
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

/// Which calls a fault is for.
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
/// What goes wrong with one call.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Nothing is done, and the socket closes.
    Lost,
    /// It is done, and the socket closes.
    Unanswered,
    /// It is done or not, and nothing is said.
    Silence(bool),
    /// An answer; whether the call is done before it.
    Answers(FaultAnswer, bool),
    /// The instance is killed: this call is lost, or done and unanswered, and no other of it arrives.
    Killed(bool),
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultAnswer {
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
    /// And where they are.
    datasets: BTreeMap<String, String>,
    /// Tables and views: what tables.get answers.
    tables: BTreeMap<(String, String), Value>,
    etags: u64,
    /// When a table's metadata was changed lately.
    updates: BTreeMap<(String, String), Vec<i64>>,
    /// Calls until a fault, and the fault.
    faults: VecDeque<(Call, usize, Fault)>,
    is_dead: bool,
    names: Names,
    clock: Arc<TestClock>,
    /// The rows of questions that were not read to their end, by their jobs.
    asked: BTreeMap<String, Vec<Value>>,
    /// So many looks at an answer find that it takes longer.
    slow_looks: usize,
    /// Answers bring a warning.
    is_warning: bool,
    /// Tokens that were shown, in their order.
    tokens: Vec<String>,
    /// Every call, as text, without its headers.
    log: Vec<String>,
}

/// The service, and where it listens.
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
                most_merged: usize::MAX,
                most_loaded: usize::MAX,
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
            asked: BTreeMap::new(),
            slow_looks: 0,
            is_warning: false,
            tokens: Vec::new(),
            log: Vec::new(),
        }));
        let shared = state.clone();
        let server = Server::start(move |request| shared.lock().unwrap().answer(&request));
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
    /// Looks at the service, or changes what it will do.
    pub fn with<T>(&self, look: impl FnOnce(&mut Service) -> T) -> T {
        let now = self.clock.now_ms();
        let mut state = self.state();
        state.service.advance(now);
        look(&mut state.service)
    }
    pub fn seen(&self) -> Seen {
        self.with(|service| service.seen.clone())
    }
    /// A fault for the call of this kind after `after` others of it; faults of a test are taken in the order in which they are given.
    pub fn fail(&self, call: Call, after: usize, fault: Fault) {
        self.state().faults.push_back((call, after, fault));
    }
    /// Whether the instance was killed.
    pub fn is_dead(&self) -> bool {
        self.state().is_dead
    }
    pub fn revive(&self) {
        self.state().is_dead = false;
    }
    pub fn forget_faults(&self) {
        let mut state = self.state();
        state.faults.clear();
        state.is_dead = false;
    }
    /// As if the history of jobs had been wiped.
    pub fn forget_jobs(&self) {
        self.with(|service| service.jobs.clear());
    }
    pub fn change_table(&self, dataset: &str, table: &str, change: impl FnOnce(&mut Value)) {
        change(self.state().tables.get_mut(&(dataset.into(), table.into())).unwrap());
    }
    /// A table or view that somebody made by hand, now.
    pub fn make_table(&self, dataset: &str, table: &str, of: &str, labels: Value) {
        let made = self.clock.unix_ms().to_string();
        let table_of = json!({"type": of, "creationTime": made, "labels": labels});
        self.state().tables.insert((dataset.into(), table.into()), table_of);
    }
    /// The dataset is gone, with everything in it.
    pub fn drop_dataset(&self, dataset: &str) {
        let mut state = self.state();
        state.datasets.remove(dataset);
        state.tables.retain(|(of, _), _| of != dataset);
    }
    /// The dataset has been made elsewhere.
    pub fn place_dataset(&self, dataset: &str, location: &str) {
        self.state().datasets.insert(dataset.into(), location.into());
    }
    /// The names of a dataset's tables and views.
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
    /// Live rows of a view.
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
    /// Keys that have more than one row.
    pub fn doubled(&self) -> usize {
        self.with(|service| {
            let mut keys = BTreeMap::<(Option<i64>, String, String, Option<i64>), usize>::new();
            for row in &service.records.rows {
                let key = (
                    int(row, "season_start"),
                    text(row, "input").into(),
                    text(row, "game_id").into(),
                    int(row, "player_id"),
                );
                *keys.entry(key).or_default() += 1;
            }
            keys.values().filter(|many| **many > 1).count()
        })
    }
    /// The next answers are not there for so many looks.
    pub fn answer_slowly(&self, looks: usize) {
        self.state().slow_looks = looks;
    }
    pub fn warn(&self) {
        self.state().is_warning = true;
    }
    pub fn heard(&self) -> Vec<String> {
        self.state().log.clone()
    }
    pub fn tokens(&self) -> Vec<String> {
        self.state().tokens.clone()
    }
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.server.at)
    }
    /// Lets time pass by itself, for a client of another process.
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
