//! Functions with which the tests read simulated payloads.
//!
//! Invariant: only the published events are used.
//! Not here: the assertions.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]
#![allow(dead_code)]
use schemas::{Timestamp, raw::Feed};
use serde_json::Value;
use simulator::{Faults, ScraperEvent, Season};
use std::collections::BTreeMap;

/// Six teams with 12 games each: large enough for every fault to occur.
pub fn small(seed: u64) -> Season {
    Season { teams: 6, games_per_team: 12, ..Season::new(seed, 2024) }
}
pub fn with_faults(faults: Faults) -> Vec<ScraperEvent> {
    Season { faults, ..small(11) }.events()
}
pub fn of_feed(events: &[ScraperEvent], feed: Feed) -> Vec<(&ScraperEvent, Value)> {
    let events = events.iter().filter(|event| event.feed == feed);
    events.map(|event| (event, serde_json::from_str(&event.payload).unwrap())).collect()
}
pub fn list<'a>(value: &'a Value, pointer: &str) -> &'a Vec<Value> {
    value.pointer(pointer).and_then(Value::as_array).unwrap_or_else(|| panic!("no {pointer} in {value}"))
}
/// Returns the rows of a game log, each as a map from header to value.
pub fn rows(log: &Value) -> Vec<BTreeMap<String, Value>> {
    let headers = list(log, "/resultSets/0/headers");
    let named = |row: &Value| {
        let cells = row.as_array().unwrap().iter().cloned();
        headers.iter().map(|header| header.as_str().unwrap().to_owned()).zip(cells).collect()
    };
    list(log, "/resultSets/0/rowSet").iter().map(named).collect()
}
pub fn games(schedule: &Value) -> Vec<&Value> {
    list(schedule, "/leagueSchedule/gameDates").iter().flat_map(|day| list(day, "/games")).collect()
}
pub fn instant(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}
/// Returns all quotes as (event, book, fetch time, player, line, side), in the order of the events.
pub fn quotes(events: &[ScraperEvent]) -> Vec<(String, String, Timestamp, String, f64, String)> {
    let mut quotes = vec![];
    for (event, odds) in of_feed(events, Feed::OddsapiEventOdds) {
        for book in list(&odds, "/bookmakers") {
            for outcome in list(book, "/markets/0/outcomes") {
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                quotes.push((
                    event.key.clone(),
                    text(&book["key"]),
                    event.fetched_at,
                    text(&outcome["description"]),
                    outcome["point"].as_f64().unwrap(),
                    text(&outcome["name"]),
                ));
            }
        }
    }
    quotes
}
