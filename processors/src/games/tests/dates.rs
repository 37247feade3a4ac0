//! Box lists with nba.com's game id and a date that is not that of the fixture.
//!
//! Invariant: lists of two dates are never united.
//! Not here: lists without a game id (`super`).
use super::*;

#[test]
fn a_box_score_with_a_game_id_is_parked_until_the_game_is_scheduled_for_its_date() {
    let box_score = scored(GAMELOG, day(5), day(6).at(9, 0), 20);
    let mut driver = driver_with([fixture(GAME, day(0), false, day(-14).at(12, 0)), box_score]);
    assert_eq!(points(&driver, GAME, 1), []);
    assert_eq!(parked_keys(&driver), [format!("fixture of BOS-NYK on {} ({GAME})", day(5))]);
    driver.put(fixture(GAME, day(5), false, day(7).at(12, 0)));
    assert_eq!(points(&driver, GAME, 1), [(day(7).at(12, 0), Some(20))]);
    assert_eq!(parked_keys(&driver), [""; 0]);
}
#[test]
fn a_postponed_game_whose_box_score_has_the_old_date_has_this_box_score() {
    let box_score = scored(GAMELOG, day(0), day(6).at(9, 0), 20);
    let driver = driver_with(called_off_and_rescheduled().into_iter().chain([box_score]));
    assert_eq!(points(&driver, GAME, 1), [(day(6).at(9, 0), Some(20))]);
    assert_eq!(revisions(&driver, GAME, 1)[0].date, day(5));
}
#[test]
fn box_scores_of_the_old_and_of_the_new_date_are_not_united() {
    let hour = |hour| day(6).at(hour, 0);
    let old = box_score(
        GAMELOG,
        day(0),
        hour(1),
        true,
        &[member(Some(1), "A", Some(20)), member(Some(2), "B", Some(9))],
    );
    let new = box_score(STATS, day(5), hour(2), true, &[member(Some(1), "A", Some(31))]);
    let mut driver = driver_with(called_off_and_rescheduled().into_iter().chain([old, new.clone()]));
    assert_eq!(points(&driver, GAME, 1), [(hour(1), Some(20)), (hour(2), Some(31))]);
    assert_eq!(points(&driver, GAME, 2), [(hour(1), Some(9)), (hour(2), None)]);
    assert_eq!(game(&driver, GAME).home_players, 1);
    driver.put(retracted(&new, hour(3), false));
    assert_eq!(points(&driver, GAME, 2), [(hour(1), Some(9)), (hour(2), None), (hour(3), Some(9))]);
}
#[test]
fn a_box_score_of_a_game_that_was_never_played_changes_no_game() {
    let ghost = Input::BoxScore(BoxScoreObservation {
        is_final: true,
        feed: STATS,
        game: None,
        date: day(0),
        team: HOME,
        opponent: Team::MIA,
        complete: true,
        members: vec![member(Some(1), "A", Some(50))],
        provenance: provenance(day(1).at(9, 0)),
    });
    let driver = driver_with([fixture(GAME, day(0), false, day(-14).at(12, 0)), ghost]);
    assert_eq!(points(&driver, GAME, 1), []);
    assert_eq!(parked_keys(&driver), [format!("fixture of BOS-MIA on {}", day(0))]);
}
