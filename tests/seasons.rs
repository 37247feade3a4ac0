//! Processes seven recorded seasons with the binary. They are not in the repository; without them the test is skipped with a message.
//!
//! Invariant: no record is rejected, every candidate has one eligibility, and issued rows use only what was known before the tip-off.
//! Not here: simulated seasons (`processes`).
#![allow(clippy::expect_used)]
mod common;
use common::{Fastbreak, text};
use runtime::inspect;
use runtime_embedded::EmbeddedLog;
use rusqlite::Connection;
use serde_json::Value;
use std::path::Path;

/// Each season with its number of games and its number of player-games.
const SEASONS: [(&str, i64, i64); 7] = [
    ("2018-19", 1230, 26_101),
    ("2019-20", 1059, 22_393),
    ("2020-21", 1080, 23_054),
    ("2021-22", 1230, 26_039),
    ("2022-23", 1230, 25_895),
    ("2023-24", 1230, 26_401),
    ("2024-25", 1230, 26_306),
];
const PLAYER_GAMES: i64 = 176_189;
const GAMES: i64 = 8_289;

#[test]
fn seven_recorded_seasons_run_without_a_reject_and_every_candidate_has_one_eligibility() {
    let events = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/events");
    if !events.exists() {
        return println!("skipped: there are no recorded seasons at {}", events.display());
    }
    let run = Fastbreak::new();
    for (season, ..) in SEASONS {
        let report = run.json(&["ingest", text(&events.join(format!("{season}.jsonl.zst")))]);
        assert_eq!(
            (report["dead_letters"].as_u64(), report["known"].as_u64()),
            (Some(0), Some(0)),
            "{season}"
        );
    }
    run.catch_up();
    let audit = run.json(&["audit"]);
    let warehouse = Warehouse::open(&run);
    assert_nothing_is_rejected(&audit);
    assert_row_counts(&audit, &warehouse);
    assert_postponed_game_is_predicted_once(&warehouse);
    assert_scores_are_sums_of_points(&run);
    assert_grades_are_plausible(&run, &warehouse);
}

/// The SQL views of the SQLite warehouse.
struct Warehouse(Connection);
impl Warehouse {
    fn open(run: &Fastbreak) -> Warehouse {
        Warehouse(Connection::open(run.folder.path().join("warehouse.db")).expect("the warehouse"))
    }
    fn query<T: rusqlite::types::FromSql>(&self, expression: &str, view: &str, condition: &str) -> T {
        let sql = format!("SELECT {expression} FROM {view} WHERE {condition}");
        self.0.query_row(&sql, [], |row| row.get(0)).expect(&sql)
    }
    fn count(&self, expression: &str, view: &str, condition: &str) -> i64 {
        self.query(&format!("count({expression})"), view, condition)
    }
}

fn assert_nothing_is_rejected(audit: &Value) {
    assert_eq!(audit["balanced"], true, "{audit:#}");
    let number = |processor: &str, field: &str| -> i64 {
        let processors = audit["processors"].as_array().expect("a list");
        let entry = processors.iter().find(|entry| entry["processor"] == processor).expect("a processor");
        entry[field].as_i64().expect("a number")
    };
    for loader in ["schedule-loader", "box-score-loader", "odds-loader"] {
        assert_eq!((number(loader, "rejected"), number(loader, "rows_bad")), (0, 0), "{loader}");
    }
    let parked = audit["parked"].as_array().expect("a list");
    let is_fixture = |item: &Value| item["key"].as_str().is_some_and(|key| key.starts_with("fixture "));
    assert!(parked.iter().all(is_fixture), "a record is parked for another reason than a missing fixture");
    let counts = (parked.len(), number("markets", "parked"));
    assert_eq!(counts, (71, 147), "exactly the lines of the 71 games that are in no schedule must be parked");
    assert_eq!((number("games", "parked"), number("team-form", "parked")), (0, 0));
}

fn assert_row_counts(audit: &Value, warehouse: &Warehouse) {
    for (season, games, player_games) in SEASONS {
        let count = |expression| warehouse.count(expression, "player_games", &format!("season = '{season}'"));
        assert_eq!((count("DISTINCT game_id"), count("*")), (games, player_games), "{season}");
    }
    assert_eq!(warehouse.count("*", "player_games", "TRUE"), PLAYER_GAMES);
    let rows = |topic: &str| -> i64 {
        let topics = audit["topics"].as_array().expect("a list");
        topics
            .iter()
            .find(|entry| entry["name"] == topic)
            .and_then(|entry| entry["rows"].as_i64())
            .expect("a table")
    };
    assert_eq!(rows("ml.slate-entries.v2"), warehouse.count("*", "player_slate", "TRUE"));
    assert_eq!(rows("core.games.v1"), GAMES);
    assert_eq!(warehouse.count("*", "player_slate", "status IS NULL OR status = 'unknown'"), 0);
}

/// Checks that the postponed game 0022300576 has predictions only for the day on which it was played.
fn assert_postponed_game_is_predicted_once(warehouse: &Warehouse) {
    let game = "game_id = '0022300576'";
    assert_eq!(warehouse.count("DISTINCT game_date", "player_slate", game), 1);
    let date: String = warehouse.query("max(game_date)", "player_slate", game);
    assert_eq!(date, "2024-02-15");
    let predicted = format!("{game} AND status = 'predicted' AND basis = 'issued'");
    assert!(warehouse.count("*", "player_slate", &predicted) > 10);
}

/// Checks that the final score of each team in each game is the sum of its players' points.
fn assert_scores_are_sums_of_points(run: &Fastbreak) {
    let (mut scores, mut wrong) = (0, Vec::new());
    let mut log = EmbeddedLog::open(run.folder.path()).expect("the log");
    for game in inspect::table(&mut log, &topics::GAMES, |_| true).expect("the games") {
        for (score, points) in
            [(game.home_points, game.home_box_points), (game.away_points, game.away_box_points)]
        {
            scores += 1;
            if score != Some(points) {
                wrong.push(game.game);
            }
        }
    }
    assert_eq!((scores, wrong), (2 * GAMES, vec![]));
}

/// Checks that the prediction errors are plausible. If the error of a rule or of the ensemble is very small, the system must have used the
/// outcome of the game, so the test fails. It also fails if the error of the moving average exceeds its limit.
fn assert_grades_are_plausible(run: &Fastbreak, warehouse: &Warehouse) {
    let grades = run.json(&["grade", "--season", "2024-25"]);
    let rows = grades["rows"].as_array().expect("rows");
    let row = |system: &str| rows.iter().find(|row| row["system"] == system).expect("a row");
    let predictions = row("moving_average")["n"].as_i64().expect("n");
    assert!((18_150..=18_280).contains(&predictions), "{predictions}");
    assert!(row("moving_average")["mae"].as_f64().expect("MAE") <= 5.13);
    for system in ["moving_average", "zone_matchup_v1", "similarity_balanced_v1", "ensemble_v1"] {
        assert!(
            row(system)["mae"].as_f64().expect("MAE") > 4.95,
            "the error of {system} is so small that it must use the outcome"
        );
    }
    assert!(row("learned_v1")["n"].is_null(), "learned_v1 has predictions, but no artifact is installed");
    let issued_late = warehouse.count("*", "player_slate", "basis = 'issued' AND known_at >= tip_off");
    assert_eq!(issued_late, 0, "issued rows use facts that became known after the tip-off");
}
