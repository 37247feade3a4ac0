//! Tests of open games, of the averages, of members, and of retractions.
//!
//! Invariant: game `n` is on day `n` at 19:30.
//! Not here: the evidence for candidates (`slate`), since when a player is a member (`memberships`).
use super::*;
use crate::view_test_driver::{ViewTestDriver, ended_date, scheduled_date};
use proptest::prelude::*;
use schemas::{
    EasternDate, PlayingTime,
    fixture::VoidReason,
    game::{PlayerWorkload, Score, TeamTotals},
    membership::{Listing, MembershipHistory, MembershipRevision},
    raw::Feed,
};
use std::collections::BTreeSet;

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
        workloads: minutes.map(|_| workload(30)).into_iter().collect(),
    }
}
fn workload(minutes: i32) -> PlayerWorkload {
    PlayerWorkload {
        playing_time: PlayingTime(minutes * 60),
        field_goals_attempted: minutes / 2,
        free_throws_attempted: minutes / 6,
        turnovers: minutes / 15,
    }
}
fn matchup() -> Matchup {
    Matchup::new(TEAM, Team::NYK).unwrap()
}
/// Game `n` with one date, that of its last revision. If this revision is called off, so is the date since then.
fn row(n: i32, revisions: Vec<TeamGameRevision>) -> In {
    let id = TeamGameId { team: TEAM, game: game(n), matchup: matchup() };
    let last = revisions.last().unwrap();
    let mut date = scheduled_date(TEAM, Team::NYK, last.date.at(19, 30));
    date.known_at = revisions[0].known_at;
    if last.called_off {
        date = ended_date(date, last.known_at, VoidReason::CalledOff);
    }
    In::TeamGame(
        id,
        Some(TeamGame {
            revisions_in_retrospect: None,
            dates: vec![date],
            game: game(n),
            team: TEAM,
            matchup: matchup(),
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
/// A member of the team who is listed since the first of these instants, not since the second, and so on.
fn member(player: u32, instants: &[Timestamp]) -> In {
    member_in_retrospect(player, instants, None)
}
fn member_in_retrospect(player: u32, instants: &[Timestamp], in_retrospect: Option<&[Timestamp]>) -> In {
    let revisions = |instants: &[Timestamp]| {
        let revision = |(index, known_at): (usize, &Timestamp)| MembershipRevision {
            known_at: *known_at,
            listings: if index % 2 == 0 { vec![listing(*known_at)] } else { Vec::new() },
        };
        instants.iter().enumerate().map(revision).collect::<Vec<_>>()
    };
    let player = PlayerId(player);
    let history = MembershipHistory {
        revisions: revisions(instants),
        revisions_in_retrospect: in_retrospect.map(revisions),
    };
    In::Member(TeamMemberId { team: TEAM, player }, Some(TeamMember { team: TEAM, player, history }))
}
fn listing(since: Timestamp) -> Listing {
    Listing { feed: Feed::NbacomPlayerList, since, name: String::new(), born: None }
}
/// Returns the row of a game of which all observations were retracted.
fn retracted_game(row: In, at: Timestamp) -> In {
    let In::TeamGame(id, Some(mut row)) = row else { unreachable!() };
    row.dates = row.dates.into_iter().map(|date| ended_date(date, at, VoidReason::Retracted)).collect();
    row.revisions.retain(|revision| revision.known_at < at);
    let last = row.revisions.last().unwrap().clone();
    let (score, totals) = (None, None);
    let end = TeamGameRevision {
        known_at: at,
        called_off: true,
        score,
        totals,
        appeared: Vec::new(),
        workloads: Vec::new(),
        ..last
    };
    row.revisions.push(end);
    row.revisions_in_retrospect = Some(Vec::new());
    In::TeamGame(id, Some(row))
}
fn driver_with(inputs: impl IntoIterator<Item = In>) -> ViewTestDriver<TeamForms> {
    let mut driver = ViewTestDriver::new(TeamForms);
    for input in inputs {
        driver.put(input);
    }
    driver
}
fn form(driver: &ViewTestDriver<TeamForms>, n: i32) -> Option<&TeamForm> {
    form_on(driver, n, day(n))
}
fn form_on(driver: &ViewTestDriver<TeamForms>, n: i32, date: EasternDate) -> Option<&TeamForm> {
    driver.row(&TeamFormId { matchup: matchup(), team: TEAM, game: game(n), date })
}
fn open_games(driver: &ViewTestDriver<TeamForms>) -> Vec<i32> {
    (0..20).filter(|n| form(driver, *n).is_some()).collect()
}
fn rostered(driver: &ViewTestDriver<TeamForms>, n: i32) -> Vec<u32> {
    players(form(driver, n).unwrap().issued.as_ref())
}
/// Returns the roster on the retrospective basis.
fn rostered_in_retrospect(driver: &ViewTestDriver<TeamForms>, n: i32) -> Vec<u32> {
    let form = form(driver, n).unwrap();
    players(form.retrospective.as_ref().or(form.issued.as_ref()))
}
fn players(form: Option<&Form>) -> Vec<u32> {
    form.unwrap().roster.iter().map(|member| member.player.0).collect()
}

#[test]
fn a_season_schedule_opens_the_first_two_games_and_each_box_score_the_next() {
    let mut driver = driver_with((0..8).map(planned));
    assert_eq!(open_games(&driver), [0, 1]);
    driver.put(played(0, 240));
    assert_eq!(open_games(&driver), [0, 1, 2], "the box score became known on the next morning");
    driver.put(played(1, 240));
    assert_eq!(open_games(&driver), [0, 1, 2, 3]);
}
#[test]
fn a_missing_result_does_not_keep_later_games_closed() {
    let driver = driver_with((0..8).map(planned).chain([played(3, 240)]));
    assert_eq!(open_games(&driver), [0, 1, 2, 3, 4, 5]);
}
#[test]
fn a_changed_roster_opens_games_as_a_result_does() {
    let mut driver = driver_with((0..8).map(planned).chain([member(1, &[day(0).at(6, 0)])]));
    assert_eq!(open_games(&driver), [0, 1]);
    driver.put(member(2, &[day(4).at(7, 0)]));
    assert_eq!(open_games(&driver), [0, 1, 2, 3, 4, 5]);
    driver.put(In::Member(TeamMemberId { team: TEAM, player: PlayerId(2) }, None));
    assert_eq!(open_games(&driver), [0, 1]);
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
fn the_final_of_the_cup_is_no_past_game_of_a_team() {
    let In::TeamGame(id, Some(row)) = played(2, 240) else { unreachable!() };
    let cup_final = GameId(62_400_001);
    let cup_final =
        In::TeamGame(TeamGameId { game: cup_final, ..id }, Some(TeamGame { game: cup_final, ..row }));
    let driver = driver_with([played(0, 240), cup_final, planned(3)]);
    let numbers = form(&driver, 3).unwrap().issued.as_ref().unwrap().numbers;
    assert_eq!((numbers.games, numbers.rest_days), (1, Some(2)));
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
    let games = |form: Option<&TeamForm>| form.unwrap().issued.as_ref().unwrap().numbers.games;
    let forms = [form(&driver, 2), form_on(&driver, 0, day(5)), form(&driver, 7)];
    assert_eq!(forms.map(games), [0, 0, 1]);
}
#[test]
fn the_roster_of_a_form_is_as_of_its_tip_off_and_known_since_the_last_change_of_a_member() {
    let left = member(1, &[day(0).at(6, 0), day(1).at(6, 0)]);
    let joined = member(2, &[day(0).at(19, 30)]);
    let driver = driver_with([planned(0), planned(1), left, joined]);
    assert_eq!((rostered(&driver, 0), rostered(&driver, 1)), (vec![1], vec![2]));
    let known_at = |n| form(&driver, n).unwrap().issued.as_ref().unwrap().known_at;
    assert_eq!((known_at(0), known_at(1)), (day(0).at(6, 0), day(1).at(6, 0)));
    assert_eq!(rostered_in_retrospect(&driver, 0), [1], "a roster does not show who was a member before");
}
#[test]
fn a_retracted_roster_counts_for_games_before_its_retraction_and_never_in_retrospect() {
    let wrong = [day(0).at(8, 0), day(1).at(6, 0)];
    let driver = driver_with((0..4).map(planned).chain([member_in_retrospect(8, &wrong, Some(&[]))]));
    assert_eq!((rostered(&driver, 0), rostered_in_retrospect(&driver, 0)), (vec![8], vec![]));
    assert_eq!((rostered(&driver, 1), rostered_in_retrospect(&driver, 1)), (vec![], vec![]));
}
#[test]
fn a_game_retracted_before_its_tip_off_has_no_form_and_the_next_one_is_opened_instead() {
    let mut driver = driver_with((0..8).map(planned));
    driver.put(retracted_game(planned(1), day(-2).at(12, 0)));
    assert_eq!(open_games(&driver), [0, 2]);
    driver.put(planned(1));
    assert_eq!(open_games(&driver), [0, 1], "a retraction that is undone opens the game again");
}
#[test]
fn a_game_retracted_after_its_tip_off_retains_its_issued_form_and_ends_as_a_past_game() {
    let mut driver = driver_with([played(0, 240), planned(1), planned(3), planned(5)]);
    driver.put(member(1, &[day(0).at(6, 0)]));
    driver.put(retracted_game(played(0, 240), day(2).at(12, 0)));
    let own = form(&driver, 0).unwrap();
    assert!(own.issued.is_some() && own.retrospective.is_none());
    assert_eq!(rostered(&driver, 0), [1]);
    let games = |form: Option<&Form>| form.unwrap().numbers.games;
    let before = form(&driver, 1).unwrap();
    assert_eq!((games(before.issued.as_ref()), games(before.retrospective.as_ref())), (1, 0));
    let after = form(&driver, 3).unwrap();
    assert_eq!((games(after.issued.as_ref()), games(after.retrospective.as_ref())), (0, 0));
    let known_at = |form: Option<&Form>| form.unwrap().known_at;
    assert_eq!(known_at(after.issued.as_ref()), day(2).at(12, 0), "the game ended as a past game then");
    assert!(known_at(after.retrospective.as_ref()) < day(2).at(12, 0), "in retrospect, it never was one");
    driver.put(member(2, &[day(0).at(7, 0)]));
    assert_eq!(
        rostered(&driver, 0),
        [1, 2],
        "the issued form of a retracted game is derived from what was known"
    );
}
#[test]
fn the_retrospective_form_uses_a_score_that_became_known_after_the_box_score() {
    let mut without_score = revision(0, day(1).at(9, 0), Some(240));
    without_score.score = None;
    let planned_first = revision(0, day(-30).at(12, 0), None);
    let later = row(0, vec![planned_first, without_score, revision(0, day(2).at(9, 0), Some(240))]);
    let driver = driver_with([later, planned(1), planned(3)]);
    let form = form(&driver, 1).unwrap();
    let win_share = |form: Option<&Form>| form.unwrap().numbers.win_share;
    assert_eq!((win_share(form.issued.as_ref()), win_share(form.retrospective.as_ref())), (None, Some(1.0)));
}
#[test]
fn the_retrospective_form_uses_the_last_box_score_known_before_the_cutoff_although_it_is_corrected_later() {
    let mut corrected = revision(0, day(2).at(9, 0), Some(240));
    corrected.totals.as_mut().unwrap().points = 90;
    let planned_first = revision(0, day(-30).at(12, 0), None);
    let first = revision(0, day(1).at(9, 0), Some(240));
    let driver = driver_with([row(0, vec![planned_first, first, corrected]), planned(1), planned(3)]);
    let rating = |n| form(&driver, n).unwrap().issued.as_ref().unwrap().numbers.off_rating_10.unwrap();
    assert!((rating(3) / rating(1) - 90.0 / 110.0).abs() < 1e-9);
    assert_eq!(form(&driver, 1).unwrap().retrospective, None, "it equals the issued form");
}
#[test]
fn the_retrospective_form_uses_no_retracted_box_score() {
    let planned_first = || revision(0, day(-30).at(12, 0), None);
    let wrong = revision(0, day(1).at(9, 0), Some(240));
    let mut right = revision(0, day(2).at(9, 0), Some(240));
    right.totals.as_mut().unwrap().points = 90;
    let In::TeamGame(id, Some(mut game)) = row(0, vec![planned_first(), wrong, right.clone()]) else {
        unreachable!()
    };
    game.revisions_in_retrospect = Some(vec![planned_first(), right]);
    let driver = driver_with([In::TeamGame(id, Some(game)), planned(1), planned(3)]);
    let form = form(&driver, 1).unwrap();
    let rating = |form: Option<&Form>| form.unwrap().numbers.off_rating_10.unwrap();
    let (issued, retrospective) = (rating(form.issued.as_ref()), rating(form.retrospective.as_ref()));
    assert!((retrospective / issued - 90.0 / 110.0).abs() < 1e-9, "{issued} {retrospective}");
}

/// An input of any kind, among few games, instants, requests and players.
fn input() -> impl Strategy<Value = In> {
    let game = (0i32..5, 0u8..5, -1i32..6).prop_map(|(n, kind, at)| match kind {
        0 | 1 => planned(n),
        2 => played(n, 240),
        3 => retracted_game(played(n, 240), day(at).at(12, 0)),
        _ => In::TeamGame(TeamGameId { team: TEAM, game: game(n), matchup: matchup() }, None),
    });
    let instants = || prop::collection::btree_set((0i32..5, 17i8..20), 0..4);
    let member = (1u32..4, instants(), prop::option::of(instants())).prop_map(|(player, instants, other)| {
        let at = |instants: &BTreeSet<(i32, i8)>| -> Vec<Timestamp> {
            instants.iter().map(|(n, hour)| day(*n).at(*hour, 0)).collect()
        };
        member_in_retrospect(player, &at(&instants), other.as_ref().map(at).as_deref())
    });
    prop_oneof![game, member]
}
proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn the_forms_are_those_of_a_batch_whatever_changes(inputs in prop::collection::vec(input(), 0..10)) {
        // The driver compares the rows with a batch, and the tables with restored ones.
        driver_with(inputs);
    }
}
