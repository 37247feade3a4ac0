//! Trouble cases of odds, injury reports and names.
//!
//! Invariant: a row that cannot be used affects its own list only.
//! Not here: how a case is read and run (the parent module).
use super::Case;
use schemas::{
    features::{Eligibility, Feature, MissingReason, index::INJURY_RISK},
    prediction::SystemOutcome,
    raw::RejectCode,
};

/// The game of 2024-11-07, which the odds and reports are about.
const GAME: &str = "0022400201";

#[test]
fn case_22_a_team_that_has_not_submitted_its_report_is_not_covered_by_it() {
    let Some(mut case) = Case::run("22") else { return };
    assert_eq!(case.dead_letters(), []);
    let ann = case.features(1001, GAME);
    assert_eq!((ann.eligibility, ann.get(INJURY_RISK)), (Eligibility::Eligible, Feature::Value(0.0)));
    assert_eq!(case.features(1003, GAME).get(INJURY_RISK), Feature::Value(2.0));
    for player in 2001..=2005 {
        let risk = case.features(player, GAME).get(INJURY_RISK);
        assert_eq!(risk, Feature::Missing(MissingReason::NoReport), "{player}");
    }
}

#[test]
fn case_23_the_version_of_a_report_is_its_time_with_minutes() {
    let Some(mut case) = Case::run("23") else { return };
    assert_eq!(case.dead_letters(), []);
    assert_eq!(case.features(1001, GAME).eligibility, Eligibility::RuledOut);
}

#[test]
fn case_26_names_match_without_accents_in_upper_case_and_after_a_wrong_decoding() {
    let Some(mut case) = Case::run("26") else { return };
    let lines: Vec<_> = (1001..=1004).map(|player| case.main_line(player, GAME)).collect();
    assert_eq!(lines, [Some(5.5), Some(6.5), Some(7.5), Some(8.5)]);
    assert_eq!(case.parked("markets"), []);
}

#[test]
fn case_34_alternate_and_boosted_lines_are_no_main_lines() {
    let Some(case) = Case::run("34") else { return };
    assert_eq!(case.main_line(1001, GAME), Some(20.5));
}

#[test]
fn case_35_even_money_is_one_price_and_text_is_a_bad_row() {
    let Some(mut case) = Case::run("35") else { return };
    let lines: Vec<_> = (1001..=1002).map(|player| case.main_line(player, GAME)).collect();
    assert_eq!(lines, [Some(20.5), Some(18.5)]);
    let dead_letters = case.dead_letters();
    for price in ["EVEN", "+105"] {
        let dead_letters = dead_letters.iter().filter(|(_, reason)| reason.contains(price));
        assert_eq!(dead_letters.map(|(code, _)| *code).collect::<Vec<_>>(), [RejectCode::BadRow], "{price}");
    }
    assert_eq!(dead_letters.len(), 2, "{dead_letters:#?}");
    assert_eq!(case.main_line(1003, GAME), None);
}

#[test]
fn case_37_lines_below_a_half_are_omitted_and_listed() {
    let Some(case) = Case::run("37") else { return };
    let prediction = case.prediction(1005, GAME);
    assert_eq!(prediction.omitted_line_offsets, [-2, -1]);
    let mut predicted = 0;
    for system in prediction.systems {
        let SystemOutcome::Predicted(predictions) = system.outcome else { continue };
        let ladder = predictions.line_ladder.iter().map(|line| (line.line_offset, line.line.points()));
        assert_eq!(ladder.collect::<Vec<_>>(), [(0, 0.5), (1, 1.5), (2, 2.5)], "{:?}", system.system);
        predicted += 1;
    }
    assert!(predicted > 0, "no system has a prediction");
}
