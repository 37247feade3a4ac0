//! The games of a date with the data that is missing, and the candidates of a date by eligibility.
//!
//! A candidate is a player who may appear for one of the teams of a game.
//! Invariant: every candidate is counted under exactly one eligibility.
//! Not here: queries of the warehouse (crate `sinks`), tables (`cli::slate`).
use crate::app::App;
use anyhow::Result;
use runtime::inspect;
use schemas::{EasternDate, game::Game, observation::GameStatus};
use serde::Serialize;
use sinks::sqlite::{Coverage, PlayerSlate};
use std::collections::BTreeMap;

/// The games of a date; games with problems come first.
#[derive(Serialize)]
pub struct StatusReport {
    pub date: String,
    pub games: Vec<GameRow>,
}
impl StatusReport {
    /// True if data of any game is missing or inconsistent.
    pub fn has_problems(&self) -> bool {
        self.games.iter().any(|game| !game.problems.is_empty())
    }
}
/// A game, the counts of its players, and its problems.
#[derive(Serialize)]
pub struct GameRow {
    pub game_id: String,
    pub away: String,
    pub home: String,
    pub tip_off: String,
    pub tip_estimated: bool,
    pub state: &'static str,
    pub score: Option<String>,
    pub players: i32,
    pub candidates: usize,
    pub predicted: usize,
    /// Descriptions of the data of this game that is missing or inconsistent.
    pub problems: Vec<String>,
}
/// Number of candidates of a game, and number of them who have a prediction.
#[derive(Clone, Copy, Default)]
struct CandidateCount {
    candidates: usize,
    predicted: usize,
}

/// Returns the games of a date, and the data that is missing for each game.
///
/// # Errors
/// If the log or the warehouse cannot be read.
pub fn status(app: &App, date: EasternDate) -> Result<StatusReport> {
    let mut log = app.open_log_read_only()?;
    let games = inspect::table(log.as_mut(), &topics::GAMES, |_| true)?;
    let mut counts: BTreeMap<String, CandidateCount> = BTreeMap::new();
    for player in app.warehouse().reader()?.slate(date)? {
        let count = counts.entry(player.game_id).or_default();
        count.candidates += 1;
        count.predicted += usize::from(player.status == "predicted");
    }
    let mut games: Vec<GameRow> = games
        .iter()
        .filter(|game| game.date == date)
        .map(|game| game_row(game, counts.get(&game.game.to_string()).copied().unwrap_or_default()))
        .collect();
    games.sort_by_key(|game| (game.problems.is_empty(), game.tip_off.clone(), game.game_id.clone()));
    Ok(StatusReport { date: date.to_string(), games })
}

fn game_row(game: &Game, count: CandidateCount) -> GameRow {
    let score = game.away_points.zip(game.home_points);
    let state = match (game.called_off, game.status) {
        (true, _) => "called_off",
        (_, GameStatus::Scheduled) => "scheduled",
        (_, GameStatus::Live) => "live",
        (_, GameStatus::Final) => "final",
    };
    GameRow {
        game_id: game.game.to_string(),
        away: game.away.to_string(),
        home: game.home.to_string(),
        tip_off: game.tip_off.to_string(),
        tip_estimated: game.tip_estimated,
        state,
        score: score.map(|(away, home)| format!("{away}–{home}")),
        players: game.home_players + game.away_players,
        candidates: count.candidates,
        predicted: count.predicted,
        problems: box_score_problems(game),
    }
}

/// Checks that each team of a final game has points, and a box score whose points add up to the same number.
fn box_score_problems(game: &Game) -> Vec<String> {
    let mut problems = Vec::new();
    if game.status != GameStatus::Final || game.called_off {
        return problems;
    }
    for (team, players, points, box_points) in [
        (game.away, game.away_players, game.away_points, game.away_box_points),
        (game.home, game.home_players, game.home_points, game.home_box_points),
    ] {
        match points {
            None => problems.push(format!("{team}: the game is final, but the points are missing")),
            Some(_) if players == 0 => {
                problems.push(format!("{team}: the game is final, but the box score is missing"));
            }
            Some(points) if points != box_points => {
                problems.push(format!("{team}: {points} points, but {box_points} in the box score"));
            }
            Some(_) => {}
        }
    }
    problems
}

/// Number of candidates of a date by eligibility.
#[derive(Serialize)]
pub struct CoverageReport {
    pub date: String,
    pub candidates: u64,
    #[serde(flatten)]
    pub coverage: Coverage,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub players: Vec<PlayerSlate>,
}

/// Counts the candidates of a date by eligibility; with `with_players`, also lists them.
///
/// # Errors
/// If the warehouse cannot be read.
pub fn coverage(app: &App, date: EasternDate, with_players: bool) -> Result<CoverageReport> {
    let queries = app.warehouse().reader()?;
    let coverage = queries.coverage(date)?;
    Ok(CoverageReport {
        date: date.to_string(),
        candidates: coverage.statuses.values().sum(),
        coverage,
        players: if with_players { queries.slate(date)? } else { Vec::new() },
    })
}
