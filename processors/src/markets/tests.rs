//! Tests of the rules for odds: bookmakers, time, absence, names.
//!
//! Invariant: there is one game, with tip-off at 19:30; the first of its teams has the only player: player 1, with the name "A".
//! Not here: injury reports (`reports`), events of other pairs (`event_pairs`), main lines (`main_line`).
mod event_pairs;
mod reports;

use super::*;
use crate::view_test_driver::{ViewTestDriver, ended_date, provenance, scheduled_date, scheduled_game};
use schemas::{
    CandidateId, EasternDate, GameId, Line, MatchupGameDateId, PlayerId, Price, Team, Timestamp,
    fixture::{GameDate, VoidReason},
    identity::{NameMatch, NameRevision, NameRule},
    market::{AvailabilityView, MarketView, QuotedPlayer},
    observation::{GameStatus, InjuryMember, InjuryStatus, Quote, QuoteLine, Retraction},
    raw::Source,
};

const GAME: GameId = GameId(22_400_100);
const TEAMS: [Team; 2] = [Team::BOS, Team::NYK];

fn matchup() -> Matchup {
    Matchup::new(TEAMS[0], TEAMS[1]).unwrap()
}
fn date() -> EasternDate {
    "2025-01-10".parse().unwrap()
}
/// A time on the day of the game.
pub(super) fn at(hour: i8, minute: i8) -> Timestamp {
    date().at(hour, minute)
}
pub(super) fn game() -> In {
    In::Game(MatchupGameId { matchup: matchup(), game: GAME }, Some(game_row()))
}
fn game_row() -> Game {
    scheduled_game(GAME, TEAMS[0], TEAMS[1], at(19, 30))
}
/// Both teams' lookup results for the name "A"; only the first team has a player with this name.
pub(super) fn name_matches(source: Source, known_at: Timestamp) -> [In; 2] {
    TEAMS.map(|team| {
        let players = if team == TEAMS[0] { vec![PlayerId(1)] } else { vec![] };
        let rule = (!players.is_empty()).then_some(NameRule::Exact);
        let no_match = NameRevision {
            known_at: Timestamp::DISTANT_PAST,
            rule: None,
            players: vec![],
            link: None,
            operator_link: None,
        };
        let matched = NameRevision { known_at, rule, players, link: None, operator_link: None };
        let revisions = if matched.rule.is_none() || known_at == Timestamp::DISTANT_PAST {
            vec![matched]
        } else {
            vec![no_match, matched]
        };
        let matches = vec![NameMatch { name: "A".into(), revisions, revisions_in_retrospect: None }];
        let scope = Scope::Matchup(matchup());
        let row = Names { scope: scope.to_string(), team, source, date: date(), matches };
        In::Names(Names::id(scope, team, source, date()), Some(row))
    })
}
pub(super) fn quote(book: &str, line: i32, updated_at: Timestamp) -> Quote {
    let price = Price::new(-110.0);
    let lines = vec![QuoteLine { line: Line(line), over: price, under: price }];
    Quote { book: book.into(), name: "A".into(), updated_at, lines, complete: true }
}
fn observation(fetched_at: Timestamp, quotes: Vec<Quote>) -> OddsObservation {
    OddsObservation {
        incomplete_books: Vec::new(),
        event: "e".into(),
        home: TEAMS[0],
        away: TEAMS[1],
        commences_at: at(19, 30),
        date: date(),
        complete: true,
        quotes,
        provenance: provenance(fetched_at),
    }
}
pub(super) fn odds(fetched_at: Timestamp, complete: bool, quotes: Vec<Quote>) -> In {
    In::Odds(OddsObservation { complete, ..observation(fetched_at, quotes) })
}
/// A retraction of an observation, or its undoing.
fn retraction(of: &OddsObservation, at: Timestamp, is_undone: bool) -> In {
    let mut retraction = of.clone();
    retraction.provenance.retraction = Some(Retraction { at, is_undone });
    In::Odds(retraction)
}
fn report(reported_at: Timestamp, fetched_at: Timestamp, members: &[(&str, InjuryStatus)]) -> In {
    let member = |(name, status): &(&str, InjuryStatus)| InjuryMember {
        team: TEAMS[0],
        name: (*name).into(),
        status: *status,
        reason: String::new(),
    };
    In::Injury(InjuryObservation {
        incomplete_teams: Vec::new(),
        not_submitted: Vec::new(),
        matchup: matchup(),
        date: date(),
        reported_at,
        complete: true,
        members: members.iter().map(member).collect(),
        provenance: provenance(fetched_at),
    })
}
fn driver_with(inputs: impl IntoIterator<Item = In>) -> ViewTestDriver<Markets> {
    let mut driver = ViewTestDriver::new(Markets);
    driver.put(game());
    for input in inputs {
        driver.put(input);
    }
    driver
}
fn quoted(odds: impl IntoIterator<Item = In>) -> ViewTestDriver<Markets> {
    driver_with(name_matches(Source::Oddsapi, Timestamp::DISTANT_PAST).into_iter().chain(odds))
}
fn id(date: EasternDate) -> CandidateId {
    CandidateId { player: PlayerId(1), game: GAME, date, matchup: matchup() }
}
fn views(driver: &ViewTestDriver<Markets>) -> [Option<MarketView>; 2] {
    views_on(driver, date())
}
fn views_on(driver: &ViewTestDriver<Markets>, date: EasternDate) -> [Option<MarketView>; 2] {
    match driver.row(&OutputKey::Market(id(date))) {
        Some(Out::Market(row)) => [row.issued.clone(), row.retrospective.clone()],
        _ => [None, None],
    }
}
fn issued(driver: &ViewTestDriver<Markets>) -> MarketView {
    views(driver)[0].clone().unwrap()
}
fn quoted_id() -> MatchupGameDateId {
    MatchupGameDateId { matchup: matchup(), game: GAME, date: date() }
}
fn reported(driver: &ViewTestDriver<Markets>) -> Vec<(Team, Timestamp)> {
    match driver.row(&OutputKey::QuotedPlayers(quoted_id())) {
        Some(Out::QuotedPlayers(row)) => {
            row.teams_reported_issued.iter().map(|reported| (reported.team, reported.known_at)).collect()
        }
        _ => Vec::new(),
    }
}
fn status(driver: &ViewTestDriver<Markets>) -> [Option<AvailabilityView>; 2] {
    match driver.row(&OutputKey::Availability(id(date()))) {
        Some(Out::Availability(row)) => [row.issued.clone(), row.retrospective.clone()],
        _ => [None, None],
    }
}

#[test]
fn betrivers_and_unibet_are_one_book() {
    let books = |names: [&str; 2]| {
        let quotes = vec![quote(names[0], 2050, at(10, 0)), quote(names[1], 2050, at(10, 0))];
        issued(&quoted([odds(at(10, 1), true, quotes)])).books
    };
    assert_eq!(books(["betrivers", "unibet"]), 1);
    assert_eq!(books(["betrivers", "fanduel"]), 2);
}
#[test]
fn a_quote_that_its_book_updated_after_tip_off_is_never_used() {
    let driver = quoted([odds(at(20, 0), true, vec![quote("fanduel", 2050, at(19, 30))])]);
    assert_eq!(views(&driver), [None, None]);
}
#[test]
fn a_quote_updated_before_tip_off_and_fetched_after_it_is_used_on_the_retrospective_basis_only() {
    let driver = quoted([odds(at(19, 30), true, vec![quote("fanduel", 2050, at(19, 29))])]);
    let [issued, retrospective] = views(&driver);
    assert_eq!((issued, retrospective.map(|view| view.known_at)), (None, Some(at(19, 30))));
}
#[test]
fn a_line_fetched_after_tip_off_does_not_change_the_issued_market() {
    let early = odds(at(10, 1), true, vec![quote("fanduel", 2050, at(10, 0))]);
    let before = issued(&quoted([early.clone()]));
    let later = odds(at(21, 0), true, vec![quote("fanduel", 2450, at(18, 0))]);
    assert_eq!(issued(&quoted([early, later])), before);
}
#[test]
fn a_newer_complete_fetch_removes_the_books_that_it_lacks_and_a_partial_one_removes_none() {
    let both = || odds(at(10, 1), true, vec![quote("a", 2050, at(10, 0)), quote("b", 2250, at(10, 0))]);
    let one = |complete| odds(at(11, 1), complete, vec![quote("b", 2350, at(11, 0))]);
    let view = issued(&quoted([both(), one(true)]));
    assert_eq!((view.books, view.main, view.opening), (1, Line(2350), Line(2050)));
    assert_eq!(issued(&quoted([both(), one(false)])).books, 2);
    let withdrawn = quoted([both(), odds(at(11, 1), true, vec![]), odds(at(12, 1), true, vec![])]);
    let Some(Out::Market(row)) = withdrawn.row(&OutputKey::Market(id(date()))) else {
        panic!("the row must state since when there are no quotes")
    };
    assert_eq!((&row.issued, row.issued_absent_since), (&None, Some(at(11, 1))));
}
#[test]
fn a_quote_is_parked_until_its_fixture_and_then_its_name_are_known() {
    let mut driver = ViewTestDriver::new(Markets);
    driver.put(odds(at(10, 1), true, vec![quote("a", 2050, at(10, 0))]));
    assert!(driver.parked()[0].key.starts_with("fixture BOS-NYK"), "{:?}", driver.parked());
    driver.put(game());
    assert!(driver.parked()[0].key.starts_with("name 'A'"), "{:?}", driver.parked());
    for input in name_matches(Source::Oddsapi, at(12, 0)) {
        driver.put(input);
    }
    assert_eq!(driver.parked(), []);
    assert_eq!(issued(&driver).known_at, at(12, 0), "the market must become known when the name match does");
}
#[test]
fn a_name_that_became_known_after_tip_off_gives_a_market_in_retrospect_only() {
    let odds = odds(at(10, 1), true, vec![quote("a", 2050, at(10, 0))]);
    let driver = driver_with(name_matches(Source::Oddsapi, at(22, 0)).into_iter().chain([odds]));
    let [issued, retrospective] = views(&driver);
    let retrospective = retrospective.map(|view| (view.main, view.known_at));
    assert_eq!((issued, retrospective), (None, Some((Line(2050), at(22, 0)))));
    let Some(Out::QuotedPlayers(row)) = driver.row(&OutputKey::QuotedPlayers(quoted_id())) else {
        panic!("a player whom a book quotes is listed")
    };
    let quoted = QuotedPlayer { player: PlayerId(1), known_at: at(22, 0), is_quoted: true };
    assert_eq!((row.issued.as_slice(), row.retrospective.as_slice()), (&[][..], &[quoted][..]));
    assert_eq!(driver.parked(), []);
}
#[test]
fn of_two_keys_of_a_book_with_the_same_update_the_first_is_used_and_otherwise_the_newer() {
    let main = |betrivers_at, unibet_at| {
        let quotes = vec![quote("betrivers", 2050, betrivers_at), quote("unibet", 2250, unibet_at)];
        let view = issued(&quoted([odds(at(10, 1), true, quotes)]));
        (view.main, view.opening, view.books)
    };
    assert_eq!(main(at(10, 0), at(10, 0)), (Line(2050), Line(2050), 1));
    assert_eq!(main(at(9, 0), at(10, 0)), (Line(2250), Line(2050), 1));
    assert_eq!(main(at(10, 0), at(9, 0)), (Line(2050), Line(2250), 1));
}
#[test]
fn a_poll_that_moves_only_the_update_of_one_key_changes_which_ladder_of_its_book_is_used() {
    let poll = |minute, unibet_at| {
        let quotes = vec![quote("betrivers", 2050, at(10, 0)), quote("unibet", 2250, unibet_at)];
        odds(at(10, minute), true, quotes)
    };
    let mut driver = quoted([poll(1, at(10, 0))]);
    assert_eq!(issued(&driver).main, Line(2050));
    driver.put(poll(2, at(10, 2)));
    assert_eq!(issued(&driver).main, Line(2250));
}
#[test]
fn a_bad_outcome_of_one_player_keeps_no_withdrawn_quote_of_another_book_or_player() {
    let both = observation(at(10, 1), vec![quote("a", 2050, at(10, 0)), quote("b", 2250, at(10, 0))]);
    let mut other = quote("b", 2250, at(11, 0));
    other.name = "B".into();
    other.complete = false;
    let later = observation(at(11, 1), vec![other.clone()]);
    let driver = quoted([In::Odds(both.clone()), In::Odds(later.clone())]);
    assert_eq!(views(&driver), [None, None], "the player is in no list any more");
    let later = OddsObservation { incomplete_books: vec!["b".into()], ..later };
    let view = issued(&quoted([In::Odds(both), In::Odds(later)]));
    assert_eq!((view.books, view.main), (1, Line(2250)), "only the list of book b is incomplete");
}
#[test]
fn an_incomplete_ladder_is_united_with_those_before_it_back_to_the_last_complete_one() {
    let ladder = |minute: i8, lines: &[i32], complete| {
        let mut quote = quote("a", 2050, at(10, minute));
        let line = |line: &i32| QuoteLine { line: Line(*line), ..quote.lines[0] };
        quote.lines = lines.iter().map(line).collect();
        quote.complete = complete;
        odds(at(10, minute), true, vec![quote])
    };
    let main = |inputs: Vec<In>| issued(&quoted(inputs)).main;
    let (first, second) = (ladder(1, &[1050], true), ladder(2, &[2050], true));
    assert_eq!(main(vec![first.clone(), second.clone(), ladder(3, &[2250], true)]), Line(2250));
    assert_eq!(main(vec![first, second, ladder(3, &[2250], false), ladder(4, &[], false)]), Line(2050));
}
#[test]
fn the_odds_of_two_requests_in_one_second_are_parts_of_one_list() {
    let part = |request: &str, book| {
        let mut part = observation(at(10, 1), vec![quote(book, 2050, at(10, 0))]);
        part.provenance.request = request.into();
        part.provenance.raw = schemas::RawId(part.provenance.raw.0 + book.len() as i64);
        In::Odds(part)
    };
    assert_eq!(issued(&quoted([part("us", "a"), part("us2", "bb")])).books, 2);
    assert_eq!(issued(&quoted([part("us", "a"), part("us", "bb")])).books, 2);
}
#[test]
fn an_event_that_is_moved_or_used_again_after_tip_off_changes_no_issued_market() {
    let first = odds(at(10, 1), true, vec![quote("a", 2050, at(10, 0))]);
    let before = issued(&quoted([first.clone()]));
    let moved = |fetched_at| {
        let other_day = observation(fetched_at, vec![quote("a", 2450, fetched_at)]);
        In::Odds(OddsObservation { date: date().plus_days(1), ..other_day })
    };
    assert_eq!(views(&quoted([first.clone(), moved(at(21, 0))])), [Some(before), None]);
    let moved_before = quoted([first, moved(at(11, 0))]);
    assert_eq!(views(&moved_before), [None, None], "the event is no longer on the day of the game");
    assert!(moved_before.parked()[0].key.ends_with("on 2025-01-11"), "{:?}", moved_before.parked());
}
#[test]
fn an_event_on_the_next_day_belongs_to_no_game_of_this_day() {
    let next_day = observation(at(10, 1), vec![quote("a", 2050, at(10, 0))]);
    let next_day = In::Odds(OddsObservation { date: date().plus_days(1), ..next_day });
    assert_eq!(views(&quoted([next_day])), [None, None]);
}
/// Replaces the dates of the game.
fn with_dates(dates: Vec<GameDate>) -> In {
    let row = Game { dates, ..game_row() };
    In::Game(MatchupGameId { matchup: matchup(), game: GAME }, Some(row))
}
#[test]
fn each_date_of_a_game_has_the_odds_and_reports_of_its_own_day() {
    let next = date().plus_days(1);
    let on_next_day = observation(at(9, 1), vec![quote("a", 2450, at(9, 0))]);
    let on_next_day = In::Odds(OddsObservation { date: next, event: "other".into(), ..on_next_day });
    let names_of_next_day = name_matches(Source::Oddsapi, Timestamp::DISTANT_PAST).map(|input| match input {
        In::Names(id, row) => {
            In::Names(schemas::NamesId { date: next, ..id }, row.map(|row| Names { date: next, ..row }))
        }
        input => input,
    });
    let reports = name_matches(Source::Nbacom, Timestamp::DISTANT_PAST).into_iter();
    let reports = reports.chain([report(at(11, 0), at(11, 5), &[("A", InjuryStatus::Out)])]);
    let mut driver = quoted([odds(at(10, 1), true, vec![quote("a", 2050, at(10, 0))]), on_next_day]);
    names_of_next_day.into_iter().chain(reports).for_each(|input| _ = driver.put(input));
    let planned = || scheduled_date(TEAMS[0], TEAMS[1], at(19, 30));
    let moved_at = |time| ended_date(planned(), time, VoidReason::Moved);
    let moved_to = || scheduled_date(TEAMS[0], TEAMS[1], next.at(19, 30));
    let mut mains = |dates: Vec<GameDate>| {
        driver.put(with_dates(dates));
        let main = |views: [Option<MarketView>; 2]| views.map(|view| view.map(|view| view.main.0));
        (main(views(&driver)), status(&driver)[0].is_some(), main(views_on(&driver, next)))
    };
    assert_eq!(mains(vec![planned()]), ([Some(2050), None], true, [None, None]));
    assert_eq!(mains(vec![moved_at(at(19, 29)), moved_to()]), ([None, None], false, [Some(2450), None]));
    assert_eq!(mains(vec![moved_at(at(19, 30)), moved_to()]), ([Some(2050), None], true, [Some(2450), None]));
}
#[test]
fn of_two_games_on_one_day_the_one_with_the_smaller_id_has_its_quotes_as_far_as_it_was_known() {
    let mut driver = quoted([odds(at(10, 1), true, vec![quote("a", 2050, at(10, 0))])]);
    let smaller = GameId(GAME.0 - 1);
    let mut put = |known_at: Timestamp| {
        let mut row = scheduled_game(smaller, TEAMS[0], TEAMS[1], at(15, 0));
        for date in &mut row.dates {
            date.known_at = known_at;
            date.standing[0].known_at = known_at;
            date.stood_at_cutoff = known_at < date.tip_off;
        }
        driver.put(In::Game(MatchupGameId { matchup: matchup(), game: smaller }, Some(row)));
        views(&driver).map(|view| view.is_some())
    };
    assert_eq!(put(at(9, 0)), [false, false]);
    assert_eq!(put(at(19, 30)), [true, false], "a fixture that is known after tip-off changes no issued row");
}
#[test]
fn a_book_that_quotes_a_player_in_two_events_is_counted_once() {
    let first = odds(at(10, 1), true, vec![quote("a", 2050, at(10, 0))]);
    let twice = observation(at(10, 1), vec![quote("a", 2250, at(10, 1))]);
    let twice = In::Odds(OddsObservation { event: "f".into(), ..twice });
    let view = issued(&quoted([first, twice]));
    assert_eq!((view.books, view.main, view.opening), (1, Line(2250), Line(2050)));
}
#[test]
fn a_poll_in_which_only_update_times_move_retains_no_ladder_and_affects_no_row() {
    let mut tables = Tables::default();
    let names = name_matches(Source::Oddsapi, Timestamp::DISTANT_PAST);
    let poll = |minute: i8, line| odds(at(10, minute), true, vec![quote("a", line, at(10, minute))]);
    let last = |tables: &mut Tables, input: In| {
        let (mut keys, mut records) = (Vec::new(), Vec::new());
        let mut effects = Effects {
            invalidate: &mut |key| keys.push(key),
            retain: &mut |_, record| records.push(format!("{record:?}")),
        };
        Markets.apply(tables, input, &mut effects);
        (keys, records)
    };
    names.into_iter().chain([game(), poll(1, 2050)]).for_each(|input| _ = last(&mut tables, input));
    let (keys, records) = last(&mut tables, poll(2, 2050));
    assert_eq!(keys, [OutputKey::Event(matchup(), "e".into())]);
    assert!(records.len() == 1 && !records[0].contains("Ladder"), "{records:?}");
    assert_eq!(last(&mut tables, poll(3, 2150)).0.len(), 3, "the event, the market and the quoted players");
    let live = Game { status: GameStatus::Live, home_points: Some(10), ..game_row() };
    let live = In::Game(MatchupGameId { matchup: matchup(), game: GAME }, Some(live));
    assert_eq!(last(&mut tables, live).0, [], "no row depends on the score");
}
#[test]
fn a_retraction_before_tip_off_counts_and_a_later_one_changes_the_retrospective_market_only() {
    let first = odds(at(10, 1), true, vec![quote("a", 2050, at(10, 0))]);
    let second = observation(at(11, 1), vec![quote("a", 2450, at(11, 0))]);
    let mains = |inputs: Vec<In>| {
        let inputs = [first.clone(), In::Odds(second.clone())].into_iter().chain(inputs);
        views(&quoted(inputs)).map(|view| view.map(|view| view.main.0))
    };
    assert_eq!(mains(vec![]), [Some(2450), None]);
    let early = retraction(&second, at(19, 29), false);
    assert_eq!(mains(vec![early.clone()]), [Some(2050), Some(2050)], "in retrospect, it was known earlier");
    let known =
        views(&quoted([first.clone(), In::Odds(second.clone()), early])).map(|view| view.unwrap().known_at);
    assert_eq!(known, [at(19, 29), at(10, 1)]);
    assert_eq!(mains(vec![retraction(&second, at(19, 30), false)]), [Some(2450), Some(2050)]);
    let undone = vec![retraction(&second, at(12, 0), false), retraction(&second, at(13, 0), true)];
    assert_eq!(mains(undone), [Some(2450), Some(2450)]);
}
#[test]
fn a_date_that_ended_has_no_retrospective_market_and_the_issued_one_only_if_it_ended_after_tip_off() {
    let quotes = vec![quote("a", 2050, at(10, 0))];
    let mut driver = quoted([odds(at(10, 1), true, quotes)]);
    let mut end = |ended_at| {
        let date = scheduled_date(TEAMS[0], TEAMS[1], at(19, 30));
        driver.put(with_dates(vec![ended_date(date, ended_at, VoidReason::Retracted)]));
        views(&driver).map(|view| view.is_some())
    };
    assert_eq!(end(at(19, 30)), [true, false]);
    assert_eq!(end(at(19, 29)), [false, false]);
}
#[test]
fn the_opening_line_is_the_first_that_was_fetched_of_the_first_update() {
    let poll = |minute, line| odds(at(10, minute), true, vec![quote("a", line, at(10, 0))]);
    let view = issued(&quoted([poll(1, 2050), poll(2, 2150), poll(3, 2250)]));
    assert_eq!((view.opening, view.main, view.known_at), (Line(2050), Line(2250), at(10, 3)));
}
#[test]
fn of_two_events_on_one_day_the_update_decides_also_if_a_poll_moves_nothing_else() {
    let of = |event: &str, minute, line, updated| {
        let observation = observation(at(10, minute), vec![quote("a", line, at(10, updated))]);
        In::Odds(OddsObservation { event: event.into(), ..observation })
    };
    let mut driver = quoted([of("e", 1, 2050, 0), of("f", 2, 2250, 1)]);
    assert_eq!(issued(&driver).main, Line(2250));
    driver.put(of("e", 3, 2050, 3));
    assert_eq!((issued(&driver).main, issued(&driver).known_at), (Line(2050), at(10, 3)));
}
#[test]
fn a_poll_that_is_retracted_at_its_own_instant_does_not_end_the_time_since_which_a_quote_is_known() {
    let poll = |hour, line| observation(at(hour, 1), vec![quote("a", line, at(10, 0))]);
    let wrong = poll(12, 2550);
    let polls = [poll(11, 2450), wrong.clone(), poll(13, 2450)].map(In::Odds);
    let driver = quoted(polls.into_iter().chain([retraction(&wrong, at(12, 1), false)]));
    assert_eq!(issued(&driver).known_at, at(11, 1));
    let Some(Out::QuotedPlayers(row)) = driver.row(&OutputKey::QuotedPlayers(quoted_id())) else {
        panic!("no row");
    };
    let quoted = QuotedPlayer { player: PlayerId(1), known_at: at(11, 1), is_quoted: true };
    assert_eq!(row.issued, [quoted]);
}
#[test]
fn a_repeated_poll_is_not_the_first_with_an_update_that_is_older_than_a_retracted_one() {
    let without_lines = |book: &str, updated_at| Quote {
        lines: Vec::new(),
        complete: false,
        ..quote(book, 2050, updated_at)
    };
    let wrong = observation(at(12, 0), vec![without_lines("betrivers", at(12, 0))]);
    let quotes = vec![quote("betrivers", 2050, at(10, 30)), without_lines("unibet", at(10, 0))];
    let poll = |minute| odds(at(19, minute), false, quotes.clone());
    let retracted = retraction(&wrong, at(12, 0), false);
    let mut driver = quoted([In::Odds(wrong), retracted, poll(0)]);
    assert_eq!(issued(&driver).known_at, at(19, 0));
    driver.put(poll(1));
    assert_eq!(issued(&driver).known_at, at(19, 0));
}
