//! The events that a `retract` command names, in the raw topics.
//!
//! Invariant: of several records of one event, that with the greatest outcome is the target, because its observations reach the most keys.
//! Not here: whether a target can be retracted (`retract`).
use super::{
    raw_events::{RAW_TOPICS, StoredEvent, each_event},
    retractions::{Order, Retractions},
};
use crate::precondition::refused;
use anyhow::Result;
use runtime::{LogReader, RuntimeError};
use schemas::RawId;
use std::collections::BTreeMap;

/// An event that is to be retracted, with the newest of its earlier retractions and their undoings.
pub(super) struct Target {
    pub event: StoredEvent,
    pub newest_order: Option<Order>,
}

/// Finds the events with these ids. An id that is listed several times is found once.
///
/// # Errors
/// If no event has one of the ids, if it is the id of a retraction, or if the log cannot be read.
pub(super) fn find_targets(log: &mut dyn LogReader, ids: &[RawId]) -> Result<Vec<Target>> {
    let mut found: BTreeMap<RawId, StoredEvent> = BTreeMap::new();
    let mut retractions = Retractions::default();
    for topic in RAW_TOPICS {
        each_event(log, topic.info, |stored| {
            retractions.add(&stored.event);
            let rank = stored.event.outcome.rank();
            let is_greater = |other: &StoredEvent| other.event.outcome.rank() < rank;
            if ids.contains(&stored.event.id) && found.get(&stored.event.id).is_none_or(is_greater) {
                found.insert(stored.event.id, stored);
            }
        })?;
    }
    let mut targets = Vec::new();
    for (n, id) in ids.iter().enumerate() {
        if ids[..n].contains(id) {
            continue;
        }
        let event = found.remove(id).ok_or_else(|| unknown(*id))?;
        if let Some(order) = &event.event.retraction {
            return Err(is_retraction(*id, order.target, order.undo).into());
        }
        targets.push(Target { event, newest_order: retractions.newest_order(*id).cloned() });
    }
    Ok(targets)
}

fn unknown(id: RawId) -> RuntimeError {
    refused(
        format!("retracting {id}"),
        "no raw topic has an event with this id",
        "`fastbreak explain PLAYER DATE` shows the ids of the events that a prediction comes from, and `fastbreak dlq show` those of \
         dead letters",
    )
}

fn is_retraction(id: RawId, target: RawId, undo: bool) -> RuntimeError {
    let (kind, flag) = if undo { ("undoes the retraction", "") } else { ("is the retraction", " --undo") };
    refused(
        format!("retracting {id}"),
        format!("this event {kind} of {target}"),
        format!("`fastbreak retract {target} --reason TEXT{flag}`"),
    )
}
