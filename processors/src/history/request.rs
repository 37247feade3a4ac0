//! The observations of one request of a list, for views that need earlier values of a member and not only whether it is present.
//!
//! Invariant: no function iterates over all observations unless one of them was retracted.
//! Not here: which members are present (`list`), how the observations are stored (`sequence`).
use super::{
    as_of::{AsOf, Retractions},
    sequence::{Change, Member, ObservationId, Sequence, value_at},
};

/// The observations of one request.
pub struct RequestHistory<'a, K: Member, V> {
    name: &'a str,
    sequence: &'a Sequence<K, V>,
    retractions: &'a Retractions,
}
impl<K: Member, V> Clone for RequestHistory<'_, K, V> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K: Member, V> Copy for RequestHistory<'_, K, V> {}

/// The first and the last of several known observations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownObservations {
    pub first: ObservationId,
    pub last: ObservationId,
}

impl<'a, K: Member, V: Clone + Ord> RequestHistory<'a, K, V> {
    pub(super) const fn new(
        name: &'a str,
        sequence: &'a Sequence<K, V>,
        retractions: &'a Retractions,
    ) -> Self {
        RequestHistory { name, sequence, retractions }
    }
    /// Returns the request key.
    pub const fn name(&self) -> &'a str {
        self.name
    }
    /// Returns every member that any observation lists, from `first` on.
    pub fn keys_from(&self, first: &K) -> impl Iterator<Item = &'a K> + use<'a, K, V> {
        self.sequence.changes.range(first..).map(|(key, _)| key)
    }
    /// Returns the observations from which on the value of a member differs from the one before, oldest first.
    pub fn changes(&self, key: &K) -> &'a [Change<V>] {
        self.sequence.changes.get(key).map_or(&[], Vec::as_slice)
    }
    /// Returns the value of a member in one observation.
    pub fn value_at(&self, key: &K, id: ObservationId) -> Option<&'a V> {
        value_at(self.changes(key), id)
    }
    /// Returns the known observations from `from` on (included) and before `until` (excluded); `None` if none of them is known.
    pub fn known_from(
        &self,
        from: Option<ObservationId>,
        until: Option<ObservationId>,
        as_of: AsOf,
    ) -> Option<KnownObservations> {
        let observations = &self.sequence.observations;
        let fetched = self.sequence.count_until(as_of.until);
        let end = match until {
            Some(until) => fetched.min(observations.partition_point(|stored| stored.id < until)),
            None => fetched,
        };
        let begin = from.map_or(0, |from| observations.partition_point(|stored| stored.id < from));
        let fetched = observations.get(begin..end)?.iter().map(|stored| stored.id);
        let mut known = fetched.filter(|id| !self.retractions.is_retracted(id.raw, as_of));
        let first = known.next()?;
        Some(KnownObservations { first, last: known.next_back().unwrap_or(first) })
    }
    /// True if one of the known observations in a range, as in `known_from`, is complete in one of the innermost lists.
    pub fn has_complete(
        &self,
        sublist: &K::Sublist,
        from: ObservationId,
        until: ObservationId,
        as_of: AsOf,
    ) -> bool {
        let observations = &self.sequence.observations;
        let begin = observations.partition_point(|stored| stored.id < from);
        let in_range = observations[begin..].iter().take_while(|stored| stored.id < until);
        let mut known = in_range.filter(|stored| {
            stored.id.fetched_at <= as_of.until && !self.retractions.is_retracted(stored.id.raw, as_of)
        });
        known.any(|stored| stored.coverage.is_complete(sublist))
    }
}
