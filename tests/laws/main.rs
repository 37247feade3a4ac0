//! The laws of the whole topology, on histories that never were and on a season that was.
//!
//! `FASTBREAK_LAW_CASES` sets how many cases are tried in all, `FASTBREAK_LAW_SEED` tries one. A failure names its seed.
//! Invariant: every law is stated over the topology's own nodes and the simulator's payloads, from raw events to predictions.
//! Not here: what a single processor decides; its own tests say that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod accounts;
mod harness;
mod histories;
mod issued;
mod log;
mod on_disk;
mod random;
mod season;
mod streams;

/// The seeds that a law is tried on: its percentage of all cases.
fn seeds(law: u64, percent: u64) -> impl Iterator<Item = Seed> {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let all = number("FASTBREAK_LAW_CASES").unwrap_or(1_000);
    let range = match number("FASTBREAK_LAW_SEED") {
        Some(seed) => seed..seed + 1,
        None => law * 1_000_000..law * 1_000_000 + (all * percent).div_ceil(100),
    };
    range.map(Seed)
}

/// Says which seed it was when a case fails.
struct Seed(u64);
impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the law is broken with FASTBREAK_LAW_SEED={}", self.0);
        }
    }
}
