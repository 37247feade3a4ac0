//! The history of one list: which members are present as of an instant.
//!
//! Observations of one request at one instant are parts: they are united, and complete only if all are. In each request, a member is
//! present if the newest complete observation lists it, or an incomplete one since then; if no observation was complete, any. Only live
//! requests count: a request is live unless the newest complete observation of the list is more than one hour newer than the newest
//! observation of the request.
//!
//! Invariant: see the module `history`.
//! Not here: how the observations are stored (`sequence`), at which instants a member may change (`instants`).
use super::{
    as_of::{AsOf, Retractions},
    request::RequestHistory,
    sequence::{Change, Coverage, Member, ObservationId, ObservationRecord, Sequence, StoredObservation},
};
use schemas::{
    RawId, Timestamp,
    observation::{Provenance, Retraction},
};
use std::collections::{BTreeMap, BTreeSet};

/// A request with no observation for this long is not live, if another request has returned the complete list meanwhile.
pub(super) const LIVE_HOURS: i64 = 1;

/// All observations of a list, by request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListHistory<K: Member, V> {
    pub(super) requests: BTreeMap<String, Sequence<K, V>>,
    pub(super) retractions: Retractions,
}
impl<K: Member, V> Default for ListHistory<K, V> {
    fn default() -> Self {
        ListHistory { requests: BTreeMap::new(), retractions: Retractions::default() }
    }
}

/// A member that is present in a list.
#[derive(Debug, PartialEq, Eq)]
pub struct Listed<'a, V> {
    pub value: &'a V,
    /// The newest observation that lists the member.
    pub fetched_at: Timestamp,
    pub raw: RawId,
    /// The fetch time of the first observation since which the member has had this value without interruption.
    pub since: Timestamp,
    /// The raw event of that observation. Unlike `raw`, it does not change when the value is only repeated.
    pub first_raw: RawId,
}

impl<V> Clone for Listed<'_, V> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<V> Copy for Listed<'_, V> {}

/// The value of a member, and when and by which raw event it was first listed.
type MemberState<V> = (V, Timestamp, RawId);

/// The members whose presence or value may differ, at some instant, from before a merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Affected<K> {
    Members(Vec<K>),
    All,
}

/// The effect of a merge that changed the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListChange<K> {
    /// The observations whose records ([`ListHistory::record`]) may have changed.
    pub touched: Vec<ObservationId>,
    pub affected: Affected<K>,
}

impl<K: Member, V: Clone + Ord> ListHistory<K, V> {
    /// Merges an observation, or its retraction; `None` if the history does not change.
    pub fn merge(
        &mut self,
        provenance: &Provenance,
        coverage: Coverage<K::Sublist>,
        members: Vec<(K, V)>,
    ) -> Option<ListChange<K>> {
        let id = ObservationId { fetched_at: provenance.fetched_at, raw: provenance.raw };
        let is_retraction_new =
            provenance.retraction.is_some_and(|retraction| self.retractions.add(id.raw, retraction));
        let mut touched = Vec::new();
        // An older schema version does not state the request of an observation.
        let mut is_moved = false;
        for (request, sequence) in &mut self.requests {
            if *request != provenance.request
                && let Ok(index) = sequence.position(id)
            {
                if sequence.observations[index].version >= provenance.version {
                    return is_retraction_new
                        .then(|| ListChange { touched: vec![id], affected: Affected::All });
                }
                touched.extend(sequence.remove(id));
                is_moved = true;
            }
        }
        self.requests.retain(|_, sequence| !sequence.observations.is_empty());
        let is_first_of_request = !self.requests.contains_key(&provenance.request);
        let with_several_values = self.members_with_several_values(&provenance.request);
        let sequence = self.requests.entry(provenance.request.clone()).or_default();
        let stored =
            StoredObservation { id, version: provenance.version, outcome: provenance.outcome, coverage };
        let merged = sequence.merge(stored, members);
        let Some(merged) = merged else {
            return is_retraction_new.then(|| ListChange { touched: vec![id], affected: Affected::All });
        };
        touched.extend(merged.touched);
        let is_simple = merged.is_new && !(is_moved || is_first_of_request && self.requests.len() > 1);
        let affected = if is_simple && self.retractions.is_empty() && self.continues_request(id, provenance) {
            let mut changed = merged.changed;
            let differing =
                with_several_values.into_iter().filter(|(key, before)| self.state(key) != *before);
            changed.extend(differing.map(|(key, _)| key));
            Affected::Members(changed)
        } else {
            Affected::All
        };
        Some(ListChange { touched, affected })
    }
    /// True if an observation is the newest of the list, differs from the one before in its members only, and no request gains or loses
    /// its liveness by it. Then only the members whose value changed are affected.
    fn continues_request(&self, id: ObservationId, provenance: &Provenance) -> bool {
        let Some(sequence) = self.requests.get(&provenance.request) else { return false };
        let [.., before, last] = sequence.observations.as_slice() else {
            return self.requests.len() == 1;
        };
        let is_newest = self.requests.values().filter_map(|other| other.observations.last());
        let is_newest = is_newest.map(|other| other.id.fetched_at).max() == Some(id.fetched_at);
        // Neither this observation nor the one before may be one of several parts.
        let earlier = sequence.observations.iter().rev().nth(2);
        let is_single = before.id.fetched_at < id.fetched_at
            && earlier.is_none_or(|earlier| earlier.id.fetched_at < before.id.fetched_at);
        if last.id != id || !is_newest || !is_single || before.coverage != last.coverage {
            return false;
        }
        let live_from = id.fetched_at.plus_hours(-LIVE_HOURS);
        let are_live = self.requests.values().filter_map(|other| other.observations.last());
        before.id.fetched_at >= live_from
            && are_live.map(|other| other.id.fetched_at).all(|newest| newest >= live_from)
            || self.requests.len() == 1
    }
    /// Returns the members of a request for which another request lists another value, each with its newest state: a repeated value may
    /// become the newest again.
    fn members_with_several_values(&self, request: &str) -> Vec<(K, Option<MemberState<V>>)> {
        let sequence = self.requests.get(request).filter(|_| self.requests.len() > 1);
        let keys = sequence.into_iter().flat_map(|sequence| sequence.changes.keys());
        keys.filter(|key| self.has_several_values(key)).map(|key| (key.clone(), self.state(key))).collect()
    }
    /// Returns the value of a member, and since when it has had it; `None` if it is absent.
    fn state(&self, key: &K) -> Option<MemberState<V>> {
        let listed = self.member(key, AsOf::LATEST)?;
        Some((listed.value.clone(), listed.since, listed.first_raw))
    }
    /// True if several requests list a member, and not always with the same value.
    pub(super) fn has_several_values(&self, key: &K) -> bool {
        let mut requests = self.requests.values().filter_map(|sequence| sequence.changes.get(key));
        let (Some(first), Some(second)) = (requests.next(), requests.next()) else { return false };
        let changes = first.iter().chain(second).chain(requests.flatten());
        let mut values = changes.filter_map(|change| change.value.as_ref());
        let any = values.next();
        values.any(|value| Some(value) != any)
    }
    /// Returns what the changelog stores of an observation; `None` if there is no such observation.
    pub fn record(&self, id: ObservationId) -> Option<ObservationRecord<K, V, K::Sublist>> {
        let of_request = |(request, sequence): (&String, &Sequence<K, V>)| {
            let stored = sequence.observations[sequence.position(id).ok()?].clone();
            Some(ObservationRecord {
                id,
                request: request.clone(),
                version: stored.version,
                outcome: stored.outcome,
                coverage: stored.coverage,
                changes: sequence.changes_at(id),
                retractions: self.retractions.of(id.raw),
            })
        };
        self.requests.iter().find_map(of_request)
    }
    /// Adds an observation as `record` returned it. The history is restored when the newest record of each observation has been added, in
    /// any order.
    pub fn restore(&mut self, record: ObservationRecord<K, V, K::Sublist>) {
        let ObservationRecord { id, request, version, outcome, coverage, changes, retractions } = record;
        for retraction in retractions {
            self.retractions.add(id.raw, retraction);
        }
        let stored = StoredObservation { id, version, outcome, coverage };
        self.requests.entry(request).or_default().restore(stored, changes);
    }

    pub fn has_retractions(&self) -> bool {
        !self.retractions.is_empty()
    }
    /// Returns every member that any observation lists.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        let keys = self.requests.values().flat_map(|sequence| sequence.changes.keys());
        let is_single = self.requests.len() < 2;
        let mut seen = BTreeSet::new();
        keys.filter(move |key| is_single || seen.insert(*key))
    }
    /// Returns the number of observations.
    pub fn len(&self) -> usize {
        self.requests.values().map(|sequence| sequence.observations.len()).sum()
    }
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }
    /// Returns, of each request, the observations that list a member up to and including the first that was never retracted, each with its
    /// retractions. Any later observation that lists the member only repeats it.
    pub fn first_listings(&self, key: &K) -> Vec<(ObservationId, Vec<Retraction>)> {
        let mut listings = Vec::new();
        for sequence in self.requests.values() {
            for id in sequence.listing(key) {
                let retractions = self.retractions.of(id.raw);
                let is_lasting = retractions.is_empty();
                listings.push((id, retractions));
                if is_lasting {
                    break;
                }
            }
        }
        listings
    }
    pub fn contains(&self, id: ObservationId) -> bool {
        self.requests.values().any(|sequence| sequence.position(id).is_ok())
    }
    /// Returns the observations of each request.
    pub fn requests(&self) -> impl Iterator<Item = RequestHistory<'_, K, V>> {
        let retractions = &self.retractions;
        self.requests.iter().map(|(name, sequence)| RequestHistory::new(name, sequence, retractions))
    }
    /// Returns the oldest known observation as of an instant.
    pub fn oldest(&self, as_of: AsOf) -> Option<ObservationId> {
        self.requests()
            .filter_map(|request| request.known_from(None, None, as_of))
            .map(|known| known.first)
            .min()
    }
    /// Returns the number of observations that are known at an instant.
    pub fn known_len(&self, as_of: AsOf) -> usize {
        let known = self.requests.values().map(|sequence| {
            let fetched = &sequence.observations[..sequence.count_until(as_of.until)];
            match self.has_retractions() {
                true => fetched.iter().filter(|stored| self.is_known(stored, as_of)).count(),
                false => fetched.len(),
            }
        });
        known.sum()
    }
    /// Returns the newest known observation as of an instant.
    pub fn newest(&self, as_of: AsOf) -> Option<ObservationId> {
        self.requests.values().filter_map(|sequence| self.newest_in(sequence, as_of)).max()
    }
    /// Returns the members that are present as of an instant.
    pub fn members(&self, as_of: AsOf) -> impl Iterator<Item = (&K, Listed<'_, V>)> {
        self.keys().filter_map(move |key| Some((key, self.member(key, as_of)?)))
    }
    /// Returns a member if it is present as of an instant. If several live requests list it, the newest value is used; at one instant, the
    /// greatest.
    pub fn member(&self, key: &K, as_of: AsOf) -> Option<Listed<'_, V>> {
        let mut requests = self.requests.values();
        if self.requests.len() == 1 {
            return self.member_in(requests.next()?, key, as_of);
        }
        let sublist = key.sublist();
        let newest_complete =
            self.requests.values().filter_map(|request| self.newest_complete_in(request, &sublist, as_of));
        let newest_complete = newest_complete.max();
        let mut newest: Option<Listed<'_, V>> = None;
        for request in requests {
            let Some(listed) = self.member_in(request, key, as_of) else { continue };
            let last = self.newest_in(request, as_of).map(|id| id.fetched_at);
            if newest_complete > last.map(|last| last.plus_hours(LIVE_HOURS)) {
                continue;
            }
            newest = Some(match newest {
                None => listed,
                Some(stored) => {
                    let is_newer = (listed.fetched_at, listed.value, std::cmp::Reverse(listed.raw))
                        > (stored.fetched_at, stored.value, std::cmp::Reverse(stored.raw));
                    let (newer, other) = if is_newer { (listed, stored) } else { (stored, listed) };
                    let first = (newer.since, newer.first_raw);
                    let other_first = Some((other.since, other.first_raw));
                    let other_first = other_first.filter(|_| newer.value == other.value);
                    let (since, first_raw) = other_first.map_or(first, |other_first| first.min(other_first));
                    Listed { since, first_raw, ..newer }
                }
            });
        }
        newest
    }
    /// Returns the instant since which a member has been as it is as of an instant: present with its value, or absent; `None` if no known
    /// observation ever listed it. A retracted observation counts as never made.
    pub fn known_since(&self, key: &K, as_of: AsOf) -> Option<Timestamp> {
        let member = self.member(key, as_of);
        if let Some(listed) = &member
            && let Some((_, sequence)) = self.requests.first_key_value()
            && self.requests.len() == 1
            && self.retractions.is_empty()
            && begins_alone(sequence, listed.since)
            // An incomplete observation that does not list the member interrupts `since`, but not its presence.
            && self.member(key, as_of.before(listed.since)).map(|before| before.value) != Some(listed.value)
        {
            return Some(listed.since);
        }
        let value = member.map(|listed| listed.value);
        self.last_instant(key, as_of, |before| before != value)
    }
    /// Returns the instant since which a member has been present without interruption, with whatever values; `None` if it is absent. A
    /// retracted observation counts as never made.
    pub fn present_since(&self, key: &K, as_of: AsOf) -> Option<Timestamp> {
        self.member(key, as_of)?;
        self.last_instant(key, as_of, |before| before.is_none())
    }
    /// Returns the last instant at which the member may have changed, and before which its value was such that `is_changed` is true.
    fn last_instant(
        &self,
        key: &K,
        as_of: AsOf,
        is_changed: impl Fn(Option<&V>) -> bool,
    ) -> Option<Timestamp> {
        let mut instants = Vec::new();
        self.instants(key, &mut |instant| instants.push(instant));
        instants.retain(|instant| *instant <= as_of.until);
        instants.sort_unstable();
        instants.dedup();
        let value_before =
            |instant: Timestamp| self.member(key, as_of.before(instant)).map(|listed| listed.value);
        instants.into_iter().rev().find(|instant| is_changed(value_before(*instant)))
    }
    /// Returns the first instant as of which an observation is complete in one of the innermost lists.
    pub fn first_complete(&self, sublist: &K::Sublist, as_of: AsOf) -> Option<Timestamp> {
        let of_request = |sequence: &Sequence<K, V>| {
            let fetched = &sequence.observations[..sequence.count_until(as_of.until)];
            let mut groups = fetched.chunk_by(|a, b| a.id.fetched_at == b.id.fetched_at);
            let is_complete = |group: &&[StoredObservation<K::Sublist>]| {
                let mut known = group.iter().filter(|stored| self.is_known(stored, as_of)).peekable();
                known.peek().is_some() && known.all(|stored| stored.coverage.is_complete(sublist))
            };
            groups.find(is_complete)?.first().map(|stored| stored.id.fetched_at)
        };
        self.requests.values().filter_map(of_request).min()
    }
    /// Returns the times at which a retraction, or its undoing, changed which observations were known.
    pub fn retraction_instants(&self) -> impl Iterator<Item = Timestamp> {
        let sequences = self.requests.values().filter(move |_| self.has_retractions());
        let observations = sequences.flat_map(|sequence| &sequence.observations);
        observations.flat_map(move |stored| self.retractions.changes_of(stored.id.raw, stored.id.fetched_at))
    }
    /// Returns this history without the observations that are retracted, once for each time of a retraction, oldest first: as if they had never
    /// been made.
    pub fn without_retracted(&self) -> impl Iterator<Item = (Timestamp, Self)> {
        let instants: BTreeSet<Timestamp> = self.retractions.instants().collect();
        instants.into_iter().map(move |at| (at, self.without_retracted_at(at)))
    }
    fn without_retracted_at(&self, instant: Timestamp) -> Self {
        let mut requests = self.requests.clone();
        for sequence in requests.values_mut() {
            let stored = sequence.observations.iter();
            let retracted = stored.filter(|stored| !self.is_known(stored, AsOf::known_at(instant)));
            let retracted: Vec<ObservationId> = retracted.map(|stored| stored.id).collect();
            retracted.into_iter().for_each(|id| _ = sequence.remove(id));
        }
        requests.retain(|_, sequence| !sequence.observations.is_empty());
        ListHistory { requests, retractions: Retractions::default() }
    }
    fn is_known(&self, stored: &StoredObservation<K::Sublist>, as_of: AsOf) -> bool {
        self.retractions.is_empty() || !self.retractions.is_retracted(stored.id.raw, as_of)
    }
    fn newest_in(&self, sequence: &Sequence<K, V>, as_of: AsOf) -> Option<ObservationId> {
        let fetched = &sequence.observations[..sequence.count_until(as_of.until)];
        fetched.iter().rev().find(|stored| self.is_known(stored, as_of)).map(|stored| stored.id)
    }
    /// Returns the observations known at an instant, newest first; those of one instant together.
    fn known_groups<'a>(
        &'a self,
        sequence: &'a Sequence<K, V>,
        as_of: AsOf,
    ) -> impl Iterator<Item = Vec<&'a StoredObservation<K::Sublist>>> {
        let fetched = &sequence.observations[..sequence.count_until(as_of.until)];
        let groups = fetched.chunk_by(|a, b| a.id.fetched_at == b.id.fetched_at).rev();
        let known = groups
            .map(move |group| group.iter().filter(|stored| self.is_known(stored, as_of)).collect::<Vec<_>>());
        known.filter(|group| !group.is_empty())
    }
    fn newest_complete_in(
        &self,
        sequence: &Sequence<K, V>,
        sublist: &K::Sublist,
        as_of: AsOf,
    ) -> Option<Timestamp> {
        let is_complete = |group: &Vec<&StoredObservation<K::Sublist>>| {
            group.iter().all(|stored| stored.coverage.is_complete(sublist))
        };
        let group = self.known_groups(sequence, as_of).find(is_complete)?;
        group.first().map(|stored| stored.id.fetched_at)
    }
    /// Returns a member if one request shows that it is present.
    fn member_in<'a>(&'a self, sequence: &'a Sequence<K, V>, key: &K, as_of: AsOf) -> Option<Listed<'a, V>> {
        let sublist = key.sublist();
        let changes = sequence.changes.get(key)?.as_slice();
        let observations = &sequence.observations[..sequence.count_until(as_of.until)];
        // The usual way: nothing was retracted, and the newest observation alone decides.
        if let ([.., last], true) = (observations, self.retractions.is_empty())
            && observations
                .len()
                .checked_sub(2)
                .is_none_or(|before| observations[before].id.fetched_at < last.id.fetched_at)
        {
            let ObservationId { fetched_at, raw } = last.id;
            let known = changes.partition_point(|change| change.from <= last.id);
            match changes[..known].last().map(|change| (change.from, change.value.as_ref())) {
                Some((ObservationId { fetched_at: since, raw: first_raw }, Some(value))) => {
                    return Some(Listed { value, fetched_at, raw, since, first_raw });
                }
                None => return None,
                Some((_, None)) if last.coverage.is_complete(&sublist) => return None,
                Some((_, None)) => {}
            }
        }
        let mut count = changes.len();
        for group in self.known_groups(sequence, as_of) {
            let mut greatest: Option<Listed<'a, V>> = None;
            for stored in group.iter().rev() {
                if changes[..count].last().is_some_and(|change| change.from > stored.id) {
                    count = changes[..count].partition_point(|change| change.from <= stored.id);
                }
                let Some(change) = changes[..count].last() else { continue };
                if let Some(value) = &change.value
                    && greatest.is_none_or(|listed| *listed.value <= *value)
                {
                    let ObservationId { fetched_at, raw } = stored.id;
                    let first = self.first_known(sequence, changes, stored.id, as_of);
                    let (since, first_raw) = (first.fetched_at, first.raw);
                    greatest = Some(Listed { value, fetched_at, raw, since, first_raw });
                }
            }
            if greatest.is_some() {
                return greatest;
            }
            if count == 0 || group.iter().all(|stored| stored.coverage.is_complete(&sublist)) {
                return None;
            }
        }
        None
    }
    /// Returns the first known observation since which all known ones up to `last` list a value. `changes` are those of the member.
    fn first_known(
        &self,
        sequence: &Sequence<K, V>,
        changes: &[Change<V>],
        last: ObservationId,
        as_of: AsOf,
    ) -> ObservationId {
        let change_of = |id: ObservationId| {
            let known = changes.partition_point(|change| change.from <= id);
            changes[..known].last()
        };
        let listed = change_of(last);
        if self.retractions.is_empty() {
            return listed.map_or(last, |change| change.from);
        }
        let until = sequence.observations.partition_point(|stored| stored.id < last);
        let known = sequence.observations[..until].iter().rev().filter(|stored| self.is_known(stored, as_of));
        let value = listed.map(|change| &change.value);
        let is_same = |id: &ObservationId| change_of(*id).map(|change| &change.value) == value;
        known.map(|stored| stored.id).take_while(is_same).last().unwrap_or(last)
    }
}

/// True if neither the observation at an instant nor the one before it is one of several parts of its instant, whose values are united.
fn begins_alone<K: Member, V>(sequence: &Sequence<K, V>, instant: Timestamp) -> bool {
    let first = sequence.observations.partition_point(|stored| stored.id.fetched_at < instant);
    let (before, from) = sequence.observations.split_at(first);
    let have_own_instants =
        |parts: &[StoredObservation<K::Sublist>]| parts[0].id.fetched_at != parts[1].id.fetched_at;
    from.get(..2).is_none_or(have_own_instants)
        && before.last_chunk::<2>().is_none_or(|parts| have_own_instants(parts))
}
