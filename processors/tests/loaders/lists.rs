//! Tests of the completeness of lists: a bad row makes only the list incomplete to which it belongs.
//!
//! Invariant: payloads are written by hand; each contains several lists with several rows.
//! Not here: rows that state no list or only a part of one, in all combinations (unit tests of the loader).
use crate::payloads::*;
use processors::loader::{Loaded, Observation};
use proptest::{prelude::*, sample::Index};
use schemas::{observation::InjuryObservation, raw::Feed, team::Team};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A row of a payload: where it is, to which list it belongs, and its parts. `identity` are the parts that state the list.
struct Row {
    pointer: String,
    list: String,
    identity: &'static [&'static str],
    other: &'static [&'static str],
}

/// Returns whether each list is complete, by its name.
fn completeness(loaded: &Loaded) -> BTreeMap<String, bool> {
    let mut lists = BTreeMap::new();
    let mut add = |list: String, complete: bool| *lists.entry(list).or_insert(true) &= complete;
    for observation in &loaded.observations {
        match observation {
            Observation::BoxScore(list) => add(list.team.to_string(), list.complete),
            Observation::Roster(list) => add(list.team.to_string(), list.complete),
            Observation::Injury(report) => {
                for team in report.matchup.teams() {
                    add(team.to_string(), report.complete && !report.incomplete_teams.contains(&team));
                }
            }
            Observation::Odds(event) => {
                for quote in &event.quotes {
                    let is_complete = !event.incomplete_books.contains(&quote.book) && quote.complete;
                    add(format!("{} {}", quote.book, quote.name), event.complete && is_complete);
                }
            }
            _ => {}
        }
    }
    lists
}

const TEAMS: [(&str, &str, &str); 4] = [
    ("BOS", "BOS vs. NYK", "0022300577"),
    ("NYK", "NYK @ BOS", "0022300577"),
    ("UTA", "UTA vs. GSW", "0022300576"),
    ("GSW", "GSW @ UTA", "0022300576"),
];
const BALLDONTLIE_IDS: [i64; 4] = [2, 20, 29, 10];
const PLAYERS: [&str; 3] = ["Archer", "Baker", "Cook"];

/// Returns one item per team and player, and the name of the list.
fn items(item: impl Fn(usize, &str) -> Value) -> Vec<(String, Value)> {
    let teams = TEAMS.iter().enumerate();
    let of_team = |(index, (team, ..)): (usize, &(&str, &str, &str))| {
        PLAYERS.map(|player| (team.to_string(), item(index, player)))
    };
    teams.flat_map(of_team).collect()
}

/// The shape of a payload with several lists.
struct Shape {
    /// The rows, each with the name of its list.
    items: Vec<(String, Value)>,
    path: &'static str,
    wrap: fn(Vec<Value>) -> Value,
    identity: &'static [&'static str],
    other: &'static [&'static str],
}

fn game_log() -> Shape {
    let items = items(|index, player| {
        let (team, matchup, game) = TEAMS[index];
        let id = 100 + i64::from(player.as_bytes()[0]);
        let mut row = log_row(id, player, team, matchup, json!(30));
        row[6] = json!(game);
        row
    });
    let (identity, other) =
        (&["/4", "/6", "/7", "/8"][..], &["/1", "/2", "/9", "/10", "/11", "/28", "/29"][..]);
    Shape { items, path: "/resultSets/0/rowSet", wrap: log_of, identity, other }
}
fn player_list() -> Shape {
    Shape {
        items: items(|index, player| json!([index * 10 + player.len(), player, "Ann", TEAMS[index].0, 1])),
        path: "/resultSets/0/rowSet",
        wrap: |rows| {
            let mut list = payload_for(Feed::NbacomPlayerList);
            list["resultSets"][0]["rowSet"] = Value::Array(rows);
            list
        },
        identity: &["/3"],
        other: &["/0", "/1", "/2", "/4"],
    }
}
fn injury_report() -> Shape {
    let items = items(|index, player| {
        let matchup = if index < 2 { "NYK@BOS" } else { "GSW@UTA" };
        let mut row = record(TEAMS[index].0, &format!("{player}, Ann"), "Out", "Rest");
        row["matchup"] = json!(matchup);
        row
    });
    Shape {
        items,
        path: "/records",
        wrap: |rows| json!({"metadata": {"gamedate": "20240118", "hour24": 11}, "records": rows}),
        identity: &["/date", "/matchup", "/team"],
        other: &["/player", "/status", "/reason"],
    }
}
fn stats() -> Shape {
    let items = items(|index, player| {
        let mut row = stats_row("Ann", player, "30", 2, 10);
        row["team"]["abbreviation"] = json!(TEAMS[index].0);
        let home = index / 2 * 2;
        row["game"]["home_team_id"] = json!(BALLDONTLIE_IDS[home]);
        row["game"]["visitor_team_id"] = json!(BALLDONTLIE_IDS[home + 1]);
        row
    });
    Shape {
        items,
        path: "/data",
        wrap: |rows| json!({ "data": rows }),
        identity: &["/game", "/game/date", "/game/home_team_id", "/team", "/team/abbreviation"],
        other: &["/min", "/pts", "/player", "/player/last_name", "/player/first_name"],
    }
}
fn event_odds() -> Shape {
    let lines = |player| [24.5, 25.5, 26.5].map(|line| (player, line));
    let item =
        |(player, line): (&str, f64)| (format!("draftkings {player}"), outcome("Over", player, -110.0, line));
    Shape {
        items: PLAYERS.into_iter().flat_map(lines).map(item).collect(),
        path: "/bookmakers/0/markets/0/outcomes",
        wrap: |rows| {
            let mut event = event("Boston Celtics", "New York Knicks", rows);
            let mut other = event["bookmakers"][0].clone();
            other["key"] = json!("fanduel");
            event["bookmakers"].as_array_mut().unwrap().push(other);
            event
        },
        identity: &["/description"],
        other: &["/name", "/price", "/point"],
    }
}

/// Returns a payload with several lists, and its rows.
fn crowded(feed: Feed) -> Option<(Value, Vec<Row>)> {
    let Shape { items, path, wrap, identity, other } = match feed {
        Feed::NbacomLeaguegamelog => game_log(),
        Feed::NbacomPlayerList => player_list(),
        Feed::NbacomInjuryReport => injury_report(),
        Feed::BalldontlieStats => stats(),
        Feed::OddsapiEventOdds => event_odds(),
        _ => return None,
    };
    let (lists, rows): (Vec<_>, Vec<_>) = items.into_iter().unzip();
    let rows_of = |(index, list)| Row { pointer: format!("{path}/{index}"), list, identity, other };
    Some((wrap(rows), lists.into_iter().enumerate().map(rows_of).collect()))
}

fn illegible() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(2.25),
        json!("?"),
        json!(""),
        json!("9999-12-31"),
        json!([]),
        json!({}),
    ])
}
fn feeds() -> impl Strategy<Value = Feed> {
    prop::sample::select(Feed::ALL.into_iter().filter(|feed| crowded(*feed).is_some()).collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn a_bad_row_never_changes_the_completeness_of_a_neighbouring_list(
        feed in feeds(),
        index in any::<Index>(),
        breakages in prop::collection::vec((any::<Index>(), illegible()), 1..3),
    ) {
        let (mut payload, rows) = crowded(feed).unwrap();
        let before = completeness(&decode(feed, &payload));
        prop_assert!(before.len() >= 4 && before.values().all(|complete| *complete));
        let row = index.get(&rows);
        for (part, value) in breakages {
            let pointer = format!("{}{}", row.pointer, part.get(row.other));
            if let Some(part) = payload.pointer_mut(&pointer) {
                *part = value;
            }
        }
        let loaded = decode(feed, &payload);
        let mut after = completeness(&loaded);
        let own = after.remove(&row.list);
        prop_assert!(after.values().all(|complete| *complete), "{after:?}");
        prop_assert!(loaded.bad_rows.is_empty() || own == Some(false), "{:?}", loaded.bad_rows);
        let mut others = before;
        others.remove(&row.list);
        prop_assert!(after.keys().eq(others.keys()));
    }

    #[test]
    fn the_list_of_a_bad_row_is_never_complete_even_if_the_row_does_not_state_its_list(
        feed in feeds(),
        index in any::<Index>(),
        breakages in prop::collection::vec((any::<Index>(), illegible()), 1..4),
    ) {
        let (mut payload, rows) = crowded(feed).unwrap();
        let row = index.get(&rows);
        let parts = [&[""], row.identity, row.other].concat();
        for (part, value) in breakages {
            let part = part.get(&parts);
            // Every text is a legible name of a player.
            let value = if *part == "/description" { json!(null) } else { value };
            if let Some(part) = payload.pointer_mut(&format!("{}{part}", row.pointer)) {
                *part = value;
            }
        }
        let loaded = decode(feed, &payload);
        let own = completeness(&loaded).remove(&row.list);
        prop_assert!(loaded.bad_rows.is_empty() || own == Some(false), "{:?}", loaded.bad_rows);
    }
}

#[test]
fn a_row_that_states_only_its_game_makes_both_teams_of_the_game_incomplete() {
    for (feed, part) in [
        (Feed::NbacomLeaguegamelog, "/4"),
        (Feed::BalldontlieStats, "/team"),
        (Feed::NbacomInjuryReport, "/team"),
    ] {
        let (mut payload, rows) = crowded(feed).unwrap();
        *payload.pointer_mut(&format!("{}{part}", rows[0].pointer)).unwrap() = json!(null);
        let lists = completeness(&decode(feed, &payload));
        let complete: Vec<_> = ["BOS", "NYK", "UTA", "GSW"].map(|team| lists[team]).to_vec();
        assert_eq!(complete, [false, false, true, true], "{feed}");
    }
}
#[test]
fn a_row_that_states_no_list_makes_all_lists_incomplete() {
    for feed in Feed::ALL {
        let Some((mut payload, rows)) = crowded(feed) else { continue };
        *payload.pointer_mut(&rows[0].pointer).unwrap() = json!("?");
        let lists = completeness(&decode(feed, &payload));
        // The other book of the odds is a list of its own.
        let expected = |list: &str| list.starts_with("fanduel");
        assert!(lists.iter().all(|(list, complete)| *complete == expected(list)), "{feed}: {lists:?}");
    }
}
#[test]
fn a_bad_player_of_a_box_score_makes_only_the_list_of_its_team_incomplete() {
    let mut payload = payload_for(Feed::BalldontlieBoxScores);
    payload["data"][0]["home_team"]["players"].as_array_mut().unwrap().push(json!({"player": null}));
    let loaded = decode(Feed::BalldontlieBoxScores, &payload);
    assert_eq!(loaded.bad_rows[0].reason, "player: found null, expected an object");
    let lists = completeness(&loaded);
    assert_eq!((lists["BOS"], lists["NYK"]), (false, true));
}
#[test]
fn a_bad_game_makes_no_other_game_incomplete_and_a_foreign_one_is_out_of_scope() {
    let complete = |game: Value| {
        let mut payload = payload_for(Feed::BalldontlieBoxScores);
        payload["data"].as_array_mut().unwrap().push(game);
        let loaded = decode(Feed::BalldontlieBoxScores, &payload);
        (loaded.bad_rows.len(), completeness(&loaded).into_values().all(|complete| complete))
    };
    let team = |code: &str| json!({"abbreviation": code, "players": []});
    let game = |home, visitor| json!({"date": "soon", "status": "Final", "home_team": team(home), "visitor_team": team(visitor)});
    assert_eq!(complete(game("UTA", "GSW")), (1, true));
    assert_eq!(complete(game("BOS", "NYK")), (1, false));
    assert_eq!(complete(json!({"home_team": team("MEL"), "visitor_team": 5})), (0, true));
    assert_eq!(complete(json!(null)), (1, false));
}

fn report(records: Vec<Value>) -> Loaded {
    let metadata = json!({"gamedate": "20240118", "hour24": 11});
    decode(Feed::NbacomInjuryReport, &json!({"metadata": metadata, "records": records}))
}
fn record(team: &str, player: &str, status: &str, reason: &str) -> Value {
    json!({
        "date": "01/18/2024", "matchup": "NYK@BOS", "team": team, "player": player, "status": status, "reason": reason
    })
}
fn only_report(loaded: &Loaded) -> &InjuryObservation {
    let [report] = injuries(loaded)[..] else { panic!("not exactly one report") };
    report
}

#[test]
fn a_team_that_has_not_submitted_its_list_is_no_dead_letter_and_leaves_the_other_list_complete() {
    for row in [
        record("NYK", "", "", "NOT YET SUBMITTED"),
        record("NYK", "", "Not Yet Submitted", ""),
        record("NYK", "NOT YET SUBMITTED", "", ""),
    ] {
        let loaded = report(vec![record("BOS", "Archer, Ann", "Out", "Rest"), row.clone(), row]);
        let report = only_report(&loaded);
        assert!(report.complete && report.incomplete_teams.is_empty());
        assert_eq!((report.members.len(), &report.not_submitted[..]), (1, &[Team::NYK][..]));
        assert_eq!((loaded.rows, loaded.rows_repeated, loaded.rows_emitted()), (3, 1, 2));
        assert_eq!(loaded.bad_rows, []);
    }
}
#[test]
fn a_report_without_any_list_is_published_for_its_game() {
    let loaded = report(["BOS", "NYK"].map(|team| record(team, "", "", "NOT YET SUBMITTED")).to_vec());
    let report = only_report(&loaded);
    assert_eq!((report.members.len(), &report.not_submitted[..]), (0, &[Team::BOS, Team::NYK][..]));
    assert_eq!((loaded.rows_emitted(), names(&loaded).len()), (2, 0));
}
#[test]
fn a_team_that_is_listed_and_not_submitted_is_an_incomplete_list() {
    let submitted = record("BOS", "Archer, Ann", "Out", "Rest");
    let loaded = report(vec![submitted, record("BOS", "", "", "NOT YET SUBMITTED")]);
    let report = only_report(&loaded);
    assert_eq!((report.members.len(), report.not_submitted.len(), report.complete), (1, 0, true));
    assert_eq!((&report.incomplete_teams[..], loaded.rows_repeated), (&[Team::BOS][..], 1));
}
#[test]
fn a_player_without_a_name_is_a_bad_row_unless_the_list_is_not_submitted() {
    let loaded = report(vec![
        record("BOS", "", "Out", "Rest"),
        record("BOS", "Archer, Ann", "Out", "NOT YET SUBMITTED"),
    ]);
    assert_eq!((loaded.bad_rows.len(), only_report(&loaded).members.len()), (1, 1));
    assert_eq!(only_report(&loaded).incomplete_teams, [Team::BOS]);
}
