//! Evaluation: the errors of a model in games that were played after its training, beside those of the naive blend and of the lines.
//!
//! The population is that of `grade --population eligible`: eligible players with at least five earlier appearances of the season who played.
//! The naive blend forecasts 0.5 · last 5 + 0.3 · last 10 + 0.2 · season. A difference is that of the absolute errors of one player-game, so
//! it is paired; its standard error is clustered by day, because the player-games of one day share their games (K.-Y. Liang and S. L. Zeger,
//! 1986, for a mean, with the factor G / (G − 1) for G days).
//! Invariant: every figure of an evaluation is over the same player-games, except those of lines, which are over those with a market line.
//! Not here: the predictions of the other systems (`grade`).
use super::examples::Example;
use processors::predictor::Predictor;
use schemas::{
    EasternDate,
    features::{Eligibility, Features, index},
    prediction::{Predicted, SystemOutcome},
};
use serde::Serialize;
use std::collections::BTreeMap;

/// The fewest earlier appearances of the season, as in `grade`.
const MIN_APPEARANCES: i32 = 5;
/// The 0.9 quantile of the standard normal distribution: half the width of the central 80 % interval.
const NORMAL_QUANTILE: f64 = 1.281_551_565_545;
/// A probability is at least this far from 0 and 1 when it is rated.
const CERTAINTY: f64 = sinks::grading::CERTAINTY;

/// A mean of paired differences.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// In points; negative if the model has the smaller error.
    pub mean: f64,
    /// Clustered by day; `None` with fewer than two days.
    pub standard_error: Option<f64>,
}

/// The figures of the player-games with a market line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LineEvaluation {
    pub n: u64,
    pub mae: f64,
    /// The mean absolute error of the line, taken as a forecast.
    pub line_mae: f64,
    pub to_line: Difference,
    /// Mean of −ln(probability of what happened), over or under the line; `None` if every player-game was a push. Always 0.5 gives 0.6931.
    pub log_loss: Option<f64>,
}

/// The errors of a model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    pub n: u64,
    /// Number of player-games of the population for which the model or the blend lacks a feature; they are in no other figure.
    pub skipped: u64,
    pub mae: f64,
    /// Mean of predicted less actual points.
    pub bias: f64,
    /// Share of results within the central 80 % interval of the forecast.
    pub coverage_80: f64,
    pub blend_mae: f64,
    pub to_blend: Difference,
    /// `None` if no player-game has a market line.
    pub lines: Option<LineEvaluation>,
}

/// True if the models are measured on an example.
pub fn is_measured(example: &Example) -> bool {
    example.features.eligibility == Eligibility::Eligible && example.features.appearances >= MIN_APPEARANCES
}

/// Returns the forecast of the naive blend, in points; `None` if a mean is missing.
pub fn blend(features: &Features) -> Option<f64> {
    let mean = |index| features.get(index).value();
    let (last_5, last_10) = (mean(index::POINTS_AVG_LAST_5)?, mean(index::POINTS_AVG_LAST_10)?);
    Some(0.5 * last_5 + 0.3 * last_10 + 0.2 * mean(index::POINTS_AVG_SEASON)?)
}

/// A measured player-game.
struct Measured<'a> {
    features: &'a Features,
    points: f64,
    predicted: Predicted,
    blend: f64,
}
impl Measured<'_> {
    fn error(&self) -> f64 {
        (self.predicted.points - self.points).abs()
    }
    fn line(&self) -> Option<f64> {
        self.features.main_line.map(|line| line.points())
    }
    /// Returns the probability that the predictor gave to what happened, over or under the line, given that there is no push; `None` if the
    /// points equal the line or the ladder omits it.
    fn probability(&self, line: f64) -> Option<f64> {
        let base = self.predicted.line_ladder.iter().find(|ladder_line| ladder_line.line_offset == 0)?;
        let over = (base.p_over / (1.0 - base.p_push).max(CERTAINTY)).clamp(CERTAINTY, 1.0 - CERTAINTY);
        let is_over = (self.points != line).then_some(self.points > line)?;
        Some(if is_over { over } else { 1.0 - over })
    }
}

/// Measures the learned system of a predictor on examples; `None` if none of them can be measured.
pub fn evaluate(predictor: &Predictor, examples: &[&Example]) -> Option<Evaluation> {
    let population: Vec<&&Example> = examples.iter().filter(|example| is_measured(example)).collect();
    let measured = population.iter().filter_map(|example| {
        let (features, points) = (&example.features, f64::from(example.points));
        let SystemOutcome::Predicted(predicted) = predictor.predict_learned(features) else { return None };
        Some(Measured { features, points, predicted, blend: blend(features)? })
    });
    let measured: Vec<Measured> = measured.collect();
    let skipped = (population.len() - measured.len()) as u64;
    let all = || measured.iter();
    let is_covered = |row: &&Measured| row.error() <= NORMAL_QUANTILE * row.predicted.stddev_points;
    Some(Evaluation {
        n: measured.len() as u64,
        skipped,
        mae: mean(all().map(Measured::error))?,
        bias: mean(all().map(|row| row.predicted.points - row.points))?,
        coverage_80: all().filter(is_covered).count() as f64 / measured.len() as f64,
        blend_mae: mean(all().map(|row| (row.blend - row.points).abs()))?,
        to_blend: difference(
            all().map(|row| (row.features.date, row.error() - (row.blend - row.points).abs())),
        )?,
        lines: evaluate_lines(&measured),
    })
}

fn evaluate_lines(measured: &[Measured]) -> Option<LineEvaluation> {
    let with_line: Vec<(&Measured, f64)> =
        measured.iter().filter_map(|row| row.line().map(|line| (row, line))).collect();
    let all = || with_line.iter().map(|(row, line)| (*row, *line));
    let line_error = |row: &Measured, line: f64| (line - row.points).abs();
    Some(LineEvaluation {
        n: with_line.len() as u64,
        mae: mean(all().map(|(row, _)| row.error()))?,
        line_mae: mean(all().map(|(row, line)| line_error(row, line)))?,
        to_line: difference(
            all().map(|(row, line)| (row.features.date, row.error() - line_error(row, line))),
        )?,
        log_loss: mean(
            all().filter_map(|(row, line)| row.probability(line)).map(|probability| -probability.ln()),
        ),
    })
}

/// Returns the mean of values; `None` if there are none.
pub fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0u64, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / count as f64)
}

/// Returns the mean of differences, with its standard error clustered by day; `None` if there are none.
fn difference(differences: impl Iterator<Item = (EasternDate, f64)> + Clone) -> Option<Difference> {
    let mean = mean(differences.clone().map(|(_, difference)| difference))?;
    let (mut days, mut count) = (BTreeMap::<EasternDate, f64>::new(), 0u64);
    for (date, difference) in differences {
        *days.entry(date).or_default() += difference - mean;
        count += 1;
    }
    let clusters = days.len() as f64;
    let squares: f64 = days.values().map(|sum| sum * sum).sum();
    let standard_error =
        (days.len() > 1).then(|| (squares * clusters / (clusters - 1.0)).sqrt() / count as f64);
    Some(Difference { mean, standard_error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standard_error_is_clustered_by_day() {
        let of = |rows: &[(i32, f64)]| {
            difference(rows.iter().map(|(day, difference)| (EasternDate(*day), *difference))).unwrap()
        };
        // Each day has one row: the standard error of a mean of the values 1 and 3.
        assert_eq!(of(&[(1, 1.0), (2, 3.0)]), Difference { mean: 2.0, standard_error: Some(1.0) });
        // The same rows twice on their days say no more than once.
        let twice = of(&[(1, 1.0), (1, 1.0), (2, 3.0), (2, 3.0)]);
        assert_eq!(twice, Difference { mean: 2.0, standard_error: Some(1.0) });
        assert_eq!(of(&[(1, 1.0), (1, 3.0)]).standard_error, None);
        assert_eq!(difference(std::iter::empty()), None);
    }
}
