//! The quotes and reports of one matchup, and what they say of a player by a game's tip-off.
//!
//! Invariant: `…_by(cut)` reads only what was heard by the cut, retrospectively also the first word on what was not; never a
//! quote or report effective at or after tip-off.
//! Not here: which rows a change reaches (the view), the choice of lines (`main_line`).
use super::{OutputKey, main_line};
use crate::{
    fact_history::{Cutoff, FactHistory, HistoryEntry, since_last_complete},
    materialized_view::{ParkedItem, StateChange},
    name_lookup::{LookupRequest, NameLookups},
};
use schemas::{
    EasternDate, GameId, Matchup, MatchupGameId, NamesId, PlayerGameId, PlayerId, Timestamp,
    features::Basis,
    game::Game,
    identity::Names,
    market::{Availability, AvailabilityView, Market, MarketView, QuotedPlayer, QuotedPlayers},
    observation::{InjuryMember, InjuryObservation, OddsObservation, Quote},
    raw::Source,
};
use std::collections::{BTreeMap, BTreeSet};

/// One answer about an event: the day it is on and the quotes, by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Quotes {
    date: EasternDate,
    by_name: Vec<(String, Vec<Quote>)>,
}
impl Quotes {
    fn new(date: EasternDate, quotes: Vec<Quote>) -> Self {
        let mut by_name: BTreeMap<String, Vec<Quote>> = BTreeMap::new();
        quotes.into_iter().for_each(|quote| by_name.entry(quote.name.clone()).or_default().push(quote));
        Quotes { date, by_name: by_name.into_iter().collect() }
    }
    fn for_name(&self, name: &str) -> &[Quote] {
        let at = self.by_name.binary_search_by(|(known, _)| known.as_str().cmp(name));
        at.map_or(&[], |at| &self.by_name[at].1)
    }
}
#[derive(Default)]
struct Event {
    quotes: FactHistory<Quotes>,
    /// Every name ever quoted in it, with the day it was asked about.
    names: BTreeSet<(String, EasternDate)>,
}

/// Everything offered and reported about the games of two teams.
#[derive(Default)]
pub struct Tables {
    pub(super) matchup: Option<Matchup>,
    games: BTreeMap<GameId, Game>,
    events: BTreeMap<String, Event>,
    reports: BTreeMap<(EasternDate, Timestamp), FactHistory<Vec<InjuryMember>>>,
    name_lookups: NameLookups,
}

/// One book's quote that counts.
struct Counted<'a> {
    quote: &'a Quote,
    known_at: Timestamp,
}

impl Tables {
    pub fn merge_odds(&mut self, s: OddsObservation) -> StateChange {
        let event = self.events.entry(s.event.clone()).or_default();
        event.names.extend(s.quotes.iter().map(|quote| (quote.name.clone(), s.date)));
        match event.quotes.merge(s.provenance, s.complete, Quotes::new(s.date, s.quotes)) {
            true => StateChange::Retained(format!("odds/{}/{}", s.event, s.provenance.fetched_at.0)),
            false => StateChange::Unchanged,
        }
    }
    pub fn merge_report(&mut self, s: InjuryObservation) -> StateChange {
        let report = self.reports.entry((s.date, s.reported_at)).or_default();
        match report.merge(s.provenance, s.complete, s.members) {
            true => StateChange::Retained(format!(
                "report/{}/{}/{}",
                s.date, s.reported_at.0, s.provenance.fetched_at.0
            )),
            false => StateChange::Unchanged,
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
    /// The days of what was asked on a day: events ask about their own, reports about the day they appeared.
    pub fn days_asking(&self, source: Source, date: EasternDate) -> Vec<EasternDate> {
        let reports =
            self.reports.keys().filter(|(_, at)| source == Source::Nbacom && at.eastern_date() == date);
        reports.map(|(day, _)| *day).chain((source == Source::Oddsapi).then_some(date)).collect()
    }
    pub fn days_of(&self, game: GameId) -> Vec<EasternDate> {
        self.games.get(&game).into_iter().flat_map(|game| game.days.iter().map(|day| day.date)).collect()
    }
    pub fn days_of_event(&self, event: &str) -> Vec<EasternDate> {
        let fetches = self.events.get(event).into_iter().flat_map(|event| event.quotes.entries());
        fetches.map(|fetch| fetch.content.date).collect()
    }
    pub fn all_days(&self) -> Vec<EasternDate> {
        let games = self.games.values().flat_map(|game| game.days.iter().map(|day| day.date));
        let events =
            self.events.values().flat_map(|event| event.quotes.entries().iter().map(|f| f.content.date));
        games.chain(events).chain(self.reports.keys().map(|(date, _)| *date)).collect()
    }
    /// Names every output key that may depend on what is said about some days.
    pub fn affected(&self, matchup: Matchup, days: &[EasternDate], invalidate: &mut dyn FnMut(OutputKey)) {
        let teams = matchup.teams();
        let near = |date: EasternDate, within: i32| days.iter().any(|day| (day.0 - date.0).abs() <= within);
        // A day's events are matched to games at most one day off, so a changed game may also give them to its neighbour.
        let is_near = |game: &Game| game.days.iter().any(|day| near(day.date, 2));
        let games: Vec<GameId> = self.games.values().filter(|g| is_near(g)).map(|g| g.game).collect();
        let mut quoted = BTreeSet::new();
        for (id, event) in &self.events {
            if !event.quotes.entries().iter().any(|fetch| near(fetch.content.date, 3)) {
                continue;
            }
            invalidate(OutputKey::Event(matchup, id.clone()));
            for (name, date) in &event.names {
                let asking = Asking { source: Source::Oddsapi, date: *date, name };
                self.name_lookups.anyone(asking.over(&teams), &mut |player| _ = quoted.insert(player));
            }
        }
        let mut reported = BTreeSet::new();
        for ((date, at), fact) in self.reports.iter().filter(|((date, _), _)| near(*date, 3)) {
            invalidate(OutputKey::Report(matchup, *date, *at));
            for member in fact.entries().iter().flat_map(|fetch| &fetch.content) {
                let asking = Asking { source: Source::Nbacom, date: at.eastern_date(), name: &member.name };
                self.name_lookups.anyone(asking.over(&teams), &mut |player| _ = reported.insert(player));
            }
        }
        for game in games {
            let id = |player: &PlayerId| PlayerGameId { player: *player, game };
            invalidate(OutputKey::QuotedPlayers(MatchupGameId { matchup, game }));
            quoted.iter().for_each(|player| invalidate(OutputKey::Market(id(player), matchup)));
            reported.iter().for_each(|player| invalidate(OutputKey::Availability(id(player), matchup)));
        }
    }
    fn player(&self, asking: Asking<'_>, cut: Cutoff) -> Option<(PlayerId, Timestamp)> {
        let teams = self.matchup?.teams();
        self.name_lookups
            .player(asking.over(&teams), |revisions| cut.as_of(revisions, |revision| revision.known_at))
    }
    /// The game that a day means, by what a cut believes of the games' days: the nearest, the earlier on a tie.
    fn game_on(&self, day: EasternDate, cut: Cutoff) -> Option<GameId> {
        let dated = self
            .games
            .values()
            .filter_map(|game| Some((cut.as_of(&game.days, |d| d.known_at)?.date, game.game)));
        let near = dated.filter(|(date, _)| (date.0 - day.0).abs() <= 1);
        near.min_by_key(|(date, game)| ((date.0 - day.0).abs(), *date, *game)).map(|(_, game)| game)
    }
    /// The answers about a game, event by event.
    fn quotes_on(
        &self,
        game: GameId,
        cut: Cutoff,
    ) -> impl Iterator<Item = (&Event, Vec<&HistoryEntry<Quotes>>)> {
        let days = self.days_of(game);
        let near = move |date: EasternDate| days.iter().any(|day| (day.0 - date.0).abs() <= 1);
        self.events.values().filter_map(move |event| {
            let fetches = event.quotes.entries().iter();
            let about: Vec<_> = fetches
                .filter(|fetch| {
                    near(fetch.content.date) && self.game_on(fetch.content.date, cut) == Some(game)
                })
                .collect();
            (!about.is_empty()).then_some((event, about))
        })
    }

    /// The quotes under one name that count at a cut: per book the newest, and the first ever, as last heard.
    fn counted<'a>(
        fetches: &[&'a HistoryEntry<Quotes>],
        name: &str,
        cut: Cutoff,
    ) -> (Vec<Counted<'a>>, Vec<Counted<'a>>) {
        let heard = fetches.partition_point(|fetch| cut.is_known(fetch.at));
        let (heard, late) = fetches.split_at(heard);
        let base = heard.iter().rposition(|fetch| fetch.complete).unwrap_or(0);
        let mut all: BTreeMap<(&str, Timestamp, &str), Counted<'a>> = BTreeMap::new();
        let mut present: BTreeSet<&str> = BTreeSet::new();
        for (i, fetch) in heard.iter().enumerate() {
            for quote in fetch.content.for_name(name).iter().filter(|quote| cut.is_past(quote.updated_at)) {
                let book = main_line::book(&quote.book);
                if i >= base {
                    present.insert(book);
                }
                let counted = all.entry((book, quote.updated_at, &quote.book));
                let counted = counted.or_insert(Counted { quote, known_at: fetch.at });
                if counted.quote != quote {
                    *counted = Counted { quote, known_at: fetch.at };
                }
            }
        }
        if cut.basis() == Basis::Retrospective {
            for fetch in late {
                for quote in fetch.content.for_name(name).iter().filter(|quote| cut.is_past(quote.updated_at))
                {
                    let book = main_line::book(&quote.book);
                    present.insert(book);
                    all.entry((book, quote.updated_at, &quote.book))
                        .or_insert(Counted { quote, known_at: fetch.at });
                }
            }
        }
        let (mut newest, mut first): (BTreeMap<&str, Counted<'a>>, BTreeMap<&str, Counted<'a>>) =
            Default::default();
        for ((book, ..), counted) in all {
            let quoted = || Counted { quote: counted.quote, known_at: counted.known_at };
            if main_line::for_ladder(&counted.quote.lines).is_some() {
                first.entry(book).or_insert_with(quoted);
            }
            if present.contains(book) {
                // Of two feeds of one book with one update time the first by name stands.
                let newer =
                    newest.get(book).is_none_or(|known| known.quote.updated_at < counted.quote.updated_at);
                if newer {
                    newest.insert(book, counted);
                }
            }
        }
        (newest.into_values().collect(), first.into_values().collect())
    }

    fn market_by(&self, game: GameId, player: PlayerId, cut: Cutoff) -> Option<MarketView> {
        let (mut newest, mut first, mut known_at) = (Vec::new(), Vec::new(), Timestamp::DISTANT_PAST);
        for (event, fetches) in self.quotes_on(game, cut) {
            for (name, date) in &event.names {
                let asking = Asking { source: Source::Oddsapi, date: *date, name };
                let Some((_, since)) = self.player(asking, cut).filter(|(who, _)| *who == player) else {
                    continue;
                };
                let (now, then) = Self::counted(&fetches, name, cut);
                if !now.is_empty() {
                    known_at = known_at.max(since);
                }
                newest.extend(now);
                first.extend(then);
            }
        }
        let mut mains = Vec::new();
        for counted in &newest {
            if let Some(main) = main_line::for_ladder(&counted.quote.lines) {
                known_at = known_at.max(counted.known_at);
                mains.push(main);
            }
        }
        let openings: Vec<_> = first.iter().filter_map(|c| main_line::for_ladder(&c.quote.lines)).collect();
        let main = main_line::for_market(&mains)?;
        Some(MarketView {
            known_at: first.iter().map(|c| c.known_at).max().map_or(known_at, |at| known_at.max(at)),
            main: main.line,
            opening: main_line::for_market(&openings).map_or(main.line, |opening| opening.line),
            no_vig_over: main.no_vig_over,
            books: mains.len() as i32,
        })
    }
    fn quoted_by(&self, game: GameId, cut: Cutoff) -> Vec<QuotedPlayer> {
        let mut quoted: BTreeMap<PlayerId, Timestamp> = BTreeMap::new();
        for (event, fetches) in self.quotes_on(game, cut) {
            for (name, date) in &event.names {
                let asking = Asking { source: Source::Oddsapi, date: *date, name };
                let Some((player, since)) = self.player(asking, cut) else { continue };
                let now = Self::counted(&fetches, name, cut).0;
                let Some(first) = now.iter().map(|counted| counted.known_at).min() else { continue };
                let at = quoted.entry(player).or_insert(Timestamp::DISTANT_FUTURE);
                *at = (*at).min(first.max(since));
            }
        }
        quoted.into_iter().map(|(player, known_at)| QuotedPlayer { player, known_at }).collect()
    }
    /// The reports on a game that count at a cut, newest first, each with the fetch that is believed.
    fn reports_by(&self, game: GameId, cut: Cutoff) -> Vec<(Timestamp, &HistoryEntry<Vec<InjuryMember>>)> {
        let counts = self
            .reports
            .iter()
            .filter(|((date, at), _)| cut.is_past(*at) && self.game_on(*date, cut) == Some(game));
        let mut reports: Vec<_> = counts
            .filter_map(|((_, at), fact)| Some((*at, cut.as_of(fact.entries(), |fetch| fetch.at)?)))
            .collect();
        reports.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        reports
    }
    fn availability_by(&self, game: GameId, player: PlayerId, cut: Cutoff) -> Option<AvailabilityView> {
        for (reported_at, fetch) in self.reports_by(game, cut) {
            for member in &fetch.content {
                let asking =
                    Asking { source: Source::Nbacom, date: reported_at.eastern_date(), name: &member.name };
                if let Some((_, since)) = self.player(asking, cut).filter(|(who, _)| *who == player) {
                    return Some(AvailabilityView {
                        known_at: fetch.at.max(since),
                        reported_at,
                        status: member.status,
                        reason: member.reason.clone(),
                    });
                }
            }
            if fetch.complete {
                return None;
            }
        }
        None
    }

    fn both<T: PartialEq>(
        &self,
        game: GameId,
        by: impl Fn(Cutoff) -> Option<T>,
    ) -> Option<(Option<T>, Option<T>)> {
        let tip_off = self.games.get(&game)?.tip_off;
        let issued = by(Cutoff::at_tip_off(tip_off, Basis::Issued));
        let retrospective = by(Cutoff::at_tip_off(tip_off, Basis::Retrospective));
        let differs = retrospective != issued;
        Some((issued, retrospective.filter(|_| differs)))
    }
    pub fn market(&self, game: GameId, player: PlayerId) -> Option<Market> {
        let (issued, retrospective) = self.both(game, |cut| self.market_by(game, player, cut))?;
        let any = issued.is_some() || retrospective.is_some();
        any.then_some(Market { player, game, issued, retrospective })
    }
    pub fn availability(&self, game: GameId, player: PlayerId) -> Option<Availability> {
        let (issued, retrospective) = self.both(game, |cut| self.availability_by(game, player, cut))?;
        let any = issued.is_some() || retrospective.is_some();
        any.then_some(Availability { player, game, issued, retrospective })
    }
    pub fn quoted(&self, game: GameId) -> Option<QuotedPlayers> {
        let row = self.games.get(&game)?;
        let by = |basis| {
            let cut = Cutoff::at_tip_off(row.tip_off, basis);
            let reported = self.reports_by(game, cut).iter().map(|(_, fetch)| fetch.at).min();
            (self.quoted_by(game, cut), reported)
        };
        let ((issued, reported_issued), (retrospective, reported_retrospective)) =
            (by(Basis::Issued), by(Basis::Retrospective));
        let any = !retrospective.is_empty() || reported_retrospective.is_some();
        let matchup = self.matchup?;
        any.then_some(QuotedPlayers {
            matchup,
            game,
            issued,
            retrospective,
            reported_issued,
            reported_retrospective,
        })
    }

    /// What of an event waits in the end, and how many fetches that holds up.
    pub fn parked_event(&self, id: &str) -> (u32, Vec<ParkedItem>) {
        let (Some(event), Some(matchup)) = (self.events.get(id), self.matchup) else {
            return (0, Vec::new());
        };
        let fetches = event.quotes.entries();
        let what = format!("odds of event {id}");
        let Some(last) = fetches.last() else { return (0, Vec::new()) };
        if self.game_on(last.content.date, LATEST_KNOWN).is_none() {
            let key = format!("fixture {matchup} on {}", last.content.date);
            return (fetches.len() as u32, vec![ParkedItem { key, what }]);
        }
        let names = since_last_complete(fetches)
            .iter()
            .flat_map(|f| f.content.by_name.iter().map(|(name, _)| (name, f.content.date)));
        let distinct: BTreeSet<_> = names.collect();
        let asked = distinct.into_iter().map(|(name, date)| (name.as_str(), Source::Oddsapi, date));
        self.unresolved(matchup, asked, &what, fetches.len())
    }
    /// What of a report waits in the end, and how many fetches that holds up.
    pub fn parked_report(&self, date: EasternDate, at: Timestamp) -> (u32, Vec<ParkedItem>) {
        let (Some(fact), Some(matchup)) = (self.reports.get(&(date, at)), self.matchup) else {
            return (0, Vec::new());
        };
        let fetches = fact.entries();
        let what = format!("injury report of {at}");
        if self.game_on(date, LATEST_KNOWN).is_none() {
            return (
                fetches.len() as u32,
                vec![ParkedItem { key: format!("fixture {matchup} on {date}"), what }],
            );
        }
        let members = fetches.last().into_iter().flat_map(|fetch| &fetch.content);
        let asked = members.map(|member| (member.name.as_str(), Source::Nbacom, at.eastern_date()));
        self.unresolved(matchup, asked, &what, fetches.len())
    }
    fn unresolved<'a>(
        &self,
        matchup: Matchup,
        asked: impl Iterator<Item = (&'a str, Source, EasternDate)>,
        what: &str,
        records: usize,
    ) -> (u32, Vec<ParkedItem>) {
        let teams = matchup.teams();
        let waiting: Vec<ParkedItem> = asked
            .filter_map(|(name, source, date)| {
                let why = self.name_lookups.unresolved(Asking { source, date, name }.over(&teams))?;
                Some(ParkedItem { key: format!("name '{name}' ({why})"), what: what.to_owned() })
            })
            .collect();
        (if waiting.is_empty() { 0 } else { records as u32 }, waiting)
    }
}

const LATEST_KNOWN: Cutoff = Cutoff::at_tip_off(Timestamp::DISTANT_FUTURE, Basis::Retrospective);

#[derive(Clone, Copy)]
struct Asking<'a> {
    source: Source,
    date: EasternDate,
    name: &'a str,
}
impl<'a> Asking<'a> {
    fn over(self, teams: &'a [schemas::Team]) -> LookupRequest<'a> {
        LookupRequest { teams, source: self.source, date: self.date, name: self.name }
    }
}
