//! Laws of histories: they equal a naive model that stores every observation whole, whatever the order of arrival, and restored histories
//! equal the ones that wrote their records.
//!
//! Invariant: the model shares no code with the histories.
//! Not here: revisions (`cutoff`).
use super::*;
use proptest::prelude::*;
use schemas::{
    RawId, Timestamp,
    observation::{Provenance, Retraction},
    raw::FetchOutcome,
};
use std::collections::{BTreeMap, BTreeSet};

impl Member for (u8, u8) {
    type Sublist = u8;
    fn sublist(&self) -> u8 {
        self.0
    }
}
type Key = (u8, u8);

/// An observation as it arrives.
#[derive(Clone, Debug)]
struct Arrival {
    provenance: Provenance,
    coverage: Coverage<u8>,
    members: Vec<(Key, u8)>,
}

/// The instants of the histories, in minutes; some are more than one hour apart.
const MINUTES: [i64; 6] = [0, 10, 20, 90, 100, 200];
const MINUTE: i64 = 60_000;
/// The outcomes, best first.
const OUTCOMES: [FetchOutcome; 6] = [
    FetchOutcome::Complete,
    FetchOutcome::Partial,
    FetchOutcome::EmptyOk,
    FetchOutcome::NoDataYet,
    FetchOutcome::Postponed,
    FetchOutcome::Failed,
];

/// One raw event has one time, request and content; it may arrive with several versions and outcomes, and be retracted.
fn arrivals() -> impl Strategy<Value = Vec<Arrival>> {
    // Most are of one request, so that there are parts of one instant.
    let request = (0u8..6).prop_map(|request| request.saturating_sub(3));
    let raw_event = (
        0usize..6,
        request,
        0u8..4,
        prop::collection::vec(((0u8..2, 0u8..3), 0u8..3), 0..4),
        prop::collection::vec(
            (0i32..2, 0usize..6, prop::option::of((0usize..8, 0i64..2, any::<bool>()))),
            1..4,
        ),
    );
    (any::<bool>(), prop::collection::vec(raw_event, 0..8)).prop_map(|(has_retractions, raw_events)| {
        let mut arrivals = Vec::new();
        for (raw, (time, request, coverage, members, copies)) in raw_events.into_iter().enumerate() {
            for (version, outcome, retraction) in copies {
                // Adjacent outcomes differ in their coverage, so that the law shows which of two was used.
                let is_complete = outcome % 2 == 0;
                let coverage = match coverage {
                    0 | 1 => Coverage::of(is_complete),
                    2 => Coverage::except(is_complete, vec![1]),
                    _ => Coverage::Incomplete,
                };
                let members = members.iter().map(|(key, value)| (*key, value + version as u8)).collect();
                let retraction = retraction
                    .filter(|_| has_retractions)
                    // Some retractions are made at the instant of the observation itself.
                    .map(|(at, millisecond, is_undone)| {
                        let minute = MINUTES.get(at).copied().unwrap_or(MINUTES[time]);
                        Retraction { at: Timestamp(minute * MINUTE + millisecond), is_undone }
                    });
                let provenance = Provenance {
                    fetched_at: Timestamp(MINUTES[time] * MINUTE),
                    version,
                    raw: RawId(raw as i64),
                    request: request.to_string(),
                    outcome: OUTCOMES[outcome],
                    retraction,
                };
                arrivals.push(Arrival { provenance, coverage, members });
            }
        }
        arrivals
    })
}

/// One raw event in the model.
struct Whole {
    at: Timestamp,
    raw: i64,
    request: String,
    coverage: Coverage<u8>,
    members: BTreeMap<Key, u8>,
    is_retracted: bool,
}

/// Returns the raw events known at an instant; `retractions_until` selects the retractions.
fn known(arrivals: &[Arrival], until: Timestamp, retractions_until: Timestamp) -> Vec<Whole> {
    let raws: BTreeSet<i64> = arrivals.iter().map(|arrival| arrival.provenance.raw.0).collect();
    let mut wholes = Vec::new();
    for raw in raws {
        let copies: Vec<_> = arrivals.iter().filter(|arrival| arrival.provenance.raw.0 == raw).collect();
        let version = copies.iter().map(|copy| copy.provenance.version).max().unwrap();
        let newest: Vec<_> = copies.iter().filter(|copy| copy.provenance.version == version).collect();
        let rank = |outcome: FetchOutcome| OUTCOMES.iter().position(|other| *other == outcome);
        let best = newest.iter().min_by_key(|copy| rank(copy.provenance.outcome)).unwrap();
        let mut words: Vec<Retraction> =
            copies.iter().filter_map(|copy| copy.provenance.retraction).collect();
        words.retain(|word| word.at <= retractions_until);
        words.sort_by_key(|word| (word.at, !word.is_undone));
        let mut members: BTreeMap<Key, u8> = BTreeMap::new();
        for (key, value) in &best.members {
            let stored = members.entry(*key).or_insert(*value);
            *stored = (*stored).max(*value);
        }
        wholes.push(Whole {
            at: best.provenance.fetched_at,
            raw,
            request: best.provenance.request.clone(),
            coverage: best.coverage.clone(),
            members,
            is_retracted: words.last().is_some_and(|word| !word.is_undone),
        });
    }
    wholes.retain(|whole| whole.at <= until && !whole.is_retracted);
    wholes
}

/// The rule, written down naively: returns value and fetch time of a member.
fn present(wholes: &[Whole], key: Key) -> Option<(u8, Timestamp, i64)> {
    let requests: BTreeSet<&str> = wholes.iter().map(|whole| whole.request.as_str()).collect();
    let is_complete = |request: &str, at: Timestamp| {
        let parts: Vec<_> =
            wholes.iter().filter(|whole| whole.request == request && whole.at == at).collect();
        !parts.is_empty() && parts.iter().all(|part| part.coverage.is_complete(&key.0))
    };
    let newest_complete_of = |request: &str| {
        let of_request = wholes.iter().filter(|whole| whole.request == request);
        of_request.map(|whole| whole.at).filter(|at| is_complete(request, *at)).max()
    };
    let newest_complete = requests.iter().filter_map(|request| newest_complete_of(request)).max();
    let mut listed: Vec<(Timestamp, u8, std::cmp::Reverse<i64>)> = Vec::new();
    for request in requests {
        let of_request = || wholes.iter().filter(|whole| whole.request == request);
        let newest = of_request().map(|whole| whole.at).max().unwrap();
        if newest_complete.is_some_and(|complete| complete.0 > newest.0 + 60 * MINUTE) {
            continue;
        }
        let since = newest_complete_of(request).unwrap_or(Timestamp::DISTANT_PAST);
        let listings = of_request().filter(|whole| whole.at >= since);
        let values = listings
            .filter_map(|whole| Some((whole.at, *whole.members.get(&key)?, std::cmp::Reverse(whole.raw))));
        listed.extend(values.max());
    }
    listed.into_iter().max().map(|(at, value, raw)| (value, at, raw.0))
}

type Records = BTreeMap<ObservationId, ObservationRecord<Key, u8, u8>>;

fn history(arrivals: &[Arrival]) -> (ListHistory<Key, u8>, Records) {
    let (mut history, mut records) = (ListHistory::default(), BTreeMap::new());
    for Arrival { provenance, coverage, members } in arrivals {
        if let Some(merged) = history.merge(provenance, coverage.clone(), members.clone()) {
            for id in merged.touched {
                records.insert(id, history.record(id).unwrap());
            }
        }
    }
    (history, records)
}

fn shuffled(arrivals: &[Arrival], seed: u64) -> Vec<Arrival> {
    let mut shuffled = [arrivals, arrivals].concat();
    let mut state = seed;
    for i in (1..shuffled.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        shuffled.swap(i, (state >> 33) as usize % (i + 1));
    }
    shuffled
}

const KEYS: [Key; 6] = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)];

/// Returns the instants at which the model is compared with the history: those of the observations and retractions.
fn instants() -> impl Iterator<Item = Timestamp> {
    MINUTES.into_iter().flat_map(|minute| [0, 1].map(|millisecond| Timestamp(minute * MINUTE + millisecond)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn a_list_has_the_members_that_the_naive_rule_gives_at_every_instant(arrivals in arrivals()) {
        let (history, _) = history(&arrivals);
        for instant in instants() {
            for (as_of, retractions_until) in
                [(AsOf::known_at(instant), instant), (AsOf::in_retrospect(instant), Timestamp::DISTANT_FUTURE)]
            {
                let wholes = known(&arrivals, instant, retractions_until);
                for key in KEYS {
                    let listed = history.member(&key, as_of);
                    let listed_content = listed.map(|listed| (*listed.value, listed.fetched_at, listed.raw.0));
                    prop_assert_eq!(listed_content, present(&wholes, key), "{:?} at {:?}", key, as_of);
                    prop_assert!(listed.is_none_or(|listed| listed.since <= listed.fetched_at));
                }
            }
        }
    }
    #[test]
    fn a_retracted_observation_leaves_no_trace(arrivals in arrivals()) {
        let (with, _) = history(&arrivals);
        for instant in instants() {
            for (as_of, until) in
                [(AsOf::known_at(instant), instant), (AsOf::in_retrospect(instant), Timestamp::DISTANT_FUTURE)]
            {
                let raws: BTreeSet<i64> =
                    known(&arrivals, Timestamp::DISTANT_FUTURE, until).into_iter().map(|whole| whole.raw).collect();
                let mut others = arrivals.clone();
                others.retain(|arrival| raws.contains(&arrival.provenance.raw.0));
                others.iter_mut().for_each(|arrival| arrival.provenance.retraction = None);
                let (without, _) = history(&others);
                let removed = with.without_retracted().filter(|(at, _)| as_of.counts_retraction_at(*at)).last();
                for key in KEYS {
                    let of = |history: &ListHistory<Key, u8>| {
                        let member = history.member(&key, as_of);
                        let member = member.map(|listed| (*listed.value, listed.fetched_at, listed.since, listed.first_raw));
                        (member, history.known_since(&key, as_of), history.present_since(&key, as_of))
                    };
                    prop_assert_eq!(of(&with), of(&without), "{:?} at {:?}", key, as_of);
                    if let Some((_, removed)) = &removed {
                        prop_assert_eq!(of(removed), of(&without), "{:?} at {:?}", key, as_of);
                    }
                }
            }
        }
    }
    #[test]
    fn the_first_listings_state_when_any_known_observation_lists_a_member(arrivals in arrivals()) {
        let (history, _) = history(&arrivals);
        for (instant, key) in instants().flat_map(|instant| KEYS.map(|key| (instant, key))) {
            for (as_of, retractions_until) in
                [(AsOf::known_at(instant), instant), (AsOf::in_retrospect(instant), Timestamp::DISTANT_FUTURE)]
            {
                let is_listed = history.first_listings(&key).iter().any(|(id, retractions)| {
                    id.fetched_at <= instant && !as_of.is_retracted(retractions)
                });
                let wholes = known(&arrivals, instant, retractions_until);
                let expected = wholes.iter().any(|whole| whole.members.contains_key(&key));
                prop_assert_eq!(is_listed, expected, "{:?} at {:?}", key, as_of);
            }
        }
    }
    #[test]
    fn a_list_does_not_depend_on_the_order_or_repetition_of_its_observations(arrivals in arrivals(), seed in any::<u64>()) {
        let (in_order, _) = history(&arrivals);
        prop_assert_eq!(in_order, history(&shuffled(&arrivals, seed)).0);
    }
    #[test]
    fn a_list_restored_from_its_newest_records_equals_the_running_one(arrivals in arrivals()) {
        for count in 0..=arrivals.len() {
            let (running, records) = history(&arrivals[..count]);
            let mut restored = ListHistory::default();
            records.into_values().rev().for_each(|record| restored.restore(record));
            prop_assert_eq!(&running, &restored);
        }
    }
    #[test]
    fn members_change_only_at_the_instants_of_the_history(arrivals in arrivals()) {
        let (history, _) = history(&arrivals);
        for key in KEYS {
            let mut at = BTreeSet::new();
            history.instants(&key, &mut |instant| _ = at.insert(instant));
            let mut before: Option<(u8, bool)> = None;
            for instant in instants() {
                let now = history.member(&key, AsOf::known_at(instant)).map(|listed| (*listed.value, true));
                prop_assert!(now == before || at.contains(&instant), "{:?} changes at {}: {:?}", key, instant, at);
                before = now;
            }
        }
    }
    #[test]
    fn a_merge_changes_only_the_members_that_it_reports_as_affected(arrivals in arrivals()) {
        for count in 1..=arrivals.len() {
            let (before, _) = history(&arrivals[..count - 1]);
            let mut after = before.clone();
            let Arrival { provenance, coverage, members } = arrivals[count - 1].clone();
            let affected = match after.merge(&provenance, coverage, members).map(|merged| merged.affected) {
                Some(Affected::All) => continue,
                Some(Affected::Members(members)) => members,
                None => Vec::new(),
            };
            for key in KEYS.into_iter().filter(|key| !affected.contains(key)) {
                for as_of in instants().flat_map(|at| [AsOf::known_at(at), AsOf::in_retrospect(at)]) {
                    let content = |history: &ListHistory<Key, u8>| {
                        history.member(&key, as_of).map(|listed| (*listed.value, listed.since, listed.first_raw))
                    };
                    prop_assert_eq!(content(&before), content(&after), "{:?} at {:?}", key, as_of);
                }
            }
        }
    }
    #[test]
    fn the_runs_of_a_fact_are_those_of_its_newest_observations(arrivals in arrivals(), seed in any::<u64>()) {
        let build = |arrivals: &[Arrival]| {
            let (mut fact, mut records) = (FactHistory::default(), BTreeMap::new());
            for arrival in arrivals {
                let value = arrival.provenance.raw.0 % 3 + i64::from(arrival.provenance.version);
                for id in fact.merge(&arrival.provenance, value).into_iter().flatten() {
                    records.insert(id, fact.record(id).unwrap());
                }
            }
            (fact, records)
        };
        let (fact, records) = build(&arrivals);
        prop_assert_eq!(&fact, &build(&shuffled(&arrivals, seed)).0);
        let mut restored = FactHistory::default();
        records.into_values().rev().for_each(|record| restored.restore(record));
        prop_assert_eq!(&fact, &restored);
        let mut at = BTreeSet::new();
        fact.instants(&mut |instant| _ = at.insert(instant));
        let mut newest_before = None;
        for instant in instants() {
            let wholes = known(&arrivals, instant, instant);
            let version = |raw: i64| {
                let copies = arrivals.iter().filter(|arrival| arrival.provenance.raw.0 == raw);
                copies.map(|arrival| i64::from(arrival.provenance.version)).max().unwrap()
            };
            let times: BTreeSet<Timestamp> = wholes.iter().map(|whole| whole.at).collect();
            let value_at = |at: &Timestamp| {
                let of_instant = wholes.iter().filter(|whole| whole.at == *at);
                of_instant.map(|whole| whole.raw % 3 + version(whole.raw)).max().unwrap()
            };
            let mut expected: Vec<(i64, Timestamp)> = Vec::new();
            for time in &times {
                if expected.last().is_none_or(|last| last.0 != value_at(time)) {
                    expected.push((value_at(time), *time));
                }
            }
            let runs: Vec<_> =
                fact.runs(AsOf::known_at(instant)).into_iter().map(|run| (*run.value, run.since)).collect();
            prop_assert_eq!(&runs, &expected);
            let newest = expected.last().copied();
            prop_assert!(newest == newest_before || at.contains(&instant));
            newest_before = newest;
        }
    }
}

#[test]
fn an_observation_that_becomes_complete_affects_the_members_that_it_lacks() {
    let provenance = |minute: i64, raw, outcome| Provenance {
        fetched_at: Timestamp(minute * MINUTE),
        version: 1,
        raw: RawId(raw),
        request: String::new(),
        outcome,
        retraction: None,
    };
    let mut history: ListHistory<Key, u8> = ListHistory::default();
    let complete = FetchOutcome::Complete;
    history.merge(&provenance(0, 0, complete), Coverage::IncompleteIn(Box::new(vec![1])), vec![((0, 0), 1)]);
    history.merge(&provenance(10, 1, FetchOutcome::Partial), Coverage::Incomplete, Vec::new());
    assert!(history.member(&(0, 0), AsOf::LATEST).is_some());
    let coverage = Coverage::IncompleteIn(Box::new(vec![1]));
    let merged = history.merge(&provenance(10, 1, complete), coverage, Vec::new());
    assert!(history.member(&(0, 0), AsOf::LATEST).is_none());
    assert_eq!(merged.map(|merged| merged.affected), Some(Affected::All));
}

#[test]
fn a_repeated_poll_of_two_requests_affects_no_member_unless_the_newest_value_is_another_one() {
    let mut history: ListHistory<Key, u8> = ListHistory::default();
    let mut poll = |seconds: i64, raw, request: &str, values: [u8; 2]| {
        let provenance = Provenance {
            fetched_at: Timestamp(seconds * 1_000),
            version: 1,
            raw: RawId(raw),
            request: request.into(),
            outcome: FetchOutcome::Complete,
            retraction: None,
        };
        let members = vec![((0, 0), values[0]), ((0, 1), values[1])];
        history.merge(&provenance, Coverage::Complete, members).unwrap().affected
    };
    poll(0, 0, "a", [1, 5]);
    poll(0, 1, "b", [2, 5]);
    let none = Affected::Members(Vec::new());
    // The two requests are fetched at one instant: the greater value counts.
    for n in 1..5 {
        poll(n * 30, n * 2, "b", [2, 5]);
        assert_eq!(poll(n * 30, n * 2 + 1, "a", [1, 5]), none, "poll {n}");
    }
    poll(200, 20, "a", [2, 5]);
    assert_eq!(poll(230, 21, "b", [2, 5]), none, "both list the same value again");
    assert_eq!(poll(260, 22, "a", [2, 5]), none);
    poll(290, 23, "a", [1, 5]);
    assert_eq!(poll(320, 24, "b", [2, 5]), Affected::Members(vec![(0, 0)]), "another value is the newest");
}
