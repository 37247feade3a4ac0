//! Which dead letters are dismissed: those whose raw events are retracted.
//!
//! Invariant: a raw topic is read at most once, and only if a dead letter comes from it.
//! Not here: which events are retracted (`retract`).
use crate::retract::{RAW_TOPICS, RetractedEvent, Retractions, retractions};
use anyhow::Result;
use runtime::LogReader;
use schemas::raw::DeadLetter;
use std::collections::{BTreeMap, btree_map::Entry};

/// The retractions in the raw topics from which dead letters come.
#[derive(Default)]
pub(super) struct OriginRetractions(BTreeMap<&'static str, Retractions>);

impl OriginRetractions {
    /// Returns the retraction of the raw event of a dead letter; `None` if it is not retracted, or if the dead letter has no raw event.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn of_event(
        &mut self,
        log: &mut dyn LogReader,
        dead_letter: &DeadLetter,
    ) -> Result<Option<RetractedEvent>> {
        let topic =
            RAW_TOPICS.into_iter().map(|topic| topic.info).find(|topic| topic.name == dead_letter.origin);
        let (Some(topic), Some(raw)) = (topic, dead_letter.raw) else { return Ok(None) };
        let known = match self.0.entry(topic.name) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(retractions(log, std::iter::once(topic))?),
        };
        Ok(known.get(raw))
    }
}
