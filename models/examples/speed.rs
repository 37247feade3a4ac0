//! Measures how long training and one forecast take, with generated rows: `cargo run --release -p models --example speed -- 130000 40`.
//!
//! Invariant: the rows depend only on their count and that of the columns.
//! Not here: the accuracy of a model (`fastbreak backtest`).
#![allow(clippy::print_stdout)]
use models::{Parameters, Table, fit};
use std::{error::Error, hint::black_box, num::NonZeroUsize, time::Instant};

/// The number of rows that are timed at once. The median of many short batches is the time on a processor that does nothing else.
const BATCH: usize = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<usize>());
    let (rows, columns) =
        (arguments.next().transpose()?.unwrap_or(130_000), arguments.next().transpose()?.unwrap_or(40));
    let names: Vec<String> = (0..columns).map(|column| format!("column_{column:03}")).collect();
    let mut table = Table::new(&names)?;
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / f64::from(1 << 24)
    };
    let mut all = Vec::with_capacity(rows);
    for _ in 0..rows {
        let values: Vec<Option<f64>> = (0..columns).map(|_| Some(next())).collect();
        let target = 30.0 * values.iter().take(3).flatten().product::<f64>() + 10.0 * next();
        table.push(&values, target)?;
        all.push(values);
    }
    for threads in [1, 2] {
        let threads = NonZeroUsize::new(threads).ok_or("no threads")?;
        let started = Instant::now();
        let model = fit(&table, &Parameters::default(), threads, &mut || {})?.model;
        let trained = started.elapsed();
        let mut batches = Vec::new();
        for batch in all.chunks_exact(BATCH) {
            let started = Instant::now();
            for row in batch {
                black_box(model.forecast(row).map_err(|column| format!("column {column} has no value"))?);
            }
            batches.push(started.elapsed().as_secs_f64() * 1e6 / BATCH as f64);
        }
        batches.sort_by(f64::total_cmp);
        let forecast = batches.get(batches.len() / 2).ok_or("too few rows")?;
        println!("{threads} threads: trained in {:.2} s, {forecast:.2} µs a forecast", trained.as_secs_f64());
    }
    Ok(())
}
