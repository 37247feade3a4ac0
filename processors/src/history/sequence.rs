//! The observations of one request for one list, in order of fetch time, stored as changes.
//!
//! An observation lists some members with a value. Per member, only the observations are stored from which on its value differs from that
//! in the observation before. An observation whose members are all unchanged therefore costs only its entry.
//!
//! Invariant: the value of every member in every observation is exactly the one that the observation stated, whatever the order in which
//! the observations were inserted. Each change begins at a stored observation, and adjacent changes differ.
//! Not here: which members are present (`list`).
use schemas::{RawId, Timestamp, observation::Retraction, raw::FetchOutcome};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt::Debug};

/// A member of a list, such as a player on a roster.
pub trait Member: Clone + Ord + Debug {
    /// Identifies the innermost list that contains the member. It is `()` if the list contains no other lists.
    type Sublist: Clone + Ord + Debug;
    fn sublist(&self) -> Self::Sublist;
}

/// Identifies an observation of a list, and defines the order of the observations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObservationId {
    pub fetched_at: Timestamp,
    pub raw: RawId,
}

/// Which lists of an observation are complete. A member that an incomplete list lacks may still be present.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Coverage<S> {
    Complete,
    /// All lists are complete except these, which are sorted and at least one.
    IncompleteIn(Box<Vec<S>>),
    Incomplete,
}
impl<S: Clone + Ord> Coverage<S> {
    pub const fn of(is_complete: bool) -> Coverage<S> {
        if is_complete { Coverage::Complete } else { Coverage::Incomplete }
    }
    /// Returns the coverage of an observation, some of whose inner lists are incomplete.
    pub fn except(is_complete: bool, mut incomplete: Vec<S>) -> Coverage<S> {
        incomplete.sort_unstable();
        incomplete.dedup();
        match is_complete {
            true if incomplete.is_empty() => Coverage::Complete,
            true => Coverage::IncompleteIn(Box::new(incomplete)),
            false => Coverage::Incomplete,
        }
    }
    pub fn is_complete(&self, sublist: &S) -> bool {
        match self {
            Coverage::Complete => true,
            Coverage::IncompleteIn(sublists) => sublists.binary_search(sublist).is_err(),
            Coverage::Incomplete => false,
        }
    }
    fn and(self, other: Coverage<S>) -> Coverage<S> {
        match (self, other) {
            (Coverage::Complete, other) | (other, Coverage::Complete) => other,
            (Coverage::IncompleteIn(a), Coverage::IncompleteIn(b)) => {
                Coverage::except(true, [*a, *b].concat())
            }
            _ => Coverage::Incomplete,
        }
    }
}

/// One stored observation, without its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredObservation<S> {
    pub id: ObservationId,
    pub version: i32,
    pub outcome: FetchOutcome,
    pub coverage: Coverage<S>,
}

/// The value of a member from one observation on; `None` if it is not listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change<V> {
    pub from: ObservationId,
    pub value: Option<V>,
}

/// What a changelog stores of one observation: its entry, and the changes that begin at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(
    serialize = "K: Serialize, V: Serialize, S: Serialize",
    deserialize = "K: Deserialize<'de>, V: Deserialize<'de>, S: Deserialize<'de>"
))]
pub struct ObservationRecord<K, V, S> {
    pub id: ObservationId,
    pub request: String,
    pub version: i32,
    pub outcome: FetchOutcome,
    pub coverage: Coverage<S>,
    pub changes: Vec<(K, Option<V>)>,
    pub retractions: Vec<Retraction>,
}

/// The observations of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence<K: Member, V> {
    pub observations: Vec<StoredObservation<K::Sublist>>,
    pub changes: BTreeMap<K, Vec<Change<V>>>,
}
impl<K: Member, V> Default for Sequence<K, V> {
    fn default() -> Self {
        Sequence { observations: Vec::new(), changes: BTreeMap::new() }
    }
}

/// The effect of merging an observation into a sequence.
pub struct MergedObservation<K> {
    /// The observations at which changes may begin or end now.
    pub touched: Vec<ObservationId>,
    /// The members whose value in the observation differs from the one before.
    pub changed: Vec<K>,
    /// False if the observation was stored before, and is changed now.
    pub is_new: bool,
}

impl<K: Member, V: Clone + Ord> Sequence<K, V> {
    pub fn position(&self, id: ObservationId) -> Result<usize, usize> {
        self.observations.binary_search_by_key(&id, |stored| stored.id)
    }
    /// Returns the number of observations fetched at or before an instant.
    pub fn count_until(&self, until: Timestamp) -> usize {
        // Mostly, everything stored was fetched by then.
        match self.observations.last() {
            Some(last) if last.id.fetched_at <= until => self.observations.len(),
            _ => self.observations.partition_point(|stored| stored.id.fetched_at <= until),
        }
    }
    /// Merges an observation; `None` if it changes nothing. Of two observations with the same id, the one of the newer loader version
    /// replaces the other. Two of the same version are united: one raw event may contain a list twice, or may be in the log with two
    /// outcomes, of which the better one counts.
    pub fn merge(
        &mut self,
        new: StoredObservation<K::Sublist>,
        mut members: Vec<(K, V)>,
    ) -> Option<MergedObservation<K>> {
        members.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| b.1.cmp(&a.1)));
        members.dedup_by(|a, b| a.0 == b.0);
        let id = new.id;
        let position = self.position(id);
        let is_new = position.is_err();
        let (index, is_replaced, mut is_changed) = match position {
            Err(index) => {
                self.observations.insert(index, new);
                (index, true, true)
            }
            Ok(index) => {
                let stored = &mut self.observations[index];
                if new.version < stored.version {
                    return None;
                }
                let is_replaced = new.version > stored.version;
                let before = stored.clone();
                match new.outcome.rank().cmp(&stored.outcome.rank()) {
                    _ if is_replaced => *stored = new,
                    std::cmp::Ordering::Greater => *stored = new,
                    std::cmp::Ordering::Equal => stored.coverage = stored.coverage.clone().and(new.coverage),
                    std::cmp::Ordering::Less => {}
                }
                (index, is_replaced, *stored != before)
            }
        };
        let next = self.observations.get(index + 1).map(|stored| stored.id);
        let mut changed = Vec::new();
        if is_replaced {
            for (key, changes) in &mut self.changes {
                if members.binary_search_by(|(listed, _)| listed.cmp(key)).is_err()
                    && set(changes, id, next, None)
                {
                    changed.push(key.clone());
                }
            }
        }
        for (key, value) in members {
            let changes = self.changes.entry(key.clone()).or_default();
            let is_greater = || value_at(changes, id).is_none_or(|stored| *stored < value);
            if (is_replaced || is_greater()) && set(changes, id, next, Some(value)) {
                changed.push(key);
            }
        }
        self.changes.retain(|_, changes| !changes.is_empty());
        is_changed |= !changed.is_empty();
        let touched = next.into_iter().chain([id]).collect();
        is_changed.then_some(MergedObservation { touched, changed, is_new })
    }
    /// Returns the observations that list a member, oldest first.
    pub fn listing(&self, key: &K) -> impl Iterator<Item = ObservationId> {
        let changes = self.changes.get(key).map_or(&[][..], Vec::as_slice);
        let runs = changes.iter().enumerate().filter(|(_, change)| change.value.is_some());
        runs.flat_map(move |(index, change)| {
            let first = self.observations.partition_point(|stored| stored.id < change.from);
            let end = changes.get(index + 1).map(|next| next.from);
            let ids = self.observations[first..].iter().map(|stored| stored.id);
            ids.take_while(move |id| end.is_none_or(|end| *id < end))
        })
    }
    /// Removes an observation; returns the one after it, at which changes may begin now.
    pub fn remove(&mut self, id: ObservationId) -> Option<ObservationId> {
        let index = self.position(id).ok()?;
        self.observations.remove(index);
        let next = self.observations.get(index).map(|stored| stored.id);
        for changes in self.changes.values_mut() {
            let Ok(index) = changes.binary_search_by_key(&id, |change| change.from) else { continue };
            let follows = changes.get(index + 1).map(|change| change.from);
            match next {
                Some(next) if follows != Some(next) => changes[index].from = next,
                _ => _ = changes.remove(index),
            }
            unite_equal(changes, index);
        }
        self.changes.retain(|_, changes| !changes.is_empty());
        next
    }
    /// Returns the members with changes that begin at an observation.
    pub fn changes_at(&self, id: ObservationId) -> Vec<(K, Option<V>)> {
        let change_at = |changes: &[Change<V>]| {
            let is_last = changes.last().filter(|change| change.from <= id);
            let change = match is_last {
                Some(last) => Some(last),
                None => changes
                    .binary_search_by_key(&id, |change| change.from)
                    .ok()
                    .and_then(|index| changes.get(index)),
            };
            change.filter(|change| change.from == id).map(|change| change.value.clone())
        };
        self.changes.iter().filter_map(|(key, changes)| Some((key.clone(), change_at(changes)?))).collect()
    }
    /// Adds an observation with the changes that begin at it, as `changes_at` returned them.
    pub fn restore(&mut self, stored: StoredObservation<K::Sublist>, changes: Vec<(K, Option<V>)>) {
        let id = stored.id;
        match self.position(id) {
            Ok(index) => self.observations[index] = stored,
            Err(index) => self.observations.insert(index, stored),
        }
        for (key, value) in changes {
            let of_member = self.changes.entry(key).or_default();
            match of_member.binary_search_by_key(&id, |change| change.from) {
                Ok(index) => of_member[index].value = value,
                Err(index) => of_member.insert(index, Change { from: id, value }),
            }
        }
    }
}

/// Returns the value of a member in one observation.
pub fn value_at<V>(changes: &[Change<V>], id: ObservationId) -> Option<&V> {
    let count = changes.partition_point(|change| change.from <= id);
    changes[..count].last()?.value.as_ref()
}

/// Sets the value of a member in one observation, of which `next` is the following one; returns true if it was another value. The values in
/// all other observations stay the same.
fn set<V: Clone + PartialEq>(
    changes: &mut Vec<Change<V>>,
    id: ObservationId,
    next: Option<ObservationId>,
    value: Option<V>,
) -> bool {
    if changes.is_empty() {
        // Most members have a single change.
        changes.reserve_exact(1);
    }
    let after = changes.partition_point(|change| change.from <= id);
    let stored = after.checked_sub(1).and_then(|index| changes[index].value.as_ref());
    if stored == value.as_ref() {
        return false;
    }
    if let Some(next) = next
        && changes.get(after).is_none_or(|change| change.from != next)
    {
        let value = stored.cloned();
        changes.insert(after, Change { from: next, value });
    }
    let index = match after.checked_sub(1).filter(|index| changes[*index].from == id) {
        Some(index) => {
            changes[index].value = value;
            index
        }
        None => {
            changes.insert(after, Change { from: id, value });
            after
        }
    };
    unite_equal(changes, index + 1);
    unite_equal(changes, index);
    true
}

/// Removes the change at an index if its value equals the one before it. Before the first change, a member is not listed.
fn unite_equal<V: PartialEq>(changes: &mut Vec<Change<V>>, index: usize) {
    let Some(change) = changes.get(index) else { return };
    let before = index.checked_sub(1).and_then(|before| changes[before].value.as_ref());
    if change.value.as_ref() == before {
        changes.remove(index);
    }
}
