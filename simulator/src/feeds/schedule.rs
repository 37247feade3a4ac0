//! nbacom/schedule: the payload of nba.com's `scheduleleaguev2`.
//!
//! Invariant: `gameDateEst` and `gameDateTimeEst` have a Z although they are New York time; `gameDateTimeUTC` is correct.
//! Not here: which games a fetch returns (`fetches`).
use crate::calendar::Game;
use schemas::{EasternDate, Season, Team, Timestamp};
use serde_json::{Value, json};

/// The phase of a game in the schedule, for example not started or final.
#[derive(Clone, Copy, Debug)]
pub(crate) enum GamePhase {
    Ahead,
    CalledOff,
    /// The game is in progress, in this quarter, with these points of the home team and of the away team.
    Live(i32, i32, i32),
    /// The game has ended with these points of the home team and of the away team.
    Final(i32, i32),
}

/// A game, the day it is scheduled for, and its phase.
pub(crate) type Entry<'a> = (&'a Game, EasternDate, GamePhase);

/// Returns the payload with `entries`, which must be ordered by day.
pub(crate) fn payload(season: Season, fetched_at: Timestamp, entries: &[Entry<'_>]) -> Value {
    let days = entries.chunk_by(|a, b| a.1 == b.1).map(|day| {
        let date = day[0].1.civil();
        json!({
            "gameDate": format!("{:02}/{:02}/{} 00:00:00", date.month(), date.day(), date.year()),
            "games": day.iter().map(game).collect::<Vec<_>>(),
        })
    });
    json!({
        "meta": {"version": 1, "time": fetched_at.to_string()},
        "leagueSchedule": {
            "seasonYear": season.to_string(),
            "leagueId": "00",
            "gameDates": days.collect::<Vec<_>>(),
        },
    })
}

fn game(&(game, date, phase): &Entry<'_>) -> Value {
    let (hour, minute) = game.clock;
    let time = format!("{}:{minute:02} {} ET", (hour + 11) % 12 + 1, if hour < 12 { "am" } else { "pm" });
    let (status, text, [home, away]) = match phase {
        GamePhase::Ahead => (1, time, [0, 0]),
        GamePhase::CalledOff => (1, "PPD".to_owned(), [0, 0]),
        GamePhase::Live(quarter, home, away) => (2, format!("Q{quarter}"), [home, away]),
        GamePhase::Final(home, away) => (3, "Final".to_owned(), [home, away]),
    };
    json!({
        "gameId": game.id.to_string(),
        "gameCode": format!("{}/{}{}", date.to_string().replace('-', ""), game.away, game.home),
        "gameStatus": status,
        "gameStatusText": text,
        "gameDateEst": format!("{date}T00:00:00Z"),
        "gameDateTimeEst": format!("{date}T{hour:02}:{minute:02}:00Z"),
        "gameDateTimeUTC": game.tip_off_on(date).to_string(),
        "postponedStatus": if matches!(phase, GamePhase::CalledOff) { "Y" } else { "N" },
        "gameLabel": "",
        "homeTeam": team(game.home, home),
        "awayTeam": team(game.away, away),
    })
}

fn team(team: Team, score: i32) -> Value {
    json!({"teamTricode": team.code(), "teamName": team.name(), "teamCity": team.city(), "score": score})
}
