//! Trouble cases of sides: rosters that are stale after a trade, and a trade between two tip-offs.
//!
//! Invariant: the player 1001 is on every list of Boston, and appears for New York from 2024-10-30 on.
//! Not here: names (`names`), how a case is read and run (the parent module).
use super::Case;
use fastbreak::ingest;
use schemas::{
    Team,
    features::{Basis, Eligibility},
    membership::Membership,
    raw::{Feed, RawEvent},
};
use serde_json::{Value, json};

const GAME: &str = "0022400201";

/// Returns the team of each game in which the player appeared.
fn teams_of_games(case: &Case) -> Vec<Team> {
    let games = case.player_games().into_iter().filter(|((player, _), _)| *player == 1001);
    games.map(|(_, revision)| revision.team).collect()
}
/// Returns the last event of a feed and request, fetched again at an instant.
fn again(events: &[RawEvent], feed: Feed, key: &str, at: &str) -> RawEvent {
    let event = events.iter().rev().find(|event| event.feed == feed && event.key == key).unwrap();
    let payload = event.payload.clone();
    RawEvent::new(feed, key.into(), at.parse().unwrap(), event.outcome, payload)
}

#[test]
fn case_27_a_stale_roster_does_not_take_back_a_player_who_appears_for_another_team() {
    let Some(case) = Case::run("27") else { return };
    let features = case.features(1001, GAME);
    assert_eq!((features.team, features.eligibility), (Some(Team::NYK), Eligibility::Eligible));
    assert_eq!((features.appearances, features.basis), (4, Basis::Issued));
    assert_eq!(teams_of_games(&case), [Team::BOS, Team::BOS, Team::NYK, Team::NYK]);
}

#[test]
fn case_27_also_if_only_the_old_team_lists_the_player_and_its_roster_is_fetched_last() {
    let stale = |events: &mut Vec<RawEvent>| {
        events.retain(|event| event.feed != Feed::EspnRoster || event.key == "BOS");
        let roster = again(events, Feed::EspnRoster, "BOS", "2024-11-08T00:00:00Z");
        let list = again(events, Feed::NbacomPlayerList, "2024-25", "2024-11-08T00:10:00Z");
        events.extend([roster, list]);
    };
    let Some(case) = Case::run_with("27", stale) else { return };
    let features = case.features(1001, GAME);
    assert_eq!((features.team, features.appearances), (Some(Team::NYK), 4));
    let rows: Vec<Membership> =
        case.rows(topics::MEMBERSHIPS.info).filter(|row: &Membership| row.player.0 == 1001).collect();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].history.revisions.len(), 2, "a fetch that changes nothing adds no revision");
}

#[test]
fn case_27_a_trade_back_is_a_new_listing() {
    let traded_back = |events: &mut Vec<RawEvent>| {
        let stale = again(events, Feed::EspnRoster, "BOS", "2024-11-07T15:01:00Z");
        let mut without: Value = serde_json::from_str(&stale.payload).unwrap();
        without["athletes"].as_array_mut().unwrap().retain(|athlete| athlete["fullName"] != "Ann Archer");
        let at = |time: &str, payload: &Value| {
            let event = json!({
                "source": "espn", "feed": "roster", "key": "BOS", "fetched_at": time, "payload": payload,
            });
            ingest::parse(&event.to_string()).unwrap()
        };
        events.push(at("2024-10-29T15:00:00Z", &without));
    };
    let Some(case) = Case::run_with("27", traded_back) else { return };
    // Boston's roster lacks the player on 29 October and has the player again on 7 November, a minute after New York's.
    assert_eq!(case.features(1001, GAME).team, Some(Team::BOS));
}
