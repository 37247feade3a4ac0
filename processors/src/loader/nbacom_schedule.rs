//! nbacom/schedule: nba.com's fixtures (schedule entries) and results of games, for a season or a part of it.
//!
//! Invariant: the date of a game is `gameDateEst` as written, in Eastern time, because the Z after it is wrong. A tip-off that is
//! not on this day is ignored, and so is midnight, which nba.com writes for a tip-off that it does not know; if the text of the status is
//! TBD, every tip-off is ignored. So the date is not ambiguous. A partial schedule does not show that a game was removed, so each game is an
//! observation of its own and not the member of a list, and a bad row affects no other game.
//! Not here: rescheduled games; the games view recognizes them by their ids.
use super::{
    cell::Cell,
    dates,
    json::{Object, parse_payload, parse_row},
    lists::deduplicate,
    loaded::{Loaded, Observation, Reject, provenance},
};
use schemas::{
    ids::GameId,
    observation::{Fixture, GameObservation, GameResult, GameStatus},
    raw::RawEvent,
    team::Team,
    units::Timestamp,
};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow, rename = "leagueSchedule")]
    league_schedule: Option<Object<LeagueSchedule<'a>>>,
    /// The games, if the scraper converted the schedule to a flat list; otherwise `None`, and the games are in `league_schedule`.
    #[serde(borrow)]
    games: Option<Vec<&'a RawValue>>,
}
#[derive(Deserialize)]
struct LeagueSchedule<'a> {
    #[serde(borrow, rename = "gameDates")]
    game_dates: Vec<&'a RawValue>,
}
#[derive(Deserialize)]
struct GameDay<'a> {
    #[serde(borrow)]
    games: Vec<&'a RawValue>,
}
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Game<'a> {
    #[serde(borrow)]
    game_id: Cell<'a>,
    #[serde(borrow)]
    game_status: Cell<'a>,
    #[serde(borrow)]
    game_status_text: Cell<'a>,
    #[serde(borrow)]
    game_date_est: Cell<'a>,
    #[serde(borrow, rename = "gameDateTimeUTC")]
    game_date_time_utc: Cell<'a>,
    #[serde(borrow)]
    postponed_status: Cell<'a>,
    #[serde(borrow)]
    home_team: Object<Side<'a>>,
    #[serde(borrow)]
    away_team: Object<Side<'a>>,
}
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Side<'a> {
    #[serde(borrow)]
    team_tricode: Cell<'a>,
    #[serde(borrow)]
    score: Cell<'a>,
}

pub fn load(raw: &RawEvent) -> Result<Loaded, Reject> {
    let payload: Payload = parse_payload(&raw.payload)?;
    if payload.league_schedule.is_none() && payload.games.is_none() {
        return Err(Reject::bad_payload(
            "the payload has neither \"leagueSchedule\" nor \"games\", expected one of them",
        ));
    }
    let mut loaded = Loaded::default();
    let mut rows = payload.games.unwrap_or_default();
    for day in payload.league_schedule.iter().flat_map(|schedule| &schedule.game_dates) {
        match parse_row::<GameDay>(day) {
            Ok(day) => rows.extend(day.games),
            Err(reason) => loaded.add_bad_row(day, reason),
        }
    }
    let mut games = Vec::with_capacity(rows.len());
    for row in rows {
        games.extend(loaded.count_row(row, parse_row(row).and_then(|game| decode(&game))));
    }
    loaded.rows_repeated += deduplicate(&mut games, |a, b| a.0.cmp(&b.0));
    loaded.observations.extend(games.into_iter().map(|(game, fixture, result)| {
        Observation::Game(GameObservation { game, fixture, result, provenance: provenance(raw) })
    }));
    Ok(loaded)
}

type Decoded = (GameId, Fixture, GameResult);

/// Decodes a game; `None` if it is out of scope or its teams are not decided yet.
fn decode(game: &Game) -> Result<Option<Decoded>, String> {
    let id = game.game_id.game("gameId")?;
    if !id.is_in_scope() {
        return Ok(None);
    }
    let home = decided_team(&game.home_team, "homeTeam.teamTricode")?;
    let away = decided_team(&game.away_team, "awayTeam.teamTricode")?;
    let (Some(home), Some(away)) = (home, away) else { return Ok(None) };
    if home == away {
        return Err(game
            .away_team
            .team_tricode
            .type_error("awayTeam.teamTricode", "a team other than the home team"));
    }
    let date = dates::day(&game.game_date_est, "gameDateEst")?;
    let tip_off = if game.game_date_time_utc.is_blank() {
        None
    } else {
        Some(dates::instant(&game.game_date_time_utc, "gameDateTimeUTC")?)
    };
    let status_text = game.game_status_text.text_or_blank("gameStatusText")?;
    let is_stated = |tip_off: &Timestamp| tip_off.eastern_date() == date && *tip_off != date.at(0, 0);
    let tip_off = tip_off.filter(is_stated).filter(|_| status_text != Some("TBD"));
    let is_postponed = game.postponed_status.text_or_blank("postponedStatus")? == Some("Y");
    let fixture = Fixture {
        home,
        away,
        date,
        tip_off: tip_off.unwrap_or_else(|| date.at(19, 30)),
        tip_estimated: tip_off.is_none(),
        called_off: is_postponed || status_text == Some("PPD"),
    };
    Ok(Some((id, fixture, result(game)?)))
}

/// Returns the NBA team of a side; `None` if it is not decided yet, or if it is a known team that is not an NBA team.
fn decided_team(side: &Side, field: &str) -> Result<Option<Team>, String> {
    if side.team_tricode.is_blank() { Ok(None) } else { side.team_tricode.team_or_other(field) }
}

fn result(game: &Game) -> Result<GameResult, String> {
    let status = match game.game_status.integer("gameStatus")? {
        1 => GameStatus::Scheduled,
        2 => GameStatus::Live,
        3 => GameStatus::Final,
        _ => return Err(game.game_status.type_error("gameStatus", "1, 2 or 3")),
    };
    let points = |side: &Side, field: &str| match (status, &side.score) {
        (GameStatus::Scheduled, _) | (_, Cell::Absent | Cell::Null) => Ok(None),
        (_, score) => score.count(field).map(Some),
    };
    let mut result = GameResult {
        status,
        home_points: points(&game.home_team, "homeTeam.score")?,
        away_points: points(&game.away_team, "awayTeam.score")?,
    };
    // No game ends 0–0, but a postponed game may be listed as final with this score.
    if (status, result.home_points, result.away_points) == (GameStatus::Final, Some(0), Some(0)) {
        (result.home_points, result.away_points) = (None, None);
    }
    Ok(result)
}
