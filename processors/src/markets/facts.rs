//! The odds and injury reports of one matchup, and the games and players to whom they refer as of a game's tip-off.
//!
//! An event or a report belongs to the game of its own day. No difference is tolerated: the odds source states an instant, whose Eastern
//! day is certain, and a report states the Eastern day of the game.
//!
//! Invariant: every function with an argument `cutoff` uses only facts that were known before it; on the retrospective basis, the first
//! revision of a name or a day if none was known by then.
//! Not here: the handling of inputs (`markets`), which rows an input affects (`affected`), the rows (`market_rows`, `availability_rows`).
use super::{odds::Event, reports::Reports};
use crate::{
    history::{AsOf, Cutoff, Known},
    materialized_view::ParkedItem,
    name_lookup::{LookupRequest, NameLookups, known_by_cutoff},
};
use schemas::{
    EasternDate, GameId, Matchup, PlayerId, Team, Timestamp,
    features::Basis,
    game::{Game, GameDay},
    raw::Source,
};
use std::collections::{BTreeMap, BTreeSet};

/// A cutoff after all fetches: every fact received so far was known before it.
const LATEST_KNOWN: Cutoff = Cutoff::at_tip_off(Timestamp::DISTANT_FUTURE, Basis::Retrospective);

/// The fields of a game that this view uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GameTimes {
    pub tip_off: Timestamp,
    days: Vec<GameDay>,
    days_in_retrospect: Option<Vec<GameDay>>,
    retracted_at: Option<Timestamp>,
}
impl GameTimes {
    pub fn new(game: Game) -> Self {
        let Game { tip_off, days, days_in_retrospect, retracted_at, .. } = game;
        GameTimes { tip_off, days, days_in_retrospect, retracted_at }
    }
    /// Returns every day for which the game has been scheduled.
    pub fn all_days(&self) -> BTreeSet<EasternDate> {
        self.days.iter().chain(self.days_in_retrospect.iter().flatten()).map(|day| day.date).collect()
    }
    /// Returns the day of the game as of a cutoff; `None` if the game did not stand then.
    fn day(&self, cutoff: Cutoff) -> Known<Option<EasternDate>> {
        let is_retracted = |at: &Timestamp| cutoff.basis() == Basis::Retrospective || cutoff.is_known(*at);
        if let Some(known_at) = self.retracted_at.filter(is_retracted) {
            return Known { content: None, known_at };
        }
        let day = cutoff.as_of(&self.days, self.days_in_retrospect.as_deref(), |day| day.known_at);
        let known_at = day.map_or(Timestamp::DISTANT_PAST, |day| day.known_at);
        Known { content: day.map(|day| day.date), known_at }
    }
}

/// All odds and injury reports of the games between two teams.
#[derive(Debug, Default)]
pub struct Tables {
    pub(super) matchup: Option<Matchup>,
    pub(super) games: BTreeMap<GameId, GameTimes>,
    pub(super) events: BTreeMap<String, Event>,
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
        let resolved = self.name_lookups.player(name.request(&teams), known_by_cutoff(cutoff));
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
    /// Returns the game on a day as of a cutoff; of several games, the one with the smallest id.
    fn game_on(&self, day: EasternDate, cutoff: Cutoff) -> Option<GameId> {
        let mut games = self.games.iter().filter(|(_, game)| game.day(cutoff).content == Some(day));
        games.next().map(|(game, _)| *game)
    }
    /// Returns the day of a game as of its cutoff; `None` if another game of the matchup is on this day.
    pub fn day_of(&self, game: GameId, cutoff: Cutoff) -> Known<Option<EasternDate>> {
        let own = self.games.get(&game).map(|times| times.day(cutoff));
        let Some(Known { content: Some(day), known_at }) = own else {
            let known_at = own.map_or(Timestamp::DISTANT_PAST, |own| own.known_at);
            return Known { content: None, known_at };
        };
        let others = self.games_on(day).filter(|(other, _)| *other != game);
        let known_at = others.map(|(_, times)| times.day(cutoff).known_at).fold(known_at, Timestamp::max);
        Known { content: (self.game_on(day, cutoff) == Some(game)).then_some(day), known_at }
    }
    /// Returns the instants at which the day of a game may change.
    pub fn day_instants(&self, game: GameId) -> Vec<Timestamp> {
        let days = self.games.get(&game).map(GameTimes::all_days).unwrap_or_default();
        let games: BTreeMap<GameId, &GameTimes> = days.iter().flat_map(|day| self.games_on(*day)).collect();
        let instants = games.values().flat_map(|times| {
            let days = times.days.iter().chain(times.days_in_retrospect.iter().flatten());
            days.map(|day| day.known_at).chain(times.retracted_at)
        });
        instants.collect()
    }
    /// Emits the instants at which the player of a name may change.
    pub(super) fn name_instants(&self, name: LookupName<'_>, emit: &mut dyn FnMut(Timestamp)) {
        if let Some(teams) = self.matchup.map(Matchup::teams) {
            self.name_lookups.instants(name.request(&teams), emit);
        }
    }
    /// Returns the games that were ever scheduled for a day.
    pub(super) fn games_on(&self, day: EasternDate) -> impl Iterator<Item = (GameId, &GameTimes)> {
        let games = self.games.iter().map(|(game, times)| (*game, times));
        games.filter(move |(_, times)| times.all_days().contains(&day))
    }

    /// Returns the number of parked observations of an event, and the parked items: its missing fixture (the schedule entry of its game)
    /// or its unresolved names.
    pub fn parked_event(&self, id: &str) -> (u32, Vec<ParkedItem>) {
        let (Some(event), Some(matchup)) = (self.events.get(id), self.matchup) else {
            return (0, Vec::new());
        };
        let what = format!("odds of event {id}");
        let count = event.history.len();
        let present: BTreeSet<(EasternDate, &str)> = {
            let members = event.history.members(AsOf::LATEST);
            members.filter_map(|(member, _)| Some((member.date, member.name.as_deref()?))).collect()
        };
        let without_game = present.iter().find(|(day, _)| self.game_on(*day, LATEST_KNOWN).is_none());
        if let Some((day, _)) = without_game {
            return missing_fixture(matchup, *day, what, count);
        }
        let names = present.into_iter().map(|(day, name)| LookupName::in_odds(day, name));
        self.unresolved_names(matchup, names, &what, count)
    }
    /// Returns the number of parked observations of a report, and the parked items: its missing fixture, or its unresolved names.
    pub fn parked_report(&self, date: EasternDate, reported_at: Timestamp) -> (u32, Vec<ParkedItem>) {
        let (Some(report), Some(matchup)) = (self.reports.get(date, reported_at), self.matchup) else {
            return (0, Vec::new());
        };
        let what = format!("injury report of {reported_at}");
        if report.newest(AsOf::LATEST).is_some() && self.game_on(date, LATEST_KNOWN).is_none() {
            return missing_fixture(matchup, date, what, report.len());
        }
        let names = report.members(AsOf::LATEST);
        let names = names.map(|(member, _)| {
            LookupName::in_report(reported_at.eastern_date(), &member.name).listed_for(member.team)
        });
        self.unresolved_names(matchup, names, &what, report.len())
    }
    fn unresolved_names<'a>(
        &self,
        matchup: Matchup,
        names: impl Iterator<Item = LookupName<'a>>,
        what: &str,
        records: usize,
    ) -> (u32, Vec<ParkedItem>) {
        let teams = matchup.teams();
        let items = names.filter_map(|name| {
            let reason = self.name_lookups.unresolved(name.request(&teams))?;
            Some(ParkedItem { key: format!("name '{}' ({reason})", name.name), what: what.to_owned() })
        });
        let items: Vec<ParkedItem> = items.collect();
        (if items.is_empty() { 0 } else { records as u32 }, items)
    }
}

fn missing_fixture(
    matchup: Matchup,
    date: EasternDate,
    what: String,
    records: usize,
) -> (u32, Vec<ParkedItem>) {
    (records as u32, vec![ParkedItem { key: format!("fixture {matchup} on {date}"), what }])
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
