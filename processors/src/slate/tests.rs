//! Tests of dates that no longer stand, and of changes of a game that no entry depends on.
//!
//! Invariant: there is one game, with tip-off at 19:30, and one candidate, on the roster of the home team.
//! Not here: the forms (`team_form`).
use super::*;
use crate::view_test_driver::{ViewTestDriver, ended_date, scheduled_game};
use schemas::{
    fixture::VoidReason,
    observation::GameStatus,
    team_form::{FormNumbers, RosteredPlayer},
};

const GAME: GameId = GameId(22_400_100);
const PLAYER: PlayerId = PlayerId(1);

fn date() -> EasternDate {
    "2025-01-10".parse().unwrap()
}
fn id() -> MatchupGameId {
    MatchupGameId { matchup: Matchup::new(Team::BOS, Team::NYK).unwrap(), game: GAME }
}
fn key() -> CandidateId {
    CandidateId { player: PLAYER, game: GAME, date: date(), matchup: id().matchup }
}
fn game(ended_at: Option<Timestamp>) -> Game {
    let mut row = scheduled_game(GAME, Team::BOS, Team::NYK, date().at(19, 30));
    if let Some(at) = ended_at {
        row.dates = row.dates.into_iter().map(|date| ended_date(date, at, VoidReason::CalledOff)).collect();
    }
    row
}
/// The form of a team; its retrospective content was known later than the issued one.
fn form(team: Team) -> In {
    let content = |known_at| Form {
        known_at,
        numbers: FormNumbers::default(),
        recent: Vec::new(),
        roster: vec![RosteredPlayer { player: PLAYER, born: None }],
        season_players: None,
    };
    let row = TeamForm {
        team,
        game: GAME,
        date: date(),
        opponent: if team == Team::BOS { Team::NYK } else { Team::BOS },
        opened_at: Timestamp::DISTANT_PAST,
        issued: Some(content(date().at(9, 0))),
        retrospective: Some(content(date().at(22, 0))),
    };
    In::Form(TeamFormId { team, game: GAME, date: date(), matchup: id().matchup }, Some(row))
}
fn driver() -> ViewTestDriver<Slate> {
    let mut driver = ViewTestDriver::new(Slate);
    driver.put(In::Game(id(), Some(game(None))));
    driver.put(form(Team::BOS));
    driver.put(form(Team::NYK));
    driver
}

#[test]
fn a_date_that_ends_after_tip_off_has_only_what_was_issued_and_one_that_ends_before_has_no_entry() {
    let mut driver = driver();
    let before = driver.row(&key()).cloned().unwrap();
    assert!(before.issued.is_some() && before.retrospective.is_some());
    driver.put(In::Game(id(), Some(game(Some(date().at(19, 30))))));
    let row = driver.row(&key()).unwrap();
    assert_eq!((&row.issued, &row.retrospective), (&before.issued, &None));
    assert_eq!(row.end.map(|end| (end.at, end.reason)), Some((date().at(19, 30), VoidReason::CalledOff)));
    driver.put(In::Game(id(), Some(game(Some(date().at(19, 29))))));
    assert!(driver.row(&key()).is_none());
    driver.put(In::Game(id(), Some(game(None))));
    assert_eq!(driver.row(&key()), Some(&before));
}
#[test]
fn a_game_that_differs_only_in_its_score_affects_no_entry() {
    let affected = |row: Game| {
        let mut tables = Tables::default();
        let mut count = 0;
        for input in [In::Game(id(), Some(game(None))), form(Team::BOS), In::Game(id(), Some(row))] {
            count = 0;
            let mut effects = Effects { invalidate: &mut |_| count += 1, retain: &mut |_, ()| {} };
            Slate.apply(&mut tables, input, &mut effects);
        }
        count
    };
    assert_eq!(affected(Game { status: GameStatus::Live, home_points: Some(3), ..game(None) }), 0);
    assert_eq!(affected(scheduled_game(GAME, Team::BOS, Team::NYK, date().at(20, 0))), 1);
}
