//! The cost of odds that are polled all night; run it with `--ignored --nocapture`.
//!
//! Invariant: contains no assertion about time.
//! Not here: the rules of the view (`tests`).
#![expect(clippy::disallowed_methods, reason = "prints how long the view takes")]

use super::*;
use schemas::{Timestamp, observation::Quote, raw::Source};

/// Prints the time of polls; the last ones should take about as long as the first.
#[test]
#[ignore = "measures time"]
fn times_of_polls() {
    let mut tables = Tables::default();
    let inputs =
        tests::name_matches(Source::Oddsapi, Timestamp::DISTANT_PAST).into_iter().chain([tests::game()]);
    let mut keys = Vec::new();
    let mut put = |tables: &mut Tables, input: In| {
        keys.clear();
        let mut effects = Effects { invalidate: &mut |key| keys.push(key), retain: &mut |_, _| {} };
        Markets.apply(tables, input, &mut effects);
        for key in &keys {
            std::hint::black_box((Markets.derive(tables, key), Markets.parked(tables, key)));
        }
    };
    inputs.for_each(|input| put(&mut tables, input));
    let books: Vec<String> = (0..10).map(|book| format!("book{book}")).collect();
    let mut start = std::time::Instant::now();
    for poll in 0..3000i64 {
        let fetched_at = Timestamp(tests::at(8, 0).0 + poll * 30_000);
        // Every poll moves all update times, and every 10th poll moves the line of a player in a book.
        let quotes = books.iter().enumerate().flat_map(|(book, key)| {
            (0..20).map(move |name| {
                let line = 2050 + 100 * i32::from(name == 0 && (poll / 10) as usize % 10 == book);
                let name = if name == 0 { "A".to_owned() } else { format!("name {name}") };
                Quote { name, ..tests::quote(key, line, fetched_at) }
            })
        });
        let poll_odds = tests::odds(fetched_at, true, quotes.collect());
        put(&mut tables, poll_odds);
        if poll % 500 == 499 {
            println!("polls {}..{}: {:?} each", poll - 499, poll, start.elapsed() / 500);
            start = std::time::Instant::now();
        }
    }
}
