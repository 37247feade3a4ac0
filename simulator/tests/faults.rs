//! Tests that each simulated fault has its documented effect and no other effect.
//!
//! Invariant: a fault with a rate of one always occurs where it can occur; with a rate of zero it never occurs.
//! Not here: seasons without faults (`season`).
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]
mod common;
use common::{games, instant, list, of_feed, quotes, rows, small, with_faults};
use schemas::raw::{Feed, FetchOutcome};
use serde_json::Value;
use simulator::{Faults, ScraperEvent, Season};
use std::collections::{HashMap, HashSet};

const NONE: Faults = Faults::all(0.0);
const BOX_SCORES: [Feed; 3] = [Feed::NbacomLeaguegamelog, Feed::BalldontlieStats, Feed::BalldontlieBoxScores];

fn clean() -> Vec<ScraperEvent> {
    small(11).events()
}

#[test]
fn without_faults_every_response_is_complete_and_fetched_once() {
    let events = clean();
    assert!(events.iter().all(|event| event.outcome.is_none()));
    let fetches: HashSet<_> = events.iter().map(|event| (event.feed, &event.key, event.fetched_at)).collect();
    assert_eq!(fetches.len(), events.len());
    for feed in BOX_SCORES {
        let keys: HashSet<_> = of_feed(&events, feed).iter().map(|(event, _)| event.key.clone()).collect();
        assert_eq!(keys.len(), of_feed(&events, feed).len());
    }
    assert!(!events.iter().any(|event| event.feed == Feed::OperatorIdentityLinks));
    for (_, stats) in of_feed(&events, Feed::BalldontlieStats) {
        assert!(list(&stats, "/data").iter().all(|row| row["min"] != "00"));
    }
}

#[test]
fn duplicates_are_the_same_events_published_again() {
    let twice = with_faults(Faults { duplicates: 1.0, ..NONE });
    let expected: Vec<ScraperEvent> = clean().into_iter().flat_map(|event| [event.clone(), event]).collect();
    assert_eq!(twice, expected);
}

#[test]
fn refetches_have_the_same_payload_at_a_later_time() {
    let events = with_faults(Faults { refetches: 1.0, ..NONE });
    let clean = clean();
    assert_eq!(events.len(), 2 * clean.len());
    let fetches: HashSet<_> =
        events.iter().map(|event| (&event.key, event.fetched_at.0, &event.payload)).collect();
    let is_refetched =
        |event: &ScraperEvent| fetches.contains(&(&event.key, event.fetched_at.0 + 600_000, &event.payload));
    assert!(clean.iter().all(is_refetched));
}

#[test]
fn late_box_scores_are_published_days_later_with_the_same_payload() {
    let events = with_faults(Faults { late_box_scores: 1.0, ..NONE });
    for feed in BOX_SCORES {
        let on_time: HashMap<String, (i64, String)> = of_feed(&clean(), feed)
            .into_iter()
            .map(|(event, _)| (event.key.clone(), (event.fetched_at.0, event.payload.clone())))
            .collect();
        for (event, _) in of_feed(&events, feed) {
            let (fetched_at, payload) = &on_time[&event.key];
            assert!((24..=120).contains(&((event.fetched_at.0 - fetched_at) / 3_600_000)));
            assert_eq!(&event.payload, payload);
        }
    }
}

#[test]
fn corrected_box_scores_end_correct_and_never_change_the_points_of_a_team() {
    let events = with_faults(Faults { corrected_box_scores: 1.0, ..NONE });
    let clean = clean();
    let correct_logs = of_feed(&clean, Feed::NbacomLeaguegamelog);
    for (correct, correct_log) in &correct_logs {
        let fetched: Vec<_> = of_feed(&events, Feed::NbacomLeaguegamelog);
        let fetched: Vec<_> = fetched.iter().filter(|(event, _)| event.key == correct.key).collect();
        let [first, second] = fetched.as_slice() else { panic!("{} fetches", fetched.len()) };
        assert_eq!((second.0.fetched_at.0 - first.0.fetched_at.0) / 3_600_000, 24);
        assert_eq!(second.0.payload, correct.payload);
        assert_ne!(first.0.payload, correct.payload);
        let by_team = |log: &Value| {
            let mut points: HashMap<String, i64> = HashMap::new();
            for row in rows(log) {
                *points.entry(row["TEAM_ABBREVIATION"].as_str().unwrap().to_owned()).or_default() +=
                    row["PTS"].as_i64().unwrap();
            }
            points
        };
        assert_eq!(by_team(&first.1), by_team(correct_log));
    }
}

#[test]
fn a_box_score_without_a_team_is_partial_and_complete_later() {
    let events = with_faults(Faults { missing_teams: 1.0, ..NONE });
    let teams = |log: &Value| -> HashSet<String> {
        rows(log).iter().map(|row| row["TEAM_ABBREVIATION"].as_str().unwrap().to_owned()).collect()
    };
    for (correct, _) in of_feed(&clean(), Feed::NbacomLeaguegamelog) {
        let fetched = of_feed(&events, Feed::NbacomLeaguegamelog);
        let fetched: Vec<_> = fetched.iter().filter(|(event, _)| event.key == correct.key).collect();
        let [partial, complete] = fetched.as_slice() else { panic!("{} fetches", fetched.len()) };
        assert_eq!((partial.0.outcome, complete.0.outcome), (Some(FetchOutcome::Partial), None));
        assert_eq!(teams(&partial.1).len() + 1, teams(&complete.1).len());
        assert_eq!(complete.0.payload, correct.payload);
    }
    for feed in BOX_SCORES {
        assert_eq!(of_feed(&events, feed).len(), 2 * of_feed(&clean(), feed).len());
    }
}

#[test]
fn all_sources_spell_names_differently_from_nba_com_and_nicknames_have_links() {
    let events = with_faults(Faults { name_variants: 1.0, ..NONE });
    let mut official: HashMap<String, i64> = HashMap::new();
    for (_, log) in of_feed(&events, Feed::NbacomLeaguegamelog) {
        for row in rows(&log) {
            official
                .insert(row["PLAYER_NAME"].as_str().unwrap().to_owned(), row["PLAYER_ID"].as_i64().unwrap());
        }
    }
    let mut spellings: HashSet<String> = quotes(&events).into_iter().map(|quote| quote.3).collect();
    for (_, stats) in of_feed(&events, Feed::BalldontlieStats) {
        spellings.extend(list(&stats, "/data").iter().map(|row| {
            let part = |field: &str| row["player"][field].as_str().unwrap();
            format!("{} {}", part("first_name"), part("last_name"))
        }));
    }
    for (_, roster) in of_feed(&events, Feed::EspnRoster) {
        let athletes = list(&roster, "/team/athletes");
        spellings.extend(athletes.iter().map(|athlete| athlete["fullName"].as_str().unwrap().to_owned()));
    }
    assert!(spellings.len() > 60 && spellings.iter().all(|name| !official.contains_key(name)));
    let links = of_feed(&events, Feed::OperatorIdentityLinks);
    let links = list(&links[0].1, "/links");
    let ids: HashSet<i64> = official.values().copied().collect();
    let mut linked = HashSet::new();
    for link in links {
        let spelling = link["spelling"].as_str().unwrap();
        assert!(linked.insert(spelling), "{spelling} has two links, expected one");
        assert!(ids.contains(&link["player_id"].as_i64().unwrap()));
    }
    let linked_spellings = spellings.iter().filter(|name| linked.contains(name.as_str())).count();
    assert!(linked_spellings > 20, "{linked_spellings}");
}

#[test]
fn a_player_who_does_not_play_has_00_in_balldontlie_and_no_row_in_nba_com() {
    let events = with_faults(Faults { dnps: 1.0, ..NONE });
    let players = |log: &Value| rows(log).iter().filter(|row| row["MIN"].as_i64() > Some(0)).count();
    let played: usize = of_feed(&events, Feed::NbacomLeaguegamelog).iter().map(|(_, log)| players(log)).sum();
    assert_eq!(played, 5 * 72, "expected five players per team and game");
    let mut did_not_play = 0;
    for (_, stats) in of_feed(&events, Feed::BalldontlieStats) {
        for row in list(&stats, "/data").iter().filter(|row| row["min"] == "00") {
            assert_eq!((row["pts"].as_i64(), row["fga"].as_i64()), (Some(0), Some(0)));
            did_not_play += 1;
        }
    }
    assert!(did_not_play > 300, "{did_not_play}");
}

#[test]
fn postponed_games_are_called_off_rescheduled_and_played_under_one_id() {
    let events = with_faults(Faults { postponements: 1.0, ..NONE });
    let mut versions_by_game: HashMap<String, Vec<(i64, Value)>> = HashMap::new();
    for (event, schedule) in of_feed(&events, Feed::NbacomSchedule) {
        for game in games(&schedule) {
            let id = game["gameId"].as_str().unwrap().to_owned();
            versions_by_game.entry(id).or_default().push((event.fetched_at.0, game.clone()));
        }
    }
    assert_eq!(versions_by_game.len(), 36);
    let mut days = HashSet::new();
    for versions in versions_by_game.values() {
        let [planned, off, rescheduled, done] = versions.as_slice() else { panic!("{versions:#?}") };
        let date = |version: &(i64, Value)| version.1["gameDateEst"].as_str().unwrap().to_owned();
        assert_eq!(off.1["postponedStatus"], "Y");
        assert_eq!(date(off), date(planned));
        assert_eq!((off.1["gameStatus"].as_i64(), done.1["gameStatus"].as_i64()), (Some(1), Some(3)));
        assert!(date(off) < date(rescheduled));
        assert_eq!(date(rescheduled), date(done));
        assert!(off.0 < instant(&off.1["gameDateTimeUTC"]).0);
        assert!(rescheduled.0 < instant(&rescheduled.1["gameDateTimeUTC"]).0);
        for side in ["homeTeam", "awayTeam"] {
            let team = done.1[side]["teamTricode"].to_string();
            assert!(days.insert((date(done), team)), "a team plays twice on the same day");
        }
    }
}

#[test]
fn lines_move_between_snapshots() {
    let moved = |events: &[ScraperEvent]| {
        let mut lines: HashMap<_, HashSet<i64>> = HashMap::new();
        for (event, book, _, player, line, side) in quotes(events) {
            if book == "draftkings" && side == "Over" {
                lines.entry((event, player)).or_default().insert((line * 100.0) as i64);
            }
        }
        lines.values().filter(|lines| lines.len() > 1).count() as f64 / lines.len() as f64
    };
    assert_eq!(moved(&clean()), 0.0);
    assert!(moved(&with_faults(Faults { line_moves: 1.0, ..NONE })) > 0.8);
}

#[test]
fn one_sided_quotes_have_no_under() {
    assert!(quotes(&clean()).iter().any(|quote| quote.5 == "Under"));
    let events = with_faults(Faults { one_sided_quotes: 1.0, ..NONE });
    assert!(!quotes(&events).is_empty() && quotes(&events).iter().all(|quote| quote.5 == "Over"));
}

#[test]
fn in_play_updates_are_fetched_and_updated_after_tip_off() {
    let late = |events: &[ScraperEvent]| {
        let odds = of_feed(events, Feed::OddsapiEventOdds);
        let in_play = odds.iter().filter(|(event, odds)| event.fetched_at > instant(&odds["commence_time"]));
        in_play
            .inspect(|(_, odds)| {
                let update = &list(odds, "/bookmakers")[0]["markets"][0]["last_update"];
                assert!(instant(update) > instant(&odds["commence_time"]));
            })
            .count()
    };
    assert_eq!(late(&clean()), 0);
    assert_eq!(late(&with_faults(Faults { in_play_updates: 1.0, ..NONE })), 36);
}

#[test]
fn empty_responses_precede_the_complete_ones_and_have_the_outcome_empty_ok() {
    let events = with_faults(Faults { empty_responses: 1.0, ..NONE });
    let (empty, full): (Vec<_>, Vec<_>) =
        events.into_iter().partition(|event| event.outcome == Some(FetchOutcome::EmptyOk));
    assert_eq!(full, clean());
    assert_eq!(empty.len(), full.len());
    assert!(of_feed(&empty, Feed::NbacomLeaguegamelog).iter().all(|(_, log)| rows(log).is_empty()));
    assert!(quotes(&empty).is_empty());
}

#[test]
fn a_season_with_every_fault_is_still_ordered_and_deterministic() {
    let season = Season { faults: Faults::all(0.5), trades: 2, ..small(12) };
    let events = season.events();
    assert!(events.is_sorted_by_key(|event| event.fetched_at));
    assert_eq!(events, season.events());
}
