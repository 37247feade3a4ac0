//! The memberships view, keyed by team: which players the rosters and player lists of the team's feeds list, and since when.
//!
//! It is the only view that reads rosters. It publishes each membership twice: partitioned by player for the feature builder, which compares
//! the memberships of a player in all teams, and partitioned by team for the team form, which needs the members of its team.
//!
//! Invariant: a revision uses only what was known at its known-at time. The newest fetch of an unchanged list changes no row.
//! Not here: for which team a player plays (`feature_builder::side`), appearances (`games`).
mod listings;
mod roster_names;
mod rosters;
#[cfg(test)]
mod tests;

use crate::{
    history::{Affected, AsOf},
    materialized_view::{Effects, MaterializedView, ParkedItem, StateChange},
};
use roster_names::RosterNames;
use rosters::{RetainedRoster, RosterKey, Rosters};
use schemas::{
    MembershipId, NamesId, PlayerId, Scope, Team, TeamMemberId,
    identity::Names,
    membership::{Membership, TeamMember},
    observation::RosterObservation,
    raw::Feed,
};
use std::collections::BTreeSet;

/// An input of the memberships view.
#[derive(Clone, Debug)]
pub enum In {
    Roster(RosterObservation),
    Names(NamesId, Option<Names>),
}
/// The key of an output row. The variant `Roster` (the team's roster in one feed) has no row; it only reports parked items, which are names
/// that resolve to no player yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutputKey {
    Membership(MembershipId),
    TeamMember(TeamMemberId),
    Roster(Team, Feed),
}
/// An output row.
#[derive(Clone, Debug, PartialEq)]
pub enum Out {
    Membership(Membership),
    TeamMember(TeamMember),
}

/// The rosters of one team, and the players to whom the names on them refer.
#[derive(Debug, Default)]
pub struct Tables {
    team: Option<Team>,
    rosters: Rosters,
    names: RosterNames,
}

/// The memberships view.
pub struct Memberships;
impl MaterializedView for Memberships {
    const NAME: &'static str = "memberships";
    type Key = Team;
    type Tables = Tables;
    type Retained = RetainedRoster;
    type In = In;
    type OutputKey = OutputKey;
    type Out = Out;

    fn key(&self, input: &In) -> Option<Team> {
        match input {
            In::Roster(observation) => Some(observation.team),
            In::Names(id, _) => match id.scope {
                Scope::Team(team) => Some(team),
                Scope::Matchup(_) => None,
            },
        }
    }
    fn key_of(&self, output_key: &OutputKey) -> Team {
        match output_key {
            OutputKey::Membership(MembershipId { team, .. })
            | OutputKey::TeamMember(TeamMemberId { team, .. })
            | OutputKey::Roster(team, _) => *team,
        }
    }
    fn apply(
        &self,
        tables: &mut Tables,
        input: In,
        effects: &mut Effects<'_, OutputKey, RetainedRoster>,
    ) -> StateChange {
        let Some(team) = self.key(&input) else { return StateChange::Unchanged };
        tables.team = Some(team);
        let (state_change, players) = match input {
            In::Roster(observation) => {
                let feed = observation.feed;
                let listed = observation.members.iter().map(|member| RosterKey(member.player.clone()));
                // A name is looked up on the day of the newest fetch that lists it, so it may refer to another player now.
                let names: Vec<RosterKey> = listed.filter(|key| key.0.nba.is_none()).collect();
                let Some(affected) = tables.rosters.merge(observation, effects.retain) else {
                    return StateChange::Unchanged;
                };
                (effects.invalidate)(OutputKey::Roster(team, feed));
                (StateChange::Stored, tables.affected_players(feed, affected, &names))
            }
            In::Names(id, row) => {
                let players = tables.names.put(id, row);
                for (feed, _) in tables.rosters.iter() {
                    (effects.invalidate)(OutputKey::Roster(team, feed));
                }
                (StateChange::RowReplaced, players)
            }
        };
        for player in players {
            output_keys(team, player).into_iter().for_each(&mut *effects.invalidate);
        }
        state_change
    }
    fn restore(&self, tables: &mut Tables, retained: RetainedRoster) {
        tables.team = Some(retained.team);
        tables.rosters.restore(retained);
    }
    fn all_keys(&self, tables: &Tables, emit: &mut dyn FnMut(OutputKey)) {
        let Some(team) = tables.team else { return };
        for player in listings::players(&tables.rosters, &tables.names) {
            output_keys(team, player).into_iter().for_each(&mut *emit);
        }
        for (feed, _) in tables.rosters.iter() {
            emit(OutputKey::Roster(team, feed));
        }
    }
    fn derive(&self, tables: &Tables, output_key: &OutputKey) -> Option<Out> {
        let history = |player| listings::membership(&tables.rosters, &tables.names, player);
        Some(match *output_key {
            OutputKey::Membership(MembershipId { player, team }) => {
                Out::Membership(Membership { player, team, history: history(player)? })
            }
            OutputKey::TeamMember(TeamMemberId { team, player }) => {
                Out::TeamMember(TeamMember { team, player, history: history(player)? })
            }
            OutputKey::Roster(..) => return None,
        })
    }
    fn parked(&self, tables: &Tables, output_key: &OutputKey) -> (u32, Vec<ParkedItem>) {
        match output_key {
            OutputKey::Roster(team, feed) => {
                let items = tables.unresolved(*team, *feed);
                (u32::from(!items.is_empty()), items)
            }
            OutputKey::Membership(_) | OutputKey::TeamMember(_) => (0, Vec::new()),
        }
    }
}

fn output_keys(team: Team, player: PlayerId) -> [OutputKey; 2] {
    [
        OutputKey::Membership(MembershipId { player, team }),
        OutputKey::TeamMember(TeamMemberId { team, player }),
    ]
}

impl Tables {
    fn affected_players(
        &self,
        feed: Feed,
        affected: Affected<RosterKey>,
        names: &[RosterKey],
    ) -> BTreeSet<PlayerId> {
        let keys: Vec<RosterKey> = match affected {
            Affected::Members(keys) => keys,
            Affected::All => {
                self.rosters.of_feed(feed).into_iter().flat_map(|history| history.keys().cloned()).collect()
            }
        };
        let keys = keys.iter().chain(names);
        keys.flat_map(|key| listings::players_of(feed, key, &self.names)).collect()
    }
    /// Returns the names of the newest roster of a feed that resolve to no player.
    fn unresolved(&self, team: Team, feed: Feed) -> Vec<ParkedItem> {
        let roster = self.rosters.of_feed(feed).into_iter();
        let members = roster.flat_map(|history| history.members(AsOf::LATEST));
        let names = members.filter(|(RosterKey(member), _)| member.nba.is_none());
        let unresolved = names.filter_map(|(RosterKey(member), listed)| {
            let date = listed.fetched_at.eastern_date();
            let reason = self.names.unresolved(feed.source(), &member.name, date)?;
            let name = &member.name;
            Some(ParkedItem { key: format!("name '{name}' ({reason})"), what: format!("{feed} of {team}") })
        });
        unresolved.collect()
    }
}
