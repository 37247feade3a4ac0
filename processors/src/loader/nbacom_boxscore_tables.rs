//! nbacom/boxscore in the layout of stats.nba.com before 2023: a table of players and a table of teams.
//!
//! Invariant: the table of teams states the game and its two teams, and every row of a player belongs to one of them. A player without
//! minutes did not play. The payload states neither the date of the game, which the request key must state, nor whether it is over.
//! Not here: the totals of starters and bench, positions, and the reasons of absences, which stay in the raw payload.
use super::{
    box_scores::{COLUMNS, box_score_stats},
    cell::Cell,
    loaded::{Loaded, Reject},
    minutes::playing_time,
    result_set::ResultSet,
    single_game::{SingleGame, TotalsSoFar, date_of_request, is_fetched_later, is_whole_game, two_teams},
};
use schemas::{
    ids::GameId,
    observation::{BoxMember, PlayerRef},
    raw::RawEvent,
};

const HEADERS: [&str; 20] = [
    "GAME_ID",
    "TEAM_ABBREVIATION",
    "PLAYER_ID",
    "PLAYER_NAME",
    "MIN",
    "FGM",
    "FGA",
    "FG3M",
    "FG3A",
    "FTM",
    "FTA",
    "OREB",
    "DREB",
    "AST",
    "STL",
    "BLK",
    "TO",
    "PF",
    "PTS",
    "PLUS_MINUS",
];
/// The last columns, in the order of [`box_score_stats`].
const COUNTS: [&str; COLUMNS] = {
    let [_, _, _, _, _, counts @ ..] = HEADERS;
    counts
};
const TEAM_HEADERS: [&str; 4] = ["GAME_ID", "TEAM_ABBREVIATION", "MIN", "PTS"];

pub fn load(raw: &RawEvent) -> Result<Loaded, Reject> {
    let players = ResultSet::<20>::named(&raw.payload, "PlayerStats", &HEADERS)?;
    let teams = ResultSet::<4>::named(&raw.payload, "TeamStats", &TEAM_HEADERS)?;
    let mut loaded = Loaded::default();
    if players.rows.is_empty() {
        return Ok(loaded);
    }
    let Some(mut game) = game(raw, &teams)? else {
        loaded.count_out_of_scope(players.rows.len());
        return Ok(loaded);
    };
    for row in &players.rows {
        match players.parse_row(row) {
            Ok(cells) => {
                let team = game.team(&cells[1], HEADERS[1]);
                game.add(row, team, member(&cells, game.id), &mut loaded);
            }
            Err(reason) => {
                game.add(row, Err(reason.clone()), Err(reason), &mut loaded);
            }
        }
    }
    game.box_scores.publish_with_known_names(raw, &mut loaded);
    Ok(loaded)
}

/// Decodes the game from the table of teams; `None` if it is out of scope by its id or its teams.
fn game(raw: &RawEvent, teams: &ResultSet<4>) -> Result<Option<SingleGame>, Reject> {
    let in_table = |reason: String| Reject::bad_payload(format!("TeamStats: {reason}"));
    let [first, second] = teams.rows[..] else {
        return Err(in_table(format!("found {} rows, expected one for each of two teams", teams.rows.len())));
    };
    let rows = [teams.parse_row(first).map_err(in_table)?, teams.parse_row(second).map_err(in_table)?];
    let [[id, team, ..], [other_id, other_team, ..]] = &rows;
    let (game, other_game) = (id.game("GAME_ID"), other_id.game("GAME_ID"));
    let (game, other_game) = (game.map_err(in_table)?, other_game.map_err(in_table)?);
    if game != other_game {
        return Err(in_table(other_id.type_error("GAME_ID", &format!("{game}, as in the other row"))));
    }
    let teams =
        two_teams((team, "TEAM_ABBREVIATION"), (other_team, "TEAM_ABBREVIATION")).map_err(in_table)?;
    let Some(teams) = teams.filter(|_| game.is_in_scope()) else { return Ok(None) };
    let date = date_of_request(raw, game)?;
    let totals = rows.each_ref().map(|[_, _, minutes, points]| TotalsSoFar::new(minutes, points));
    let is_final = is_fetched_later(raw, date) || is_whole_game(&totals);
    Ok(Some(SingleGame::new(Some(game), date, teams, is_final)))
}

fn member(cells: &[Cell; HEADERS.len()], game: Option<GameId>) -> Result<BoxMember, String> {
    let [id, _, player, name, minutes, counts @ ..] = cells;
    if Some(id.game("GAME_ID")?) != game {
        return Err(id.type_error("GAME_ID", "the game of the table of teams"));
    }
    let player =
        PlayerRef { nba: Some(player.player("PLAYER_ID")?), name: name.text("PLAYER_NAME")?.to_owned() };
    let playing_time = playing_time(minutes, "MIN")?;
    let stats = playing_time.map(|time| box_score_stats(time, &COUNTS, counts)).transpose()?;
    Ok(BoxMember { player, stats })
}
