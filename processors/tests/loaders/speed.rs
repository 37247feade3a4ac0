//! Measures the decoding time; run it in release mode with `--ignored --nocapture`.
//!
//! Invariant: no time is asserted.
//! Not here: the rest of the pipeline (`benches`).
use crate::real::seasons;
use processors::loader::load;
use schemas::raw::Feed;
use std::time::Instant;

#[test]
#[ignore = "a measurement, not a test"]
#[allow(clippy::disallowed_methods)]
fn microseconds_per_row() {
    let events = seasons();
    for feed in [Feed::NbacomSchedule, Feed::NbacomLeaguegamelog, Feed::OddsapiEventOdds] {
        let of_feed: Vec<_> = events.iter().filter(|raw| raw.feed == feed).collect();
        let start = Instant::now();
        let rows: u64 = of_feed.iter().map(|raw| load(raw).map_or(0, |loaded| loaded.rows)).sum();
        let micros = start.elapsed().as_secs_f64() * 1e6 / rows.max(1) as f64;
        eprintln!("{feed}: {} payloads, {rows} rows, {micros:.2} µs per row", of_feed.len());
    }
}
