//! A system's forecast of a player's points, before it is compared with a line; and `FeatureReader`, through which a system reads features.
//!
//! Invariant: a forecast lies in [0, 60] points, and lists every missing feature that the system would have used.
//! Not here: the rules of the systems.
use super::distribution::Spread;
use schemas::{
    features::{FEATURES, Features, index},
    prediction::SystemSkip,
};

/// The bounds of every forecast, in points (the same as in the predecessor program).
pub(super) const BOUNDS: (f64, f64) = (0.0, 60.0);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Forecast {
    pub points: f64,
    /// Standard deviation of the forecast, in points.
    pub stddev_points: f64,
    /// In percent, not as a share: its increments are then whole numbers, which floating-point arithmetic adds and compares exactly.
    pub confidence: f64,
    pub missing_adjustments: MissingAdjustments,
}

/// The features that a system would have used but that are missing; bit i stands for the feature with index i in the vector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct MissingAdjustments(u128);
impl MissingAdjustments {
    pub fn insert(&mut self, index: usize) {
        self.0 |= 1 << index;
    }
    pub fn names(self) -> Vec<String> {
        let missing = FEATURES.iter().enumerate().filter(|(index, _)| self.0 >> index & 1 == 1);
        missing.map(|(_, name)| (*name).to_owned()).collect()
    }
}

/// Reads features for one system and records the missing ones.
pub(super) struct FeatureReader<'a> {
    features: &'a Features,
    missing_adjustments: MissingAdjustments,
}
impl<'a> FeatureReader<'a> {
    pub fn new(features: &'a Features) -> Self {
        FeatureReader { features, missing_adjustments: MissingAdjustments::default() }
    }
    /// Returns the value of a feature that the system requires.
    ///
    /// # Errors
    /// [`SystemSkip::MissingFeature`] if the feature is missing.
    pub fn require(&self, index: usize) -> Result<f64, SystemSkip> {
        self.features.get(index).value().ok_or(SystemSkip::MissingFeature)
    }
    /// Returns the value of a feature that the system can do without; records the feature if it is missing.
    pub fn optional(&mut self, index: usize) -> Option<f64> {
        let value = self.features.get(index).value();
        if value.is_none() {
            self.missing_adjustments.insert(index);
        }
        value
    }
    /// Computes an adjustment from a feature; 0 if the feature is missing.
    pub fn adjust(&mut self, index: usize, adjustment: impl FnOnce(f64) -> f64) -> f64 {
        self.optional(index).map_or(0.0, adjustment)
    }
    /// Returns the weighted sum of features; a missing feature adds 0.
    pub fn weigh(&mut self, terms: &[Term]) -> f64 {
        terms.iter().map(|term| self.adjust(term.feature, |value| term.weight * value)).sum()
    }
    pub fn forecast(self, points: f64, confidence: f64, spread: &Spread) -> Forecast {
        let points = points.clamp(BOUNDS.0, BOUNDS.1);
        Forecast {
            points,
            stddev_points: spread.stddev_points(points, self.features),
            confidence,
            missing_adjustments: self.missing_adjustments,
        }
    }
}

/// The index of a feature in the vector, and the points added to a forecast per unit of the feature (`weight`).
#[derive(Clone, Copy, Debug)]
pub(super) struct Term {
    pub feature: usize,
    pub weight: f64,
}

/// The points added to a forecast for a home game and for an away game.
#[derive(Clone, Copy, Debug)]
pub(super) struct Venue {
    pub home: f64,
    pub away: f64,
}
impl Venue {
    pub fn adjust(&self, reader: &mut FeatureReader<'_>) -> f64 {
        reader.adjust(index::HOME_AWAY, |home| if home > 0.5 { self.home } else { self.away })
    }
}

/// The points added to a forecast for each of three ranges of the fatigue score; a score of 0 means exhausted, 100 means fresh.
#[derive(Clone, Copy, Debug)]
pub(super) struct FatigueSteps {
    pub up_to_50: f64,
    pub up_to_70: f64,
    pub above: f64,
}
impl FatigueSteps {
    pub fn adjust(&self, reader: &mut FeatureReader<'_>) -> f64 {
        reader.adjust(index::FATIGUE_SCORE, |score| match score {
            score if score <= 50.0 => self.up_to_50,
            score if score <= 70.0 => self.up_to_70,
            _ => self.above,
        })
    }
}
