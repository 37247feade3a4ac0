//! The number of dead letters by reason.
//!
//! Invariant: reasons that differ only in numbers are counted as one.
//! Not here: why a record is rejected (the loaders, `ingest`, the sink).
use schemas::raw::{DeadLetter, RejectCode};
use serde::Serialize;
use std::{cmp::Reverse, collections::BTreeMap};

/// Number of leading characters of a reason that are compared. Dead letters whose reasons differ only after these characters are counted
/// together.
const NORMALIZED_REASON_CHARS: usize = 120;

/// Number of dead letters of one code whose reasons differ only in numbers.
#[derive(Serialize)]
pub struct ReasonCount {
    pub code: &'static str,
    pub reason: String,
    pub dead_letters: u64,
}
/// Counts dead letters by code and reason, the most frequent reason first.
pub fn count_reasons<'a>(dead_letters: impl Iterator<Item = &'a DeadLetter>) -> Vec<ReasonCount> {
    let mut counts: BTreeMap<(RejectCode, String), u64> = BTreeMap::new();
    for dead_letter in dead_letters {
        *counts.entry((dead_letter.code, normalize_reason(&dead_letter.reason))).or_default() += 1;
    }
    let counts = counts.into_iter();
    let mut reasons: Vec<ReasonCount> = counts
        .map(|((code, reason), dead_letters)| ReasonCount { code: code.name(), reason, dead_letters })
        .collect();
    reasons.sort_by_key(|reason_count| Reverse(reason_count.dead_letters));
    reasons
}

/// Replaces the numbers in a reason by `#`, so that reasons that differ only in numbers are counted as one.
fn normalize_reason(reason: &str) -> String {
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
}
