//! Trouble cases of schedules: tip-offs that are not known, and games that are called off or moved.
//!
//! Invariant: the rows that were issued for a game are those of the teams and the date that stood at its tip-off.
//! Not here: how a case is read and run (the parent module).
use super::Case;
use schemas::{
    features::{Basis, Eligibility, QualityFlag},
    fixture::VoidReason,
    prediction::{LineSource, Prediction},
};

#[test]
fn case_01_a_tip_off_at_midnight_is_not_known_and_is_estimated() {
    let Some(case) = Case::run("01") else { return };
    let ann = case.features(1001, "0042400101");
    assert_eq!((ann.basis, ann.main_line.map(|line| line.points())), (Basis::Issued, Some(20.5)));
    assert_eq!(ann.tip_off.to_string(), "2025-04-20T23:30:00Z");
    assert!(ann.quality_flags.contains(&QualityFlag::TipEstimated));
    assert_eq!(case.features(1002, "0042400101").eligibility, Eligibility::RuledOut);
}

#[test]
fn case_02_a_game_that_is_called_off_after_its_tip_off_has_void_rows_as_they_were_issued() {
    let Some(case) = Case::run("02") else { return };
    let rows: Vec<Prediction> = case.rows(topics::PREDICTIONS.info).collect();
    let rows: Vec<&Prediction> = rows.iter().filter(|row| row.date.to_string() == "2024-11-07").collect();
    assert!(!rows.is_empty());
    for row in &rows {
        let reason = row.voided.map(|voided| voided.reason);
        assert_eq!((row.basis, reason), (Basis::Issued, Some(VoidReason::CalledOff)), "{}", row.player);
    }
    assert!(rows.iter().any(|row| !row.systems.is_empty()), "the forecasts stand as issued");
}

#[test]
fn case_03_a_game_with_a_new_date_is_predicted_on_it_and_has_no_row_of_the_old_one() {
    let Some(case) = Case::run("03") else { return };
    let games: Vec<_> =
        case.games().into_iter().filter(|game| game.game.to_string() == "0022400201").collect();
    assert_eq!(games.iter().map(|game| game.date.to_string()).collect::<Vec<_>>(), ["2024-11-29"]);
    let ann = case.prediction(1001, "0022400201");
    assert_eq!((ann.date.to_string().as_str(), ann.voided), ("2024-11-29", None));
    assert_eq!(
        (ann.base_line.map(|line| line.points()), ann.line_source),
        (Some(25.5), Some(LineSource::Market))
    );
    let sources = case.rows::<Prediction>(topics::PREDICTIONS.info);
    let fay = sources.filter(|row| row.name.starts_with("Fay") && row.game == ann.game);
    assert_eq!(fay.map(|row| row.line_source).collect::<Vec<_>>(), [Some(LineSource::Estimate)]);
}

#[test]
fn case_05_a_late_game_is_on_its_eastern_date() {
    let Some(case) = Case::run("05") else { return };
    let ann = case.features_on(1001, "0022400201", "2024-11-07");
    assert_eq!(ann.main_line.map(|line| line.points()), Some(20.5));
    assert_eq!(case.features(1002, "0022400201").eligibility, Eligibility::RuledOut);
    assert_eq!(case.points("0022400201").get(&1001), Some(&33));
    let mut predictions = case.rows::<Prediction>(topics::PREDICTIONS.info);
    assert!(predictions.all(|row| row.date.to_string() != "2024-11-08"));
}

#[test]
fn case_06_tip_offs_and_report_times_on_the_days_of_the_clock_change_are_read() {
    let Some(case) = Case::run("06") else { return };
    for (game, tip_off) in [("0022400211", "2024-11-04T00:30:00Z"), ("0022400911", "2025-03-09T19:30:00Z")] {
        let bea = case.features(1002, game);
        assert_eq!((bea.tip_off.to_string().as_str(), bea.eligibility), (tip_off, Eligibility::RuledOut));
    }
}
