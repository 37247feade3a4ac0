//! The commands `status`, which prints the games of a date, and `coverage`, which counts the candidates of a date by eligibility.
//!
//! Invariant: a table shows every game or eligibility of the report.
//! Not here: the reports (`slate`).
use super::{
    outcome::CommandOutcome,
    output::{self, Output},
};
use crate::{
    app::App,
    slate::{self, CoverageReport, StatusReport},
};
use anyhow::Result;
use schemas::EasternDate;
use sinks::sqlite::{PlayerSlate, SystemLine};

/// Runs `status`.
pub fn status(app: &App, date: EasternDate, output: Output) -> Result<CommandOutcome> {
    let report = slate::status(app, date)?;
    output::print(output, &report, status_text)?;
    Ok(if report.has_problems() { CommandOutcome::Unbalanced } else { CommandOutcome::Done })
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
            game.voided.to_string(),
            game.problems.join("; "),
        ]
    });
    let header =
        ["game", "tip-off", "state", "score", "players", "candidates", "predicted", "void", "problems"];
    [output::table(header, rows), without_result(report), without_player(report)].concat()
}

/// Returns the line on games without result; empty if there are none.
fn without_result(report: &StatusReport) -> String {
    let known_at = report.known_at.as_deref().unwrap_or_default();
    match report.games_without_result {
        0 => String::new(),
        1 => format!("\n\n1 game has no result although its tip-off has passed, as of {known_at}"),
        count => {
            format!("\n\n{count} games have no result although their tip-off has passed, as of {known_at}")
        }
    }
}

/// Returns the table of quoted names that refer to no player; empty if there are none.
fn without_player(report: &StatusReport) -> String {
    if report.names_without_player.is_empty() {
        return String::new();
    }
    let rows = report.names_without_player.iter();
    let rows = rows.map(|quoted| [quoted.name.clone(), quoted.teams.clone(), quoted.result.to_owned()]);
    let table = output::table(["quoted name", "teams", "player"], rows);
    format!("\n\n{table}\nnext: `fastbreak names review`")
}

/// Runs `coverage`.
pub fn coverage(app: &App, date: EasternDate, with_players: bool, output: Output) -> Result<CommandOutcome> {
    output::print(output, &slate::coverage(app, date, with_players)?, coverage_text)?;
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
        let status = match &player.void_reason {
            Some(reason) => format!("void ({reason})"),
            None => player.status.clone(),
        };
        [player.player_name.clone(), id, team, game, status]
    });
    let players = output::table(["player", "id", "team", "game", "eligibility"], players);
    format!("{counts}\n\n{players}")
}

/// Formats the predicted candidates of a slate as a table, without those whose row is void.
pub fn table(slate: &[PlayerSlate]) -> String {
    let predicted = slate.iter().filter(|player| player.status == "predicted");
    let predicted = predicted.filter(|player| player.void_reason.is_none());
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
