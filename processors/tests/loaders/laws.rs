//! Tests of the loaders with broken payloads: no input causes a panic, every row is counted once, and every observation can be stored.
//!
//! Invariant: the broken payloads are valid payloads with random changes, or random text.
//! Not here: the content of valid payloads (`quirks`), the completeness of lists (`lists`).
use crate::{
    payloads::{members, payload_for, raw},
    single_games::{KEY_WITH_DATE, other_layouts},
};
use processors::loader::{Loaded, Observation, load};
use proptest::{prelude::*, sample::Index};
use schemas::{
    ids::RawId,
    observation::{Provenance, Retraction},
    raw::{Feed, FetchOutcome, RawEvent, RejectCode},
    units::{EasternDate, Season, Timestamp},
    wire::{self, Event},
};
use serde_json::{Value, json};
use std::{fmt::Debug, fmt::Display, str::FromStr};

fn assert_counted(feed: Feed, outcome: FetchOutcome, payload: String) -> Result<(), TestCaseError> {
    assert_event_counted(&raw(feed, outcome, payload))
}
fn assert_event_counted(raw: &RawEvent) -> Result<(), TestCaseError> {
    match load(raw) {
        Err(reject) => {
            prop_assert!(!reject.reason.is_empty());
            prop_assert!(matches!(reject.code, RejectCode::NotJson | RejectCode::BadPayload));
        }
        Ok(loaded) => {
            let not_emitted = loaded.bad_rows.len() as u64 + loaded.rows_out_of_scope + loaded.rows_repeated;
            prop_assert_eq!(loaded.rows, members(&loaded) + not_emitted);
            prop_assert_eq!(loaded.rows_emitted(), members(&loaded));
            for row in loaded.bad_rows {
                prop_assert!(!row.reason.is_empty());
                prop_assert!(serde_json::from_str::<&serde_json::value::RawValue>(&row.value).is_ok());
            }
        }
    }
    Ok(())
}

/// Adds the JSON pointers of a value and of all values in it.
fn add_pointers(value: &Value, pointer: String, pointers: &mut Vec<String>) {
    match value {
        Value::Array(list) => {
            for (index, item) in list.iter().enumerate() {
                add_pointers(item, format!("{pointer}/{index}"), pointers);
            }
        }
        Value::Object(object) => {
            for (key, item) in object {
                add_pointers(item, format!("{pointer}/{key}"), pointers);
            }
        }
        _ => {}
    }
    pointers.push(pointer);
}

#[derive(Clone, Debug)]
enum Breakage {
    Remove,
    Repeat,
    Put(Value),
}
fn breakage() -> impl Strategy<Value = Breakage> {
    prop_oneof![
        Just(Breakage::Remove),
        Just(Breakage::Repeat),
        prop::sample::select(vec![
            json!(null),
            json!(true),
            json!(-1),
            json!(0),
            json!(1),
            json!(2.5),
            json!(1e300),
            json!(i64::MIN),
            json!(u64::MAX),
            json!(""),
            json!(" "),
            json!("é"),
            json!("BOS"),
            json!("XXX"),
            json!("MEL"),
            json!("NYK@BOS"),
            json!("00"),
            json!("12"),
            json!("9999-12-31"),
            json!("-009999-01-01T00:00:00Z"),
            json!("0012300001"),
            json!("Final"),
            json!([]),
            json!({}),
            json!([[]]),
            json!({"a": {}}),
            json!("\u{0}"),
        ])
        .prop_map(Breakage::Put),
        any::<String>().prop_map(|text| Breakage::Put(json!(text))),
        any::<f64>().prop_map(|number| Breakage::Put(json!(number))),
    ]
}

/// Returns the payload with each of its objects replaced: by a wrong value, and by lists of no values and of its values in two orders.
fn objects_as_lists(payload: &Value) -> Vec<(Value, Vec<Value>)> {
    let mut pointers = Vec::new();
    add_pointers(payload, String::new(), &mut pointers);
    let with = |pointer: &str, value: Value| {
        let mut payload = payload.clone();
        *payload.pointer_mut(pointer).unwrap() = value;
        payload
    };
    let lists = |pointer: &String| {
        let values: Vec<Value> = payload.pointer(pointer)?.as_object()?.values().cloned().collect();
        let reversed = values.iter().rev().cloned().collect();
        let lists = [Vec::new(), values, reversed].map(|list| with(pointer, Value::Array(list)));
        Some((with(pointer, json!(true)), lists.to_vec()))
    };
    pointers.iter().filter_map(lists).collect()
}

fn apply(payload: &mut Value, index: Index, breakage: Breakage) {
    let mut pointers = Vec::new();
    add_pointers(payload, String::new(), &mut pointers);
    let pointer = index.get(&pointers);
    if let Breakage::Put(value) = breakage {
        *payload.pointer_mut(pointer).unwrap() = value;
        return;
    }
    let Some((parent, key)) = pointer.rsplit_once('/') else { return };
    match (payload.pointer_mut(parent).unwrap(), breakage) {
        (Value::Object(object), Breakage::Remove) => drop(object.remove(key)),
        (Value::Array(list), Breakage::Remove) => drop(list.remove(key.parse().unwrap())),
        (Value::Array(list), _) => list.push(list[key.parse::<usize>().unwrap()].clone()),
        _ => {}
    }
}

fn assert_text_is_inverse<T: Copy + Debug + Display + FromStr<Err = String> + PartialEq>(
    value: T,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(value.to_string().parse::<T>(), Ok(value));
    Ok(())
}
fn assert_stored<E: Event + Debug + PartialEq>(event: &E) -> Result<(), TestCaseError> {
    let bytes = wire::encode(event).map_err(|error| TestCaseError::fail(error.to_string()))?;
    let decoded = wire::decode::<E>(&bytes).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(&decoded, event);
    Ok(())
}

/// Checks that an observation can be stored and read, and that each of its dates has a text form that can be read.
fn assert_readable(observation: &Observation) -> Result<(), TestCaseError> {
    let (dates, times, season): (Vec<EasternDate>, Vec<Timestamp>, Option<Season>) = match observation {
        Observation::Game(game) => {
            assert_stored(game)?;
            (vec![game.fixture.date], vec![game.fixture.tip_off], Some(game.game.season()))
        }
        Observation::BoxScore(list) => {
            assert_stored(list)?;
            (vec![list.date], vec![], None)
        }
        Observation::FinalBoxScore(score) => {
            assert_stored(score)?;
            (vec![score.date], vec![], Some(score.game.season()))
        }
        Observation::Odds(event) => {
            assert_stored(event)?;
            let updates = event.quotes.iter().map(|quote| quote.updated_at);
            (vec![event.date], updates.chain([event.commences_at]).collect(), None)
        }
        Observation::OddsEvent(event) => {
            assert_stored(event)?;
            (vec![], vec![], None)
        }
        Observation::Injury(report) => {
            assert_stored(report)?;
            (vec![report.date], vec![report.reported_at], None)
        }
        Observation::Roster(roster) => {
            assert_stored(roster)?;
            let born = roster.members.iter().filter_map(|member| member.born);
            (born.chain([roster.date]).collect(), vec![], None)
        }
        Observation::Names(names) => {
            assert_stored(names)?;
            (vec![names.date], vec![], Some(names.season))
        }
        Observation::Link(link) => {
            assert_stored(link)?;
            (vec![], vec![], None)
        }
    };
    for date in dates {
        assert_text_is_inverse(date)?;
        assert_text_is_inverse(date.season())?;
        assert_text_is_inverse(date.at(19, 30))?;
        prop_assert_eq!(date.at(19, 30).eastern_date(), date);
    }
    season.into_iter().try_for_each(assert_text_is_inverse)?;
    times.into_iter().try_for_each(assert_text_is_inverse)
}

fn provenance_mut(observation: &mut Observation) -> &mut Provenance {
    match observation {
        Observation::Game(game) => &mut game.provenance,
        Observation::BoxScore(list) => &mut list.provenance,
        Observation::FinalBoxScore(score) => &mut score.provenance,
        Observation::Odds(event) => &mut event.provenance,
        Observation::OddsEvent(event) => &mut event.provenance,
        Observation::Injury(report) => &mut report.provenance,
        Observation::Roster(roster) => &mut roster.provenance,
        Observation::Names(names) => &mut names.provenance,
        Observation::Link(link) => &mut link.provenance,
    }
}

/// Texts that are dates in one of the notations of the sources, at and beyond the limits of the calendar.
fn extreme_date() -> impl Strategy<Value = Value> {
    let texts = [
        "0000-01-01",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "-009999-01-02T00:00:00Z",
        "1899-12-31T23:59:59Z",
        "1900-01-01",
        "1900-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "2199-12-31",
        "2199-12-31T23:59:59Z",
        "2200-01-01T00:00:00Z",
        "9999-12-30T22:00:00.999Z",
        "9999-12-31T23:59:59Z",
        "01/01/0000",
        "01/01/1900",
        "12/31/2199",
        "12/31/9999",
        "00000101",
        "19000101",
        "21991231",
        "99991231",
        "9999-00",
        "2199-00",
        "0099600577",
        "0024600577",
    ];
    prop::sample::select(texts.to_vec()).prop_map(|text| json!(text))
}
/// Returns the JSON pointers of all texts that contain a year.
fn date_pointers(payload: &Value) -> Vec<String> {
    let mut pointers = Vec::new();
    add_pointers(payload, String::new(), &mut pointers);
    let is_date = |pointer: &String| {
        let text = payload.pointer(pointer).and_then(Value::as_str);
        text.is_some_and(|text| ["2024", "2023", "1996", "00223"].iter().any(|year| text.contains(year)))
    };
    pointers.into_iter().filter(is_date).collect()
}

/// Reorders the rows of every list, but neither the cells of a row nor the tables of a response.
fn shuffle(value: &mut Value, seed: u64) {
    let key = |row: &Value| blake3::hash(format!("{seed}{row}").as_bytes()).as_bytes()[0];
    match value {
        Value::Array(rows) => {
            if rows.iter().all(|row| row.is_array() || row.is_object()) {
                rows.sort_by_key(key);
            }
            for row in rows {
                shuffle(row, seed);
            }
        }
        Value::Object(object) => {
            for (key, value) in object {
                match (key.as_str(), value) {
                    ("resultSets", Value::Array(sets)) => {
                        for set in sets {
                            shuffle(set, seed);
                        }
                    }
                    (_, value) => shuffle(value, seed),
                }
            }
        }
        _ => {}
    }
}

fn feeds() -> impl Strategy<Value = Feed> {
    prop::sample::select(Feed::ALL.to_vec())
}
fn outcomes() -> impl Strategy<Value = FetchOutcome> {
    use FetchOutcome::*;
    prop::sample::select(vec![Complete, Complete, Complete, Partial, EmptyOk, NoDataYet, Postponed, Failed])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn wrong_missing_and_repeated_values_affect_at_most_their_own_rows(
        feed in feeds(),
        outcome in outcomes(),
        breakages in prop::collection::vec((any::<Index>(), breakage()), 1..4),
    ) {
        let mut payload = payload_for(feed);
        for (index, breakage) in breakages {
            apply(&mut payload, index, breakage);
        }
        assert_counted(feed, outcome, payload.to_string())?;
    }

    #[test]
    fn extreme_dates_are_rejected_or_can_be_stored_and_read(
        feed in feeds(),
        changes in prop::collection::vec((any::<Index>(), extreme_date()), 1..4),
        at_limit in prop::sample::select(vec!["2000-01-01T00:00:00Z", "2024-01-18T17:00:00Z", "2199-12-31T23:59:59Z"]),
    ) {
        let mut payload = payload_for(feed);
        let pointers = date_pointers(&payload);
        for (index, date) in changes.into_iter().filter(|_| !pointers.is_empty()) {
            *payload.pointer_mut(index.get(&pointers).as_str()).unwrap() = date;
        }
        let mut raw = raw(feed, FetchOutcome::Complete, payload.to_string());
        raw.fetched_at = at_limit.parse().unwrap();
        if let Ok(loaded) = load(&raw) {
            loaded.observations.iter().try_for_each(assert_readable)?;
        }
        assert_counted(feed, FetchOutcome::Complete, payload.to_string())?;
    }

    #[test]
    fn no_request_key_causes_a_panic(feed in feeds(), key in prop_oneof![any::<String>(), "2024-?01-?18[-_T ]?[0-9:_]{0,6}( ?[AP]M)?"]) {
        let mut raw = raw(feed, FetchOutcome::Complete, payload_for(feed).to_string());
        raw.key = key;
        prop_assert!(load(&raw).is_ok());
    }

    #[test]
    fn no_fetch_time_causes_a_panic(feed in feeds(), fetched_at in any::<i64>(), target in any::<i64>()) {
        let mut raw = raw(feed, FetchOutcome::Complete, payload_for(feed).to_string());
        raw.fetched_at = Timestamp(fetched_at);
        prop_assert!(load(&raw).is_ok());
        raw.fetched_at = Timestamp(target);
        prop_assert!(load(&raw.retracted(Timestamp(fetched_at), false, String::new())).is_ok());
    }

    #[test]
    fn a_retraction_has_the_observations_of_its_target_and_neither_bad_rows_nor_a_reject(
        feed in feeds(),
        outcome in outcomes(),
        breakages in prop::collection::vec((any::<Index>(), breakage()), 0..4),
        undo in any::<bool>(),
    ) {
        let mut payload = payload_for(feed);
        for (index, breakage) in breakages {
            apply(&mut payload, index, breakage);
        }
        let target = raw(feed, outcome, payload.to_string());
        let at: Timestamp = "2024-02-01T00:00:00Z".parse().unwrap();
        let retraction = load(&target.retracted(at, undo, "wrong".to_owned())).unwrap();
        let expected = load(&target);
        prop_assert!(retraction.bad_rows.is_empty());
        let Loaded { mut observations, bad_rows, .. } = expected.unwrap_or_default();
        for observation in &mut observations {
            provenance_mut(observation).retraction = Some(Retraction { at, is_undone: undo });
        }
        prop_assert_eq!(&retraction.observations, &observations);
        prop_assert!(retraction.rows_out_of_scope >= bad_rows.len() as u64);
        prop_assert_eq!(retraction.rows_emitted(), members(&retraction));
    }

    #[test]
    fn the_order_of_rows_does_not_matter(
        feed in feeds(),
        breakages in prop::collection::vec((any::<Index>(), breakage()), 0..4),
        seed in any::<u64>(),
    ) {
        let mut payload = payload_for(feed);
        for (index, breakage) in breakages {
            apply(&mut payload, index, breakage);
        }
        let loaded = |payload: &Value| {
            let mut raw = raw(feed, FetchOutcome::Complete, payload.to_string());
            raw.id = RawId(0);
            load(&raw)
        };
        let ordered = loaded(&payload);
        shuffle(&mut payload, seed);
        match (ordered, loaded(&payload)) {
            (Ok(ordered), Ok(shuffled)) => {
                prop_assert_eq!(ordered.observations, shuffled.observations);
                prop_assert_eq!(ordered.rows_repeated, shuffled.rows_repeated);
                prop_assert_eq!(ordered.bad_rows.len(), shuffled.bad_rows.len());
            }
            (ordered, shuffled) => prop_assert_eq!(ordered.is_err(), shuffled.is_err()),
        }
    }

    #[test]
    fn flipped_bytes_are_rejected_or_another_fact_and_never_panic(
        feed in feeds(),
        flips in prop::collection::vec((any::<Index>(), any::<u8>()), 1..6),
    ) {
        let mut payload = payload_for(feed).to_string().into_bytes();
        for (index, bits) in flips {
            *index.get_mut(&mut payload) ^= bits;
        }
        assert_counted(feed, FetchOutcome::Complete, String::from_utf8_lossy(&payload).into_owned())?;
    }

    #[test]
    fn broken_payloads_of_the_other_layouts_are_counted_and_their_observations_can_be_stored(
        (feed, mut payload) in prop::sample::select(other_layouts()),
        breakages in prop::collection::vec((any::<Index>(), breakage()), 1..4),
    ) {
        for (index, breakage) in breakages {
            apply(&mut payload, index, breakage);
        }
        let raw = RawEvent { key: KEY_WITH_DATE.to_owned(), ..raw(feed, FetchOutcome::Complete, payload.to_string()) };
        assert_event_counted(&raw)?;
        load(&raw).iter().flat_map(|loaded| &loaded.observations).try_for_each(assert_readable)?;
    }

    #[test]
    fn any_text_is_loaded_or_rejected_without_a_panic(feed in feeds(), text in any::<String>()) {
        assert_counted(feed, FetchOutcome::Complete, text)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn broken_real_payloads_never_cause_a_panic(
        breakages in prop::collection::vec((any::<Index>(), breakage()), 1..8),
        key in "2024-?01-?04[-_T ]?[0-9:_]{0,6}( ?[AP]M)?",
    ) {
        for (feed, payload) in crate::real::samples() {
            let mut payload: Value = serde_json::from_str(&payload).unwrap();
            for (index, breakage) in breakages.clone() {
                apply(&mut payload, index, breakage);
            }
            let mut raw = raw(feed, FetchOutcome::Complete, payload.to_string());
            raw.key.clone_from(&key);
            drop(load(&raw));
            assert_counted(feed, FetchOutcome::Complete, raw.payload)?;
        }
    }
}

#[test]
fn a_list_in_place_of_an_object_is_as_wrong_as_any_other_value() {
    let loaded = |feed, payload: &Value| {
        let raw = RawEvent { id: RawId(0), ..raw(feed, FetchOutcome::Complete, payload.to_string()) };
        let of_rows = |loaded: Loaded| Loaded { bad_rows: Vec::new(), ..loaded };
        load(&raw).map(|loaded| (loaded.bad_rows.len(), of_rows(loaded))).map_err(|reject| reject.code)
    };
    for feed in Feed::ALL {
        for (wrong, lists) in objects_as_lists(&payload_for(feed)) {
            // A response of the odds source, or its data, may be a list of events.
            let may_be_list = |list: &Value| list.is_array() || list["data"].is_array();
            for list in lists.iter().filter(|list| feed != Feed::OddsapiEventOdds || !may_be_list(list)) {
                assert_eq!(loaded(feed, list), loaded(feed, &wrong), "{feed}: {list}");
            }
        }
    }
}

#[test]
fn every_truncated_payload_is_rejected_as_not_json() {
    for feed in Feed::ALL {
        let payload = payload_for(feed).to_string();
        for end in 0..payload.len() {
            let Some(truncated) = payload.get(..end) else { continue };
            let reject = load(&raw(feed, FetchOutcome::Complete, truncated.to_owned())).unwrap_err();
            assert_eq!(reject.code, RejectCode::NotJson, "{feed}: {truncated}");
            assert!(!reject.reason.is_empty());
        }
    }
}

#[test]
fn deep_nesting_is_rejected_if_it_is_not_closed_and_never_panics() {
    for feed in Feed::ALL {
        for payload in ["[".repeat(1_000_000), "{\"data\":".repeat(100_000)] {
            assert!(load(&raw(feed, FetchOutcome::Complete, payload)).is_err());
        }
        let deep = format!("{{\"data\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert_counted(feed, FetchOutcome::Complete, deep).unwrap();
    }
}
