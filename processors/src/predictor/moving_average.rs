//! `moving_average`: recent and season means, adjusted for fatigue, matchup, pace, venue and usage.
//!
//! Invariant: a higher fatigue score never lowers a forecast. Back-to-backs affect a forecast only through the fatigue score.
//! Not here: the computation of the features (the feature builder).
use super::{
    distribution::Spread,
    forecast::{FatigueSteps, FeatureReader, Forecast, Term, Venue},
    lines::Threshold,
};
use schemas::{
    features::{Features, index},
    prediction::SystemSkip,
};

#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// The weights of the mean points over the last 5 appearances, the last 10 appearances and the season.
    pub means: [f64; 3],
    pub fatigue: FatigueSteps,
    pub terms: &'static [Term],
    pub venue: Venue,
    pub spread: Spread,
    pub threshold: Threshold,
}

pub(super) const RULES: Rules = Rules {
    means: [0.5, 0.3, 0.2],
    fatigue: FatigueSteps { up_to_50: -2.5, up_to_70: -1.0, above: 0.0 },
    terms: &[
        Term { feature: index::SHOT_ZONE_MISMATCH_SCORE, weight: 0.3 },
        Term { feature: index::PACE_SCORE, weight: 0.3 },
        Term { feature: index::USAGE_SPIKE_SCORE, weight: 0.4 },
    ],
    venue: Venue { home: 0.5, away: -0.5 },
    spread: Spread { at_zero: 14.0, per_point: 2.25, prior_games: 40.0 },
    threshold: Threshold::Above { edge: 2.0, confidence: 45.0 },
};

pub(super) fn forecast(features: &Features, rules: &Rules) -> Result<Forecast, SystemSkip> {
    let mut reader = FeatureReader::new(features);
    let [last_5, last_10, season] = rules.means;
    let mean = last_5 * reader.require(index::POINTS_AVG_LAST_5)?
        + last_10 * reader.require(index::POINTS_AVG_LAST_10)?
        + season * reader.require(index::POINTS_AVG_SEASON)?;
    let adjustments =
        rules.fatigue.adjust(&mut reader) + reader.weigh(rules.terms) + rules.venue.adjust(&mut reader);
    let confidence = confidence(&mut reader);
    Ok(reader.forecast(mean + adjustments, confidence, &rules.spread))
}

/// Returns the confidence in percent. It is lower the more the player's points vary, and higher the more games the player had in the last 7
/// days.
pub(super) fn confidence(reader: &mut FeatureReader<'_>) -> f64 {
    let steadiness = reader.adjust(index::POINTS_STD_LAST_10, |deviation| match deviation {
        deviation if deviation > 6.0 => -15.0,
        deviation if deviation > 4.0 => -8.0,
        _ => 0.0,
    });
    let activity = reader.adjust(index::GAMES_IN_LAST_7_DAYS, |games| match games {
        games if games >= 3.0 => 10.0,
        games if games >= 2.0 => 5.0,
        _ => -10.0,
    });
    (50.0 + steadiness + activity).clamp(20.0, 80.0)
}
