//! Tests of the rules by which quotes and reports count: books, time, absence.
use super::*;
use crate::keeping::Kept;
use schemas::{
    GameId, Line, PlayerId, Price, RawId, Team,
    game::GameDay,
    identity::{NameAnswer, NameRule, NameStep},
    market::{AvailabilityView, MarketView},
    raw::Source,
    sighting::{GameStatus, Heard, InjuryMember, InjuryStatus, Quote, QuoteLine},
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
/// Tip-off is at 19:30.
fn at(hour: i8, minute: i8) -> Instant {
    date().at(hour, minute)
}
fn game() -> In {
    let row = Game {
        game: GAME,
        home: TEAMS[0],
        away: TEAMS[1],
        date: date(),
        tip_off: at(19, 30),
        tip_estimated: false,
        called_off: false,
        known_at: Instant::EVER,
        status: GameStatus::Scheduled,
        home_points: None,
        away_points: None,
        home_players: 0,
        away_players: 0,
        home_box_points: 0,
        away_box_points: 0,
        days: vec![GameDay { known_at: Instant::EVER, date: date() }],
    };
    In::Game(MatchupGameId { matchup: matchup(), game: GAME }, Some(row))
}
/// Both teams answer: the first knows him as player 1.
fn answers(source: Source, known_at: Instant) -> [In; 2] {
    TEAMS.map(|team| {
        let players = if team == TEAMS[0] { vec![PlayerId(1)] } else { vec![] };
        let rule = (!players.is_empty()).then_some(NameRule::Exact);
        let nobody = NameStep { known_at: Instant::EVER, rule: None, players: vec![], link: None };
        let then = NameStep { known_at, rule, players, link: None };
        let steps =
            if then.rule.is_none() || known_at == Instant::EVER { vec![then] } else { vec![nobody, then] };
        let answers = vec![NameAnswer { name: "A".into(), steps }];
        let scope = Scope::Matchup(matchup());
        let row = Names { scope: scope.to_string(), team, source, date: date(), answers };
        In::Names(Names::id(scope, team, source, date()), Some(row))
    })
}
fn quote(book: &str, line: i32, updated_at: Instant) -> Quote {
    let price = Price::new(-110.0);
    let lines = vec![QuoteLine { line: Line(line), over: price, under: price }];
    Quote { book: book.into(), name: "A".into(), updated_at, lines }
}
fn odds(fetched_at: Instant, complete: bool, quotes: Vec<Quote>) -> In {
    In::Odds(OddsSighting {
        event: "e".into(),
        home: TEAMS[0],
        away: TEAMS[1],
        commences_at: at(19, 30),
        date: date(),
        complete,
        quotes,
        heard: Heard { fetched_at, version: 1, raw: RawId(fetched_at.0) },
    })
}
fn report(reported_at: Instant, fetched_at: Instant, members: &[(&str, InjuryStatus)]) -> In {
    let member = |(name, status): &(&str, InjuryStatus)| InjuryMember {
        team: TEAMS[0],
        name: (*name).into(),
        status: *status,
        reason: String::new(),
    };
    In::Injury(InjurySighting {
        matchup: matchup(),
        date: date(),
        reported_at,
        complete: true,
        members: members.iter().map(member).collect(),
        heard: Heard { fetched_at, version: 1, raw: RawId(fetched_at.0) },
    })
}
fn of(inputs: impl IntoIterator<Item = In>) -> Kept<Markets> {
    let mut kept = Kept::new(Markets);
    kept.put(game());
    inputs.into_iter().for_each(|input| _ = kept.put(input));
    kept
}
fn quoted(odds: impl IntoIterator<Item = In>) -> Kept<Markets> {
    of(answers(Source::Oddsapi, Instant::EVER).into_iter().chain(odds))
}
fn views(kept: &Kept<Markets>) -> [Option<MarketView>; 2] {
    match kept.row(&Slot::Market(ID, matchup())) {
        Some(Out::Market(row)) => [row.issued.clone(), row.hindsight.clone()],
        _ => [None, None],
    }
}
fn issued(kept: &Kept<Markets>) -> MarketView {
    views(kept)[0].clone().unwrap()
}
fn status(kept: &Kept<Markets>) -> [Option<AvailabilityView>; 2] {
    match kept.row(&Slot::Availability(ID, matchup())) {
        Some(Out::Availability(row)) => [row.issued.clone(), row.hindsight.clone()],
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
fn a_quote_that_its_book_made_in_play_never_counts() {
    let kept = quoted([odds(at(20, 0), true, vec![quote("fanduel", 2050, at(19, 30))])]);
    assert_eq!(views(&kept), [None, None]);
}
#[test]
fn a_quote_of_before_tip_off_that_was_fetched_after_it_counts_in_hindsight_only() {
    let kept = quoted([odds(at(19, 30), true, vec![quote("fanduel", 2050, at(19, 29))])]);
    let [issued, hindsight] = views(&kept);
    assert_eq!((issued, hindsight.map(|view| view.known_at)), (None, Some(at(19, 30))));
}
#[test]
fn a_line_that_moves_after_tip_off_or_is_fetched_then_leaves_what_was_issued() {
    let early = odds(at(10, 1), true, vec![quote("fanduel", 2050, at(10, 0))]);
    let before = issued(&quoted([early.clone()]));
    let later = odds(at(21, 0), true, vec![quote("fanduel", 2450, at(18, 0))]);
    assert_eq!(issued(&quoted([early, later])), before);
}
#[test]
fn a_book_that_a_newer_whole_answer_leaves_out_is_no_longer_quoted_and_a_partial_one_says_nothing() {
    let both = || odds(at(10, 1), true, vec![quote("a", 2050, at(10, 0)), quote("b", 2250, at(10, 0))]);
    let less = |complete| odds(at(11, 1), complete, vec![quote("b", 2350, at(11, 0))]);
    let whole = issued(&quoted([both(), less(true)]));
    assert_eq!((whole.books, whole.main, whole.opening), (1, Line(2350), Line(2050)));
    assert_eq!(issued(&quoted([both(), less(false)])).books, 2);
    assert_eq!(views(&quoted([both(), odds(at(11, 1), true, vec![])]))[0], None);
}
#[test]
fn a_quote_waits_for_its_fixture_and_then_for_whom_it_names() {
    let mut kept = Kept::new(Markets);
    kept.put(odds(at(10, 1), true, vec![quote("a", 2050, at(10, 0))]));
    assert!(kept.waiting()[0].key.starts_with("fixture BOS-NYK"), "{:?}", kept.waiting());
    kept.put(game());
    assert!(kept.waiting()[0].key.starts_with("name 'A'"), "{:?}", kept.waiting());
    answers(Source::Oddsapi, at(12, 0)).into_iter().for_each(|input| _ = kept.put(input));
    assert_eq!(kept.waiting(), []);
    assert_eq!(issued(&kept).known_at, at(12, 0), "known when his name was");
}
#[test]
fn a_name_that_nobody_knew_by_tip_off_makes_no_market_of_that_game_later() {
    let day = odds(at(10, 1), true, vec![quote("a", 2050, at(10, 0))]);
    let kept = of(answers(Source::Oddsapi, at(22, 0)).into_iter().chain([day]));
    assert_eq!(views(&kept), [None, None]);
    assert_eq!(kept.waiting(), []);
}
#[test]
fn whom_the_newest_report_does_not_list_is_available() {
    let names = answers(Source::Nbacom, Instant::EVER);
    let out = report(at(11, 0), at(11, 5), &[("A", InjuryStatus::Out)]);
    let mut kept = of(names.into_iter().chain([out]));
    assert_eq!(status(&kept)[0].as_ref().map(|view| view.status), Some(InjuryStatus::Out));
    kept.put(report(at(17, 0), at(17, 5), &[]));
    assert_eq!(status(&kept), [None, None]);
    let Some(Out::Quoted(row)) = kept.row(&Slot::Quoted(MatchupGameId { matchup: matchup(), game: GAME }))
    else {
        panic!("a report covers the game")
    };
    assert!(row.issued.is_empty() && row.reported_issued == Some(at(11, 5)));
}
#[test]
fn a_report_of_after_tip_off_never_counts_and_one_fetched_after_it_only_in_hindsight() {
    let names = || answers(Source::Nbacom, Instant::EVER).into_iter();
    let kept = of(names().chain([report(at(19, 30), at(19, 35), &[("A", InjuryStatus::Out)])]));
    assert_eq!(status(&kept), [None, None]);
    let kept = of(names().chain([report(at(17, 0), at(19, 35), &[("A", InjuryStatus::Out)])]));
    assert!(matches!(status(&kept), [None, Some(_)]));
}
