//! Several fetches of one list: pages, equal instants, box scores of games that are not over.
//!
//! Invariant: the driver compares restored tables with the running ones after each input.
//! Not here: retractions (`retractions`), except those of live lists.
use super::*;

fn requested(input: Input, request: &str, raw: i64) -> Input {
    with(input, |provenance| {
        provenance.request = request.into();
        provenance.raw.0 = raw;
    })
}
fn hour(hour: i8) -> Timestamp {
    day(1).at(hour, 0)
}
fn planned() -> Input {
    fixture(GAME, day(0), false, day(-14).at(12, 0))
}

#[test]
fn pages_of_one_instant_are_united() {
    let page = |request: &str, raw, player| {
        let members = [member(Some(player), "P", Some(10 + player as i32))];
        requested(box_score(GAMELOG, day(0), hour(1), true, &members), request, raw)
    };
    for inputs in [[page("page=1", 1, 1), page("page=2", 2, 2)], [page("page=1", 1, 1), page("page=1", 2, 2)]]
    {
        let driver = driver_with([planned()].into_iter().chain(inputs));
        assert_eq!(points(&driver, GAME, 1), [(hour(1), Some(11))]);
        assert_eq!(points(&driver, GAME, 2), [(hour(1), Some(12))]);
    }
}
#[test]
fn of_two_lines_of_one_player_at_one_instant_the_one_with_statistics_is_used() {
    let line = |raw, points| {
        let members = [member(Some(1), "A", points)];
        requested(box_score(GAMELOG, day(0), hour(1), true, &members), "r", raw)
    };
    for inputs in [[line(1, None), line(2, Some(20))], [line(1, Some(20)), line(2, None)]] {
        let driver = driver_with([planned()].into_iter().chain(inputs));
        assert_eq!(points(&driver, GAME, 1), [(hour(1), Some(20))]);
    }
}
#[test]
fn lists_of_one_payload_have_separate_records() {
    let first = scored(STATS, day(0), hour(1), 20);
    let second = scored(STATS, day(1), hour(1), 31);
    let mut driver = driver_with([planned(), fixture(NEXT, day(1), false, day(-14).at(12, 0))]);
    let before = driver.changelog_len();
    driver.put(first);
    driver.put(second);
    assert_eq!(driver.changelog_len(), before + 2);
}
#[test]
fn a_row_states_the_raw_event_that_reported_its_content_first_whatever_repeats_it() {
    let late_fixture = fixture(GAME, day(0), false, hour(15));
    let [first, repeated] = [hour(1), hour(3)].map(|fetched_at| scored(GAMELOG, day(0), fetched_at, 20));
    for inputs in [[first.clone(), late_fixture.clone(), repeated.clone()], [repeated, late_fixture, first]] {
        let driver = driver_with(inputs);
        let revisions: Vec<_> = revisions(&driver, GAME, 1);
        let stated: Vec<_> = revisions.iter().map(|revision| (revision.known_at, revision.raw.0)).collect();
        assert_eq!(stated, [(hour(15), hour(1).0)]);
    }
}
#[test]
fn a_repeated_fetch_invalidates_no_row() {
    let mut tables = Tables::default();
    let mut keys = Vec::new();
    let id = MatchupGameId { matchup: matchup(), game: GAME };
    let row = |inputs: Vec<Input>| In::Fixtures(id, driver_with(inputs).fixtures.row(&id).cloned());
    let box_score = |hour| match scored(GAMELOG, day(0), hour, 20) {
        Input::BoxScore(observation) => In::BoxScore(observation),
        other => panic!("{other:?}"),
    };
    let repeated = row(vec![planned(), fixture(GAME, day(0), false, day(-13).at(12, 0))]);
    for input in [row(vec![planned()]), box_score(hour(1)), box_score(hour(2)), repeated] {
        let is_row = matches!(input, In::Fixtures(..));
        keys.clear();
        let mut effects = Effects { invalidate: &mut |key| keys.push(key), retain: &mut |_, _| {} };
        let state_change = Games.apply(&mut tables, input, &mut effects);
        assert_eq!(state_change, if is_row { StateChange::RowReplaced } else { StateChange::Stored });
        keys.retain(|key| !matches!(key, OutputKey::List(..)));
    }
    assert_eq!(keys, []);
}
#[test]
fn a_box_score_of_a_game_that_is_not_over_is_parked_and_gives_no_result() {
    let mut driver = driver_with([planned(), live(scored(GAMELOG, day(0), hour(1), 9))]);
    assert_eq!(points(&driver, GAME, 1), []);
    assert_eq!(game(&driver, GAME).home_players, 0);
    let waiting = [format!("final box score {GAME}/{}/nbacom/leaguegamelog/BOS", day(0))];
    assert_eq!(parked_keys(&driver), waiting);
    assert!(driver.parked()[0].what.ends_with("the game is not over"));
    driver.put(scored(GAMELOG, day(0), hour(3), 20));
    assert_eq!(points(&driver, GAME, 1), [(hour(3), Some(20))]);
    assert_eq!(parked_keys(&driver), [""; 0]);
    assert_eq!(driver.put(live(scored(GAMELOG, day(0), hour(4), 12))), StateChange::Stored);
    assert_eq!(points(&driver, GAME, 1), [(hour(3), Some(20))], "the final box score must stay");
}
#[test]
fn of_live_box_scores_one_record_is_retained() {
    let mut driver = driver_with([planned()]);
    let before = driver.changelog_len();
    for hour_of_day in [2, 3, 4] {
        driver.put(live(scored(GAMELOG, day(0), hour(hour_of_day), 9)));
    }
    assert_eq!(driver.changelog_len(), before + 1);
    assert_eq!(driver.put(live(scored(GAMELOG, day(0), hour(1), 9))), StateChange::Unchanged);
}
#[test]
fn if_the_newest_live_box_score_is_retracted_none_is_parked() {
    let newest = live(scored(GAMELOG, day(0), hour(2), 9));
    let mut driver = driver_with([planned(), live(scored(GAMELOG, day(0), hour(1), 5)), newest.clone()]);
    driver.put(retracted(&newest, hour(3), false));
    assert_eq!(parked_keys(&driver), [""; 0]);
    driver.put(retracted(&newest, hour(4), true));
    assert_eq!(parked_keys(&driver).len(), 1);
}
#[test]
fn after_the_retraction_of_the_final_box_score_the_live_one_is_parked_again() {
    let last = scored(GAMELOG, day(0), hour(2), 20);
    let mut driver = driver_with([planned(), live(scored(GAMELOG, day(0), hour(1), 9)), last.clone()]);
    assert_eq!(parked_keys(&driver), [""; 0]);
    driver.put(retracted(&last, hour(3), false));
    assert_eq!(parked_keys(&driver).len(), 1);
    assert_eq!(points(&driver, GAME, 1), [(hour(2), Some(20)), (hour(3), None)]);
}
#[test]
fn the_newest_loader_version_decides_whether_a_box_score_is_final() {
    let newer = |input| with(input, |provenance| provenance.version = 2);
    let observation = scored(GAMELOG, day(0), hour(1), 9);
    let mut driver = driver_with([planned(), observation.clone(), newer(live(observation.clone()))]);
    assert_eq!(points(&driver, GAME, 1), []);
    assert_eq!(parked_keys(&driver).len(), 1);
    assert_eq!(driver.put(observation.clone()), StateChange::Unchanged);
    let driver = driver_with([planned(), live(observation.clone()), newer(observation)]);
    assert_eq!(points(&driver, GAME, 1), [(hour(1), Some(9))]);
    assert_eq!(parked_keys(&driver), [""; 0]);
}
