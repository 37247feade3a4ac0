//! `explain`: a prediction, and tables of its features, games and events.
//!
//! Invariant: it shows only fields of the report.
//! Not here: finding what the prediction was made from (`lineage`).
use super::{
    outcome::CommandOutcome,
    output::{self, Output},
};
use crate::{
    app::App,
    lineage::{
        self,
        report::{FeatureReport, LineageReport, PredictionReport, SystemOutcomeReport, SystemReport},
    },
};
use anyhow::Result;
use schemas::{EasternDate, GameId};

/// Maximum number of characters of an event's facts that a table shows.
const FACTS_CHARS: usize = 80;

/// Runs `explain`.
pub fn explain(
    app: &App,
    (player, date, game): (&str, EasternDate, Option<GameId>),
    output: Output,
) -> Result<CommandOutcome> {
    output::print(output, &lineage::lineage(app, player, date, game)?, text)?;
    Ok(CommandOutcome::Done)
}

fn text(report: &LineageReport) -> String {
    let parts = [
        heading(&report.prediction),
        system_table(&report.prediction.systems),
        feature_table(report),
        game_table(report),
        event_table(report),
    ];
    parts.join("\n\n")
}

fn heading(prediction: &PredictionReport) -> String {
    let PredictionReport { player_id, player_name, home, away, date, tip_off, .. } = prediction;
    let team = prediction.team.as_deref().unwrap_or("no side");
    let voided = match (&prediction.voided_at, prediction.void_reason) {
        (Some(at), Some(reason)) => format!("\nvoid since {at}: {}", reason.replace('_', " ")),
        _ => String::new(),
    };
    format!(
        "{player_name} ({player_id}), {team} in {away} @ {home} on {date}, tip-off {tip_off}\n\
         {}: {}, known at {}; input version {}, model version {}{voided}",
        prediction.basis,
        prediction.eligibility,
        prediction.known_at,
        prediction.input_version,
        prediction.model_version,
    )
}

fn system_table(systems: &[SystemReport]) -> String {
    let rows = systems.iter().flat_map(system_rows);
    output::table(
        ["system", "points", "line offset", "line", "P(over)", "P(push)", "call", "missing adjustments"],
        rows,
    )
}

/// Returns one table row per line of the line ladder or, if the system was skipped, one table row with the reason.
fn system_rows(report: &SystemReport) -> Vec<[String; 8]> {
    match &report.outcome {
        SystemOutcomeReport::Predicted {
            predicted_points,
            stddev_points,
            line_ladder,
            missing_adjustments,
            ..
        } => line_ladder
            .iter()
            .map(|line| {
                [
                    report.system.to_owned(),
                    format!("{predicted_points:.2} ± {stddev_points:.1}"),
                    format!("{:+}", line.line_offset),
                    line.line.to_string(),
                    format!("{:.3}", line.p_over),
                    format!("{:.3}", line.p_push),
                    line.recommendation.to_owned(),
                    missing_adjustments.join(", "),
                ]
            })
            .collect(),
        SystemOutcomeReport::Skipped { skipped } => {
            let mut row: [String; 8] = Default::default();
            (row[0], row[1]) = (report.system.to_owned(), (*skipped).to_owned());
            vec![row]
        }
    }
}

fn feature_table(report: &LineageReport) -> String {
    let rows = schemas::features::FEATURES.iter().filter_map(|name| {
        let value = match report.features.get(name)? {
            FeatureReport::Value(value) => format!("{value:.4}"),
            FeatureReport::Missing(reason) => format!("missing: {reason}"),
        };
        Some([(*name).to_owned(), value])
    });
    output::table(["feature", "value"], rows)
}

fn game_table(report: &LineageReport) -> String {
    let rows = report.games.iter().map(|game| {
        [
            game.date.clone(),
            game.game_id.clone(),
            format!("{} – {}", game.team, game.opponent),
            format!("{:.0}", game.minutes),
            game.points.to_string(),
            game.known_at.clone(),
            game.raw.to_string(),
        ]
    });
    output::table(["date", "game", "teams", "min", "pts", "known at", "raw event"], rows)
}

fn event_table(report: &LineageReport) -> String {
    let rows = report.events.iter().map(|event| {
        let facts = event.facts.chars().take(FACTS_CHARS).collect();
        let retracted = match (&event.retracted_at, &event.retraction_reason) {
            (Some(at), Some(reason)) => format!("retracted at {at}: {reason}"),
            _ => String::new(),
        };
        let event = event.clone();
        [event.raw.to_string(), event.feed, event.key, event.fetched_at, facts, retracted]
    });
    output::table(["raw event", "feed", "key", "fetched at", "facts", "retraction"], rows)
}
