//! Random schedules of faults: whatever fails, whenever an instance dies, the warehouse ends with what an undisturbed one holds.
//!
//! A schedule is drawn from a number, which a failure prints: `FASTBREAK_SEED=<number> cargo test -p sinks --test schedules` runs it
//! alone. `FASTBREAK_SCHEDULES` sets how many are run.
//!
//! Invariant: the laws are looked at from outside, at the end: content, keys, accounts, statements in flight, ids, tables left behind.
//! Not here: single crash points (`faults`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#[allow(dead_code, unused_imports)]
mod conformance;
#[allow(dead_code)]
mod fakebq;

use conformance::{LOG, content, drive::*};
use fakebq::{Call, Fake, Fault, FaultAnswer};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use schemas::Timestamp;
use sinks::{
    Batch, BatchId, BatchPlan, BigQuery, Sqlite, Warehouse, WarehouseError, WriteSummary,
    bigquery::{BigQueryConfig, Clock},
    control_totals::ControlTotalsByGame,
    warehouse::{ContentHash, WriterState},
};
use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

#[derive(Clone, Debug)]
struct Schedule {
    events: Vec<(u8, u32, u32)>,
    fates: Vec<(usize, Fate)>,
    faults: Vec<(Call, usize, Fault)>,
    /// Every batch is loaded first.
    is_staged: bool,
    /// A player whose rows cannot be read.
    poison: Option<u32>,
    /// What the next changes end as, when they fail.
    outcomes: Vec<Option<u8>>,
    /// Somebody else's statements at the start.
    foreign: usize,
    takes_ms: i64,
    /// So many rows are what a merge takes, and whether a load takes no more either.
    most_rows: Option<(usize, bool)>,
}
fn schedules() -> impl Strategy<Value = Schedule> {
    let fate = prop_oneof![
        4 => Just(Fate::Commit),
        1 => Just(Fate::DiesPlanned),
        2 => Just(Fate::DiesWritten),
        1 => Just(Fate::Replays),
    ];
    let call = prop_oneof![
        3 => Just(Call::Any),
        4 => Just(Call::Insert),
        1 => Just(Call::Upload),
        2 => Just(Call::Job),
        2 => Just(Call::Query),
        1 => Just(Call::Patch),
    ];
    let answer = prop_oneof![
        Just(FaultAnswer::Unavailable),
        Just(FaultAnswer::TooMany),
        Just(FaultAnswer::RateLimited),
        Just(FaultAnswer::QuotaExceeded),
        Just(FaultAnswer::Html),
        Just(FaultAnswer::Nothing),
        Just(FaultAnswer::Truncated),
        Just(FaultAnswer::Unauthorized),
    ];
    let fault = prop_oneof![
        2 => Just(Fault::Lost),
        3 => Just(Fault::Unanswered),
        2 => any::<bool>().prop_map(Fault::Killed),
        // A limit is said instead of doing; what else is said may be said after it.
        4 => (answer, any::<bool>()).prop_map(|(answer, is_done)| {
            let is_done = is_done && matches!(answer, FaultAnswer::Unavailable | FaultAnswer::Html | FaultAnswer::Nothing | FaultAnswer::Truncated);
            Fault::Answers(answer, is_done)
        }),
    ];
    (
        prop::collection::vec((0..3u8, 0..5u32, 0..5u32), 1..40),
        prop::collection::vec((1..15usize, fate), 0..8),
        prop::collection::vec((call, 0..12usize, fault), 0..10),
        prop::bool::weighted(0.25),
        prop::option::weighted(0.2, 0..5u32),
        prop::collection::vec(prop::option::weighted(0.3, 0..4u8), 0..6),
        prop_oneof![4 => Just(0usize), 1 => 1..23usize],
        prop_oneof![Just(0i64), Just(400), Just(45_000)],
        prop::option::weighted(0.2, (1..5usize, any::<bool>())),
    )
        .prop_map(
            |(events, fates, faults, is_staged, poison, outcomes, foreign, takes_ms, most_rows)| Schedule {
                events,
                fates,
                faults,
                is_staged,
                poison,
                outcomes,
                foreign,
                takes_ms,
                most_rows,
            },
        )
}

/// Draws and runs schedules; the number of one that fails is in the message.
fn each(from: u64, run: impl Fn(&Schedule) + Sync) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let many = number("FASTBREAK_SCHEDULES").unwrap_or(1_000);
    let seeds = number("FASTBREAK_SEED").map_or(from..from + many, |seed| seed..seed + 1);
    for seed in seeds {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng);
        let schedule = schedules().new_tree(&mut runner).unwrap().current();
        if let Err(cause) = catch_unwind(AssertUnwindSafe(|| run(&schedule))) {
            let text = cause.downcast_ref::<String>().cloned();
            let text = text.or_else(|| cause.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            panic!("seed {seed}: {}\n{schedule:?}", text.unwrap_or_default());
        }
    }
}

/// What a warehouse that nothing disturbed holds.
fn undisturbed(schedule: &Schedule, without: Option<u32>) -> Vec<(&'static str, u64, String)> {
    let mut log = Log::new(&schedule.events);
    log.records.retain(|record| without.is_none_or(|player| record.change.id().player.0 != 200_000 + player));
    let warehouse = Arc::new(Mutex::new(Sqlite::in_memory().unwrap()));
    let instance = Instance {
        open: &|| Box::new(Shared(warehouse.clone())),
        wait: &|_| {},
        is_dead: &|| false,
        revive: &|| {},
    };
    drive(&instance, &mut log, &[(usize::MAX, Fate::Commit)]);
    content(&Shared(warehouse))
}

fn over_the_fake(schedule: &Schedule) {
    let fake = Fake::start();
    let config =
        BigQueryConfig { inline_bytes: if schedule.is_staged { 0 } else { usize::MAX }, ..fake.config() };
    fake.with(|service| {
        service.takes_ms = schedule.takes_ms;
        if let Some((rows, is_load_too)) = schedule.most_rows {
            service.most_merged = rows;
            service.most_loaded = if is_load_too { rows } else { usize::MAX };
        }
        service.records.bad_rows.extend(schedule.poison.map(|player| i64::from(200_000 + player)));
        let outcome = |n: u8| match n {
            0 => ("jobBackendError", "The job encountered an internal error during execution.".to_owned()),
            1 => ("jobRateLimitExceeded", "Exceeded rate limits".to_owned()),
            2 => ("invalidQuery", "Could not serialize access to table due to concurrent update".to_owned()),
            _ => (
                "internalError",
                "An internal error occurred and the request could not be completed.".to_owned(),
            ),
        };
        // The first change is the claim.
        service.outcomes = schedule.outcomes.iter().map(|n| n.map(outcome)).collect();
        if schedule.foreign > 0 {
            service.occupy(schedule.foreign, 20_000, 0);
        }
    });
    for (call, after, fault) in &schedule.faults {
        fake.fail(*call, *after, fault.clone());
    }
    let mut log = Log::new(&schedule.events);
    let instance = Instance {
        open: &|| Box::new(BigQuery::connect(config.clone()).unwrap()),
        wait: &|pause| fake.clock.sleep(pause),
        is_dead: &|| fake.is_dead(),
        revive: &|| fake.revive(),
    };
    drive(&instance, &mut log, &schedule.fates);
    fake.forget_faults();
    let warehouse = fake.connect();
    assert_eq!(content(&warehouse), undisturbed(schedule, schedule.poison), "content");
    conformance::agrees(&warehouse, &log.records, &log.dead_letters);
    assert_eq!(fake.doubled(), 0, "a key has one row");
    let is_poison = |at: &sinks::TopicPartitionOffset| {
        let record = log.records.iter().find(|record| record.at == *at).unwrap();
        Some(record.change.id().player.0) == schedule.poison.map(|player| 200_000 + player)
    };
    assert!(log.dead_letters.iter().all(is_poison), "only what cannot be read is a dead letter");
    let seen = fake.seen();
    assert!(seen.most_in_flight <= 1, "{} changes in flight at a time", seen.most_in_flight);
    assert!(seen.too_many == 0 || schedule.foreign > 20, "too many DML statements outstanding");
    assert_eq!(seen.mixed_ids, 0, "an id is of one body");
    // What is left behind is gone after its time.
    fake.clock.sleep(Duration::from_secs(7 * 3_600));
    let mut warehouse = fake.connect();
    while let Err(WarehouseError::Retry { after, .. }) = warehouse.acquire(LOG) {
        fake.clock.sleep(after);
    }
    assert_eq!(fake.staged(), 0, "a loaded table is older than its time");
}

#[test]
fn over_bigquery_every_schedule_ends_as_if_nothing_had_happened() {
    each(0, over_the_fake);
}
#[test]
fn over_bigquery_every_other_schedule_too() {
    each(1_000_000, over_the_fake);
}

/// One file, whoever opens it.
struct Shared(Arc<Mutex<Sqlite>>);
/// A warehouse that answers what it likes: nothing done and said so, done and not said, or dead.
struct Flaky {
    inner: Shared,
    script: Arc<Mutex<VecDeque<(usize, Fault)>>>,
    is_dead: Arc<AtomicBool>,
}
impl Flaky {
    fn call<T>(&self, operation: impl FnOnce() -> Result<T, WarehouseError>) -> Result<T, WarehouseError> {
        let again = || WarehouseError::Retry { what: "scripted".into(), after: Duration::ZERO, alert: false };
        if self.is_dead.load(Ordering::Relaxed) {
            return Err(again());
        }
        let mut script = self.script.lock().unwrap();
        let fault = match script.front_mut() {
            Some((after, _)) if *after > 0 => {
                *after -= 1;
                None
            }
            Some(_) => script.pop_front().map(|(_, fault)| fault),
            None => None,
        };
        match fault {
            None => operation(),
            Some(Fault::Unanswered | Fault::Silence(true) | Fault::Answers(_, true)) => {
                operation().and_then(|_| Err(again()))
            }
            Some(Fault::Lost | Fault::Silence(false) | Fault::Answers(_, false)) => Err(again()),
            Some(Fault::Killed(is_done)) => {
                if is_done {
                    operation()?;
                }
                self.is_dead.store(true, Ordering::Relaxed);
                Err(again())
            }
        }
    }
}
impl Warehouse for Flaky {
    fn writer_state(&self) -> Result<WriterState, WarehouseError> {
        self.call(|| self.inner.writer_state())
    }
    fn acquire(&mut self, log: &str) -> Result<i64, WarehouseError> {
        let mut inner = Shared(self.inner.0.clone());
        self.call(|| inner.acquire(log))
    }
    fn write(
        &mut self,
        batch: &Batch,
        plan: &BatchPlan,
        at: Timestamp,
    ) -> Result<WriteSummary, WarehouseError> {
        let mut inner = Shared(self.inner.0.clone());
        self.call(|| inner.write(batch, plan, at))
    }
    fn is_committed(&self, id: &BatchId) -> Result<bool, WarehouseError> {
        self.call(|| self.inner.is_committed(id))
    }
    fn take_ownership(&mut self, _: &str) -> Result<i64, WarehouseError> {
        unreachable!()
    }
    fn delete_stale_epochs(&mut self, _: &str) -> Result<u64, WarehouseError> {
        unreachable!()
    }
    fn existing_keys(
        &self,
        keys: &[(sinks::SinkTopic, schemas::PlayerGameId)],
    ) -> Result<std::collections::HashSet<(sinks::SinkTopic, schemas::PlayerGameId)>, WarehouseError> {
        self.inner.existing_keys(keys)
    }
    fn counters(&self) -> sinks::Counters {
        self.inner.counters()
    }
    fn content_hashes(&self) -> Result<Vec<ContentHash>, WarehouseError> {
        self.inner.content_hashes()
    }
    fn control_totals(&self) -> Result<ControlTotalsByGame, WarehouseError> {
        self.inner.control_totals()
    }
}
impl Warehouse for Shared {
    fn writer_state(&self) -> Result<WriterState, WarehouseError> {
        self.0.lock().unwrap().writer_state()
    }
    fn acquire(&mut self, log: &str) -> Result<i64, WarehouseError> {
        self.0.lock().unwrap().acquire(log)
    }
    fn write(
        &mut self,
        batch: &Batch,
        plan: &BatchPlan,
        at: Timestamp,
    ) -> Result<WriteSummary, WarehouseError> {
        self.0.lock().unwrap().write(batch, plan, at)
    }
    fn is_committed(&self, id: &BatchId) -> Result<bool, WarehouseError> {
        self.0.lock().unwrap().is_committed(id)
    }
    fn take_ownership(&mut self, log: &str) -> Result<i64, WarehouseError> {
        self.0.lock().unwrap().take_ownership(log)
    }
    fn delete_stale_epochs(&mut self, log: &str) -> Result<u64, WarehouseError> {
        self.0.lock().unwrap().delete_stale_epochs(log)
    }
    fn existing_keys(
        &self,
        keys: &[(sinks::SinkTopic, schemas::PlayerGameId)],
    ) -> Result<std::collections::HashSet<(sinks::SinkTopic, schemas::PlayerGameId)>, WarehouseError> {
        self.0.lock().unwrap().existing_keys(keys)
    }
    fn counters(&self) -> sinks::Counters {
        self.0.lock().unwrap().counters()
    }
    fn content_hashes(&self) -> Result<Vec<ContentHash>, WarehouseError> {
        self.0.lock().unwrap().content_hashes()
    }
    fn control_totals(&self) -> Result<ControlTotalsByGame, WarehouseError> {
        self.0.lock().unwrap().control_totals()
    }
}

fn over_sqlite(schedule: &Schedule) {
    let warehouse = Arc::new(Mutex::new(Sqlite::in_memory().unwrap()));
    let script = schedule.faults.iter().map(|(_, after, fault)| (*after % 4, fault.clone()));
    let script = Arc::new(Mutex::new(script.collect::<VecDeque<_>>()));
    let is_dead = Arc::new(AtomicBool::new(false));
    let mut log = Log::new(&schedule.events);
    let instance = Instance {
        open: &|| {
            let inner = Shared(warehouse.clone());
            Box::new(Flaky { inner, script: script.clone(), is_dead: is_dead.clone() })
        },
        wait: &|_| {},
        is_dead: &|| is_dead.load(Ordering::Relaxed),
        revive: &|| is_dead.store(false, Ordering::Relaxed),
    };
    drive(&instance, &mut log, &schedule.fates);
    assert_eq!(content(&Shared(warehouse.clone())), undisturbed(schedule, None), "content");
    conformance::agrees(&Shared(warehouse), &log.records, &log.dead_letters);
}

#[test]
fn over_sqlite_every_schedule_ends_as_if_nothing_had_happened() {
    each(0, over_sqlite);
    each(1_000_000, over_sqlite);
}
