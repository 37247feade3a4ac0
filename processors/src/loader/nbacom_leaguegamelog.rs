//! nbacom/leaguegamelog: all players who appeared in the games of a day, with nba.com's ids. This loader is the hot path of a backfill.
//!
//! Invariant: MATCHUP is used for the opponent only, never for home and away: at neutral sites, the rows of both teams have "OWN @
//! OPPONENT".
//! Not here: the home team, which comes from the schedule.
use super::{
    box_scores::{self, COLUMNS, ListKey, Lists, box_score_stats},
    cell::Cell,
    dates,
    lists::{NamesDay, known_names},
    loaded::{Loaded, Reject},
    minutes::playing_time,
    result_set::ResultSet,
};
use schemas::{
    ids::GameId,
    observation::{BoxMember, PlayerRef},
    raw::RawEvent,
    team::Team,
    units::EasternDate,
};
use std::collections::BTreeMap;

const COUNTS: [&str; COLUMNS] = [
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
const HEADERS: [&str; 22] = [
    "GAME_ID",
    "GAME_DATE",
    "TEAM_ABBREVIATION",
    "MATCHUP",
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

pub fn load(raw: &RawEvent) -> Result<Loaded, Reject> {
    let table = ResultSet::parse(&raw.payload, &HEADERS)?;
    let mut loaded = Loaded::default();
    let mut lists = Lists::new();
    for row in &table.rows {
        let member = table.parse_row(row).and_then(member);
        if let Some((list, member)) = loaded.count_row(row, member) {
            lists.entry(list).or_default().push(member);
        }
    }
    let complete = loaded.is_complete(raw);
    let mut names_by_team: BTreeMap<(Team, EasternDate), (GameId, Vec<PlayerRef>)> = BTreeMap::new();
    for (list, members) in &lists {
        let Some(game) = list.game else { continue };
        let (_, names) = names_by_team.entry((list.team, list.date)).or_insert((game, Vec::new()));
        names.extend(members.iter().map(|member| member.player.clone()));
    }
    box_scores::publish(raw, lists, complete, &mut loaded);
    for ((team, date), (game, names)) in names_by_team {
        // The season comes from the game id, not from the date, because the finals of 2019-20 were played in October 2020.
        loaded.observations.push(known_names(raw, team, NamesDay { date, season: game.season() }, names));
    }
    Ok(loaded)
}

fn member(cells: [Cell; HEADERS.len()]) -> Result<Option<(ListKey, BoxMember)>, String> {
    let [game, date, team, matchup, player, name, minutes, counts @ ..] = cells;
    let game = game.game("GAME_ID")?;
    if !game.is_in_scope() {
        return Ok(None);
    }
    let team = team.team("TEAM_ABBREVIATION")?;
    let opponent = opponent(team, &matchup)?;
    let date = dates::day(&date, "GAME_DATE")?;
    let player =
        PlayerRef { nba: Some(player.player("PLAYER_ID")?), name: name.text("PLAYER_NAME")?.to_owned() };
    // In this feed, a player who did not play has no minutes; zero minutes mean a short appearance.
    let stats = match playing_time(&minutes, "MIN")? {
        Some(playing_time) => Some(box_score_stats(playing_time, &COUNTS, &counts)?),
        None => None,
    };
    Ok(Some((ListKey { game: Some(game), date, team, opponent }, BoxMember { player, stats })))
}

/// Returns the team other than `team` in "GSW vs. NYK" or "GSW @ NYK".
fn opponent(team: Team, matchup: &Cell) -> Result<Team, String> {
    let text = matchup.text("MATCHUP")?;
    let sides = text.split_once(" vs. ").or_else(|| text.split_once(" @ "));
    let sides = sides.map(|(a, b)| (Team::from_source_name(a.trim()), Team::from_source_name(b.trim())));
    match sides {
        Some((Some(a), Some(b))) if a == team && b != team => Ok(b),
        Some((Some(a), Some(b))) if b == team && a != team => Ok(a),
        _ => Err(matchup.type_error("MATCHUP", &format!("{team} and another team"))),
    }
}
