//! nbacom/leaguegamelog: everybody who appeared on one day.
//!
//! Invariant: who did not play has no row; who played less than half a minute has one that says 0. A game on neutral ground is
//! "OWN @ OPP" for both teams.
//! Not here: which day is fetched when.
use crate::{
    feeds::share,
    league::League,
    play::{Played, Side},
};
use schemas::{EasternDate, Season, Team};
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
    without: Option<Team>,
) -> Value {
    let mut sides: Vec<(&Played, &Side, &Side)> =
        day.iter().flat_map(|played| played.sides().map(|(side, other)| (played, side, other))).collect();
    sides.retain(|(_, side, _)| Some(side.team) != without);
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
    let at_home = side.team == game.home && !game.neutral;
    let matchup = format!("{} {} {}", side.team, if at_home { "vs." } else { "@" }, other.team);
    let won = if side.points() > other.points() { "W" } else { "L" };
    let row = |player: usize, line: &schemas::observation::BoxLine| {
        let player = &league.players[player];
        let rebounds = line.offensive_rebounds + line.defensive_rebounds;
        let tenths = 10 * line.points + 12 * rebounds + 15 * line.assists + 30 * (line.steals + line.blocks)
            - 10 * line.turnovers;
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
            won,
            line.playing_time.0 / 60,
            line.field_goals_made,
            line.field_goals_attempted,
            share(line.field_goals_made, line.field_goals_attempted, 3),
            line.threes_made,
            line.threes_attempted,
            share(line.threes_made, line.threes_attempted, 3),
            line.free_throws_made,
            line.free_throws_attempted,
            share(line.free_throws_made, line.free_throws_attempted, 3),
            line.offensive_rebounds,
            line.defensive_rebounds,
            rebounds,
            line.assists,
            line.steals,
            line.blocks,
            line.turnovers,
            line.fouls,
            line.points,
            line.plus_minus,
            f64::from(tenths) / 10.0,
            1,
        ])
    };
    side.appearances.iter().map(|appearance| row(appearance.player, &appearance.line)).collect()
}
