//! Schema ids that a registry assigned: records are written and read with them, also mixed with ids derived from the schema's text; the
//! canonical form does not contain them.
//!
//! Invariant: every test binds the same ids, because a process can bind ids only once.
//! Not here: the client of a registry (`tests/registry.rs` of the binary).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use proptest::prelude::*;
use schemas::{
    Event, PlayerId, RawId, Team, Timestamp, WireError,
    catalog::{self, BindError, Binding, Entry, bind, frame, id_of, unframe},
    observation::{LinkObservation, Provenance},
    ops::LedgerEntry,
    raw::FetchOutcome,
    wire,
};
use std::sync::Once;

/// The id of the catalog's first event in the simulated registry; the others follow in the catalog's order.
const FIRST_ID: u32 = 500;
const EQUAL_SCHEMA_ID: u32 = 1;
const ADDED_FIELD_ID: u32 = 2;
const REMOVED_FIELD_ID: u32 = 3;
const UNANSWERED_ID: u32 = 4;

fn ids() -> std::collections::BTreeMap<&'static str, Vec<u32>> {
    catalog::entries().iter().zip(FIRST_ID..).map(|(entry, id)| (entry.name, vec![id, id + 1000])).collect()
}
/// Returns a variant of the schema of `LinkObservation`, as another producer might register it.
fn fetch_foreign_schema(id: u32) -> Result<Option<String>, String> {
    let mut schema: serde_json::Value =
        serde_json::from_str(LinkObservation::RELEASED[LinkObservation::RELEASED.len() - 1]).unwrap();
    let fields = schema["fields"].as_array_mut().unwrap();
    match id {
        EQUAL_SCHEMA_ID => fields[0]["doc"] = "the team".into(),
        ADDED_FIELD_ID => fields.insert(0, serde_json::json!({"name": "author", "type": "string"})),
        REMOVED_FIELD_ID => _ = fields.remove(0),
        UNANSWERED_ID => return Err("50001: no disk".into()),
        _ => return Ok(None),
    }
    Ok(Some(schema.to_string()))
}
fn bind_once() {
    static BOUND: Once = Once::new();
    BOUND.call_once(|| bind(Binding { ids: ids(), fetch: Box::new(fetch_foreign_schema) }).unwrap());
}
fn link(spelling: &str, player: Option<u32>) -> LinkObservation {
    let provenance = Provenance {
        fetched_at: Timestamp(5),
        version: 1,
        raw: RawId(-3),
        request: String::new(),
        outcome: FetchOutcome::Complete,
        retraction: None,
    };
    LinkObservation {
        team: Team::BOS,
        spelling: spelling.into(),
        player: player.map(PlayerId),
        provenance,
        is_nobody: false,
        only_team: None,
        only_source: None,
        only_from: None,
    }
}
/// Returns the schema id of a record that is written without a registry.
fn local_id() -> u32 {
    id_of(LinkObservation::RELEASED[LinkObservation::RELEASED.len() - 1])
}

proptest! {
    #[test]
    fn a_record_decodes_to_the_same_event_under_every_id_of_its_schema(
        spelling in ".{0,12}",
        player in prop::option::of(any::<u32>()),
    ) {
        bind_once();
        let event = link(&spelling, player);
        let written = wire::encode(&event).unwrap();
        let (id, body) = unframe(&written).unwrap();
        let [first, second] = ids()[LinkObservation::NAME][..] else { panic!("two ids") };
        prop_assert_eq!(id, first);
        let canonical = [&frame(local_id()), body].concat();
        for id in [first, second, local_id(), EQUAL_SCHEMA_ID] {
            let record = [&frame(id), body].concat();
            prop_assert_eq!(&wire::decode::<LinkObservation>(&record).unwrap(), &event);
            prop_assert_eq!(&*LinkObservation::schemas().canonical(&record).unwrap(), &canonical[..]);
        }
        let author: &[u8] = b"\x04me";
        let record = [&frame(ADDED_FIELD_ID), author, body].concat();
        prop_assert_eq!(&wire::decode::<LinkObservation>(&record).unwrap(), &event);
        prop_assert_eq!(&*LinkObservation::schemas().canonical(&record).unwrap(), &canonical[..]);
    }
}

#[test]
fn a_foreign_schema_that_the_newest_one_cannot_read_is_rejected_with_its_id() {
    bind_once();
    let error = |id: u32| wire::decode::<LinkObservation>(&frame(id)).unwrap_err();
    let text = error(REMOVED_FIELD_ID).to_string();
    assert!(text.contains("link-observation: schema id 3 was registered by another producer"), "{text}");
    assert!(text.contains("schemas check"), "{text}");
    assert!(error(77).to_string().contains("no schema with this id"), "{}", error(77));
    assert!(error(77).is_foreign() && error(REMOVED_FIELD_ID).is_foreign());
    // Whether the record is one of ours is not known while the registry does not answer.
    assert!(!error(UNANSWERED_ID).is_foreign() && error(UNANSWERED_ID).to_string().contains("50001"));
}

#[test]
fn ids_are_bound_once_for_every_event_and_before_the_first_record() {
    bind_once();
    let bind_again = |ids| bind(Binding { ids, fetch: Box::new(fetch_foreign_schema) });
    assert_eq!(bind_again(ids()), Err(BindError::Late));
    let mut incomplete = ids();
    incomplete.remove(LedgerEntry::NAME);
    assert_eq!(bind_again(incomplete), Err(BindError::Missing { event: LedgerEntry::NAME }));
}

#[test]
fn the_encoder_of_every_event_writes_its_first_id() {
    bind_once();
    for (entry, id) in catalog::entries().iter().zip(FIRST_ID..) {
        assert_eq!((entry.schemas)().newest().0, id, "{}", entry.name);
        assert_eq!((entry.schemas)().local(), id_of(entry.released.last().unwrap()), "{}", entry.name);
    }
    assert!(Entry::find("no-such-event").is_none());
    let error = wire::decode::<LedgerEntry>(&[1, 2]).unwrap_err();
    assert!(matches!(error, WireError::Framing { .. }));
}
