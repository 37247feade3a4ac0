//! Measures CPU and wall time of this process after the warm-up records.
//!
//! Invariant: the figures include the threads of the client library and the final flush.
//! Not here: the broker's own CPU.
use crate::kafka::Outcome;
use std::time::Instant;

/// Number of ticks per second, the unit of CPU time in `/proc/self/stat`. Linux reports 100 to all programs, whatever its kernel uses.
const TICKS: f64 = 100.0;

/// A stopwatch that starts after the first `warm` records.
pub struct Watch {
    warm: u64,
    started: Option<(Instant, f64)>,
}

impl Watch {
    /// Creates a stopwatch that has not started yet.
    pub fn after(warm: u64) -> Self {
        Self { warm, started: None }
    }

    /// Starts the stopwatch once enough records were processed.
    pub fn record_count(&mut self, records: u64) -> Outcome<()> {
        if self.started.is_none() && records >= self.warm {
            self.started = Some((Instant::now(), cpu()?));
        }
        Ok(())
    }

    /// Prints the wall time and the CPU time since the warm-up records, as one line of JSON that the script `run` parses.
    pub fn report(&self, records: u64) -> Outcome<()> {
        let (wall, before) = self.started.ok_or("the run ended before the warm-up records were processed")?;
        let (seconds, cpu, records) = (wall.elapsed().as_secs_f64(), cpu()? - before, records - self.warm);
        println!(r#"{{"records":{records},"seconds":{seconds:.3},"cpu":{cpu:.3}}}"#);
        Ok(())
    }
}

/// Returns user and system CPU seconds of all threads.
fn cpu() -> Outcome<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let mut ticks = 0.0;
    for field in after_name.split_whitespace().skip(11).take(2) {
        ticks += field.parse::<f64>()?;
    }
    Ok(ticks / TICKS)
}
