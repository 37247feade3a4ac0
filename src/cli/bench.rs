//! `bench`: the CPU time per record of each processor as a table.
//!
//! Invariant: one row per processor and batch.
//! Not here: the measurement (`bench`).
use super::{
    outcome::CommandOutcome,
    output::{self, Output},
};
use crate::bench::{self, ProcessorCost};
use anyhow::Result;
use std::path::PathBuf;

/// Runs `bench`.
pub fn bench(seasons: u16, files: &[PathBuf], output: Output) -> Result<CommandOutcome> {
    output::print(output, &bench::bench(seasons, files)?, |costs| table(costs))?;
    Ok(CommandOutcome::Done)
}

fn table(costs: &[ProcessorCost]) -> String {
    let rows = costs.iter().map(|cost| {
        [
            cost.batch.clone(),
            cost.processor.clone(),
            cost.records.to_string(),
            if cost.rows > 0 { cost.rows.to_string() } else { String::new() },
            format!("{:.3}", cost.seconds),
            format!("{:.2}", cost.micros_per_record),
            format!("{:.0}", cost.records_per_second),
            format!("{:.2}", cost.against_first),
        ]
    });
    output::table(["batch", "processor", "records", "rows", "s", "µs/record", "records/s", "× first"], rows)
}
