//! Laws of retractions: a retracted event counts as never fetched, from its retraction on and in retrospect.
//!
//! Invariant: a retraction changes only what is derived as of an instant at which it was already made, and retrospective rows.
//! Not here: that a retraction after a tip-off changes no issued row (`issued`), retractions in histories of other laws (`faults`).
use crate::{
    batch::batch,
    fixtures::check_fixtures,
    harness::{Content, content},
    histories::{season_with_faults, tiny_season},
    issued::{Candidates, rows},
    random::Random,
    schedule_model::{self, GameModel},
    seeds,
};
use schemas::{
    RawId, Timestamp,
    features::{Basis, Feature, Features, MissingReason, index},
    game::{PlayerGame, TeamGame},
    prediction::Prediction,
    raw::{Feed, RawEvent},
    team_form::{SlateEntry, TeamForm},
    wire::{self, Event},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
};
use topics::TopicInfo;

/// A history twice: with some events and their retractions, and without these events.
struct RetractedHistory {
    with: Vec<RawEvent>,
    without: Vec<RawEvent>,
}
impl RetractedHistory {
    /// Retracts up to `count` random events of the history, each at the time that `at` returns for it.
    fn random(
        events: &[RawEvent],
        count: usize,
        random: &mut Random,
        mut at: impl FnMut(&RawEvent, &mut Random) -> Timestamp,
    ) -> RetractedHistory {
        // Of the copies of an event, which differ in their outcomes only, the one with the best outcome is retracted.
        let mut best: BTreeMap<RawId, &RawEvent> = BTreeMap::new();
        for event in events.iter().filter(|event| event.retraction.is_none()) {
            let stored = best.entry(event.id).or_insert(event);
            if stored.outcome.rank() < event.outcome.rank() {
                *stored = event;
            }
        }
        let candidates: Vec<&RawEvent> = best.into_values().collect();
        let schedules: Vec<&RawEvent> =
            candidates.iter().copied().filter(|event| event.feed == Feed::NbacomSchedule).collect();
        let target = |random: &mut Random| match random.percent(30) {
            true => random.pick(&schedules),
            false => random.pick(&candidates),
        };
        let targets: Vec<&RawEvent> = (0..count).map(|_| target(random)).collect();
        // Printed if the law fails.
        for target in &targets {
            eprintln!("retracted: {} {} of {}", target.feed, target.key, target.fetched_at);
        }
        let ids: BTreeSet<RawId> = targets.iter().map(|event| event.id).collect();
        let is_other = |event: &&RawEvent| {
            !ids.contains(&event.retraction.as_ref().map_or(event.id, |order| order.target))
        };
        let without: Vec<RawEvent> = events.iter().filter(is_other).cloned().collect();
        let mut with = without.clone();
        with.extend(events.iter().filter(|event| ids.contains(&event.id)).cloned());
        with.extend(targets.iter().map(|target| target.retracted(at(target, random), false, "wrong".into())));
        RetractedHistory { with, without }
    }
    fn contents(&self) -> [Content; 2] {
        [&self.with, &self.without].map(|events| {
            let content = content(&mut batch(events));
            check_fixtures(events, &content);
            content
        })
    }
    /// True if a date has another cutoff because an event was retracted later. A retraction at or after a cutoff does not change it, so a
    /// cutoff may be one that a retracted event states.
    fn changes_cutoffs(&self) -> bool {
        let [with, without] = [&self.with, &self.without].map(|events| schedule_model::games(events));
        without.iter().any(|(game, model)| {
            let dates = model.dates().into_iter();
            let mut dates =
                dates.filter_map(|(_, date)| Some((model.cutoff(date)?, with[game].cutoff(date)?)));
            dates.any(|(without, with)| without != with)
        })
    }
}

/// Decodes the rows of a table, and removes what only states that something was retracted.
fn rows_of<E: Event + PartialEq>(
    content: &Content,
    topic: TopicInfo,
    normalize: fn(&mut E) -> bool,
) -> BTreeMap<String, E> {
    let rows = content.iter().filter(|((name, _), _)| *name == topic.name);
    let rows = rows.map(|((_, key), bytes)| (key.clone(), wire::decode::<E>(bytes).unwrap()));
    rows.filter_map(|(key, mut row)| normalize(&mut row).then_some((key, row))).collect()
}

/// Panics if a table has other rows in the second content, and prints the first row that differs.
fn assert_same_rows<E: Event + PartialEq + Debug>(contents: [&Content; 2], topic: TopicInfo) {
    let [with, without] = contents.map(|content| rows_of::<E>(content, topic, |_| true));
    for key in with.keys().chain(without.keys()) {
        assert_eq!(with.get(key), without.get(key), "row {key} of {}", topic.name);
    }
}

#[test]
fn an_event_that_is_retracted_at_its_own_instant_leaves_no_trace() {
    for seed in seeds(11, 3) {
        let mut random = Random::new(seed.0);
        let events = tiny_season(seed.0);
        let count = 1 + random.below(4);
        let history = RetractedHistory::random(&events, count, &mut random, |event, _| event.fetched_at);
        assert!(!history.changes_cutoffs());
        let [with, without] = history.contents();
        assert_same_rows::<TeamForm>([&with, &without], topics::TEAM_FORMS.info);
        assert_same_rows::<SlateEntry>([&with, &without], topics::SLATE_ENTRIES.info);
        assert_same_rows::<Features>([&with, &without], topics::FEATURES.info);
        assert_same_rows::<Prediction>([&with, &without], topics::PREDICTIONS.info);
        let player_games = |content: &Content| {
            rows_of(content, topics::PLAYER_GAMES.info, |row: &mut PlayerGame| {
                row.revisions_in_retrospect = None;
                !row.revisions.is_empty()
            })
        };
        assert_eq!(player_games(&with), player_games(&without));
        let team_games = |content: &Content| {
            rows_of(content, topics::TEAM_GAMES.info, |row: &mut TeamGame| {
                row.revisions_in_retrospect = None;
                !row.revisions.is_empty()
            })
        };
        assert_eq!(team_games(&with), team_games(&without));
    }
}

/// Returns pairs of the feature rows of the candidates that are in both contents, without the time at which they became known.
fn common_features(contents: &[Content; 2]) -> Vec<(String, [Features; 2])> {
    let [with, without]: [Candidates; 2] = [rows(&contents[0]), rows(&contents[1])];
    let undated = |features: &Features| Features { known_at: Timestamp(0), ..features.clone() };
    let pair = |(id, other)| {
        let features = with.get(id).map(|rows: &crate::issued::CandidateRows| undated(&rows.features))?;
        let other: &crate::issued::CandidateRows = other;
        Some((format!("{id}"), [features, undated(&other.features)]))
    };
    without.iter().filter_map(pair).collect()
}

#[test]
fn an_event_that_is_retracted_before_the_next_tip_off_changes_no_features() {
    let (mut compared, mut skipped) = (0, 0);
    for seed in seeds(12, 2) {
        let mut random = Random::new(seed.0);
        let events = season_with_faults(seed.0);
        let games = schedule_model::games(&events);
        let cutoffs: BTreeSet<Timestamp> = games.values().flat_map(GameModel::possible_cutoffs).collect();
        let count = 1 + random.below(8);
        let history = RetractedHistory::random(&events, count, &mut random, |event, random| {
            // A retraction at the instant of a cutoff is not known before it.
            let next = cutoffs.iter().find(|cutoff| **cutoff > event.fetched_at);
            let span = next.map_or(86_400_000, |cutoff| cutoff.0 - event.fetched_at.0);
            Timestamp(event.fetched_at.0 + random.below(span as usize) as i64)
        });
        if history.changes_cutoffs() {
            skipped += 1;
            continue;
        }
        for (id, [with, without]) in common_features(&history.contents()) {
            assert_eq!(with, without, "the features of {id} use a retracted event");
            compared += 1;
        }
    }
    eprintln!("{compared} feature rows compared; {skipped} histories have other cutoffs");
}

/// Removes the circumstances of earlier games, and the features that compare with them.
fn without_earlier_circumstances(mut features: Features) -> Features {
    features.comparables.clear();
    for index in [index::POSSESSIONS_ABSENT_CHANGE, index::MINUTES_ABSENT_CHANGE] {
        if let Some(feature) = features.vector.get_mut(index) {
            *feature = Feature::Missing(MissingReason::NoAppearances);
        }
    }
    features
}

/// The circumstances of earlier games are left out: they are as of the tip-offs of these games, at which the event may have been known.
#[test]
fn retrospective_rows_never_use_a_retracted_event() {
    let (mut compared, mut skipped) = (0, 0);
    for seed in seeds(13, 2) {
        let mut random = Random::new(seed.0);
        let events = season_with_faults(seed.0);
        let end = events.last().unwrap().fetched_at.0;
        let count = 1 + random.below(8);
        let history = RetractedHistory::random(&events, count, &mut random, |event, random| {
            Timestamp(
                event.fetched_at.0 + random.below((end - event.fetched_at.0 + 86_400_000) as usize) as i64,
            )
        });
        if history.changes_cutoffs() {
            skipped += 1;
            continue;
        }
        let is_retrospective = |features: &Features| features.basis == Basis::Retrospective;
        for (id, [with, without]) in common_features(&history.contents()) {
            if is_retrospective(&with) && is_retrospective(&without) {
                let [with, without] = [with, without].map(without_earlier_circumstances);
                assert_eq!(with, without, "the retrospective features of {id} use a retracted event");
                compared += 1;
            }
        }
    }
    eprintln!("{compared} retrospective feature rows compared; {skipped} histories have other cutoffs");
}
