//! `similarity_balanced_v1`: the player's mean points in the most similar earlier games of the season, with adjustments.
//!
//! Invariant: the compared games are earlier than the predicted game, each with its circumstances as of its own tip-off; of equally similar
//! games, the newer ones are used first.
//! Not here: the circumstances of the games (the feature builder).
use super::{
    distribution::Spread,
    forecast::{FeatureReader, Forecast, Term, Venue},
    lines::Threshold,
};
use schemas::{
    features::{Comparable, DefenseTier, Features, Streak, index},
    prediction::SystemSkip,
};
use std::cmp::Reverse;

#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// Earlier games are used only if their similarity to the predicted game, 0–100, is at least this.
    pub similar_from: i32,
    pub at_least: usize,
    pub at_most: usize,
    /// The fatigue score at which the adjustment is 0, and the adjustment in points per unit of the score above it.
    pub fatigue: (f64, f64),
    pub terms: &'static [Term],
    pub venue: Venue,
    /// The greatest confidence, in percent.
    pub confidence_at_most: f64,
    pub spread: Spread,
    pub threshold: Threshold,
}

pub(super) const RULES: Rules = Rules {
    similar_from: 70,
    at_least: 5,
    at_most: 20,
    fatigue: (70.0, 0.015),
    terms: &[
        Term { feature: index::SHOT_ZONE_MISMATCH_SCORE, weight: 0.4 },
        Term { feature: index::PACE_SCORE, weight: 0.8 },
        Term { feature: index::USAGE_SPIKE_SCORE, weight: 0.8 },
    ],
    venue: Venue { home: 0.8, away: -0.5 },
    confidence_at_most: 100.0,
    spread: Spread { at_zero: 20.0, per_point: 2.25, prior_games: 20.0 },
    threshold: Threshold::AtLeast { edge: 2.0, confidence: 65.0 },
};

/// The circumstances of the predicted game, which are compared with those of earlier games.
struct Circumstances {
    tier: DefenseTier,
    rest_bucket: i32,
    is_home: bool,
    streak: Streak,
}
impl Circumstances {
    fn for_features(features: &Features, reader: &FeatureReader<'_>) -> Result<Self, SystemSkip> {
        let last_5 = reader.require(index::POINTS_AVG_LAST_5)?;
        Ok(Circumstances {
            tier: DefenseTier::from_def_rating(reader.require(index::OPPONENT_DEF_RATING)?),
            rest_bucket: rest_bucket(features.rest_days.ok_or(SystemSkip::MissingFeature)?),
            is_home: reader.require(index::HOME_AWAY)? > 0.5,
            streak: Streak::from_averages(last_5, reader.require(index::POINTS_AVG_SEASON)?),
        })
    }
    /// Returns the similarity to an earlier game, from 5 to 100: at most 40 for the tier of the opponent's defense, 30 for rest, 15 for
    /// venue and 15 for streak (5 if the streaks differ).
    fn similarity(&self, game: &Comparable) -> i32 {
        let tier = match (self.tier as i32 - game.tier as i32).abs() {
            0 => 40,
            1 => 20,
            _ => 0,
        };
        let rest = match (self.rest_bucket - rest_bucket(game.rest_days)).abs() {
            0 => 30,
            1 => 15,
            _ => 0,
        };
        let venue = if self.is_home == game.is_home { 15 } else { 0 };
        let streak = if self.streak == game.streak { 15 } else { 5 };
        tier + rest + venue + streak
    }
}

/// Returns the number of full days off, limited to 3.
fn rest_bucket(rest_days: i32) -> i32 {
    rest_days.clamp(0, 3)
}

/// Statistics over the similar games, computed from sums of integers, so the order of summation does not matter.
pub(super) struct Similar {
    pub games: f64,
    pub mean_similarity: f64,
    /// The mean of the player's points in the similar games, weighted by their similarity.
    pub baseline: f64,
    /// The population standard deviation (divisor n) of the player's points in the similar games.
    pub deviation: f64,
}

pub(super) fn similar(features: &Features, rules: &Rules) -> Result<Similar, SystemSkip> {
    let target = Circumstances::for_features(features, &FeatureReader::new(features))?;
    let newest_first = features.comparables.iter().rev();
    let scored = newest_first.map(|game| (target.similarity(game), i64::from(game.points)));
    let mut similar: Vec<(i32, i64)> =
        scored.filter(|(similarity, _)| *similarity >= rules.similar_from).collect();
    if similar.len() < rules.at_least {
        return Err(SystemSkip::TooFewSimilar);
    }
    similar.sort_by_key(|(similarity, _)| Reverse(*similarity));
    similar.truncate(rules.at_most);
    let games = similar.len() as f64;
    let sum = |term: fn(i64, i64) -> i64| {
        similar.iter().map(|(similarity, points)| term(i64::from(*similarity), *points)).sum::<i64>() as f64
    };
    let similarity = sum(|similarity, _| similarity);
    let mean = sum(|_, points| points) / games;
    Ok(Similar {
        games,
        mean_similarity: similarity / games,
        baseline: sum(|similarity, points| similarity * points) / similarity,
        deviation: (sum(|_, points| points * points) / games - mean * mean).max(0.0).sqrt(),
    })
}

pub(super) fn forecast(features: &Features, rules: &Rules) -> Result<Forecast, SystemSkip> {
    let similar = similar(features, rules)?;
    let mut reader = FeatureReader::new(features);
    let (neutral, per_point) = rules.fatigue;
    let adjustments = reader.adjust(index::FATIGUE_SCORE, |score| (score - neutral) * per_point)
        + reader.weigh(rules.terms)
        + rules.venue.adjust(&mut reader);
    let points = ((similar.baseline + adjustments) * 100.0).round() / 100.0;
    let confidence = confidence(&similar).min(rules.confidence_at_most);
    Ok(reader.forecast(points, confidence, &rules.spread))
}

/// Returns the confidence in percent, without its limit. It is higher the more games are similar, the more similar they are, and the less the points in them
/// vary.
fn confidence(similar: &Similar) -> f64 {
    let games = match similar.games {
        games if games >= 15.0 => 20.0,
        games if games >= 10.0 => 15.0,
        games if games >= 7.0 => 10.0,
        _ => -15.0,
    };
    let closeness = match similar.mean_similarity {
        similarity if similarity >= 85.0 => 20.0,
        similarity if similarity >= 75.0 => 15.0,
        _ => 10.0,
    };
    let consistency = match similar.deviation {
        deviation if deviation < 4.0 => 15.0,
        deviation if deviation < 6.0 => 8.0,
        deviation if deviation < 8.0 => 3.0,
        _ => -5.0,
    };
    50.0 + games + closeness + consistency
}
