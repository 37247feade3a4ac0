//! Tests of the rules by which facts become games: dates, precedence, absence, names.
use super::*;
use crate::view_test_driver::ViewTestDriver;
use schemas::{
    EasternDate, PlayingTime, RawId,
    game::PlayerGameRevision,
    identity::{NameMatch, NameRevision, NameRule},
    observation::{BoxLine, BoxMember, Fixture, GameResult, GameStatus, PlayerRef, Provenance},
    raw::{Feed, Source},
};

const GAME: GameId = GameId(22_400_100);
const NEXT: GameId = GameId(22_400_101);
const HOME: Team = Team::BOS;
const AWAY: Team = Team::NYK;
const GAMELOG: Feed = Feed::NbacomLeaguegamelog;
const STATS: Feed = Feed::BalldontlieStats;

fn matchup() -> Matchup {
    Matchup::new(HOME, AWAY).unwrap()
}
fn day(n: i32) -> EasternDate {
    "2025-01-10".parse::<EasternDate>().unwrap().plus_days(n)
}
fn provenance(at: Timestamp) -> Provenance {
    Provenance { fetched_at: at, version: 1, raw: RawId(at.0) }
}
/// A fixture at 19:30 of a day, heard at an instant.
fn fixture(game: GameId, date: EasternDate, called_off: bool, at: Timestamp) -> In {
    let tip_off = date.at(19, 30);
    let fixture = Fixture { home: HOME, away: AWAY, date, tip_off, tip_estimated: false, called_off };
    let result = GameResult { status: GameStatus::Scheduled, home_points: None, away_points: None };
    In::Game(GameObservation { game, fixture, result, provenance: provenance(at) })
}
fn member(id: Option<u32>, name: &str, points: Option<i32>) -> BoxMember {
    let line =
        points.map(|points| BoxLine { points, playing_time: PlayingTime(1_800), ..BoxLine::default() });
    BoxMember { player: PlayerRef { name: name.into(), nba: id.map(PlayerId) }, line }
}
/// The home side's box score: nba.com's has a game id, others a date.
fn box_score(feed: Feed, date: EasternDate, at: Timestamp, complete: bool, members: &[BoxMember]) -> In {
    let game = (feed == GAMELOG).then_some(GAME);
    let (team, opponent, members) = (HOME, AWAY, members.to_vec());
    In::BoxScore(BoxScoreObservation {
        feed,
        game,
        date,
        team,
        opponent,
        complete,
        members,
        provenance: provenance(at),
    })
}
fn scored(feed: Feed, date: EasternDate, at: Timestamp, points: i32) -> In {
    box_score(feed, date, at, true, &[member(Some(1), "A", Some(points))])
}
fn game(driver: &ViewTestDriver<Games>, game: GameId) -> &Game {
    match driver.row(&OutputKey::Game(MatchupGameId { matchup: matchup(), game })) {
        Some(Out::Game(row)) => row,
        other => panic!("{other:?}"),
    }
}
fn revisions(driver: &ViewTestDriver<Games>, game: GameId, player: u32) -> Vec<PlayerGameRevision> {
    let id = PlayerGameId { player: PlayerId(player), game };
    match driver.row(&OutputKey::PlayerGame(id, matchup())) {
        Some(Out::PlayerGame(row)) => row.revisions.clone(),
        _ => Vec::new(),
    }
}
fn points(driver: &ViewTestDriver<Games>, game: GameId, player: u32) -> Vec<(Timestamp, Option<i32>)> {
    let revisions = revisions(driver, game, player).into_iter();
    revisions.map(|revision| (revision.known_at, revision.line.map(|line| line.points))).collect()
}
fn driver_with(inputs: impl IntoIterator<Item = In>) -> ViewTestDriver<Games> {
    let mut driver = ViewTestDriver::new(Games);
    inputs.into_iter().for_each(|input| _ = driver.put(input));
    driver
}
/// A team's answer to one name, in revisions.
fn answer(team: Team, date: EasternDate, name: &str, revisions: &[(Timestamp, &[u32])]) -> In {
    let scope = Scope::Matchup(matchup());
    let revision = |(at, players): &(Timestamp, &[u32])| NameRevision {
        known_at: *at,
        rule: (!players.is_empty()).then_some(NameRule::Exact),
        players: players.iter().map(|p| PlayerId(*p)).collect(),
        link: None,
    };
    let matches = vec![NameMatch { name: name.into(), revisions: revisions.iter().map(revision).collect() }];
    let row = Names { scope: scope.to_string(), team, source: Source::Balldontlie, date, matches };
    In::Names(Names::id(scope, team, Source::Balldontlie, date), Some(row))
}
fn called_off_and_re_dated() -> [In; 3] {
    [
        fixture(GAME, day(0), false, day(-14).at(12, 0)),
        fixture(GAME, day(0), true, day(0).at(16, 30)),
        fixture(GAME, day(5), false, day(1).at(12, 0)),
    ]
}

#[test]
fn a_game_called_off_before_its_tip_off_is_played_under_its_id_on_its_new_day() {
    let mut driver = ViewTestDriver::new(Games);
    let [planned, called_off, re_dated] = called_off_and_re_dated();
    driver.put(planned);
    driver.put(called_off);
    assert!(game(&driver, GAME).called_off);
    driver.put(re_dated);
    let row = game(&driver, GAME);
    assert_eq!((row.date, row.called_off, row.tip_off), (day(5), false, day(5).at(19, 30)));
    let days: Vec<EasternDate> = row.days.iter().map(|day| day.date).collect();
    assert_eq!((days.first(), days.last()), (Some(&day(0)), Some(&day(5))));
    assert_eq!(row.known_at, day(1).at(12, 0));
}
#[test]
fn a_game_called_off_after_its_tip_off_stays_where_it_was() {
    let driver = driver_with([
        fixture(GAME, day(0), false, day(-14).at(12, 0)),
        fixture(GAME, day(0), true, day(0).at(19, 30)),
    ]);
    assert!(!game(&driver, GAME).called_off);
    assert_eq!(game(&driver, GAME).known_at, day(-14).at(12, 0));
}
#[test]
fn a_fixture_heard_only_after_its_tip_off_is_the_first_heard() {
    let late =
        [fixture(GAME, day(0), false, day(9).at(12, 0)), fixture(GAME, day(1), false, day(10).at(12, 0))];
    assert_eq!(game(&driver_with(late), GAME).date, day(0));
}
#[test]
fn a_box_score_by_date_is_of_the_game_at_most_a_day_off() {
    for (off, found) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
        let driver = driver_with([
            fixture(GAME, day(0), false, day(-14).at(12, 0)),
            scored(STATS, day(off), day(3).at(9, 0), 20),
        ]);
        assert_eq!(!revisions(&driver, GAME, 1).is_empty(), found, "{off} days off");
        assert_eq!(driver.parked().is_empty(), found, "it waits for its fixture");
    }
}
#[test]
fn of_two_games_in_a_row_each_has_its_own_days_box_score_and_a_day_between_is_the_earliers() {
    let fixtures = |second| {
        [
            fixture(GAME, day(0), false, day(-14).at(12, 0)),
            fixture(NEXT, day(second), false, day(-14).at(12, 0)),
        ]
    };
    let scores = [scored(STATS, day(0), day(3).at(9, 0), 20), scored(STATS, day(1), day(3).at(9, 0), 31)];
    let driver = driver_with(fixtures(1).into_iter().chain(scores.clone()));
    assert_eq!(points(&driver, GAME, 1), [(day(3).at(9, 0), Some(20))]);
    assert_eq!(points(&driver, NEXT, 1), [(day(3).at(9, 0), Some(31))]);
    let driver = driver_with(fixtures(2).into_iter().chain(scores[1..].to_vec()));
    assert_eq!(points(&driver, GAME, 1), [(day(3).at(9, 0), Some(31))], "a day between: the earlier");
    assert_eq!(points(&driver, NEXT, 1), []);
}
#[test]
fn a_box_score_of_a_game_that_moved_is_matched_by_the_days_known_when_it_was_heard() {
    let driver = driver_with(called_off_and_re_dated().into_iter().chain([scored(
        STATS,
        day(5),
        day(6).at(9, 0),
        20,
    )]));
    assert_eq!(points(&driver, GAME, 1), [(day(6).at(9, 0), Some(20))]);
    assert_eq!(revisions(&driver, GAME, 1)[0].date, day(5));
}
#[test]
fn the_more_trusted_feed_is_believed_as_soon_as_it_speaks_and_no_sooner() {
    let at = |hour| day(1).at(hour, 0);
    let driver = driver_with([
        fixture(GAME, day(0), false, day(-14).at(12, 0)),
        scored(Feed::BalldontlieBoxScores, day(0), at(1), 18),
        scored(STATS, day(0), at(2), 19),
        scored(GAMELOG, day(0), at(3), 20),
        scored(STATS, day(0), at(4), 25),
    ]);
    assert_eq!(points(&driver, GAME, 1), [(at(1), Some(18)), (at(2), Some(19)), (at(3), Some(20))]);
    let feeds: Vec<Feed> = revisions(&driver, GAME, 1).iter().map(|revision| revision.feed).collect();
    assert_eq!(feeds, [Feed::BalldontlieBoxScores, STATS, GAMELOG]);
}
#[test]
fn a_correction_is_a_step_of_its_own_and_a_refetch_of_the_same_is_none() {
    let at = |hour| day(1).at(hour, 0);
    let driver = driver_with([
        fixture(GAME, day(0), false, day(-14).at(12, 0)),
        scored(GAMELOG, day(0), at(5), 22),
        scored(GAMELOG, day(0), at(3), 20),
        scored(GAMELOG, day(0), at(4), 20),
    ]);
    assert_eq!(points(&driver, GAME, 1), [(at(3), Some(20)), (at(5), Some(22))]);
}
#[test]
fn a_partial_answer_removes_nobody_and_a_whole_one_says_who_did_not_play() {
    let at = |hour| day(1).at(hour, 0);
    let both = [member(Some(1), "A", Some(20)), member(Some(2), "B", Some(9))];
    let mut driver = driver_with([
        fixture(GAME, day(0), false, day(-14).at(12, 0)),
        box_score(GAMELOG, day(0), at(1), true, &both),
        box_score(GAMELOG, day(0), at(2), false, &both[..1]),
    ]);
    assert_eq!(points(&driver, GAME, 2), [(at(1), Some(9))]);
    driver.put(box_score(GAMELOG, day(0), at(3), true, &both[..1]));
    assert_eq!(points(&driver, GAME, 2), [(at(1), Some(9)), (at(3), None)]);
    assert_eq!(points(&driver, GAME, 1), [(at(1), Some(20))]);
}
#[test]
fn a_name_waits_for_every_team_asked_and_whom_it_means_follows_what_they_say() {
    let at = |hour| day(1).at(hour, 0);
    let mut driver = driver_with([
        fixture(GAME, day(0), false, day(-14).at(12, 0)),
        box_score(STATS, day(0), at(1), true, &[member(None, "Jo Do", Some(20))]),
    ]);
    assert_eq!(driver.parked().len(), 1);
    driver.put(answer(HOME, day(0), "Jo Do", &[(Timestamp::DISTANT_PAST, &[])]));
    assert!(driver.parked()[0].key.contains("waits for the teams"), "{:?}", driver.parked());
    driver.put(answer(AWAY, day(0), "Jo Do", &[(Timestamp::DISTANT_PAST, &[])]));
    assert!(driver.parked()[0].key.contains("nobody knows"), "{:?}", driver.parked());
    driver.put(answer(HOME, day(0), "Jo Do", &[(Timestamp::DISTANT_PAST, &[]), (at(7), &[1])]));
    assert_eq!(driver.parked(), []);
    assert_eq!(points(&driver, GAME, 1), [(at(7), Some(20))]);
    driver.put(answer(
        HOME,
        day(0),
        "Jo Do",
        &[(Timestamp::DISTANT_PAST, &[]), (at(7), &[1]), (at(9), &[2])],
    ));
    assert_eq!(points(&driver, GAME, 1), [(at(7), Some(20)), (at(9), None)], "he no longer is");
    assert_eq!(points(&driver, GAME, 2), [(at(9), Some(20))]);
    driver.put(answer(AWAY, day(0), "Jo Do", &[(Timestamp::DISTANT_PAST, &[]), (at(11), &[3])]));
    assert!(driver.parked()[0].key.contains("may be any of 2, 3"), "{:?}", driver.parked());
    assert_eq!(points(&driver, GAME, 2), [(at(9), Some(20)), (at(11), None)]);
}
#[test]
fn a_change_between_two_answers_of_one_instant_is_the_greater_whichever_came_first() {
    let at = day(-1).at(12, 0);
    let observation = |raw, moved: i32, status| {
        let In::Game(mut s) = fixture(GAME, day(moved), false, at) else { unreachable!() };
        (s.provenance.raw, s.result.status) = (RawId(raw), status);
        s
    };
    let (a, b) = (observation(1, 1, GameStatus::Scheduled), observation(2, 0, GameStatus::Live));
    let mut driver = Vec::new();
    for s in [&a, &b] {
        let mut tables = Tables::default();
        let state_change = Games.apply(&mut tables, In::Game(s.clone()), &mut |_| {});
        driver.push(state_change);
    }
    assert_ne!(driver[0], driver[1], "each half may stand, so both are driver");
}
