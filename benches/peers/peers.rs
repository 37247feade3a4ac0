//! The peers that are written in Rust, one command each: `peers COMMAND BROKERS RECORDS WARM`.
//!
//! `produce` fills the topic, `raw` only reads it, `loop` runs the chain without a framework, `engine` runs it as a processor of
//! Fastbreak's runtime, `sum` adds up the scores in an output topic.
//! Invariant: each peer reads the same number of records from the same topic, and prints one line of JSON.
//! Not here: the order in which peers run and the table of results (`run`), Kafka Streams (`streams/`).
#![allow(clippy::print_stdout)]
mod chain;
mod engine;
mod kafka;
mod lines;
mod measure;

use chain::Chain;
use kafka::Outcome;
use measure::Watch;
use rdkafka::consumer::{CommitMode, Consumer};
use std::time::{Duration, Instant};

const LINES: &str = "peers.lines";

/// Reads records and drops them. This is the lowest cost at which a peer can read.
fn read(brokers: &str, records: u64, warm: u64) -> Outcome<()> {
    let (mut watch, mut bytes) = (Watch::after(warm), 0);
    let consumer = kafka::consumer(brokers, "peers-raw", LINES)?;
    let count = |_: &[u8], value: &[u8]| {
        bytes += value.len();
        Ok(())
    };
    kafka::consume(&consumer, records, 1000, count, |read| watch.record_count(read))?;
    watch.report(records)?;
    std::hint::black_box(bytes);
    Ok(())
}

/// Runs the chain without a framework: delivery is at least once, and the state is lost when the process ends.
fn chain_by_hand(brokers: &str, records: u64, warm: u64) -> Outcome<()> {
    let (mut watch, mut chain, mut out) = (Watch::after(warm), Chain::new(), Vec::new());
    let consumer = kafka::consumer(brokers, "peers-loop", LINES)?;
    let producer = kafka::producer(brokers)?;
    let mut committed = Instant::now();
    let step = |key: &[u8], line: &[u8]| {
        chain.step(line, &mut out)?;
        kafka::send(&producer, "peers.loop", key, &out)
    };
    let pause = |read| {
        producer.poll(Duration::ZERO);
        if committed.elapsed() >= Duration::from_secs(1) || read == records {
            kafka::drain(&producer)?;
            consumer.commit_consumer_state(CommitMode::Sync)?;
            committed = Instant::now();
        }
        watch.record_count(read)
    };
    kafka::consume(&consumer, records, 1000, step, pause)?;
    watch.report(records)
}

/// Checks that a peer's topic has exactly `records` committed records, and prints the sum of their scores.
fn add_up(brokers: &str, topic: &str, records: u64) -> Outcome<()> {
    let consumer = kafka::consumer(brokers, &format!("sum-of-{topic}"), topic)?;
    let mut sum = 0;
    let add = |_: &[u8], record: &[u8]| {
        sum += chain::score_of(record)?;
        Ok(())
    };
    kafka::consume(&consumer, records, records, add, |_| Ok(()))?;
    if consumer.poll(Duration::from_secs(2)).is_some() {
        return Err(format!("{topic} has more than {records} records").into());
    }
    println!(r#"{{"records":{records},"sum":{sum}}}"#);
    Ok(())
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [command, brokers, records, last] = arguments.as_slice() else {
        return Err(
            "usage: peers produce|raw|loop|engine BROKERS RECORDS WARM, or peers sum BROKERS RECORDS TOPIC"
                .into(),
        );
    };
    let records: u64 = records.parse()?;
    match command.as_str() {
        "produce" => lines::produce(brokers, LINES, records),
        "raw" => read(brokers, records, last.parse()?),
        "engine" => engine::run(brokers, records, last.parse()?),
        "loop" => chain_by_hand(brokers, records, last.parse()?),
        "sum" => add_up(brokers, last, records),
        unknown => {
            Err(format!("unknown command {unknown}: expected produce, raw, loop, engine or sum").into())
        }
    }
}
