//! Retracted fixtures and box scores: what was issued stands; in retrospect, a retracted observation was never made.
//!
//! Invariant: see `history::as_of`.
//! Not here: live lists (`fetches`).
use super::*;

fn hour(hour: i8) -> Timestamp {
    day(1).at(hour, 0)
}
fn player_game(driver: &GamesDriver) -> PlayerGame {
    let id = PlayerMatchupGameId { player: PlayerId(1), game: GAME, matchup: matchup() };
    match driver.row(&OutputKey::PlayerGame(id)) {
        Some(Out::PlayerGame(row)) => row.clone(),
        other => panic!("{other:?}"),
    }
}
fn in_retrospect(driver: &GamesDriver) -> Option<Vec<(Timestamp, Option<i32>)>> {
    let revisions = player_game(driver).revisions_in_retrospect?.into_iter();
    Some(revisions.map(|revision| (revision.known_at, revision.stats.map(|stats| stats.points))).collect())
}
fn team_game(driver: &GamesDriver) -> TeamGame {
    match driver.row(&OutputKey::TeamGame(TeamGameId { team: HOME, game: GAME, matchup: matchup() })) {
        Some(Out::TeamGame(row)) => row.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_retracted_correction_stands_until_its_retraction_and_never_was_in_retrospect() {
    let correction = scored(GAMELOG, day(0), hour(2), 99);
    let first = scored(GAMELOG, day(0), hour(1), 20);
    let mut driver =
        driver_with([fixture(GAME, day(0), false, day(-14).at(12, 0)), first, correction.clone()]);
    assert_eq!(player_game(&driver).revisions_in_retrospect, None);
    driver.put(retracted(&correction, hour(3), false));
    let issued = [(hour(1), Some(20)), (hour(2), Some(99)), (hour(3), Some(20))];
    assert_eq!(points(&driver, GAME, 1), issued);
    assert_eq!(in_retrospect(&driver), Some(vec![(hour(1), Some(20))]));
    assert_eq!(team_game(&driver).revisions.len(), 4);
    assert_eq!(team_game(&driver).revisions_in_retrospect.map(|revisions| revisions.len()), Some(2));
    driver.put(retracted(&correction, hour(4), true));
    assert_eq!(points(&driver, GAME, 1), [&issued[..], &[(hour(4), Some(99))]].concat());
    assert_eq!(in_retrospect(&driver), Some(vec![(hour(1), Some(20)), (hour(2), Some(99))]));
}
#[test]
fn a_player_whose_only_box_score_is_retracted_did_not_play() {
    let only = scored(GAMELOG, day(0), hour(1), 20);
    let mut driver = driver_with([fixture(GAME, day(0), false, day(-14).at(12, 0)), only.clone()]);
    driver.put(retracted(&only, hour(2), false));
    assert_eq!(points(&driver, GAME, 1), [(hour(1), Some(20)), (hour(2), None)]);
    assert_eq!(in_retrospect(&driver), Some(Vec::new()));
    assert_eq!(parked_keys(&driver), [""; 0]);
}
#[test]
fn a_parked_box_score_that_is_retracted_is_no_longer_parked() {
    let ghost = scored(STATS, day(3), hour(1), 50);
    let mut driver = driver_with([fixture(GAME, day(0), false, day(-14).at(12, 0)), ghost.clone()]);
    assert_eq!(parked_keys(&driver).len(), 1);
    driver.put(retracted(&ghost, hour(2), false));
    assert_eq!(parked_keys(&driver), [""; 0]);
}
#[test]
fn a_game_known_from_retracted_observations_alone_no_longer_stands() {
    let planned = fixture(GAME, day(0), false, day(-14).at(12, 0));
    let again = fixture(GAME, day(0), false, day(-12).at(12, 0));
    let mut driver = driver_with([planned.clone(), again.clone(), scored(STATS, day(0), hour(1), 20)]);
    driver.put(retracted(&again, hour(2), false));
    assert_eq!(game(&driver, GAME).dates[0].end, None);
    driver.put(retracted(&planned, hour(3), false));
    let row = game(&driver, GAME).clone();
    let end = row.dates[0].end.map(|end| (end.at, end.reason));
    assert_eq!((end, row.date), (Some((hour(3), VoidReason::Retracted)), day(0)));
    assert!(row.dates[0].stood_at_cutoff);
    assert_eq!(team_game(&driver).dates, row.dates);
    assert!(team_game(&driver).revisions.last().unwrap().called_off);
    assert_eq!(team_game(&driver).revisions_in_retrospect, Some(Vec::new()));
    assert_eq!(points(&driver, GAME, 1), [(hour(1), Some(20)), (hour(3), None)]);
    assert_eq!(in_retrospect(&driver), Some(Vec::new()));
    assert_eq!(parked_keys(&driver).len(), 1, "the box score must wait for a fixture again");
}
#[test]
fn a_game_whose_retraction_is_undone_stands_again_but_not_for_the_time_between() {
    let planned = fixture(GAME, day(0), false, day(-14).at(12, 0));
    let mut driver = driver_with([planned.clone(), scored(STATS, day(0), hour(1), 20)]);
    driver.put(retracted(&planned, hour(3), false));
    driver.put(retracted(&planned, hour(5), true));
    assert_eq!(game(&driver, GAME).dates[0].end, None);
    let row = team_game(&driver);
    let revisions: Vec<_> =
        row.revisions.iter().map(|revision| (revision.known_at, revision.called_off)).collect();
    let planned_at = day(-14).at(12, 0);
    assert_eq!(revisions, [(planned_at, false), (hour(1), false), (hour(3), true), (hour(5), false)]);
    assert_eq!(row.revisions_in_retrospect.map(|revisions| revisions.len()), Some(2));
    assert_eq!(points(&driver, GAME, 1), [(hour(1), Some(20)), (hour(3), None), (hour(5), Some(20))]);
    assert_eq!(in_retrospect(&driver), Some(vec![(hour(1), Some(20))]));
}
#[test]
fn a_new_date_that_is_retracted_gives_the_old_date_back() {
    let moved = fixture(GAME, day(5), false, day(-7).at(12, 0));
    let mut driver = driver_with([fixture(GAME, day(0), false, day(-14).at(12, 0)), moved.clone()]);
    driver.put(retracted(&moved, day(-6).at(12, 0), false));
    let row = game(&driver, GAME);
    assert_eq!((row.date, row.known_at), (day(0), day(-6).at(12, 0)));
    let dates: Vec<_> = row.dates.iter().map(|date| (date.date, date.known_at, reason(date))).collect();
    assert_eq!(
        dates,
        [(day(0), day(-6).at(12, 0), None), (day(5), day(-7).at(12, 0), Some(VoidReason::Moved)),]
    );
}
#[test]
fn a_box_score_of_a_date_that_only_a_retracted_fetch_stated_belongs_to_no_game() {
    let moved = fixture(GAME, day(5), false, day(-7).at(12, 0));
    let played = day(6).at(9, 0);
    let with = |inputs: Vec<Input>| {
        let first = [fixture(GAME, day(0), false, day(-14).at(12, 0)), moved.clone()];
        driver_with(first.into_iter().chain(inputs))
    };
    let box_score = || scored(GAMELOG, day(5), played, 20);
    let early = with(vec![retracted(&moved, day(-6).at(12, 0), false), box_score()]);
    assert_eq!(points(&early, GAME, 1), []);
    assert_eq!(parked_keys(&early), [format!("fixture of BOS-NYK on {} ({GAME})", day(5))]);
    let mut late = with(vec![box_score(), retracted(&moved, day(7).at(12, 0), false)]);
    let issued = [(played, Some(20)), (day(7).at(12, 0), None)];
    assert_eq!(points(&late, GAME, 1), issued);
    late.put(retracted(&moved, day(8).at(12, 0), true));
    assert_eq!(points(&late, GAME, 1), [&issued[..], &[(day(8).at(12, 0), Some(20))]].concat());
}
