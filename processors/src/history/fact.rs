//! The history of one fact: a single value that each observation states, such as the schedule entry of a game.
//!
//! The request does not matter: the newest observation counts, whatever was requested. If several observations have the same fetch time, the
//! greatest value is used.
//!
//! Invariant: see the module `history`.
//! Not here: lists, whose observations also show which members are absent (`list`).
use super::{
    as_of::{AsOf, Retractions},
    sequence::{Coverage, Member, ObservationId, ObservationRecord, Sequence, StoredObservation},
};
use schemas::{Timestamp, observation::Provenance};

impl Member for () {
    type Sublist = ();
    fn sublist(&self) {}
}

/// All observations of a fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactHistory<C> {
    sequence: Sequence<(), C>,
    retractions: Retractions,
}
impl<C> Default for FactHistory<C> {
    fn default() -> Self {
        FactHistory { sequence: Sequence::default(), retractions: Retractions::default() }
    }
}

/// Consecutive observations with equal values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactRun<'a, C> {
    pub value: &'a C,
    /// The fetch time of the first of these observations.
    pub since: Timestamp,
}

impl<C: Clone + Ord> FactHistory<C> {
    /// Merges an observation, or its retraction. Returns the observations whose records ([`FactHistory::record`]) may have changed; `None`
    /// if the history does not change.
    pub fn merge(&mut self, provenance: &Provenance, value: C) -> Option<Vec<ObservationId>> {
        let id = ObservationId { fetched_at: provenance.fetched_at, raw: provenance.raw };
        let is_retraction_new =
            provenance.retraction.is_some_and(|retraction| self.retractions.add(id.raw, retraction));
        let stored = StoredObservation {
            id,
            version: provenance.version,
            outcome: provenance.outcome,
            coverage: Coverage::Complete,
        };
        match self.sequence.merge(stored, vec![((), value)]) {
            Some(merged) => Some(merged.touched),
            None => is_retraction_new.then(|| vec![id]),
        }
    }
    /// Returns what the changelog stores of an observation; `None` if there is no such observation.
    pub fn record(&self, id: ObservationId) -> Option<ObservationRecord<(), C, ()>> {
        let stored = self.sequence.observations[self.sequence.position(id).ok()?].clone();
        Some(ObservationRecord {
            id,
            request: String::new(),
            version: stored.version,
            outcome: stored.outcome,
            coverage: stored.coverage,
            changes: self.sequence.changes_at(id),
            retractions: self.retractions.of(id.raw),
        })
    }
    /// Adds an observation as `record` returned it, in any order.
    pub fn restore(&mut self, record: ObservationRecord<(), C, ()>) {
        let ObservationRecord { id, version, outcome, coverage, changes, retractions, .. } = record;
        for retraction in retractions {
            self.retractions.add(id.raw, retraction);
        }
        self.sequence.restore(StoredObservation { id, version, outcome, coverage }, changes);
    }
    pub fn has_retractions(&self) -> bool {
        !self.retractions.is_empty()
    }
    /// Returns the runs of equal values known at an instant, oldest first.
    pub fn runs(&self, as_of: AsOf) -> Vec<FactRun<'_, C>> {
        let observations = &self.sequence.observations[..self.sequence.count_until(as_of.until)];
        let changes = self.sequence.changes.get(&()).map_or(&[][..], Vec::as_slice);
        let mut runs: Vec<FactRun<'_, C>> = Vec::new();
        let mut push = |value, since| {
            if runs.last().is_none_or(|last| last.value != value) {
                runs.push(FactRun { value, since });
            }
        };
        if self.retractions.is_empty() && !self.has_simultaneous() {
            let known = changes.iter().take_while(|change| change.from.fetched_at <= as_of.until);
            known.for_each(|change| {
                if let Some(value) = &change.value {
                    push(value, change.from.fetched_at);
                }
            });
            return runs;
        }
        let mut next = 0;
        for group in observations.chunk_by(|a, b| a.id.fetched_at == b.id.fetched_at) {
            let mut greatest: Option<&C> = None;
            for stored in group {
                while changes.get(next).is_some_and(|change| change.from <= stored.id) {
                    next += 1;
                }
                let value = changes[..next].last().and_then(|change| change.value.as_ref());
                if !self.retractions.is_retracted(stored.id.raw, as_of) {
                    greatest = greatest.max(value);
                }
            }
            if let (Some(value), Some(first)) = (greatest, group.first()) {
                push(value, first.id.fetched_at);
            }
        }
        runs
    }
    /// Returns the newest value known at an instant.
    pub fn newest(&self, as_of: AsOf) -> Option<FactRun<'_, C>> {
        self.runs(as_of).pop()
    }
    /// Emits every instant at which the known values may change.
    pub fn instants(&self, emit: &mut dyn FnMut(Timestamp)) {
        if self.retractions.is_empty() && !self.has_simultaneous() {
            self.sequence.changes.values().flatten().for_each(|change| emit(change.from.fetched_at));
            return;
        }
        self.retractions.instants().for_each(&mut *emit);
        self.sequence.observations.iter().for_each(|stored| emit(stored.id.fetched_at));
    }
    /// Returns every value that any observation states.
    pub fn values(&self) -> impl Iterator<Item = &C> {
        self.sequence.changes.values().flatten().filter_map(|change| change.value.as_ref())
    }
    fn has_simultaneous(&self) -> bool {
        // A simultaneous observation with an equal value changes nothing. One with another value begins a change.
        let changes = self.sequence.changes.get(&()).map_or(&[][..], Vec::as_slice);
        let is_simultaneous =
            |pair: &[super::sequence::Change<C>]| pair[0].from.fetched_at == pair[1].from.fetched_at;
        let follows = |change: &super::sequence::Change<C>| {
            let index = self.sequence.observations.partition_point(|stored| stored.id < change.from);
            let before = index.checked_sub(1).map(|before| self.sequence.observations[before].id.fetched_at);
            before == Some(change.from.fetched_at)
        };
        changes.windows(2).any(is_simultaneous) || changes.iter().any(follows)
    }
}
