//! One history with every kind of fault, processed in several ways: the content is the same after an uninterrupted run, after restarts at
//! random points, in random order, and on Kafka with one, two and three instances.
//!
//! Invariant: the content depends on the set of raw events alone.
//! The Kafka test is skipped with a message where no broker can be started. Not here: killed processes (`processes`, `kafka`), histories of
//! other shapes (`laws`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]
mod common;
#[path = "laws/faults.rs"]
mod faults;
#[allow(dead_code)]
#[path = "laws/random.rs"]
mod random;

use common::{Fastbreak, broker::Broker, has_read_all};
use fastbreak::ingest;
use faults::with_faults;
use random::Random;
use runtime::{Commit, LogWriter};
use runtime_embedded::EmbeddedLog;
use runtime_kafka::{KafkaConfig, KafkaLog};
use schemas::{
    raw::{FetchOutcome, RawEvent},
    wire::Encoder,
};
use serde_json::Value;
use simulator::{Faults, ScraperEvent, Season};
use std::{collections::BTreeSet, process::Child};

const SEED: u64 = 1_815;
/// Number of points at which the run is interrupted.
const RESTARTS: usize = 20;

/// Returns a season with every fault of the simulator and every fault of the law tests.
fn history() -> Vec<RawEvent> {
    let season = Season { teams: 6, games_per_team: 10, faults: Faults::all(0.2), ..Season::new(SEED, 2023) };
    let events: Vec<RawEvent> = season.events().iter().map(ScraperEvent::to_raw).collect();
    let events = with_faults(events, 120, |_| true, &mut Random::new(SEED));
    let orders: Vec<_> = events.iter().filter_map(|event| event.retraction.as_ref()).collect();
    assert!(orders.iter().any(|order| order.undo) && orders.iter().any(|order| !order.undo));
    let outcomes: BTreeSet<FetchOutcome> = events.iter().map(|event| event.outcome).collect();
    assert_eq!(outcomes.len(), FetchOutcome::ALL.len());
    events
}

/// Ingests events through the library, because a retraction that the command makes has the time of the command.
fn ingest(run: &Fastbreak, events: &[RawEvent]) {
    let mut encoder = Encoder::new::<RawEvent>();
    let records: Vec<_> =
        events.iter().map(|event| ingest::record(event.clone(), &mut encoder).unwrap()).collect();
    match &run.brokers {
        None => EmbeddedLog::open(run.folder.path()).unwrap().ingest(&records, Commit::default()).unwrap(),
        Some(brokers) => {
            let config =
                KafkaConfig { brokers: brokers.clone(), instance: "ingest".into(), ..KafkaConfig::default() };
            KafkaLog::open(config).unwrap().ingest(&records, Commit::default()).unwrap()
        }
    };
}

/// Returns the content after an uninterrupted run over the events.
fn straight(events: &[RawEvent]) -> Value {
    let run = Fastbreak::new();
    ingest(&run, events);
    run.catch_up();
    run.content()
}

#[test]
fn twenty_restarts_and_a_random_order_give_the_content_of_one_straight_run() {
    let events = history();
    let expected = straight(&events);
    let mut random = Random::new(SEED);
    let mut ends: Vec<usize> = (0..RESTARTS).map(|_| random.below(events.len())).collect();
    ends.extend([0, events.len()]);
    ends.sort_unstable();
    let restarted = Fastbreak::new();
    for part in ends.windows(2) {
        ingest(&restarted, &events[part[0]..part[1]]);
        restarted.catch_up();
    }
    assert_eq!(restarted.content(), expected, "restarts changed the content");
    let mut shuffled = events;
    random.shuffle(&mut shuffled);
    let run = Fastbreak::new();
    for part in shuffled.chunks(shuffled.len() / 3 + 1) {
        ingest(&run, part);
        run.catch_up();
    }
    assert_eq!(run.content(), expected, "the order of the events changed the content");
}

#[test]
fn kafka_with_one_two_and_three_instances_gives_the_content_of_one_straight_run() {
    let events = history();
    let mut expected = None;
    for instances in 1..=3 {
        let Some(broker) = Broker::start(&[]) else { return };
        let expected = expected.get_or_insert_with(|| straight(&events));
        let run = Fastbreak::on_broker(&broker);
        let (before, after) = events.split_at(events.len() / 2);
        ingest(&run, before);
        let names: Vec<String> = (0..instances).map(|instance| format!("instance-{instance}")).collect();
        let mut running: Vec<Child> =
            names.iter().map(|name| run.spawn(&["run", "--instance", name])).collect();
        ingest(&run, after);
        run.wait_for_lag(has_read_all);
        for instance in &mut running {
            assert!(instance.try_wait().unwrap().is_none(), "an instance of {instances} has exited");
            instance.kill().unwrap();
            instance.wait().unwrap();
        }
        // What the killed instances had read but not committed is processed now.
        run.catch_up();
        assert_eq!(run.content(), *expected, "{instances} instances");
    }
}
