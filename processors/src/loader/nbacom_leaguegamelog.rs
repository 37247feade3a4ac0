//! nbacom/leaguegamelog: all players who appeared in the games of a day, with nba.com's ids. This loader is the hot path of a backfill.
//!
//! Invariant: MATCHUP is used for the opponent only, never for home and away: at neutral sites, the rows of both teams have "OWN @
//! OPPONENT". A game whose rows have no WL (won or lost) is not over; in a response without this column, all games are over.
//! `GAME_DATE` is the Eastern date of the game, so it is not ambiguous.
//! Not here: the home team, which comes from the schedule.
use super::{
    box_scores::{BoxScores, COLUMNS, ListKey, box_score_stats},
    cell::Cell,
    dates,
    incomplete::ListName,
    loaded::{Loaded, Reject},
    minutes::playing_time,
    other_teams::is_other_team,
    result_set::ResultSet,
};
use schemas::{
    observation::{BoxMember, PlayerRef},
    raw::RawEvent,
    team::Team,
};

/// The column that is null for a game that is not over. Responses of older scrapers lack it.
const WON_OR_LOST: &str = "WL";
const HEADERS: [&str; 23] = [
    "GAME_ID",
    "GAME_DATE",
    "TEAM_ABBREVIATION",
    "MATCHUP",
    WON_OR_LOST,
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
    "TOV",
    "PF",
    "PTS",
    "PLUS_MINUS",
];
/// The last columns, in the order of [`box_score_stats`].
const COUNTS: [&str; COLUMNS] = {
    let [_, _, _, _, _, _, _, _, counts @ ..] = HEADERS;
    counts
};

pub fn load(raw: &RawEvent) -> Result<Loaded, Reject> {
    let table = ResultSet::parse(&raw.payload, &HEADERS, &[WON_OR_LOST])?;
    let mut loaded = Loaded::default();
    let mut box_scores = BoxScores::default();
    for row in &table.rows {
        let cells = table.parse_row(row);
        let decoded = cells.as_ref().map_err(Clone::clone).and_then(member);
        if decoded.is_err() {
            box_scores.add_bad_row(cells.as_ref().map(stated).unwrap_or_default());
        }
        if let Some((list, member)) = loaded.count_row(row, decoded) {
            box_scores.add(list, member);
        }
    }
    box_scores.publish_with_known_names(raw, &mut loaded);
    Ok(loaded)
}

/// Decodes a row; `None` if its game is out of scope: by its id, or because a team is a known team that is not an NBA team.
fn member(cells: &[Cell; HEADERS.len()]) -> Result<Option<(ListKey, BoxMember)>, String> {
    let [game, date, team, matchup, won_or_lost, player, name, minutes, counts @ ..] = cells;
    let game = game.game("GAME_ID")?;
    if !game.is_in_scope() {
        return Ok(None);
    }
    if sides(matchup).is_some_and(|sides| sides.into_iter().any(is_other_team)) {
        return Ok(None);
    }
    let Some(team) = team.team_or_other("TEAM_ABBREVIATION")? else { return Ok(None) };
    let opponent = opponent(team, matchup)?;
    let date = dates::day(date, "GAME_DATE")?;
    let is_final = match won_or_lost {
        Cell::Absent => true,
        cell => cell.text_or_blank(WON_OR_LOST)?.is_some(),
    };
    let player =
        PlayerRef { nba: Some(player.player("PLAYER_ID")?), name: name.text("PLAYER_NAME")?.to_owned() };
    // In this feed, a player who did not play has no minutes; zero minutes mean a short appearance.
    let stats = match playing_time(minutes, "MIN")? {
        Some(playing_time) => Some(box_score_stats(playing_time, &COUNTS, counts)?),
        None => None,
    };
    Ok(Some((ListKey { game: Some(game), date, team, opponent, is_final }, BoxMember { player, stats })))
}

/// Returns what a bad row states about its list.
fn stated([game, date, team, matchup, ..]: &[Cell; HEADERS.len()]) -> ListName {
    let sides = sides(matchup).into_iter().flatten();
    ListName {
        game: game.game("GAME_ID").ok(),
        game_teams: sides.filter_map(Team::from_source_name).collect(),
        date: dates::day(date, "GAME_DATE").ok(),
        team: team.team("TEAM_ABBREVIATION").ok(),
        event: None,
    }
}

/// Returns the two codes of "GSW vs. NYK" or "GSW @ NYK".
fn sides<'a>(matchup: &'a Cell) -> Option<[&'a str; 2]> {
    let text = matchup.text("MATCHUP").ok()?;
    let (a, b) = text.split_once(" vs. ").or_else(|| text.split_once(" @ "))?;
    Some([a.trim(), b.trim()])
}

/// Returns the other of the two teams of a game.
fn opponent(team: Team, matchup: &Cell) -> Result<Team, String> {
    match sides(matchup).map(|sides| sides.map(Team::from_source_name)) {
        Some([Some(a), Some(b)]) if a == team && b != team => Ok(b),
        Some([Some(a), Some(b)]) if b == team && a != team => Ok(a),
        _ => Err(matchup.type_error("MATCHUP", &format!("{team} and another team"))),
    }
}
