//! Payloads with the box score of one game, and tests of their quirks: which are final, who did not play, and which date a game has.
//!
//! Invariant: payloads are written by hand; a test whose real payloads are missing is skipped and prints the missing path.
//! Not here: random changes of the payloads (`laws`), the number of rows in real payloads (`real`).
use crate::payloads::{box_scores, names, payload_for, raw};
use processors::loader::{Loaded, Observation, load};
use schemas::{
    ids::PlayerId,
    observation::{BoxMember, BoxScoreObservation},
    raw::{Feed, FetchOutcome, RawEvent, RejectCode},
    team::Team,
    units::PlayingTime,
};
use serde_json::{Value, json};

/// The request key of a payload that does not state the date of its game.
pub const KEY_WITH_DATE: &str = "0022300577/2024-01-17";

/// Returns the other layouts of the feeds with several layouts.
pub fn other_layouts() -> Vec<(Feed, Value)> {
    vec![
        (Feed::NbacomBoxscore, traditional()),
        (Feed::NbacomBoxscore, tables()),
        (Feed::EspnBoxscore, espn_lists_by_team()),
    ]
}

fn nbacom_statistics(minutes: &str, points: i64) -> Value {
    json!({
        "minutes": minutes, "fieldGoalsMade": points / 2, "fieldGoalsAttempted": points, "threePointersMade": 0,
        "threePointersAttempted": 0, "freeThrowsMade": 0, "freeThrowsAttempted": 0, "reboundsOffensive": points / 10,
        "reboundsDefensive": points / 5, "reboundsTotal": points / 10 * 3, "assists": 0, "steals": 0, "blocks": 0, "turnovers": 0,
        "foulsPersonal": 0, "points": points, "plusMinusPoints": (points / 2) as f64
    })
}
/// Returns the layout of cdn.nba.com.
pub fn live_layout() -> Value {
    let player = |id: i64, name: &str, played: &str, minutes: &str, points: i64| {
        json!({
            "status": "ACTIVE", "personId": id, "name": name, "played": played, "starter": "1",
            "statistics": nbacom_statistics(minutes, points)
        })
    };
    json!({"meta": {"version": 1}, "game": {
        "gameId": "0022300577", "gameStatus": 3, "gameStatusText": "Final", "gameEt": "2024-01-17T19:30:00-05:00",
        "homeTeam": {"teamTricode": "BOS", "players": [player(101, "Ann Archer", "1", "PT34M12.00S", 10)]},
        "awayTeam": {"teamTricode": "NYK", "players": [player(102, "Bea Baker", "0", "PT00M00.00S", 0)]}
    }})
}
fn traditional() -> Value {
    let player = |id: i64, last: &str, minutes: &str, points: i64| {
        json!({
            "personId": id, "firstName": "Ann", "familyName": last, "comment": "", "statistics": nbacom_statistics(minutes, points)
        })
    };
    json!({"meta": {"version": 1, "time": "2024-01-17T22:10:00.0Z"}, "boxScoreTraditional": {
        "gameId": "0022300577",
        "homeTeam": {
            "teamTricode": "BOS", "players": [player(101, "Archer", "34:12", 10)],
            "statistics": nbacom_statistics("240:00", 112)
        },
        "awayTeam": {
            "teamTricode": "NYK", "players": [player(102, "Baker", "", 0)], "statistics": nbacom_statistics("240:00", 104)
        }
    }})
}
fn tables() -> Value {
    let played = json!([
        "0022300577",
        1_610_612_738,
        "BOS",
        101,
        "Ann Archer",
        "",
        "34:12",
        4,
        8,
        1,
        2,
        2,
        2,
        1,
        3,
        5,
        1,
        0,
        2,
        3,
        11,
        -5
    ]);
    let mut absent = json!(["0022300577", 1_610_612_752, "NYK", 102, "Bea Baker", "DNP - Coach's Decision"]);
    absent.as_array_mut().unwrap().resize(22, Value::Null);
    json!({"resource": "boxscore", "parameters": {"GameID": "0022300577"}, "resultSets": [
        {"name": "PlayerStats", "headers": [
            "GAME_ID", "TEAM_ID", "TEAM_ABBREVIATION", "PLAYER_ID", "PLAYER_NAME", "COMMENT", "MIN", "FGM", "FGA", "FG3M", "FG3A",
            "FTM", "FTA", "OREB", "DREB", "AST", "STL", "BLK", "TO", "PF", "PTS", "PLUS_MINUS"
        ], "rowSet": [played, absent]},
        {"name": "TeamStats", "headers": ["GAME_ID", "TEAM_ABBREVIATION", "MIN", "PTS"], "rowSet": [
            ["0022300577", "BOS", "240:00", 112], ["0022300577", "NYK", "240:00", 104]
        ]},
        {"name": "TeamStarterBenchStats", "headers": [], "rowSet": []}
    ]})
}
pub fn gamebook() -> Value {
    let stats = json!({
        "minutes": "34:12", "field_goals_made": 4, "field_goals_attempted": 8, "three_pointers_made": 1,
        "three_pointers_attempted": 2, "free_throws_made": 2, "free_throws_attempted": 2, "offensive_rebounds": 1,
        "defensive_rebounds": 3, "total_rebounds": 4, "assists": 5, "personal_fouls": 3, "steals": 1, "turnovers": 2,
        "blocks": 0, "plus_minus": -5, "points": 11
    });
    json!({
        "game_code": "20240117/NYKBOS", "date": "2024-01-17", "matchup": "NYK@BOS", "away_team": "NYK", "home_team": "BOS",
        "active_players": [{"name": "Ann Archer", "team": "Boston Celtics", "status": "active", "stats": stats}],
        "dnp_players": [{"name": "Bea Baker", "team": "NEW YORK KNICKS", "dnp_reason": "DNP - Coach's Decision"}],
        "inactive_players": [{"name": "Carter", "team": "Boston Celtics", "reason": "Rest"}]
    })
}
fn espn_player(name: &str, team: Option<&str>, stats: Value) -> Value {
    let mut player = json!({"playerId": "9", "playerName": name, "stats": stats});
    if let Some(team) = team {
        player["team"] = json!(team);
    }
    player
}
fn espn_texts() -> Value {
    json!(["34", "4-8", "1-2", "2-2", "1", "3", "4", "5", "1", "0", "2", "3", "+5", "11"])
}
pub fn espn_boxscore() -> Value {
    json!({
        "game_id": "401", "gamedate": "2024-01-17", "teams": {"away": "NY", "home": "BOS"},
        "players": [espn_player("Ann Archer", Some("BOS"), espn_texts()), espn_player("Bea Baker", Some("NY"), json!([]))]
    })
}
fn espn_lists_by_team() -> Value {
    json!({
        "BOS": [espn_player("Ann Archer", None, espn_texts())], "NY": [espn_player("Bea Baker", None, json!([]))],
        "game_id": "401", "gamedate": "2024-01-17", "timestamp": "2024-01-18T05:30:14.846657+00:00"
    })
}
pub fn espn_summary() -> Value {
    let side = |team: &str, name: &str, did_not_play: bool, stats: Value| {
        json!({"team": {"abbreviation": team}, "statistics": [{
            "keys": [
                "points", "fieldGoalsMade-fieldGoalsAttempted", "threePointFieldGoalsMade-threePointFieldGoalsAttempted",
                "freeThrowsMade-freeThrowsAttempted", "rebounds", "assists", "turnovers", "steals", "blocks",
                "offensiveRebounds", "defensiveRebounds", "fouls", "minutes", "plusMinus"
            ],
            "athletes": [{"athlete": {"id": "9", "displayName": name}, "didNotPlay": did_not_play, "stats": stats}]
        }]})
    };
    let texts = json!(["11", "4-8", "1-2", "2-2", "4", "5", "2", "1", "0", "1", "3", "3", "34", "-5"]);
    json!({
        "boxscore": {"players": [
            side("BOS", "Ann Archer", false, texts), side("NY", "Bea Baker", true, json!([]))
        ]},
        "header": {"competitions": [{
            "date": "2024-01-18T00:30Z", "status": {"type": {"state": "post", "completed": true}},
            "competitors": [{"team": {"abbreviation": "BOS"}}, {"team": {"abbreviation": "NY"}}]
        }]}
    })
}

fn event(feed: Feed, key: &str, fetched_at: &str, payload: &Value) -> RawEvent {
    let fetched_at = fetched_at.parse().unwrap();
    RawEvent::new(feed, key.to_owned(), fetched_at, FetchOutcome::Complete, payload.to_string())
}
/// Loads a payload that was fetched at eleven in the evening of its game.
fn in_the_evening(feed: Feed, payload: &Value) -> Loaded {
    load(&event(feed, KEY_WITH_DATE, "2024-01-18T04:00:00Z", payload)).unwrap()
}
fn are_final(loaded: &Loaded) -> Vec<bool> {
    box_scores(loaded).iter().map(|list| list.is_final).collect()
}

#[test]
fn every_layout_of_a_game_has_its_date_its_teams_the_minutes_and_who_did_not_play() {
    let all = [Feed::NbacomBoxscore, Feed::NbacomGamebook, Feed::EspnBoxscore, Feed::EspnSummary]
        .map(|feed| (feed, payload_for(feed)));
    for (feed, payload) in all.into_iter().chain(other_layouts()) {
        let loaded = load(&event(feed, KEY_WITH_DATE, "2024-01-18T17:00:00Z", &payload)).unwrap();
        assert_eq!((&loaded.bad_rows[..], loaded.rows), (&[][..], 2), "{feed}");
        let [home, away] = box_scores(&loaded)[..] else { panic!("{feed}: not two lists") };
        assert_eq!((home.team, home.opponent, away.team), (Team::BOS, Team::NYK, Team::NYK), "{feed}");
        assert_eq!(home.date.to_string(), "2024-01-17", "{feed}");
        assert!(home.complete && home.is_final && away.complete && away.is_final, "{feed}");
        let played = home.members[0].stats.unwrap();
        let seconds = if feed.source() == schemas::raw::Source::Espn { 2040 } else { 2052 };
        assert_eq!(played.playing_time, PlayingTime(seconds), "{feed}");
        assert_eq!(away.members[0].stats, None, "{feed}");
        // The names of a source that lacks nba.com's ids are looked up.
        assert_eq!(home.game.is_some(), home.members[0].player.nba.is_some(), "{feed}");
        let is_lookup = names(&loaded).iter().any(|names| names.scope.is_some());
        assert_eq!(is_lookup, home.game.is_none(), "{feed}");
    }
}
#[test]
fn a_game_that_is_not_over_is_live_and_one_that_has_not_started_is_out_of_scope() {
    let mut live = live_layout();
    live["game"]["gameStatus"] = json!(2);
    // No player of the other team has played yet.
    assert_eq!(are_final(&in_the_evening(Feed::NbacomBoxscore, &live)), [false]);
    live["game"]["gameStatus"] = json!(1);
    let loaded = in_the_evening(Feed::NbacomBoxscore, &live);
    assert_eq!((loaded.rows_out_of_scope, loaded.observations.len()), (2, 0));

    let mut summary = espn_summary();
    summary["header"]["competitions"][0]["status"]["type"] = json!({"state": "in", "completed": false});
    assert_eq!(are_final(&in_the_evening(Feed::EspnSummary, &summary)), [false]);
    summary["header"]["competitions"][0]["status"]["type"] = json!({"state": "pre", "completed": false});
    summary["boxscore"] = json!({});
    assert_eq!(in_the_evening(Feed::EspnSummary, &summary), Loaded::default());
}
#[test]
fn a_game_in_which_nobody_has_played_does_not_count_as_played_whatever_its_status() {
    let finals = |loaded: &Loaded| {
        loaded.observations.iter().filter(|any| matches!(any, Observation::FinalBoxScore(_))).count()
    };
    let mut payload = live_layout();
    assert_eq!(finals(&in_the_evening(Feed::NbacomBoxscore, &payload)), 1);
    payload["game"]["homeTeam"]["players"] = payload["game"]["awayTeam"]["players"].clone();
    assert_eq!(finals(&in_the_evening(Feed::NbacomBoxscore, &payload)), 0);
}
#[test]
fn without_a_status_a_game_is_over_by_its_totals_or_on_a_later_morning() {
    for (_, mut payload) in other_layouts().into_iter().filter(|(feed, _)| *feed == Feed::NbacomBoxscore) {
        assert_eq!(are_final(&in_the_evening(Feed::NbacomBoxscore, &payload)), [true, true]);
        let minutes = ["/boxScoreTraditional/awayTeam/statistics/minutes", "/resultSets/1/rowSet/1/2"];
        let minutes = minutes.into_iter().find(|pointer| payload.pointer(pointer).is_some()).unwrap();
        *payload.pointer_mut(minutes).unwrap() = json!("231:40");
        assert_eq!(are_final(&in_the_evening(Feed::NbacomBoxscore, &payload)), [false]);
        let later =
            load(&event(Feed::NbacomBoxscore, KEY_WITH_DATE, "2024-01-18T11:00:00Z", &payload)).unwrap();
        assert_eq!(are_final(&later), [true, true]);
    }
    assert_eq!(are_final(&in_the_evening(Feed::EspnBoxscore, &espn_boxscore())), [false]);
    assert_eq!(are_final(&in_the_evening(Feed::EspnBoxscore, &espn_lists_by_team())), [false]);
}
#[test]
fn a_payload_without_date_is_rejected_if_its_key_has_none_and_the_reason_says_what_to_do() {
    for (feed, payload) in other_layouts().into_iter().filter(|(feed, _)| *feed == Feed::NbacomBoxscore) {
        let reject = load(&event(feed, "0022300577", "2024-01-18T17:00:00Z", &payload)).unwrap_err();
        assert_eq!(reject.code, RejectCode::BadPayload);
        assert!(reject.reason.contains("0022300577/2024-01-17"), "{}", reject.reason);
    }
}
#[test]
fn preseason_is_out_of_scope_and_a_contradiction_in_a_row_is_a_bad_row() {
    let mut preseason = live_layout();
    preseason["game"]["gameId"] = json!("0012300001");
    assert_eq!(in_the_evening(Feed::NbacomBoxscore, &preseason).rows_out_of_scope, 2);

    let reason = |feed: Feed, pointer: &str, value: Value| {
        let mut payload = payload_for(feed);
        *payload.pointer_mut(pointer).unwrap() = value;
        let loaded = load(&raw(feed, FetchOutcome::Complete, payload.to_string())).unwrap();
        let incomplete: Vec<Team> =
            box_scores(&loaded).into_iter().filter(|list| !list.complete).map(|list| list.team).collect();
        (loaded.bad_rows[0].reason.clone(), incomplete)
    };
    let played = reason(Feed::NbacomBoxscore, "/game/homeTeam/players/0/played", json!("0"));
    assert_eq!(played.0, "played: found \"0\", expected \"1\", or \"0\" for a player without statistics");
    let points = reason(Feed::EspnBoxscore, "/players/0/stats/13", json!("12"));
    assert_eq!(points.0, "PTS: found 12, expected 11, the points of the shots made");
    let rebounds =
        reason(Feed::EspnSummary, "/boxscore/players/0/statistics/0/athletes/0/stats/4", json!("5"));
    assert_eq!(rebounds.0, "REB: found 5, expected 4, the sum of OREB and DREB");
    let team = reason(Feed::NbacomGamebook, "/active_players/0/team", json!("Utah Jazz"));
    assert_eq!(
        team,
        ("team: found \"Utah Jazz\", expected one of the two teams of the game".to_owned(), vec![Team::NYK])
    );
}

/// A player's team, nba.com's id, and the seconds, points and plus-minus if the player has played.
type RealLine = (Team, Option<PlayerId>, Option<(i32, i32, Option<i32>)>);

/// Returns the line of a player in the real payloads of a feed.
fn real_line(lists: &[BoxScoreObservation], name: &str) -> RealLine {
    let members = lists.iter().flat_map(|list| list.members.iter().map(move |member| (list.team, member)));
    let (team, BoxMember { player, stats }) = members
        .into_iter()
        .find(|(_, member)| member.player.name == name)
        .unwrap_or_else(|| panic!("no {name}"));
    (team, player.nba, stats.map(|stats| (stats.playing_time.0, stats.points, stats.plus_minus)))
}

#[test]
fn the_lines_of_real_payloads_are_those_that_the_sources_show() {
    let samples = crate::real::loaded_samples();
    if samples.is_empty() {
        return;
    }
    let lists = |feed: Feed| -> Vec<BoxScoreObservation> {
        let of_feed = samples.iter().filter(|(sample, _)| *sample == feed);
        of_feed.flat_map(|(_, loaded)| box_scores(loaded).into_iter().cloned()).collect()
    };
    let nbacom = lists(Feed::NbacomBoxscore);
    assert!(nbacom.iter().all(|list| list.is_final && list.complete));
    let id = |id| Some(PlayerId(id));
    for (name, expected) in [
        ("Joe Harris", (Team::BKN, id(203_925), Some((1246, 10, Some(21))))),
        ("Nicolas Claxton", (Team::BKN, id(1_629_651), None)),
        ("Brandon Ingram", (Team::TOR, id(1_627_742), Some((1849, 13, Some(17))))),
        ("Mikal Bridges", (Team::NYK, id(1_628_969), Some((6, 0, Some(0))))),
        ("Ziaire Williams", (Team::BKN, id(1_630_533), None)),
        ("Josh Hart", (Team::NYK, id(1_628_404), Some((2965, 10, Some(10))))),
        ("Matt Ryan", (Team::NYK, id(1_630_346), None)),
    ] {
        assert_eq!(real_line(&nbacom, name), expected, "{name}");
    }
    let gamebooks = lists(Feed::NbacomGamebook);
    assert_eq!(real_line(&gamebooks, "GG Jackson"), (Team::MEM, None, Some((2142, 22, Some(-13)))));
    assert_eq!(real_line(&gamebooks, "Kevin Durant").0, Team::BKN);
    assert_eq!(real_line(&gamebooks, "Tristan Thompson"), (Team::CLE, None, None));
    let espn = lists(Feed::EspnBoxscore);
    assert_eq!(real_line(&espn, "Joel Embiid"), (Team::PHI, None, Some((1860, 41, Some(7)))));
    assert_eq!(real_line(&espn, "Boban Marjanovic"), (Team::HOU, None, None));
    let summaries = lists(Feed::EspnSummary);
    assert_eq!(summaries[0].date.to_string(), "2025-11-15");
    assert_eq!(
        real_line(&summaries, "Shai Gilgeous-Alexander"),
        (Team::OKC, None, Some((1740, 33, Some(21))))
    );
    assert_eq!(real_line(&summaries, "Grant Williams"), (Team::CHA, None, None));
}
