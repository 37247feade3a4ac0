//! The known names of one team in one season: every name under which nba.com listed a player of the team.
//!
//! A name is known for a day, as of an instant, if an observation lists it that was effective on or before the day, was fetched by the
//! instant, and was not retracted. A name that a newer observation does not list stays known: the player belonged to the team.
//!
//! Invariant: the index is a function of the histories, so it depends neither on the order of arrival nor on a restore.
//! Not here: which name refers to which player (`names`), the lookups (`name_resolver`).
use crate::{
    history::{AsOf, Coverage, ListHistory, Member, ObservationId, ObservationRecord},
    names::{Name, match_name},
};
use schemas::{
    EasternDate, PlayerId, Timestamp,
    observation::{NamesObservation, Retraction},
    raw::Feed,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// A name under which a player is listed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Spelling {
    pub player: PlayerId,
    pub name: String,
}
impl Member for Spelling {
    type Sublist = ();
    fn sublist(&self) {}
}

/// The value of a listed name. It is not `()`, whose JSON equals that of an absent value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Presence {
    Listed,
}

/// Identifies one list of known names of a team and season.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum KnownList {
    /// The player list, effective on the Eastern day of its fetch.
    PlayerList,
    /// The box score of a day, effective on this day.
    BoxScore(EasternDate),
}
impl KnownList {
    pub fn of(observation: &NamesObservation) -> KnownList {
        match observation.feed {
            Some(Feed::NbacomPlayerList) => KnownList::PlayerList,
            _ => KnownList::BoxScore(observation.date),
        }
    }
    fn effective(self, fetched_at: Timestamp) -> EasternDate {
        match self {
            KnownList::PlayerList => fetched_at.eastern_date(),
            KnownList::BoxScore(day) => day,
        }
    }
}
impl fmt::Display for KnownList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KnownList::PlayerList => f.write_str("player-list"),
            KnownList::BoxScore(day) => day.fmt(f),
        }
    }
}

/// An observation that lists a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Listing {
    effective: EasternDate,
    fetched_at: Timestamp,
    retractions: Vec<Retraction>,
}

/// One spelling, with the observations that determine when it is known. An observation is left out if another one, which was never
/// retracted, is at least as early in both day and fetch time. The listings are in ascending order of day.
#[derive(Debug)]
struct KnownName {
    name: Name,
    listings: Vec<Listing>,
}

/// A known name that matches a looked-up name, with the listings that are effective by the day of the lookup; there is at least one.
#[derive(Clone, Copy)]
pub struct MatchingName<'a> {
    pub player: PlayerId,
    pub name: &'a Name,
    listings: &'a [Listing],
}
impl MatchingName<'_> {
    pub fn is_known(&self, as_of: AsOf) -> bool {
        let is_known = |listing: &Listing| {
            listing.fetched_at <= as_of.until && !as_of.is_retracted(&listing.retractions)
        };
        self.listings.iter().any(is_known)
    }
    pub fn has_retractions(&self) -> bool {
        self.listings.iter().any(|listing| !listing.retractions.is_empty())
    }
    /// Returns every instant at which the name may become known or unknown.
    pub fn instants(&self) -> impl Iterator<Item = Timestamp> {
        self.listings.iter().flat_map(|listing| {
            listing.retractions.iter().map(|retraction| retraction.at).chain([listing.fetched_at])
        })
    }
}

/// A spelling that is known from another instant than before, for the days from `since` on.
#[derive(Debug)]
pub struct ChangedName {
    pub player: PlayerId,
    pub name: Name,
    pub since: EasternDate,
}

/// The effect of a merge that changed the histories.
pub struct MergedNames {
    /// The observations whose records ([`KnownNames::record`]) may have changed.
    pub touched: Vec<ObservationId>,
    pub changed: Vec<ChangedName>,
}

/// The record of an observation of known names.
pub type KnownNamesRecord = ObservationRecord<Spelling, Presence, ()>;
type History = ListHistory<Spelling, Presence>;

/// The known names of a team in one season.
#[derive(Debug, Default)]
pub struct KnownNames {
    lists: BTreeMap<KnownList, History>,
    index: BTreeMap<Spelling, KnownName>,
}
impl KnownNames {
    /// Merges an observation, or its retraction; `None` if the histories do not change. Names without an nba.com id are not known names.
    pub fn merge(&mut self, observation: &NamesObservation) -> Option<MergedNames> {
        let NamesObservation { names, provenance, .. } = observation;
        let spellings = names
            .iter()
            .filter_map(|player| Some(Spelling { player: player.nba?, name: player.name.clone() }));
        let members = spellings.map(|spelling| (spelling, Presence::Listed)).collect();
        // A name that is not listed stays known, so it does not matter whether the observation is complete.
        let (merged, changed) = self.update(KnownList::of(observation), |history| {
            history.merge(provenance, Coverage::Complete, members)
        });
        merged.map(|merged| MergedNames { touched: merged.touched, changed })
    }
    /// Returns what the changelog stores of an observation; `None` if there is no such observation.
    pub fn record(&self, list: KnownList, id: ObservationId) -> Option<KnownNamesRecord> {
        self.lists.get(&list)?.record(id)
    }
    /// Adds an observation as `record` returned it, in any order.
    pub fn restore(&mut self, list: KnownList, record: KnownNamesRecord) {
        self.update(list, |history| history.restore(record));
    }
    /// Returns the known spellings that match a name by some rule and are effective by a day. All other spellings cannot affect a revision.
    pub fn matching_names(&self, name: &Name, day: EasternDate) -> impl Iterator<Item = MatchingName<'_>> {
        self.index.iter().filter_map(move |(spelling, known)| {
            let count = known.listings.partition_point(|listing| listing.effective <= day);
            let matching = MatchingName {
                player: spelling.player,
                name: &known.name,
                listings: &known.listings[..count],
            };
            (count > 0 && is_match(name, spelling.player, &known.name)).then_some(matching)
        })
    }

    /// Changes the history of a list, and updates the index. Returns the spellings whose entry in the index changed.
    fn update<T>(
        &mut self,
        list: KnownList,
        change: impl FnOnce(&mut History) -> T,
    ) -> (T, Vec<ChangedName>) {
        let history = self.lists.entry(list).or_default();
        let listings_of = |history: &History| -> BTreeMap<Spelling, Vec<Listing>> {
            history.keys().map(|spelling| (spelling.clone(), listings(list, history, spelling))).collect()
        };
        let mut before = listings_of(history);
        let result = change(history);
        let after = listings_of(history);
        let mut changed = Vec::new();
        for (spelling, listings) in after {
            match before.remove(&spelling) {
                None => changed.extend(self.add(spelling, listings)),
                Some(before) if before == listings => {}
                Some(_) => changed.extend(self.rebuild(spelling)),
            }
        }
        for spelling in before.into_keys() {
            changed.extend(self.rebuild(spelling));
        }
        (result, changed)
    }
    /// Adds the listings of a list that did not list the spelling before.
    fn add(&mut self, spelling: Spelling, mut listings: Vec<Listing>) -> Option<ChangedName> {
        if let Some(known) = self.index.get(&spelling) {
            listings.extend(known.listings.iter().cloned());
        }
        self.set(spelling, listings)
    }
    /// Finds the listings of a spelling in all lists.
    fn rebuild(&mut self, spelling: Spelling) -> Option<ChangedName> {
        let in_lists = self.lists.iter().flat_map(|(list, history)| listings(*list, history, &spelling));
        let listings = in_lists.collect();
        self.set(spelling, listings)
    }
    fn set(&mut self, spelling: Spelling, listings: Vec<Listing>) -> Option<ChangedName> {
        let listings = earliest(listings);
        let before = self.index.remove(&spelling);
        let before_listings = before.as_ref().map_or(&[][..], |known| &known.listings);
        let added = listings.iter().filter(|listing| !before_listings.contains(listing));
        let removed = before_listings.iter().filter(|listing| !listings.contains(listing));
        let since = added.chain(removed).map(|listing| listing.effective).min();
        let name = before.map_or_else(|| Name::new(&spelling.name), |known| known.name);
        let player = spelling.player;
        let changed = since.map(|since| ChangedName { player, name: name.clone(), since });
        if !listings.is_empty() {
            self.index.insert(spelling, KnownName { name, listings });
        }
        changed
    }
}

/// Returns the observations of one list that determine when a spelling is known.
fn listings(list: KnownList, history: &History, spelling: &Spelling) -> Vec<Listing> {
    let first = history.first_listings(spelling).into_iter();
    first
        .map(|(id, retractions)| Listing {
            effective: list.effective(id.fetched_at),
            fetched_at: id.fetched_at,
            retractions,
        })
        .collect()
}

/// Sorts the listings, and drops those that are not earlier, in day or fetch time, than another one that was never retracted.
fn earliest(mut listings: Vec<Listing>) -> Vec<Listing> {
    listings.sort_unstable();
    listings.dedup();
    let mut lasting = Timestamp::DISTANT_FUTURE;
    listings.retain(|listing| {
        if listing.fetched_at >= lasting {
            return false;
        }
        if listing.retractions.is_empty() {
            lasting = listing.fetched_at;
        }
        true
    });
    listings
}

/// True if a name matches a known name by some rule.
pub fn is_match(name: &Name, player: PlayerId, known_name: &Name) -> bool {
    match_name(name, std::iter::once((player, known_name))).is_some()
}
