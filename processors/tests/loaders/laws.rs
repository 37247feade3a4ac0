//! Laws over broken payloads: whatever arrives, nothing panics and every row is counted once.
//!
//! Invariant: the breakage is random, the payloads it starts from are valid. Not here: what a valid payload means.
use crate::payloads::{members, payload_for, raw};
use processors::loader::load;
use proptest::{prelude::*, sample::Index};
use schemas::ids::RawId;
use schemas::raw::{Feed, FetchOutcome, RejectCode};
use serde_json::{Value, json};

fn check(feed: Feed, outcome: FetchOutcome, payload: String) -> Result<(), TestCaseError> {
    match load(&raw(feed, outcome, payload)) {
        Err(reject) => {
            prop_assert!(!reject.reason.is_empty());
            prop_assert!(matches!(reject.code, RejectCode::NotJson | RejectCode::BadPayload));
        }
        Ok(loaded) => {
            let ends = loaded.bad_rows.len() as u64 + loaded.rows_out_of_scope + loaded.rows_repeated;
            prop_assert_eq!(loaded.rows, members(&loaded) + ends);
            prop_assert_eq!(loaded.rows_emitted(), members(&loaded));
            for row in loaded.bad_rows {
                prop_assert!(!row.reason.is_empty());
                prop_assert!(serde_json::from_str::<&serde_json::value::RawValue>(&row.value).is_ok());
            }
        }
    }
    Ok(())
}

/// Every place in a value, as JSON pointers.
fn places(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(i, v)| places(v, format!("{at}/{i}"), found));
        }
        Value::Object(object) => {
            object.iter().for_each(|(key, v)| places(v, format!("{at}/{key}"), found));
        }
        _ => {}
    }
    found.push(at);
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

fn apply(payload: &mut Value, place: Index, breakage: Breakage) {
    let mut found = Vec::new();
    places(payload, String::new(), &mut found);
    let place = place.get(&found);
    if let Breakage::Put(value) = breakage {
        *payload.pointer_mut(place).unwrap() = value;
        return;
    }
    let Some((parent, key)) = place.rsplit_once('/') else { return };
    match (payload.pointer_mut(parent).unwrap(), breakage) {
        (Value::Object(object), Breakage::Remove) => drop(object.remove(key)),
        (Value::Array(list), Breakage::Remove) => drop(list.remove(key.parse().unwrap())),
        (Value::Array(list), _) => list.push(list[key.parse::<usize>().unwrap()].clone()),
        _ => {}
    }
}

/// Reorders the rows of every list, not the cells of a row nor the tables of an answer.
fn shuffle(value: &mut Value, seed: u64) {
    let key = |row: &Value| blake3::hash(format!("{seed}{row}").as_bytes()).as_bytes()[0];
    match value {
        Value::Array(rows) => {
            if rows.iter().all(|row| row.is_array() || row.is_object()) {
                rows.sort_by_key(key);
            }
            rows.iter_mut().for_each(|row| shuffle(row, seed));
        }
        Value::Object(object) => {
            for (key, value) in object {
                match (key.as_str(), value) {
                    ("resultSets", Value::Array(sets)) => {
                        sets.iter_mut().for_each(|set| shuffle(set, seed));
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
    fn values_of_another_kind_missing_and_repeated_ones_cost_their_rows_at_most(
        feed in feeds(),
        outcome in outcomes(),
        breaks in prop::collection::vec((any::<Index>(), breakage()), 1..4),
    ) {
        let mut payload = payload_for(feed);
        breaks.into_iter().for_each(|(place, breakage)| apply(&mut payload, place, breakage));
        check(feed, outcome, payload.to_string())?;
    }

    #[test]
    fn the_order_of_rows_does_not_matter(
        feed in feeds(),
        breaks in prop::collection::vec((any::<Index>(), breakage()), 0..4),
        seed in any::<u64>(),
    ) {
        let mut payload = payload_for(feed);
        breaks.into_iter().for_each(|(place, breakage)| apply(&mut payload, place, breakage));
        let loaded = |payload: &Value| {
            let mut raw = raw(feed, FetchOutcome::Complete, payload.to_string());
            raw.id = RawId(0);
            load(&raw)
        };
        let straight = loaded(&payload);
        shuffle(&mut payload, seed);
        match (straight, loaded(&payload)) {
            (Ok(straight), Ok(shuffled)) => {
                prop_assert_eq!(straight.observations, shuffled.observations);
                prop_assert_eq!(straight.rows_repeated, shuffled.rows_repeated);
                prop_assert_eq!(straight.bad_rows.len(), shuffled.bad_rows.len());
            }
            (straight, shuffled) => prop_assert_eq!(straight.is_err(), shuffled.is_err()),
        }
    }

    #[test]
    fn bytes_that_flip_are_a_dead_letter_or_another_fact_and_no_panic(
        feed in feeds(),
        flips in prop::collection::vec((any::<Index>(), any::<u8>()), 1..6),
    ) {
        let mut payload = payload_for(feed).to_string().into_bytes();
        flips.into_iter().for_each(|(place, byte)| *place.get_mut(&mut payload) ^= byte);
        check(feed, FetchOutcome::Complete, String::from_utf8_lossy(&payload).into_owned())?;
    }

    #[test]
    fn any_text_at_all_is_answered(feed in feeds(), text in any::<String>()) {
        check(feed, FetchOutcome::Complete, text)?;
    }
}

#[test]
fn every_truncation_of_a_payload_is_rejected_as_no_json() {
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
fn nesting_without_end_is_rejected() {
    for feed in Feed::ALL {
        for payload in ["[".repeat(1_000_000), "{\"data\":".repeat(100_000)] {
            assert!(load(&raw(feed, FetchOutcome::Complete, payload)).is_err());
        }
        let deep = format!("{{\"data\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        check(feed, FetchOutcome::Complete, deep).unwrap();
    }
}
