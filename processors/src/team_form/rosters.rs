//! The rosters of one team: a list per feed.
//!
//! A name is looked up on the Eastern day of the newest observation that lists it.
//!
//! Invariant: a roster as of a cutoff depends only on fetches before it.
//! Not here: the games of the team (`team_form`), the rule by which a member is present (`history`).
use crate::{
    history::{AsOf, Coverage, Cutoff, ListHistory, Listed, Member, ObservationRecord},
    materialized_view::ParkedItem,
    name_lookup::{LookupRequest, NameLookups, known_by_cutoff},
    names::{Decision, Resolution},
};
use schemas::{
    EasternDate, PlayerId, Team, Timestamp,
    identity::NameRule,
    observation::{PlayerRef, RosterObservation},
    raw::Feed,
    team_form::RosteredPlayer,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Identifies a member of a roster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RosterKey(PlayerRef);
impl Member for RosterKey {
    type Sublist = ();
    fn sublist(&self) {}
}

/// What a roster states about a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RosterEntry {
    born: Option<EasternDate>,
}

/// A record of the changelog.
#[derive(Debug, Serialize, Deserialize)]
pub struct RetainedRoster {
    pub team: Team,
    feed: Feed,
    observation: ObservationRecord<RosterKey, RosterEntry, ()>,
}

/// The rosters of one team, by feed.
#[derive(Debug, Default)]
pub struct Rosters(BTreeMap<Feed, ListHistory<RosterKey, RosterEntry>>);
impl Rosters {
    /// Merges an observation, or its retraction; returns true if the history changed.
    pub fn merge(
        &mut self,
        observation: RosterObservation,
        retain: &mut dyn FnMut(String, RetainedRoster),
    ) -> bool {
        let RosterObservation { feed, team, complete, members, provenance, .. } = observation;
        let members = members.into_iter();
        let members = members.map(|member| (RosterKey(member.player), RosterEntry { born: member.born }));
        let history = self.0.entry(feed).or_default();
        let Some(merged) = history.merge(&provenance, Coverage::of(complete), members.collect()) else {
            return false;
        };
        for id in merged.touched {
            if let Some(observation) = history.record(id) {
                let retained_id = format!("roster/{feed}/{}/{}", id.fetched_at.0, id.raw);
                retain(retained_id, RetainedRoster { team, feed, observation });
            }
        }
        true
    }
    /// Adds a record as `merge` retained it, in any order.
    pub fn restore(&mut self, RetainedRoster { feed, observation, .. }: RetainedRoster) {
        self.0.entry(feed).or_default().restore(observation);
    }
    pub fn feeds(&self) -> impl Iterator<Item = Feed> {
        self.0.keys().copied()
    }
    /// Returns the newest instant at which any roster changed.
    pub fn last_change(&self) -> Option<Timestamp> {
        self.0.values().filter_map(ListHistory::last_change).max()
    }
    /// Returns the players on the rosters as of a cutoff, sorted, and when the newest fact used became known.
    pub fn as_of(&self, cutoff: Cutoff, name_lookups: &NameLookups) -> (Vec<RosteredPlayer>, Timestamp) {
        let mut roster: BTreeMap<PlayerId, RosteredPlayer> = BTreeMap::new();
        let mut known_at = Timestamp::DISTANT_PAST;
        for (feed, history) in &self.0 {
            // A newer observation shows since when the players are on the roster, and which ones no longer are.
            let newest = history.newest(cutoff.known()).map(|newest| newest.fetched_at);
            known_at = newest.into_iter().fold(known_at, Timestamp::max);
            for (RosterKey(member), listed) in history.members(cutoff.known()) {
                let request = lookup_request(*feed, &listed, &member.name);
                let decided = match member.nba {
                    Some(player) => Some(Decision {
                        resolution: Resolution::Player(player, NameRule::Exact),
                        known_at: Timestamp::DISTANT_PAST,
                    }),
                    None => name_lookups.decide(request, known_by_cutoff(cutoff)),
                };
                let Some(Decision { resolution, known_at: name_known_at }) = decided else { continue };
                known_at = known_at.max(name_known_at);
                let Resolution::Player(player, _) = resolution else { continue };
                let since = listed.fetched_at;
                let rostered = roster.entry(player).or_insert(RosteredPlayer { player, since, born: None });
                rostered.since = rostered.since.max(since);
                rostered.born = rostered.born.or(listed.value.born);
            }
        }
        (roster.into_values().collect(), known_at)
    }
    /// Returns the times of the retractions of observations.
    pub fn retraction_instants(&self) -> impl Iterator<Item = Timestamp> {
        self.0.values().flat_map(ListHistory::retraction_instants)
    }
    /// Returns the names of the newest roster that resolve to no player.
    pub fn unresolved(&self, team: Team, feed: Feed, name_lookups: &NameLookups) -> Vec<ParkedItem> {
        let members = self.0.get(&feed).into_iter().flat_map(|history| history.members(AsOf::LATEST));
        let names = members.filter(|(RosterKey(member), _)| member.nba.is_none());
        let unresolved = names.filter_map(|(RosterKey(PlayerRef { name, .. }), listed)| {
            let reason = name_lookups.unresolved(lookup_request(feed, &listed, name))?;
            Some(ParkedItem { key: format!("name '{name}' ({reason})"), what: format!("{feed} of {team}") })
        });
        unresolved.collect()
    }
}

/// Returns the lookup of a name on a roster. Every team counts, because a player who joined the team recently is known to another one.
fn lookup_request<'a>(feed: Feed, listed: &Listed<'_, RosterEntry>, name: &'a str) -> LookupRequest<'a> {
    let date = listed.fetched_at.eastern_date();
    LookupRequest { teams: &Team::ALL, listed_for: None, source: feed.source(), date, name }
}
