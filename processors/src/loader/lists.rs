//! Lists of members, and the names in them for those who answer to names.
//!
//! Invariant: sorted and without repetition, whatever the order of the rows.
//! Not here: reading the rows.
use super::{Observation, provenance};
use schemas::{
    ids::Scope,
    observation::{NamesObservation, PlayerRef},
    raw::RawEvent,
    team::{Matchup, Team},
    units::{EasternDate, Season},
};
use std::cmp::Ordering;

/// Sorts the members and keeps, of those that `identity` finds equal, the greatest. Returns how many went.
pub fn distinct<T: Ord>(members: &mut Vec<T>, identity: impl Fn(&T, &T) -> Ordering) -> u64 {
    let before = members.len();
    members.sort_unstable_by(|a, b| identity(a, b).then_with(|| b.cmp(a)));
    members.dedup_by(|a, b| identity(a, b).is_eq());
    members.sort_unstable();
    (before - members.len()) as u64
}

/// The identity of a player in a list: nba.com's id where it is given, else the name.
pub fn by_player(a: &PlayerRef, b: &PlayerRef) -> Ordering {
    match (a.nba, b.nba) {
        (Some(a), Some(b)) => a.cmp(&b),
        (None, None) => a.name.cmp(&b.name),
        (a, b) => a.cmp(&b),
    }
}

/// The Eastern day and the season for which names are heard.
#[derive(Clone, Copy)]
pub struct Day {
    pub date: EasternDate,
    pub season: Season,
}
impl From<EasternDate> for Day {
    fn from(date: EasternDate) -> Day {
        Day { date, season: date.season() }
    }
}

/// nba.com's own names of a team's players: they teach.
pub fn known_names(raw: &RawEvent, team: Team, day: Day, names: Vec<PlayerRef>) -> Observation {
    names_observation(raw, team, None, day, sorted(names))
}

/// Both teams of a game are asked who these are.
pub fn lookup_in_matchup(
    raw: &RawEvent,
    matchup: Matchup,
    day: Day,
    names: Vec<PlayerRef>,
) -> Vec<Observation> {
    lookup(raw, Scope::Matchup(matchup), &matchup.teams(), day, names)
}

/// Every team is asked who these are on the roster of one.
pub fn lookup_in_league(raw: &RawEvent, roster: Team, day: Day, names: Vec<PlayerRef>) -> Vec<Observation> {
    lookup(raw, Scope::Team(roster), &Team::ALL, day, names)
}

fn lookup(raw: &RawEvent, scope: Scope, teams: &[Team], day: Day, names: Vec<PlayerRef>) -> Vec<Observation> {
    let names = sorted(names);
    let to = |team: &Team| names_observation(raw, *team, Some(scope), day, names.clone());
    teams.iter().filter(|_| !names.is_empty()).map(to).collect()
}

fn sorted(mut names: Vec<PlayerRef>) -> Vec<PlayerRef> {
    names.sort_unstable();
    names.dedup();
    names
}

fn names_observation(
    raw: &RawEvent,
    team: Team,
    scope: Option<Scope>,
    Day { date, season }: Day,
    names: Vec<PlayerRef>,
) -> Observation {
    let scope = scope.map(|scope| scope.to_string());
    Observation::Names(NamesObservation {
        team,
        source: raw.feed.source(),
        scope,
        date,
        season,
        names,
        provenance: provenance(raw),
    })
}
