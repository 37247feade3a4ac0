//! From a fetch to the events that a scraper publishes, with the faults that can occur in any feed: the same response again, another
//! outcome, an earlier empty response, a response in two parts, a broken row.
//!
//! Invariant: a fault changes only the events in which it occurs; at a rate of zero, a fetch is one event with the payload byte for byte.
//! Not here: the fetches (`fetches`).
use crate::{
    event::ScraperEvent,
    feeds,
    parameters::Season,
    random::{Decision, Random},
};
use schemas::{
    Timestamp,
    raw::{Feed, FetchOutcome},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Milliseconds per minute.
pub(crate) const MINUTE: i64 = 60_000;

/// One fetch, from which `publish` makes events.
pub(crate) struct Fetch {
    pub feed: Feed,
    pub key: String,
    pub fetched_at: Timestamp,
    pub outcome: Option<FetchOutcome>,
    /// The response of the source, as JSON text.
    pub payload: String,
}

/// Adds the events of a fetch: the response and, if these faults occur, an earlier empty response, a duplicate, the same with another
/// outcome, and a refetch. If the request is split, adds these for each of its two parts.
pub(crate) fn publish(season: &Season, fetch: Fetch, events: &mut Vec<ScraperEvent>) {
    let subject = [fetch.feed as u64, hash(&fetch.key)];
    let mut shared = Random::for_decision(season.seed, Decision::SharedInstant, &subject);
    let is_split = shared.chance(season.faults.shared_instants) && !fetch.key.contains('/');
    match split(fetch.feed, &fetch.payload).filter(|_| is_split) {
        None => publish_part(season, fetch, events),
        Some(parts) => {
            // Two requests, or two parts of one request.
            let suffixes = match fetch.feed {
                _ if shared.chance(0.3) => ["", ""],
                Feed::OddsapiEventOdds => ["/us", "/us2"],
                _ => ["/page-1", "/page-2"],
            };
            for (suffix, payload) in suffixes.into_iter().zip(parts) {
                let key = format!("{}{suffix}", fetch.key);
                publish_part(season, Fetch { key, payload, ..fetch }, events);
            }
        }
    }
}

fn publish_part(season: &Season, fetch: Fetch, events: &mut Vec<ScraperEvent>) {
    let subject = [fetch.feed as u64, fetch.fetched_at.0 as u64, hash(&fetch.key)];
    let random_for = |decision| Random::for_decision(season.seed, decision, &subject);
    let happens = |decision, rate| random_for(decision).chance(rate);
    let Fetch { feed, key, fetched_at, outcome, mut payload } = fetch;
    if happens(Decision::EmptyResponse, season.faults.empty_responses) {
        events.extend(feeds::emptied(feed, &payload).map(|empty| ScraperEvent {
            feed,
            key: key.clone(),
            fetched_at: fetched_at.plus_hours(-1),
            outcome: Some(FetchOutcome::EmptyOk),
            payload: empty,
        }));
    }
    let mut broken = random_for(Decision::BrokenRow);
    if broken.chance(season.faults.broken_rows) {
        payload = with_broken_row(&payload, &mut broken).unwrap_or(payload);
    }
    let event = ScraperEvent { feed, key, fetched_at, outcome, payload };
    if happens(Decision::Duplicate, season.faults.duplicates) {
        events.push(event.clone());
    }
    if happens(Decision::Refetch, season.faults.refetches) {
        events.push(ScraperEvent { fetched_at: Timestamp(fetched_at.0 + 10 * MINUTE), ..event.clone() });
    }
    let mut other = random_for(Decision::OtherOutcome);
    let has_other = other.chance(season.faults.other_outcomes);
    let is_first = other.chance(0.5);
    let mut with_other = has_other.then(|| ScraperEvent {
        outcome: Some(other_outcome(event.outcome.unwrap_or_default(), &mut other)),
        ..event.clone()
    });
    events.extend(with_other.take_if(|_| is_first));
    events.push(event);
    events.extend(with_other);
}

fn hash(key: &str) -> u64 {
    key.bytes().fold(0, |hash: u64, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte)))
}

fn other_outcome(outcome: FetchOutcome, random: &mut Random) -> FetchOutcome {
    let others: Vec<FetchOutcome> = FetchOutcome::ALL.into_iter().filter(|other| *other != outcome).collect();
    random.pick(&others)
}

/// Divides the rows of a payload into two payloads. Returns `None` if the payload has fewer than two rows, or the feed has no regions and
/// no pages.
pub(crate) fn split(feed: Feed, payload: &str) -> Option<[String; 2]> {
    let list = match feed {
        Feed::NbacomLeaguegamelog | Feed::NbacomPlayerList => "/resultSets/0/rowSet",
        Feed::BalldontlieStats => "/data",
        Feed::OddsapiEventOdds => "/bookmakers",
        Feed::NbacomSchedule
        | Feed::NbacomInjuryReport
        | Feed::BalldontlieBoxScores
        | Feed::EspnRoster
        | Feed::OperatorIdentityLinks
        | Feed::NbacomBoxscore
        | Feed::NbacomGamebook
        | Feed::EspnBoxscore
        | Feed::EspnSummary
        | Feed::BalldontlieLiveBoxScores => return None,
    };
    let mut first: Value = serde_json::from_str(payload).ok()?;
    let rows = first.pointer_mut(list)?.as_array_mut()?;
    if rows.len() < 2 {
        return None;
    }
    let rest = rows.split_off(rows.len().div_ceil(2));
    let mut second = first.clone();
    *second.pointer_mut(list)? = Value::Array(rest);
    Some([first.to_string(), second.to_string()])
}

/// Returns the payload with one row that has lost a field: a random row of a random list. In a row of cells, the cell is null. `None` if
/// the payload has no rows with fields.
fn with_broken_row(payload: &str, random: &mut Random) -> Option<String> {
    let mut payload: Value = serde_json::from_str(payload).ok()?;
    let mut rows_by_list = BTreeMap::new();
    collect_rows(&payload, "", "", &mut rows_by_list);
    let lists: Vec<Vec<String>> = rows_by_list.into_values().collect();
    if lists.is_empty() {
        return None;
    }
    let list = &lists[random.below(lists.len())];
    match payload.pointer_mut(&list[random.below(list.len())])? {
        Value::Object(fields) => {
            let name = fields.keys().nth(random.below(fields.len()))?.clone();
            fields.remove(&name);
        }
        Value::Array(cells) => {
            let cell = random.below(cells.len());
            cells[cell] = json!(null);
        }
        _ => return None,
    }
    Some(payload.to_string())
}

/// Adds the pointer of each row with fields, grouped by the list to which it belongs; lists with the same path but other indices are one.
fn collect_rows(value: &Value, pointer: &str, path: &str, rows_by_list: &mut BTreeMap<String, Vec<String>>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                collect_rows(value, &format!("{pointer}/{name}"), &format!("{path}/{name}"), rows_by_list);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let pointer = format!("{pointer}/{index}");
                let has_fields = item.as_object().is_some_and(|fields| !fields.is_empty())
                    || item.as_array().is_some_and(|cells| !cells.is_empty());
                // A result set is a list, not a row: without its rows or headers, nothing of the payload is intact.
                if has_fields && path != "/resultSets" {
                    rows_by_list.entry(path.to_owned()).or_default().push(pointer.clone());
                }
                collect_rows(item, &pointer, path, rows_by_list);
            }
        }
        _ => {}
    }
}
