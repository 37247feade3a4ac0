//! The odds and injury reports of one matchup, and the market and availability of a player as of a game's tip-off.
//!
//! Invariant: every function `…_by(cutoff)` uses only facts that were known before the cutoff. Exception: on the retrospective basis, if a
//! fact was not known by then, its first observation is used. No function uses a quote or report that was effective at or
//! after tip-off.
//! Not here: the handling of inputs (`markets`), the selection of quotes (`quotes`) and of lines (`main_line`).
use super::{
    main_line,
    output_key::OutputKey,
    quotes::{BookQuotes, Event, EventQuotes},
};
use crate::{
    fact_history::{Cutoff, FactHistory, HistoryEntry, since_last_complete},
    materialized_view::{ParkedItem, StateChange},
    name_lookup::{LookupRequest, NameLookups, known_by_cutoff},
};
use schemas::{
    EasternDate, GameId, Matchup, MatchupGameId, NamesId, PlayerGameId, PlayerId, Team, Timestamp,
    features::Basis,
    game::Game,
    identity::Names,
    market::{Availability, AvailabilityView, Market, MarketView, QuotedPlayer, QuotedPlayers, TeamReported},
    observation::{InjuryMember, InjuryObservation, OddsObservation},
    raw::Source,
};
use std::collections::{BTreeMap, BTreeSet};

/// A cutoff after all fetches: every fact received so far was known before it.
const LATEST_KNOWN: Cutoff = Cutoff::at_tip_off(Timestamp::DISTANT_FUTURE, Basis::Retrospective);

/// All odds and injury reports of the games between two teams.
#[derive(Debug, Default)]
pub struct Tables {
    pub(super) matchup: Option<Matchup>,
    games: BTreeMap<GameId, Game>,
    events: BTreeMap<String, Event>,
    reports: BTreeMap<(EasternDate, Timestamp), FactHistory<Vec<InjuryMember>>>,
    name_lookups: NameLookups,
}

impl Tables {
    pub fn merge_odds(&mut self, observation: OddsObservation) -> StateChange {
        let OddsObservation { event: id, date, complete, quotes, provenance, .. } = observation;
        let event = self.events.entry(id.clone()).or_default();
        event.names.extend(quotes.iter().map(|quote| (quote.name.clone(), date)));
        if event.quotes.merge(&provenance, complete, EventQuotes::new(date, quotes)) {
            StateChange::Retained(format!("odds/{id}/{}", provenance.fetched_at.0))
        } else {
            StateChange::Unchanged
        }
    }
    pub fn merge_report(&mut self, observation: InjuryObservation) -> StateChange {
        let InjuryObservation { date, reported_at, complete, members, provenance, .. } = observation;
        let report = self.reports.entry((date, reported_at)).or_default();
        if report.merge(&provenance, complete, members) {
            let fetched_at = provenance.fetched_at.0;
            StateChange::Retained(format!("report/{date}/{}/{fetched_at}", reported_at.0))
        } else {
            StateChange::Unchanged
        }
    }
    pub fn put_game(&mut self, game: GameId, row: Option<Game>) -> StateChange {
        match row {
            Some(row) => _ = self.games.insert(game, row),
            None => _ = self.games.remove(&game),
        }
        StateChange::RowReplaced
    }
    pub fn put_names(&mut self, id: NamesId, row: Option<Names>) -> StateChange {
        self.name_lookups.put(id, row);
        StateChange::RowReplaced
    }
    /// Returns the game days of the events and reports whose names are looked up for `date`. The names of an event are looked up for its
    /// day; the names of a report are looked up for the day on which it was reported, which may be earlier than its game day.
    pub fn days_with_lookup(&self, source: Source, date: EasternDate) -> Vec<EasternDate> {
        let reports = self
            .reports
            .keys()
            .filter(|(_, reported_at)| source == Source::Nbacom && reported_at.eastern_date() == date);
        reports.map(|(day, _)| *day).chain((source == Source::Oddsapi).then_some(date)).collect()
    }
    pub fn days_of(&self, game: GameId) -> Vec<EasternDate> {
        self.games.get(&game).into_iter().flat_map(|game| game.days.iter().map(|day| day.date)).collect()
    }
    pub fn days_of_event(&self, event: &str) -> Vec<EasternDate> {
        self.events.get(event).into_iter().flat_map(Event::dates).collect()
    }
    pub fn all_days(&self) -> Vec<EasternDate> {
        let games = self.games.values().flat_map(|game| game.days.iter().map(|day| day.date));
        let events = self.events.values().flat_map(Event::dates);
        games.chain(events).chain(self.reports.keys().map(|(date, _)| *date)).collect()
    }
    /// Emits every output key whose row may depend on the odds and reports of the given days.
    pub fn affected(&self, matchup: Matchup, days: &[EasternDate], invalidate: &mut dyn FnMut(OutputKey)) {
        let is_near =
            |date: EasternDate, max_days: i32| days.iter().any(|day| (day.0 - date.0).abs() <= max_days);
        let quoted = self.affected_by_odds(matchup, &is_near, invalidate);
        let reported = self.affected_by_reports(matchup, &is_near, invalidate);
        for game in self.games.values() {
            // An event belongs to the nearest game at most one day away. If the day of one game changes, an event one day away from it may
            // now belong to another game, which is up to one day away from the event and so up to two days away from the changed day.
            if !game.days.iter().any(|day| is_near(day.date, 2)) {
                continue;
            }
            let game = game.game;
            invalidate(OutputKey::QuotedPlayers(MatchupGameId { matchup, game }));
            for player in &quoted {
                invalidate(OutputKey::Market(PlayerGameId { player: *player, game }, matchup));
            }
            for player in &reported {
                invalidate(OutputKey::Availability(PlayerGameId { player: *player, game }, matchup));
            }
        }
    }
    /// Emits the keys of the events near the given days and returns the players whom these events may quote.
    fn affected_by_odds(
        &self,
        matchup: Matchup,
        is_near: &dyn Fn(EasternDate, i32) -> bool,
        invalidate: &mut dyn FnMut(OutputKey),
    ) -> BTreeSet<PlayerId> {
        let teams = matchup.teams();
        let mut quoted = BTreeSet::new();
        for (id, event) in &self.events {
            if !event.dates().any(|date| is_near(date, 3)) {
                continue;
            }
            invalidate(OutputKey::Event(matchup, id.clone()));
            for (name, date) in &event.names {
                let request = LookupName::in_odds(*date, name).request(&teams);
                self.name_lookups.all_candidates(request, &mut |player| _ = quoted.insert(player));
            }
        }
        quoted
    }
    /// Emits the keys of the reports near the given days and returns the players whom these reports may list.
    fn affected_by_reports(
        &self,
        matchup: Matchup,
        is_near: &dyn Fn(EasternDate, i32) -> bool,
        invalidate: &mut dyn FnMut(OutputKey),
    ) -> BTreeSet<PlayerId> {
        let teams = matchup.teams();
        let mut reported = BTreeSet::new();
        for ((date, reported_at), history) in &self.reports {
            if !is_near(*date, 3) {
                continue;
            }
            invalidate(OutputKey::Report(matchup, *date, *reported_at));
            for member in history.entries().iter().flat_map(|entry| &entry.content) {
                let request = LookupName::in_report(*reported_at, &member.name).request(&teams);
                self.name_lookups.all_candidates(request, &mut |player| _ = reported.insert(player));
            }
        }
        reported
    }
    fn player(&self, name: LookupName<'_>, cutoff: Cutoff) -> Option<(PlayerId, Timestamp)> {
        let teams = self.matchup?.teams();
        self.name_lookups.player(name.request(&teams), known_by_cutoff(cutoff))
    }
    /// Returns the game to which a day refers: the nearest game at most one day away, or the earlier of two equally near games. The day of
    /// each game is selected as of the cutoff.
    fn game_on(&self, day: EasternDate, cutoff: Cutoff) -> Option<GameId> {
        let dates = self.games.values().filter_map(|game| {
            let game_day =
                cutoff.as_of(&game.days, game.days_in_retrospect.as_deref(), |game_day| game_day.known_at)?;
            Some((game_day.date, game.game))
        });
        let near = dates.filter(|(date, _)| (date.0 - day.0).abs() <= 1);
        near.min_by_key(|(date, game)| ((date.0 - day.0).abs(), *date, *game)).map(|(_, game)| game)
    }
    /// Returns the odds events of a game. Each event is returned with only those history entries that belong to the game.
    fn events_of(
        &self,
        game: GameId,
        cutoff: Cutoff,
    ) -> impl Iterator<Item = (&Event, Vec<&HistoryEntry<EventQuotes>>)> {
        let days = self.days_of(game);
        let is_near = move |date: EasternDate| days.iter().any(|day| (day.0 - date.0).abs() <= 1);
        self.events.values().filter_map(move |event| {
            let entries = event.quotes.entries().iter().filter(|entry| {
                is_near(entry.content.date) && self.game_on(entry.content.date, cutoff) == Some(game)
            });
            let entries: Vec<_> = entries.collect();
            (!entries.is_empty()).then_some((event, entries))
        })
    }

    fn market_by(&self, game: GameId, player: PlayerId, cutoff: Cutoff) -> Option<MarketView> {
        let (mut newest, mut opening, mut known_at) = (Vec::new(), Vec::new(), Timestamp::DISTANT_PAST);
        for (event, entries) in self.events_of(game, cutoff) {
            for (name, date) in &event.names {
                let resolved = self.player(LookupName::in_odds(*date, name), cutoff);
                let Some((_, name_known_at)) = resolved.filter(|(resolved, _)| *resolved == player) else {
                    continue;
                };
                let quotes = BookQuotes::select(&entries, name, cutoff);
                if !quotes.newest.is_empty() {
                    known_at = known_at.max(name_known_at);
                }
                newest.extend(quotes.newest);
                opening.extend(quotes.opening);
            }
        }
        let mut main_lines = Vec::new();
        for book_quote in &newest {
            if let Some(main) = main_line::for_ladder(&book_quote.quote.lines) {
                known_at = known_at.max(book_quote.known_at);
                main_lines.push(main);
            }
        }
        let main = main_line::for_market(&main_lines)?;
        let opening_lines: Vec<_> =
            opening.iter().filter_map(|book_quote| main_line::for_ladder(&book_quote.quote.lines)).collect();
        Some(MarketView {
            known_at: opening.iter().map(|book_quote| book_quote.known_at).fold(known_at, Timestamp::max),
            main: main.line,
            opening: main_line::for_market(&opening_lines).map_or(main.line, |opening| opening.line),
            no_vig_over: main.no_vig_over,
            books: main_lines.len() as i32,
        })
    }
    fn quoted_by(&self, game: GameId, cutoff: Cutoff) -> Vec<QuotedPlayer> {
        let mut known_at_by_player: BTreeMap<PlayerId, Timestamp> = BTreeMap::new();
        for (event, entries) in self.events_of(game, cutoff) {
            for (name, date) in &event.names {
                let resolved = self.player(LookupName::in_odds(*date, name), cutoff);
                let Some((player, name_known_at)) = resolved else { continue };
                let newest = BookQuotes::select(&entries, name, cutoff).newest;
                let first = newest.iter().map(|book_quote| book_quote.known_at).min();
                let Some(quote_known_at) = first else { continue };
                let known_at = known_at_by_player.entry(player).or_insert(Timestamp::DISTANT_FUTURE);
                *known_at = (*known_at).min(quote_known_at.max(name_known_at));
            }
        }
        known_at_by_player.into_iter().map(|(player, known_at)| QuotedPlayer { player, known_at }).collect()
    }
    /// Returns the reports on a game that are effective before a cutoff, newest first, each with its entry as of the cutoff.
    fn reports_by(&self, game: GameId, cutoff: Cutoff) -> Vec<(Timestamp, &HistoryEntry<Vec<InjuryMember>>)> {
        let on_game = self.reports.iter().filter(|((date, reported_at), _)| {
            cutoff.is_past(*reported_at) && self.game_on(*date, cutoff) == Some(game)
        });
        let mut reports: Vec<_> = on_game
            .filter_map(|((_, reported_at), history)| {
                Some((*reported_at, cutoff.as_of(history.entries(), None, |entry| entry.fetched_at)?))
            })
            .collect();
        reports.sort_by_key(|(reported_at, _)| std::cmp::Reverse(*reported_at));
        reports
    }
    fn availability_by(&self, game: GameId, player: PlayerId, cutoff: Cutoff) -> Option<AvailabilityView> {
        for (reported_at, entry) in self.reports_by(game, cutoff) {
            for member in &entry.content {
                let resolved = self.player(LookupName::in_report(reported_at, &member.name), cutoff);
                if let Some((_, name_known_at)) = resolved.filter(|(resolved, _)| *resolved == player) {
                    return Some(AvailabilityView {
                        known_at: entry.fetched_at.max(name_known_at),
                        reported_at,
                        status: member.status,
                        reason: member.reason.clone(),
                    });
                }
            }
            if entry.complete {
                return None;
            }
        }
        None
    }

    /// Returns the issued content and, if it differs, the retrospective content; `None` if the game is not known.
    fn on_both_bases<T: PartialEq>(
        &self,
        game: GameId,
        content_by: impl Fn(Cutoff) -> Option<T>,
    ) -> Option<(Option<T>, Option<T>)> {
        let tip_off = self.games.get(&game)?.tip_off;
        let issued = content_by(Cutoff::at_tip_off(tip_off, Basis::Issued));
        let retrospective = content_by(Cutoff::at_tip_off(tip_off, Basis::Retrospective));
        let differs = retrospective != issued;
        Some((issued, retrospective.filter(|_| differs)))
    }
    pub fn market(&self, game: GameId, player: PlayerId) -> Option<Market> {
        let (issued, retrospective) =
            self.on_both_bases(game, |cutoff| self.market_by(game, player, cutoff))?;
        let has_content = issued.is_some() || retrospective.is_some();
        has_content.then_some(Market { player, game, issued, retrospective })
    }
    pub fn availability(&self, game: GameId, player: PlayerId) -> Option<Availability> {
        let (issued, retrospective) =
            self.on_both_bases(game, |cutoff| self.availability_by(game, player, cutoff))?;
        let has_content = issued.is_some() || retrospective.is_some();
        has_content.then_some(Availability { player, game, issued, retrospective })
    }
    pub fn quoted_players(&self, game: GameId) -> Option<QuotedPlayers> {
        let row = self.games.get(&game)?;
        let content_by = |basis| {
            let cutoff = Cutoff::at_tip_off(row.tip_off, basis);
            let reported = self.reports_by(game, cutoff).iter().map(|(_, entry)| entry.fetched_at).min();
            let teams = self.matchup.map(Matchup::teams).into_iter().flatten();
            let reported: Vec<TeamReported> =
                teams.filter_map(|team| Some(TeamReported { team, known_at: reported? })).collect();
            (self.quoted_by(game, cutoff), reported)
        };
        let (issued, reported_issued) = content_by(Basis::Issued);
        let (retrospective, reported_retrospective) = content_by(Basis::Retrospective);
        let has_content = !retrospective.is_empty() || !reported_retrospective.is_empty();
        let matchup = self.matchup?;
        has_content.then_some(QuotedPlayers {
            matchup,
            game,
            issued,
            retrospective,
            teams_reported_issued: reported_issued,
            teams_reported_retrospective: reported_retrospective,
        })
    }

    /// Returns the number of parked observations of an event, and the parked items: its missing fixture (the schedule entry of its game)
    /// or its unresolved names.
    pub fn parked_event(&self, id: &str) -> (u32, Vec<ParkedItem>) {
        let (Some(event), Some(matchup)) = (self.events.get(id), self.matchup) else {
            return (0, Vec::new());
        };
        let entries = event.quotes.entries();
        let what = format!("odds of event {id}");
        let Some(last) = entries.last() else { return (0, Vec::new()) };
        if self.game_on(last.content.date, LATEST_KNOWN).is_none() {
            return missing_fixture(matchup, last.content.date, what, entries.len());
        }
        let names = since_last_complete(entries).iter().flat_map(|entry| {
            entry.content.by_name.iter().map(|(name, _)| LookupName::in_odds(entry.content.date, name))
        });
        let names: BTreeSet<LookupName<'_>> = names.collect();
        self.unresolved_names(matchup, names.into_iter(), &what, entries.len())
    }
    /// Returns the number of parked observations of a report, and the parked items: its missing fixture, or its unresolved names.
    pub fn parked_report(&self, date: EasternDate, reported_at: Timestamp) -> (u32, Vec<ParkedItem>) {
        let (Some(history), Some(matchup)) = (self.reports.get(&(date, reported_at)), self.matchup) else {
            return (0, Vec::new());
        };
        let entries = history.entries();
        let what = format!("injury report of {reported_at}");
        if self.game_on(date, LATEST_KNOWN).is_none() {
            return missing_fixture(matchup, date, what, entries.len());
        }
        let members = entries.last().into_iter().flat_map(|entry| &entry.content);
        let names = members.map(|member| LookupName::in_report(reported_at, &member.name));
        self.unresolved_names(matchup, names, &what, entries.len())
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
struct LookupName<'a> {
    name: &'a str,
    date: EasternDate,
    source: Source,
}
impl<'a> LookupName<'a> {
    const fn in_odds(date: EasternDate, name: &'a str) -> Self {
        LookupName { name, date, source: Source::Oddsapi }
    }
    fn in_report(reported_at: Timestamp, name: &'a str) -> Self {
        LookupName { name, date: reported_at.eastern_date(), source: Source::Nbacom }
    }
    const fn request(self, teams: &'a [Team]) -> LookupRequest<'a> {
        LookupRequest { teams, source: self.source, date: self.date, name: self.name }
    }
}
