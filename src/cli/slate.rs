//! The commands `status`, which prints the games of a date, and `coverage`, which counts the candidates of a date by eligibility.
//!
//! A candidate is a player who may appear for one of the teams of a game.
//! Invariant: every candidate is counted under exactly one eligibility.
//! Not here: queries of the warehouse (crate `sinks`).
use super::{
    outcome::CommandOutcome,
    output::{self, Output},
};
use crate::app::App;
use anyhow::Result;
use runtime::inspect;
use schemas::{EasternDate, game::Game, observation::GameStatus};
use serde::Serialize;
use sinks::sqlite::{Coverage, PlayerSlate, SystemLine};
use std::collections::BTreeMap;

#[derive(Serialize)]
struct StatusReport {
    date: String,
    games: Vec<GameRow>,
}
#[derive(Serialize)]
struct GameRow {
    game_id: String,
    away: String,
    home: String,
    tip_off: String,
    tip_estimated: bool,
    state: &'static str,
    score: Option<String>,
    players: i32,
    candidates: usize,
    predicted: usize,
    /// Descriptions of the data of this game that is missing or inconsistent.
    problems: Vec<String>,
}
/// Number of candidates of a game, and number of them who have a prediction.
#[derive(Clone, Copy, Default)]
struct CandidateCount {
    candidates: usize,
    predicted: usize,
}

pub fn status(app: &App, date: EasternDate, output: Output) -> Result<CommandOutcome> {
    let mut log = app.open_log()?;
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
    let has_problems = games.iter().any(|game| !game.problems.is_empty());
    output::print(output, &StatusReport { date: date.to_string(), games }, status_text)?;
    Ok(if has_problems { CommandOutcome::Unbalanced } else { CommandOutcome::Done })
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

fn status_text(report: &StatusReport) -> String {
    if report.games.is_empty() {
        return format!(
            "no games on {}\nnext: append a schedule with games on this date: `fastbreak ingest FILE`",
            report.date
        );
    }
    let rows = report.games.iter().map(|game| {
        let estimated = if game.tip_estimated { " (estimated)" } else { "" };
        [
            format!("{} @ {}", game.away, game.home),
            format!("{}{estimated}", game.tip_off),
            game.state.replace('_', " "),
            game.score.clone().unwrap_or_default(),
            game.players.to_string(),
            game.candidates.to_string(),
            game.predicted.to_string(),
            game.problems.join("; "),
        ]
    });
    let header = ["game", "tip-off", "state", "score", "players", "candidates", "predicted", "problems"];
    output::table(header, rows)
}

#[derive(Serialize)]
struct CoverageReport {
    date: String,
    candidates: u64,
    #[serde(flatten)]
    coverage: Coverage,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    players: Vec<PlayerSlate>,
}

pub fn coverage(app: &App, date: EasternDate, with_players: bool, output: Output) -> Result<CommandOutcome> {
    let queries = app.warehouse().reader()?;
    let coverage = queries.coverage(date)?;
    let report = CoverageReport {
        date: date.to_string(),
        candidates: coverage.statuses.values().sum(),
        coverage,
        players: if with_players { queries.slate(date)? } else { Vec::new() },
    };
    output::print(output, &report, coverage_text)?;
    Ok(CommandOutcome::Done)
}

fn coverage_text(report: &CoverageReport) -> String {
    let CoverageReport { date, candidates, coverage, players } = report;
    if *candidates == 0 {
        return format!("no candidates on {date}\nnext: `fastbreak status {date}` shows its games");
    }
    let share = |count: u64| format!("{:.1} %", 100.0 * count as f64 / *candidates as f64);
    let mut rows: Vec<[String; 3]> = coverage
        .statuses
        .iter()
        .map(|(status, count)| [status.clone(), count.to_string(), share(*count)])
        .collect();
    rows.push(["all candidates".into(), candidates.to_string(), share(*candidates)]);
    rows.push(["played, not a candidate".into(), coverage.not_a_candidate.to_string(), String::new()]);
    let counts = output::table(["eligibility", "players", "share"], rows);
    if players.is_empty() {
        return counts;
    }
    let players = players.iter().map(|player| {
        let team = player.team.clone().unwrap_or_else(|| "–".into());
        let (id, game) = (player.player_id.to_string(), player.game_id.clone());
        [player.player_name.clone(), id, team, game, player.status.clone()]
    });
    let players = output::table(["player", "id", "team", "game", "eligibility"], players);
    format!("{counts}\n\n{players}")
}

/// Formats the predicted candidates of a slate as a table.
pub fn table(slate: &[PlayerSlate]) -> String {
    let predicted = slate.iter().filter(|player| player.status == "predicted");
    let header =
        ["player", "game", "line", "moving", "zone", "similar", "ensemble", "learned", "P(over) %", "call"];
    output::table(header, predicted.map(slate_row))
}

fn slate_row(player: &PlayerSlate) -> [String; 10] {
    const SYSTEMS: [&str; 5] =
        ["moving_average", "zone_matchup_v1", "similarity_balanced_v1", "ensemble_v1", "learned_v1"];
    let find = |name: &str| player.systems.iter().find(|system| system.system == name);
    let [moving, zone, similar, ensemble, learned] =
        SYSTEMS.map(|name| output::format_number(find(name).map(|system| system.predicted_points), 1));
    let call: Option<&SystemLine> = find("ensemble_v1").or_else(|| find("moving_average"));
    let opponent = player.opponent.clone().unwrap_or_default();
    let versus = if player.is_home == Some(true) { "vs" } else { "@" };
    let estimated = if player.line_source.as_deref() == Some("estimate") { "~" } else { "" };
    let line = player.base_line.map_or_else(|| "–".into(), |line| line.to_string());
    [
        player.player_name.clone(),
        format!("{} {versus} {opponent}", player.team.clone().unwrap_or_default()),
        format!("{estimated}{line}"),
        moving,
        zone,
        similar,
        ensemble,
        learned,
        output::format_number(call.and_then(|system| system.p_over).map(|p_over| 100.0 * p_over), 0),
        call.and_then(|system| system.recommendation).unwrap_or("–").to_owned(),
    ]
}
