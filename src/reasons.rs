//! Numbers of rejected lines, records and rows by code and reason.
//!
//! Invariant: reasons that differ only in numbers are counted as one; each has the location of the first occurrence.
//! Not here: why something is rejected (the loaders, `ingest`, the sink).
use schemas::raw::RejectCode;
use serde::Serialize;
use std::{cmp::Reverse, collections::BTreeMap};

/// Number of leading characters of a reason that are compared. Dead letters whose reasons differ only after these characters are counted
/// together.
const NORMALIZED_REASON_CHARS: usize = 120;

/// Number of dead letters of one code whose reasons differ only in numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReasonCount {
    pub code: &'static str,
    pub reason: String,
    pub dead_letters: u64,
    /// The location of the first one: file and line, or topic, partition and offset.
    pub first: String,
}

/// Counts dead letters by code and reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReasonCounts(BTreeMap<(RejectCode, String), (u64, String)>);
impl ReasonCounts {
    /// Counts one with this reason; `location` is called only for the first one.
    pub fn add(&mut self, code: RejectCode, reason: &str, location: impl FnOnce() -> String) {
        let count = self.0.entry((code, normalize_reason(reason))).or_insert_with(|| (0, location()));
        count.0 += 1;
    }
    /// Adds the counts of locations that come after these.
    pub fn append(&mut self, other: ReasonCounts) {
        for (reason, (count, first)) in other.0 {
            self.0.entry(reason).or_insert((0, first)).0 += count;
        }
    }
    /// Returns the counts, the most frequent reason first.
    pub fn most_frequent_first(&self) -> Vec<ReasonCount> {
        let counts = self.0.iter().map(|((code, reason), (dead_letters, first))| ReasonCount {
            code: code.name(),
            reason: reason.clone(),
            dead_letters: *dead_letters,
            first: first.clone(),
        });
        let mut reasons: Vec<ReasonCount> = counts.collect();
        reasons.sort_by_key(|reason_count| Reverse(reason_count.dead_letters));
        reasons
    }
}

/// Replaces the numbers in a reason by `#`, so that reasons that differ only in numbers are counted as one.
pub fn normalize_reason(reason: &str) -> String {
    let mut normalized = String::new();
    for character in reason.chars().take(NORMALIZED_REASON_CHARS) {
        if !character.is_ascii_digit() {
            normalized.push(character);
        } else if !normalized.ends_with('#') {
            normalized.push('#');
        }
    }
    normalized
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_counted_without_their_numbers() {
        assert_eq!(normalize_reason("row 17: PTS is -3"), "row #: PTS is -#");
    }
    #[test]
    fn the_most_frequent_reason_is_first_and_has_the_location_of_its_first_occurrence() {
        let mut counts = ReasonCounts::default();
        for (line, reason) in [(1, "no key"), (2, "column 7"), (3, "column 9")] {
            counts.add(RejectCode::BadEnvelope, reason, || line.to_string());
        }
        let reasons = counts.most_frequent_first();
        let found: Vec<_> =
            reasons.iter().map(|count| (&*count.reason, count.dead_letters, &*count.first)).collect();
        assert_eq!(found, [("column #", 2, "2"), ("no key", 1, "1")]);
    }
}
