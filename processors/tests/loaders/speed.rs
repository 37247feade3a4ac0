//! How long decoding takes; run it in release with `--ignored --nocapture`.
//!
//! Invariant: nothing is asserted about time. Not here: the rest of the pipeline.
use crate::real::seasons;
use processors::loader::load;
use schemas::raw::Feed;
use std::time::Instant;

#[test]
#[ignore = "a measurement"]
#[allow(clippy::disallowed_methods)]
fn microseconds_a_row() {
    let events = seasons();
    for feed in [Feed::NbacomSchedule, Feed::NbacomLeaguegamelog, Feed::OddsapiEventOdds] {
        let mine: Vec<_> = events.iter().filter(|raw| raw.feed == feed).collect();
        let begun = Instant::now();
        let rows: u64 = mine.iter().map(|raw| load(raw).map_or(0, |loaded| loaded.rows)).sum();
        let micros = begun.elapsed().as_secs_f64() * 1e6;
        eprintln!(
            "{feed}: {} payloads, {rows} rows, {:.2} µs a row",
            mine.len(),
            micros / rows.max(1) as f64
        );
    }
}
