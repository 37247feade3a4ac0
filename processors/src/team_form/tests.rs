//! Tests of open games, of the averages, and of rosters.
//!
//! Invariant: game `n` is on day `n` at 19:30.
//! Not here: the evidence for candidates (`slate`).
use super::*;
use crate::view_test_driver::{ViewTestDriver, provenance};
use schemas::{
    PlayingTime,
    game::{Score, TeamTotals},
    observation::PlayerRef,
};

const TEAM: Team = Team::BOS;

fn day(n: i32) -> EasternDate {
    "2025-01-10".parse::<EasternDate>().unwrap().plus_days(n)
}
fn game(n: i32) -> GameId {
    GameId(22_400_100 + n as u32)
}
/// A revision of game `n`; the game was played if `minutes` is given.
fn revision(n: i32, known_at: Timestamp, minutes: Option<i32>) -> TeamGameRevision {
    let totals = minutes.map(|minutes| TeamTotals {
        playing_time: PlayingTime(minutes * 60),
        points: 110,
        field_goals_attempted: 90,
        free_throws_attempted: 25,
        turnovers: 12,
        offensive_rebounds: 13,
    });
    TeamGameRevision {
        known_at,
        opponent: Team::NYK,
        is_home: true,
        date: day(n),
        tip_off: day(n).at(19, 30),
        tip_estimated: false,
        called_off: false,
        score: minutes.map(|_| Score { own: 110, opponent: 105 }),
        totals,
        appeared: minutes.map(|_| PlayerId(1)).into_iter().collect(),
    }
}
fn row(n: i32, revisions: Vec<TeamGameRevision>) -> In {
    let id = TeamGameId { team: TEAM, game: game(n) };
    In::TeamGame(
        id,
        Some(TeamGame {
            revisions_in_retrospect: None,
            retracted_at: None,
            game: game(n),
            team: TEAM,
            revisions,
        }),
    )
}
fn planned(n: i32) -> In {
    row(n, vec![revision(n, day(-30).at(12, 0), None)])
}
fn played(n: i32, minutes: i32) -> In {
    row(n, vec![revision(n, day(-30).at(12, 0), None), revision(n, day(n + 1).at(9, 0), Some(minutes))])
}
fn roster(fetched_at: Timestamp, complete: bool, players: &[u32]) -> In {
    let member = |id: &u32| RosterMember {
        player: PlayerRef { name: id.to_string(), nba: Some(PlayerId(*id)) },
        born: None,
    };
    In::Roster(RosterObservation {
        feed: Feed::NbacomPlayerList,
        team: TEAM,
        date: fetched_at.eastern_date(),
        complete,
        members: players.iter().map(member).collect(),
        provenance: provenance(fetched_at),
    })
}
fn driver_with(inputs: impl IntoIterator<Item = In>) -> ViewTestDriver<TeamForms> {
    let mut driver = ViewTestDriver::new(TeamForms);
    for input in inputs {
        driver.put(input);
    }
    driver
}
fn form(driver: &ViewTestDriver<TeamForms>, n: i32) -> Option<&TeamForm> {
    driver.row(&OutputKey::Form { team: TEAM, game: game(n) })
}
fn open_games(driver: &ViewTestDriver<TeamForms>) -> Vec<i32> {
    (0..20).filter(|n| form(driver, *n).is_some()).collect()
}
fn rostered(driver: &ViewTestDriver<TeamForms>, n: i32) -> Vec<u32> {
    let form = form(driver, n).unwrap().issued.as_ref().unwrap();
    form.roster.iter().map(|member| member.player.0).collect()
}

#[test]
fn a_season_schedule_opens_the_first_two_games_and_each_box_score_the_next() {
    let mut driver = driver_with((0..8).map(planned));
    assert_eq!(open_games(&driver), [0, 1]);
    driver.put(played(0, 240));
    assert_eq!(open_games(&driver), [0, 1, 2], "the box score must move the horizon to the next morning");
    driver.put(played(1, 240));
    assert_eq!(open_games(&driver), [0, 1, 2, 3]);
}
#[test]
fn a_missing_result_does_not_keep_later_games_closed() {
    let driver = driver_with((0..8).map(planned).chain([played(3, 240)]));
    assert_eq!(open_games(&driver), [0, 1, 2, 3, 4, 5]);
}
#[test]
fn a_changed_roster_opens_games_as_a_result_does_and_an_unchanged_one_opens_none() {
    let mut driver = driver_with((0..8).map(planned).chain([roster(day(0).at(6, 0), true, &[1])]));
    assert_eq!(open_games(&driver), [0, 1]);
    driver.put(roster(day(4).at(6, 0), true, &[1]));
    assert_eq!(open_games(&driver), [0, 1]);
    driver.put(roster(day(4).at(7, 0), true, &[1, 2]));
    assert_eq!(open_games(&driver), [0, 1, 2, 3, 4, 5]);
}
#[test]
fn a_game_that_is_called_off_is_closed_and_the_next_one_is_opened_instead() {
    let mut off = revision(1, day(-1).at(12, 0), None);
    off.called_off = true;
    let mut driver = driver_with((0..8).map(planned));
    driver.put(row(1, vec![revision(1, day(-30).at(12, 0), None), off]));
    assert_eq!(open_games(&driver), [0, 2]);
}
#[test]
fn minutes_are_rounded_to_complete_overtimes() {
    for (minutes, periods) in [(238, 48.0), (240, 48.0), (264, 53.0), (266, 53.0), (291, 58.0)] {
        let driver = driver_with([played(0, minutes), planned(2)]);
        let numbers = form(&driver, 2).unwrap().issued.as_ref().unwrap().numbers;
        let possessions = 90.0 + 0.44 * 25.0 + 12.0 - 13.0;
        assert_eq!(numbers.pace_10, Some(possessions * 48.0 / periods), "{minutes}");
        assert_eq!(numbers.def_rating_15, Some(100.0 * 105.0 / possessions));
        assert_eq!((numbers.rest_days, numbers.win_share), (Some(1), Some(1.0)));
    }
}
#[test]
fn a_game_on_the_evening_before_is_a_back_to_back_once_its_box_score_is_known() {
    let driver = driver_with([played(0, 240), planned(1)]);
    let before = form(&driver, 1).unwrap();
    assert_eq!(before.issued.as_ref().unwrap().numbers.rest_days, Some(0));
    let late = row(0, vec![revision(0, day(-30).at(12, 0), None), revision(0, day(1).at(19, 30), Some(240))]);
    let driver = driver_with([late, planned(1)]);
    let row = form(&driver, 1).unwrap();
    assert_eq!(
        row.issued.as_ref().unwrap().numbers.rest_days,
        None,
        "a box score known only at tip-off must not be used"
    );
    assert_eq!(row.retrospective.as_ref().unwrap().numbers.rest_days, Some(0));
}
#[test]
fn a_game_that_was_called_off_is_not_a_past_game_until_it_is_played() {
    let mut off = revision(0, day(0).at(16, 30), None);
    off.called_off = true;
    let mut rescheduled = revision(5, day(1).at(12, 0), None);
    let mut played = revision(5, day(6).at(9, 0), Some(240));
    (rescheduled.date, played.date) = (day(5), day(5));
    let moved = row(0, vec![revision(0, day(-30).at(12, 0), None), off, rescheduled, played]);
    let driver = driver_with([moved, planned(2), planned(7)]);
    let games = |n| form(&driver, n).unwrap().issued.as_ref().unwrap().numbers.games;
    assert_eq!((games(2), games(0), games(7)), (0, 0, 1));
}
#[test]
fn a_complete_roster_removes_the_players_that_it_lacks_and_a_partial_one_removes_none() {
    let fetched = |complete| {
        let first = roster(day(0).at(6, 0), true, &[1, 2]);
        driver_with([planned(0), planned(1), first, roster(day(1).at(6, 0), complete, &[2, 3])])
    };
    assert_eq!(rostered(&fetched(true), 1), [2, 3]);
    assert_eq!(rostered(&fetched(false), 1), [1, 2, 3]);
    assert_eq!(rostered(&fetched(true), 0), [1, 2], "the roster must be as of the tip-off of game 0");
}
