//! Law 4, as-of in both times: what was issued stands, and rests on nothing but what was heard before tip-off.
//!
//! Invariant: an issued prediction is a function of the events fetched before its game's tip-off.
//! Not here: what a prediction is made of.
use crate::{
    harness::{Content, batch, content},
    histories::{corrected, faultless, fetched, longer},
    log::{MemoryLog, append_raw},
    random::Random,
    seeds,
};
use schemas::{
    GameId, PlayerGameId, Timestamp,
    features::{Basis, Eligibility, Features},
    prediction::Prediction,
    raw::{Feed, RawEvent},
    team_form::TeamForm,
    wire,
};
use std::collections::{BTreeMap, BTreeSet};

/// A candidate's rows: features and predictions, with their bytes.
pub struct Issued {
    pub features: Features,
    pub bytes: [Vec<u8>; 2],
}
impl Issued {
    fn is_prediction(&self) -> bool {
        self.features.basis == Basis::Issued && self.features.eligibility == Eligibility::Eligible
    }
}

pub fn rows(content: &Content) -> BTreeMap<PlayerGameId, Issued> {
    let features = content.iter().filter(|((topic, _), _)| *topic == topics::FEATURES.info.name);
    features
        .map(|((_, key), bytes)| {
            let features: Features = wire::decode(bytes).unwrap();
            let predicted = &content[&(topics::PREDICTIONS.info.name, key.clone())];
            let prediction: Prediction = wire::decode(predicted).unwrap();
            assert_eq!((prediction.basis, prediction.known_at), (features.basis, features.known_at));
            assert_eq!(prediction.tip_off, features.tip_off);
            (key.parse().unwrap(), Issued { features, bytes: [bytes.clone(), predicted.clone()] })
        })
        .collect()
}

/// Every issued row was known before its tip-off, and only such.
pub fn known_in_time(rows: &BTreeMap<PlayerGameId, Issued>) -> [usize; 2] {
    let mut count = [0, 0];
    for (id, row) in rows {
        let Features { basis, known_at, tip_off, .. } = row.features;
        if basis == Basis::Issued {
            assert!(known_at < tip_off, "{id} was issued knowing what came after: {known_at}, {tip_off}");
        }
        count[usize::from(basis == Basis::Retrospective)] +=
            usize::from(row.is_prediction() || basis == Basis::Retrospective);
    }
    count
}

/// What of two histories must be equal: predictions issued for games that tip off by `cut` in the shorter one. A candidate who was
/// not predicted may since have been, retrospectively; no prediction may have changed or gone.
fn stands(
    before: &BTreeMap<PlayerGameId, Issued>,
    after: &BTreeMap<PlayerGameId, Issued>,
    cut: Timestamp,
) -> usize {
    let mut stood = 0;
    for (id, was) in
        before.iter().filter(|(_, row)| row.features.basis == Basis::Issued && row.features.tip_off <= cut)
    {
        let is = after.get(id).unwrap_or_else(|| panic!("{id} was issued and is gone: {:#?}", was.features));
        let filled =
            is.features.basis == Basis::Retrospective && is.features.eligibility == Eligibility::Eligible;
        if !was.is_prediction() && filled {
            continue;
        }
        assert_eq!(was.features, is.features, "{id} was issued and has changed");
        assert_eq!(was.bytes, is.bytes, "{id} was issued and has changed");
        stood += usize::from(was.is_prediction());
    }
    stood
}

fn table(raw: &[RawEvent]) -> Content {
    content(&mut batch(raw))
}

/// An instant at which something happens: a tip-off, or a fetch.
fn instant(raw: &[RawEvent], random: &mut Random) -> Timestamp {
    let tip_offs: Vec<Timestamp> = rows(&table(raw)).values().map(|row| row.features.tip_off).collect();
    match tip_offs.is_empty() || random.percent(30) {
        true => raw[random.below(raw.len())].fetched_at,
        false => random.pick(&tip_offs),
    }
}

#[test]
fn issued_rows_do_not_change_when_more_is_ingested() {
    let (mut stood, mut retrospectively) = (0, 0);
    for seed in seeds(5, 15) {
        let mut random = Random::new(seed.0);
        let raw = longer(seed.0);
        let cut = instant(&raw, &mut random);
        let gaps = random.pick(&[0, 10, 40]);
        let end = raw.last().unwrap().fetched_at;
        // At the very cut, or up to a month after everything.
        let late = |random: &mut Random| match random.percent(30) {
            true => cut,
            false => Timestamp(cut.0.max(end.0) + 1 + random.below(30 * 86_400_000) as i64),
        };
        let (mut history, mut later) = (Vec::new(), Vec::new());
        for event in &raw {
            // Gaps filled later; a schedule fetched late may re-date a game that was played, and is another matter.
            let withheld = event.feed != Feed::NbacomSchedule && random.percent(gaps);
            match event.fetched_at < cut {
                true if withheld => later.push(fetched(event, late(&mut random))),
                true => history.push(event.clone()),
                false => later.push(event.clone()),
            }
            let at = late(&mut random);
            if random.percent(30) {
                later.extend(corrected(event, at, &mut random));
            }
        }
        let before = rows(&table(&history));
        let longer = [history, later].concat();
        let after = rows(&table(&longer));
        known_in_time(&before);
        retrospectively += known_in_time(&after)[1];
        stood += stands(&before, &after, cut);
    }
    eprintln!("{stood} predictions stood, {retrospectively} rows retrospectively");
}

#[test]
fn nothing_fetched_after_the_cutoff_changes_an_issued_row() {
    let mut compared = 0;
    for seed in seeds(6, 5) {
        let raw = longer(seed.0);
        let whole = table(&raw);
        let all = rows(&whole);
        let tip_offs: BTreeSet<Timestamp> = all.values().map(|row| row.features.tip_off).collect();
        for cut in tip_offs {
            let heard: Vec<RawEvent> = raw.iter().filter(|event| event.fetched_at < cut).cloned().collect();
            let by_then_content = table(&heard);
            let by_then = rows(&by_then_content);
            stands(&by_then, &all, cut);
            for (id, is) in all.iter().filter(|(_, row)| row.is_prediction() && row.features.tip_off == cut) {
                match by_then.get(id) {
                    Some(was) => {
                        assert_eq!(was.bytes, is.bytes, "{id} read what was fetched after its tip-off")
                    }
                    // Facts open games: one that nobody had opened by then may still be issued, of what was heard in time.
                    None => assert!(forms(&by_then_content, id.game) < 2, "{id} was no candidate by tip-off"),
                }
                compared += 1;
            }
        }
    }
    eprintln!("{compared} predictions compared");
}

fn forms(content: &Content, game: GameId) -> usize {
    let forms = content.iter().filter(|((topic, _), _)| *topic == topics::TEAM_FORMS.info.name);
    forms.filter(|(_, bytes)| wire::decode::<TeamForm>(bytes).unwrap().game == game).count()
}

/// Also of a stream that was cut off there and went on.
#[test]
fn a_stream_that_is_a_prefix_of_a_longer_one_keeps_what_it_issued() {
    use crate::harness::{Plan, run};
    for seed in seeds(7, 4) {
        let raw = longer(seed.0);
        let mut random = Random::new(seed.0);
        let cut = instant(&raw, &mut random);
        let (heard, rest): (Vec<_>, Vec<_>) = raw.into_iter().partition(|event| event.fetched_at < cut);
        let mut log = MemoryLog::default();
        run(&mut log, heard, Plan::random(seed.0), |_| true);
        let before = rows(&content(&mut log));
        append_raw(&mut log, &rest);
        run(&mut log, Vec::new(), Plan::random(seed.0 + 1), |_| true);
        stands(&before, &rows(&content(&mut log)), cut);
    }
}

#[test]
fn a_history_fetched_long_after_its_games_predicts_retrospectively_throughout() {
    let mut predicted = 0;
    for seed in seeds(10, 3) {
        let raw = faultless(seed.0);
        let live = rows(&table(&raw));
        let end = raw.last().unwrap().fetched_at.0 + 86_400_000;
        let late: Vec<RawEvent> =
            raw.iter().enumerate().map(|(i, event)| fetched(event, Timestamp(end + i as i64))).collect();
        let filled = rows(&table(&late));
        for (id, _) in live.iter().filter(|(_, row)| row.is_prediction()) {
            let row = filled.get(id).unwrap_or_else(|| panic!("{id} is no candidate retrospectively"));
            assert_eq!(row.features.basis, Basis::Retrospective, "{id}");
            assert_eq!(row.features.eligibility, Eligibility::Eligible, "{id}");
            predicted += 1;
        }
    }
    eprintln!("{predicted} predictions filled retrospectively");
}
