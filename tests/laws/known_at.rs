//! Law of known-at times: if an issued row is another one after more events, it became known when the first of them was fetched, or later.
//!
//! Also what ended is known only since then: a quote that was withdrawn, a player who is available again, an event that was retracted.
//! Invariant: the events of a history are added in the order of their fetch times.
//! Not here: that an issued row does not change after its tip-off (`issued`).
use crate::{
    batch::batch,
    harness::{Content, content},
    histories::season_with_faults,
    random::Random,
    seeds,
};
use schemas::{
    Timestamp,
    features::{Basis, Features, QualityFlag},
    market::{Availability, AvailabilityView, Market, MarketView},
    prediction::Prediction,
    raw::RawEvent,
    team_form::{Candidacy, Form, SlateEntry, TeamForm},
    wire::{self, Event},
};
use std::collections::BTreeMap;
use topics::TopicInfo;

/// The issued content of a row as text without its time, and that time.
type Issued = (String, Timestamp);

fn add<E: Event>(
    content: &Content,
    topic: TopicInfo,
    rows: &mut BTreeMap<(&'static str, String), Issued>,
    issued: impl Fn(E) -> Option<Issued>,
) {
    for ((name, key), bytes) in content.iter().filter(|((name, _), _)| *name == topic.name) {
        if let Some(issued) = issued(wire::decode(bytes).unwrap()) {
            rows.insert((name, key.clone()), issued);
        }
    }
}

const UNDATED: Timestamp = Timestamp(0);

/// Returns the issued content of all rows that have one.
fn issued_rows(raw_events: &[RawEvent]) -> BTreeMap<(&'static str, String), Issued> {
    let content = content(&mut batch(raw_events));
    let mut rows = BTreeMap::new();
    add(&content, topics::MARKETS.info, &mut rows, |row: Market| {
        let (view, known_at) = row.on(Basis::Issued);
        let view = view.map(|view| MarketView { known_at: UNDATED, ..view.clone() });
        Some((format!("{view:?}"), known_at?))
    });
    add(&content, topics::AVAILABILITY.info, &mut rows, |row: Availability| {
        let (view, known_at) = row.on(Basis::Issued);
        let view = view.map(|view| AvailabilityView { known_at: UNDATED, ..view.clone() });
        Some((format!("{view:?}"), known_at?))
    });
    add(&content, topics::TEAM_FORMS.info, &mut rows, |row: TeamForm| {
        let known_at = row.issued.as_ref()?.known_at;
        let form = row.issued.map(|form| Form { known_at: UNDATED, ..form });
        Some((format!("{form:#?}"), known_at))
    });
    add(&content, topics::SLATE_ENTRIES.info, &mut rows, |row: SlateEntry| {
        let known_at = row.issued.as_ref()?.known_at;
        let candidacy = row.issued.map(|candidacy| Candidacy { known_at: UNDATED, ..candidacy });
        Some((format!("{candidacy:#?}"), known_at))
    });
    add(&content, topics::FEATURES.info, &mut rows, |row: Features| {
        // A void row is the row as it was issued; the void has a time of its own.
        // The fetch that first states that the game is live sets the cutoff to its own time, so it is not among the facts before the cutoff.
        let known_at = row.known_at;
        let mut features = Features { known_at: UNDATED, voided: None, tip_off: UNDATED, ..row };
        features.quality_flags.retain(|flag| *flag != QualityFlag::TipEstimated);
        (features.basis == Basis::Issued).then(|| (format!("{features:#?}"), known_at))
    });
    add(&content, topics::PREDICTIONS.info, &mut rows, |row: Prediction| {
        // A row that is void no longer has no time of that change.
        let is_voided = row.voided.is_some();
        let at = row.voided.map_or(Timestamp::DISTANT_FUTURE, |voided| voided.at);
        (row.basis == Basis::Issued).then(|| (is_voided.to_string(), at))
    });
    rows
}

#[test]
fn an_issued_row_that_changes_is_known_since_the_change_at_the_earliest() {
    let mut changed = BTreeMap::new();
    for seed in seeds(15, 4) {
        let events = season_with_faults(seed.0);
        let mut random = Random::new(seed.0);
        let count = 1 + random.below(events.len() - 1);
        let first = events[count].fetched_at;
        let end = (count + random.pick(&[1, 5, 40, events.len()])).min(events.len());
        let is_before = |event: &&RawEvent| event.fetched_at < first;
        let before: Vec<RawEvent> = events.iter().filter(is_before).cloned().collect();
        let rows_before = issued_rows(&before);
        let rows = issued_rows(&events[..end]);
        for (id, (content_before, _)) in &rows_before {
            let Some((content, known_at)) = rows.get(id) else { continue };
            if content != content_before {
                *changed.entry(id.0).or_insert(0) += 1;
                assert!(
                    *known_at >= first,
                    "{id:?} is known since {known_at}, but changed at {first} or later:\n{content_before}\n{content}"
                );
            }
        }
        let is_dated = |id: &&(&str, String)| {
            id.0 == topics::MARKETS.info.name || id.0 == topics::AVAILABILITY.info.name
        };
        let ended: Vec<_> = rows_before.keys().filter(is_dated).filter(|id| !rows.contains_key(id)).collect();
        assert!(ended.is_empty(), "rows do not state that their content ended: {ended:?}");
    }
    eprintln!("changed rows: {changed:?}");
}
