//! Lists of members: removes duplicates, and builds the name observations of the members.
//!
//! Invariant: the members of a list are sorted and unique, whatever the order of the rows.
//! Not here: decoding the rows (the file of each feed).
use super::loaded::{Observation, fetched_at, provenance};
use crate::names::Name;
use schemas::{
    ids::{PlayerId, Scope},
    observation::{NamesObservation, PlayerRef},
    raw::RawEvent,
    team::{Matchup, Team},
    units::{EasternDate, Season},
};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

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
    Observation::Names(names_observation(raw, team, None, day, sorted(names)))
}

/// Builds the observations that players with these nba.com ids exist, whatever their teams: one per team, because every team's name lookup
/// has the operator's links.
pub fn players_of_league(raw: &RawEvent, players: Vec<PlayerId>) -> Vec<Observation> {
    let player = |player| PlayerRef { name: String::new(), nba: Some(player) };
    let names = sorted(players.into_iter().map(player).collect());
    if names.is_empty() {
        return Vec::new();
    }
    let of_league = |team: &Team| NamesObservation {
        of_league: true,
        ..names_observation(raw, *team, None, fetched_at(raw).eastern_date().into(), names.clone())
    };
    Team::ALL.iter().map(of_league).map(Observation::Names).collect()
}

/// Names that are looked up together.
#[derive(Default)]
struct LookedUp {
    names: Vec<PlayerRef>,
    /// See [`NamesObservation::suffix_matters`].
    suffix_matters: BTreeSet<String>,
}
impl LookedUp {
    /// Adds the names of one list: a team's box score, roster or part of a report, or the quotes of one book.
    fn add_list(&mut self, names: Vec<PlayerRef>) {
        // By the words of the name: the names with these words, each with its suffix.
        let mut forms_by_words: BTreeMap<String, Vec<(Option<String>, &str)>> = BTreeMap::new();
        for player in names.iter().filter(|player| player.nba.is_none()) {
            let name = Name::new(&player.name);
            let form = (name.suffix().map(str::to_owned), player.name.as_str());
            forms_by_words.entry(name.tokens().to_owned()).or_default().push(form);
        }
        for forms in forms_by_words.into_values() {
            if forms.windows(2).any(|pair| pair[0].0 != pair[1].0) {
                self.suffix_matters.extend(forms.into_iter().map(|(_, name)| name.to_owned()));
            }
        }
        self.names.extend(names);
    }
    fn observations(self, raw: &RawEvent, scope: Scope, teams: &[Team], day: NamesDay) -> Vec<Observation> {
        let names = sorted(self.names);
        if names.is_empty() {
            return Vec::new();
        }
        let suffix_matters: Vec<String> = self.suffix_matters.into_iter().collect();
        let for_team = |team: &Team| NamesObservation {
            suffix_matters: suffix_matters.clone(),
            ..names_observation(raw, *team, Some(scope), day, names.clone())
        };
        teams.iter().map(for_team).map(Observation::Names).collect()
    }
}

/// The names of a payload that are looked up among the players of both teams of a game, by matchup and day: all names of one pair of teams
/// and one day form one lookup, even if the payload contains several lists for them.
#[derive(Default)]
pub struct MatchupLookups(BTreeMap<(Matchup, EasternDate), LookedUp>);
impl MatchupLookups {
    /// Adds the names of one list: a team's box score or part of a report, or the quotes of one book.
    pub fn add(&mut self, matchup: Matchup, date: EasternDate, list: impl Iterator<Item = PlayerRef>) {
        self.0.entry((matchup, date)).or_default().add_list(list.collect());
    }
    /// Builds the observations that request the lookups: one per matchup, day and team.
    pub fn observations(self, raw: &RawEvent) -> impl Iterator<Item = Observation> {
        self.0.into_iter().flat_map(|((matchup, date), names)| {
            names.observations(raw, Scope::Matchup(matchup), &matchup.teams(), date.into())
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
    let mut looked_up = LookedUp::default();
    looked_up.add_list(names);
    looked_up.observations(raw, Scope::Team(roster), &Team::ALL, day)
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
) -> NamesObservation {
    let scope = scope.map(|scope| scope.to_string());
    NamesObservation {
        team,
        source: raw.feed.source(),
        scope,
        date,
        season,
        names,
        provenance: provenance(raw),
        feed: Some(raw.feed),
        of_league: false,
        suffix_matters: Vec::new(),
    }
}
