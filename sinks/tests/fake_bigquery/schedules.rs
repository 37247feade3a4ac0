//! Random schedules of faults: whatever fails and whenever an instance dies, the warehouse ends with the same content as without faults.
//!
//! A schedule is derived from a seed, which is printed if the test fails: `TEST_SEED=<number> cargo test -p sinks --test fake_bigquery schedules`
//! runs only the schedule of that seed. `TEST_SCHEDULES` is the number of schedules to run.
//!
//! Invariant: all properties are checked at the end, without access to the sink's internals: content, keys, record accounting, jobs in
//! flight, job ids, orphaned tables.
//! Not here: single crash points (`faults`).

use crate::conformance;
use crate::conformance::{LOG, content, drive::*};
use crate::fakebq::{Call, Fake, Fault, FaultResponse};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use schemas::Timestamp;
use sinks::{
    Batch, BatchId, BatchPlan, BigQuery, Progress, RowKey, SinkTopic, Sqlite, StoredBatch, Warehouse,
    WarehouseError, WriteSummary,
    bigquery::{BigQueryConfig, Clock},
    control_totals::ControlTotalsByGame,
    warehouse::{ContentHash, WriterState},
};
use std::{
    collections::{HashSet, VecDeque},
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
    /// True if every batch is staged.
    is_staged: bool,
    /// Id of a player whose rows BigQuery rejects; `None`: no row is rejected.
    poison: Option<u32>,
    /// Outcomes of the next DML jobs; `None`: the job succeeds.
    outcomes: Vec<Option<u8>>,
    /// Number of DML jobs of other writers that exist at the start.
    foreign: usize,
    takes_ms: i64,
    /// Maximum number of rows of a merge, and whether it is also the maximum of a load job. `None`: unlimited.
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
    let response = prop_oneof![
        Just(FaultResponse::Unavailable),
        Just(FaultResponse::TooMany),
        Just(FaultResponse::RateLimited),
        Just(FaultResponse::QuotaExceeded),
        Just(FaultResponse::Html),
        Just(FaultResponse::Nothing),
        Just(FaultResponse::Truncated),
        Just(FaultResponse::Unauthorized),
    ];
    let fault = prop_oneof![
        2 => Just(Fault::RequestLost),
        3 => Just(Fault::ResponseLost),
        2 => any::<bool>().prop_map(Fault::Killed),
        // A rate limit always rejects the call. Before any other error response, the call may be executed.
        4 => (response, any::<bool>()).prop_map(|(response, is_done)| {
            let is_done = is_done && matches!(response, FaultResponse::Unavailable | FaultResponse::Html | FaultResponse::Nothing | FaultResponse::Truncated);
            Fault::Responds(response, is_done)
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

/// Generates and runs schedules; if one fails, its seed is printed.
fn each(from: u64, run: impl Fn(&Schedule) + Sync) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let count = number("TEST_SCHEDULES").unwrap_or(1_000);
    let seeds = number("TEST_SEED").map_or(from..from + count, |seed| seed..seed + 1);
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

/// Returns the content of a warehouse after a run without faults, and without the records of the player `without`.
fn undisturbed(schedule: &Schedule, without: Option<u32>) -> Vec<(&'static str, u64, String)> {
    let mut log = Log::new(&schedule.events);
    log.records
        .retain(|record| without.is_none_or(|player| record.change.key().player.0 != 200_000 + player));
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
            service.max_merged_rows = rows;
            service.max_loaded_rows = if is_load_too { rows } else { usize::MAX };
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
        // The first DML job acquires the warehouse.
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
    fake.clear_faults();
    let warehouse = fake.connect();
    assert_eq!(content(&warehouse), undisturbed(schedule, schedule.poison), "content");
    conformance::assert_reconciled(&warehouse, &log.records, &log.dead_letters);
    assert_eq!(fake.duplicate_keys(), 0, "keys with more than one row");
    let is_poison = |coordinates: &sinks::TopicPartitionOffset| {
        let record = log.records.iter().find(|record| record.coordinates == *coordinates).unwrap();
        Some(record.change.key().player.0) == schedule.poison.map(|player| 200_000 + player)
    };
    assert!(
        log.dead_letters.iter().all(is_poison),
        "a record that BigQuery does not reject is a dead letter"
    );
    let statistics = fake.statistics();
    assert!(statistics.max_in_flight <= 1, "{} DML jobs in flight at a time", statistics.max_in_flight);
    assert!(statistics.too_many == 0 || schedule.foreign > 20, "the sink's jobs overfilled the DML queue");
    assert_eq!(statistics.mixed_ids, 0, "job ids with two different request bodies");
    // Orphaned staging tables are deleted after six hours.
    fake.clock.sleep(Duration::from_secs(7 * 3_600));
    let mut warehouse = fake.connect();
    loop {
        match warehouse.acquire(LOG) {
            Ok(Progress::Done(_)) => break,
            Ok(Progress::Pending(_)) => {}
            Err(WarehouseError::Retry { after, .. }) => fake.clock.sleep(after),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(fake.staged(), 0, "an expired staging table remains");
}

#[test]
fn on_bigquery_every_schedule_ends_with_the_undisturbed_content() {
    each(0, over_the_fake);
}
#[test]
fn on_bigquery_a_second_range_of_schedules_ends_with_the_undisturbed_content() {
    each(1_000_000, over_the_fake);
}

/// A warehouse that several instances share.
struct Shared(Arc<Mutex<Sqlite>>);
/// A warehouse with scripted faults: a failed call, an executed call whose response is lost, or a dead instance.
struct Flaky {
    inner: Shared,
    script: Arc<Mutex<VecDeque<(usize, Fault)>>>,
    is_dead: Arc<AtomicBool>,
}
impl Flaky {
    fn call<T>(
        &self,
        operation: impl FnOnce() -> Result<Progress<T>, WarehouseError>,
    ) -> Result<Progress<T>, WarehouseError> {
        let after = Duration::from_millis(50);
        let retry = || WarehouseError::Retry { what: "scripted".into(), after, alert: false };
        if self.is_dead.load(Ordering::Relaxed) {
            return Err(retry());
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
            Some(Fault::ResponseLost | Fault::TimedOut(true) | Fault::Responds(_, true)) => {
                operation().and_then(|_| Err(retry()))
            }
            Some(Fault::RequestLost | Fault::TimedOut(false) | Fault::Responds(_, false)) => Err(retry()),
            Some(Fault::Killed(is_done)) => {
                if is_done {
                    _ = operation()?;
                }
                self.is_dead.store(true, Ordering::Relaxed);
                Err(retry())
            }
        }
    }
}
impl Warehouse for Flaky {
    fn writer_state(&self) -> Result<Progress<WriterState>, WarehouseError> {
        self.call(|| self.inner.writer_state())
    }
    fn acquire(&mut self, log: &str) -> Result<Progress<i64>, WarehouseError> {
        let mut inner = Shared(self.inner.0.clone());
        self.call(|| inner.acquire(log))
    }
    fn write(
        &mut self,
        batch: &Batch,
        plan: &BatchPlan,
        now: Timestamp,
    ) -> Result<Progress<WriteSummary>, WarehouseError> {
        let mut inner = Shared(self.inner.0.clone());
        self.call(|| inner.write(batch, plan, now))
    }
    fn newest_batch(&self, epoch: i64) -> Result<Progress<Option<StoredBatch>>, WarehouseError> {
        self.call(|| self.inner.newest_batch(epoch))
    }
    fn is_committed(&self, id: &BatchId) -> Result<Progress<bool>, WarehouseError> {
        self.call(|| self.inner.is_committed(id))
    }
    fn take_ownership(&mut self, _: &str) -> Result<Progress<i64>, WarehouseError> {
        unreachable!()
    }
    fn delete_stale_epochs(&mut self, _: &str) -> Result<Progress<u64>, WarehouseError> {
        unreachable!()
    }
    fn existing_keys(
        &self,
        keys: &[(SinkTopic, RowKey)],
    ) -> Result<Progress<HashSet<(SinkTopic, RowKey)>>, WarehouseError> {
        self.inner.existing_keys(keys)
    }
    fn counters(&self) -> sinks::Counters {
        self.inner.counters()
    }
    fn content_hashes(&self) -> Result<Progress<Vec<ContentHash>>, WarehouseError> {
        self.inner.content_hashes()
    }
    fn control_totals(&self) -> Result<Progress<ControlTotalsByGame>, WarehouseError> {
        self.inner.control_totals()
    }
}
impl Warehouse for Shared {
    fn writer_state(&self) -> Result<Progress<WriterState>, WarehouseError> {
        self.0.lock().unwrap().writer_state()
    }
    fn acquire(&mut self, log: &str) -> Result<Progress<i64>, WarehouseError> {
        self.0.lock().unwrap().acquire(log)
    }
    fn write(
        &mut self,
        batch: &Batch,
        plan: &BatchPlan,
        now: Timestamp,
    ) -> Result<Progress<WriteSummary>, WarehouseError> {
        self.0.lock().unwrap().write(batch, plan, now)
    }
    fn newest_batch(&self, epoch: i64) -> Result<Progress<Option<StoredBatch>>, WarehouseError> {
        self.0.lock().unwrap().newest_batch(epoch)
    }
    fn is_committed(&self, id: &BatchId) -> Result<Progress<bool>, WarehouseError> {
        self.0.lock().unwrap().is_committed(id)
    }
    fn take_ownership(&mut self, log: &str) -> Result<Progress<i64>, WarehouseError> {
        self.0.lock().unwrap().take_ownership(log)
    }
    fn delete_stale_epochs(&mut self, log: &str) -> Result<Progress<u64>, WarehouseError> {
        self.0.lock().unwrap().delete_stale_epochs(log)
    }
    fn existing_keys(
        &self,
        keys: &[(SinkTopic, RowKey)],
    ) -> Result<Progress<HashSet<(SinkTopic, RowKey)>>, WarehouseError> {
        self.0.lock().unwrap().existing_keys(keys)
    }
    fn counters(&self) -> sinks::Counters {
        self.0.lock().unwrap().counters()
    }
    fn content_hashes(&self) -> Result<Progress<Vec<ContentHash>>, WarehouseError> {
        self.0.lock().unwrap().content_hashes()
    }
    fn control_totals(&self) -> Result<Progress<ControlTotalsByGame>, WarehouseError> {
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
    conformance::assert_reconciled(&Shared(warehouse), &log.records, &log.dead_letters);
}

#[test]
fn on_sqlite_every_schedule_ends_with_the_undisturbed_content() {
    each(0, over_sqlite);
    each(1_000_000, over_sqlite);
}
