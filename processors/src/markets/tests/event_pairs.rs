//! Tests of odds events that are used again: for which pair of teams, and since when, the quotes of an event count.
//!
//! Invariant: as in the parent module; the event is "e".
//! Not here: which pair an event belongs to (`odds_events`).
use super::*;
use schemas::market::{OddsEvent, OddsEventRevision};

/// The row of the event, with the instants since which it belongs to the pair or not; in retrospect, it always does if `is_corrected`.
fn event_row(revisions: &[(Timestamp, bool)], is_corrected: bool) -> In {
    let id = MatchupEventId { matchup: matchup(), event: "e".into() };
    let revision = |(known_at, is_of_matchup): &(Timestamp, bool)| OddsEventRevision {
        known_at: *known_at,
        is_of_matchup: *is_of_matchup,
    };
    let revisions: Vec<OddsEventRevision> = revisions.iter().map(revision).collect();
    let revisions_in_retrospect = is_corrected.then(|| vec![revisions[0]]);
    let row = OddsEvent { matchup: matchup(), event: "e".into(), revisions, revisions_in_retrospect };
    In::Event(id, Some(row))
}
#[test]
fn a_fetch_that_states_another_pair_before_tip_off_withdraws_all_quotes_of_the_event() {
    let poll = || odds(at(12, 0), true, vec![quote("fanduel", 2050, at(11, 59))]);
    let row = || event_row(&[(at(12, 0), true), (at(13, 0), false)], false);
    for inputs in [[poll(), row()], [row(), poll()]] {
        let driver = quoted(inputs);
        assert_eq!(views(&driver), [None, None]);
        let Some(Out::Market(market)) = driver.row(&OutputKey::Market(id(date()))) else { panic!("no row") };
        assert_eq!(market.issued_absent_since, Some(at(13, 0)));
    }
}
#[test]
fn a_fetch_that_states_another_pair_from_tip_off_on_changes_no_row() {
    let poll = odds(at(12, 0), true, vec![quote("fanduel", 2050, at(11, 59))]);
    let before = quoted([poll.clone()]);
    let after = quoted([poll, event_row(&[(at(12, 0), true), (at(19, 30), false)], false)]);
    assert_eq!(format!("{:?}", before.rows()), format!("{:?}", after.rows()));
    assert!(views(&after)[0].is_some());
}
#[test]
fn quotes_count_again_if_the_statement_of_another_pair_is_corrected_or_retracted() {
    let poll = || odds(at(12, 0), true, vec![quote("fanduel", 2050, at(11, 59))]);
    let [first, wrong, corrected] = [(at(12, 0), true), (at(13, 0), false), (at(14, 0), true)];
    let driver = quoted([poll(), event_row(&[first, wrong, corrected], true)]);
    assert_eq!(issued(&driver).known_at, at(14, 0));
    // The retraction is made after tip-off.
    let retracted = (at(21, 0), true);
    let driver = quoted([poll(), event_row(&[first, wrong, retracted], true)]);
    let [issued, retrospective] = views(&driver);
    assert_eq!((issued, retrospective.map(|view| view.known_at)), (None, Some(at(12, 0))));
}
#[test]
fn a_fetch_from_tip_off_on_gives_a_retrospective_quote_only_if_it_states_the_pair() {
    let polls = || [12, 21].map(|hour| odds(at(hour, 0), true, vec![quote("fanduel", 2050, at(11, 59))]));
    let first = [(at(12, 0), true), (at(13, 0), false)];
    for (again, is_quoted) in [(None, false), (Some((at(21, 0), true)), true)] {
        let revisions: Vec<_> = first.into_iter().chain(again).collect();
        for is_row_first in [true, false] {
            let mut inputs = polls().to_vec();
            inputs.insert(if is_row_first { 0 } else { 2 }, event_row(&revisions, false));
            let [issued, retrospective] = views(&quoted(inputs));
            assert_eq!((issued, retrospective.is_some()), (None, is_quoted));
        }
    }
}
#[test]
fn nothing_of_an_event_that_is_now_of_another_pair_is_parked() {
    let poll =
        || odds(at(12, 0), true, vec![Quote { name: "B".into(), ..quote("fanduel", 2050, at(11, 59)) }]);
    assert_eq!(driver_with([poll()]).parked().len(), 1);
    let row = event_row(&[(at(12, 0), true), (at(13, 0), false)], false);
    assert_eq!(driver_with([poll(), row]).parked(), []);
}
