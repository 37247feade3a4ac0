//! Law 4, bitemporal as-of: an issued row does not change, and uses only facts that were effective and known before its cutoff.
//!
//! The cutoff of a row is the tip-off of its game. If the facts known before the cutoff give no prediction, a retrospective row may
//! also use facts that became known after it.
//! Invariant: an issued prediction is a function of the events that were fetched before the tip-off of its game.
//! Not here: how a prediction is computed.
use crate::{
    batch::batch,
    fixtures::check_fixtures,
    harness::{Content, Schedule, content, run},
    histories::{fetched_at, season_with_faults, season_without_faults, states_game_dates, with_other_stats},
    log::{MemoryLog, append_raw},
    random::Random,
    schedule_faults::changed_schedule,
    schedule_model, seeds,
};
use schemas::{
    EasternDate, GameId, PlayerGameDateId, RawId, Timestamp,
    features::{Basis, Eligibility, Features},
    prediction::Prediction,
    raw::RawEvent,
    team_form::TeamForm,
    wire,
};
use std::collections::{BTreeMap, BTreeSet};

const DAY_MS: i64 = 86_400_000;

/// The feature row and the prediction row of a candidate: the decoded features, and the bytes of both rows. Whether a row is void may change
/// at any time, so it is left out of both.
pub struct CandidateRows {
    pub features: Features,
    pub bytes: [Vec<u8>; 2],
}
impl CandidateRows {
    fn is_issued(&self) -> bool {
        self.features.basis == Basis::Issued
    }
    fn is_eligible(&self) -> bool {
        self.features.eligibility == Eligibility::Eligible
    }
    fn is_issued_prediction(&self) -> bool {
        self.is_issued() && self.is_eligible()
    }
}

/// The rows of all candidates.
pub type Candidates = BTreeMap<PlayerGameDateId, CandidateRows>;

pub fn rows(content: &Content) -> Candidates {
    let features = content.iter().filter(|((topic, _), _)| *topic == topics::FEATURES.info.name);
    features
        .map(|((_, key), bytes)| {
            let mut features: Features = wire::decode(bytes).unwrap();
            let prediction_bytes = &content[&(topics::PREDICTIONS.info.name, key.clone())];
            let mut prediction: Prediction = wire::decode(prediction_bytes).unwrap();
            assert_eq!((prediction.basis, prediction.known_at), (features.basis, features.known_at));
            assert_eq!((prediction.tip_off, prediction.voided), (features.tip_off, features.voided));
            let voided = features.voided.take();
            assert!(
                voided.is_none_or(|voided| features.basis == Basis::Issued && voided.at >= features.tip_off)
            );
            prediction.voided = None;
            let bytes = [wire::encode(&features).unwrap(), wire::encode(&prediction).unwrap()];
            let rows = CandidateRows { features, bytes };
            (key.parse().unwrap(), rows)
        })
        .collect()
}

/// Number of issued predictions, and number of retrospective rows.
pub struct BasisCounts {
    pub issued: usize,
    pub retrospective: usize,
}

/// Checks that every issued row was known before its tip-off; returns the numbers of issued predictions and of retrospective rows.
pub fn check_known_times(candidates: &Candidates) -> BasisCounts {
    let mut counts = BasisCounts { issued: 0, retrospective: 0 };
    for (id, rows) in candidates {
        let Features { known_at, tip_off, .. } = rows.features;
        if !rows.is_issued() {
            counts.retrospective += 1;
            continue;
        }
        assert!(
            known_at < tip_off,
            "{id} was issued from facts not known before its tip-off: known at {known_at}, tip-off {tip_off}"
        );
        counts.issued += usize::from(rows.is_eligible());
    }
    counts
}

/// Checks that the issued rows of games that tip off at or before `cutoff` are unchanged in the content of a longer history; returns
/// the number of predictions compared.
///
/// Exception: a candidate without an issued prediction may have a retrospective prediction in the longer history.
fn assert_issued_unchanged(before: &Candidates, after: &Candidates, cutoff: Timestamp) -> usize {
    let mut predictions = 0;
    let is_compared = |rows: &CandidateRows| rows.is_issued() && rows.features.tip_off <= cutoff;
    for (id, rows_before) in before.iter().filter(|(_, rows)| is_compared(rows)) {
        let rows_after = after.get(id).unwrap_or_else(|| {
            panic!("the issued row of {id} is missing in the longer history: {:#?}", rows_before.features)
        });
        let is_retrospective_prediction = !rows_after.is_issued() && rows_after.is_eligible();
        if !rows_before.is_eligible() && is_retrospective_prediction {
            continue;
        }
        assert_eq!(rows_before.features, rows_after.features, "the issued row of {id} has changed");
        assert_eq!(rows_before.bytes, rows_after.bytes, "the bytes of the issued row of {id} have changed");
        predictions += usize::from(rows_before.is_eligible());
    }
    predictions
}

fn batch_content(raw_events: &[RawEvent]) -> Content {
    content(&mut batch(raw_events))
}

/// Returns the cutoffs of all dates of games that the schedules of a history state.
fn cutoffs(raw_events: &[RawEvent]) -> Vec<Timestamp> {
    let games = schedule_model::games(raw_events);
    let cutoffs = games.values().flat_map(|game| {
        let dates = game.dates().into_iter();
        dates.filter_map(|(_, date)| Some(game.cutoff(date)?.0)).collect::<Vec<_>>()
    });
    let cutoffs: BTreeSet<Timestamp> = cutoffs.collect();
    cutoffs.into_iter().collect()
}

/// Returns a random cutoff or fetch time of the history.
fn random_cutoff(raw_events: &[RawEvent], random: &mut Random) -> Timestamp {
    let cutoffs = cutoffs(raw_events);
    if cutoffs.is_empty() || random.percent(30) {
        raw_events[random.below(raw_events.len())].fetched_at
    } else {
        random.pick(&cutoffs)
    }
}

/// A history in two parts: the events that are ingested before a cutoff, and the events that are ingested later. The later part has the
/// events fetched at or after the cutoff, withheld events (which get a later fetch time), box scores with changed stats, and retractions.
struct SplitHistory {
    before: Vec<RawEvent>,
    later: Vec<RawEvent>,
}
impl SplitHistory {
    fn random(raw_events: &[RawEvent], cutoff: Timestamp, random: &mut Random) -> SplitHistory {
        let withheld_percent = random.pick(&[0, 10, 40]);
        let retracted_percent = random.pick(&[0, 5, 30]);
        let end = raw_events.last().unwrap().fetched_at;
        // Returns the cutoff itself, or a random time within 30 days after the later of the cutoff and the last fetch.
        let late_time = |random: &mut Random| {
            if random.percent(30) {
                cutoff
            } else {
                Timestamp(cutoff.0.max(end.0) + 1 + random.below(30 * DAY_MS as usize) as i64)
            }
        };
        let (mut before, mut later) = (Vec::new(), Vec::new());
        let mut times: BTreeMap<RawId, Timestamp> = BTreeMap::new();
        for event in raw_events {
            // A withheld event is another one, so a retraction of the original one would have no target.
            if let Some(order) = &event.retraction
                && times.get(&order.target).is_some_and(|time| *time != order.target_fetched_at)
            {
                continue;
            }
            // Copies of an event, which differ in their outcomes only, are withheld together.
            let is_withheld = event.fetched_at < cutoff && random.percent(withheld_percent);
            let time = late_time(random);
            let fetched = *times.entry(event.id).or_insert(if is_withheld { time } else { event.fetched_at });
            let event = if fetched == event.fetched_at { event.clone() } else { fetched_at(event, fetched) };
            if random.percent(30) {
                later.extend(with_other_stats(&event, time, random));
            }
            if event.retraction.is_none() && random.percent(retracted_percent) {
                later.push(event.retracted(time.max(event.fetched_at), false, "wrong".into()));
            }
            if event.fetched_at < cutoff { before.push(event) } else { later.push(event) }
        }
        // Schedules that are fetched after the cutoff, about the games of the cutoff and about their neighbors.
        for _ in 0..random.below(4) {
            let schedules: Vec<&RawEvent> =
                raw_events.iter().filter(|event| states_game_dates(event)).collect();
            for event in changed_schedule(random.pick(&schedules), random) {
                later.push(fetched_at(&event, event.fetched_at.max(cutoff)));
            }
        }
        SplitHistory { before, later }
    }
}

#[test]
fn issued_rows_do_not_change_when_more_is_ingested_or_retracted() {
    let (mut predictions, mut retrospective) = (0, 0);
    for seed in seeds(5, 12) {
        let mut random = Random::new(seed.0);
        let raw_events = season_with_faults(seed.0);
        let cutoff = random_cutoff(&raw_events, &mut random);
        let SplitHistory { before, later } = SplitHistory::random(&raw_events, cutoff, &mut random);
        let candidates_before = rows(&batch_content(&before));
        let all = [before, later].concat();
        let content = batch_content(&all);
        check_fixtures(&all, &content);
        let candidates_after = rows(&content);
        check_known_times(&candidates_before);
        retrospective += check_known_times(&candidates_after).retrospective;
        predictions += assert_issued_unchanged(&candidates_before, &candidates_after, cutoff);
    }
    eprintln!("{predictions} issued predictions are unchanged, {retrospective} rows are retrospective");
}

#[test]
fn nothing_fetched_after_the_cutoff_changes_an_issued_row() {
    let (mut compared, mut decided_later) = (0, 0);
    for seed in seeds(6, 3) {
        let raw_events = season_with_faults(seed.0);
        let content = batch_content(&raw_events);
        check_fixtures(&raw_events, &content);
        let all = rows(&content);
        let predicted = all.values().filter(|rows| rows.is_issued_prediction());
        let cutoffs: BTreeSet<Timestamp> = predicted.map(|rows| rows.features.tip_off).collect();
        let mut cutoffs: Vec<Timestamp> = cutoffs.into_iter().collect();
        Random::new(seed.0).shuffle(&mut cutoffs);
        for cutoff in cutoffs.into_iter().take(8) {
            let events = raw_events.iter().filter(|event| event.fetched_at < cutoff);
            let content_at_cutoff = batch_content(&events.cloned().collect::<Vec<_>>());
            let at_cutoff = rows(&content_at_cutoff);
            let mut decided: Option<Candidates> = None;
            assert_issued_unchanged(&at_cutoff, &all, cutoff);
            let is_compared =
                |rows: &CandidateRows| rows.is_issued_prediction() && rows.features.tip_off == cutoff;
            for (id, expected) in all.iter().filter(|(_, rows)| is_compared(rows)) {
                if let Some(rows_at_cutoff) = at_cutoff.get(id).filter(|rows| rows.features.tip_off == cutoff)
                {
                    assert_eq!(
                        rows_at_cutoff.bytes, expected.bytes,
                        "{id} uses facts fetched after its tip-off"
                    );
                } else if at_cutoff.contains_key(id) {
                    // The schedule decided the tip-off later: it reported that the game had started at this instant, or stated an earlier
                    // tip-off than the one so far, before that one.
                    let decided = decided.get_or_insert_with(|| {
                        let is_used =
                            |event: &&RawEvent| event.fetched_at < cutoff || states_game_dates(event);
                        rows(&batch_content(&raw_events.iter().filter(is_used).cloned().collect::<Vec<_>>()))
                    });
                    let decided = decided.get(id).map(|rows| rows.bytes.clone());
                    assert_eq!(
                        decided,
                        Some(expected.bytes.clone()),
                        "{id} uses facts fetched after its tip-off"
                    );
                    decided_later += 1;
                } else {
                    // If a team form of the game is missing at the cutoff, the issued rows of the game may be derived only later. They
                    // still use only facts known before the cutoff.
                    let forms = team_forms(&content_at_cutoff, id.game, id.date);
                    assert!(
                        forms < 2,
                        "{id} was no candidate at its tip-off, although both teams had a form"
                    );
                }
                compared += 1;
            }
        }
    }
    eprintln!(
        "{compared} predictions compared, of which {decided_later} with a tip-off that was decided later"
    );
}

/// Counts the team forms of a game on a date.
fn team_forms(content: &Content, game: GameId, date: EasternDate) -> usize {
    let forms = content.iter().filter(|((topic, _), _)| *topic == topics::TEAM_FORMS.info.name);
    let forms = forms.map(|(_, bytes)| wire::decode::<TeamForm>(bytes).unwrap());
    forms.filter(|form| (form.game, form.date) == (game, date)).count()
}

#[test]
fn a_stream_that_continues_after_the_cutoff_keeps_its_issued_rows() {
    for seed in seeds(7, 4) {
        let raw_events = season_with_faults(seed.0);
        let mut random = Random::new(seed.0);
        let cutoff = random_cutoff(&raw_events, &mut random);
        let (before, later): (Vec<_>, Vec<_>) =
            raw_events.into_iter().partition(|event| event.fetched_at < cutoff);
        let mut log = MemoryLog::default();
        // The log of a season is long, so all reads are large.
        let schedule = |seed| {
            let schedule = Schedule::random(seed);
            Schedule { max_read_records: schedule.max_read_records.max(60), ..schedule }
        };
        run(&mut log, before, schedule(seed.0), |_| true);
        let candidates_before = rows(&content(&mut log));
        append_raw(&mut log, &later);
        run(&mut log, Vec::new(), schedule(seed.0 + 1), |_| true);
        assert_issued_unchanged(&candidates_before, &rows(&content(&mut log)), cutoff);
    }
}

#[test]
fn a_history_fetched_long_after_its_games_has_a_retrospective_prediction_for_every_issued_one() {
    let mut predictions = 0;
    for seed in seeds(10, 2) {
        let raw_events = season_without_faults(seed.0);
        let live = rows(&batch_content(&raw_events));
        let first_fetch = raw_events.last().unwrap().fetched_at.0 + DAY_MS;
        let late_events: Vec<RawEvent> = raw_events
            .iter()
            .zip(first_fetch..)
            .map(|(event, time)| fetched_at(event, Timestamp(time)))
            .collect();
        let late = rows(&batch_content(&late_events));
        for (id, _) in live.iter().filter(|(_, rows)| rows.is_issued_prediction()) {
            let rows = late.get(id).unwrap_or_else(|| panic!("{id} is not a retrospective candidate"));
            assert_eq!(rows.features.basis, Basis::Retrospective, "{id}");
            assert_eq!(rows.features.eligibility, Eligibility::Eligible, "{id}");
            predictions += 1;
        }
    }
    eprintln!("{predictions} retrospective predictions");
}
