//! What every prediction obeys, whatever the features.
//!
//! Not here: single figures; `parity` has those.
use super::{
    Artifact, Kind, Model, Predictor, Spread, distribution::Distribution, feature_schema_hash,
    lines::LINE_OFFSETS,
};
use proptest::{collection::vec, option, prelude::*};
use schemas::{
    EasternDate, GameId, Line, PlayerId, Team, Timestamp,
    features::{
        Basis, Comparable, DefenseTier, Eligibility, FEATURES, Feature, Features, MissingReason, QualityFlag,
        Streak, index,
    },
    prediction::{LineSource, Predicted, Prediction, Recommendation, System, SystemOutcome, SystemSkip},
};
use std::collections::BTreeMap;

/// An eligible player of whom no feature is known.
pub(super) fn nobody() -> Features {
    Features {
        player: PlayerId(203999),
        game: GameId(22_300_061),
        name: "Nikola Jokić".into(),
        home: Team::DEN,
        away: Team::LAL,
        team: Some(Team::DEN),
        date: EasternDate(19_700),
        tip_off: Timestamp(1_698_190_200_000),
        basis: Basis::Issued,
        known_at: Timestamp(1_698_000_000_000),
        eligibility: Eligibility::Eligible,
        appearances: 24,
        vector: vec![Feature::Missing(MissingReason::NoAppearances); FEATURES.len()],
        rest_days: None,
        main_line: None,
        quality_flags: vec![QualityFlag::TipEstimated],
        comparables: Vec::new(),
    }
}

/// A value that a feature can have.
fn value(index: usize) -> BoxedStrategy<f64> {
    match index {
        index::POINTS_AVG_LAST_5 | index::POINTS_AVG_LAST_10 | index::POINTS_AVG_SEASON => {
            (0u32..600).prop_map(|tenths| f64::from(tenths) / 10.0).boxed()
        }
        index::POINTS_STD_LAST_10 => (0.0..15.0).boxed(),
        index::GAMES_IN_LAST_7_DAYS => (0u8..5).prop_map(f64::from).boxed(),
        index::FATIGUE_SCORE => (0u8..=100).prop_map(f64::from).boxed(),
        index::OPPONENT_DEF_RATING => (95.0..130.0).boxed(),
        index::HOME_AWAY | index::BACK_TO_BACK => (0u8..2).prop_map(f64::from).boxed(),
        index::PCT_PAINT..=index::PCT_FREE_THROW => (0.0..1.0).boxed(),
        _ => (-3.0..3.0).boxed(),
    }
}
fn comparable() -> impl Strategy<Value = Comparable> {
    let tier = prop::sample::select(vec![DefenseTier::Elite, DefenseTier::Average, DefenseTier::Weak]);
    let streak = prop::sample::select(vec![Streak::Cold, Streak::Normal, Streak::Hot]);
    (0..60, tier, 0..6, any::<bool>(), streak).prop_map(|(points, tier, rest_days, is_home, streak)| {
        Comparable { game: GameId(22_300_001), points, tier, rest_days, is_home, streak }
    })
}
/// Features of an eligible player, each known with this probability.
fn features(known: f64) -> impl Strategy<Value = Features> {
    let vector: Vec<_> = (0..FEATURES.len()).map(|index| option::weighted(known, value(index))).collect();
    let line = option::of((0i32..200).prop_map(|quarters| Line(quarters * 25)));
    (vector, option::weighted(0.9, 0i32..6), line, vec(comparable(), 0..82), 3..82).prop_map(
        |(vector, rest_days, main_line, comparables, appearances)| {
            let missing = Feature::Missing(MissingReason::NoTeamGames);
            let vector = vector.into_iter().map(|value| value.map_or(missing, Feature::Value)).collect();
            Features { vector, rest_days, main_line, comparables, appearances, ..nobody() }
        },
    )
}

/// An artifact that weighs the season mean, which it must have, and the opponent's pace, which it can impute.
fn artifact() -> Artifact {
    let model = Model {
        impute: BTreeMap::from([("opponent_pace".into(), 100.0)]),
        intercept: -1.5,
        kind: Kind::Linear,
        spread: Spread { at_zero: 10.0, per_point: 2.0, prior_games: 60.0 },
        weights: BTreeMap::from([("points_avg_season".into(), 0.9), ("opponent_pace".into(), 0.02)]),
    };
    Artifact {
        format: 1,
        trained_from: EasternDate(19_000),
        trained_to: EasternDate(19_600),
        feature_schema: feature_schema_hash(),
        library: "least squares 1".into(),
        hash: model.hash().unwrap(),
        model,
    }
}

fn outcome(prediction: &Prediction, system: System) -> &SystemOutcome {
    &prediction.systems.iter().find(|s| s.system == system).unwrap().outcome
}
fn predicted(prediction: &Prediction, system: System) -> Option<&Predicted> {
    match outcome(prediction, system) {
        SystemOutcome::Predicted(predicted) => Some(predicted),
        SystemOutcome::Skipped(_) => None,
    }
}
fn all_predicted(prediction: &Prediction) -> impl Iterator<Item = &Predicted> {
    System::ALL.into_iter().filter_map(|system| predicted(prediction, system))
}
fn points(features: &Features, system: System) -> Option<f64> {
    predicted(&Predictor::new(None).predict(features), system).map(|predicted| predicted.points)
}
fn with(features: &Features, index: usize, value: f64) -> Features {
    let mut features = features.clone();
    features.vector[index] = Feature::Value(value);
    features
}

proptest! {
    #[test]
    fn every_system_is_present_once_and_every_rung_is_made_or_named(features in features(0.9)) {
        let prediction = Predictor::new(Some(artifact())).predict(&features);
        let systems: Vec<_> = prediction.systems.iter().map(|s| s.system).collect();
        prop_assert_eq!(systems, System::ALL);
        for predicted in all_predicted(&prediction) {
            let made = predicted.line_ladder.iter().map(|line_offset| line_offset.line_offset);
            let mut line_ladder: Vec<_> = made.chain(prediction.omitted_line_offsets.iter().copied()).collect();
            line_ladder.sort();
            prop_assert_eq!(line_ladder, LINE_OFFSETS);
        }
    }
    #[test]
    fn probabilities_are_probabilities_and_fall_as_the_line_rises(features in features(0.95)) {
        let prediction = Predictor::new(Some(artifact())).predict(&features);
        for predicted in all_predicted(&prediction) {
            prop_assert!((0.0..=60.0).contains(&predicted.points));
            prop_assert!((0.0..=1.0).contains(&predicted.confidence));
            prop_assert!(predicted.stddev_points > 0.0);
            prop_assert!(predicted.line_ladder.is_sorted_by(|low, high| low.p_over >= high.p_over));
            for line_offset in &predicted.line_ladder {
                prop_assert!(line_offset.p_over >= 0.0 && line_offset.p_push >= 0.0 && line_offset.p_over + line_offset.p_push <= 1.0 + 1e-12);
                prop_assert!(line_offset.line >= Line(50));
                prop_assert_eq!(line_offset.line, Line(prediction.base_line.unwrap().0 + 100 * line_offset.line_offset));
                if line_offset.line.0 % 100 != 0 {
                    prop_assert_eq!(line_offset.p_push, 0.0);
                }
            }
        }
    }
    #[test]
    fn over_push_and_under_are_all_there_is(points in 0.0..60.0, spread in 2.0..20.0, line in 1..80) {
        let distribution = Distribution { points, stddev_points: spread };
        let under: f64 = (0..line).map(|points| distribution.push(Line(points * 100))).sum();
        let line = Line(line * 100);
        prop_assert!((distribution.over(line) + distribution.push(line) + under - 1.0).abs() < 1e-12);
        prop_assert!(distribution.over(Line(line.0 - 50)) >= distribution.over(line));
        prop_assert!(distribution.over(Line(line.0 + 25)) <= distribution.over(line));
    }
    #[test]
    fn a_fresher_player_is_not_forecast_lower(features in features(0.97), one in 0u8..=100, other in 0u8..=100) {
        let (tired, fresh) = (f64::from(one.min(other)), f64::from(one.max(other)));
        for system in System::ALL {
            let of = |score| points(&with(&features, index::FATIGUE_SCORE, score), system);
            if let (Some(tired), Some(fresh)) = (of(tired), of(fresh)) {
                prop_assert!(fresh >= tired - 1e-9, "{}: {fresh} < {tired}", system.name());
            }
        }
    }
    #[test]
    fn a_weaker_defence_does_not_lower_a_forecast(features in features(0.97), one in 95.0..130.0, other in 95.0..130.0) {
        let of = |rating, system| points(&with(&features, index::OPPONENT_DEF_RATING, rating), system);
        let (strong, weak) = (f64::min(one, other), f64::max(one, other));
        // Similarity compares tiers: within one it does not move, across them it looks at other games.
        let within_a_tier = DefenseTier::from_def_rating(strong) == DefenseTier::from_def_rating(weak);
        for system in System::ALL {
            let whole_range = matches!(system, System::MovingAverage | System::ZoneMatchupV1);
            if let (Some(low), Some(high)) = (of(strong, system), of(weak, system))
                && (whole_range || within_a_tier)
            {
                prop_assert!(high >= low - 1e-9, "{}: {high} < {low}", system.name());
            }
        }
    }
    #[test]
    fn the_ensemble_lies_among_its_components(features in features(0.97)) {
        let prediction = Predictor::new(Some(artifact())).predict(&features);
        if let Some(ensemble) = predicted(&prediction, System::EnsembleV1) {
            let parts = System::ALL.into_iter().filter(|system| *system != System::EnsembleV1);
            let parts: Vec<f64> =
                parts.filter_map(|system| Some(predicted(&prediction, system)?.points)).collect();
            let (low, high) = parts.iter().fold((60.0f64, 0.0f64), |(l, h), p| (l.min(*p), h.max(*p)));
            prop_assert!((low - 1e-9..=high + 1e-9).contains(&ensemble.points));
        }
    }
    #[test]
    fn a_recommendation_is_on_the_side_of_the_points(features in features(0.97)) {
        let prediction = Predictor::new(Some(artifact())).predict(&features);
        for predicted in all_predicted(&prediction) {
            for line_offset in &predicted.line_ladder {
                match line_offset.recommendation {
                    Recommendation::OVER => prop_assert!(predicted.points > line_offset.line.points()),
                    Recommendation::UNDER => prop_assert!(predicted.points < line_offset.line.points()),
                    Recommendation::PASS => prop_assert_eq!(prediction.line_source, Some(LineSource::Market)),
                    Recommendation::NO_LINE => {
                        prop_assert_eq!(prediction.line_source, Some(LineSource::Estimate));
                    }
                }
            }
        }
    }
    #[test]
    fn an_estimate_recommends_nothing(features in features(0.97)) {
        let prediction = Predictor::new(None).predict(&Features { main_line: None, ..features });
        prop_assert_ne!(prediction.line_source, Some(LineSource::Market));
        let line_ladder = all_predicted(&prediction).flat_map(|predicted| &predicted.line_ladder);
        prop_assert!(line_ladder.into_iter().all(|line_offset| line_offset.recommendation == Recommendation::NO_LINE));
    }
    #[test]
    fn a_missing_adjustment_is_named_and_worth_nothing(features in features(0.97)) {
        let pace = |value| Features {
            vector: {
                let mut vector = features.vector.clone();
                vector[index::PACE_SCORE] = value;
                vector
            },
            ..features.clone()
        };
        let missing = Predictor::new(None).predict(&pace(Feature::Missing(MissingReason::NoTeamGames)));
        let zero = Predictor::new(None).predict(&pace(Feature::Value(0.0)));
        for system in [System::MovingAverage, System::ZoneMatchupV1, System::SimilarityBalancedV1] {
            let (Some(missing), Some(zero)) = (predicted(&missing, system), predicted(&zero, system)) else {
                continue;
            };
            let named = |predicted: &Predicted| predicted.missing_adjustments.iter().any(|name| name == "pace_score");
            prop_assert!(named(missing) && !named(zero));
            prop_assert_eq!(missing.points, zero.points);
        }
    }
    #[test]
    fn who_is_not_eligible_has_no_systems(
        features in features(0.97),
        eligibility in prop::sample::select(&Eligibility::ALL[1..]),
    ) {
        let prediction = Predictor::new(None).predict(&Features { eligibility, ..features });
        prop_assert_eq!(prediction.eligibility, eligibility);
        prop_assert!(prediction.systems.is_empty() && prediction.omitted_line_offsets.is_empty());
        prop_assert_eq!((prediction.base_line, prediction.line_source), (None, None));
    }
    #[test]
    fn the_input_version_changes_with_the_features(features in features(0.9), index in 0..FEATURES.len(), extra in comparable()) {
        let version = |features: &Features| Predictor::new(None).predict(features).input_version;
        let now = version(&features);
        prop_assert_eq!(now, version(&features.clone()));
        prop_assert_ne!(now, version(&with(&features, index, 77.25)));
        prop_assert_ne!(now, version(&Features { basis: Basis::Retrospective, ..features.clone() }));
        prop_assert_ne!(now, version(&Features { main_line: Some(Line(12_345)), ..features.clone() }));
        let mut longer = features.clone();
        longer.comparables.push(extra);
        prop_assert_ne!(now, version(&longer));
    }
}

#[test]
fn nothing_known_is_a_reason_for_every_system() {
    let prediction = Predictor::new(None).predict(&nobody());
    let reasons: Vec<_> =
        System::ALL.into_iter().map(|system| outcome(&prediction, system).clone()).collect();
    let missing = SystemOutcome::Skipped(SystemSkip::MissingFeature);
    let expected = [
        missing.clone(),
        missing.clone(),
        missing,
        SystemOutcome::Skipped(SystemSkip::TooFewSystems),
        SystemOutcome::Skipped(SystemSkip::ModelAbsent),
    ];
    assert_eq!(reasons, expected);
    assert_eq!((prediction.base_line, prediction.omitted_line_offsets), (None, LINE_OFFSETS.to_vec()));
}

#[test]
fn zone_matchup_needs_one_share_and_names_the_others() {
    let season = with(&nobody(), index::POINTS_AVG_SEASON, 20.0);
    let skipped = Predictor::new(None).predict(&season);
    let missing = SystemOutcome::Skipped(SystemSkip::MissingZones);
    assert_eq!(outcome(&skipped, System::ZoneMatchupV1), &missing);

    let against_weak = with(&with(&season, index::PCT_THREE, 0.45), index::OPPONENT_DEF_RATING, 117.0);
    let prediction = Predictor::new(None).predict(&against_weak);
    let predicted = predicted(&prediction, System::ZoneMatchupV1).unwrap();
    assert!((predicted.points - (20.0 + 5.0 * 0.3 * 1.1)).abs() < 1e-12, "{}", predicted.points);
    for name in ["pct_paint", "pct_mid_range", "pct_free_throw", "pace_score", "home_away", "fatigue_score"] {
        assert!(predicted.missing_adjustments.iter().any(|without| without == name), "{name}");
    }
}

#[test]
fn fewer_than_five_similar_games_are_too_few() {
    let game = Comparable {
        game: GameId(22_300_001),
        points: 20,
        tier: DefenseTier::Average,
        rest_days: 1,
        is_home: true,
        streak: Streak::Normal,
    };
    let known = [(index::POINTS_AVG_LAST_5, 20.0), (index::POINTS_AVG_SEASON, 20.0), (index::HOME_AWAY, 1.0)];
    let known = known.iter().fold(nobody(), |features, (index, value)| with(&features, *index, *value));
    let features = Features { rest_days: Some(1), ..with(&known, index::OPPONENT_DEF_RATING, 112.0) };
    let of = |games| {
        let features = Features { comparables: vec![game; games], ..features.clone() };
        outcome(&Predictor::new(None).predict(&features), System::SimilarityBalancedV1).clone()
    };
    assert_eq!(of(4), SystemOutcome::Skipped(SystemSkip::TooFewSimilar));
    assert!(matches!(of(5), SystemOutcome::Predicted(_)));
}

#[test]
fn a_learned_model_predicts_later_games_from_its_own_features_only() {
    let features = with(&nobody(), index::POINTS_AVG_SEASON, 20.0);
    let of = |artifact, features: &Features| {
        outcome(&Predictor::new(Some(artifact)).predict(features), System::LearnedV1).clone()
    };
    let SystemOutcome::Predicted(predicted) = of(artifact(), &features) else { panic!("it predicts") };
    assert!((predicted.points - (-1.5 + 0.9 * 20.0 + 0.02 * 100.0)).abs() < 1e-12, "{}", predicted.points);
    assert_eq!(predicted.missing_adjustments, ["points_std_last_10", "opponent_pace"]);

    let skipped = SystemOutcome::Skipped;
    assert_eq!(of(artifact(), &nobody()), skipped(SystemSkip::MissingFeature));
    let until_that_day = Artifact { trained_to: features.date, ..artifact() };
    assert_eq!(of(until_that_day, &features), skipped(SystemSkip::TrainedLater));
    let other = Artifact { feature_schema: "another".into(), ..artifact() };
    assert_eq!(of(other, &features), skipped(SystemSkip::OtherFeatures));
}

#[test]
fn the_model_version_changes_with_the_artifact() {
    let version = |artifact| Predictor::new(artifact).version();
    assert_eq!(version(Some(artifact())), version(Some(artifact())));
    assert_ne!(version(None), version(Some(artifact())));
    let retrained = Artifact { trained_to: EasternDate(19_601), ..artifact() };
    assert_ne!(version(Some(artifact())), version(Some(retrained)));
}
