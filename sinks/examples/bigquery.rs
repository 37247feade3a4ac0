//! Benchmark of the BigQuery sink without BigQuery: encodes batches, and writes them over HTTP to the in-process fake of the tests.
//! `cargo run --release -p sinks --example bigquery`
//!
//! Invariant: the measured time includes the time that the fake needs, so the rate is a lower bound of the sink's rate.
//! Not here: the response times of BigQuery; the benchmark of the local warehouse (`examples/season.rs`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]
#[allow(dead_code)]
#[path = "../tests/conformance/events.rs"]
mod events;
#[allow(dead_code)]
#[path = "../tests/fakebq/mod.rs"]
mod fakebq;

use events::*;
use fakebq::{Call, Fake, Fault, FaultResponse};
use schemas::{Line, Timestamp};
use sinks::{
    Batch, BatchPlan, Record, RecordChange, TopicPartitionOffset, Warehouse, WarehouseError, WriterId,
    bigquery::{Clock, encode},
};
use std::time::Instant as Watch;

fn batch(from: u32, records: u32) -> (Batch, BatchPlan) {
    let record = |n: u32| {
        let id = id(n % 600, 1 + n / 18);
        let change = RecordChange::Prediction(id, Some(prediction(id, Line(1050 + 50 * (n as i32 % 40)))));
        let coordinates =
            TopicPartitionOffset { input: change.input(), partition: (n % 6) as i32, offset: i64::from(n) };
        Record { coordinates, change }
    };
    let batch = Batch::from_records((from..from + records).map(record)).unwrap();
    let writer = WriterId { sink: "warehouse".into(), log: "log".into(), epoch: 1 };
    let plan = BatchPlan::new(writer, &batch, Timestamp(0));
    (batch, plan)
}
fn resident_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

fn main() {
    for records in [480, 10_000] {
        let (batch, _) = batch(0, records);
        let mut best = f64::MAX;
        let mut encoded = encode(&batch).unwrap();
        for _ in 0..10 {
            let started = Watch::now();
            encoded = encode(&batch).unwrap();
            best = best.min(started.elapsed().as_secs_f64());
        }
        println!(
            "encode {records} records, {} rows: {:.1} ms, {:.0} bytes per row in the request",
            encoded.row_count,
            best * 1e3,
            encoded.request_bytes as f64 / encoded.row_count as f64
        );
    }
    let fake = Fake::start();
    fake.with(|service| service.takes_ms = 0);
    let mut w = fake.connect();
    w.acquire("log").unwrap().done().unwrap();
    let batches: Vec<_> = (0..10).map(|n| batch(n * 2_000, 2_000)).collect();
    let started = Watch::now();
    let mut rows = 0;
    for (batch, plan) in &batches {
        rows += w.write(batch, plan, Timestamp(0)).unwrap().done().unwrap().rows;
    }
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "10 batches of 2,000 records, {rows} rows in {seconds:.2} s: {:.0} rows/s",
        rows as f64 / seconds
    );

    // During an outage of hours the sink holds one batch, so memory stays constant.
    drop(batches);
    for _ in 0..100_000 {
        fake.fail(Call::Insert, 0, Fault::Responds(FaultResponse::Unavailable, false));
    }
    let (batch, plan) = batch(100_000, 10_000);
    let (from, mut tries) = (fake.clock.now_ms(), 0);
    for hours in [0, 1, 4] {
        while fake.clock.now_ms() < from + hours * 3_600_000 || tries < 10 {
            let Err(WarehouseError::Retry { after, .. }) = w.write(&batch, &plan, Timestamp(0)) else {
                panic!("the batch was written during the outage")
            };
            fake.clock.sleep(after);
            tries += 1;
        }
        println!(
            "{hours} h of outage, {tries} attempts to write 10,000 records: {:.0} MB resident",
            resident_mb()
        );
    }
}
