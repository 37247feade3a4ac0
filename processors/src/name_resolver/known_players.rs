//! The players of the league, to whom links may refer: as of which instants a fetch of nba.com lists their ids, for any team.
//!
//! Every fetch counts, because a retraction of one reveals the next. A fetch costs an entry; the ids are stored once for all fetches that
//! list the same players.
//!
//! Invariant: as of an instant, a player is known if a fetch made by then lists the player and is not retracted. The index is a function of
//! the fetches, so it depends neither on the order of arrival nor on a restore.
//! Not here: the players of one team (`known_names`), which link applies (`links`).
use crate::history::{AsOf, ObservationId, Retractions};
use schemas::{
    PlayerId, Timestamp,
    observation::{NamesObservation, Retraction},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Identifies a set of players: the first 64 bits of the BLAKE3 hash of their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PlayersId(u64);
impl fmt::Display for PlayersId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A set of players as ascending ids, of which each one is stored as its difference from the one before, in groups of seven bits.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "BTreeSet<PlayerId>", into = "BTreeSet<PlayerId>")]
pub struct Players(Box<[u8]>);
impl Players {
    fn iter(&self) -> impl Iterator<Item = PlayerId> {
        let mut id = 0u32;
        let ends = self.0.split_inclusive(|byte| byte & 0x80 == 0);
        ends.map(move |groups| {
            let difference = groups.iter().fold(0u32, |sum, byte| sum << 7 | u32::from(byte & 0x7f));
            id = id.wrapping_add(difference);
            PlayerId(id)
        })
    }
    fn contains(&self, player: PlayerId) -> bool {
        self.iter().find(|listed| *listed >= player) == Some(player)
    }
    fn id(&self) -> PlayersId {
        let mut first = [0; 8];
        first.copy_from_slice(&blake3::hash(&self.0).as_bytes()[..8]);
        PlayersId(u64::from_be_bytes(first))
    }
}
impl From<BTreeSet<PlayerId>> for Players {
    fn from(players: BTreeSet<PlayerId>) -> Players {
        let (mut bytes, mut before) = (Vec::new(), 0);
        for PlayerId(id) in players {
            let difference = id - before;
            before = id;
            let groups = (0..5).rev().map(|group| difference >> (7 * group));
            let groups = groups.filter(|shifted| *shifted > 0).map(|shifted| (shifted & 0x7f) as u8 | 0x80);
            let start = bytes.len();
            bytes.extend(groups);
            match bytes[start..].last_mut() {
                Some(last) => *last &= 0x7f,
                None => bytes.push(0),
            }
        }
        Players(bytes.into())
    }
}
impl From<Players> for BTreeSet<PlayerId> {
    fn from(players: Players) -> BTreeSet<PlayerId> {
        players.iter().collect()
    }
}
impl fmt::Debug for Players {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// One fetch that lists players.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fetch {
    version: i32,
    players: PlayersId,
}

/// What the changelog stores: a set of players, or a fetch that lists one.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KnownPlayersRecord {
    Players(Players),
    Fetch { id: ObservationId, version: i32, players: PlayersId, retractions: Vec<Retraction> },
}
/// Writes the record's part of its id in the changelog.
impl fmt::Display for KnownPlayersRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KnownPlayersRecord::Players(players) => write!(f, "set/{}", players.id()),
            KnownPlayersRecord::Fetch { id, .. } => write!(f, "fetch/{}/{}", id.fetched_at.0, id.raw),
        }
    }
}

/// The effect of a merge that changed what is known.
pub struct MergedPlayers {
    pub records: Vec<KnownPlayersRecord>,
    /// The players who may be known, as of some instant, otherwise than before.
    pub changed: BTreeSet<PlayerId>,
}

/// All fetches that list players of the league.
#[derive(Debug, Default)]
pub struct KnownPlayers {
    sets: BTreeMap<PlayersId, Players>,
    fetches: BTreeMap<ObservationId, Fetch>,
    retractions: Retractions,
    /// The fetches that were ever retracted.
    retracted: BTreeSet<ObservationId>,
    /// Index: the first fetch of each set that was never retracted.
    set_since: BTreeMap<PlayersId, Timestamp>,
    /// Index: the first fetch of each player that was never retracted.
    since: BTreeMap<PlayerId, Timestamp>,
}
impl KnownPlayers {
    /// Merges an observation, or its retraction; `None` if nothing changes. Of two observations with the same id, the one of the newer
    /// loader version replaces the other; two of the same version are united.
    pub fn merge(&mut self, observation: &NamesObservation) -> Option<MergedPlayers> {
        let NamesObservation { names, provenance, .. } = observation;
        let id = ObservationId { fetched_at: provenance.fetched_at, raw: provenance.raw };
        let is_retraction_new =
            provenance.retraction.is_some_and(|retraction| self.retractions.add(id.raw, retraction));
        let mut players: BTreeSet<PlayerId> = names.iter().filter_map(|player| player.nba).collect();
        let mut version = provenance.version;
        let stored = self.fetches.get(&id).copied();
        let mut changed = BTreeSet::new();
        if let Some(stored) = stored {
            let listed: BTreeSet<PlayerId> = self.sets[&stored.players].iter().collect();
            match stored.version.cmp(&version) {
                std::cmp::Ordering::Less => changed.extend(&listed),
                std::cmp::Ordering::Equal => players.extend(&listed),
                std::cmp::Ordering::Greater => (players, version) = (listed, stored.version),
            }
        }
        let set = Players::from(players);
        let fetch = Fetch { version, players: set.id() };
        if stored == Some(fetch) && !is_retraction_new {
            return None;
        }
        let mut records = Vec::new();
        changed.extend(set.iter());
        if !self.sets.contains_key(&fetch.players) {
            records.push(KnownPlayersRecord::Players(set.clone()));
        }
        self.sets.insert(fetch.players, set);
        self.fetches.insert(id, fetch);
        let retractions = self.retractions.of(id.raw);
        if stored.is_none() && retractions.is_empty() {
            let later = |player: &PlayerId| self.since.get(player).is_none_or(|since| *since > id.fetched_at);
            changed.retain(later);
            self.add_lasting(fetch.players, id.fetched_at);
        } else {
            if !retractions.is_empty() {
                self.retracted.insert(id);
            }
            self.rebuild_index();
        }
        records.push(KnownPlayersRecord::Fetch { id, version, players: fetch.players, retractions });
        Some(MergedPlayers { records, changed })
    }
    /// Adds a record that `merge` returned. The newest records of all ids may be added in any order.
    pub fn restore(&mut self, record: KnownPlayersRecord) {
        match record {
            KnownPlayersRecord::Players(players) => {
                let id = players.id();
                self.sets.insert(id, players);
                if let Some(since) = self.set_since.remove(&id) {
                    self.add_lasting(id, since);
                }
            }
            KnownPlayersRecord::Fetch { id, version, players, retractions } => {
                self.fetches.insert(id, Fetch { version, players });
                if retractions.is_empty() {
                    return self.add_lasting(players, id.fetched_at);
                }
                self.retracted.insert(id);
                for retraction in retractions {
                    self.retractions.add(id.raw, retraction);
                }
            }
        }
    }
    /// Adds to the index a fetch that was never retracted.
    fn add_lasting(&mut self, players: PlayersId, fetched_at: Timestamp) {
        let of_set = self.set_since.entry(players).or_insert(Timestamp::DISTANT_FUTURE);
        if fetched_at >= *of_set {
            return;
        }
        *of_set = fetched_at;
        for player in self.sets.get(&players).into_iter().flat_map(Players::iter) {
            let since = self.since.entry(player).or_insert(fetched_at);
            *since = fetched_at.min(*since);
        }
    }
    fn rebuild_index(&mut self) {
        self.set_since.clear();
        self.since.clear();
        let is_lasting = |(id, _): &(&ObservationId, &Fetch)| !self.retracted.contains(*id);
        let lasting = self.fetches.iter().filter(is_lasting);
        let lasting: Vec<_> = lasting.map(|(id, fetch)| (fetch.players, id.fetched_at)).collect();
        for (players, fetched_at) in lasting {
            self.add_lasting(players, fetched_at);
        }
    }
    /// Returns the fetches that list a player, were ever retracted, and are older than all others that list the player.
    fn retracted_first(&self, player: PlayerId) -> impl Iterator<Item = ObservationId> {
        let since = self.since.get(&player).copied().unwrap_or(Timestamp::DISTANT_FUTURE);
        let older = self.retracted.iter().copied().take_while(move |id| id.fetched_at < since);
        older.filter(move |id| {
            let set = self.fetches.get(id).and_then(|fetch| self.sets.get(&fetch.players));
            set.is_some_and(|players| players.contains(player))
        })
    }
    /// True if a retraction matters for when a player is known.
    pub fn has_retractions(&self, player: PlayerId) -> bool {
        self.retracted_first(player).next().is_some()
    }
    /// True if a known fetch lists the player as of an instant.
    pub fn is_known(&self, player: PlayerId, as_of: AsOf) -> bool {
        let is_known =
            |id: ObservationId| id.fetched_at <= as_of.until && !self.retractions.is_retracted(id.raw, as_of);
        self.since.get(&player).is_some_and(|since| *since <= as_of.until)
            || self.retracted_first(player).any(is_known)
    }
    /// Emits every instant at which a player may become known or unknown.
    pub fn instants(&self, player: PlayerId, emit: &mut dyn FnMut(Timestamp)) {
        self.since.get(&player).into_iter().copied().for_each(&mut *emit);
        for id in self.retracted_first(player) {
            emit(id.fetched_at);
            self.retractions.of(id.raw).into_iter().for_each(|retraction| emit(retraction.at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_set_of_players_contains_exactly_its_ids(ids in prop::collection::btree_set(any::<u32>().prop_map(PlayerId), 0..40), other in any::<u32>()) {
            let players = Players::from(ids.clone());
            prop_assert_eq!(players.iter().collect::<BTreeSet<_>>(), ids.clone());
            for player in ids.iter().copied().chain([PlayerId(other), PlayerId(0)]) {
                prop_assert_eq!(players.contains(player), ids.contains(&player));
            }
        }
    }
}
