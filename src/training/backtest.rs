//! Backtest: for each season of a range, a model of all earlier seasons forecasts it.
//!
//! Invariant: a season is forecast by a model that has seen none of its games (rolling origin).
//! Not here: the figures (`evaluation`), writing an artifact (`train`).
use super::{
    TrainingProgress,
    evaluation::{Evaluation, evaluate},
    examples::{ensure_balanced, read_examples},
    fitting::fit,
};
use crate::{app::App, precondition::refused, usage_error::UsageError};
use anyhow::Result;
use processors::predictor::{Artifact, Predictor};
use schemas::Season;
use serde::Serialize;

/// The figures of one season.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeasonBacktest {
    pub season: String,
    /// The number of rows on which the model was trained.
    pub trained_rows: u64,
    /// The hash of the artifact that forecast the season.
    pub artifact: String,
    #[serde(flatten)]
    pub evaluation: Evaluation,
}

/// The figures of each season.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BacktestReport {
    pub seasons: Vec<SeasonBacktest>,
}

/// Measures models on the seasons of a range.
///
/// # Errors
/// [`UsageError`] if the range ends before it starts; [`runtime::RuntimeError::Precondition`] if the audit does not balance, or a season
/// cannot be trained for or measured; if the log cannot be read.
pub fn backtest(
    app: &App,
    (from, to): (Season, Season),
    on_progress: &mut dyn FnMut(TrainingProgress),
) -> Result<BacktestReport> {
    if to < from {
        return Err(UsageError::new(
            format!("--to {to} is before --from {from}"),
            format!("swap the seasons: `fastbreak backtest --from {to} --to {from}`"),
        )
        .into());
    }
    on_progress(TrainingProgress::Audit);
    ensure_balanced(app)?;
    on_progress(TrainingProgress::Reading);
    let examples = read_examples(app)?;
    let mut seasons = Vec::new();
    for season in (from.0..=to.0).map(Season) {
        let rows = examples.before(season)?;
        let measured = examples.of(season);
        if measured.is_empty() {
            examples.ensure_enough(season)?;
        }
        let artifact = Artifact::new(fit(&rows, &format!("seasons before {season}"), on_progress)?)?;
        let hash = artifact.hash().to_owned();
        let evaluation = evaluate(&Predictor::new(Some(artifact)), &measured).ok_or_else(|| {
            let reason = format!("no eligible player of {season} has five earlier appearances and a result");
            refused("the backtest", reason, "choose another season")
        })?;
        let (season, trained_rows) = (season.to_string(), rows.len() as u64);
        seasons.push(SeasonBacktest { season, trained_rows, artifact: hash, evaluation });
    }
    Ok(BacktestReport { seasons })
}
