//! Processes seven recorded seasons with the binary. They are not in the repository; without them the tests are skipped with a message.
//!
//! Invariant: no record is rejected, every candidate has one eligibility, and issued rows use only what was known before the tip-off. Whoever
//! was quoted for a scheduled game has a row or is parked by name.
//! Not here: simulated seasons (`processes`).
#![allow(clippy::expect_used, clippy::print_stderr)]
mod common;
use common::{Fastbreak, text};
use runtime::inspect;
use runtime_embedded::EmbeddedLog;
use rusqlite::Connection;
use schemas::{EasternDate, GameId, Matchup, Team, Timestamp, game::Game};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

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

/// Returns the folder with the recorded seasons; `None` if it does not exist.
fn recorded() -> Option<PathBuf> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    if !data.exists() {
        eprintln!("skipped: there are no recorded seasons at {}", data.display());
    }
    data.exists().then_some(data)
}

#[test]
fn seven_recorded_seasons_run_without_a_reject_and_every_candidate_has_one_eligibility() {
    let Some(events) = recorded().map(|data| data.join("events")) else { return };
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
    assert_eq!((number("games", "parked"), number("memberships", "parked")), (0, 0));
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

/// One row of a table of quotes: the offer of one book for one player, with the id of the player.
struct RecordedQuote {
    event: String,
    commences_at: Timestamp,
    updated_at: Option<Timestamp>,
    date: EasternDate,
    teams: [Team; 2],
    name: String,
    player: Option<u32>,
    book: String,
    line: f64,
    /// The prices of over and under.
    prices: [Option<f64>; 2],
}
impl RecordedQuote {
    fn read(path: &Path) -> Vec<RecordedQuote> {
        let bytes = zstd::decode_all(std::fs::File::open(path).expect("a table")).expect("zstd");
        let text = String::from_utf8(bytes).expect("text");
        let mut lines = text.lines();
        let columns: Vec<&str> = lines.next().expect("a header").split(',').collect();
        lines.map(|line| RecordedQuote::of_row(&columns, &line.split(',').collect::<Vec<_>>())).collect()
    }
    fn of_row(columns: &[&str], cells: &[&str]) -> RecordedQuote {
        let cell = |name: &str| cells[columns.iter().position(|column| *column == name).expect(name)];
        RecordedQuote {
            event: cell("event_id").to_owned(),
            commences_at: cell("commence_utc").parse().expect("a time"),
            updated_at: cell("last_update_utc").parse().ok(),
            date: cell("game_date").parse().expect("a date"),
            teams: ["home", "away"].map(|side| cell(side).parse().expect("a team")),
            name: cell("player_raw").to_owned(),
            player: cell("player_id").parse().ok(),
            book: cell("book").to_owned(),
            line: cell("line").parse().expect("a line"),
            prices: ["over_price", "under_price"].map(|side| cell(side).parse().ok()),
        }
    }
}

/// Makes odds events of recorded quotes, one per event, which an hour before the tip-off list what was updated an hour earlier.
fn odds_events(quotes: &[RecordedQuote]) -> Vec<String> {
    const HOUR_MS: i64 = 3_600_000;
    let mut events: BTreeMap<&str, BTreeMap<&str, Vec<&RecordedQuote>>> = BTreeMap::new();
    for quote in quotes {
        events.entry(&quote.event).or_default().entry(&quote.book).or_default().push(quote);
    }
    let event = |(id, books): (&str, BTreeMap<&str, Vec<&RecordedQuote>>)| {
        let first = *books.values().flatten().next().expect("a quote");
        let [fetched_at, updated_at] =
            [1, 2].map(|hours| Timestamp(first.commences_at.0 - hours * HOUR_MS).to_string());
        let [home, away] = first.teams.map(|team| format!("{} {}", team.city(), team.name()));
        let books = books.into_iter().map(|(book, quotes)| {
            let outcomes: Vec<Value> = quotes.into_iter().flat_map(outcomes).collect();
            let market = json!({"key": "player_points", "last_update": updated_at, "outcomes": outcomes});
            json!({"key": book, "title": book, "markets": [market]})
        });
        json!({
            "source": "oddsapi", "feed": "event-odds", "key": id, "fetched_at": fetched_at,
            "payload": {
                "id": id, "sport_key": "basketball_nba", "commence_time": first.commences_at.to_string(),
                "home_team": home, "away_team": away, "bookmakers": books.collect::<Vec<_>>(),
            },
        })
        .to_string()
    };
    events.into_iter().map(event).collect()
}

fn outcomes(quote: &RecordedQuote) -> impl Iterator<Item = Value> {
    let sides = ["Over", "Under"].into_iter().zip(quote.prices);
    sides.filter_map(move |(side, price)| {
        Some(json!({"name": side, "description": quote.name, "price": price?, "point": quote.line}))
    })
}

/// The recorded quotes of one season: the table with the ids of the players, whether its odds are among the events of the season, and a lower
/// bound of the number of quoted players of scheduled games.
const QUOTED: [(&str, &str, bool, usize); 2] = [
    ("2023-24", "props_points_2024-03_2024-05_btam.csv.zst", true, 2_700),
    ("2024-25", "props_points_2024-10_2025-01_dfs_spon7ge.csv.zst", false, 6_200),
];

#[test]
fn whoever_was_quoted_for_a_scheduled_game_of_two_recorded_seasons_has_a_row_or_is_parked_by_name() {
    let Some(data) = recorded() else { return };
    let run = Fastbreak::new();
    let tables = QUOTED.map(|(season, table, has_events, at_least)| {
        run.json(&["ingest", text(&data.join("events").join(format!("{season}.jsonl.zst")))]);
        let quotes = RecordedQuote::read(&data.join("tables").join(table));
        if !has_events {
            assert_eq!(run.ingest(&odds_events(&quotes))["dead_letters"], 0);
        }
        (season, quotes, at_least)
    });
    run.catch_up();
    let audit = run.json(&["audit"]);
    assert_eq!(audit["balanced"], true, "{audit:#}");
    let parked = parked_names(&audit);
    let warehouse = Warehouse::open(&run);
    let mut log = EmbeddedLog::open(run.folder.path()).expect("the log");
    let games = inspect::table(&mut log, &topics::GAMES, |_| true).expect("the games");
    for (season, quotes, at_least) in tables {
        let (mut with_row, mut retrospective, mut parked_only) = (0, 0, 0);
        for ((player, game, date), names) in quoted_players(&quotes, &games) {
            let row = format!("player_id = {player} AND game_id = '{game}' AND game_date = '{date}'");
            let of_row = |condition: &str| warehouse.count("*", "player_slate", &format!("{row}{condition}"));
            let is_parked = names.iter().any(|name| parked.contains(name));
            assert!(of_row("") == 1 || is_parked, "{season}: {names:?} has no row where {row}");
            *if of_row("") == 1 { &mut with_row } else { &mut parked_only } += 1;
            retrospective += usize::from(of_row(" AND basis = 'retrospective'") == 1);
        }
        eprintln!(
            "{season}: {with_row} have a row, {retrospective} of them retrospective; {parked_only} are parked"
        );
        assert!(with_row + parked_only >= at_least, "{season}");
    }
}

/// Returns the names that are parked, because they refer to no player.
fn parked_names(audit: &Value) -> BTreeSet<String> {
    let keys = audit["parked"].as_array().expect("a list").iter().filter_map(|item| item["key"].as_str());
    let name = |key: &str| Some(key.strip_prefix("name '")?.rsplit_once("' (")?.0.to_owned());
    keys.filter_map(name).collect()
}

/// The spellings under which a player was quoted for a game on a date.
type QuotedPlayers = BTreeMap<(u32, GameId, EasternDate), BTreeSet<String>>;

/// Returns every player whom a book quoted before the tip-off of a scheduled game.
fn quoted_players(quotes: &[RecordedQuote], games: &[Game]) -> QuotedPlayers {
    let mut by_date: BTreeMap<(EasternDate, Matchup), (GameId, Timestamp)> = BTreeMap::new();
    for game in games {
        for date in game.dates.iter().filter(|date| date.stands()) {
            let matchup = Matchup::new(date.home, date.away).expect("two teams");
            by_date.insert((date.date, matchup), (game.game, date.tip_off));
        }
    }
    let mut quoted = QuotedPlayers::new();
    for quote in quotes {
        let matchup = Matchup::new(quote.teams[0], quote.teams[1]).expect("two teams");
        let Some((game, tip_off)) = by_date.get(&(quote.date, matchup)) else { continue };
        let is_before = quote.updated_at.is_none_or(|updated_at| updated_at < *tip_off);
        if let Some(player) = quote.player.filter(|_| is_before) {
            quoted.entry((player, *game, quote.date)).or_default().insert(quote.name.clone());
        }
    }
    quoted
}
