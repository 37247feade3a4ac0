//! Faults of histories: each one adds raw events that a source, a scraper or an operator may produce in addition to those of a season.
//!
//! Invariant: the same random numbers give the same events; a fault changes no event of the history, it only adds some.
//! Not here: the faults of schedules (`schedule_faults`), the seasons and the faults that the simulator produces (`histories`, crate
//! `simulator`).
use crate::random::Random;
use schemas::{
    Timestamp,
    raw::{Feed, FetchOutcome, RawEvent},
};
use serde_json::{Value, json};

pub const SECOND: i64 = 1_000;
pub const HOUR: i64 = 3_600 * SECOND;

/// Returns the events that a fault adds because of one event of the history.
type Fault = fn(&RawEvent, &mut Random) -> Vec<RawEvent>;

/// The faults, without retractions.
const FAULTS: [Fault; 10] = [
    same_bytes_with_other_outcome,
    at_one_instant,
    pages,
    bad_row,
    moved_event,
    reused_event,
    live_box_score,
    later_content,
    newer_report,
    event_of_other_pair,
];

/// Adds faults to a history, for example retractions, and sorts it by fetch time. `count` is the number of events that have a fault, and the
/// number of events that are retracted; only events of which `may_have_fault` is true do.
pub fn with_faults(
    mut events: Vec<RawEvent>,
    count: usize,
    may_have_fault: fn(&RawEvent) -> bool,
    random: &mut Random,
) -> Vec<RawEvent> {
    let mut added: Vec<RawEvent> = Vec::new();
    // Odds and reports are few, but they are what is fetched again and again before a game.
    let is_polled =
        |event: &&RawEvent| matches!(event.feed, Feed::OddsapiEventOdds | Feed::NbacomInjuryReport);
    let polled: Vec<&RawEvent> = events.iter().filter(is_polled).collect();
    for _ in 0..count {
        let event = match random.percent(40) && !polled.is_empty() {
            true => random.pick(&polled),
            false => &events[random.below(events.len())],
        };
        if may_have_fault(event) {
            added.extend(random.pick(&FAULTS)(event, random));
        }
    }
    for _ in 0..count {
        // Retracts an event of the season, or one that a fault added.
        let candidates = if random.percent(50) || added.is_empty() { &events } else { &added };
        let target = candidates[random.below(candidates.len())].clone();
        if may_have_fault(&target) {
            added.extend(retractions(&target, random));
        }
    }
    events.extend(added);
    events.sort_by_key(|event| event.fetched_at);
    events
}

pub fn copy(
    event: &RawEvent,
    key: String,
    fetched_at: i64,
    outcome: FetchOutcome,
    payload: &Value,
) -> RawEvent {
    RawEvent::new(event.feed, key, Timestamp(fetched_at), outcome, payload.to_string())
}

/// The same fetch is reported again with another outcome.
fn same_bytes_with_other_outcome(event: &RawEvent, random: &mut Random) -> Vec<RawEvent> {
    vec![RawEvent { outcome: random.pick(&FetchOutcome::ALL), ..event.clone() }]
}

/// Another request, or the same one, returns some of the rows at the same instant.
fn at_one_instant(event: &RawEvent, random: &mut Random) -> Vec<RawEvent> {
    let Some((first, _)) = halves(event, random) else { return Vec::new() };
    let key = if random.percent(50) { event.key.clone() } else { format!("{}/part", event.key) };
    let outcome = random.pick(&[FetchOutcome::Complete, FetchOutcome::Partial, FetchOutcome::Failed]);
    vec![copy(event, key, event.fetched_at.0, outcome, &first)]
}

/// Two requests return one half of the rows each; later, only one of them is made, and returns the other half.
fn pages(event: &RawEvent, random: &mut Random) -> Vec<RawEvent> {
    let Some((first, second)) = halves(event, random) else { return Vec::new() };
    let at = event.fetched_at.0 + random.pick(&[0, SECOND, 600 * SECOND]);
    let later = at + random.pick(&[SECOND, HOUR, HOUR + 1, 3 * HOUR, 24 * HOUR]);
    let key = |page: u8| format!("{}/{page}", event.key);
    let outcome = FetchOutcome::Complete;
    vec![
        copy(event, key(1), at, outcome, &first),
        copy(event, key(2), at + random.pick(&[0, 0, SECOND]), outcome, &second),
        copy(event, key(1), later, outcome, &second),
    ]
}

/// The request is made again, and one row of the response is unusable.
fn bad_row(event: &RawEvent, random: &mut Random) -> Vec<RawEvent> {
    let Ok(mut payload) = serde_json::from_str::<Value>(&event.payload) else { return Vec::new() };
    let Some(rows) = random_rows(&mut payload, random) else { return Vec::new() };
    let index = random.below(rows.len());
    let unusable = random.pick(&[0, 1, 2]);
    let value = || match unusable {
        0 => Value::Null,
        1 => json!({"unusable": true}),
        _ => json!("unusable"),
    };
    match &mut rows[index] {
        Value::Array(cells) if !cells.is_empty() => {
            let cell = random.below(cells.len());
            cells[cell] = value();
        }
        Value::Object(fields) if !fields.is_empty() => {
            let field = fields.keys().nth(random.below(fields.len())).unwrap().clone();
            fields[&field] = value();
        }
        row => *row = value(),
    }
    let at = event.fetched_at.0 + random.pick(&[0, SECOND, 300 * SECOND]);
    vec![copy(event, event.key.clone(), at, FetchOutcome::Complete, &payload)]
}

/// The odds source lists an event on another day: the same one, or a second one of the same teams.
fn moved_event(event: &RawEvent, random: &mut Random) -> Vec<RawEvent> {
    let days = random.pick(&[-2, -1, 0, 1, 2]);
    let at = event.fetched_at.0 + random.pick(&[0, SECOND, HOUR]);
    odds_of_event_at(event, at, days, random.percent(50)).into_iter().collect()
}

/// The odds source uses the id of an event again, for a later game of the same teams.
fn reused_event(event: &RawEvent, random: &mut Random) -> Vec<RawEvent> {
    let days = 1 + random.below(6) as i64;
    odds_of_event_at(event, event.fetched_at.0 + days * 24 * HOUR, days, false).into_iter().collect()
}

fn odds_of_event_at(event: &RawEvent, fetched_at: i64, days: i64, is_second: bool) -> Option<RawEvent> {
    let mut payload: Value = serde_json::from_str(&event.payload).ok()?;
    let commences_at: Timestamp = payload.get("commence_time")?.as_str()?.parse().ok()?;
    payload["commence_time"] = json!(Timestamp(commences_at.0 + days * 24 * HOUR).to_string());
    let mut key = event.key.clone();
    if is_second {
        key.push_str("-second");
        payload["id"] = json!(format!("{}-second", payload["id"].as_str()?));
    }
    Some(copy(event, key, fetched_at, FetchOutcome::Complete, &payload))
}

/// The request is made again: some rows are withdrawn and some lines are moved, without a new update time.
fn later_content(event: &RawEvent, random: &mut Random) -> Vec<RawEvent> {
    let Some((mut payload, _)) = halves(event, random) else { return Vec::new() };
    move_lines(&mut payload, random);
    let at = event.fetched_at.0 + random.pick(&[SECOND, 30 * SECOND, HOUR, 6 * HOUR]);
    vec![copy(event, event.key.clone(), at, FetchOutcome::Complete, &payload)]
}

/// Moves some of the lines of quotes.
fn move_lines(value: &mut Value, random: &mut Random) {
    match value {
        Value::Object(fields) => {
            if let Some(point) = fields.get_mut("point").filter(|_| random.percent(40)) {
                *point = json!(point.as_f64().unwrap_or(20.5) + 1.0);
            }
            fields.values_mut().for_each(|field| move_lines(field, random));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| move_lines(item, random)),
        _ => {}
    }
}

/// A newer injury report lacks some of the rows: these players are available again.
fn newer_report(event: &RawEvent, random: &mut Random) -> Vec<RawEvent> {
    let Ok(mut payload) = serde_json::from_str::<Value>(&event.payload) else { return Vec::new() };
    let Some(records) = payload.get_mut("records").and_then(Value::as_array_mut) else { return Vec::new() };
    records.retain(|_| random.percent(60));
    payload["metadata"]["minute"] = json!(random.pick(&["20", "59"]));
    let at = event.fetched_at.0 + random.pick(&[1_800 * SECOND, HOUR, 4 * HOUR]);
    vec![copy(event, format!("{}/newer", event.key), at, FetchOutcome::Complete, &payload)]
}

/// The odds source uses the id of an event for a game of another pair of teams; some of these responses are corrected later.
fn event_of_other_pair(event: &RawEvent, random: &mut Random) -> Vec<RawEvent> {
    let Ok(mut payload) = serde_json::from_str::<Value>(&event.payload) else { return Vec::new() };
    if payload.get("commence_time").is_none() {
        return Vec::new();
    }
    payload["home_team"] = json!(random.pick(&["Los Angeles Lakers", "Utah Jazz"]));
    let at = event.fetched_at.0 + random.pick(&[0, SECOND, HOUR]);
    let mut events = vec![copy(event, event.key.clone(), at, FetchOutcome::Complete, &payload)];
    if random.percent(40) {
        let corrected_at = Timestamp(at + random.pick(&[0, SECOND, 600 * SECOND, 6 * HOUR]));
        let (key, payload) = (event.key.clone(), event.payload.clone());
        events.push(RawEvent::new(event.feed, key, corrected_at, event.outcome, payload));
    }
    events
}

/// A box score is fetched while its game is in progress, with the statistics of that time.
fn live_box_score(event: &RawEvent, random: &mut Random) -> Vec<RawEvent> {
    let Ok(mut payload) = serde_json::from_str::<Value>(&event.payload) else { return Vec::new() };
    if !mark_live(&mut payload) {
        return Vec::new();
    }
    let at = event.fetched_at.0 - random.pick(&[HOUR / 2, 2 * HOUR, 10 * HOUR, 0, -HOUR]);
    let polls = 1 + random.below(2) as i64;
    let outcome = FetchOutcome::Complete;
    (0..polls)
        .map(|poll| copy(event, event.key.clone(), at + poll * 30 * SECOND, outcome, &payload))
        .collect()
}

/// Changes box scores to those of games in progress; returns true if there are any.
fn mark_live(value: &mut Value) -> bool {
    let mut is_changed = false;
    match value {
        Value::Object(fields) => {
            let headers = fields.get("headers").and_then(Value::as_array).cloned().unwrap_or_default();
            let column = |name: &str| headers.iter().position(|header| header == name);
            if let (Some(result), Some(points)) = (column("WL"), column("PTS")) {
                for row in fields.get_mut("rowSet").and_then(Value::as_array_mut).into_iter().flatten() {
                    row[result] = Value::Null;
                    row[points] = json!(row[points].as_i64().unwrap_or(0) / 2);
                    is_changed = true;
                }
            }
            if fields.contains_key("home_team_score") && fields.contains_key("status") {
                fields.insert("status".into(), json!("3rd Qtr"));
                is_changed = true;
            }
            for field in fields.values_mut() {
                is_changed |= mark_live(field);
            }
        }
        Value::Array(items) => {
            for item in items {
                is_changed |= mark_live(item);
            }
        }
        _ => {}
    }
    is_changed
}

/// An operator retracts an event, and may undo the retraction: at the same instant or later.
pub fn retractions(target: &RawEvent, random: &mut Random) -> Vec<RawEvent> {
    if target.retraction.is_some() {
        return Vec::new();
    }
    let delays = [0, SECOND, HOUR, 12 * HOUR, 24 * HOUR, 120 * HOUR, 720 * HOUR];
    let mut at = target.fetched_at.0 + random.pick(&delays);
    let mut retractions = vec![target.retracted(Timestamp(at), false, "wrong".into())];
    while random.percent(30) {
        at += random.pick(&delays);
        retractions.push(target.retracted(Timestamp(at), random.percent(80), "wrong again".into()));
    }
    retractions
}

/// Returns the payload twice, each time with some of the rows of a random list; each row is in one of the two.
fn halves(event: &RawEvent, random: &mut Random) -> Option<(Value, Value)> {
    let mut first: Value = serde_json::from_str(&event.payload).ok()?;
    let mut second = first.clone();
    let mut same = random.clone();
    let (rows, other_rows) = (random_rows(&mut first, random)?, random_rows(&mut second, &mut same)?);
    let is_first: Vec<bool> = rows.iter().map(|_| random.percent(50)).collect();
    let mut flags = is_first.iter();
    rows.retain(|_| flags.next() == Some(&true));
    let mut flags = is_first.iter();
    other_rows.retain(|_| flags.next() == Some(&false));
    Some((first, second))
}

/// Returns a random list of rows (objects or lists) that is not empty; `None` if there is none.
fn random_rows<'a>(payload: &'a mut Value, random: &mut Random) -> Option<&'a mut Vec<Value>> {
    let mut pointers = Vec::new();
    find_rows(payload, String::new(), &mut pointers);
    if pointers.is_empty() {
        return None;
    }
    payload.pointer_mut(&pointers[random.below(pointers.len())])?.as_array_mut()
}

/// Collects the JSON pointers of all lists of rows.
fn find_rows(value: &Value, pointer: String, pointers: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                find_rows(
                    field,
                    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")),
                    pointers,
                );
            }
        }
        Value::Array(items) if items.first().is_some_and(|item| item.is_object() || item.is_array()) => {
            for (index, item) in items.iter().enumerate() {
                // The cells of a row are no rows.
                if item.is_object() {
                    find_rows(item, format!("{pointer}/{index}"), pointers);
                }
            }
            pointers.push(pointer);
        }
        _ => {}
    }
}
