//! A small valid payload of every feed, written by hand in the shape of its source.
//!
//! Invariant: each payload decodes without a bad row; people and numbers are invented.
//! Not here: broken payloads, which the tests derive from these.
use crate::single_games;
use processors::loader::{Loaded, Observation, Reject, load};
use schemas::raw::{Feed, FetchOutcome, RawEvent};
use serde_json::{Value, json};

/// Returns a raw event that was fetched at noon Eastern time on January 18, 2024.
pub fn raw(feed: Feed, outcome: FetchOutcome, payload: String) -> RawEvent {
    RawEvent::new(feed, "key".to_owned(), "2024-01-18T17:00:00Z".parse().unwrap(), outcome, payload)
}
pub fn try_decode(feed: Feed, payload: &Value) -> Result<Loaded, Reject> {
    load(&raw(feed, FetchOutcome::Complete, payload.to_string()))
}
pub fn decode(feed: Feed, payload: &Value) -> Loaded {
    try_decode(feed, payload).unwrap()
}

/// Returns the number of rows in all published lists; a game, a link or the statement that a list is not yet submitted counts as one row, a
/// quote without a line as none.
pub fn members(loaded: &Loaded) -> u64 {
    let thirtieths = |observation: &Observation| match observation {
        Observation::Game(_) => 30,
        Observation::BoxScore(list) => 30 * list.members.len(),
        Observation::Odds(list) => 30 * list.quotes.iter().filter(|quote| !quote.lines.is_empty()).count(),
        Observation::Injury(list) => 30 * (list.members.len() + list.not_submitted.len()),
        Observation::Roster(list) => 30 * list.members.len(),
        // They repeat what the box scores and quotes state.
        Observation::FinalBoxScore(_) | Observation::OddsEvent(_) | Observation::Names(_) => 0,
        // A link is published to thirty teams, so each copy counts as a thirtieth of a member.
        Observation::Link(_) => 1,
    };
    let thirtieths: usize = loaded.observations.iter().map(thirtieths).sum();
    assert_eq!(thirtieths % 30, 0);
    thirtieths as u64 / 30
}

macro_rules! pick {
    ($($name:ident: $variant:ident => $type:ty;)+) => {
        $(pub fn $name(loaded: &Loaded) -> Vec<&$type> {
            let observations = loaded.observations.iter();
            observations.filter_map(|any| match any { Observation::$variant(one) => Some(one), _ => None }).collect()
        })+
    };
}
pick! {
    games: Game => schemas::observation::GameObservation;
    box_scores: BoxScore => schemas::observation::BoxScoreObservation;
    odds: Odds => schemas::observation::OddsObservation;
    odds_events: OddsEvent => schemas::observation::OddsEventObservation;
    injuries: Injury => schemas::observation::InjuryObservation;
    rosters: Roster => schemas::observation::RosterObservation;
    names: Names => schemas::observation::NamesObservation;
    links: Link => schemas::observation::LinkObservation;
}

pub fn payload_for(feed: Feed) -> Value {
    match feed {
        Feed::NbacomSchedule => schedule(),
        Feed::NbacomLeaguegamelog => leaguegamelog(),
        Feed::NbacomPlayerList => player_list(),
        Feed::NbacomInjuryReport => injury_report(),
        Feed::BalldontlieStats => json!({
            "data": [stats_row("Ann", "Archer", "34:12", 2, 10), stats_row("Bea", "Baker", "00", 20, 0)],
            "meta": {"per_page": 100}
        }),
        Feed::NbacomBoxscore => single_games::live_layout(),
        Feed::NbacomGamebook => single_games::gamebook(),
        Feed::EspnBoxscore => single_games::espn_boxscore(),
        Feed::EspnSummary => single_games::espn_summary(),
        Feed::BalldontlieBoxScores | Feed::BalldontlieLiveBoxScores => json!({"data": [{
            "date": "2024-01-17", "status": "Final",
            "home_team": {"abbreviation": "BOS", "players": [player_row("Ann", "Archer", "34", 10)]},
            "visitor_team": {"abbreviation": "NYK", "players": [player_row("Bea", "Baker", "00", 0)]}
        }]}),
        Feed::EspnRoster => json!({"team": {"abbreviation": "GS", "athletes": [
            {"fullName": "Ann Archer", "dateOfBirth": "1996-10-24T07:00Z"},
            {"displayName": "Bea Baker"}
        ]}}),
        Feed::OddsapiEventOdds => historical_odds(),
        Feed::OperatorIdentityLinks => json!({"links": [
            {"spelling": "A. Archer", "player_id": 101},
            {"spelling": "B. Baker", "player_id": null}
        ]}),
    }
}

pub fn game(id: &str, home: &str, away: &str) -> Value {
    json!({
        "gameId": id, "gameStatus": 3, "gameStatusText": "Final", "gameDateEst": "2024-01-17T00:00:00Z",
        "gameDateTimeUTC": "2024-01-18T02:00:00Z", "postponedStatus": "N",
        "homeTeam": {"teamTricode": home, "score": 112}, "awayTeam": {"teamTricode": away, "score": 104}
    })
}
pub fn schedule_of(games: Vec<Value>) -> Value {
    json!({"leagueSchedule": {"seasonYear": "2023-24", "gameDates": [{"gameDate": "01/17/2024 00:00:00", "games": games}]}})
}
fn schedule() -> Value {
    schedule_of(vec![game("0022300576", "UTA", "GSW"), game("0022300577", "BOS", "NYK")])
}

pub fn log_row(player: i64, name: &str, team: &str, matchup: &str, minutes: Value) -> Value {
    json!([
        "22023",
        player,
        name,
        1,
        team,
        "Team",
        "0022300577",
        "2024-01-17",
        matchup,
        "W",
        minutes,
        4,
        8,
        0.5,
        1,
        2,
        0.5,
        2,
        2,
        1.0,
        1,
        3,
        4,
        5,
        1,
        0,
        2,
        3,
        11,
        -5,
        22.5,
        1
    ])
}
pub fn log_of(rows: Vec<Value>) -> Value {
    json!({"resource": "leaguegamelog", "resultSets": [{"name": "LeagueGameLog", "headers": [
        "SEASON_ID", "PLAYER_ID", "PLAYER_NAME", "TEAM_ID", "TEAM_ABBREVIATION", "TEAM_NAME", "GAME_ID", "GAME_DATE",
        "MATCHUP", "WL", "MIN", "FGM", "FGA", "FG_PCT", "FG3M", "FG3A", "FG3_PCT", "FTM", "FTA", "FT_PCT", "OREB", "DREB",
        "REB", "AST", "STL", "BLK", "TOV", "PF", "PTS", "PLUS_MINUS", "FANTASY_PTS", "VIDEO_AVAILABLE"
    ], "rowSet": rows}]})
}
fn leaguegamelog() -> Value {
    log_of(vec![
        log_row(101, "Ann Archer", "BOS", "BOS vs. NYK", json!(34)),
        log_row(102, "Bea Baker", "NYK", "NYK @ BOS", json!(0)),
    ])
}

fn player_list() -> Value {
    json!({"parameters": {"Season": "2023-24"}, "resultSets": [{"name": "PlayerIndex", "headers": [
        "PERSON_ID", "PLAYER_LAST_NAME", "PLAYER_FIRST_NAME", "TEAM_ABBREVIATION", "ROSTER_STATUS"
    ], "rowSet": [
        [101, "Archer", "Ann", "BOS", 1.0],
        [102, "Baker", "", "BOS", 1.0],
        [77, "Gone", "Long", null, null],
        [78, "Gone", "Since", "BOS", null]
    ]}]})
}

fn injury_report() -> Value {
    let record = |team: &str, player: &str, status: &str| {
        json!({
            "date": "01/18/2024", "gametime": "07:30 (ET)", "matchup": "NYK@BOS", "team": team, "player": player,
            "status": status, "reason": "Injury/Illness - Left Knee; Soreness", "confidence": 0.9
        })
    };
    json!({
        "metadata": {"gamedate": "20240118", "hour": "12", "period": "PM", "hour24": "12", "season": "2024-25"},
        "records": [record("BOS", "Archer Jr., Ann", "Out"), record("NYK", "Baker, Bea", "Probable")]
    })
}

pub fn player_row(first: &str, last: &str, minutes: &str, points: i64) -> Value {
    json!({
        "min": minutes, "fgm": points / 2, "fga": points, "fg3m": 0, "fg3a": 0, "ftm": 0, "fta": 0, "oreb": 0, "dreb": 0,
        "reb": 0, "ast": 0, "stl": 0, "blk": 0, "turnover": 0, "pf": 0, "pts": points,
        "player": {"id": 9, "first_name": first, "last_name": last}
    })
}
/// Returns a row of a Celtics–Knicks game for the team with the balldontlie id `team`.
pub fn stats_row(first: &str, last: &str, minutes: &str, team: i64, points: i64) -> Value {
    let mut row = player_row(first, last, minutes, points);
    row["team"] = json!({"id": team, "abbreviation": if team == 2 { "BOS" } else { "NYK" }});
    row["game"] = json!({"date": "2024-01-17", "season": 2023, "status": "Final", "home_team_id": 2, "visitor_team_id": 20});
    row
}

pub fn outcome(side: &str, player: &str, price: f64, point: f64) -> Value {
    json!({"name": side, "description": player, "price": price, "point": point})
}
pub fn event(home: &str, away: &str, outcomes: Vec<Value>) -> Value {
    json!({
        "id": "0f", "sport_key": "basketball_nba", "commence_time": "2024-01-19T00:40:00Z", "home_team": home,
        "away_team": away, "bookmakers": [{"key": "draftkings", "last_update": "2024-01-18T16:00:00Z", "markets": [
            {"key": "player_points", "last_update": "2024-01-18T16:30:00Z", "outcomes": outcomes},
            {"key": "spreads", "outcomes": [{"name": home, "price": 1.91, "point": -6.5}]}
        ]}]
    })
}
/// Returns a historical snapshot with decimal prices.
fn historical_odds() -> Value {
    json!({
        "timestamp": "2024-01-18T16:35:00Z", "previous_timestamp": "2024-01-18T16:30:00Z",
        "next_timestamp": "2024-01-18T16:40:00Z",
        "data": event("Boston Celtics", "New York Knicks", vec![
            outcome("Over", "Ann Archer", 1.91, 24.5), outcome("Under", "Ann Archer", 1.87, 24.5),
            outcome("Over", "Bea Baker", 2.05, 8.5), outcome("Under", "Bea Baker", 1.74, 8.5)
        ])
    })
}
