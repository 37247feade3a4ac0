//! The predictor: from a player's features before a game to every system's prediction, or the reason why there is none.
//!
//! A map: it remembers nothing. Each system is a pure function of the features and of its constants (`RULES`), in a file of
//! its own. Where the predecessor's formulas were wrong, only their constants were: the tests reproduce it with its own.
//! Invariant: an eligible player has every system exactly once, and each predicted one every line offset, made or named as not made.
//! Nothing is filled in silently: an adjustment whose feature is missing is 0 and named in `missing_adjustments`.
//! Not here: the features, the market's main line, grading.
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

pub use artifact::{Artifact, ArtifactError, Kind, Model, feature_schema_hash};
pub use distribution::Spread;

use forecast::Forecast;
use learned::Learned;
use lines::{BaseLine, LINE_OFFSETS, Threshold};
use schemas::{
    features::{Eligibility, Features},
    prediction::{Predicted, Prediction, System, SystemOutcome, SystemPrediction, SystemSkip},
};

/// All systems, and the learned one's artifact when there is one.
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

    /// The version of the code, the constants and the artifact; another one predicts differently.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// What every system says of one player and one game.
    pub fn predict(&self, features: &Features) -> Prediction {
        let eligible = features.eligibility == Eligibility::Eligible;
        let base = if eligible { BaseLine::for_features(features) } else { None };
        let omitted_line_offsets = match base {
            Some(base) => base.omitted_line_offsets().collect(),
            None if eligible => LINE_OFFSETS.to_vec(),
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
            base_line: base.map(|base| base.line),
            line_source: base.map(|base| base.source),
            omitted_line_offsets,
            quality_flags: features.quality_flags.clone(),
            systems: if eligible { self.systems(features, base) } else { Vec::new() },
        }
    }

    fn systems(&self, features: &Features, base: Option<BaseLine>) -> Vec<SystemPrediction> {
        let components = [
            moving_average::forecast(features, &moving_average::RULES),
            zone_matchup::forecast(features, &zone_matchup::RULES),
            similarity::forecast(features, &similarity::RULES),
            self.learned.as_ref().ok_or(SystemSkip::ModelAbsent).and_then(|model| model.forecast(features)),
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
            SystemPrediction { system, outcome: outcome(forecast, threshold, base) }
        });
        systems.collect()
    }
}

fn outcome(
    forecast: Result<Forecast, SystemSkip>,
    threshold: Threshold,
    base: Option<BaseLine>,
) -> SystemOutcome {
    match forecast {
        Err(skip) => SystemOutcome::Skipped(skip),
        Ok(forecast) => SystemOutcome::Predicted(Predicted {
            points: forecast.points,
            stddev_points: forecast.stddev_points,
            confidence: forecast.confidence / 100.0,
            line_ladder: base.map_or_else(Vec::new, |base| base.line_ladder(&forecast, threshold)),
            missing_adjustments: forecast.missing_adjustments.names(),
        }),
    }
}
