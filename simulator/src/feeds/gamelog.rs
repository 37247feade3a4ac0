//! nbacom/leaguegamelog: all players who appeared on one day.
//!
//! Invariant: a player who did not play has no row; one who played less than half a minute has a row with 0 minutes. The matchup of a game
//! at a neutral site is "OWN @ OPP" for both teams.
//! Not here: the times of the fetches (`fetches`).
use super::shooting::percentage;
use crate::{
    league::League,
    play::{Played, Side},
};
use schemas::{EasternDate, Season, Team, observation::BoxScoreStats};
use serde_json::{Value, json};

#[rustfmt::skip]
const HEADERS: [&str; 32] = [
    "SEASON_ID", "PLAYER_ID", "PLAYER_NAME", "TEAM_ID", "TEAM_ABBREVIATION", "TEAM_NAME", "GAME_ID",
    "GAME_DATE", "MATCHUP", "WL", "MIN", "FGM", "FGA", "FG_PCT", "FG3M", "FG3A", "FG3_PCT", "FTM", "FTA",
    "FT_PCT", "OREB", "DREB", "REB", "AST", "STL", "BLK", "TOV", "PF", "PTS", "PLUS_MINUS", "FANTASY_PTS",
    "VIDEO_AVAILABLE",
];

pub(crate) fn payload(
    season: Season,
    date: EasternDate,
    league: &League,
    day: &[Played],
    omitted_team: Option<Team>,
) -> Value {
    let mut sides: Vec<(&Played, &Side, &Side)> =
        day.iter().flat_map(|played| played.sides().map(|(side, other)| (played, side, other))).collect();
    sides.retain(|(_, side, _)| Some(side.team) != omitted_team);
    sides.sort_by_key(|(_, side, _)| side.team.nba_id());
    let rows = sides.iter().flat_map(|(played, side, other)| rows(season, league, played, side, other));
    json!({
        "resource": "leaguegamelog",
        "parameters": {
            "LeagueID": "00", "Season": season.to_string(), "SeasonType": "Regular Season", "PlayerOrTeam": "P",
            "Counter": 1000, "Sorter": "DATE", "Direction": "DESC",
            "DateFrom": date.to_string(), "DateTo": date.to_string(),
        },
        "resultSets": [{"name": "LeagueGameLog", "headers": HEADERS, "rowSet": rows.collect::<Vec<_>>()}],
    })
}

fn rows(season: Season, league: &League, played: &Played, side: &Side, other: &Side) -> Vec<Value> {
    let game = &played.game;
    let is_home = side.team == game.home && !game.is_neutral;
    let matchup = format!("{} {} {}", side.team, if is_home { "vs." } else { "@" }, other.team);
    // While the game is in progress, it has no result.
    let result =
        played.in_progress.is_none().then_some(if side.points() > other.points() { "W" } else { "L" });
    let row = |player: usize, stats: &BoxScoreStats| {
        let player = &league.players[player];
        let rebounds = stats.offensive_rebounds + stats.defensive_rebounds;
        let fantasy_tenths =
            10 * stats.points + 12 * rebounds + 15 * stats.assists + 30 * (stats.steals + stats.blocks)
                - 10 * stats.turnovers;
        json!([
            format!("2{}", season.0),
            player.id.0,
            player.name.full(),
            side.team.nba_id(),
            side.team.code(),
            format!("{} {}", side.team.city(), side.team.name()),
            game.id.to_string(),
            game.date.to_string(),
            matchup,
            result,
            stats.playing_time.0 / 60,
            stats.field_goals_made,
            stats.field_goals_attempted,
            percentage(stats.field_goals_made, stats.field_goals_attempted, 3),
            stats.threes_made,
            stats.threes_attempted,
            percentage(stats.threes_made, stats.threes_attempted, 3),
            stats.free_throws_made,
            stats.free_throws_attempted,
            percentage(stats.free_throws_made, stats.free_throws_attempted, 3),
            stats.offensive_rebounds,
            stats.defensive_rebounds,
            rebounds,
            stats.assists,
            stats.steals,
            stats.blocks,
            stats.turnovers,
            stats.fouls,
            stats.points,
            stats.plus_minus,
            f64::from(fantasy_tenths) / 10.0,
            1,
        ])
    };
    side.appearances.iter().map(|appearance| row(appearance.player, &appearance.stats)).collect()
}
