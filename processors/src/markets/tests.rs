//! Tests of the rules for odds and injury reports: bookmakers, time, absence, names.
//!
//! Invariant: there is one game, with tip-off at 19:30; the first of its teams has the only player: player 1, with the name "A".
//! Not here: main lines (`main_line`).
use super::*;
use crate::view_test_driver::{ViewTestDriver, provenance};
use schemas::{
    EasternDate, GameId, Line, PlayerGameId, PlayerId, Price, Team, Timestamp,
    game::GameDay,
    identity::{NameMatch, NameRevision, NameRule},
    market::{AvailabilityView, MarketView},
    observation::{GameStatus, InjuryMember, InjuryStatus, Quote, QuoteLine},
    raw::Source,
};

const GAME: GameId = GameId(22_400_100);
const ID: PlayerGameId = PlayerGameId { player: PlayerId(1), game: GAME };
const TEAMS: [Team; 2] = [Team::BOS, Team::NYK];

fn matchup() -> Matchup {
    Matchup::new(TEAMS[0], TEAMS[1]).unwrap()
}
fn date() -> EasternDate {
    "2025-01-10".parse().unwrap()
}
/// A time on the day of the game.
fn at(hour: i8, minute: i8) -> Timestamp {
    date().at(hour, minute)
}
fn game() -> In {
    let row = Game {
        days_in_retrospect: None,
        retracted_at: None,
        game: GAME,
        home: TEAMS[0],
        away: TEAMS[1],
        date: date(),
        tip_off: at(19, 30),
        tip_estimated: false,
        called_off: false,
        known_at: Timestamp::DISTANT_PAST,
        status: GameStatus::Scheduled,
        home_points: None,
        away_points: None,
        home_players: 0,
        away_players: 0,
        home_box_points: 0,
        away_box_points: 0,
        days: vec![GameDay { known_at: Timestamp::DISTANT_PAST, date: date() }],
    };
    In::Game(MatchupGameId { matchup: matchup(), game: GAME }, Some(row))
}
/// Both teams' lookup results for the name "A"; only the first team has a player with this name.
fn name_matches(source: Source, known_at: Timestamp) -> [In; 2] {
    TEAMS.map(|team| {
        let players = if team == TEAMS[0] { vec![PlayerId(1)] } else { vec![] };
        let rule = (!players.is_empty()).then_some(NameRule::Exact);
        let no_match =
            NameRevision { known_at: Timestamp::DISTANT_PAST, rule: None, players: vec![], link: None };
        let matched = NameRevision { known_at, rule, players, link: None };
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
fn quote(book: &str, line: i32, updated_at: Timestamp) -> Quote {
    let price = Price::new(-110.0);
    let lines = vec![QuoteLine { line: Line(line), over: price, under: price }];
    Quote { book: book.into(), name: "A".into(), updated_at, lines, complete: true }
}
fn odds(fetched_at: Timestamp, complete: bool, quotes: Vec<Quote>) -> In {
    In::Odds(OddsObservation {
        incomplete_books: Vec::new(),
        event: "e".into(),
        home: TEAMS[0],
        away: TEAMS[1],
        commences_at: at(19, 30),
        date: date(),
        complete,
        quotes,
        provenance: provenance(fetched_at),
    })
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
fn views(driver: &ViewTestDriver<Markets>) -> [Option<MarketView>; 2] {
    match driver.row(&OutputKey::Market(ID, matchup())) {
        Some(Out::Market(row)) => [row.issued.clone(), row.retrospective.clone()],
        _ => [None, None],
    }
}
fn issued(driver: &ViewTestDriver<Markets>) -> MarketView {
    views(driver)[0].clone().unwrap()
}
fn status(driver: &ViewTestDriver<Markets>) -> [Option<AvailabilityView>; 2] {
    match driver.row(&OutputKey::Availability(ID, matchup())) {
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
    assert_eq!(views(&quoted([both(), odds(at(11, 1), true, vec![])]))[0], None);
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
fn a_name_that_became_known_after_tip_off_gives_no_market_of_that_game() {
    let quoted = odds(at(10, 1), true, vec![quote("a", 2050, at(10, 0))]);
    let driver = driver_with(name_matches(Source::Oddsapi, at(22, 0)).into_iter().chain([quoted]));
    assert_eq!(views(&driver), [None, None]);
    assert_eq!(driver.parked(), []);
}
#[test]
fn a_player_who_is_not_on_the_newest_report_is_available() {
    let names = name_matches(Source::Nbacom, Timestamp::DISTANT_PAST);
    let out = report(at(11, 0), at(11, 5), &[("A", InjuryStatus::Out)]);
    let mut driver = driver_with(names.into_iter().chain([out]));
    assert_eq!(status(&driver)[0].as_ref().map(|view| view.status), Some(InjuryStatus::Out));
    driver.put(report(at(17, 0), at(17, 5), &[]));
    assert_eq!(status(&driver), [None, None]);
    let Some(Out::QuotedPlayers(row)) =
        driver.row(&OutputKey::QuotedPlayers(MatchupGameId { matchup: matchup(), game: GAME }))
    else {
        panic!("the game has a report but no row of quoted players")
    };
    assert!(row.issued.is_empty() && row.teams_reported_issued[0].known_at == at(11, 5));
}
#[test]
fn a_report_after_tip_off_is_never_used_and_one_fetched_after_it_on_the_retrospective_basis_only() {
    let names = || name_matches(Source::Nbacom, Timestamp::DISTANT_PAST).into_iter();
    let driver = driver_with(names().chain([report(at(19, 30), at(19, 35), &[("A", InjuryStatus::Out)])]));
    assert_eq!(status(&driver), [None, None]);
    let driver = driver_with(names().chain([report(at(17, 0), at(19, 35), &[("A", InjuryStatus::Out)])]));
    assert!(matches!(status(&driver), [None, Some(_)]));
}
