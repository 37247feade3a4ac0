//! Reads schedules and final box scores of nba.com from raw events, in the simplest way.
//!
//! Invariant: it uses no code of the loaders. A row with a wrong type in any field that a loader reads states nothing.
//! Not here: what follows from the statements (`schedule_model`).
use schemas::{
    EasternDate, GameId, Team, Timestamp,
    raw::{Feed, RawEvent},
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What one fetch of the schedule states about a game. The order of the fields decides which of two statements of one instant is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Statement {
    pub home: Team,
    pub away: Team,
    pub date: EasternDate,
    pub tip_off: Timestamp,
    pub is_tip_off_estimated: bool,
    pub is_called_off: bool,
    /// 1: not started, 2: live, 3: final.
    pub status: i64,
    pub points: [Option<i64>; 2],
}
impl Statement {
    pub fn is_final(&self) -> bool {
        self.status == 3 && self.points.iter().all(Option::is_some) && !self.is_called_off
    }
    pub fn has_started(&self) -> bool {
        self.is_final() || self.status == 2 && !self.is_called_off
    }
}

/// Returns the statements of a fetch of the schedule; none if the event is another one.
pub fn statements(event: &RawEvent) -> Vec<(GameId, Statement)> {
    if event.feed != Feed::NbacomSchedule {
        return Vec::new();
    }
    let Ok(payload) = serde_json::from_str::<Value>(&event.payload) else { return Vec::new() };
    let days = payload["leagueSchedule"]["gameDates"].as_array();
    let games = days.into_iter().flatten().filter_map(|day| day["games"].as_array());
    games.flatten().filter_map(statement).collect()
}

fn statement(game: &Value) -> Option<(GameId, Statement)> {
    let date: EasternDate = game["gameDateEst"].as_str()?.get(..10)?.parse().ok()?;
    let stated: Option<Timestamp> = match text(&game["gameDateTimeUTC"])? {
        Some(text) => Some(text.parse().ok()?),
        None => None,
    };
    let status_text = text(&game["gameStatusText"])?;
    let is_stated = |tip_off: &Timestamp| {
        tip_off.eastern_date() == date && *tip_off != date.at(0, 0) && status_text != Some("TBD")
    };
    let stated = stated.filter(is_stated);
    let status = game["gameStatus"].as_i64().filter(|status| (1..=3).contains(status))?;
    let is_postponed = text(&game["postponedStatus"])? == Some("Y");
    let mut points = [points(&game["homeTeam"], status)?, points(&game["awayTeam"], status)?];
    if status == 3 && points == [Some(0), Some(0)] {
        points = [None, None];
    }
    let team = |side: &Value| Team::from_source_name(side["teamTricode"].as_str()?);
    let [home, away] = [team(&game["homeTeam"])?, team(&game["awayTeam"])?];
    let statement = Statement {
        home,
        away,
        date,
        tip_off: stated.unwrap_or_else(|| date.at(19, 30)),
        is_tip_off_estimated: stated.is_none(),
        is_called_off: is_postponed || status_text == Some("PPD"),
        status,
        points,
    };
    Some((game["gameId"].as_str()?.parse().ok()?, statement)).filter(|_| home != away)
}

/// Returns a text that may be missing; `None` if the value is no text.
fn text(value: &Value) -> Option<Option<&str>> {
    match value {
        Value::Null => Some(None),
        Value::String(text) => Some(Some(text.as_str()).filter(|text| !text.is_empty())),
        _ => None,
    }
}

fn points(side: &Value, status: i64) -> Option<Option<i64>> {
    match &side["score"] {
        _ if status == 1 => Some(None),
        Value::Null => Some(None),
        score => score.as_i64().map(Some),
    }
}

/// Returns the games and dates of which the event is a final box score of nba.com: of which it has rows, all with a result.
pub fn final_box_scores(event: &RawEvent) -> BTreeSet<(GameId, EasternDate)> {
    if event.feed != Feed::NbacomLeaguegamelog {
        return BTreeSet::new();
    }
    let payload: Value = serde_json::from_str(&event.payload).unwrap_or_default();
    let table = &payload["resultSets"][0];
    let headers: Vec<&str> =
        table["headers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut is_over: BTreeMap<(GameId, EasternDate), bool> = BTreeMap::new();
    for row in table["rowSet"].as_array().into_iter().flatten() {
        let cell = |name: &str| headers.iter().position(|header| *header == name).map(|index| &row[index]);
        if let Some((game, date, has_result)) = box_score_row(cell) {
            *is_over.entry((game, date)).or_insert(true) &= has_result;
        }
    }
    is_over.into_iter().filter_map(|(game, is_over)| is_over.then_some(game)).collect()
}

/// Returns game, date, and whether the row states who won; `None` if the row cannot be used.
fn box_score_row<'a>(cell: impl Fn(&str) -> Option<&'a Value>) -> Option<(GameId, EasternDate, bool)> {
    let game = cell("GAME_ID")?.as_str()?.parse().ok()?;
    let date = cell("GAME_DATE")?.as_str()?.parse().ok()?;
    Team::from_source_name(cell("TEAM_ABBREVIATION")?.as_str()?)?;
    if !cell("MATCHUP")?.as_str()?.contains([' ']) || !cell("PLAYER_NAME")?.is_string() {
        return None;
    }
    cell("PLAYER_ID")?.as_i64()?;
    if !cell("MIN")?.is_null() {
        cell("MIN")?.as_i64()?;
        for count in
            ["FGM", "FGA", "FG3M", "FG3A", "FTM", "FTA", "OREB", "DREB", "AST", "STL", "BLK", "TOV", "PF"]
        {
            cell(count)?.as_i64()?;
        }
        cell("PTS")?.as_i64()?;
        if !cell("PLUS_MINUS")?.is_null() {
            cell("PLUS_MINUS")?.as_i64()?;
        }
    }
    Some((game, date, text(cell("WL")?)?.is_some()))
}
