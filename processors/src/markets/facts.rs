//! The odds and injury reports of one matchup, and the market and availability of a player as of a game's tip-off.
//!
//! An event or a report belongs to the game of its own day. No difference is tolerated: the odds source states an instant, whose Eastern
//! day is certain, and a report states the Eastern day of the game.
//!
//! Invariant: every function `…_by(cutoff)` uses only facts that were known before the cutoff. Exception: on the retrospective basis,
//! quotes that became known later are added; if a report or a name was not known by then, its first observation is used. No function uses a
//! quote or report that was effective at or after tip-off.
//! Not here: the handling of inputs (`markets`), which rows an input affects (`affected`), the selection of quotes (`quotes`) and of lines
//! (`main_line`).
use super::{main_line, odds::Event, quotes::PlayerQuotes, reports::Reports};
use crate::{
    history::{AsOf, Cutoff},
    materialized_view::ParkedItem,
    name_lookup::{LookupRequest, NameLookups, known_by_cutoff},
};
use schemas::{
    EasternDate, GameId, Matchup, PlayerId, Team, Timestamp,
    features::Basis,
    game::{Game, GameDay},
    market::{Availability, AvailabilityView, Market, MarketView, QuotedPlayer, QuotedPlayers, TeamReported},
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
    fn day(&self, cutoff: Cutoff) -> Option<EasternDate> {
        let is_retracted = self.retracted_at.is_some_and(|retracted_at| match cutoff.basis() {
            Basis::Issued => cutoff.is_known(retracted_at),
            Basis::Retrospective => true,
        });
        if is_retracted {
            return None;
        }
        let day = cutoff.as_of(&self.days, self.days_in_retrospect.as_deref(), |day| day.known_at);
        day.map(|day| day.date)
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
    fn player(&self, name: LookupName<'_>, cutoff: Cutoff) -> Option<(PlayerId, Timestamp)> {
        let teams = self.matchup?.teams();
        self.name_lookups.player(name.request(&teams), known_by_cutoff(cutoff))
    }
    /// Returns the game on a day as of a cutoff; of several games, the one with the smallest id.
    fn game_on(&self, day: EasternDate, cutoff: Cutoff) -> Option<GameId> {
        let mut games = self.games.iter().filter(|(_, game)| game.day(cutoff) == Some(day));
        games.next().map(|(game, _)| *game)
    }
    /// Returns the day of a game as of its cutoff; `None` if another game of the matchup is on this day.
    fn day_of(&self, game: GameId, cutoff: Cutoff) -> Option<EasternDate> {
        let day = self.games.get(&game)?.day(cutoff)?;
        (self.game_on(day, cutoff) == Some(game)).then_some(day)
    }
    /// Returns the names on one day of an event, each with the player to whom it resolves and the time at which this became known.
    fn resolved_names<'a>(
        &'a self,
        event: &'a Event,
        day: EasternDate,
        cutoff: Cutoff,
    ) -> impl Iterator<Item = (&'a str, PlayerId, Timestamp)> {
        event.names_on(day).into_iter().filter_map(move |name| {
            let (player, known_at) = self.player(LookupName::in_odds(day, name), cutoff)?;
            Some((name, player, known_at))
        })
    }

    fn market_by(&self, game: GameId, player: PlayerId, cutoff: Cutoff) -> Option<MarketView> {
        let day = self.day_of(game, cutoff)?;
        let (mut quotes, mut known_at) = (PlayerQuotes::default(), Timestamp::DISTANT_PAST);
        for event in self.events.values() {
            for (name, resolved, name_known_at) in self.resolved_names(event, day, cutoff) {
                if resolved == player && quotes.add(event, day, name, cutoff) > 0 {
                    known_at = known_at.max(name_known_at);
                }
            }
        }
        let mut opening_lines = Vec::new();
        for quote in quotes.opening() {
            if let Some(main) = main_line::for_ladder(&quote.lines) {
                known_at = known_at.max(quote.known_at);
                opening_lines.push(main);
            }
        }
        let mut main_lines = Vec::new();
        for quote in quotes.newest() {
            if let Some(main) = main_line::for_ladder(&quote.lines) {
                known_at = known_at.max(quote.known_at);
                main_lines.push(main);
            }
        }
        let main = main_line::for_market(&main_lines)?;
        Some(MarketView {
            known_at,
            main: main.line,
            opening: main_line::for_market(&opening_lines).map_or(main.line, |opening| opening.line),
            no_vig_over: main.no_vig_over,
            books: main_lines.len() as i32,
        })
    }
    fn quoted_by(&self, game: GameId, cutoff: Cutoff) -> Vec<QuotedPlayer> {
        let mut known_at_by_player: BTreeMap<PlayerId, Timestamp> = BTreeMap::new();
        let Some(day) = self.day_of(game, cutoff) else { return Vec::new() };
        for event in self.events.values() {
            for (name, player, name_known_at) in self.resolved_names(event, day, cutoff) {
                let mut quotes = PlayerQuotes::default();
                quotes.add(event, day, name, cutoff);
                let Some(quote_known_at) = quotes.newest().iter().map(|quote| quote.known_at).min() else {
                    continue;
                };
                let known_at = known_at_by_player.entry(player).or_insert(Timestamp::DISTANT_FUTURE);
                *known_at = (*known_at).min(quote_known_at.max(name_known_at));
            }
        }
        known_at_by_player.into_iter().map(|(player, known_at)| QuotedPlayer { player, known_at }).collect()
    }
    fn teams_reported_by(&self, game: GameId, cutoff: Cutoff) -> Vec<TeamReported> {
        let Some(day) = self.day_of(game, cutoff) else { return Vec::new() };
        let teams = self.matchup.map(Matchup::teams).into_iter().flatten();
        let reported = teams.filter_map(|team| {
            Some(TeamReported { team, known_at: self.reports.first_listed(day, team, cutoff)? })
        });
        let mut reported: Vec<TeamReported> = reported.collect();
        reported.sort_unstable();
        reported
    }
    /// Returns the entry of the newest report that lists the player, unless a newer report is complete for the team and omits the player.
    fn availability_by(&self, game: GameId, player: PlayerId, cutoff: Cutoff) -> Option<AvailabilityView> {
        let day = self.day_of(game, cutoff)?;
        let teams = self.matchup?.teams();
        let mut complete = teams.map(|team| (team, false));
        for (reported_at, report, as_of) in self.reports.newest_first(day, cutoff) {
            for (member, listed) in report.members(as_of) {
                let resolved =
                    self.player(LookupName::in_report(reported_at.eastern_date(), &member.name), cutoff);
                let Some((_, name_known_at)) = resolved.filter(|(resolved, _)| *resolved == player) else {
                    continue;
                };
                if complete.contains(&(member.team, true)) {
                    return None;
                }
                return Some(AvailabilityView {
                    known_at: listed.since.max(name_known_at),
                    reported_at,
                    status: listed.value.status,
                    reason: listed.value.reason.clone(),
                });
            }
            for (team, is_complete) in &mut complete {
                *is_complete |= report.is_complete(team, as_of);
            }
            if complete.iter().all(|(_, is_complete)| *is_complete) {
                return None;
            }
        }
        None
    }

    /// Returns the content on the issued and on the retrospective basis; `None` if the game is not known.
    fn on_both_bases<T>(&self, game: GameId, content_by: impl Fn(Cutoff) -> T) -> Option<(T, T)> {
        let tip_off = self.games.get(&game)?.tip_off;
        let on_basis = |basis| content_by(Cutoff::at_tip_off(tip_off, basis));
        Some((on_basis(Basis::Issued), on_basis(Basis::Retrospective)))
    }
    pub fn market(&self, game: GameId, player: PlayerId) -> Option<Market> {
        let (issued, retrospective) =
            self.on_both_bases(game, |cutoff| self.market_by(game, player, cutoff))?;
        let retrospective = retrospective.filter(|content| issued.as_ref() != Some(content));
        let has_content = issued.is_some() || retrospective.is_some();
        has_content.then_some(Market { player, game, issued, retrospective })
    }
    pub fn availability(&self, game: GameId, player: PlayerId) -> Option<Availability> {
        let (issued, retrospective) =
            self.on_both_bases(game, |cutoff| self.availability_by(game, player, cutoff))?;
        let retrospective = retrospective.filter(|content| issued.as_ref() != Some(content));
        let has_content = issued.is_some() || retrospective.is_some();
        has_content.then_some(Availability { player, game, issued, retrospective })
    }
    pub fn quoted_players(&self, game: GameId) -> Option<QuotedPlayers> {
        let content_by = |cutoff| (self.quoted_by(game, cutoff), self.teams_reported_by(game, cutoff));
        let (issued, retrospective) = self.on_both_bases(game, content_by)?;
        let row = QuotedPlayers {
            matchup: self.matchup?,
            game,
            issued: issued.0,
            retrospective: retrospective.0,
            teams_reported_issued: issued.1,
            teams_reported_retrospective: retrospective.1,
        };
        let is_empty = row.issued.is_empty()
            && row.retrospective.is_empty()
            && row.teams_reported_issued.is_empty()
            && row.teams_reported_retrospective.is_empty();
        (!is_empty).then_some(row)
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
        let names = names.map(|(member, _)| LookupName::in_report(reported_at.eastern_date(), &member.name));
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
}
impl<'a> LookupName<'a> {
    /// The names of an event are looked up for the day that the observation with the name stated.
    pub const fn in_odds(date: EasternDate, name: &'a str) -> Self {
        LookupName { name, date, source: Source::Oddsapi }
    }
    /// The names of a report are looked up for the day of the report, which may be earlier than its game day.
    pub const fn in_report(date: EasternDate, name: &'a str) -> Self {
        LookupName { name, date, source: Source::Nbacom }
    }
    pub const fn date(self) -> EasternDate {
        self.date
    }
    pub const fn request(self, teams: &'a [Team]) -> LookupRequest<'a> {
        LookupRequest { teams, source: self.source, date: self.date, name: self.name }
    }
}
