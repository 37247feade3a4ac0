//! Parity with the predecessor program: with its constants, the formulas give its results, to as many digits as it printed.
//!
//! Invariant: only constants differ from the production rules, never formulas.
//! Not here: the corrected constants, whose properties `laws` tests.
use super::{
    ensemble,
    forecast::{FatigueSteps, Forecast, MissingAdjustments, Term},
    lines::Threshold,
    moving_average, similarity, zone_matchup,
};
use schemas::{
    Line,
    features::{Comparable, DefenseTier, Feature, Features, Streak, index},
    ids::GameId,
    prediction::Recommendation::{self, OVER, PASS, UNDER},
};

/// Returns the constants of the predecessor program. They have two errors: a high fatigue score lowers the forecast as if it meant tired,
/// and back-to-backs count twice.
fn legacy_moving_average() -> moving_average::Rules {
    moving_average::Rules {
        fatigue: FatigueSteps { up_to_50: 0.0, up_to_70: -1.0, above: -2.5 },
        terms: &[
            Term { feature: index::SHOT_ZONE_MISMATCH_SCORE, weight: 0.3 },
            Term { feature: index::BACK_TO_BACK, weight: -1.5 },
            Term { feature: index::PACE_SCORE, weight: 0.3 },
            Term { feature: index::USAGE_SPIKE_SCORE, weight: 0.4 },
        ],
        ..moving_average::RULES
    }
}
/// Returns the constants of the predecessor program. They have two errors: a weak defense lowers the forecast, and a high fatigue score
/// lowers it as if it meant tired.
fn legacy_zone_matchup() -> zone_matchup::Rules {
    zone_matchup::Rules {
        neutral_def_rating: 110.0,
        per_rating_point: -0.3,
        fatigue: FatigueSteps { up_to_50: 0.0, up_to_70: -0.8, above: -1.5 },
        ..zone_matchup::RULES
    }
}
/// Returns the constants of the predecessor program. They have one error: a confidence may exceed 100 percent.
fn legacy_similarity() -> similarity::Rules {
    similarity::Rules { confidence_at_most: f64::INFINITY, ..similarity::RULES }
}

/// Returns a player with these feature values and 24 comparables.
fn player(values: &[(usize, f64)]) -> Features {
    let mut features = super::laws::without_features();
    for (index, value) in values {
        features.vector[*index] = Feature::Value(*value);
    }
    features.rest_days = Some(2);
    features.comparables = (0..24)
        .map(|i: usize| Comparable {
            game: GameId(22_300_001 + i as u32),
            points: 18 + (7 * i as i32) % 13,
            tier: [DefenseTier::Elite, DefenseTier::Average, DefenseTier::Weak][i % 3],
            rest_days: [1, 2, 3, 0][i % 4],
            is_home: i.is_multiple_of(2),
            streak: [Streak::Normal, Streak::Hot, Streak::Cold][i % 3],
        })
        .collect();
    features
}
/// Returns a rested player, at home against a weak defense.
fn player_a() -> Features {
    player(&[
        (index::POINTS_AVG_LAST_5, 24.6),
        (index::POINTS_AVG_LAST_10, 23.1),
        (index::POINTS_AVG_SEASON, 22.4),
        (index::POINTS_STD_LAST_10, 5.2),
        (index::GAMES_IN_LAST_7_DAYS, 3.0),
        (index::FATIGUE_SCORE, 82.0),
        (index::SHOT_ZONE_MISMATCH_SCORE, 2.4),
        (index::PACE_SCORE, 1.1),
        (index::USAGE_SPIKE_SCORE, 0.6),
        (index::OPPONENT_DEF_RATING, 116.2),
        (index::HOME_AWAY, 1.0),
        (index::BACK_TO_BACK, 0.0),
        (index::PCT_PAINT, 0.42),
        (index::PCT_MID_RANGE, 0.18),
        (index::PCT_THREE, 0.31),
        (index::PCT_FREE_THROW, 0.19),
    ])
}
/// Returns a tired player, away against an elite defense.
fn player_b() -> Features {
    player(&[
        (index::POINTS_AVG_LAST_5, 8.2),
        (index::POINTS_AVG_LAST_10, 9.6),
        (index::POINTS_AVG_SEASON, 10.9),
        (index::POINTS_STD_LAST_10, 6.8),
        (index::GAMES_IN_LAST_7_DAYS, 2.0),
        (index::FATIGUE_SCORE, 45.0),
        (index::SHOT_ZONE_MISMATCH_SCORE, -3.0),
        (index::PACE_SCORE, -0.8),
        (index::USAGE_SPIKE_SCORE, 0.0),
        (index::OPPONENT_DEF_RATING, 107.5),
        (index::HOME_AWAY, 0.0),
        (index::BACK_TO_BACK, 1.0),
        (index::PCT_PAINT, 0.15),
        (index::PCT_MID_RANGE, 0.22),
        (index::PCT_THREE, 0.55),
        (index::PCT_FREE_THROW, 0.08),
    ])
}

fn is_close(actual: f64, printed: f64, digits: i32) -> bool {
    (actual - printed).abs() <= 0.5 * 10f64.powi(-digits) + 1e-12
}

/// Asserts a forecast's points (rounded to the given digits), its confidence, and its recommendation for each line.
fn assert_forecast(
    forecast: &Forecast,
    (points, digits): (f64, i32),
    confidence: f64,
    threshold: Threshold,
    recommendations: &[(i32, Recommendation)],
) {
    assert!(
        is_close(forecast.points, points, digits),
        "points: found {}, expected {points}",
        forecast.points
    );
    assert_eq!(forecast.confidence, confidence);
    for (line, expected) in recommendations {
        assert_eq!(threshold.recommend(forecast, Line(*line)), *expected, "line {line}");
    }
}

#[test]
fn moving_average_gives_the_results_of_the_predecessor() {
    let rules = legacy_moving_average();
    let forecast = |features| moving_average::forecast(&features, &rules).unwrap();
    assert_forecast(&forecast(player_a()), (23.0, 10), 52.0, rules.threshold, &[(2250, PASS), (1850, OVER)]);
    assert_forecast(&forecast(player_b()), (6.02, 10), 40.0, rules.threshold, &[(950, PASS)]);
}

#[test]
fn zone_matchup_gives_the_results_of_the_predecessor() {
    let rules = legacy_zone_matchup();
    let forecast = |features| zone_matchup::forecast(&features, &rules).unwrap();
    assert_forecast(
        &forecast(player_a()),
        (17.1366, 10),
        52.0,
        rules.threshold,
        &[(2250, UNDER), (1850, PASS)],
    );
    assert_forecast(&forecast(player_b()), (11.73, 10), 40.0, rules.threshold, &[(950, PASS)]);
}

#[test]
fn similarity_gives_the_results_of_the_predecessor() {
    let rules = legacy_similarity();
    for (features, games, mean, baseline) in [(player_a(), 6.0, 75.0, 23.5), (player_b(), 10.0, 76.0, 23.11)]
    {
        let similar = similarity::similar(&features, &rules).unwrap();
        assert_eq!((similar.games, similar.mean_similarity), (games, mean));
        assert!(
            is_close(similar.baseline, baseline, 2),
            "baseline: found {}, expected {baseline}",
            similar.baseline
        );
    }
    let forecast = |features| similarity::forecast(&features, &rules).unwrap();
    assert_forecast(&forecast(player_a()), (26.8, 10), 65.0, rules.threshold, &[(2250, OVER), (1850, OVER)]);
    assert_forecast(&forecast(player_b()), (20.39, 10), 95.0, rules.threshold, &[(950, OVER)]);
}

#[test]
fn many_equal_games_give_more_than_full_confidence_in_the_predecessor_only() {
    let mut features = player_a();
    for comparable in &mut features.comparables {
        *comparable = Comparable {
            points: 20,
            tier: DefenseTier::Weak,
            rest_days: 2,
            is_home: true,
            streak: Streak::Normal,
            ..*comparable
        };
    }
    let confidence = |rules| similarity::forecast(&features, rules).unwrap().confidence;
    assert_eq!((confidence(&legacy_similarity()), confidence(&similarity::RULES)), (105.0, 100.0));
}

#[test]
fn the_ensemble_gives_the_results_of_the_predecessor() {
    let model = Forecast {
        points: 23.0,
        stddev_points: 1.0,
        confidence: 84.0,
        missing_adjustments: MissingAdjustments::default(),
    };
    let forecast = |features: Features| {
        let components = [
            moving_average::forecast(&features, &legacy_moving_average()).unwrap(),
            zone_matchup::forecast(&features, &legacy_zone_matchup()).unwrap(),
            similarity::forecast(&features, &legacy_similarity()).unwrap(),
            model,
        ];
        ensemble::forecast(components.iter(), &features, &ensemble::RULES).unwrap()
    };
    let threshold = ensemble::RULES.threshold;
    assert_forecast(&forecast(player_a()), (22.771159, 6), 63.25, threshold, &[(2250, PASS), (1850, PASS)]);
    assert_forecast(&forecast(player_b()), (17.679730, 6), 59.75, threshold, &[(950, PASS)]);
}
