//! The games of a date with the data that is missing, and the candidates of a date by eligibility.
//!
//! A candidate is a player who may appear for one of the teams of a game.
//! Invariant: every candidate is counted under exactly one eligibility.
//! Not here: queries of the warehouse (crate `sinks`), tables (`cli::slate`).
use crate::{app::App, names::resolution};
use anyhow::Result;
use processors::names::Resolution;
use runtime::{LogReader, inspect};
use schemas::{
    EasternDate, Scope, Timestamp, fixture::GameDate, game::Game, identity::NameRevision,
    observation::GameStatus, raw::Source,
};
use serde::Serialize;
use sinks::sqlite::{Coverage, PlayerSlate};
use std::collections::BTreeMap;

/// The games of a date; games with problems come first.
#[derive(Serialize)]
pub struct StatusReport {
    pub date: String,
    pub games: Vec<GameRow>,
    /// When the newest fact about any game became known; `None` if the log has no game.
    pub known_at: Option<String>,
    /// Number of games whose tip-off was before `known_at` and that have no result.
    pub games_without_result: usize,
    /// The names that a book quotes on the date and that refer to no player, sorted. The quotes are parked.
    pub names_without_player: Vec<QuotedName>,
}
/// A name that a book quotes for a game of two teams.
#[derive(Serialize)]
pub struct QuotedName {
    pub name: String,
    pub teams: String,
    /// `ambiguous` or `unknown`.
    pub result: &'static str,
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
    /// True if the tip-off was before the newest fact about any game, and there is no result.
    pub is_without_result: bool,
    pub score: Option<String>,
    pub players: i32,
    pub candidates: usize,
    pub predicted: usize,
    /// Number of candidates whose row is void.
    pub voided: usize,
    /// Descriptions of the data of this game that is missing or inconsistent.
    pub problems: Vec<String>,
}
/// Number of candidates of a game, number of them who have a prediction that is not void, and number of void rows.
#[derive(Clone, Copy, Default)]
struct CandidateCount {
    candidates: usize,
    predicted: usize,
    voided: usize,
}

/// Returns the games of a date, and the data that is missing for each game.
///
/// # Errors
/// If the log or the warehouse cannot be read.
pub fn status(app: &App, date: EasternDate) -> Result<StatusReport> {
    let mut log = app.open_log_read_only()?;
    let games = inspect::table(log.as_mut(), &topics::GAMES, |_| true)?;
    let known_at = newest_known_at(log.as_mut())?;
    let names_without_player = names_without_player(log.as_mut(), date)?;
    let mut counts: BTreeMap<String, CandidateCount> = BTreeMap::new();
    for player in app.warehouse().reader()?.slate(date)? {
        let count = counts.entry(player.game_id).or_default();
        count.candidates += 1;
        let is_void = player.void_reason.is_some();
        count.predicted += usize::from(player.status == "predicted" && !is_void);
        count.voided += usize::from(is_void);
    }
    let dates = games.iter().flat_map(|game| game.dates.iter().map(move |game_date| (game, game_date)));
    let mut games: Vec<GameRow> = dates
        .filter(|(_, game_date)| game_date.date == date)
        .map(|(game, game_date)| {
            let count = counts.get(&game.game.to_string()).copied().unwrap_or_default();
            game_row(game, game_date, count, known_at)
        })
        .collect();
    games.sort_by_key(|game| (game.problems.is_empty(), game.tip_off.clone(), game.game_id.clone()));
    Ok(StatusReport {
        date: date.to_string(),
        games_without_result: games.iter().filter(|game| game.is_without_result).count(),
        games,
        known_at: known_at.map(|known_at| known_at.to_string()),
        names_without_player,
    })
}

/// Returns when the newest fact about any game became known: its fixture, its result, or a box score.
fn newest_known_at(log: &mut dyn LogReader) -> Result<Option<Timestamp>> {
    let rows = inspect::table(log, &topics::TEAM_GAMES, |_| true)?;
    Ok(rows.iter().filter_map(|row| Some(row.revisions.last()?.known_at)).max())
}

/// Returns the names that a book quotes on a date and that refer to no player, by the latest results of their lookups.
fn names_without_player(log: &mut dyn LogReader, date: EasternDate) -> Result<Vec<QuotedName>> {
    let of_date = format!("/{}/{date}", Source::Oddsapi);
    let mut latest: BTreeMap<(String, String), Vec<NameRevision>> = BTreeMap::new();
    for row in inspect::table(log, &topics::NAMES, |key| key.ends_with(&of_date))? {
        let Ok(Scope::Matchup(matchup)) = row.scope.parse::<Scope>() else { continue };
        for name_match in row.matches {
            let revisions = latest.entry((name_match.name, matchup.to_string())).or_default();
            revisions.extend(name_match.revisions.last().cloned());
        }
    }
    let names = latest.into_iter().filter_map(|((name, teams), revisions)| {
        let result = match resolution(Source::Oddsapi, &revisions) {
            Resolution::Player(..) | Resolution::Nobody => return None,
            Resolution::Ambiguous(_) => "ambiguous",
            Resolution::Unknown => "unknown",
        };
        Some(QuotedName { name, teams, result })
    });
    Ok(names.collect())
}

fn game_row(
    game: &Game,
    game_date: &GameDate,
    count: CandidateCount,
    known_at: Option<Timestamp>,
) -> GameRow {
    let has_result = game.status == GameStatus::Final || game.home_players + game.away_players > 0;
    let has_passed = known_at.is_some_and(|known_at| game_date.tip_off < known_at);
    let score = game.away_points.zip(game.home_points).filter(|_| game_date.stands());
    let state = match (&game_date.end, game.status) {
        (Some(end), _) => end.reason.name(),
        (None, GameStatus::Scheduled) => "scheduled",
        (None, GameStatus::Live) => "live",
        (None, GameStatus::Final) => "final",
    };
    GameRow {
        game_id: game.game.to_string(),
        away: game_date.away.to_string(),
        home: game_date.home.to_string(),
        tip_off: game_date.tip_off.to_string(),
        tip_estimated: game_date.tip_estimated,
        state,
        is_without_result: game_date.stands() && has_passed && !has_result,
        score: score.map(|(away, home)| format!("{away}–{home}")),
        players: if game_date.stands() { game.home_players + game.away_players } else { 0 },
        candidates: count.candidates,
        predicted: count.predicted,
        voided: count.voided,
        problems: if game_date.stands() { box_score_problems(game) } else { Vec::new() },
    }
}

/// Checks that each team of a final game has points, and a box score whose points add up to the same number. The final of the cup may have
/// no box score, because the game logs of the season lack it.
fn box_score_problems(game: &Game) -> Vec<String> {
    let mut problems = Vec::new();
    if game.status != GameStatus::Final {
        return problems;
    }
    for (team, players, points, box_points) in [
        (game.away, game.away_players, game.away_points, game.away_box_points),
        (game.home, game.home_players, game.home_points, game.home_box_points),
    ] {
        match points {
            None => problems.push(format!("{team}: the game is final, but the points are missing")),
            Some(_) if players == 0 && !game.game.counts_in_averages() => {}
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
