//! The laws of the whole topology, on generated histories and on a recorded season; and the trouble cases.
//!
//! `TEST_LAW_CASES` sets the total number of cases of all laws; `TEST_LAW_SEED` runs only the case with this seed. A failure
//! prints its seed.
//! Invariant: every law is tested with the real processors and simulated payloads, from raw events to predictions.
//! Not here: the decisions of a single processor (the tests of crate `processors`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod accounting;
mod batch;
mod cases;
#[path = "../common/mod.rs"]
mod common;
mod embedded_log;
mod event_pairs;
mod faults;
mod fixtures;
mod group;
mod harness;
mod histories;
mod issued;
mod known_at;
mod links;
mod log;
mod quoted;
mod random;
mod retracted;
mod schedule_faults;
mod schedule_model;
mod schedule_payloads;
mod season;
mod sides;
mod streams;
mod trades;

/// Returns the seeds with which a law is tested, one seed per case. `percent` is the law's share of the cases of all laws.
fn seeds(law: u64, percent: u64) -> impl Iterator<Item = Seed> {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let cases = number("TEST_LAW_CASES").unwrap_or(2_000);
    let range = match number("TEST_LAW_SEED") {
        Some(seed) => seed..seed + 1,
        None => law * 1_000_000..law * 1_000_000 + (cases * percent).div_ceil(100),
    };
    range.map(Seed)
}

/// The seed of a case, which is printed when the case fails.
struct Seed(u64);
impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("a law failed; to repeat only this case, set TEST_LAW_SEED={}", self.0);
        }
    }
}
