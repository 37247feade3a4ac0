//! Trouble cases of schedules and box scores.
//!
//! Invariant: a box score that is unusable, incomplete or not final takes nothing back.
//! Not here: how a case is read and run (the parent module).
use super::Case;
use schemas::{
    Team,
    features::Basis,
    raw::{RawEvent, RejectCode},
};
use std::collections::BTreeMap;

/// The game of 2024-11-04 in most of the cases.
const MONDAY: &str = "0022400161";
/// The game of 2024-11-07 in most of the cases, which is the next one.
const THURSDAY: &str = "0022400201";

#[test]
fn case_07_codes_of_former_team_names_are_read_alike_in_schedule_and_box_scores() {
    let Some(mut case) = Case::run("07") else { return };
    assert_eq!(case.dead_letters(), []);
    let mut games: Vec<_> =
        case.games().iter().map(|game| (game.game.to_string(), game.away, game.home)).collect();
    games.sort_unstable();
    assert_eq!(
        games,
        [("0021100012".into(), Team::BKN, Team::WAS), ("0021100013".into(), Team::NOP, Team::PHX)]
    );
    let rows = case.player_games().into_iter();
    let rows: Vec<_> = rows.map(|((player, _), row)| (player, row.team, row.stats.unwrap().points)).collect();
    assert_eq!(rows, [(3001, Team::BKN, 18), (3002, Team::WAS, 11), (3003, Team::NOP, 12)]);
}

#[test]
fn case_08_players_who_sat_out_have_no_appearance() {
    let Some(case) = Case::run("08") else { return };
    assert_eq!(case.points(MONDAY), BTreeMap::from([(1001, 20), (2001, 30)]));
    for player in (1001..=1005).chain(2001..=2005) {
        let features = case.features(player, THURSDAY);
        let expected = if matches!(player, 1001 | 2001) { 4 } else { 3 };
        assert_eq!(features.appearances, expected, "{player}");
    }
    let bea = case.features(1002, THURSDAY);
    assert_eq!(bea.get(schemas::features::index::POINTS_AVG_SEASON).value(), Some(20.0));
}

#[test]
fn case_09_a_row_without_player_is_a_bad_row_and_the_others_count() {
    let Some(mut case) = Case::run("09") else { return };
    assert_eq!(case.points(MONDAY), BTreeMap::from([(1001, 20), (2001, 30)]));
    let dead_letters = case.dead_letters();
    assert_eq!(dead_letters.len(), 1, "{dead_letters:?}");
    assert_eq!(dead_letters[0].0, RejectCode::BadRow);
    assert!(dead_letters[0].1.contains("player"), "{dead_letters:?}");
}

/// The points of the ten players in the cases with two pages.
fn points_of_two_pages() -> BTreeMap<u32, i32> {
    (1001..).zip(10..15).chain((2001..).zip(20..25)).collect()
}

#[test]
fn case_11_two_pages_that_are_fetched_at_one_instant_are_united() {
    let Some(case) = Case::run("11") else { return };
    assert_eq!(case.points(MONDAY), points_of_two_pages());
}

#[test]
fn case_66_numbered_pages_are_parts_of_one_list() {
    let Some(case) = Case::run("66") else { return };
    assert_eq!(case.points(MONDAY), points_of_two_pages());
}

#[test]
fn case_13_a_payload_that_is_no_response_is_rejected_as_a_whole_and_takes_nothing_back() {
    let Some(mut case) = Case::run("13") else { return };
    let rejected: Vec<_> = case.rejected_lines.iter().map(|(line, code, _)| (*line, *code)).collect();
    assert_eq!(rejected, [(16, RejectCode::NotJson)]);
    let dead_letters = case.dead_letters();
    assert_eq!(dead_letters.len(), 8, "{dead_letters:#?}");
    for (code, reason) in dead_letters {
        assert!(matches!(code, RejectCode::BadPayload | RejectCode::NotJson), "{code:?}: {reason}");
        assert!(!reason.is_empty());
    }
    assert_eq!(case.player_games().len(), 40);
}

#[test]
fn case_15_an_empty_list_after_a_full_one_takes_nothing_back() {
    let Some(case) = Case::run("15") else { return };
    let mut counts: BTreeMap<_, usize> = BTreeMap::new();
    for ((_, game), _) in case.player_games() {
        *counts.entry(game).or_default() += 1;
    }
    assert_eq!(counts.into_values().collect::<Vec<_>>(), [10; 4]);
}

#[test]
fn case_16_columns_are_read_by_name_and_a_missing_one_is_named() {
    let Some(mut case) = Case::run("16") else { return };
    assert_eq!(case.points(MONDAY), BTreeMap::from([(1001, 22)]));
    let dead_letters = case.dead_letters();
    let of_name = |name: &str| {
        let dead_letters = dead_letters.iter().filter(|(code, _)| *code == RejectCode::BadPayload);
        dead_letters.filter(|(_, reason)| reason.contains(name)).count()
    };
    assert_eq!((of_name("MIN"), of_name("resultSets")), (1, 2), "{dead_letters:#?}");
    assert_eq!(dead_letters.len(), 3, "{dead_letters:#?}");
}

#[test]
fn case_17_minutes_are_read_in_every_notation() {
    let Some(mut case) = Case::run("17") else { return };
    let expected = BTreeMap::from([
        (5000, 34 * 60),
        (5001, 2_070),
        (5002, 2_070),
        (5003, 2_070),
        (5004, 2_070),
        (5006, 34 * 60 + 5),
        (5007, 0),
        (5011, 0),
        (5012, 2_070),
    ]);
    assert_eq!(case.seconds(MONDAY), expected);
    let dead_letters = case.dead_letters();
    for text in ["34:60", "DNP"] {
        let dead_letters = dead_letters.iter().filter(|(_, reason)| reason.contains(text));
        assert_eq!(dead_letters.map(|(code, _)| *code).collect::<Vec<_>>(), [RejectCode::BadRow], "{text}");
    }
    assert_eq!(dead_letters.len(), 2, "{dead_letters:#?}");
}

#[test]
fn case_19_a_corrected_appearance_counts_for_later_games_and_changes_no_issued_prediction() {
    let corrected = |event: &RawEvent| event.fetched_at.to_string() == "2024-11-06T14:00:00Z";
    let Some(case) = Case::run("19") else { return };
    let Some(before) = Case::run_with("19", |events| events.retain(|event| !corrected(event))) else {
        return;
    };
    assert_eq!(case.points(MONDAY).get(&1001), Some(&35));
    assert_eq!(before.points(MONDAY).get(&1001), None);
    let ann = case.features(1001, THURSDAY);
    let average = ann.get(schemas::features::index::POINTS_AVG_SEASON);
    assert_eq!((ann.basis, ann.appearances, average.value()), (Basis::Issued, 4, Some(23.75)));
    for player in (1001..=1005).chain(2001..=2005) {
        let rows = [&case, &before].map(|case| case.prediction(player, MONDAY));
        assert_eq!(rows[0].basis, Basis::Issued, "{player}");
        assert_eq!(
            rows[0], rows[1],
            "the correction changes the prediction of {player} that was issued before"
        );
    }
}

#[test]
fn case_20_a_box_score_of_a_game_that_is_not_over_is_no_result() {
    let Some(mut case) = Case::run("20") else { return };
    assert_eq!(case.points(THURSDAY), BTreeMap::new());
    assert_eq!(case.dead_letters(), []);
    let games = case.games();
    let game = games.iter().find(|game| game.game.to_string() == THURSDAY).unwrap();
    assert_eq!(
        (game.home_players, game.away_players, game.home_box_points, game.away_box_points),
        (0, 0, 0, 0)
    );
    assert_eq!(case.player_games().len(), 40, "the final box scores of the other games count");
}

#[test]
fn case_29_a_game_that_was_never_played_changes_no_players_games() {
    let Some(mut case) = Case::run("29") else { return };
    let fifty = case.player_games().into_iter().filter(|(_, row)| row.stats.unwrap().points == 50);
    assert_eq!(fifty.count(), 0);
    assert_eq!(case.points(MONDAY), BTreeMap::from([(1001, 20)]));
    let parked = case.parked("games");
    let of_matchup = |matchup: &str| {
        let items = parked.iter().filter(|item| item.key.contains(matchup));
        items.filter(|item| item.what.contains("2024-11-05") || item.key.contains("2024-11-05")).count()
    };
    assert_eq!((of_matchup("BOS-MIA"), of_matchup("BOS-NYK")), (1, 1), "{parked:#?}");
    assert_eq!(parked.len(), 2, "{parked:#?}");
}
