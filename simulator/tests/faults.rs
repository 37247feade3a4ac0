//! What each fault does, and that it does nothing else.
//!
//! Invariant: at a rate of one every occasion has its fault; at zero there is none.
//! Not here: seasons without faults.
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
fn without_faults_every_answer_is_complete_and_fetched_once() {
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
fn duplicates_are_the_same_events_again() {
    let twice = with_faults(Faults { duplicates: 1.0, ..NONE });
    let expected: Vec<ScraperEvent> = clean().into_iter().flat_map(|event| [event.clone(), event]).collect();
    assert_eq!(twice, expected);
}

#[test]
fn refetches_say_the_same_later() {
    let events = with_faults(Faults { refetches: 1.0, ..NONE });
    let clean = clean();
    assert_eq!(events.len(), 2 * clean.len());
    let held: HashSet<_> =
        events.iter().map(|event| (&event.key, event.fetched_at.0, &event.payload)).collect();
    assert!(clean.iter().all(|event| held.contains(&(
        &event.key,
        event.fetched_at.0 + 600_000,
        &event.payload
    ))));
}

#[test]
fn late_box_scores_come_days_later_and_say_the_same() {
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
fn corrected_box_scores_end_as_the_truth_and_never_change_a_teams_points() {
    let events = with_faults(Faults { corrected_box_scores: 1.0, ..NONE });
    let clean = clean();
    let truths = of_feed(&clean, Feed::NbacomLeaguegamelog);
    for (truth, truth_log) in &truths {
        let fetched: Vec<_> = of_feed(&events, Feed::NbacomLeaguegamelog);
        let fetched: Vec<_> = fetched.iter().filter(|(event, _)| event.key == truth.key).collect();
        let [first, second] = fetched.as_slice() else { panic!("{} fetches", fetched.len()) };
        assert_eq!((second.0.fetched_at.0 - first.0.fetched_at.0) / 3_600_000, 24);
        assert_eq!(second.0.payload, truth.payload);
        assert_ne!(first.0.payload, truth.payload);
        let by_team = |log: &Value| {
            let mut points: HashMap<String, i64> = HashMap::new();
            for row in rows(log) {
                *points.entry(row["TEAM_ABBREVIATION"].as_str().unwrap().to_owned()).or_default() +=
                    row["PTS"].as_i64().unwrap();
            }
            points
        };
        assert_eq!(by_team(&first.1), by_team(truth_log));
    }
}

#[test]
fn missing_teams_are_said_to_be_partial_and_complete_later() {
    let events = with_faults(Faults { missing_teams: 1.0, ..NONE });
    let teams = |log: &Value| -> HashSet<String> {
        rows(log).iter().map(|row| row["TEAM_ABBREVIATION"].as_str().unwrap().to_owned()).collect()
    };
    for pair in of_feed(&clean(), Feed::NbacomLeaguegamelog) {
        let fetched = of_feed(&events, Feed::NbacomLeaguegamelog);
        let fetched: Vec<_> = fetched.iter().filter(|(event, _)| event.key == pair.0.key).collect();
        let [partial, complete] = fetched.as_slice() else { panic!("{} fetches", fetched.len()) };
        assert_eq!((partial.0.outcome, complete.0.outcome), (Some(FetchOutcome::Partial), None));
        assert_eq!(teams(&partial.1).len() + 1, teams(&complete.1).len());
        assert_eq!(complete.0.payload, pair.0.payload);
    }
    for feed in BOX_SCORES {
        assert_eq!(of_feed(&events, feed).len(), 2 * of_feed(&clean(), feed).len());
    }
}

#[test]
fn no_source_but_nba_com_writes_a_name_as_nba_com_does_and_nicknames_have_links() {
    let events = with_faults(Faults { name_variants: 1.0, ..NONE });
    let mut official: HashMap<String, i64> = HashMap::new();
    for (_, log) in of_feed(&events, Feed::NbacomLeaguegamelog) {
        for row in rows(&log) {
            official
                .insert(row["PLAYER_NAME"].as_str().unwrap().to_owned(), row["PLAYER_ID"].as_i64().unwrap());
        }
    }
    let mut spelt: HashSet<String> = quotes(&events).into_iter().map(|quote| quote.3).collect();
    for (_, stats) in of_feed(&events, Feed::BalldontlieStats) {
        spelt.extend(list(&stats, "/data").iter().map(|row| {
            let part = |field: &str| row["player"][field].as_str().unwrap();
            format!("{} {}", part("first_name"), part("last_name"))
        }));
    }
    for (_, roster) in of_feed(&events, Feed::EspnRoster) {
        let athletes = list(&roster, "/team/athletes");
        spelt.extend(athletes.iter().map(|athlete| athlete["fullName"].as_str().unwrap().to_owned()));
    }
    assert!(spelt.len() > 60 && spelt.iter().all(|name| !official.contains_key(name)));
    let links = of_feed(&events, Feed::OperatorIdentityLinks);
    let links = list(&links[0].1, "/links");
    let ids: HashSet<i64> = official.values().copied().collect();
    let mut linked = HashSet::new();
    for link in links {
        let spelling = link["spelling"].as_str().unwrap();
        assert!(linked.insert(spelling), "{spelling} twice");
        assert!(ids.contains(&link["player_id"].as_i64().unwrap()));
    }
    let needed = spelt.iter().filter(|name| linked.contains(name.as_str())).count();
    assert!(needed > 20, "{needed}");
}

#[test]
fn dnps_are_00_at_balldontlie_and_no_row_at_nba_com() {
    let events = with_faults(Faults { dnps: 1.0, ..NONE });
    let ids = |log: &Value| rows(log).iter().filter(|row| row["MIN"].as_i64() > Some(0)).count();
    let played: usize = of_feed(&events, Feed::NbacomLeaguegamelog).iter().map(|(_, log)| ids(log)).sum();
    assert_eq!(played, 5 * 72, "five a team, all of the time");
    let mut sat = 0;
    for (_, stats) in of_feed(&events, Feed::BalldontlieStats) {
        for row in list(&stats, "/data").iter().filter(|row| row["min"] == "00") {
            assert_eq!((row["pts"].as_i64(), row["fga"].as_i64()), (Some(0), Some(0)));
            sat += 1;
        }
    }
    assert!(sat > 300, "{sat}");
}

#[test]
fn postponed_games_are_called_off_redated_and_played_under_one_id() {
    let events = with_faults(Faults { postponements: 1.0, ..NONE });
    let mut told: HashMap<String, Vec<(i64, Value)>> = HashMap::new();
    for (event, schedule) in of_feed(&events, Feed::NbacomSchedule) {
        for game in games(&schedule) {
            let id = game["gameId"].as_str().unwrap().to_owned();
            told.entry(id).or_default().push((event.fetched_at.0, game.clone()));
        }
    }
    assert_eq!(told.len(), 36);
    let mut days = HashSet::new();
    for versions in told.values() {
        let [planned, off, redated, done] = versions.as_slice() else { panic!("{versions:#?}") };
        let date = |version: &(i64, Value)| version.1["gameDateEst"].as_str().unwrap().to_owned();
        assert_eq!(off.1["postponedStatus"], "Y");
        assert_eq!(date(off), date(planned));
        assert_eq!((off.1["gameStatus"].as_i64(), done.1["gameStatus"].as_i64()), (Some(1), Some(3)));
        assert!(date(off) < date(redated));
        assert_eq!(date(redated), date(done));
        assert!(off.0 < instant(&off.1["gameDateTimeUTC"]).0);
        assert!(redated.0 < instant(&redated.1["gameDateTimeUTC"]).0);
        for side in ["homeTeam", "awayTeam"] {
            assert!(days.insert((date(done), done.1[side]["teamTricode"].to_string())), "twice a day");
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
fn empty_answers_precede_the_full_ones_and_are_said_to_be_right() {
    let events = with_faults(Faults { empty_answers: 1.0, ..NONE });
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
