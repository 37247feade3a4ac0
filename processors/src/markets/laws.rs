//! Laws of the market: it equals a naive model that stores every observation whole and compares all quotes, whatever the order of arrival,
//! the requests, days, incomplete lists, retractions, and fetches that state another pair of teams for an event. The driver also checks after each input that the rows derived incrementally equal
//! those of a batch, and that restored tables equal the running ones.
//!
//! Invariant: the model shares no code with the view, except for the choice of the main line.
//! Not here: the rules one by one (`tests`).
use super::{main_line, update_index::UpdateIndex, *};
use crate::{
    odds_events::OddsEvents,
    view_test_driver::{ViewTestDriver, ended_date, provenance, scheduled_date, scheduled_game},
};
use proptest::prelude::*;
use schemas::{
    CandidateId, EasternDate, GameId, Line, PlayerId, Price, RawId, Team, Timestamp,
    features::Basis,
    fixture::VoidReason,
    identity::{NameMatch, NameRevision, NameRule},
    market::MarketView,
    observation::{OddsEventObservation, Quote, QuoteLine, Retraction},
    raw::Source,
};
use std::{cmp::Reverse, collections::BTreeMap};

pub(super) const TEAMS: [Team; 2] = [Team::BOS, Team::NYK];
const KEYS: [&str; 3] = ["betrivers", "fanduel", "unibet"];
/// Both names are those of player 1.
pub(super) const NAMES: [&str; 2] = ["A", "B"];
const PLAYER: PlayerId = PlayerId(1);
pub(super) const GAMES: [GameId; 2] = [GameId(22_400_100), GameId(22_400_200)];

pub(super) fn matchup() -> Matchup {
    Matchup::new(TEAMS[0], TEAMS[1]).unwrap()
}
pub(super) fn day(n: i32) -> EasternDate {
    "2025-01-10".parse::<EasternDate>().unwrap().plus_days(n)
}
/// The tip-off of game `n`, which is on day `n`.
pub(super) fn tip_off(n: usize) -> Timestamp {
    day(n as i32).at(19, 30)
}
/// Ten instants, of which some are more than one hour apart and some are after a tip-off.
pub(super) fn instant(n: usize) -> Timestamp {
    let (day_number, hour, minute) = [
        (0, 10, 0),
        (0, 10, 30),
        (0, 12, 0),
        (0, 19, 29),
        (0, 19, 30),
        (0, 21, 0),
        (1, 18, 0),
        (1, 19, 0),
        (1, 20, 0),
        (1, 20, 30),
    ][n];
    day(day_number).at(hour, minute)
}

/// One poll of an event.
#[derive(Clone, Debug)]
pub(super) struct Poll {
    pub(super) at: Timestamp,
    pub(super) raw: i64,
    pub(super) request: u8,
    pub(super) event: u8,
    /// The poll states another pair of teams for the event.
    pub(super) is_of_other_pair: bool,
    pub(super) date: EasternDate,
    pub(super) complete: bool,
    pub(super) incomplete_book: Option<usize>,
    /// Key, name, line ladder, and whether the ladder is complete.
    pub(super) quotes: BTreeMap<(usize, usize), (Vec<QuoteLine>, bool)>,
    /// The update time of each key.
    pub(super) updated: [Timestamp; 3],
    pub(super) retracted_at: Option<Timestamp>,
}

pub(super) fn polls() -> impl Strategy<Value = Vec<Poll>> {
    let quote = ((0usize..3, 0usize..2), prop::collection::vec((0i32..3, 0u8..4), 0..3), 0u8..4);
    let poll = (
        (0usize..10, 0u8..2, 0u8..2, 0i32..2, prop::bool::weighted(0.15)),
        (0u8..4, prop::option::weighted(0.2, 0usize..3)),
        prop::collection::vec(quote, 0..4),
        prop::array::uniform3(0usize..10),
        prop::option::weighted(0.15, 0usize..10),
    );
    let moved_key = prop::option::weighted(0.3, 0usize..3);
    prop::collection::vec((poll, moved_key), 0..9).prop_map(|parts| {
        let mut polls: Vec<Poll> = Vec::new();
        for (raw, (parts, moved_key)) in parts.into_iter().enumerate() {
            let poll = new_poll(raw, parts);
            polls.push(match (polls.last(), moved_key) {
                (Some(before), Some(key)) => with_moved_update(before, key, poll),
                _ => poll,
            });
        }
        polls
    })
}
/// Returns the poll after another one that differs from it only in the update time of one key.
fn with_moved_update(before: &Poll, key: usize, Poll { raw, retracted_at, .. }: Poll) -> Poll {
    let at = (0..10).map(instant).find(|at| *at > before.at).unwrap_or(before.at);
    let mut updated = before.updated;
    updated[key] = at;
    let retracted_at = retracted_at.map(|retracted_at| retracted_at.max(at));
    Poll { at, raw, updated, retracted_at, ..before.clone() }
}
type RandomQuote = ((usize, usize), Vec<(i32, u8)>, u8);
type RandomPoll =
    ((usize, u8, u8, i32, bool), (u8, Option<usize>), Vec<RandomQuote>, [usize; 3], Option<usize>);
fn new_poll(raw: usize, (ladder_key, coverage, quotes, updated, retracted): RandomPoll) -> Poll {
    let (at, request, event, date, is_of_other_pair) = ladder_key;
    let at = instant(at);
    let ladder = |lines: Vec<(i32, u8)>| -> Vec<QuoteLine> {
        let mut by_line = BTreeMap::new();
        for (line, sides) in lines {
            let quote = QuoteLine {
                line: Line(2050 + 100 * line),
                over: Price::new(if line == 1 { -110.0 } else { -130.0 }).filter(|_| sides != 1),
                under: Price::new(-110.0).filter(|_| sides != 2),
            };
            by_line.insert(line, quote);
        }
        by_line.into_values().collect()
    };
    let quotes = quotes.into_iter().map(|(key, lines, complete)| (key, (ladder(lines), complete != 0)));
    Poll {
        at,
        raw: raw as i64,
        request,
        event,
        is_of_other_pair,
        date: day(date),
        complete: coverage.0 != 0,
        incomplete_book: coverage.1,
        quotes: quotes.collect(),
        updated: updated.map(|updated| instant(updated).min(at)),
        retracted_at: retracted.map(|n| instant(n).max(at)),
    }
}
/// An input of the view, or what a poll states about the pair of an event.
#[derive(Clone, Debug)]
pub(super) enum Arrival {
    Input(In),
    Pair(OddsEventObservation),
}
/// The view, and the view of odds events, whose rows it reads.
pub(super) struct Drivers {
    events: ViewTestDriver<OddsEvents>,
    pub(super) markets: ViewTestDriver<Markets>,
}
impl Drivers {
    pub(super) fn new() -> Self {
        Drivers { events: ViewTestDriver::new(OddsEvents), markets: ViewTestDriver::new(Markets) }
    }
    pub(super) fn put(&mut self, arrival: Arrival) {
        let observation = match arrival {
            Arrival::Input(input) => {
                self.markets.put(input);
                return;
            }
            Arrival::Pair(observation) => observation,
        };
        let id = MatchupEventId { matchup: matchup(), event: observation.event.clone() };
        let before = self.events.row(&id).cloned();
        self.events.put(observation);
        let row = self.events.row(&id).cloned();
        if row != before {
            self.markets.put(In::Event(id, row));
        }
    }
}
/// Returns what arrives because of a poll, or of its retraction.
pub(super) fn arrivals(poll: &Poll, is_retraction: bool) -> Vec<Arrival> {
    let In::Odds(odds) = observation(poll, is_retraction) else { return Vec::new() };
    let other_pair = Matchup::new(Team::LAL, Team::GSW);
    let matchup = if poll.is_of_other_pair { other_pair } else { Some(matchup()) };
    let (event, provenance) = (odds.event.clone(), odds.provenance.clone());
    let quotes = Some(In::Odds(odds)).filter(|_| !poll.is_of_other_pair).map(Arrival::Input);
    quotes.into_iter().chain([Arrival::Pair(OddsEventObservation { event, matchup, provenance })]).collect()
}
pub(super) fn observation(poll: &Poll, is_retraction: bool) -> In {
    let quotes = poll.quotes.iter().map(|((key, name), (lines, complete))| Quote {
        book: KEYS[*key].into(),
        name: NAMES[*name].into(),
        updated_at: poll.updated[*key],
        lines: lines.clone(),
        complete: *complete,
    });
    let mut provenance = provenance(poll.at);
    provenance.raw = RawId(poll.raw);
    provenance.request = poll.request.to_string();
    provenance.retraction =
        poll.retracted_at.filter(|_| is_retraction).map(|at| Retraction { at, is_undone: false });
    In::Odds(OddsObservation {
        event: poll.event.to_string(),
        home: TEAMS[0],
        away: TEAMS[1],
        commences_at: poll.date.at(19, 30),
        date: poll.date,
        complete: poll.complete,
        quotes: quotes.collect(),
        provenance,
        incomplete_books: poll.incomplete_book.iter().map(|key| KEYS[*key].to_owned()).collect(),
    })
}
fn game(n: usize) -> In {
    In::Game(MatchupGameId { matchup: matchup(), game: GAMES[n] }, Some(game_row(n, n as i32)))
}
/// A row of game `n` that a later one replaces: it has the last of the days, after it had another one, or is deleted.
fn earlier_row(n: usize, days: &[i32]) -> In {
    let row = days.last().map(|last| {
        let mut row = game_row(n, *last);
        let former = days.iter().filter(|day| *day != last).map(|day| {
            let date = scheduled_date(TEAMS[0], TEAMS[1], tip_off(*day as usize));
            ended_date(date, instant(2), VoidReason::Moved)
        });
        row.dates.extend(former.take(1));
        row
    });
    In::Game(MatchupGameId { matchup: matchup(), game: GAMES[n] }, row)
}
pub(super) fn game_row(n: usize, on: i32) -> Game {
    Game { date: day(on), ..scheduled_game(GAMES[n], TEAMS[0], TEAMS[1], tip_off(on as usize)) }
}
fn names(date: EasternDate, team: Team) -> In {
    let players = if team == TEAMS[0] { vec![PLAYER] } else { vec![] };
    let rule = (!players.is_empty()).then_some(NameRule::Exact);
    let revision =
        NameRevision { known_at: Timestamp::DISTANT_PAST, rule, players, link: None, operator_link: None };
    let name_match = |name: &str| NameMatch {
        name: name.into(),
        revisions: vec![revision.clone()],
        revisions_in_retrospect: None,
    };
    let scope = Scope::Matchup(matchup());
    let matches = NAMES.map(name_match).to_vec();
    let row = Names { scope: scope.to_string(), team, source: Source::Oddsapi, date, matches };
    In::Names(Names::id(scope, team, Source::Oddsapi, date), Some(row))
}

/// The ladder of one name in one book on one day of an event, in one request.
#[derive(Clone, Copy)]
struct LadderKey {
    event: u8,
    date: EasternDate,
    key: usize,
    name: usize,
}
/// A ladder, ordered by preference: known before the tip-off; listed last if known, otherwise first; stated lines; united lines.
type Preferred = (bool, i64, Option<(Vec<QuoteLine>, bool)>, Vec<QuoteLine>);
/// An opening ladder, ordered by preference: oldest update; first key; listed first; stated lines; united lines.
type Opening =
    (Timestamp, usize, Timestamp, Reverse<Option<(Vec<QuoteLine>, bool)>>, Reverse<Vec<QuoteLine>>);

/// The naive model, on one basis.
struct Model<'a> {
    /// All polls, ordered by fetch time and raw id.
    polls: &'a [Poll],
    tip_off: Timestamp,
    basis: Basis,
}
impl<'a> Model<'a> {
    fn is_unretracted(&self, poll: &Poll) -> bool {
        let until = match self.basis {
            Basis::Issued => Timestamp(self.tip_off.0 - 1),
            Basis::Retrospective => Timestamp::DISTANT_FUTURE,
        };
        poll.retracted_at.is_none_or(|at| at > until)
    }
    fn of_event(&self, event: u8) -> impl Iterator<Item = &'a Poll> {
        self.of_any_pair(event).filter(|poll| !poll.is_of_other_pair)
    }
    fn of_any_pair(&self, event: u8) -> impl Iterator<Item = &'a Poll> {
        self.polls.iter().filter(move |poll| poll.event == event && self.is_unretracted(poll))
    }
    /// True if the newest poll before the tip-off states this pair of teams; of several ones at an instant, the other pair counts.
    fn is_of_pair(&self, event: u8) -> bool {
        let known = self.of_any_pair(event).filter(|poll| poll.at < self.tip_off);
        known.map(|poll| (poll.at, poll.is_of_other_pair)).max().is_none_or(|(_, is_other)| !is_other)
    }
    /// True if a poll from the tip-off on states this pair of teams, or the newest one before it.
    fn is_of_pair_later(&self, event: u8) -> bool {
        let is_of_other =
            |at: Timestamp| self.of_any_pair(event).any(|poll| poll.at == at && poll.is_of_other_pair);
        let mut later = self.of_event(event).filter(|poll| poll.at >= self.tip_off);
        self.is_of_pair(event) || later.any(|poll| !is_of_other(poll.at))
    }
    fn is_complete(poll: &Poll, ladder_key: LadderKey) -> bool {
        poll.complete && !(poll.incomplete_book == Some(ladder_key.key) && poll.date == ladder_key.date)
    }
    fn listed(poll: &Poll, ladder_key: LadderKey) -> Option<&(Vec<QuoteLine>, bool)> {
        poll.quotes.get(&(ladder_key.key, ladder_key.name)).filter(|_| poll.date == ladder_key.date)
    }
    /// True if a live request shows before the tip-off that the ladder is present.
    fn is_present(&self, ladder_key: LadderKey) -> bool {
        let known: Vec<&Poll> =
            self.of_event(ladder_key.event).filter(|poll| poll.at < self.tip_off).collect();
        let newest_complete = |request: u8| {
            let of_request = known.iter().filter(|poll| poll.request == request);
            let times = of_request.clone().map(|poll| poll.at);
            let is_complete = |at: Timestamp| {
                of_request
                    .clone()
                    .filter(|poll| poll.at == at)
                    .all(|poll| Self::is_complete(poll, ladder_key))
            };
            times.filter(|at| is_complete(*at)).max()
        };
        let newest_of_list = (0..2).filter_map(newest_complete).max();
        (0..2).any(|request| {
            let of_request = || known.iter().filter(move |poll| poll.request == request);
            let Some(newest) = of_request().map(|poll| poll.at).max() else { return false };
            let is_live = newest_of_list.is_none_or(|complete| complete <= newest.plus_hours(1));
            let since = newest_complete(request).unwrap_or(Timestamp::DISTANT_PAST);
            let mut listing = of_request().filter(|poll| poll.at >= since);
            is_live && listing.any(|poll| Self::listed(poll, ladder_key).is_some())
        })
    }
    /// Returns the lines of a ladder; if it is incomplete, with those of the ladders before it.
    fn lines(&self, poll: &Poll, ladder_key: LadderKey) -> Vec<QuoteLine> {
        let of_request: Vec<&Poll> = self
            .polls
            .iter()
            .filter(|other| {
                (other.event, other.request) == (poll.event, poll.request) && !other.is_of_other_pair
            })
            .filter(|other| (other.at, other.raw) <= (poll.at, poll.raw))
            .collect();
        let mut lines: BTreeMap<Line, QuoteLine> = BTreeMap::new();
        let unretracted = of_request.into_iter().rev().filter(|other| self.is_unretracted(other));
        for other in unretracted {
            match Self::listed(other, ladder_key) {
                Some((ladder, complete)) => {
                    for line in ladder {
                        lines.entry(line.line).or_insert(*line);
                    }
                    if *complete {
                        break;
                    }
                }
                None if Self::is_complete(other, ladder_key) => break,
                None => {}
            }
        }
        lines.into_values().collect()
    }
    /// Returns the polls that list a ladder and may be used.
    fn usable(&self, ladder_key: LadderKey) -> impl Iterator<Item = &'a Poll> {
        self.of_event(ladder_key.event).filter(move |poll| {
            let is_fetched = poll.at < self.tip_off || self.basis == Basis::Retrospective;
            let is_past = poll.updated[ladder_key.key] < self.tip_off;
            is_fetched && is_past && Self::listed(poll, ladder_key).is_some()
        })
    }
    /// Returns the ladder of each update, by update time: of several ones, the greatest by preference.
    fn by_update(&self, ladder_key: LadderKey) -> BTreeMap<Timestamp, Preferred> {
        let mut by_update: BTreeMap<Timestamp, Preferred> = BTreeMap::new();
        for poll in self.usable(ladder_key) {
            let is_known = poll.at < self.tip_off;
            let order = if is_known { poll.at.0 } else { -poll.at.0 };
            let lines = self.lines(poll, ladder_key);
            let new = (is_known, order, Self::listed(poll, ladder_key).cloned(), lines);
            let stored = by_update.entry(poll.updated[ladder_key.key]).or_insert_with(|| new.clone());
            *stored = new.max(stored.clone());
        }
        by_update
    }
    fn market(&self, date: EasternDate) -> Option<MarketView> {
        let mut newest = BTreeMap::new();
        let mut opening: BTreeMap<&str, Opening> = BTreeMap::new();
        for event in 0..2 {
            for (key, name) in (0..3).flat_map(|key| (0..2).map(move |name| (key, name))) {
                let ladder_key = LadderKey { event, date, key, name };
                let by_update = self.by_update(ladder_key);
                let is_listed_later = self.of_event(event).any(|poll| {
                    let is_late = poll.at >= self.tip_off && self.basis == Basis::Retrospective;
                    is_late && poll.updated[key] < self.tip_off && Self::listed(poll, ladder_key).is_some()
                });
                let book = main_line::book(KEYS[key]);
                let is_present = self.is_of_pair(event) && self.is_present(ladder_key)
                    || self.is_of_pair_later(event) && is_listed_later;
                if let Some((at, ladder)) = by_update.into_iter().next_back().filter(|_| is_present) {
                    let new = (at, Reverse(key), ladder);
                    let stored = newest.entry(book).or_insert_with(|| new.clone());
                    *stored = new.max(stored.clone());
                }
                for poll in self.usable(ladder_key) {
                    let (listed, lines) = (Self::listed(poll, ladder_key), self.lines(poll, ladder_key));
                    if main_line::for_ladder(&lines).is_some() {
                        let new = (poll.updated[key], key, poll.at, Reverse(listed.cloned()), Reverse(lines));
                        let stored = opening.entry(book).or_insert_with(|| new.clone());
                        *stored = new.min(stored.clone());
                    }
                }
            }
        }
        let newest = newest.into_values().map(|(_, _, (.., lines)): (_, _, Preferred)| lines);
        let newest: Vec<_> = newest.filter_map(|lines| main_line::for_ladder(&lines)).collect();
        let opening = opening.into_values().map(|(.., Reverse(lines))| lines);
        let opening: Vec<_> = opening.filter_map(|lines| main_line::for_ladder(&lines)).collect();
        let main = main_line::for_market(&newest)?;
        Some(MarketView {
            known_at: Timestamp::DISTANT_PAST,
            main: main.line,
            opening: main_line::for_market(&opening).unwrap_or(main).line,
            no_vig_over: main.no_vig_over,
            books: newest.len() as i32,
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_market_equals_that_of_a_model_that_compares_all_quotes(
        polls in polls(),
        order in any::<u64>(),
        earlier_rows in prop::collection::vec((0usize..2, prop::collection::vec(0i32..2, 0..3)), 0..4),
    ) {
        let mut inputs: Vec<In> = if earlier_rows.is_empty() { vec![game(0), game(1)] } else { Vec::new() };
        inputs.extend([0, 1].iter().flat_map(|n| TEAMS.map(|team| names(day(*n), team))));
        inputs.extend(earlier_rows.iter().map(|(n, days)| earlier_row(*n, days)));
        let mut inputs: Vec<Arrival> = inputs.into_iter().map(Arrival::Input).collect();
        inputs.extend(polls.iter().flat_map(|poll| arrivals(poll, false)));
        inputs.extend(polls.iter().filter(|poll| poll.retracted_at.is_some()).flat_map(|poll| arrivals(poll, true)));
        let hash = |index: usize| (order ^ index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let is_shuffled = order % 2 == 0;
        let mut inputs: Vec<(u64, Arrival)> = inputs.into_iter().enumerate()
            .map(|(index, input)| (if is_shuffled { hash(index) } else { index as u64 }, input)).collect();
        inputs.sort_by_key(|(position, _)| *position);
        // The newest rows of the games come after the rows that they replace.
        let newest_rows = [game(0), game(1)].into_iter().filter(|_| !earlier_rows.is_empty());
        let mut drivers = Drivers::new();
        drivers.markets.put(names(day(0), TEAMS[0]));
        for input in inputs.into_iter().map(|(_, input)| input).chain(newest_rows.map(Arrival::Input)) {
            drivers.put(input);
            for event in drivers.markets.tables(&matchup()).events.values() {
                prop_assert_eq!(event.index(), &UpdateIndex::new(&event.history));
            }
        }
        let mut polls = polls;
        polls.sort_by_key(|poll| (poll.at, poll.raw));
        for (n, game) in GAMES.into_iter().enumerate() {
            let model = |basis| Model { polls: &polls, tip_off: tip_off(n), basis }.market(day(n as i32));
            let expected = [model(Basis::Issued), model(Basis::Retrospective)];
            let id = CandidateId { player: PLAYER, game, date: day(n as i32), matchup: matchup() };
            let row = drivers.markets.row(&OutputKey::Market(id));
            let found = [Basis::Issued, Basis::Retrospective].map(|basis| {
                let Some(Out::Market(row)) = row else { return None };
                row.on(basis).0.map(|view| MarketView { known_at: Timestamp::DISTANT_PAST, ..view.clone() })
            });
            prop_assert_eq!(found, expected, "game {}", n);
        }
    }
}
