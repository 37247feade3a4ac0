//! Seven real seasons through the binary. They are beside the repository and no part of it; without them this says so and ends.
mod common;
use common::{Fastbreak, text};
use rusqlite::Connection;
use std::path::Path;

/// Season, games, player-games.
const SEASONS: [(&str, i64, i64); 7] = [
    ("2018-19", 1230, 26_101),
    ("2019-20", 1059, 22_393),
    ("2020-21", 1080, 23_054),
    ("2021-22", 1230, 26_039),
    ("2022-23", 1230, 25_895),
    ("2023-24", 1230, 26_401),
    ("2024-25", 1230, 26_306),
];

#[test]
fn seven_real_seasons_run_without_a_reject_and_every_candidate_has_one_eligibility() {
    let events = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/events");
    if !events.exists() {
        return println!("skipped: no seasons at {}", events.display());
    }
    let run = Fastbreak::new();
    for (season, ..) in SEASONS {
        let message = run.json(&["ingest", text(&events.join(format!("{season}.jsonl.zst")))]);
        assert_eq!(
            (message["dead_letters"].as_u64(), message["known"].as_u64()),
            (Some(0), Some(0)),
            "{season}"
        );
    }
    run.catch_up();

    let audit = run.json(&["audit"]);
    assert_eq!(audit["balanced"], true, "{audit:#}");
    let of = |processor: &str, field: &str| -> i64 {
        let list = audit["processors"].as_array().expect("a list");
        let found = list.iter().find(|p| p["processor"] == processor).expect("a processor");
        found[field].as_i64().expect("a number")
    };
    for loader in ["schedule-loader", "box-score-loader", "odds-loader"] {
        assert_eq!((of(loader, "rejected"), of(loader, "rows_bad")), (0, 0), "{loader}");
    }
    let parked = audit["parked"].as_array().expect("a list");
    assert_eq!(
        (parked.len(), of("markets", "parked")),
        (71, 147),
        "only quotes of the 71 games without a schedule"
    );
    assert!(
        parked.iter().all(|p| p["key"].as_str().is_some_and(|key| key.starts_with("fixture "))),
        "no name is unresolved"
    );
    assert_eq!((of("games", "parked"), of("team-form", "parked")), (0, 0));

    let db = Connection::open(run.folder.path().join("warehouse.db")).expect("the warehouse");
    let count = |sql: &str| -> i64 { db.query_row(sql, [], |row| row.get(0)).expect(sql) };
    for (season, games, player_games) in SEASONS {
        let of = |what: &str| {
            count(&format!(
                "SELECT count({what}) FROM player_games WHERE season = '{season}' AND deleted = 0"
            ))
        };
        assert_eq!((of("DISTINCT game_id"), of("*")), (games, player_games), "{season}");
    }
    assert_eq!(count("SELECT count(*) FROM player_games WHERE deleted = 0"), 176_189);
    let rows = |name: &str| -> i64 {
        let list = audit["topics"].as_array().expect("a list");
        list.iter().find(|t| t["name"] == name).and_then(|t| t["rows"].as_i64()).expect("a table")
    };
    assert_eq!(rows("ml.slate-entries.v1"), count("SELECT count(*) FROM player_slate WHERE deleted = 0"));
    assert_eq!(rows("core.games.v1"), 8_289);
    assert_eq!(
        count(
            "SELECT count(*) FROM player_slate WHERE deleted = 0 AND (status IS NULL OR status = 'unknown')"
        ),
        0
    );

    // The postponed game was predicted once, for the evening it was played.
    let postponed = "FROM player_slate WHERE game_id = '0022300576' AND deleted = 0";
    assert_eq!(count(&format!("SELECT count(DISTINCT game_date) {postponed}")), 1);
    let date: String =
        db.query_row(&format!("SELECT max(game_date) {postponed}"), [], |row| row.get(0)).expect("a date");
    assert_eq!(date, "2024-02-15");
    assert!(
        count(&format!("SELECT count(*) {postponed} AND status = 'predicted' AND basis = 'issued'")) > 10
    );

    // The final score of each of the 16,578 team-games is the sum of its players' points.
    let (mut team_games, mut wrong) = (0, Vec::new());
    let mut log = runtime::embedded::EmbeddedLog::open(run.folder.path()).expect("the log");
    for game in fastbreak::inspect::table(&mut log, &topics::GAMES, |_| true).expect("the games") {
        for (points, of_players) in
            [(game.home_points, game.home_box_points), (game.away_points, game.away_box_points)]
        {
            team_games += 1;
            if points != Some(of_players) {
                wrong.push(game.game);
            }
        }
    }
    assert_eq!((team_games, wrong), (16_578, vec![]));

    // Nothing in a rule system's error says that it saw the future, and the blend is as good as its parts allow.
    let grades = run.json(&["grade", "--season", "2024-25"]);
    let row = |system: &str| {
        grades["rows"]
            .as_array()
            .and_then(|rows| rows.iter().find(|r| r["system"] == system))
            .expect("a row")
            .clone()
    };
    let n = row("moving_average")["n"].as_i64().expect("n");
    assert!((18_150..=18_280).contains(&n), "{n}");
    assert!(row("moving_average")["mae"].as_f64().expect("MAE") <= 5.13);
    for system in ["moving_average", "zone_matchup_v1", "similarity_balanced_v1", "ensemble_v1"] {
        assert!(row(system)["mae"].as_f64().expect("MAE") > 4.95, "{system} knows what it cannot");
    }
    assert!(row("learned_v1")["n"].is_null(), "no artifact is installed");
    let late =
        "SELECT count(*) FROM player_slate WHERE deleted = 0 AND basis = 'issued' AND known_at >= tip_off";
    assert_eq!(count(late), 0, "an issued row knew only what was known by tip-off");
}
