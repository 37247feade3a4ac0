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
    EasternDate, GameId, Timestamp,
    features::{Basis, Features},
    game::Game,
    market::{Availability, AvailabilityView, Market, MarketView},
    raw::RawEvent,
    team_form::{Candidacy, Form, SlateEntry, TeamForm},
    wire::{self, Event},
};
use std::collections::BTreeMap;
use topics::TopicInfo;

/// A date of a game, and the issued content of a row as text without its time, and that time.
type Issued = (DateId, String, Timestamp);
/// One date of a game.
type DateId = (GameId, EasternDate);

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

/// Returns the cutoff of each date that has rows.
fn cutoffs(content: &Content) -> BTreeMap<DateId, Timestamp> {
    let games = content.iter().filter(|((name, _), _)| *name == topics::GAMES.info.name);
    let games = games.map(|(_, bytes)| wire::decode::<Game>(bytes).unwrap());
    let dates = games.flat_map(|game| game.dates.into_iter().map(move |date| (game.game, date)));
    let dates = dates.filter(|(_, date)| date.has_rows());
    dates.map(|(game, date)| ((game, date.date), date.tip_off)).collect()
}

/// Returns the issued content of all rows that have one.
fn issued_rows(content: &Content) -> BTreeMap<(&'static str, String), Issued> {
    let mut rows = BTreeMap::new();
    add(content, topics::MARKETS.info, &mut rows, |row: Market| {
        let (view, known_at) = row.on(Basis::Issued);
        let view = view.map(|view| MarketView { known_at: UNDATED, ..view.clone() });
        Some(((row.game, row.date), format!("{view:?}"), known_at?))
    });
    add(content, topics::AVAILABILITY.info, &mut rows, |row: Availability| {
        let (view, known_at) = row.on(Basis::Issued);
        let view = view.map(|view| AvailabilityView { known_at: UNDATED, ..view.clone() });
        Some(((row.game, row.date), format!("{view:?}"), known_at?))
    });
    add(content, topics::TEAM_FORMS.info, &mut rows, |row: TeamForm| {
        let known_at = row.issued.as_ref()?.known_at;
        let form = row.issued.map(|form| Form { known_at: UNDATED, ..form });
        Some(((row.game, row.date), format!("{form:#?}"), known_at))
    });
    add(content, topics::SLATE_ENTRIES.info, &mut rows, |row: SlateEntry| {
        let known_at = row.issued.as_ref()?.known_at;
        let candidacy = row.issued.map(|candidacy| Candidacy { known_at: UNDATED, ..candidacy });
        Some(((row.game, row.date), format!("{candidacy:#?}"), known_at))
    });
    add(content, topics::FEATURES.info, &mut rows, |row: Features| {
        let (known_at, date) = (row.known_at, (row.game, row.date));
        // That a row is void may become known at any time.
        let undated = Features { known_at: UNDATED, voided: None, ..row };
        (undated.basis == Basis::Issued).then(|| (date, format!("{undated:#?}"), known_at))
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
        let [before, after] = [&before[..], &events[..end]].map(|events| content(&mut batch(events)));
        let (rows_before, rows) = (issued_rows(&before), issued_rows(&after));
        let (cutoffs_before, cutoffs) = (cutoffs(&before), cutoffs(&after));
        for (id, (date, content_before, _)) in &rows_before {
            // What was known at an earlier cutoff was known before the change.
            let has_earlier_cutoff = cutoffs.get(date) < cutoffs_before.get(date);
            let Some((_, content, known_at)) = rows.get(id).filter(|_| !has_earlier_cutoff) else { continue };
            if content != content_before {
                *changed.entry(id.0).or_insert(0) += 1;
                assert!(
                    *known_at >= first,
                    "{id:?} is known since {known_at}, but changed at {first} or later:\n{content_before}\n{content}"
                );
            }
        }
        let is_dated =
            |id: &(&str, String)| id.0 == topics::MARKETS.info.name || id.0 == topics::AVAILABILITY.info.name;
        let has_same_cutoff = |date: &DateId| cutoffs.get(date) == cutoffs_before.get(date);
        let ended = rows_before.iter().filter(|(id, (date, ..))| is_dated(id) && has_same_cutoff(date));
        let ended: Vec<_> = ended.map(|(id, _)| id).filter(|id| !rows.contains_key(id)).collect();
        assert!(ended.is_empty(), "rows do not state that their content ended: {ended:?}");
    }
    eprintln!("changed rows: {changed:?}");
}
