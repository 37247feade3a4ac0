//! Which observations are known at an instant, and the retractions of observations.
//!
//! Invariant: of several retractions of one raw event, the newest counts; at one instant, a retraction counts rather than its undoing.
//! Not here: what the known observations show (`list`, `fact`).
use schemas::{RawId, Timestamp, observation::Retraction};
use std::collections::BTreeMap;

/// Selects observations: those that were fetched by an instant and, by another instant, not retracted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsOf {
    /// Selects observations fetched at or before this instant.
    pub until: Timestamp,
    /// Only retractions made at or before this instant count.
    retractions_until: Timestamp,
    /// True if every retraction counts.
    is_in_retrospect: bool,
}
impl AsOf {
    /// Everything received so far.
    pub const LATEST: AsOf = AsOf::known_at(Timestamp::DISTANT_FUTURE);

    /// Selects what was known at an instant: a retraction made later does not count.
    pub const fn known_at(instant: Timestamp) -> AsOf {
        AsOf { until: instant, retractions_until: instant, is_in_retrospect: false }
    }
    /// Selects what a fetch returned by an instant, except all that is retracted now.
    pub const fn in_retrospect(instant: Timestamp) -> AsOf {
        AsOf { until: instant, retractions_until: Timestamp::DISTANT_FUTURE, is_in_retrospect: true }
    }
    /// Selects those of these observations that were fetched before an instant. The same retractions count.
    pub fn before(self, instant: Timestamp) -> AsOf {
        AsOf { until: self.until.min(Timestamp(instant.0 - 1)), ..self }
    }
    /// True if every retraction counts, whenever it was made.
    pub const fn is_in_retrospect(self) -> bool {
        self.is_in_retrospect
    }
    /// True if a retraction that was made at an instant counts.
    pub fn counts_retraction_at(self, instant: Timestamp) -> bool {
        instant <= self.retractions_until
    }
    /// Returns the last revision known at this instant, of a row with these revisions and, if any observation of it was retracted, with
    /// these revisions in retrospect.
    pub fn last_of<'a, S>(
        self,
        revisions: &'a [S],
        in_retrospect: Option<&'a [S]>,
        known_at: impl Fn(&S) -> Timestamp,
    ) -> Option<&'a S> {
        let revisions = in_retrospect.filter(|_| self.is_in_retrospect).unwrap_or(revisions);
        let known_count = revisions.partition_point(|revision| known_at(revision) <= self.until);
        known_count.checked_sub(1).and_then(|last| revisions.get(last))
    }
    /// True if an observation with these retractions, oldest first, is retracted.
    pub fn is_retracted(self, retractions: &[Retraction]) -> bool {
        let newest = retractions.iter().rev().find(|retraction| retraction.at <= self.retractions_until);
        newest.is_some_and(|retraction| !retraction.is_undone)
    }
}

/// The retractions of the observations of one list or fact, by raw event and time; true: retracted, false: undone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retractions(BTreeMap<RawId, BTreeMap<Timestamp, bool>>);
impl Retractions {
    /// Adds a retraction; returns true if it was not known.
    pub fn add(&mut self, raw: RawId, retraction: Retraction) -> bool {
        let is_retracted = !retraction.is_undone;
        let by_time = self.0.entry(raw).or_default();
        match by_time.get_mut(&retraction.at) {
            Some(stored) if *stored || *stored == is_retracted => false,
            Some(stored) => {
                *stored = true;
                true
            }
            None => {
                by_time.insert(retraction.at, is_retracted);
                true
            }
        }
    }
    /// Returns the retractions of a raw event, oldest first.
    pub fn of(&self, raw: RawId) -> Vec<Retraction> {
        let by_time = self.0.get(&raw).into_iter().flatten();
        by_time.map(|(at, is_retracted)| Retraction { at: *at, is_undone: !is_retracted }).collect()
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// True if the raw event is retracted as of an instant.
    pub fn is_retracted(&self, raw: RawId, as_of: AsOf) -> bool {
        let by_time = self.0.get(&raw);
        let newest = by_time.and_then(|by_time| by_time.range(..=as_of.retractions_until).next_back());
        newest.is_some_and(|(_, is_retracted)| *is_retracted)
    }
    /// Returns the times after the fetch of a raw event at which it was retracted, or its retraction undone. The event is not known before its
    /// fetch, so a retraction made at or before the fetch changes nothing.
    pub fn changes_of(&self, raw: RawId, fetched_at: Timestamp) -> Vec<Timestamp> {
        let mut was_retracted = false;
        let mut changes = Vec::new();
        for (at, is_retracted) in self.0.get(&raw).into_iter().flatten() {
            if *at > fetched_at && *is_retracted != was_retracted {
                changes.push(*at);
            }
            was_retracted = *is_retracted;
        }
        changes
    }
    /// Returns the times of all retractions.
    pub fn instants(&self) -> impl Iterator<Item = Timestamp> {
        self.0.values().flat_map(|by_time| by_time.keys().copied())
    }
}
