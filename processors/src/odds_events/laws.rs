//! Laws of the view of odds events: its rows equal those of a naive model, whatever the order in which the observations arrive.
//!
//! Invariant: an instant is a small number, so that many observations have the same one.
//! Not here: what follows for the quotes of an event (the laws of `markets`).
use super::*;
use crate::view_test_driver::{ViewTestDriver, provenance};
use proptest::prelude::*;
use schemas::{RawId, Team, Timestamp, observation::Retraction};

/// The last instant of the model; all facts are earlier.
const END: i64 = 20;

fn pairs() -> [Option<Matchup>; 3] {
    [Matchup::new(Team::BOS, Team::NYK), Matchup::new(Team::LAL, Team::GSW), None]
}

/// What one fetch states, with its retractions: when, and whether it is the undoing of an earlier one.
#[derive(Clone, Debug)]
struct Fetch {
    fetched_at: i64,
    pair: usize,
    retractions: Vec<(i64, bool)>,
}
impl Fetch {
    fn observations(&self, raw: i64) -> Vec<OddsEventObservation> {
        let retraction =
            |(at, is_undone): &(i64, bool)| Retraction { at: Timestamp(*at), is_undone: *is_undone };
        let retractions = [None].into_iter().chain(self.retractions.iter().map(retraction).map(Some));
        let observation = |retraction| {
            let mut provenance = provenance(Timestamp(self.fetched_at));
            (provenance.raw, provenance.retraction) = (RawId(raw), retraction);
            OddsEventObservation { event: "e|1/%7C".into(), matchup: pairs()[self.pair], provenance }
        };
        retractions.map(observation).collect()
    }
    fn is_retracted(&self, at: i64) -> bool {
        let newest = self.retractions.iter().filter(|(time, _)| *time <= at);
        let newest = newest.max_by_key(|(time, is_undone)| (*time, !is_undone));
        newest.is_some_and(|(_, is_undone)| !is_undone)
    }
}

/// Returns the pair that the newest fetch before or at an instant states, as of the retractions until another one.
fn pair_at(fetches: &[Fetch], at: i64, retractions_until: i64) -> Option<Option<Matchup>> {
    let known =
        fetches.iter().filter(|fetch| fetch.fetched_at <= at && !fetch.is_retracted(retractions_until));
    known.map(|fetch| (fetch.fetched_at, pairs()[fetch.pair])).max().map(|(_, pair)| pair)
}

fn fetch() -> impl Strategy<Value = Fetch> {
    let retractions = prop_oneof![
        3 => Just(Vec::new()),
        1 => prop::collection::vec((0..END, any::<bool>()), 1..3),
    ];
    (0..END, prop::sample::select(vec![0, 0, 1, 2]), retractions).prop_map(
        |(fetched_at, pair, retractions)| {
            let retractions = retractions.into_iter().map(|(at, is_undone)| (at.max(fetched_at), is_undone));
            Fetch { fetched_at, pair, retractions: retractions.collect() }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_rows_equal_those_of_the_naive_model(
        fetches in prop::collection::vec(fetch(), 1..8),
        order in any::<prop::sample::Index>(),
    ) {
        let fetches_and_raw = fetches.iter().enumerate();
        let mut observations: Vec<OddsEventObservation> =
            fetches_and_raw.flat_map(|(raw, fetch)| fetch.observations(raw as i64)).collect();
        let middle = order.index(observations.len());
        observations.rotate_left(middle);
        let mut driver = ViewTestDriver::new(OddsEvents);
        for observation in observations {
            driver.put(observation);
        }
        let stated: BTreeSet<usize> = fetches.iter().map(|fetch| fetch.pair).collect();
        for (index, matchup) in pairs().into_iter().enumerate() {
            let Some(matchup) = matchup else { continue };
            let row = driver.row(&MatchupEventId { matchup, event: "e|1/%7C".into() });
            prop_assert_eq!(row.is_some(), stated.len() > 1 && stated.contains(&index));
            let Some(row) = row else { continue };
            let in_retrospect = row.revisions_in_retrospect.as_ref().unwrap_or(&row.revisions);
            for at in 0..=END {
                let last = |revisions: &[OddsEventRevision]| {
                    let known = revisions.iter().rev().find(|revision| revision.known_at.0 <= at);
                    known.map(|revision| revision.is_of_matchup)
                };
                // Nothing follows if every fetch is retracted: no quote of them counts.
                for (found, expected) in [
                    (last(&row.revisions), pair_at(&fetches, at, at)),
                    (last(in_retrospect), pair_at(&fetches, at, END)),
                ] {
                    if let Some(expected) = expected {
                        prop_assert_eq!(found, Some(expected == Some(matchup)), "at {}", at);
                    }
                }
            }
        }
    }
    #[test]
    fn the_text_of_a_key_is_inverse_and_contains_no_separator(event in "[%|7C25a]{0,8}") {
        let key = EventKey(event);
        prop_assert!(!key.to_string().contains('|'));
        prop_assert_eq!(key.to_string().parse(), Ok(key));
    }
}
