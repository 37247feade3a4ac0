//! The instants at which the members of a list may change.
//!
//! Invariant: between two adjacent instants, no member is added, removed or changed. Unless an observation was retracted or several requests
//! disagree about a member, an observation that changes nothing adds no instant.
//! Not here: which members are present (`list`).
use super::{
    list::{LIVE_HOURS, ListHistory},
    sequence::{Coverage, Member, ObservationId, Sequence, StoredObservation},
};
use schemas::Timestamp;

impl<K: Member, V: Clone + Ord> ListHistory<K, V> {
    /// Emits every instant at which the presence or the value of a member may change.
    pub fn instants(&self, key: &K, emit: &mut dyn FnMut(Timestamp)) {
        if self.has_retractions() {
            self.retractions.instants().for_each(&mut *emit);
            self.all_instants().for_each(&mut *emit);
            return;
        }
        self.change_instants(key, emit);
        self.liveness_instants(emit);
    }
    /// Emits every instant at which a member may change in one of the requests.
    fn change_instants(&self, key: &K, emit: &mut dyn FnMut(Timestamp)) {
        if self.has_several_values(key) {
            self.all_instants().for_each(emit);
            return;
        }
        let sublist = key.sublist();
        for sequence in self.requests.values() {
            for change in sequence.changes.get(key).into_iter().flatten() {
                emit(change.from.fetched_at);
                // The parts of one instant are united, so the next observation may differ although it equals the last part.
                after_parts(sequence, change.from).into_iter().for_each(&mut *emit);
                if change.value.is_none() {
                    next_complete(sequence, &sublist, change.from).for_each(&mut *emit);
                }
            }
        }
    }
    /// Emits every instant at which any member may change.
    pub fn all_member_instants(&self, emit: &mut dyn FnMut(Timestamp)) {
        if self.has_retractions() {
            self.retractions.instants().for_each(&mut *emit);
            self.all_instants().for_each(&mut *emit);
            return;
        }
        self.keys().for_each(|key| self.change_instants(key, emit));
        self.liveness_instants(emit);
    }
    /// Returns the fetch times of all observations.
    pub fn all_instants(&self) -> impl Iterator<Item = Timestamp> {
        let observations = self.requests.values().flat_map(|sequence| &sequence.observations);
        observations.map(|stored| stored.id.fetched_at)
    }
    /// Returns, of each request, the fetch time of the first observation of each Eastern day.
    pub fn first_instants_of_days(&self) -> impl Iterator<Item = Timestamp> {
        self.requests.values().flat_map(|sequence| {
            let by_day = sequence
                .observations
                .chunk_by(|a, b| a.id.fetched_at.eastern_date() == b.id.fetched_at.eastern_date());
            by_day.filter_map(|of_day| of_day.first()).map(|stored| stored.id.fetched_at)
        })
    }
    /// Emits the instants at which a request may lose or regain its liveness: after each of its gaps of more than one hour, the first
    /// observations of other requests that may be complete, and its own next observation.
    fn liveness_instants(&self, emit: &mut dyn FnMut(Timestamp)) {
        if self.requests.len() < 2 {
            return;
        }
        for (name, sequence) in &self.requests {
            let times = sequence.observations.iter().map(|stored| stored.id.fetched_at);
            let next = times.clone().skip(1).chain([Timestamp::DISTANT_FUTURE]);
            for (from, to) in times.zip(next) {
                let end_of_life = from.plus_hours(LIVE_HOURS);
                if to <= end_of_life {
                    continue;
                }
                let mut may_lose = false;
                for (_, observations) in self.requests.iter().filter(|(other, _)| *other != name) {
                    let first = observations.count_until(end_of_life);
                    for (time, parts) in instants_from(observations, first).take_while(|(time, _)| *time < to)
                    {
                        may_lose = true;
                        emit(time);
                        if parts.iter().all(|part| part.coverage == Coverage::Complete) {
                            break;
                        }
                    }
                }
                if may_lose && to < Timestamp::DISTANT_FUTURE {
                    emit(to);
                }
            }
        }
    }
}

/// Returns the instant of the first observation after an observation that is one of several parts of one instant.
fn after_parts<K: Member, V>(sequence: &Sequence<K, V>, id: ObservationId) -> Option<Timestamp> {
    let from = sequence.observations.partition_point(|stored| stored.id.fetched_at < id.fetched_at);
    let (parts, later) = sequence.observations[from..].split_at(
        sequence.observations[from..].partition_point(|stored| stored.id.fetched_at == id.fetched_at),
    );
    later.first().filter(|_| parts.len() > 1).map(|stored| stored.id.fetched_at)
}

/// Returns the fetch times of the observations from an index on, each with its parts.
fn instants_from<K: Member, V>(
    sequence: &Sequence<K, V>,
    index: usize,
) -> impl Iterator<Item = (Timestamp, &[StoredObservation<K::Sublist>])> {
    let instants = sequence.observations[index..].chunk_by(|a, b| a.id.fetched_at == b.id.fetched_at);
    instants.filter_map(|parts| Some((parts.first()?.id.fetched_at, parts)))
}

/// Returns the first instants at and after an observation of which all parts are complete: those that may show that a member, which is not
/// listed from this observation on, is absent.
fn next_complete<K: Member, V>(
    sequence: &Sequence<K, V>,
    sublist: &K::Sublist,
    from: ObservationId,
) -> impl Iterator<Item = Timestamp> {
    let first = sequence.observations.partition_point(|stored| stored.id.fetched_at < from.fetched_at);
    let is_complete =
        |parts: &[StoredObservation<K::Sublist>]| parts.iter().all(|part| part.coverage.is_complete(sublist));
    let mut complete =
        instants_from(sequence, first).filter(|(_, parts)| is_complete(parts)).map(|(time, _)| time);
    let at = complete.next();
    let after = if at == Some(from.fetched_at) { complete.next() } else { None };
    at.into_iter().chain(after)
}
