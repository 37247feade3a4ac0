//! Tests the laws on a recorded season: 2023-24 with its betting lines, as the scrapers fetched it.
//!
//! Skipped with a message where the recorded season does not exist.
//! Invariant: processing the events day by day gives the same content as processing them in one batch, and issued rows use only what
//! was known before their cutoff.
//! Not here: the quality of the predictions.
use crate::{
    accounting::{check_candidates, check_ledger},
    batch::batch,
    harness::{Schedule, content, run},
    histories::is_box_score,
    issued::{check_known_times, rows},
    log::{MemoryLog, append_raw},
    streams::assert_same,
};
use fastbreak::ingest::{self, line_reader::LineReader};
use schemas::raw::RawEvent;
use std::{path::Path, time::Instant};

/// Number of days that are processed unless `TEST_LAW_DAYS` is set. A whole season takes minutes in a build without optimization.
const DEFAULT_DAYS: i32 = 60;
/// With this many days or more, the whole season is processed.
const SEASON_DAYS: i32 = 365;

fn recorded_season(name: &str) -> Option<Vec<RawEvent>> {
    let path = format!("../shared/data/events/{name}.jsonl.zst");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if !path.exists() {
        eprintln!("skipped: there is no recorded season at {}", path.display());
        return None;
    }
    let lines = LineReader::read(&path).unwrap();
    let mut events: Vec<RawEvent> = lines.iter().map(|line| ingest::parse(line).unwrap()).collect();
    events.sort_by_key(|event| event.fetched_at);
    Some(events)
}

#[test]
fn a_recorded_season_processed_day_by_day_equals_its_batch() {
    let Some(mut events) = recorded_season("2023-24") else { return };
    let days = std::env::var("TEST_LAW_DAYS").ok().map_or(DEFAULT_DAYS, |text| text.parse().unwrap());
    let day = |event: &RawEvent| event.fetched_at.eastern_date().0;
    let first_day = events.iter().filter(|event| is_box_score(event.feed)).map(day).min().unwrap();
    events.retain(|event| day(event) < first_day + days);
    let started = Instant::now();
    let mut log = MemoryLog::default();
    for events_of_day in events.chunk_by(|a, b| day(a) == day(b)) {
        append_raw(&mut log, events_of_day);
        run(&mut log, Vec::new(), Schedule::STRAIGHT, |_| true);
    }
    eprintln!("processing day by day took {:?}", started.elapsed());
    let parked: i64 = check_ledger(&mut log).values().map(|entry| entry.parked).sum();
    let stream_content = content(&mut log);
    let candidates = check_candidates(&stream_content);
    eprintln!("record accounting was checked after {:?}", started.elapsed());
    assert_same(&stream_content, &content(&mut batch(&events)));
    let counts = check_known_times(&rows(&stream_content));
    eprintln!(
        "{candidates} candidates, {} issued predictions, {} retrospective rows, {parked} parked records, after {:?}",
        counts.issued,
        counts.retrospective,
        started.elapsed()
    );
    // The parked records contain betting lines of 71 play-in and playoff games, which are not in the schedule of the season.
    assert_eq!(parked, if days < SEASON_DAYS { 0 } else { 147 });
}
