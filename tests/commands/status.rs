//! `status`: games whose tip-off has passed without a result, and quoted names that refer to no player.
//!
//! Invariant: whether a tip-off has passed depends on the log alone, so the test gives the same result at any time.
//! Not here: folders that cannot be written (`read_only`), void rows (`tests/laws/cases`).
use crate::{
    common::Fastbreak,
    support::{fastbreak, run},
};
use serde_json::{Value, json};

/// The two games of the date, which tip off at midnight UTC of the next day.
const GAMES: [(&str, &str, &str); 2] = [("0022400201", "BOS", "NYK"), ("0022400202", "LAL", "DEN")];

/// A fetch of the schedule in which the first games have these final points, and the others none.
fn schedule(fetched_at: &str, finals: &[(i32, i32)]) -> String {
    let games = GAMES.iter().enumerate().map(|(index, (id, home, away))| {
        let points = finals.get(index);
        json!({
            "gameId": id, "gameStatus": if points.is_some() { 3 } else { 1 }, "gameStatusText": "7:00 pm ET",
            "gameDateEst": "2024-11-07T00:00:00Z", "gameDateTimeUTC": "2024-11-08T00:00:00Z",
            "postponedStatus": "N",
            "homeTeam": {"teamTricode": home, "score": points.map(|points| points.0)},
            "awayTeam": {"teamTricode": away, "score": points.map(|points| points.1)},
        })
    });
    let games: Vec<Value> = games.collect();
    json!({
        "source": "nbacom", "feed": "schedule", "key": "2024-25", "fetched_at": fetched_at,
        "payload": {"leagueSchedule": {"seasonYear": "2024-25", "gameDates": [{"gameDate": "", "games": games}]}},
    })
    .to_string()
}
/// Odds of the first game for one player whom nobody knows.
fn odds() -> String {
    let side = |name: &str| json!({"name": name, "description": "Zed Zero", "price": -110, "point": 9.5});
    let market = json!({
        "key": "player_points", "last_update": "2024-11-07T20:55:00Z", "outcomes": [side("Over"), side("Under")],
    });
    let payload = json!({
        "id": "e1", "sport_key": "basketball_nba", "commence_time": "2024-11-08T00:00:00Z",
        "home_team": "Boston Celtics", "away_team": "New York Knicks",
        "bookmakers": [{"key": "draftkings", "title": "draftkings", "markets": [market]}],
    });
    json!({
        "source": "oddsapi", "feed": "event-odds", "key": "e1", "fetched_at": "2024-11-07T21:00:00Z",
        "payload": payload,
    })
    .to_string()
}
/// Ingests and processes one event; returns the report and the text of `status`.
fn status_after(data: &Fastbreak, event: String) -> (Value, String) {
    data.ingest(&[event]);
    data.catch_up();
    let output = data.run(&["status", "2024-11-07"]);
    let report = serde_json::from_slice(&output.stdout).unwrap();
    // A final game has no box score here, which is a problem, so the exit code is not 0.
    let (_, text) = run(fastbreak(data.folder.path(), &["status", "2024-11-07"]));
    (report, text)
}

#[test]
fn a_game_without_result_is_counted_once_a_fact_is_known_that_is_newer_than_its_tip_off() {
    let data = Fastbreak::new();
    let (report, text) = status_after(&data, schedule("2024-11-07T12:00:00Z", &[]));
    assert_eq!(
        (&report["games_without_result"], &report["known_at"]),
        (&json!(0), &json!("2024-11-07T12:00:00Z"))
    );
    assert!(!text.contains("no result"), "{text}");
    assert_eq!(data.run(&["status", "2024-11-07"]).status.code(), Some(0), "an open game is no problem");
    let (report, text) = status_after(&data, schedule("2024-11-08T05:00:00Z", &[(110, 100)]));
    let without: Vec<&Value> =
        report["games"].as_array().unwrap().iter().filter(|game| game["is_without_result"] == true).collect();
    assert_eq!(report["games_without_result"], 1);
    assert_eq!(
        without.iter().map(|game| game["game_id"].as_str().unwrap()).collect::<Vec<_>>(),
        ["0022400202"]
    );
    let line = "1 game has no result although its tip-off has passed, as of 2024-11-08T05:00:00Z";
    assert!(text.lines().any(|text| text == line), "{text}");
    let (report, text) = status_after(&data, schedule("2024-11-09T05:00:00Z", &[(110, 100), (90, 91)]));
    assert_eq!(report["games_without_result"], 0, "{text}");
}

#[test]
fn a_quoted_name_that_refers_to_nobody_is_named_with_the_command_that_reviews_it() {
    let data = Fastbreak::new();
    data.ingest(&[schedule("2024-11-07T12:00:00Z", &[])]);
    let (report, text) = status_after(&data, odds());
    let names = json!([{"name": "Zed Zero", "teams": "BOS-NYK", "result": "unknown"}]);
    assert_eq!(report["names_without_player"], names);
    assert!(text.contains("Zed Zero") && text.contains("next: `fastbreak names review`"), "{text}");
    data.json(&["links", "Zed Zero", "--nobody"]);
    data.catch_up();
    assert_eq!(data.json(&["status", "2024-11-07"])["names_without_player"], json!([]));
}
