//! Benchmark of the local warehouse: a season of 22,000 predicted and 15,000 other candidates, 37,000 feature rows and 26,400 player
//! games, in batches of 10,000 records, in the order of the games or partition by partition.
//! `cargo run --release -p sinks --example season [-- --by-partition]`
//!
//! Invariant: all figures are measured on the same file.
//! Not here: reading and decoding records.
#![allow(clippy::unwrap_used, clippy::print_stdout)]
#[allow(dead_code)]
#[path = "../tests/conformance/events.rs"]
mod events;

use events::*;
use schemas::{Line, Timestamp};
use sinks::{
    BatchLimits, BatchPlan, RecordChange, Sqlite, TopicPartitionOffset, Warehouse, Window, WriterId,
    grading::{Grader, Population},
    sqlite::{Span, WarehouseQueries},
};
use std::time::Instant as Clock;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("warehouse.db");
    let mut w = Sqlite::open(&path).unwrap();
    let epoch = w.acquire("log").unwrap().done().unwrap();
    let writer = WriterId { sink: "warehouse".into(), log: "log".into(), epoch };
    let mut changes: Vec<RecordChange> = (0..1230u32).flat_map(changes_of).collect();
    if std::env::args().any(|arg| arg == "--by-partition") {
        changes.sort_by_key(partition);
    }
    for round in ["first", "read again from the start", "with the same content again"] {
        let (mut rows, mut took, mut records) = (0, 0.0, 0);
        let mut window = Window::new(BatchLimits::default());
        let shift = if round.starts_with("with") { 1_000_000 } else { 0 };
        for (n, change) in changes.iter().enumerate() {
            let at = TopicPartitionOffset {
                input: change.input(),
                partition: partition(change),
                offset: shift + n as i64,
            };
            let full = window.push(0, at, change.clone(), 500);
            let last = (n + 1 == changes.len()).then(|| window.close(sinks::CloseReason::Shutdown)).flatten();
            for batch in [full, last].into_iter().flatten() {
                // A different sink name gives a different batch id, so every record is compared with the stored (epoch, offset).
                let sink = format!("warehouse-{round}");
                let plan = BatchPlan::new(WriterId { sink, ..writer.clone() }, &batch, Timestamp(0));
                let started = Clock::now();
                let written = w.write(&batch, &plan, Timestamp(0)).unwrap().done().unwrap();
                took += started.elapsed().as_secs_f64();
                rows += written.rows;
                records += written.records;
            }
        }
        println!("{round}: {records} records, {rows} rows in {took:.2} s: {:.0} rows/s", rows as f64 / took);
    }
    let started = Clock::now();
    for hash in w.content_hashes().unwrap().done().unwrap() {
        println!("{} {} rows {}", hash.table, hash.rows, hash.hash);
    }
    println!("content hashes in {:.2} s", started.elapsed().as_secs_f64());
    let started = Clock::now();
    let mut grader = Grader::new(Population::Eligible);
    WarehouseQueries::open(&path).unwrap().candidates(Span::All, |candidate| grader.add(candidate)).unwrap();
    println!("graded {:?} in {:.2} s", grader.grades().rows[0].n, started.elapsed().as_secs_f64());
    println!("{} MB", std::fs::metadata(&path).unwrap().len() / 1_000_000);
}

fn partition(change: &RecordChange) -> i32 {
    (change.key().player.0 % 6) as i32
}

/// Returns the records of a game: 18 predicted and 12 other candidates, and 21 box score lines.
fn changes_of(game: u32) -> Vec<RecordChange> {
    let mut changes = Vec::new();
    for n in 0..30 {
        let id = id((game * 37 + n * 101) % 600, game);
        let event = if n < 18 { prediction(id, Line(1050 + 50 * n as i32)) } else { ruled_out(id) };
        changes.push(RecordChange::Features(id, Some(features(id, n))));
        changes.push(RecordChange::Prediction(id, Some(event)));
        if n < 21 {
            changes.push(RecordChange::PlayerGame(played(id), Some(player_game(id, Some(n as i32)))));
        }
    }
    changes
}
