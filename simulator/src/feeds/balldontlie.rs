//! balldontlie/stats and balldontlie/box-scores: the simulated games with the ids and names of balldontlie.
//!
//! Invariant: a player who is listed but did not play has "00" minutes and zeros as statistics. The payloads have no nba.com ids.
//! Not here: the spellings of names (`names`).
use super::shooting::percentage;
use crate::{
    league::Player,
    play::{Played, Side},
    world::{Speller, World},
};
use schemas::{Team, Timestamp, observation::BoxScoreStats};
use serde_json::{Value, json};

/// Returns a list with one row per player; each row contains its team and its game.
pub(crate) fn stats(world: &World<'_>, day: &[Played], omitted_team: Option<Team>) -> Value {
    let mut rows = vec![];
    for played in day {
        let game = game(played);
        for (side, _) in played.sides().into_iter().filter(|(side, _)| Some(side.team) != omitted_team) {
            for (player, stats) in listed(world, side) {
                let mut row = counts(stats);
                row["id"] = json!(1_000_000 + played.game.id.0 % 100_000 * 40 + player.index as u32 % 40);
                row["player"] = person(world, player);
                row["player"]["team_id"] = json!(team_id(side.team));
                row["team"] = team(side.team);
                row["game"] = game.clone();
                rows.push(row);
            }
        }
    }
    json!({"data": rows, "meta": {"per_page": 100}})
}

/// Returns a list of games, each with its two teams and their players.
pub(crate) fn box_scores(world: &World<'_>, day: &[Played], omitted_team: Option<Team>) -> Value {
    json!({"data": games(world, day, omitted_team)})
}

/// Returns the games in progress, and those that ended a short time ago, in the form of the live endpoint. `poll` is the number of earlier
/// polls.
pub(crate) fn live_boxes(world: &World<'_>, fetched_at: Timestamp, poll: usize, games: &[Played]) -> Value {
    let poll_id = format!("{:x}-{poll}", fetched_at.0 / 1000);
    json!({"liveBoxes": self::games(world, games, None), "pollId": poll_id, "timestamp": fetched_at.to_string()})
}

fn games(world: &World<'_>, day: &[Played], omitted_team: Option<Team>) -> Vec<Value> {
    let games = day.iter().map(|played| {
        let mut game = game(played);
        if let Some(fields) = game.as_object_mut() {
            fields.remove("home_team_id");
            fields.remove("visitor_team_id");
        }
        let regulation = played.home.points().min(played.away.points()) - 6 * played.overtimes;
        for (prefix, side) in [("home", &played.home), ("visitor", &played.away)] {
            let mut nested = team(side.team);
            let members = listed(world, side).into_iter().filter(|_| Some(side.team) != omitted_team);
            nested["players"] = members
                .map(|(player, stats)| {
                    let mut row = counts(stats);
                    row["plus_minus"] = json!(stats.and_then(|stats| stats.plus_minus).unwrap_or(0));
                    row["player"] = person(world, player);
                    row
                })
                .collect();
            game[format!("{prefix}_team")] = nested;
            let at_48 = if played.overtimes > 0 { regulation } else { side.points() };
            for quarter in 1..=4 {
                // The quarters of a game that has not reached the quarter have no points.
                let quarters = played.quarter().unwrap_or(4);
                let each = at_48 / quarters;
                let points = if quarter == quarters { at_48 - (quarters - 1) * each } else { each };
                game[format!("{prefix}_q{quarter}")] = json!((quarter <= quarters).then_some(points));
            }
            for overtime in 1..=3 {
                let last = side.points() - regulation - 6 * (played.overtimes - 1);
                let points = (overtime <= played.overtimes).then_some(if overtime == played.overtimes {
                    last
                } else {
                    6
                });
                game[format!("{prefix}_ot{overtime}")] = json!(points);
            }
            game[format!("{prefix}_timeouts_remaining")] = json!(1);
            game[format!("{prefix}_in_bonus")] = json!(true);
        }
        game
    });
    games.collect()
}

/// Returns the players in a team's box score: those who appeared, with their statistics, and those who were available but did not play.
fn listed<'a>(world: &'a World<'_>, side: &'a Side) -> Vec<(&'a Player, Option<&'a BoxScoreStats>)> {
    let players = &world.league.players;
    let appeared =
        side.appearances.iter().map(|appearance| (&players[appearance.player], Some(&appearance.stats)));
    appeared.chain(side.did_not_play.iter().map(|&player| (&players[player], None))).collect()
}

fn counts(stats: Option<&BoxScoreStats>) -> Value {
    let minutes = match stats.map(|stats| stats.playing_time.0 / 60) {
        None => "00".to_owned(),
        // The player played for less than a minute; "00" would mean that he did not play.
        Some(0) => "00:20".to_owned(),
        Some(minutes) => format!("{minutes:02}"),
    };
    let stats = stats.copied().unwrap_or_default();
    let percentage = |made, attempted| percentage(made, attempted, 7).unwrap_or(0.0);
    json!({
        "min": minutes,
        "fgm": stats.field_goals_made, "fga": stats.field_goals_attempted,
        "fg_pct": percentage(stats.field_goals_made, stats.field_goals_attempted),
        "fg3m": stats.threes_made, "fg3a": stats.threes_attempted,
        "fg3_pct": percentage(stats.threes_made, stats.threes_attempted),
        "ftm": stats.free_throws_made, "fta": stats.free_throws_attempted,
        "ft_pct": percentage(stats.free_throws_made, stats.free_throws_attempted),
        "oreb": stats.offensive_rebounds, "dreb": stats.defensive_rebounds,
        "reb": stats.offensive_rebounds + stats.defensive_rebounds,
        "ast": stats.assists, "stl": stats.steals, "blk": stats.blocks, "turnover": stats.turnovers,
        "pf": stats.fouls, "pts": stats.points,
    })
}

fn person(world: &World<'_>, player: &Player) -> Value {
    let spelling = world.spelling(player, Speller::Balldontlie);
    json!({
        "id": 39_000_000 + 13 * player.index,
        "first_name": spelling.first, "last_name": spelling.last,
        "position": player.position,
        "height": format!("{}-{}", player.height_inches / 12, player.height_inches % 12),
        "weight": player.weight_pounds.to_string(),
        "jersey_number": player.jersey.to_string(),
        "college": player.college, "country": player.country,
        "draft_year": player.drafted, "draft_round": 1, "draft_number": 1 + player.index % 30,
    })
}

fn game(played: &Played) -> Value {
    let game = &played.game;
    let (status, time) = progress(played);
    json!({
        "id": 19_000_000 + game.id.0 % 100_000,
        "date": game.date.to_string(),
        "season": game.id.season().0,
        "status": status,
        "period": played.quarter().unwrap_or(4 + played.overtimes),
        "time": time,
        "postseason": false,
        "home_team_score": played.home.points(),
        "visitor_team_score": played.away.points(),
        "datetime": game.tip_off().to_string().replace('Z', ".000Z"),
        "home_team_id": team_id(game.home),
        "visitor_team_id": team_id(game.away),
    })
}

/// Returns the status of a game, and the time left in the quarter.
fn progress(played: &Played) -> (&'static str, String) {
    let (Some(share), Some(quarter)) = (played.in_progress, played.quarter()) else {
        return ("Final", "Final".to_owned());
    };
    let left = (12.0 * 60.0 * (f64::from(quarter) - 4.0 * share)) as i32;
    let status = ["1st Qtr", "2nd Qtr", "3rd Qtr", "4th Qtr"][quarter as usize - 1];
    (status, format!("Q{quarter} {}:{:02}", left / 60, left % 60))
}

/// balldontlie numbers the teams in the alphabetical order of their cities, from 1.
const fn team_id(team: Team) -> u32 {
    team as u32 + 1
}

fn team(team: Team) -> Value {
    let (conference, division) = division(team);
    json!({
        "id": team_id(team), "conference": conference, "division": division,
        "city": team.city(), "name": team.name(), "full_name": format!("{} {}", team.city(), team.name()),
        "abbreviation": team.code(),
    })
}

const fn division(team: Team) -> (&'static str, &'static str) {
    use Team::*;
    match team {
        BOS | BKN | NYK | PHI | TOR => ("East", "Atlantic"),
        CHI | CLE | DET | IND | MIL => ("East", "Central"),
        ATL | CHA | MIA | ORL | WAS => ("East", "Southeast"),
        DEN | MIN | OKC | POR | UTA => ("West", "Northwest"),
        GSW | LAC | LAL | PHX | SAC => ("West", "Pacific"),
        DAL | HOU | MEM | NOP | SAS => ("West", "Southwest"),
    }
}
