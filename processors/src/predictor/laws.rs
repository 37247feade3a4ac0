//! Tests properties that every prediction must have, with generated features.
//!
//! Invariant: the predictor in a test has either no artifact or the one that `artifact()` returns, possibly with changed fields.
//! Not here: expected numbers (`parity`).
use super::{
    Artifact, Content, Kind, Predictor, Spread, Training, distribution::Distribution, feature_schema_hash,
    lines::LINE_OFFSETS,
};
use models::{Column, Model, Node, Parameters, Split, Tree};
use proptest::{collection::vec, option, prelude::*};
use schemas::{
    EasternDate, GameId, Line, PlayerId, Season, Team, Timestamp,
    features::{
        Basis, Comparable, DefenseTier, Eligibility, FEATURES, Feature, Features, MissingReason, QualityFlag,
        Streak, index,
    },
    prediction::{LineSource, Predicted, Prediction, Recommendation, System, SystemOutcome, SystemSkip},
};

/// Returns an eligible player whose features are all missing.
pub(super) fn without_features() -> Features {
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
        voided: None,
    }
}

/// Generates possible values of a feature.
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
/// Generates the features of an eligible player; each feature is present with this probability.
fn features(probability: f64) -> impl Strategy<Value = Features> {
    let vector: Vec<_> =
        (0..FEATURES.len()).map(|index| option::weighted(probability, value(index))).collect();
    let line = option::of((0i32..200).prop_map(|quarters| Line(quarters * 25)));
    (vector, option::weighted(0.9, 0i32..6), line, vec(comparable(), 0..82), 3..82).prop_map(
        |(vector, rest_days, main_line, comparables, appearances)| {
            let missing = Feature::Missing(MissingReason::NoTeamGames);
            let vector = vector.into_iter().map(|value| value.map_or(missing, Feature::Value)).collect();
            Features { vector, rest_days, main_line, comparables, appearances, ..without_features() }
        },
    )
}

/// Returns an artifact that requires the season mean, imputes the opponent's pace, and has one tree.
pub(super) fn artifact() -> Artifact {
    let column =
        |name: &str, impute, weight| Column { name: name.into(), impute, mean: 10.0, deviation: 5.0, weight };
    let split = Split { column: 1, threshold: 20.5, right: 2, missing_left: false };
    let model = Model {
        columns: vec![column("opponent_pace", Some(100.0), 0.25), column("points_avg_season", None, 4.5)],
        intercept: 9.5,
        offset: -1000,
        trees: vec![Tree(vec![Node::Split(split), Node::Leaf(-2500), Node::Leaf(7500)])],
    };
    let training = Training {
        from: EasternDate(19_000),
        to: EasternDate(19_600),
        seasons: vec![Season(2022)],
        rows: 3,
        issued: 2,
        retrospective: 1,
        rows_hash: "00".into(),
        dropped: Vec::new(),
    };
    let content = Content {
        kind: Kind::LinearAndTrees,
        feature_schema: feature_schema_hash(),
        model,
        spread: Spread { at_zero: 10.0, per_point: 2.0, prior_games: 60.0 },
        training,
        parameters: Parameters::default(),
        backtest: None,
    };
    Artifact::new(content).unwrap()
}

/// Returns the artifact with a changed content.
fn with_content(change: impl FnOnce(&mut Content)) -> Artifact {
    let mut content = artifact().content().clone();
    change(&mut content);
    Artifact::new(content).unwrap()
}

fn outcome(prediction: &Prediction, system: System) -> &SystemOutcome {
    &prediction.systems.iter().find(|candidate| candidate.system == system).unwrap().outcome
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
    fn every_system_is_present_once_and_every_line_offset_is_in_the_ladder_or_omitted(features in features(0.9)) {
        let prediction = Predictor::new(Some(artifact())).predict(&features);
        let systems: Vec<_> = prediction.systems.iter().map(|system| system.system).collect();
        prop_assert_eq!(systems, System::ALL);
        for predicted in all_predicted(&prediction) {
            let present = predicted.line_ladder.iter().map(|ladder_line| ladder_line.line_offset);
            let mut offsets: Vec<_> = present.chain(prediction.omitted_line_offsets.iter().copied()).collect();
            offsets.sort();
            prop_assert_eq!(offsets, LINE_OFFSETS);
        }
    }
    #[test]
    fn probabilities_are_between_0_and_1_and_do_not_rise_with_the_line(features in features(0.95)) {
        let prediction = Predictor::new(Some(artifact())).predict(&features);
        for predicted in all_predicted(&prediction) {
            prop_assert!((0.0..=60.0).contains(&predicted.points));
            prop_assert!((0.0..=1.0).contains(&predicted.confidence));
            prop_assert!(predicted.stddev_points > 0.0);
            prop_assert!(predicted.line_ladder.is_sorted_by(|low, high| low.p_over >= high.p_over));
            for ladder_line in &predicted.line_ladder {
                let (p_over, p_push) = (ladder_line.p_over, ladder_line.p_push);
                prop_assert!(p_over >= 0.0 && p_push >= 0.0 && p_over + p_push <= 1.0 + 1e-12);
                prop_assert!(ladder_line.line >= Line(50));
                let base_line = prediction.base_line.unwrap();
                prop_assert_eq!(ladder_line.line, Line(base_line.0 + 100 * ladder_line.line_offset));
                if ladder_line.line.0 % 100 != 0 {
                    prop_assert_eq!(p_push, 0.0);
                }
            }
        }
    }
    #[test]
    fn over_push_and_under_sum_to_one(points in 0.0..60.0, stddev_points in 2.0..20.0, line in 1..80) {
        let distribution = Distribution { points, stddev_points };
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
            let points_at = |score| points(&with(&features, index::FATIGUE_SCORE, score), system);
            if let (Some(tired), Some(fresh)) = (points_at(tired), points_at(fresh)) {
                prop_assert!(fresh >= tired - 1e-9, "{}: {fresh} < {tired}", system.name());
            }
        }
    }
    #[test]
    fn a_weaker_defense_does_not_lower_a_forecast(features in features(0.97), one in 95.0..130.0, other in 95.0..130.0) {
        let points_at = |rating, system| points(&with(&features, index::OPPONENT_DEF_RATING, rating), system);
        let (strong, weak) = (f64::min(one, other), f64::max(one, other));
        // Of the opponent's rating, the similarity system uses only the defense tier, so its forecast is constant within a tier. In another
        // tier, it selects other earlier games as similar, so the forecast may rise or fall.
        let is_same_tier = DefenseTier::from_def_rating(strong) == DefenseTier::from_def_rating(weak);
        for system in System::ALL {
            let is_monotonic = matches!(system, System::MovingAverage | System::ZoneMatchupV1);
            if let (Some(low), Some(high)) = (points_at(strong, system), points_at(weak, system))
                && (is_monotonic || is_same_tier)
            {
                prop_assert!(high >= low - 1e-9, "{}: {high} < {low}", system.name());
            }
        }
    }
    #[test]
    fn the_ensemble_lies_between_its_components(features in features(0.97)) {
        let prediction = Predictor::new(Some(artifact())).predict(&features);
        if let Some(ensemble) = predicted(&prediction, System::EnsembleV1) {
            let components = System::ALL.into_iter().filter(|system| *system != System::EnsembleV1);
            let components = components.filter_map(|system| Some(predicted(&prediction, system)?.points));
            let (low, high) = components
                .fold((60.0f64, 0.0f64), |(low, high), points| (low.min(points), high.max(points)));
            prop_assert!((low - 1e-9..=high + 1e-9).contains(&ensemble.points));
        }
    }
    #[test]
    fn a_recommendation_is_on_the_side_of_the_points(features in features(0.97)) {
        let prediction = Predictor::new(Some(artifact())).predict(&features);
        for predicted in all_predicted(&prediction) {
            for ladder_line in &predicted.line_ladder {
                match ladder_line.recommendation {
                    Recommendation::OVER => prop_assert!(predicted.points > ladder_line.line.points()),
                    Recommendation::UNDER => prop_assert!(predicted.points < ladder_line.line.points()),
                    Recommendation::PASS => prop_assert_eq!(prediction.line_source, Some(LineSource::Market)),
                    Recommendation::NO_LINE => {
                        prop_assert_eq!(prediction.line_source, Some(LineSource::Estimate));
                    }
                }
            }
        }
    }
    #[test]
    fn an_estimated_line_has_no_recommendation(features in features(0.97)) {
        let prediction = Predictor::new(None).predict(&Features { main_line: None, ..features });
        prop_assert_ne!(prediction.line_source, Some(LineSource::Market));
        let mut ladder_lines = all_predicted(&prediction).flat_map(|predicted| &predicted.line_ladder);
        prop_assert!(ladder_lines.all(|ladder_line| ladder_line.recommendation == Recommendation::NO_LINE));
    }
    #[test]
    fn a_missing_adjustment_is_listed_and_counts_as_0(features in features(0.97)) {
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
            let is_listed =
                |predicted: &Predicted| predicted.missing_adjustments.iter().any(|name| name == "pace_score");
            prop_assert!(is_listed(missing) && !is_listed(zero));
            prop_assert_eq!(missing.points, zero.points);
        }
    }
    #[test]
    fn a_player_who_is_not_eligible_has_no_systems(
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
        let original = version(&features);
        prop_assert_eq!(original, version(&features.clone()));
        prop_assert_ne!(original, version(&with(&features, index, 77.25)));
        prop_assert_ne!(original, version(&Features { basis: Basis::Retrospective, ..features.clone() }));
        prop_assert_ne!(original, version(&Features { main_line: Some(Line(12_345)), ..features.clone() }));
        let mut longer = features.clone();
        longer.comparables.push(extra);
        prop_assert_ne!(original, version(&longer));
    }
}

#[test]
fn without_features_every_system_is_skipped_with_a_reason() {
    let prediction = Predictor::new(None).predict(&without_features());
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
fn zone_matchup_requires_one_share_and_lists_the_missing_ones() {
    let season = with(&without_features(), index::POINTS_AVG_SEASON, 20.0);
    let skipped = Predictor::new(None).predict(&season);
    let missing = SystemOutcome::Skipped(SystemSkip::MissingZones);
    assert_eq!(outcome(&skipped, System::ZoneMatchupV1), &missing);

    let against_weak = with(&with(&season, index::PCT_THREE, 0.45), index::OPPONENT_DEF_RATING, 117.0);
    let prediction = Predictor::new(None).predict(&against_weak);
    let predicted = predicted(&prediction, System::ZoneMatchupV1).unwrap();
    assert!((predicted.points - (20.0 + 5.0 * 0.3 * 1.1)).abs() < 1e-12, "{}", predicted.points);
    for name in ["pct_paint", "pct_mid_range", "pct_free_throw", "pace_score", "home_away", "fatigue_score"] {
        assert!(predicted.missing_adjustments.iter().any(|missing| missing == name), "{name}");
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
    let values = [
        (index::POINTS_AVG_LAST_5, 20.0),
        (index::POINTS_AVG_SEASON, 20.0),
        (index::HOME_AWAY, 1.0),
        (index::OPPONENT_DEF_RATING, 112.0),
    ];
    let features =
        values.iter().fold(without_features(), |features, (index, value)| with(&features, *index, *value));
    let outcome_with = |games| {
        let comparables = vec![game; games];
        let features = Features { rest_days: Some(1), comparables, ..features.clone() };
        outcome(&Predictor::new(None).predict(&features), System::SimilarityBalancedV1).clone()
    };
    assert_eq!(outcome_with(4), SystemOutcome::Skipped(SystemSkip::TooFewSimilar));
    assert!(matches!(outcome_with(5), SystemOutcome::Predicted(_)));
}

#[test]
fn a_learned_model_predicts_later_games_from_its_own_features_only() {
    let features = with(&without_features(), index::POINTS_AVG_SEASON, 20.0);
    let learned = |artifact, features: &Features| {
        outcome(&Predictor::new(Some(artifact)).predict(features), System::LearnedV1).clone()
    };
    let SystemOutcome::Predicted(predicted) = learned(artifact(), &features) else {
        panic!("the learned system did not predict")
    };
    // The imputed pace is limited to 5 deviations; the leaf for at most 20.5 points is −0.25.
    let expected = 9.5 + 0.25 * 5.0 + 4.5 * (20.0 - 10.0) / 5.0 - 0.1 - 0.25;
    assert!((predicted.points - expected).abs() < 1e-12, "{}", predicted.points);
    assert_eq!(predicted.missing_adjustments, ["points_std_last_10", "opponent_pace"]);

    let skipped = SystemOutcome::Skipped;
    assert_eq!(learned(artifact(), &without_features()), skipped(SystemSkip::MissingFeature));
    let trained_to_game_day = with_content(|content| content.training.to = features.date);
    assert_eq!(learned(trained_to_game_day, &features), skipped(SystemSkip::TrainedLater));
    let other_features = with_content(|content| content.feature_schema = "another".into());
    assert_eq!(learned(other_features, &features), skipped(SystemSkip::OtherFeatures));
}

#[test]
fn the_learned_system_alone_predicts_what_it_predicts_among_all_systems() {
    let features =
        with(&with(&without_features(), index::POINTS_AVG_SEASON, 20.0), index::POINTS_AVG_LAST_5, 21.0);
    let predictor = Predictor::new(Some(artifact()));
    let alone = predictor.predict_learned(&features);
    assert_eq!(&alone, outcome(&predictor.predict(&features), System::LearnedV1));
    assert!(matches!(alone, SystemOutcome::Predicted(_)));
}

#[test]
fn the_model_version_changes_with_the_artifact() {
    let version = |artifact| Predictor::new(artifact).version();
    assert_eq!(version(Some(artifact())), version(Some(artifact())));
    assert_ne!(version(None), version(Some(artifact())));
    let retrained = with_content(|content| content.training.to = EasternDate(19_601));
    assert_ne!(version(Some(artifact())), version(Some(retrained)));
}
