//! nbacom/boxscore: the box score of one game, with nba.com's ids, in three layouts: that of cdn.nba.com (`game`), that of
//! stats.nba.com since 2023 (`boxScoreTraditional`), and the tables of stats.nba.com before (`nbacom_boxscore_tables`).
//!
//! Invariant: a game with the status 3 is over, one with the status 2 is live, one with the status 1 is out of scope; only the layout of
//! cdn.nba.com has a status and a date. A player who is not marked as played, or who has no minutes, did not play; also the inactive players
//! are listed.
//! Not here: starters, officials, scores of quarters and the reasons of absences, which stay in the raw payload.
use super::{
    box_scores::{COLUMNS, box_score_stats},
    cell::Cell,
    dates,
    json::{Object, parse_payload, parse_row},
    loaded::{Loaded, Reject},
    minutes::playing_time,
    nbacom_boxscore_tables,
    player_name::full_name,
    single_game::{SingleGame, TotalsSoFar, date_of_request, is_fetched_later, is_whole_game, two_teams},
};
use schemas::{
    observation::{BoxMember, PlayerRef},
    raw::RawEvent,
    units::PlayingTime,
};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    game: Option<Object<Game<'a>>>,
    #[serde(borrow, rename = "boxScoreTraditional")]
    traditional: Option<Object<Game<'a>>>,
    #[serde(borrow, rename = "resultSets")]
    tables: Option<&'a RawValue>,
}
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Game<'a> {
    #[serde(borrow, default)]
    game_id: Cell<'a>,
    #[serde(borrow, default)]
    game_status: Cell<'a>,
    /// The Eastern time of the tip-off.
    #[serde(borrow, default)]
    game_et: Cell<'a>,
    #[serde(borrow)]
    home_team: Object<Side<'a>>,
    #[serde(borrow)]
    away_team: Object<Side<'a>>,
}
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Side<'a> {
    #[serde(borrow, default)]
    team_tricode: Cell<'a>,
    #[serde(borrow)]
    players: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    statistics: Object<Statistics<'a>>,
}
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Player<'a> {
    #[serde(borrow)]
    person_id: Cell<'a>,
    #[serde(borrow)]
    name: Cell<'a>,
    #[serde(borrow)]
    first_name: Cell<'a>,
    #[serde(borrow)]
    family_name: Cell<'a>,
    /// "1" if the player has played; absent in the layout of stats.nba.com.
    #[serde(borrow)]
    played: Cell<'a>,
    #[serde(borrow)]
    statistics: Object<Statistics<'a>>,
}
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Statistics<'a> {
    #[serde(borrow)]
    minutes: Cell<'a>,
    #[serde(borrow)]
    field_goals_made: Cell<'a>,
    #[serde(borrow)]
    field_goals_attempted: Cell<'a>,
    #[serde(borrow)]
    three_pointers_made: Cell<'a>,
    #[serde(borrow)]
    three_pointers_attempted: Cell<'a>,
    #[serde(borrow)]
    free_throws_made: Cell<'a>,
    #[serde(borrow)]
    free_throws_attempted: Cell<'a>,
    #[serde(borrow)]
    rebounds_offensive: Cell<'a>,
    #[serde(borrow)]
    rebounds_defensive: Cell<'a>,
    #[serde(borrow)]
    assists: Cell<'a>,
    #[serde(borrow)]
    steals: Cell<'a>,
    #[serde(borrow)]
    blocks: Cell<'a>,
    #[serde(borrow)]
    turnovers: Cell<'a>,
    #[serde(borrow)]
    fouls_personal: Cell<'a>,
    #[serde(borrow)]
    points: Cell<'a>,
    #[serde(borrow)]
    plus_minus_points: Cell<'a>,
}
const COUNTS: [&str; COLUMNS] = [
    "statistics.fieldGoalsMade",
    "statistics.fieldGoalsAttempted",
    "statistics.threePointersMade",
    "statistics.threePointersAttempted",
    "statistics.freeThrowsMade",
    "statistics.freeThrowsAttempted",
    "statistics.reboundsOffensive",
    "statistics.reboundsDefensive",
    "statistics.assists",
    "statistics.steals",
    "statistics.blocks",
    "statistics.turnovers",
    "statistics.foulsPersonal",
    "statistics.points",
    "statistics.plusMinusPoints",
];

pub fn load(raw: &RawEvent) -> Result<Loaded, Reject> {
    let payload: Payload = parse_payload(&raw.payload)?;
    match payload {
        Payload { game: Some(game), traditional: None, tables: None } => load_game(raw, &game, "game"),
        Payload { game: None, traditional: Some(game), tables: None } => {
            load_game(raw, &game, "boxScoreTraditional")
        }
        Payload { game: None, traditional: None, tables: Some(_) } => nbacom_boxscore_tables::load(raw),
        _ => Err(Reject::bad_payload(
            "the payload has none, or more than one, of \"game\", \"boxScoreTraditional\" and \"resultSets\", expected one of them",
        )),
    }
}

fn load_game(raw: &RawEvent, payload: &Game, path: &str) -> Result<Loaded, Reject> {
    let mut loaded = Loaded::default();
    let sides = [&*payload.home_team, &*payload.away_team];
    let Some(mut game) = game(raw, payload, path)? else {
        loaded.count_out_of_scope(sides.iter().map(|side| side.players.len()).sum());
        return Ok(loaded);
    };
    for (side, team) in sides.into_iter().zip(game.teams) {
        for row in &side.players {
            let member = parse_row::<Player>(row).and_then(Player::member);
            game.add(row, Ok(team), member, &mut loaded);
        }
    }
    game.box_scores.publish_with_known_names(raw, &mut loaded);
    Ok(loaded)
}

/// Decodes the game; `None` if it has not started, or is out of scope by its id or its teams.
fn game(raw: &RawEvent, payload: &Game, path: &str) -> Result<Option<SingleGame>, Reject> {
    let at_path = |reason: String| Reject::bad_payload(format!("{path}.{reason}"));
    let id = payload.game_id.game("gameId").map_err(at_path)?;
    let status = status(&payload.game_status).map_err(at_path)?;
    let sides = [&payload.home_team, &payload.away_team];
    let teams = two_teams(
        (&payload.home_team.team_tricode, "homeTeam.teamTricode"),
        (&payload.away_team.team_tricode, "awayTeam.teamTricode"),
    )
    .map_err(at_path)?;
    let Some(teams) = teams.filter(|_| id.is_in_scope() && status != Some(Status::NotStarted)) else {
        return Ok(None);
    };
    let date = match payload.game_et {
        Cell::Absent | Cell::Null => date_of_request(raw, id)?,
        ref cell => dates::day(cell, "gameEt").map_err(at_path)?,
    };
    let is_final = match status {
        Some(status) => status == Status::Over,
        None => {
            let totals =
                sides.map(|side| TotalsSoFar::new(&side.statistics.minutes, &side.statistics.points));
            is_fetched_later(raw, date) || is_whole_game(&totals)
        }
    };
    Ok(Some(SingleGame::new(Some(id), date, teams, is_final)))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    NotStarted,
    Live,
    Over,
}

/// Returns the status of a game; `None` if the payload does not have it.
fn status(cell: &Cell) -> Result<Option<Status>, String> {
    match cell {
        Cell::Absent | Cell::Null => Ok(None),
        Cell::Integer(1) => Ok(Some(Status::NotStarted)),
        Cell::Integer(2) => Ok(Some(Status::Live)),
        Cell::Integer(3) => Ok(Some(Status::Over)),
        _ => Err(cell.type_error("gameStatus", "1, 2 or 3")),
    }
}

impl Player<'_> {
    fn member(self) -> Result<BoxMember, String> {
        let nba = Some(self.person_id.player("personId")?);
        let name = match self.name.text_or_blank("name")? {
            Some(name) => name.to_owned(),
            None => full_name(&self.first_name, "firstName", &self.family_name, "familyName")?,
        };
        let player = PlayerRef { name, nba };
        let (minutes, counts) = self.statistics.0.into_minutes_and_counts();
        let playing_time = playing_time(&minutes, "statistics.minutes")?;
        let is_zero = |cell: &Cell| cell.is_blank() || cell.integer("") == Ok(0);
        let has_counts = !counts.iter().all(is_zero);
        if playing_time.is_none() && has_counts {
            return Err(minutes.type_error("statistics.minutes", "the minutes of a player with statistics"));
        }
        let has_statistics = has_counts || playing_time.is_some_and(|time| time > PlayingTime(0));
        let has_played = match &self.played {
            Cell::Absent | Cell::Null => has_statistics,
            Cell::Text(text) if text == "1" => true,
            Cell::Text(text) if text == "0" && !has_statistics => false,
            cell => {
                let expected = "\"1\", or \"0\" for a player without statistics";
                return Err(cell.type_error("played", expected));
            }
        };
        let playing_time = playing_time.filter(|_| has_played);
        let stats = playing_time.map(|time| box_score_stats(time, &COUNTS, &counts)).transpose()?;
        Ok(BoxMember { player, stats })
    }
}
impl<'a> Statistics<'a> {
    /// Returns the minutes, and the counts in the order of [`box_score_stats`].
    fn into_minutes_and_counts(self) -> (Cell<'a>, [Cell<'a>; COLUMNS]) {
        let counts = [
            self.field_goals_made,
            self.field_goals_attempted,
            self.three_pointers_made,
            self.three_pointers_attempted,
            self.free_throws_made,
            self.free_throws_attempted,
            self.rebounds_offensive,
            self.rebounds_defensive,
            self.assists,
            self.steals,
            self.blocks,
            self.turnovers,
            self.fouls_personal,
            self.points,
            self.plus_minus_points,
        ];
        (self.minutes, counts)
    }
}
