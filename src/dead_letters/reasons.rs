//! The number of dead letters by code and reason, and the locations of their originals.
//!
//! Invariant: a location is one that an operator can look up: a line of a file, or an offset.
//! Not here: how reasons are counted (`reasons`, in the root of the crate).
use crate::{
    ingest::INGEST,
    reasons::{ReasonCount, ReasonCounts},
};
use schemas::raw::DeadLetter;

/// Counts dead letters by code and reason, the most frequent reason first.
pub fn count_reasons<'a>(dead_letters: impl Iterator<Item = &'a DeadLetter>) -> Vec<ReasonCount> {
    let mut counts = ReasonCounts::default();
    for dead_letter in dead_letters {
        counts.add(dead_letter.code, &dead_letter.reason, || location(dead_letter));
    }
    counts.most_frequent_first()
}

/// Returns the location of a dead letter's original: file and line, or topic, partition and offset.
pub fn location(dead_letter: &DeadLetter) -> String {
    let DeadLetter { origin, partition, offset, .. } = dead_letter;
    if dead_letter.processor == INGEST {
        format!("{origin}:{offset}")
    } else {
        format!("{origin}/{partition} offset {offset}")
    }
}
