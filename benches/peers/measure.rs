//! CPU and wall time of this process after its first records.
//!
//! Invariant: threads of the client library are counted, and so is whatever is still flushed at the end.
//! Not here: the broker's own CPU.
use crate::kafka::Outcome;
use std::time::Instant;

/// Ticks of `/proc/self/stat` a second: what Linux shows to all programs, whatever the kernel's own clock.
const TICKS: f64 = 100.0;

/// A stopwatch that starts when the first `warm` records are through.
pub struct Watch {
    warm: u64,
    started: Option<(Instant, f64)>,
}

impl Watch {
    /// Not started yet.
    pub fn after(warm: u64) -> Self {
        Self { warm, started: None }
    }

    /// Starts it, once enough records are through.
    pub fn seen(&mut self, records: u64) -> Outcome<()> {
        if self.started.is_none() && records >= self.warm {
            self.started = Some((Instant::now(), cpu()?));
        }
        Ok(())
    }

    /// One line for `run`: what the records after the warm ones cost.
    pub fn report(&self, records: u64) -> Outcome<()> {
        let (wall, before) = self.started.ok_or("there were no more records than warm ones")?;
        let (seconds, cpu, records) = (wall.elapsed().as_secs_f64(), cpu()? - before, records - self.warm);
        println!(r#"{{"records":{records},"seconds":{seconds:.3},"cpu":{cpu:.3}}}"#);
        Ok(())
    }
}

/// User and system seconds of all threads.
fn cpu() -> Outcome<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let mut ticks = 0.0;
    for field in after_name.split_whitespace().skip(11).take(2) {
        ticks += field.parse::<f64>()?;
    }
    Ok(ticks / TICKS)
}
