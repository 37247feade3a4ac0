//! Retractions of raw events, as an operator publishes them.
//!
//! Invariant: the retractions depend only on the seed, the rate and the set of events, not on the order or repetition of the events.
//! Not here: the events (`fetches`).
use crate::{
    publish::MINUTE,
    random::{Decision, Random},
};
use schemas::{Timestamp, raw::RawEvent};
use std::collections::BTreeMap;

/// Minutes from a fetch to its retraction: at the same instant, during the day (mostly before tip-off), and days later (after tip-off and
/// after the result).
const DELAYS: [i64; 8] = [0, 1, 20, 90, 300, 900, 2_900, 20_000];

/// Returns retractions of a share of the events, ordered by time. Some are undone later, some at the same instant, and some are then
/// retracted again. No retraction is earlier than the fetch of its target.
pub fn retractions(events: &[RawEvent], rate: f64, seed: u64) -> Vec<RawEvent> {
    let mut targets: BTreeMap<i64, &RawEvent> = BTreeMap::new();
    for event in events.iter().filter(|event| event.retraction.is_none()) {
        // Copies of an event have the same id, even if their outcomes differ. The one with the best outcome is the target.
        let target = targets.entry(event.id.0).or_insert(event);
        if target.outcome.rank() < event.outcome.rank() {
            *target = event;
        }
    }
    let mut retractions = vec![];
    for (id, target) in targets {
        let mut random = Random::for_decision(seed, Decision::Retraction, &[id as u64]);
        if !random.chance(rate) {
            continue;
        }
        let mut at = target.fetched_at;
        for undo in [false, true, false] {
            at = Timestamp(at.0 + MINUTE * random.pick(&DELAYS));
            let reason = if undo { "the response was correct" } else { "the response was wrong" };
            retractions.push(target.retracted(at, undo, reason.to_owned()));
            if !random.chance(0.35) {
                break;
            }
        }
    }
    retractions.sort_by_key(|event| (event.fetched_at, event.id.0));
    retractions
}
