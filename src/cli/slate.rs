//! `status` and `coverage`: a day's games and candidates, and what is missing of each.
use super::{CommandOutcome, Output, output};
use crate::{config::Config, warehouse::WarehouseTarget};
use anyhow::Result;
use runtime::inspect;
use schemas::{EasternDate, game::Game, observation::GameStatus};
use serde::Serialize;
use sinks::sqlite::PlayerSlate;
use std::collections::BTreeMap;

#[derive(Serialize)]
struct Status {
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
    /// What is missing or does not add up; empty when nothing is.
    wrong: Vec<String>,
}

pub fn status(config: &Config, date: EasternDate, output: Output) -> Result<CommandOutcome> {
    let mut log = crate::storage::open(config)?;
    let games = inspect::table(log.as_mut(), &topics::GAMES, |_| true)?;
    let slate = WarehouseTarget::live(config).reader()?.slate(date)?;
    let mut of_game: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for player in &slate {
        let (candidates, predicted) = of_game.entry(player.game_id.clone()).or_default();
        *candidates += 1;
        *predicted += usize::from(player.status == "predicted");
    }
    let mut rows: Vec<GameRow> = games
        .iter()
        .filter(|game| game.date == date)
        .map(|game| row(game, of_game.get(&game.game.to_string()).copied().unwrap_or_default()))
        .collect();
    rows.sort_by_key(|row| (row.wrong.is_empty(), row.tip_off.clone(), row.game_id.clone()));
    let status = Status { date: date.to_string(), games: rows };
    output::print(output, &status, show)?;
    Ok(if status.games.iter().all(|game| game.wrong.is_empty()) {
        CommandOutcome::Done
    } else {
        CommandOutcome::Unbalanced
    })
}

fn row(game: &Game, (candidates, predicted): (usize, usize)) -> GameRow {
    let score = game.away_points.zip(game.home_points);
    let mut wrong = Vec::new();
    if game.status == GameStatus::Final && !game.called_off {
        for (team, players, points, box_points) in [
            (game.away, game.away_players, game.away_points, game.away_box_points),
            (game.home, game.home_players, game.home_points, game.home_box_points),
        ] {
            match points {
                None => wrong.push(format!("{team}: final, and no points")),
                Some(_) if players == 0 => wrong.push(format!("{team}: no box score")),
                Some(points) if points != box_points => {
                    wrong.push(format!("{team}: {points} points, its players {box_points}"))
                }
                Some(_) => {}
            }
        }
    }
    let state = match (game.called_off, game.status) {
        (true, _) => "called off",
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
        candidates,
        predicted,
        wrong,
    }
}

fn show(status: &Status) -> String {
    if status.games.is_empty() {
        return format!("no games are known on {}; `fastbreak ingest` a schedule that has them", status.date);
    }
    let rows = status.games.iter().map(|game| {
        let estimated = if game.tip_estimated { " (estimated)" } else { "" };
        [
            format!("{} @ {}", game.away, game.home),
            format!("{}{estimated}", game.tip_off),
            game.state.to_owned(),
            game.score.clone().unwrap_or_default(),
            game.players.to_string(),
            game.candidates.to_string(),
            game.predicted.to_string(),
            game.wrong.join("; "),
        ]
    });
    output::table(["game", "tip-off", "state", "score", "players", "candidates", "predicted", "wrong"], rows)
}

#[derive(Serialize)]
struct CoverageReport {
    date: String,
    candidates: u64,
    #[serde(flatten)]
    coverage: sinks::sqlite::Coverage,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    players: Vec<PlayerSlate>,
}

pub fn coverage(config: &Config, date: EasternDate, players: bool, output: Output) -> Result<CommandOutcome> {
    let reader = WarehouseTarget::live(config).reader()?;
    let coverage = reader.coverage(date)?;
    let report = CoverageReport {
        date: date.to_string(),
        candidates: coverage.statuses.values().sum(),
        coverage,
        players: if players { reader.slate(date)? } else { Vec::new() },
    };
    output::print(output, &report, |report| {
        let all = report.candidates;
        if all == 0 {
            return format!(
                "no candidates on {}; `fastbreak status {}` says what is known of its games",
                report.date, report.date
            );
        }
        let share = |n: u64| format!("{:.1} %", 100.0 * n as f64 / all as f64);
        let mut rows: Vec<[String; 3]> = report
            .coverage
            .statuses
            .iter()
            .map(|(status, n)| [status.clone(), n.to_string(), share(*n)])
            .collect();
        rows.push(["all candidates".into(), all.to_string(), share(all)]);
        rows.push([
            "played, not a candidate".into(),
            report.coverage.not_a_candidate.to_string(),
            String::new(),
        ]);
        let mut text = output::table(["state", "players", "share"], rows);
        if !report.players.is_empty() {
            let players = report.players.iter().map(|player| {
                let team = player.team.clone().unwrap_or_else(|| "–".into());
                [
                    player.player_name.clone(),
                    player.player_id.to_string(),
                    team,
                    player.game_id.clone(),
                    player.status.clone(),
                ]
            });
            text += &format!("\n\n{}", output::table(["player", "id", "team", "game", "state"], players));
        }
        text
    })?;
    Ok(CommandOutcome::Done)
}

/// A day's slate as people read it.
pub fn table(slate: &[PlayerSlate]) -> String {
    const SYSTEMS: [&str; 5] =
        ["moving_average", "zone_matchup_v1", "similarity_balanced_v1", "ensemble_v1", "learned_v1"];
    let rows = slate.iter().filter(|player| player.status == "predicted").map(|player| {
        let of = |name: &str| player.systems.iter().find(|system| system.system == name);
        let [ma, zone, similar, ensemble, learned] =
            SYSTEMS.map(|name| output::format_number(of(name).map(|system| system.predicted_points), 1));
        let call = of("ensemble_v1").or_else(|| of("moving_average"));
        let opponent = player.opponent.clone().unwrap_or_default();
        let at = if player.is_home == Some(true) { "vs" } else { "@" };
        let mark = if player.line_source.as_deref() == Some("estimate") { "~" } else { "" };
        [
            player.player_name.clone(),
            format!("{} {at} {opponent}", player.team.clone().unwrap_or_default()),
            format!("{mark}{}", player.base_line.map_or_else(|| "–".into(), |line| line.to_string())),
            ma,
            zone,
            similar,
            ensemble,
            learned,
            output::format_number(call.and_then(|system| system.p_over).map(|p| 100.0 * p), 0),
            call.and_then(|system| system.recommendation).unwrap_or("–").to_owned(),
        ]
    });
    let header =
        ["player", "game", "line", "moving", "zone", "similar", "ensemble", "learned", "P(over) %", "call"];
    output::table(header, rows)
}
