//! Trouble cases of grades: points that equal the line, and players who were quoted and did not play.
//!
//! Invariant: a push is neither hit nor miss, and a void is counted in no other figure.
//! Not here: the formulas (`sinks::grading`), the rows of these cases in the log (`names`).
use super::input_of;
use crate::common::{Fastbreak, text};
use rusqlite::Connection;
use serde_json::Value;

/// The game that the odds are about, and its date.
const GAME: &str = "game_id = '0022400201' AND game_date = '2024-11-07'";

/// Processes the input of a case with the binary; `None` if it does not exist.
fn processed(number: &str) -> Option<Fastbreak> {
    let input = input_of(number)?;
    let run = Fastbreak::new();
    run.json(&["ingest", text(&input)]);
    run.catch_up();
    Some(run)
}
/// Returns the rows of a query with two columns: an integer and a text.
fn rows(run: &Fastbreak, sql: &str) -> Vec<(i64, String)> {
    let warehouse = Connection::open(run.folder.path().join("warehouse.db")).unwrap();
    let mut statement = warehouse.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}
/// Returns the figures of a system for issued predictions of the game's date.
fn figures(run: &Fastbreak, system: &str) -> Value {
    let dates = ["--from", "2024-11-07", "--to", "2024-11-07"];
    let grades = run.json(&[&["grade", "--population", "all"][..], &dates].concat());
    let rows = grades["rows"].as_array().unwrap();
    rows.iter().find(|row| row["system"] == system && row["basis"] == "issued").unwrap().clone()
}

#[test]
fn case_32_points_that_equal_the_line_are_a_push_neither_hit_nor_miss() {
    let Some(run) = processed("32") else { return };
    let calls = "SELECT player_id, recommendation FROM player_prop_predictions \
                 WHERE system = 'moving_average' AND line_offset = 0 AND line_source = 'market' AND ";
    let calls = rows(&run, &format!("{calls}{GAME} ORDER BY 1"));
    assert_eq!(calls, [1001, 1002, 2001].map(|player| (player, "OVER".to_owned())));
    let figures = figures(&run, "moving_average");
    let counts = ["hits", "misses", "pushes", "voids"].map(|name| figures[name].as_u64().unwrap());
    assert_eq!(counts, [1, 1, 1, 0], "{figures}");
}

#[test]
fn case_33_a_player_who_is_out_has_no_prediction_and_one_who_is_scratched_later_is_void() {
    let Some(run) = processed("33") else { return };
    let status =
        format!("SELECT player_id, status FROM player_slate WHERE player_id < 1004 AND {GAME} ORDER BY 1");
    let expected = [(1001, "predicted"), (1002, "ruled_out"), (1003, "predicted")];
    assert_eq!(rows(&run, &status), expected.map(|(player, status)| (player, status.to_owned())));
    let of_bea =
        format!("SELECT count(*), 'rows' FROM player_prop_predictions WHERE player_id = 1002 AND {GAME}");
    assert_eq!(rows(&run, &of_bea), [(0, "rows".to_owned())]);
    let figures = figures(&run, "moving_average");
    // Of the ten players, Bea is ruled out, and Cy did not play; the eight others did.
    assert_eq!((figures["n"].as_u64(), figures["voids"].as_u64()), (Some(8), Some(1)), "{figures}");
    let bets = ["hits", "misses", "pushes"].map(|name| figures[name].as_u64().unwrap());
    assert!(bets.iter().sum::<u64>() <= 1, "only Ann has a market line and played: {figures}");
}
