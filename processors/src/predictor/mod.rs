//! The predictor: computes every system's prediction, or the reason why there is none, from a player's features before a game.
//!
//! A stateless processor. Each system is a pure function of the features and of its constants (`RULES`), in a file of its own. The formulas
//! are those of a predecessor program; only its constants had errors. With the predecessor's constants, the tests in `parity` reproduce
//! its results.
//!
//! Invariant: the prediction for an eligible player contains every system exactly once; if a system predicts, every line offset is either
//! in its ladder or listed as omitted. No value is imputed silently: an adjustment whose feature is missing is 0 and is listed in
//! `missing_adjustments`.
//! Not here: the computation of the features (`feature_builder`), the market's main line (`markets`), grading (crate `sinks`).
mod artifact;
mod distribution;
mod ensemble;
mod forecast;
#[cfg(test)]
mod laws;
mod learned;
mod lines;
mod moving_average;
#[cfg(test)]
mod parity;
mod similarity;
mod version;
mod zone_matchup;

pub use artifact::{Artifact, ArtifactError, Backtest, Content, Kind, Training, feature_schema_hash};
pub use distribution::Spread;

use forecast::Forecast;
use learned::Learned;
use lines::{BaseLine, LINE_OFFSETS, Threshold};
use schemas::{
    features::{Eligibility, Features},
    prediction::{Predicted, Prediction, System, SystemOutcome, SystemPrediction, SystemSkip},
};

/// All prediction systems, with the artifact of the learned system if one is installed.
#[derive(Clone, Debug)]
pub struct Predictor {
    learned: Option<Learned>,
    version: i64,
}

impl Predictor {
    pub fn new(learned: Option<Artifact>) -> Self {
        let learned = learned.map(Learned::new);
        let version = version::model_version(learned.as_ref().map(Learned::artifact));
        Predictor { learned, version }
    }

    /// Returns the version of the code, the constants and the artifact.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// Computes the prediction of the learned system alone, or the reason why there is none. The player must be eligible.
    pub fn predict_learned(&self, features: &Features) -> SystemOutcome {
        outcome(self.learned(features), learned::THRESHOLD, BaseLine::for_features(features))
    }

    fn learned(&self, features: &Features) -> Result<Forecast, SystemSkip> {
        self.learned.as_ref().ok_or(SystemSkip::ModelAbsent).and_then(|model| model.forecast(features))
    }

    /// Computes the predictions of all systems for one player and one game on one date.
    pub fn predict(&self, features: &Features) -> Prediction {
        let is_eligible = features.eligibility == Eligibility::Eligible;
        let base_line = if is_eligible { BaseLine::for_features(features) } else { None };
        let omitted_line_offsets = match base_line {
            Some(base_line) => base_line.omitted_line_offsets().collect(),
            None if is_eligible => LINE_OFFSETS.to_vec(),
            None => Vec::new(),
        };
        Prediction {
            player: features.player,
            game: features.game,
            name: features.name.clone(),
            home: features.home,
            away: features.away,
            team: features.team,
            date: features.date,
            tip_off: features.tip_off,
            basis: features.basis,
            known_at: features.known_at,
            eligibility: features.eligibility,
            appearances: features.appearances,
            input_version: version::input_version(features),
            model_version: self.version,
            base_line: base_line.map(|base_line| base_line.line),
            line_source: base_line.map(|base_line| base_line.source),
            omitted_line_offsets,
            quality_flags: features.quality_flags.clone(),
            systems: if is_eligible { self.systems(features, base_line) } else { Vec::new() },
            voided: features.voided,
        }
    }

    fn systems(&self, features: &Features, base_line: Option<BaseLine>) -> Vec<SystemPrediction> {
        let components = [
            moving_average::forecast(features, &moving_average::RULES),
            zone_matchup::forecast(features, &zone_matchup::RULES),
            similarity::forecast(features, &similarity::RULES),
            self.learned(features),
        ];
        let ensemble = ensemble::forecast(components.iter().flatten(), features, &ensemble::RULES);
        let [moving_average, zone_matchup, similarity, learned] = components;
        let systems = System::ALL.into_iter().map(|system| {
            let (forecast, threshold) = match system {
                System::MovingAverage => (moving_average, moving_average::RULES.threshold),
                System::ZoneMatchupV1 => (zone_matchup, zone_matchup::RULES.threshold),
                System::SimilarityBalancedV1 => (similarity, similarity::RULES.threshold),
                System::EnsembleV1 => (ensemble, ensemble::RULES.threshold),
                System::LearnedV1 => (learned, learned::THRESHOLD),
            };
            SystemPrediction { system, outcome: outcome(forecast, threshold, base_line) }
        });
        systems.collect()
    }
}

fn outcome(
    forecast: Result<Forecast, SystemSkip>,
    threshold: Threshold,
    base_line: Option<BaseLine>,
) -> SystemOutcome {
    match forecast {
        Err(reason) => SystemOutcome::Skipped(reason),
        Ok(forecast) => SystemOutcome::Predicted(Predicted {
            points: forecast.points,
            stddev_points: forecast.stddev_points,
            confidence: forecast.confidence / 100.0,
            line_ladder: base_line
                .map_or_else(Vec::new, |base_line| base_line.line_ladder(&forecast, threshold)),
            missing_adjustments: forecast.missing_adjustments.names(),
        }),
    }
}
