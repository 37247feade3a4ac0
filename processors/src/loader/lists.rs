//! Lists of members: removes duplicates, and builds the name observations of the members.
//!
//! Invariant: the members of a list are sorted and unique, whatever the order of the rows.
//! Not here: decoding the rows (the file of each feed).
use super::loaded::{Observation, provenance};
use schemas::{
    ids::Scope,
    observation::{NamesObservation, PlayerRef},
    raw::RawEvent,
    team::{Matchup, Team},
    units::{EasternDate, Season},
};
use std::{cmp::Ordering, collections::BTreeMap};

/// Sorts the members. Of several members that are equal according to `identity`, keeps only the greatest. Returns the number of removed
/// members.
pub fn deduplicate<T: Ord>(members: &mut Vec<T>, identity: impl Fn(&T, &T) -> Ordering) -> u64 {
    let count_before = members.len();
    members.sort_unstable_by(|a, b| identity(a, b).then_with(|| b.cmp(a)));
    members.dedup_by(|a, b| identity(a, b).is_eq());
    members.sort_unstable();
    (count_before - members.len()) as u64
}

/// Compares the identities of two players in a list: nba.com's id if there is one, otherwise the name.
pub fn by_player(a: &PlayerRef, b: &PlayerRef) -> Ordering {
    match (a.nba, b.nba) {
        (Some(a), Some(b)) => a.cmp(&b),
        (None, None) => a.name.cmp(&b.name),
        (a, b) => a.cmp(&b),
    }
}

/// The Eastern day and the season in which names were observed.
#[derive(Clone, Copy)]
pub struct NamesDay {
    pub date: EasternDate,
    pub season: Season,
}
impl From<EasternDate> for NamesDay {
    fn from(date: EasternDate) -> NamesDay {
        NamesDay { date, season: date.season() }
    }
}

/// Builds the observation that players with these names and nba.com ids belong to a team. Names from other sources are matched with them.
pub fn known_names(raw: &RawEvent, team: Team, day: NamesDay, names: Vec<PlayerRef>) -> Observation {
    names_observation(raw, team, None, day, sorted(names))
}

/// The names of a payload that are looked up among the players of both teams of a game, by matchup and day: all names of one pair of teams
/// and one day form one lookup, even if the payload contains several lists for them.
#[derive(Default)]
pub struct MatchupLookups(BTreeMap<(Matchup, EasternDate), Vec<PlayerRef>>);
impl MatchupLookups {
    pub fn add(&mut self, matchup: Matchup, date: EasternDate, names: impl Iterator<Item = PlayerRef>) {
        self.0.entry((matchup, date)).or_default().extend(names);
    }
    /// Builds the observations that request the lookups: one per matchup, day and team.
    pub fn observations(self, raw: &RawEvent) -> impl Iterator<Item = Observation> {
        self.0.into_iter().flat_map(|((matchup, date), names)| {
            lookup(raw, Scope::Matchup(matchup), &matchup.teams(), date.into(), names)
        })
    }
}

/// Builds the observations that request a lookup of the names on one team's roster among the players of all teams: one per team.
pub fn lookup_in_league(
    raw: &RawEvent,
    roster: Team,
    day: NamesDay,
    names: Vec<PlayerRef>,
) -> Vec<Observation> {
    lookup(raw, Scope::Team(roster), &Team::ALL, day, names)
}

fn lookup(
    raw: &RawEvent,
    scope: Scope,
    teams: &[Team],
    day: NamesDay,
    names: Vec<PlayerRef>,
) -> Vec<Observation> {
    let names = sorted(names);
    if names.is_empty() {
        return Vec::new();
    }
    let for_team = |team: &Team| names_observation(raw, *team, Some(scope), day, names.clone());
    teams.iter().map(for_team).collect()
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
    NamesDay { date, season }: NamesDay,
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
        feed: Some(raw.feed),
    })
}
