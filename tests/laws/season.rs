//! The laws on a season that was: 2023-24 with its lines, as the scrapers fetched it.
//!
//! Skipped, with a word, where the recorded season is not at hand.
//! Invariant: a stream cut by days equals the batch, and what is issued was known in time.
//! Not here: how good the predictions are.
use crate::{
    accounts::{check, one_terminal_state_each},
    harness::{Plan, batch, content, run},
    histories::is_box_score,
    issued::{known_in_time, rows},
    log::{MemoryLog, append_raw},
    streams::assert_same,
};
use schemas::raw::RawEvent;
use std::path::Path;

fn season(name: &str) -> Option<Vec<RawEvent>> {
    let path = format!("../shared/data/events/{name}.jsonl.zst");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if !path.exists() {
        eprintln!("skipped: the recorded season is not at {}", path.display());
        return None;
    }
    let lines = fastbreak::ingest::line_reader::LineReader::read(&path).unwrap();
    let mut events: Vec<RawEvent> =
        lines.iter().map(|line| fastbreak::ingest::parse(line).unwrap()).collect();
    events.sort_by_key(|event| event.fetched_at);
    Some(events)
}

/// So many days, unless `FASTBREAK_LAW_DAYS` says otherwise: a whole season takes minutes without optimisation.
const DAYS: i32 = 60;

#[test]
fn a_real_season_cut_by_days_equals_its_batch() {
    let Some(mut events) = season("2023-24") else { return };
    let days = std::env::var("FASTBREAK_LAW_DAYS").ok().map_or(DAYS, |text| text.parse().unwrap());
    let tip = |event: &RawEvent| event.fetched_at.eastern_date().0;
    let opening = events.iter().filter(|event| is_box_score(event.feed)).map(tip).min().unwrap();
    events.retain(|event| tip(event) < opening + days);
    let started = std::time::Instant::now();
    let mut log = MemoryLog::default();
    for day in events.chunk_by(|a, b| a.fetched_at.eastern_date() == b.fetched_at.eastern_date()) {
        append_raw(&mut log, day);
        run(&mut log, Vec::new(), Plan::STRAIGHT, |_| true);
    }
    eprintln!("the stream took {:?}", started.elapsed());
    let parked: i64 = check(&mut log).values().map(|entry| entry.parked).sum();
    let is = content(&mut log);
    let candidates = one_terminal_state_each(&is);
    eprintln!("accounts after {:?}", started.elapsed());
    assert_same(&is, &content(&mut batch(&events)));
    let [issued, retrospective] = known_in_time(&rows(&is));
    eprintln!(
        "{candidates} candidates, {issued} issued, {retrospective} retrospectively, {parked} parked in {:?}",
        started.elapsed()
    );
    // The quotes of 71 play-in and playoff games, which no schedule of the season has.
    let season = 365;
    assert_eq!(parked, if days < season { 0 } else { 147 });
}
