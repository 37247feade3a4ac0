//! The odds and injury reports of one matchup, and the games and players to whom they refer as of a game's tip-off.
//!
//! An event or a report belongs to the game of its own day. No difference is tolerated: the odds source states an instant, whose Eastern
//! day is certain, and a report states the Eastern day of the game. An event belongs to this pair of teams only while no newer fetch states
//! another pair for it.
//!
//! Invariant: every function with an argument `cutoff` uses only facts that were known before it; on the retrospective basis, the first
//! revision of a day if none was known by then, and the first player of a name if it referred to nobody known by then.
//! Not here: the handling of inputs (`markets`), which rows an input affects (`affected`), the rows (`market_rows`, `availability_rows`).
use super::{event_pair::EventPairs, odds::Event, reports::Reports};
use crate::{
    history::{AsOf, Cutoff, Known},
    materialized_view::ParkedItem,
    name_lookup::{LookupRequest, NameLookups},
};
use schemas::{
    EasternDate, GameId, Matchup, PlayerId, Team, Timestamp, features::Basis, fixture::GameDate, raw::Source,
};
use std::collections::{BTreeMap, BTreeSet};

/// All odds and injury reports of the games between two teams.
#[derive(Debug, Default)]
pub struct Tables {
    pub(super) matchup: Option<Matchup>,
    /// The dates of each game.
    pub(super) games: BTreeMap<GameId, Vec<GameDate>>,
    pub(super) events: BTreeMap<String, Event>,
    /// When each event belonged to this pair of teams; an event without a row always has.
    pub(super) event_pairs: EventPairs,
    pub(super) reports: Reports,
    pub(super) name_lookups: NameLookups,
}

impl Tables {
    /// Returns since when a name is known to refer to a player as of a cutoff; `None` if it does not.
    pub(super) fn refers_since(
        &self,
        name: LookupName<'_>,
        player: PlayerId,
        cutoff: Cutoff,
    ) -> Option<Timestamp> {
        let teams = self.matchup?.teams();
        let resolved = self.name_lookups.decide_by_cutoff(name.request(&teams), cutoff)?.player();
        resolved.filter(|(resolved, _)| *resolved == player).map(|(_, known_at)| known_at)
    }
    /// Emits every player to whom a name may refer at some instant.
    pub(super) fn candidates(&self, name: LookupName<'_>, emit: &mut dyn FnMut(PlayerId)) {
        if let Some(teams) = self.matchup.map(Matchup::teams) {
            self.name_lookups.all_candidates(name.request(&teams), emit);
        }
    }
    /// True if a name may refer to a player at some instant.
    pub(super) fn may_refer(&self, name: LookupName<'_>, player: PlayerId) -> bool {
        let teams = self.matchup.map(Matchup::teams);
        teams.is_some_and(|teams| self.name_lookups.may_refer(name.request(&teams), player))
    }
    /// Returns a date of a game if it has rows.
    pub fn date(&self, game: GameId, day: EasternDate) -> Option<&GameDate> {
        let date = self.games.get(&game)?.iter().find(|date| date.date == day);
        date.filter(|date| date.has_rows())
    }
    /// Returns whether the quotes and reports of a day belong to a game, as of a cutoff. If several games stand on the day, they belong to the
    /// one with the smallest id.
    pub fn has_day(&self, game: GameId, day: EasternDate, cutoff: Cutoff) -> Known<bool> {
        let (mut owner, mut known_at) = (None, Timestamp::DISTANT_PAST);
        for (other, date) in self.games_on(day) {
            let stands = standing(date, cutoff);
            known_at = known_at.max(stands.known_at);
            if stands.content {
                owner = owner.or(Some(other));
            }
        }
        Known { content: owner == Some(game), known_at }
    }
    /// Returns the instants at which the game of a day may change.
    pub fn day_instants(&self, day: EasternDate) -> Vec<Timestamp> {
        let dates = self.games_on(day).flat_map(|(_, date)| &date.standing);
        dates.map(|revision| revision.known_at).collect()
    }
    /// Emits the instants at which the player of a name may change.
    pub(super) fn name_instants(&self, name: LookupName<'_>, emit: &mut dyn FnMut(Timestamp)) {
        if let Some(teams) = self.matchup.map(Matchup::teams) {
            self.name_lookups.instants(name.request(&teams), emit);
        }
    }
    /// Returns every game that has or had a day as one of its dates.
    pub(super) fn games_on(&self, day: EasternDate) -> impl Iterator<Item = (GameId, &GameDate)> {
        let dates = self.games.iter().flat_map(|(game, dates)| dates.iter().map(|date| (*game, date)));
        dates.filter(move |(_, date)| date.date == day)
    }

    /// Returns the number of parked observations of an event, and the parked items: the missing fixtures (the schedule entries of its game)
    /// of days without a game, and the unresolved names of the other days. Nothing of an event that is now another pair's is parked.
    pub fn parked_event(&self, id: &str) -> (u32, Vec<ParkedItem>) {
        let (Some(event), Some(matchup)) = (self.events.get(id), self.matchup) else {
            return (0, Vec::new());
        };
        if !self.event_pairs.is_of_matchup_now(id) {
            return (0, Vec::new());
        }
        let what = format!("odds of event {id}");
        let mut days: BTreeMap<EasternDate, BTreeSet<&str>> = BTreeMap::new();
        for (member, _) in event.history.members(AsOf::LATEST) {
            if let Some(name) = member.name.as_deref() {
                days.entry(member.date).or_default().insert(name);
            }
        }
        let mut items = Vec::new();
        for (day, names) in days {
            if self.games_on(day).next().is_none() {
                items.push(missing_fixture(matchup, day, what.clone()));
            } else {
                let names = names.into_iter().map(|name| LookupName::in_odds(day, name));
                items.extend(self.unresolved_names(matchup, names, &what));
            }
        }
        parked(event.history.len(), items)
    }
    /// Returns the number of parked observations of a report, and the parked items: its missing fixture, or its unresolved names.
    pub fn parked_report(&self, date: EasternDate, reported_at: Timestamp) -> (u32, Vec<ParkedItem>) {
        let (Some(report), Some(matchup)) = (self.reports.get(date, reported_at), self.matchup) else {
            return (0, Vec::new());
        };
        let what = format!("injury report of {reported_at}");
        if report.newest(AsOf::LATEST).is_some() && self.games_on(date).next().is_none() {
            return parked(report.len(), vec![missing_fixture(matchup, date, what)]);
        }
        let names = report.members(AsOf::LATEST);
        let names = names.map(|(member, _)| {
            LookupName::in_report(reported_at.eastern_date(), &member.name).listed_for(member.team)
        });
        parked(report.len(), self.unresolved_names(matchup, names, &what))
    }
    fn unresolved_names<'a>(
        &self,
        matchup: Matchup,
        names: impl Iterator<Item = LookupName<'a>>,
        what: &str,
    ) -> Vec<ParkedItem> {
        let teams = matchup.teams();
        let items = names.filter_map(|name| {
            let reason = self.name_lookups.unresolved(name.request(&teams))?;
            Some(ParkedItem { key: format!("name '{}' ({reason})", name.name), what: what.to_owned() })
        });
        items.collect()
    }
}

/// Returns whether a date of a game stands, as of a cutoff.
fn standing(date: &GameDate, cutoff: Cutoff) -> Known<bool> {
    let known_count = date.standing.partition_point(|revision| cutoff.is_known(revision.known_at));
    let known = date.standing[..known_count].last();
    let (content, revision) = match cutoff.basis() {
        Basis::Issued => (known.is_some_and(|revision| revision.stands), known),
        Basis::Retrospective => {
            let stands = date.stands();
            (stands, known.filter(|revision| revision.stands == stands).or(date.standing.last()))
        }
    };
    Known { content, known_at: revision.map_or(Timestamp::DISTANT_PAST, |revision| revision.known_at) }
}

fn missing_fixture(matchup: Matchup, date: EasternDate, what: String) -> ParkedItem {
    ParkedItem { key: format!("fixture {matchup} on {date}"), what }
}

/// Returns the number of parked observations, which is 0 if nothing is missing, and the parked items.
fn parked(observations: usize, items: Vec<ParkedItem>) -> (u32, Vec<ParkedItem>) {
    (if items.is_empty() { 0 } else { observations as u32 }, items)
}

/// A name as a source wrote it, and the day for which it is looked up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LookupName<'a> {
    name: &'a str,
    date: EasternDate,
    source: Source,
    listed_for: Option<Team>,
}
impl<'a> LookupName<'a> {
    /// The names of an event are looked up for the day that the observation with the name stated.
    pub const fn in_odds(date: EasternDate, name: &'a str) -> Self {
        LookupName { name, date, source: Source::Oddsapi, listed_for: None }
    }
    /// The names of a report are looked up for the day of the report, which may be earlier than its game day.
    pub const fn in_report(date: EasternDate, name: &'a str) -> Self {
        LookupName { name, date, source: Source::Nbacom, listed_for: None }
    }
    /// States for which team the source lists the player.
    pub const fn listed_for(self, team: Team) -> Self {
        LookupName { listed_for: Some(team), ..self }
    }
    pub const fn date(self) -> EasternDate {
        self.date
    }
    pub const fn request(self, teams: &'a [Team]) -> LookupRequest<'a> {
        let LookupName { name, date, source, listed_for } = self;
        LookupRequest { teams, listed_for, source, date, name }
    }
}
