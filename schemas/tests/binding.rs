//! Ids that a registry handed out: written, read back, beside those of before, and without a trace in what content is hashed over.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use proptest::prelude::*;
use schemas::{
    Event, PlayerId, RawId, Team, Timestamp, WireError,
    catalog::{self, BindError, Binding, Entry, bind, frame, id_of, unframe},
    observation::{LinkObservation, Provenance},
    ops::LedgerEntry,
    wire,
};
use std::sync::Once;

/// The ids of the pretended registry: an event's place in the list, counted from here.
const FIRST: u32 = 500;
const SAME_IN_OTHER_WORDS: u32 = 1;
const WITH_MORE: u32 = 2;
const WITH_LESS: u32 = 3;

fn ids() -> std::collections::BTreeMap<&'static str, Vec<u32>> {
    catalog::entries().iter().zip(FIRST..).map(|(entry, id)| (entry.name, vec![id, id + 1000])).collect()
}
/// The schema of links as others might have it.
fn theirs(id: u32) -> Result<String, String> {
    let mut schema: serde_json::Value = serde_json::from_str(LinkObservation::RELEASED[0]).unwrap();
    let fields = schema["fields"].as_array_mut().unwrap();
    match id {
        SAME_IN_OTHER_WORDS => fields[0]["doc"] = "the team".into(),
        WITH_MORE => fields.insert(0, serde_json::json!({"name": "author", "type": "string"})),
        WITH_LESS => _ = fields.remove(0),
        _ => return Err("40403: no schema".into()),
    }
    Ok(schema.to_string())
}
fn bound() {
    static BOUND: Once = Once::new();
    BOUND.call_once(|| bind(Binding { ids: ids(), fetch: Box::new(theirs) }).unwrap());
}
fn link(spelling: &str, player: Option<u32>) -> LinkObservation {
    let provenance = Provenance { fetched_at: Timestamp(5), version: 1, raw: RawId(-3) };
    LinkObservation { team: Team::BOS, spelling: spelling.into(), player: player.map(PlayerId), provenance }
}
/// The schema to which a record without a registry refers.
fn local() -> u32 {
    id_of(LinkObservation::RELEASED[0])
}

proptest! {
    #[test]
    fn a_record_means_the_same_under_every_id_of_its_schema(spelling in ".{0,12}", player in prop::option::of(any::<u32>())) {
        bound();
        let event = link(&spelling, player);
        let written = wire::encode(&event).unwrap();
        let (id, body) = unframe(&written).unwrap();
        let [first, second] = ids()[LinkObservation::NAME][..] else { panic!("two ids") };
        prop_assert_eq!(id, first);
        let canonical = [&frame(local()), body].concat();
        for id in [first, second, local(), SAME_IN_OTHER_WORDS] {
            let record = [&frame(id), body].concat();
            prop_assert_eq!(&wire::decode::<LinkObservation>(&record).unwrap(), &event);
            prop_assert_eq!(&*LinkObservation::schemas().canonical(&record).unwrap(), &canonical[..]);
        }
        let author: &[u8] = b"\x04me";
        let record = [&frame(WITH_MORE), author, body].concat();
        prop_assert_eq!(&wire::decode::<LinkObservation>(&record).unwrap(), &event);
        prop_assert_eq!(&*LinkObservation::schemas().canonical(&record).unwrap(), &canonical[..]);
    }
}

#[test]
fn what_others_registered_and_ours_cannot_read_is_refused_by_name() {
    bound();
    let refusal = |id: u32| wire::decode::<LinkObservation>(&frame(id)).unwrap_err().to_string();
    let text = refusal(WITH_LESS);
    assert!(text.contains("link-observation: schema id 3 was registered by somebody else"), "{text}");
    assert!(text.contains("schemas check"), "{text}");
    assert!(refusal(77).contains("40403"), "{}", refusal(77));
}

#[test]
fn ids_are_bound_once_for_every_event_and_before_anything_is_read() {
    bound();
    let again = |ids| bind(Binding { ids, fetch: Box::new(theirs) });
    assert_eq!(again(ids()), Err(BindError::Late));
    let mut lacking = ids();
    lacking.remove(LedgerEntry::NAME);
    assert_eq!(again(lacking), Err(BindError::Missing { event: LedgerEntry::NAME }));
}

#[test]
fn the_encoder_of_every_event_writes_its_first_id() {
    bound();
    for (entry, id) in catalog::entries().iter().zip(FIRST..) {
        assert_eq!((entry.schemas)().newest().0, id, "{}", entry.name);
        assert_eq!((entry.schemas)().local(), id_of(entry.released.last().unwrap()), "{}", entry.name);
    }
    assert!(Entry::find("no-such-event").is_none());
    let error = wire::decode::<LedgerEntry>(&[1, 2]).unwrap_err();
    assert!(matches!(error, WireError::Framing { .. }));
}
