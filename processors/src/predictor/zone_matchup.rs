//! `zone_matchup_v1`: the season mean, adjusted for the opponent's defense according to the zones from which the player shoots.
//!
//! Invariant: neither a weaker opponent defense nor a higher fatigue score lowers a forecast.
//! Not here: the shot shares, which are features.
use super::{
    distribution::Spread,
    forecast::{FatigueSteps, FeatureReader, Forecast, Term, Venue},
    lines::Threshold,
    moving_average,
};
use schemas::{
    features::{Features, index},
    prediction::SystemSkip,
};

/// A shot zone: the index of the feature with the player's share of shots in the zone, and the factor by which the adjustment is multiplied
/// there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Zone {
    pub share: usize,
    pub multiplier: f64,
}

#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// The opponent's defensive rating at which the adjustment is 0, in points per 100 possessions.
    pub neutral_def_rating: f64,
    /// The forecast points added, in a zone with multiplier 1, for each point by which the defensive rating exceeds `neutral_def_rating`.
    pub per_rating_point: f64,
    /// The largest adjustment for one zone, up or down, in points, before it is multiplied by the weight of the zone.
    pub limit: f64,
    pub zones: [Zone; 4],
    pub fatigue: FatigueSteps,
    pub terms: &'static [Term],
    pub venue: Venue,
    pub spread: Spread,
    pub threshold: Threshold,
}

pub(super) const RULES: Rules = Rules {
    neutral_def_rating: 112.0,
    per_rating_point: 0.3,
    limit: 3.0,
    zones: [
        Zone { share: index::PCT_PAINT, multiplier: 1.2 },
        Zone { share: index::PCT_MID_RANGE, multiplier: 1.0 },
        Zone { share: index::PCT_THREE, multiplier: 1.1 },
        Zone { share: index::PCT_FREE_THROW, multiplier: 0.8 },
    ],
    fatigue: FatigueSteps { up_to_50: -1.5, up_to_70: -0.8, above: 0.0 },
    terms: &[Term { feature: index::PACE_SCORE, weight: 0.4 }],
    venue: Venue { home: 0.8, away: -0.8 },
    spread: Spread { at_zero: 28.0, per_point: 1.75, prior_games: 20.0 },
    threshold: Threshold::Above { edge: 2.0, confidence: 45.0 },
};

pub(super) fn forecast(features: &Features, rules: &Rules) -> Result<Forecast, SystemSkip> {
    let mut reader = FeatureReader::new(features);
    let season = reader.require(index::POINTS_AVG_SEASON)?;
    let shares = rules.zones.map(|zone| reader.optional(zone.share));
    if shares.iter().all(Option::is_none) {
        return Err(SystemSkip::MissingZones);
    }
    let matchup = reader.adjust(index::OPPONENT_DEF_RATING, |def_rating| {
        let advantage = (def_rating - rules.neutral_def_rating) * rules.per_rating_point;
        let zones = rules.zones.iter().zip(shares).filter_map(|(zone, share)| Some((zone, share?)));
        let adjustments = zones.map(|(zone, share)| {
            (advantage * zone.multiplier).clamp(-rules.limit, rules.limit) * weight(share)
        });
        adjustments.sum()
    });
    let adjustments = matchup
        + reader.weigh(rules.terms)
        + rules.venue.adjust(&mut reader)
        + rules.fatigue.adjust(&mut reader);
    let confidence = moving_average::confidence(&mut reader);
    Ok(reader.forecast(season + adjustments, confidence, &rules.spread))
}

/// Returns the weight of a zone, given the player's share of shots in it (0–1).
fn weight(share: f64) -> f64 {
    match share {
        share if share >= 0.40 => 1.0,
        share if share >= 0.20 => 0.7,
        _ => 0.4,
    }
}
