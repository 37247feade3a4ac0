//! Laws of retractions: a retracted event counts as never fetched, from its retraction on and in retrospect.
//!
//! Invariant: a retraction changes only what is derived as of an instant at which it was already made, and retrospective rows.
//! Not here: that a retraction after a tip-off changes no issued row (`issued`), retractions in histories of other laws (`faults`).
use crate::{
    batch::batch,
    harness::{Content, content},
    histories::{season_with_faults, states_game_dates, tiny_season},
    issued::{Candidates, rows},
    random::Random,
    seeds,
};
use schemas::{
    RawId, Timestamp,
    features::{Basis, Features},
    game::{PlayerGame, TeamGame},
    raw::{Feed, RawEvent},
    wire::{self, Event},
};
use std::collections::{BTreeMap, BTreeSet};
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
        for event in events.iter().filter(|event| event.retraction.is_none() && !states_game_dates(event)) {
            let stored = best.entry(event.id).or_insert(event);
            if stored.outcome.rank() < event.outcome.rank() {
                *stored = event;
            }
        }
        let candidates: Vec<&RawEvent> = best.into_values().collect();
        let targets: Vec<&RawEvent> = (0..count).map(|_| random.pick(&candidates)).collect();
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
    /// True if the history retracts the first fetch of nba.com that lists a player whom an operator's link names. That an id exists is not
    /// taken back (`name_resolver::links`), so the link has an effect since this fetch, although it was retracted.
    fn retracts_first_ids_of_linked_players(&self) -> bool {
        let links = self.with.iter().filter(|event| event.feed == Feed::OperatorIdentityLinks);
        let linked: BTreeSet<u64> = links.flat_map(|event| linked_players(&event.payload)).collect();
        linked.into_iter().any(|player| {
            let id = player.to_string();
            let lists_id = |event: &&RawEvent| {
                matches!(event.feed, Feed::NbacomPlayerList | Feed::NbacomLeaguegamelog)
                    && event.payload.contains(&id)
            };
            let first =
                |events: &[RawEvent]| events.iter().filter(lists_id).map(|event| event.fetched_at).min();
            first(&self.with) != first(&self.without)
        })
    }
    fn contents(&self) -> [Content; 2] {
        [&self.with, &self.without].map(|events| content(&mut batch(events)))
    }
}

/// Returns the ids of the players whom the links of a payload name.
fn linked_players(payload: &str) -> Vec<u64> {
    let Ok(payload) = serde_json::from_str::<serde_json::Value>(payload) else { return Vec::new() };
    let links = payload["links"].as_array().cloned().unwrap_or_default();
    links.iter().filter_map(|link| link["player_id"].as_u64()).collect()
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

#[test]
fn an_event_that_is_retracted_at_its_own_instant_leaves_no_trace() {
    for seed in seeds(11, 3) {
        let mut random = Random::new(seed.0);
        let events = tiny_season(seed.0);
        let count = 1 + random.below(4);
        let history = RetractedHistory::random(&events, count, &mut random, |event, _| event.fetched_at);
        if history.retracts_first_ids_of_linked_players() {
            continue;
        }
        let [with, without] = history.contents();
        for topic in [
            topics::TEAM_FORMS.info,
            topics::SLATE_ENTRIES.info,
            topics::FEATURES.info,
            topics::PREDICTIONS.info,
        ] {
            let of_topic = |content: &Content| {
                content
                    .iter()
                    .filter(|((name, _), _)| *name == topic.name)
                    .map(|(key, row)| (key.clone(), row.clone()))
                    .collect::<Content>()
            };
            crate::streams::assert_same(&of_topic(&with), &of_topic(&without));
        }
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
    let mut compared = 0;
    for seed in seeds(12, 2) {
        let mut random = Random::new(seed.0);
        let events = season_with_faults(seed.0);
        let candidates = rows(&content(&mut batch(&events)));
        let tip_offs: BTreeSet<Timestamp> = candidates.values().map(|rows| rows.features.tip_off).collect();
        let count = 1 + random.below(8);
        let history = RetractedHistory::random(&events, count, &mut random, |event, random| {
            // A retraction at the instant of a tip-off is not known before it.
            let next = tip_offs.iter().find(|tip_off| **tip_off > event.fetched_at);
            let span = next.map_or(86_400_000, |tip_off| tip_off.0 - event.fetched_at.0);
            Timestamp(event.fetched_at.0 + random.below(span as usize) as i64)
        });
        for (id, [with, without]) in common_features(&history.contents()) {
            assert_eq!(with, without, "the features of {id} use a retracted event");
            compared += 1;
        }
    }
    eprintln!("{compared} feature rows compared");
}

/// The circumstances of earlier games are left out: they are as of the tip-offs of these games, at which the event may have been known.
#[test]
fn retrospective_rows_never_use_a_retracted_event() {
    let mut compared = 0;
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
        let is_retrospective = |features: &Features| features.basis == Basis::Retrospective;
        for (id, [with, without]) in common_features(&history.contents()) {
            if is_retrospective(&with) && is_retrospective(&without) {
                let [with, without] =
                    [with, without].map(|features| Features { comparables: Vec::new(), ..features });
                assert_eq!(with, without, "the retrospective features of {id} use a retracted event");
                compared += 1;
            }
        }
    }
    eprintln!("{compared} retrospective feature rows compared");
}
