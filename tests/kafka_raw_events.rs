//! Raw events on a real broker: fetch times that another program produces, outcomes of the same bytes, and retractions.
//!
//! Invariant: record accounting balances after each step.
//! Skipped with a message where no broker can be started. Not here: the same on the embedded log (`ingest`, `retract`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]
mod common;
use common::{Fastbreak, broker::Broker};
use fastbreak::ingest;
use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, BaseRecord, Producer},
};
use schemas::{
    Timestamp,
    raw::{Feed, FetchOutcome, RawEvent},
    wire,
};
use serde_json::json;
use std::time::Duration;

/// The timestamp of the records that another program produces.
const PRODUCED: i64 = 1_700_000_000_123;

/// Produces an event of the raw topic of schedules with a timestamp, as another program does.
fn produce(broker: &Broker, event: &RawEvent, timestamp: i64) {
    let mut config = ClientConfig::new();
    let producer: BaseProducer = config.set("bootstrap.servers", &broker.bootstrap).create().unwrap();
    let value = wire::encode(event).unwrap();
    let record = BaseRecord::to(topics::RAW_SCHEDULES.info.name).partition(0).key(&event.key).payload(&value);
    producer.send(record.timestamp(timestamp)).map_err(|(error, _)| error).unwrap();
    producer.flush(Duration::from_secs(20)).unwrap();
}
fn schedule(key: &str, fetched_at: i64) -> RawEvent {
    let payload = r#"{"leagueSchedule":{"gameDates":[]}}"#.to_owned();
    RawEvent::new(Feed::NbacomSchedule, key.into(), Timestamp(fetched_at), FetchOutcome::Complete, payload)
}

#[test]
fn a_record_that_was_fetched_over_five_minutes_after_its_timestamp_is_a_dead_letter() {
    let Some(broker) = Broker::start(&[]) else { return };
    let run = Fastbreak::on_broker(&broker);
    produce(&broker, &schedule("in time", PRODUCED + 300_000), PRODUCED);
    let late = schedule("late", PRODUCED + 300_001);
    produce(&broker, &late, PRODUCED);
    produce(&broker, &schedule("early", 946_684_799_999), PRODUCED);
    produce(&broker, &schedule("long ago", 946_684_800_000), PRODUCED);
    run.catch_up();
    let shown = run.json(&["dlq", "show", "schedule-loader"]);
    let shown: Vec<_> = shown
        .as_array()
        .unwrap()
        .iter()
        .map(|dead_letter| (&dead_letter["code"], &dead_letter["key"]))
        .collect();
    let code = json!("bad_envelope");
    assert_eq!(shown, [(&code, &json!("late")), (&code, &json!("early"))]);
    run.content();

    // Retracting the event dismisses its dead dead_letter.
    let retract = run.json(&["retract", &late.id.to_string(), "--reason", "clock", "--yes"]);
    assert_eq!(
        (&retract["events"][0]["status"], &retract["events"][0]["key"]),
        (&json!("retracted"), &json!("late"))
    );
    run.catch_up();
    run.content();
    let list = run.json(&["dlq", "list"]);
    let sum = |field: &str| -> u64 {
        list.as_array().unwrap().iter().map(|reason| reason[field].as_u64().unwrap()).sum()
    };
    assert_eq!((sum("dead_letters"), sum("open"), sum("dismissed")), (2, 1, 1), "{list:#}");
    assert_eq!(run.json(&["audit"])["retracted"][0]["raw"], late.id.to_string());
    let again = run.json(&["retract", &late.id.to_string(), "--reason", "clock", "--yes"]);
    assert_eq!(again["events"][0]["status"], "already_retracted");
}

#[test]
fn the_same_bytes_with_a_better_outcome_are_appended_again() {
    let Some(broker) = Broker::start(&[]) else { return };
    let run = Fastbreak::on_broker(&broker);
    let line = |outcome: &str| {
        let payload = r#"{"links":[{"spelling":"Moe Wagner","player_id":1629021}]}"#;
        format!(
            r#"{{"source":"operator","feed":"identity-links","key":"a","fetched_at":"2024-01-01T00:00:00Z","outcome":"{outcome}","payload":{payload}}}"#
        )
    };
    assert!(ingest::parse(&line("failed")).is_ok());
    for (outcomes, new, known) in
        [(["failed", "partial"], 2, 0), (["partial", "failed"], 0, 2), (["complete", "partial"], 1, 1)]
    {
        let ingested = run.ingest(&outcomes.map(line));
        assert_eq!((&ingested["new"], &ingested["known"]), (&json!(new), &json!(known)), "{outcomes:?}");
    }
    run.catch_up();
    run.content();
}
