//! The rosters of one team: a list per feed.
//!
//! Invariant: the histories do not depend on the order of the observations.
//! Not here: to whom the names refer (`roster_names`), since when a player is a member (`listings`), the rule by which a member is present
//! (`history`).
use crate::history::{Affected, Coverage, ListHistory, Member, ObservationRecord};
use schemas::{
    EasternDate, Team,
    observation::{PlayerRef, RosterObservation},
    raw::Feed,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Identifies a member of a roster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RosterKey(pub PlayerRef);
impl Member for RosterKey {
    type Sublist = ();
    fn sublist(&self) {}
}

/// What a roster states about a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RosterEntry {
    pub born: Option<EasternDate>,
}

/// All observations of the roster of a team in one feed.
pub type RosterHistory = ListHistory<RosterKey, RosterEntry>;

/// A record of the changelog.
#[derive(Debug, Serialize, Deserialize)]
pub struct RetainedRoster {
    pub team: Team,
    feed: Feed,
    observation: ObservationRecord<RosterKey, RosterEntry, ()>,
}

/// The rosters of one team, by feed.
#[derive(Debug, Default)]
pub struct Rosters(BTreeMap<Feed, RosterHistory>);
impl Rosters {
    /// Merges an observation, or its retraction. Returns the members who may differ; `None` if the history does not change.
    pub fn merge(
        &mut self,
        observation: RosterObservation,
        retain: &mut dyn FnMut(String, RetainedRoster),
    ) -> Option<Affected<RosterKey>> {
        let RosterObservation { feed, team, complete, members, provenance, .. } = observation;
        let members = members.into_iter();
        let members = members.map(|member| (RosterKey(member.player), RosterEntry { born: member.born }));
        let history = self.0.entry(feed).or_default();
        let merged = history.merge(&provenance, Coverage::of(complete), members.collect())?;
        for id in merged.touched {
            if let Some(observation) = history.record(id) {
                let retained_id = format!("roster/{feed}/{}/{}", id.fetched_at.0, id.raw);
                retain(retained_id, RetainedRoster { team, feed, observation });
            }
        }
        Some(merged.affected)
    }
    /// Adds a record as `merge` retained it, in any order.
    pub fn restore(&mut self, RetainedRoster { feed, observation, .. }: RetainedRoster) {
        self.0.entry(feed).or_default().restore(observation);
    }
    pub fn of_feed(&self, feed: Feed) -> Option<&RosterHistory> {
        self.0.get(&feed)
    }
    /// Returns the roster of each feed.
    pub fn iter(&self) -> impl Iterator<Item = (Feed, &RosterHistory)> {
        self.0.iter().map(|(feed, history)| (*feed, history))
    }
}
