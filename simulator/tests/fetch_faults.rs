//! Tests the simulated faults that concern what a fetch is: its outcome, its request, its parts and its rows; and the retractions.
//!
//! Invariant: a fault with a rate of one always occurs where it can occur; with a rate of zero it never occurs.
//! Not here: the faults of facts, such as late box scores (`faults`).
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]
mod common;
use common::{instant, list, of_feed, quotes, rows, small, with_faults};
use schemas::{
    Timestamp,
    raw::{Feed, FetchOutcome, RawEvent},
};
use serde_json::Value;
use simulator::{Faults, ScraperEvent, retractions};
use std::collections::{BTreeMap, HashMap, HashSet};

const NONE: Faults = Faults::all(0.0);

fn clean() -> Vec<ScraperEvent> {
    small(11).events()
}
fn odds(events: &[ScraperEvent]) -> Vec<(&ScraperEvent, Value)> {
    of_feed(events, Feed::OddsapiEventOdds)
}

#[test]
fn other_outcomes_are_a_second_event_that_differs_in_the_outcome_only() {
    let events = with_faults(Faults { other_outcomes: 1.0, ..NONE });
    let mut outcomes = HashSet::new();
    let mut outcomes_by_id: HashMap<i64, Vec<FetchOutcome>> = HashMap::new();
    for raw in events.iter().map(ScraperEvent::to_raw) {
        outcomes_by_id.entry(raw.id.0).or_default().push(raw.outcome);
        outcomes.insert(raw.outcome);
    }
    assert_eq!(outcomes_by_id.len(), clean().len());
    for pair in outcomes_by_id.values() {
        assert!(pair.len() == 2 && pair[0] != pair[1] && pair.contains(&FetchOutcome::Complete), "{pair:?}");
    }
    assert!(outcomes_by_id.values().any(|pair| pair[0] == FetchOutcome::Complete));
    assert!(outcomes_by_id.values().any(|pair| pair[1] == FetchOutcome::Complete));
    assert_eq!(outcomes.len(), FetchOutcome::ALL.len());
}

/// The rows of all requests of one instant, and their keys.
type Parts<'a> = (Vec<Value>, Vec<&'a str>);

#[test]
fn requests_that_share_an_instant_have_together_the_rows_of_one() {
    let events = with_faults(Faults { shared_instants: 1.0, ..NONE });
    let clean = clean();
    let mut with_one_key = 0;
    for feed in
        [Feed::NbacomLeaguegamelog, Feed::BalldontlieStats, Feed::NbacomPlayerList, Feed::OddsapiEventOdds]
    {
        let row_list = |payload: &Value| -> Vec<Value> {
            let pointers = ["/resultSets/0/rowSet", "/data", "/bookmakers"];
            pointers.iter().find_map(|pointer| payload.pointer(pointer)).unwrap().as_array().unwrap().clone()
        };
        let base = |key: &str| {
            let key = key.trim_end_matches("/us").trim_end_matches("/us2");
            key.trim_end_matches("/page-1").trim_end_matches("/page-2").to_owned()
        };
        let mut parts: BTreeMap<(String, Timestamp), Parts<'_>> = BTreeMap::new();
        for (event, payload) in of_feed(&events, feed) {
            let (rows, keys) = parts.entry((base(&event.key), event.fetched_at)).or_default();
            rows.extend(row_list(&payload));
            keys.push(&event.key);
        }
        let expected = of_feed(&clean, feed);
        assert_eq!(parts.len(), expected.len(), "{feed}");
        for (event, payload) in expected {
            let (rows, keys) = &parts[&(base(&event.key), event.fetched_at)];
            assert_eq!(rows, &row_list(&payload));
            assert_eq!(keys.len(), 2);
            with_one_key += usize::from(keys[0] == keys[1]);
        }
    }
    assert!(with_one_key > 10, "{with_one_key} fetches have parts under one key");
}

#[test]
fn a_dropped_region_is_requested_with_the_first_snapshots_and_not_with_the_last() {
    let events = with_faults(Faults { dropped_regions: 1.0, ..NONE });
    let mut times_by_game: BTreeMap<String, [Vec<Timestamp>; 2]> = BTreeMap::new();
    let mut books: [HashSet<String>; 2] = [HashSet::new(), HashSet::new()];
    for (event, payload) in odds(&events) {
        let (game, region) = event.key.split_once('/').unwrap();
        let region = usize::from(region == "eu");
        times_by_game.entry(game.to_owned()).or_default()[region].push(event.fetched_at);
        books[region].extend(
            list(&payload, "/bookmakers").iter().map(|book| book["key"].as_str().unwrap().to_owned()),
        );
    }
    assert_eq!(times_by_game.len(), 36);
    for [us, eu] in times_by_game.values() {
        assert!(!eu.is_empty() && eu.len() < us.len() && us.starts_with(eu), "{us:?} {eu:?}");
    }
    assert!(books[0].is_disjoint(&books[1]) && !books[1].is_empty());
}

#[test]
fn moved_events_are_first_listed_for_the_day_before_or_after_their_game() {
    let events = with_faults(Faults { moved_events: 1.0, ..NONE });
    let mut times_by_event: BTreeMap<String, Vec<Timestamp>> = BTreeMap::new();
    for (event, payload) in odds(&events) {
        times_by_event.entry(event.key.clone()).or_default().push(instant(&payload["commence_time"]));
    }
    assert_eq!(times_by_event.len(), 36);
    let mut days = HashSet::new();
    for times in times_by_event.values() {
        assert!(times[1..].iter().all(|time| *time == times[1]), "{times:?}");
        days.insert(times[0].eastern_date().0 - times[1].eastern_date().0);
    }
    assert_eq!(days, HashSet::from([-1, 1]));
}

#[test]
fn repeated_events_are_listed_twice_in_one_payload_with_other_content() {
    let events = with_faults(Faults { repeated_events: 1.0, ..NONE });
    let mut other_days = 0;
    for (event, payload) in odds(&events) {
        let [first, second] = payload.as_array().unwrap().as_slice() else { panic!("{payload}") };
        assert_eq!((&first["id"], &second["id"]), (&Value::from(event.key.clone()), &first["id"]));
        assert_ne!(first, second);
        other_days += usize::from(first["commence_time"] != second["commence_time"]);
    }
    assert!((10..90).contains(&other_days), "{other_days}");
}

#[test]
fn reused_events_are_used_after_tip_off_for_another_day() {
    let events = with_faults(Faults { reused_events: 1.0, ..NONE });
    let mut by_event: BTreeMap<String, Vec<(Timestamp, Value)>> = BTreeMap::new();
    for (event, payload) in odds(&events) {
        assert_eq!(payload["id"], event.key.as_str());
        by_event.entry(event.key.clone()).or_default().push((event.fetched_at, payload));
    }
    let mut with_other_teams = 0;
    for fetches in by_event.values() {
        let (first, last) = (&fetches[0].1, &fetches.last().unwrap());
        assert!(last.0 > instant(&first["commence_time"]) && last.0 < instant(&last.1["commence_time"]));
        assert_ne!(first["commence_time"], last.1["commence_time"]);
        let pair = |event: &Value| [&event["home_team"], &event["away_team"]].map(Value::to_string);
        with_other_teams += usize::from(pair(first) != pair(&last.1));
    }
    assert!(with_other_teams > 20, "{with_other_teams}");
}

#[test]
fn wrong_pairs_are_stated_before_tip_off_in_one_fetch_first_between_others_or_last() {
    let events = with_faults(Faults { wrong_pairs: 1.0, ..NONE });
    let mut by_event: BTreeMap<String, Vec<(Timestamp, Value)>> = BTreeMap::new();
    for (event, payload) in odds(&events) {
        assert_eq!(payload["id"], event.key.as_str());
        by_event.entry(event.key.clone()).or_default().push((event.fetched_at, payload));
    }
    let pair = |event: &Value| [&event["home_team"], &event["away_team"]].map(Value::to_string);
    let mut positions = HashSet::new();
    for fetches in by_event.values_mut().filter(|fetches| fetches.len() > 2) {
        fetches.sort_by_key(|(fetched_at, _)| *fetched_at);
        let count = |(_, event): &(Timestamp, Value)| {
            fetches.iter().filter(|(_, other)| pair(other) == pair(event)).count()
        };
        let Some(position) = fetches.iter().position(|fetch| count(fetch) == 1) else { continue };
        let right = &fetches[usize::from(position == 0)].1;
        assert!(fetches[position].0 < instant(&right["commence_time"]));
        positions.insert((position + 1).min(2 + usize::from(position + 1 == fetches.len())));
    }
    assert_eq!(positions, HashSet::from([1, 2, 3]));
}

/// Returns the number of values that one payload has and the other lacks or has as null.
fn lost_fields(intact: &Value, broken: &Value) -> usize {
    match (intact, broken) {
        (Value::Object(intact), Value::Object(broken)) => {
            let lost = intact
                .iter()
                .map(|(name, value)| broken.get(name).map_or(1, |other| lost_fields(value, other)));
            lost.sum()
        }
        (Value::Array(intact), Value::Array(broken)) => {
            assert_eq!(intact.len(), broken.len());
            intact.iter().zip(broken).map(|(intact, broken)| lost_fields(intact, broken)).sum()
        }
        (intact, broken) if intact == broken => 0,
        (_, Value::Null) => 1,
        _ => panic!("{intact} became {broken}"),
    }
}

#[test]
fn a_broken_row_lacks_one_field_and_the_other_rows_are_intact() {
    let events = with_faults(Faults { broken_rows: 1.0, ..NONE });
    let clean = clean();
    assert_eq!(events.len(), clean.len());
    let mut changed = 0;
    let mut without_field: HashSet<&str> = HashSet::new();
    for (event, intact) in events.iter().zip(&clean) {
        let [broken, intact]: [Value; 2] =
            [event, intact].map(|event| serde_json::from_str(&event.payload).unwrap());
        // A cell that was null before has lost nothing.
        let lost = lost_fields(&intact, &broken);
        assert!(lost <= 1);
        changed += lost;
        if event.feed == Feed::OddsapiEventOdds {
            let books = list(&broken, "/bookmakers");
            let markets = || books.iter().filter_map(|book| book["markets"].as_array()).flatten();
            let outcomes = || markets().filter_map(|market| market["outcomes"].as_array()).flatten();
            for (rows, level, fields) in [
                (books.iter().collect::<Vec<_>>(), "book", &["key", "markets"][..]),
                (markets().collect(), "market", &["key", "last_update", "outcomes"]),
                (outcomes().collect(), "outcome", &["name", "description", "price", "point"]),
            ] {
                if rows.iter().any(|row| fields.iter().any(|field| row.get(*field).is_none())) {
                    without_field.insert(level);
                }
            }
        }
    }
    assert!(changed > events.len() * 8 / 10, "{changed} of {}", events.len());
    assert_eq!(without_field, HashSet::from(["book", "market", "outcome"]));
}

#[test]
fn live_box_scores_have_no_result_and_at_most_the_counts_of_the_final_ones() {
    let events = with_faults(Faults { live_box_scores: 1.0, ..NONE });
    let points = |log: &Value| -> HashMap<String, i64> {
        let points =
            rows(log).into_iter().map(|row| (row["PLAYER_ID"].to_string(), row["PTS"].as_i64().unwrap()));
        points.collect()
    };
    let logs = of_feed(&events, Feed::NbacomLeaguegamelog);
    for (_, complete) in of_feed(&clean(), Feed::NbacomLeaguegamelog) {
        let date = complete["parameters"]["DateFrom"].as_str().unwrap();
        let [live, ended] = logs.iter().filter(|(event, _)| event.key == date).collect::<Vec<_>>()[..] else {
            panic!("expected a live and a final log of {date}")
        };
        assert_eq!(ended.1, complete);
        assert!(!rows(&live.1).is_empty() && rows(&live.1).iter().all(|row| row["WL"].is_null()));
        let ended_points = points(&ended.1);
        assert!(points(&live.1).iter().all(|(player, points)| *points <= ended_points[player]));
    }
    let boxes = of_feed(&events, Feed::BalldontlieBoxScores);
    let live: Vec<_> = boxes.iter().filter(|(event, _)| event.key == "live").collect();
    assert_eq!(live.len(), boxes.len() / 2);
    for (event, payload) in live {
        for game in list(payload, "/liveBoxes") {
            assert!(instant(&game["datetime"]) < event.fetched_at && game["status"] != "Final", "{game}");
        }
    }
    let stats = of_feed(&events, Feed::BalldontlieStats);
    let is_live = |stats: &Value| list(stats, "/data").iter().all(|row| row["game"]["status"] != "Final");
    assert_eq!(stats.iter().filter(|(_, stats)| is_live(stats)).count(), stats.len() / 2);
}

#[test]
fn a_team_that_has_not_submitted_has_one_row_without_player_and_status() {
    let records = |faults| -> Vec<Value> {
        let events = with_faults(faults);
        let reports = of_feed(&events, Feed::NbacomInjuryReport);
        reports.iter().flat_map(|(_, report)| list(report, "/records").clone()).collect()
    };
    let is_missing = |record: &Value| record["reason"] == "NOT YET SUBMITTED";
    assert!(!records(NONE).iter().any(is_missing));
    for record in records(Faults { unsubmitted_reports: 1.0, ..NONE }) {
        assert!(is_missing(&record) && record["player"] == "" && record["status"] == "");
        assert!(record["matchup"].as_str().unwrap().contains(record["team"].as_str().unwrap()));
    }
    let some = records(Faults { unsubmitted_reports: 0.3, ..NONE });
    assert!(some.iter().any(is_missing) && !some.iter().all(is_missing));
}

#[test]
fn retractions_are_later_than_their_targets_and_some_are_undone() {
    let raw: Vec<RawEvent> = clean().iter().map(ScraperEvent::to_raw).collect();
    assert!(retractions(&raw, 0.0, 1).is_empty());
    let orders = retractions(&raw, 1.0, 1);
    assert!(orders.is_sorted_by_key(|event| event.fetched_at));
    let by_id: HashMap<i64, &RawEvent> = raw.iter().map(|event| (event.id.0, event)).collect();
    let mut undone = HashSet::new();
    let mut targets = HashSet::new();
    let (mut before, mut after, mut at_one_instant) = (0, 0, 0);
    for event in &orders {
        let order = event.retraction.as_ref().unwrap();
        let target = by_id[&order.target.0];
        assert!(event.payload == target.payload && event.fetched_at >= target.fetched_at);
        targets.insert(order.target.0);
        if order.undo {
            undone.insert(order.target.0);
            let same = |other: &&RawEvent| {
                let other_order = other.retraction.as_ref().unwrap();
                !other_order.undo
                    && other_order.target == order.target
                    && other.fetched_at == event.fetched_at
            };
            at_one_instant += orders.iter().filter(same).count();
        }
        if target.feed == Feed::OddsapiEventOdds && !order.undo {
            let payload: Value = serde_json::from_str(&target.payload).unwrap();
            let is_before = event.fetched_at < instant(&payload["commence_time"]);
            (before, after) = if is_before { (before + 1, after) } else { (before, after + 1) };
        }
    }
    assert_eq!(targets.len(), raw.len());
    let share = undone.len() as f64 / targets.len() as f64;
    assert!((0.2..0.5).contains(&share), "{share}");
    assert!(before > 20 && after > 20 && at_one_instant > 10, "{before} {after} {at_one_instant}");
    let mut shuffled = raw.clone();
    shuffled.reverse();
    shuffled.extend(raw);
    assert_eq!(retractions(&shuffled, 1.0, 1), orders);
}

#[test]
fn without_faults_of_fetches_no_quote_changes_and_no_key_has_a_suffix() {
    let events = clean();
    assert!(odds(&events).iter().all(|(event, _)| !event.key.contains('/')));
    assert!(quotes(&events).iter().all(|quote| !quote.3.is_empty()));
}
