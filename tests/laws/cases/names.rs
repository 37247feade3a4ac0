//! Trouble cases of names: surnames first, father and son, links of an operator.
//!
//! Invariant: an operator's link counts from its own time on; what was issued before it does not change.
//! Not here: accents and wrong encodings (`odds_and_reports`), how a case is read and run (the parent module).
use super::Case;
use fastbreak::ingest;
use schemas::{
    features::{Basis, Eligibility, Feature, index::INJURY_RISK},
    raw::{Feed, RawEvent},
};
use serde_json::{Value, json};

/// The game of 2024-11-07, which the odds and reports are about; its tip-off is at 2024-11-08T00:30:00Z.
const GAME: &str = "0022400201";

/// An operator's event at an instant, with one link.
fn link(at: &str, link: Value) -> RawEvent {
    let event = json!({
        "source": "operator", "feed": "identity-links", "key": at, "fetched_at": at, "payload": {"links": [link]},
    });
    ingest::parse(&event.to_string()).unwrap()
}
fn main_lines(case: &Case) -> [Option<f64>; 2] {
    [1001, 1005].map(|player| case.main_line(player, GAME))
}
/// Runs the case of father and son with other links than its own.
fn father_and_son(links: &[RawEvent]) -> Option<Case> {
    Case::run_with("25", |events| {
        events.retain(|event| event.feed != Feed::OperatorIdentityLinks);
        events.extend_from_slice(links);
    })
}

#[test]
fn case_24_a_name_with_the_surname_first_is_the_same_player() {
    let Some(mut case) = Case::run("24") else { return };
    assert_eq!(case.main_line(1005, GAME), Some(8.5));
    assert_eq!(case.features(1005, GAME).get(INJURY_RISK), Feature::Value(1.0));
    assert_eq!(case.parked("markets"), []);
}

#[test]
fn case_25_an_operators_link_gives_the_son_his_own_line() {
    let Some(case) = Case::run("25") else { return };
    assert_eq!(main_lines(&case), [Some(24.5), Some(1.5)]);
}

#[test]
fn case_25_a_link_counts_only_for_what_it_is_limited_to_and_from_the_time_when_its_player_is_known() {
    let of_son = |at, limits: Value| {
        let mut row = json!({"spelling": "Leon Jarvis Jr.", "player_id": 1005});
        row.as_object_mut().unwrap().extend(limits.as_object().unwrap().clone());
        link(at, row)
    };
    for (limits, son) in [
        (json!({"team": "BOS"}), Some(1.5)),
        (json!({"team": "NYK"}), Some(1.5)),
        (json!({"team": "LAL"}), None),
        (json!({"source": "oddsapi"}), Some(1.5)),
        (json!({"source": "espn"}), None),
        (json!({"from": "2024-11-07"}), Some(1.5)),
        (json!({"from": "2024-11-08"}), None),
        (json!({"player_id": 9999}), None),
    ] {
        let Some(case) = father_and_son(&[of_son("2024-11-07T20:00:00Z", limits.clone())]) else { return };
        assert_eq!(case.main_line(1005, GAME), son, "{limits}");
    }
    let nobody = link("2024-11-07T20:00:00Z", json!({"spelling": "Leon Jarvis Jr.", "nobody": true}));
    let Some(mut case) = father_and_son(std::slice::from_ref(&nobody)) else { return };
    assert_eq!(main_lines(&case), [Some(24.5), None]);
    assert_eq!(case.parked("markets"), []);
    let lifted = link("2024-11-07T20:30:00Z", json!({"spelling": "Leon Jarvis Jr.", "player_id": null}));
    let Some(case) = father_and_son(&[nobody, lifted]) else { return };
    assert_eq!(case.main_line(1005, GAME), None);
}

#[test]
fn case_25_a_link_after_the_tip_off_changes_no_issued_row() {
    let after = |at| link(at, json!({"spelling": "Leon Jarvis", "player_id": 1005}));
    let Some(without) = father_and_son(&[]) else { return };
    let Some(late) = father_and_son(&[after("2024-11-08T00:30:00Z")]) else { return };
    let Some(in_time) = father_and_son(&[after("2024-11-08T00:29:59Z")]) else { return };
    for player in [1001, 1005] {
        let features = without.features(player, GAME);
        assert_eq!((features.basis, features.eligibility), (Basis::Issued, Eligibility::Eligible));
        assert_eq!(features, late.features(player, GAME));
        assert_eq!(without.prediction(player, GAME), late.prediction(player, GAME));
    }
    assert_eq!(in_time.main_line(1005, GAME), Some(24.5));
}

#[test]
fn case_25_in_one_book_a_name_with_and_without_suffix_is_two_players() {
    let with_both_in_one_book = |events: &mut Vec<RawEvent>| {
        events.retain(|event| event.feed != Feed::OperatorIdentityLinks);
        for event in events.iter_mut().filter(|event| event.feed == Feed::OddsapiEventOdds) {
            let mut payload: Value = serde_json::from_str(&event.payload).unwrap();
            let books = payload["bookmakers"].as_array_mut().unwrap();
            let of_second = books.pop().unwrap()["markets"][0]["outcomes"].as_array().unwrap().clone();
            books[0]["markets"][0]["outcomes"].as_array_mut().unwrap().extend(of_second);
            let (key, at, outcome) = (event.key.clone(), event.fetched_at, event.outcome);
            *event = RawEvent::new(event.feed, key, at, outcome, payload.to_string());
        }
    };
    let Some(mut case) = Case::run_with("25", with_both_in_one_book) else { return };
    assert_eq!(main_lines(&case), [Some(24.5), None]);
    let parked = case.parked("markets");
    assert!(parked[0].key.contains("'Leon Jarvis Jr.' (matches no player)"), "{parked:?}");
}

#[test]
fn names_in_the_quotes_reports_and_box_lines_of_the_other_cases_refer_to_their_players() {
    let Some(case) = Case::run("05") else { return };
    assert_eq!(case.main_line(1001, GAME), Some(20.5));
    assert_eq!(case.features(1002, GAME).eligibility, Eligibility::RuledOut);
    assert_eq!(case.points(GAME), [(1001, 33)].into());
    let Some(case) = Case::run("06") else { return };
    for game in ["0022400211", "0022400911"] {
        assert_eq!(case.features(1002, game).eligibility, Eligibility::RuledOut, "{game}");
    }
    let Some(case) = Case::run("33") else { return };
    let eligibilities = [1001, 1002, 1003].map(|player| case.features(player, GAME).eligibility);
    assert_eq!(eligibilities, [Eligibility::Eligible, Eligibility::RuledOut, Eligibility::Eligible]);
}

#[test]
fn if_both_teams_have_a_player_of_one_name_the_listed_team_decides_and_a_quote_needs_a_link() {
    let both_named_ann = |links: Vec<RawEvent>| {
        move |events: &mut Vec<RawEvent>| {
            for event in events.iter_mut() {
                let payload = event.payload.replace("Fay Fox", "Ann Archer");
                let payload = payload.replace("\"Fox\"", "\"Archer\"").replace("\"Fay\"", "\"Ann\"");
                let (key, at, outcome) = (event.key.clone(), event.fetched_at, event.outcome);
                *event = RawEvent::new(event.feed, key, at, outcome, payload);
            }
            events.extend(links);
        }
    };
    let Some(mut case) = Case::run_with("05", both_named_ann(vec![])) else { return };
    assert_eq!(case.points(GAME), [(1001, 33)].into());
    assert_eq!(case.parked("games"), []);
    assert_eq!(case.main_line(1001, GAME), None);
    let parked = case.parked("markets");
    assert!(parked[0].key.contains("'Ann Archer' (ambiguous: 1001, 2001)"), "{parked:?}");
    let ann = json!({"spelling": "Ann Archer", "player_id": 1001, "source": "oddsapi"});
    let Some(mut case) = Case::run_with("05", both_named_ann(vec![link("2024-11-08T01:00:00Z", ann)])) else {
        return;
    };
    assert_eq!(case.main_line(1001, GAME), Some(20.5));
    assert_eq!(case.parked("markets"), []);
}
