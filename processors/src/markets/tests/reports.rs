//! Tests of the rules for injury reports: time, absence, retractions.
//!
//! Invariant: as in `tests`, there is one game, and player 1 of its first team has the name "A".
//! Not here: odds (`tests`).
use super::*;

#[test]
fn a_player_who_is_not_on_the_newest_report_is_available() {
    let names = name_matches(Source::Nbacom, Timestamp::DISTANT_PAST);
    let out = report(at(11, 0), at(11, 5), &[("A", InjuryStatus::Out)]);
    let mut driver = driver_with(names.into_iter().chain([out]));
    assert_eq!(status(&driver)[0].as_ref().map(|view| view.status), Some(InjuryStatus::Out));
    driver.put(report(at(17, 0), at(17, 5), &[]));
    driver.put(report(at(18, 0), at(18, 5), &[]));
    assert_eq!(status(&driver), [None, None]);
    let Some(Out::Availability(row)) = driver.row(&OutputKey::Availability(id(date()))) else {
        panic!("the row must state since when the player is available")
    };
    assert_eq!((row.issued_absent_since, row.retrospective_absent_since), (Some(at(17, 5)), None));
    let Some(Out::QuotedPlayers(row)) = driver.row(&OutputKey::QuotedPlayers(quoted_id())) else {
        panic!("the game has a report but no row of quoted players")
    };
    assert!(row.issued.is_empty() && row.teams_reported_issued[0].known_at == at(11, 5));
}
#[test]
fn an_entry_of_a_report_is_about_the_player_of_the_team_for_which_it_lists_the_name() {
    let names = |team: usize, player| {
        let [first, second] = name_matches(Source::Nbacom, Timestamp::DISTANT_PAST);
        let In::Names(id, Some(mut row)) = [first, second][team].clone() else { panic!("no names") };
        let revision = &mut row.matches[0].revisions[0];
        (revision.rule, revision.players) = (Some(NameRule::Exact), vec![PlayerId(player)]);
        In::Names(id, Some(row))
    };
    for (team, expected) in [(0, Some(InjuryStatus::Out)), (1, None)] {
        let mut out = report(at(11, 0), at(11, 5), &[("A", InjuryStatus::Out)]);
        if let In::Injury(out) = &mut out {
            out.members[0].team = TEAMS[team];
        }
        let driver = driver_with([names(0, 1), names(1, 2), out]);
        assert_eq!(status(&driver)[0].as_ref().map(|view| view.status), expected);
        assert_eq!(driver.parked(), []);
    }
}
#[test]
fn a_report_after_tip_off_is_never_used_and_one_fetched_after_it_on_the_retrospective_basis_only() {
    let names = || name_matches(Source::Nbacom, Timestamp::DISTANT_PAST).into_iter();
    let driver = driver_with(names().chain([report(at(19, 30), at(19, 35), &[("A", InjuryStatus::Out)])]));
    assert_eq!(status(&driver), [None, None]);
    let driver = driver_with(names().chain([report(at(17, 0), at(19, 35), &[("A", InjuryStatus::Out)])]));
    assert!(matches!(status(&driver), [None, Some(_)]));
}
#[test]
fn a_report_that_omits_a_player_clears_him_only_if_it_is_complete_for_his_team() {
    let names = || name_matches(Source::Nbacom, Timestamp::DISTANT_PAST).into_iter();
    let out = report(at(11, 0), at(11, 5), &[("A", InjuryStatus::Out)]);
    let with = |change: &dyn Fn(&mut InjuryObservation)| {
        let mut newer = report(at(17, 0), at(17, 5), &[("B", InjuryStatus::Questionable)]);
        if let In::Injury(newer) = &mut newer {
            change(newer);
        }
        let driver = driver_with(names().chain([out.clone(), newer]));
        (status(&driver)[0].is_some(), reported(&driver))
    };
    let boston = vec![(TEAMS[0], at(11, 5))];
    assert_eq!(with(&|_| {}), (false, boston.clone()));
    assert_eq!(with(&|newer| newer.incomplete_teams = vec![TEAMS[0]]), (true, boston.clone()));
    assert_eq!(with(&|newer| newer.incomplete_teams = vec![TEAMS[1]]), (false, boston.clone()));
    assert_eq!(with(&|newer| newer.not_submitted = vec![TEAMS[0]]), (true, boston.clone()));
    assert_eq!(with(&|newer| newer.not_submitted = vec![TEAMS[1]]), (false, boston.clone()));
    assert_eq!(with(&|newer| newer.complete = false), (true, boston.clone()));
    let of_other_team = |newer: &mut InjuryObservation| newer.members[0].team = TEAMS[1];
    assert_eq!(with(&of_other_team), (false, vec![boston[0], (TEAMS[1], at(17, 5))]));
}
#[test]
fn a_team_that_has_not_submitted_its_list_has_not_reported() {
    let mut none = report(at(11, 0), at(11, 5), &[]);
    if let In::Injury(none) = &mut none {
        none.not_submitted = TEAMS.to_vec();
    }
    assert_eq!(reported(&driver_with([none])), []);
}
#[test]
fn reports_of_one_payload_on_two_days_and_two_parts_of_one_report_have_separate_records() {
    let of = |raw, days, name| {
        let mut input = report(at(11, 0), at(11, 5), &[(name, InjuryStatus::Out)]);
        if let In::Injury(report) = &mut input {
            report.date = date().plus_days(days);
            report.provenance.raw.0 = raw;
        }
        input
    };
    // The driver compares the restored tables with the running ones.
    let driver = driver_with([of(1, 0, "A"), of(1, 1, "B"), of(2, 0, "C")]);
    let reports = &driver.tables(&matchup()).reports;
    assert_eq!((reports.names_on(date()).len(), reports.names_on(date().plus_days(1)).len()), (2, 1));
}
#[test]
fn the_report_that_is_newest_by_its_own_time_is_effective_whatever_was_fetched_last() {
    let names = name_matches(Source::Nbacom, Timestamp::DISTANT_PAST).into_iter();
    let newer = report(at(17, 45), at(17, 50), &[("A", InjuryStatus::Out)]);
    let older = report(at(17, 15), at(18, 10), &[("A", InjuryStatus::Questionable)]);
    let view = status(&driver_with(names.chain([newer, older])))[0].clone().unwrap();
    assert_eq!((view.status, view.reported_at), (InjuryStatus::Out, at(17, 45)));
}
#[test]
fn a_report_that_is_retracted_after_tip_off_still_counts_for_the_issued_row() {
    let names = || name_matches(Source::Nbacom, Timestamp::DISTANT_PAST).into_iter();
    let out = report(at(11, 0), at(11, 5), &[("A", InjuryStatus::Out)]);
    let newer = report(at(17, 0), at(17, 5), &[("A", InjuryStatus::Probable)]);
    let retracted = |at| {
        let mut retraction = newer.clone();
        if let In::Injury(retraction) = &mut retraction {
            retraction.provenance.retraction = Some(Retraction { at, is_undone: false });
        }
        let driver = driver_with(names().chain([out.clone(), newer.clone(), retraction]));
        status(&driver).map(|view| view.map(|view| view.status))
    };
    assert_eq!(retracted(at(19, 0)), [Some(InjuryStatus::Out), Some(InjuryStatus::Out)]);
    assert_eq!(retracted(at(20, 0)), [Some(InjuryStatus::Probable), Some(InjuryStatus::Out)]);
}
