//! The breaker: stops a processor that can use nothing of what it reads, before its input ends in its dead letters.
//!
//! Invariant: per partition, what was committed never holds more unusable records in a row, or a greater share of the newest ones,
//! than the limits allow. The count begins anew with each assignment.
//! Not here: what is unusable (the map says so).
use std::collections::VecDeque;

/// How many records a share is taken over at most, and at least.
const WINDOW: usize = 1000;
const ENOUGH: usize = 100;

/// The limits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Breaker {
    /// Unusable records in a row; 0 for no limit.
    pub consecutive: u32,
    /// The share of unusable records among the newest thousand, from a hundred on; 1 for no limit.
    pub ratio: f64,
}
impl Default for Breaker {
    fn default() -> Self {
        Breaker { consecutive: 100, ratio: 0.5 }
    }
}

/// What became of a partition's newest records.
#[derive(Debug, Default)]
pub struct Recent {
    in_a_row: u32,
    newest: VecDeque<bool>,
    unusable: usize,
}
impl Recent {
    /// Counts a record; answers the limit that it exceeds.
    pub fn count(&mut self, limits: &Breaker, unusable: bool) -> Option<String> {
        if self.newest.len() == WINDOW && self.newest.pop_front() == Some(true) {
            self.unusable -= 1;
        }
        self.newest.push_back(unusable);
        self.unusable += usize::from(unusable);
        self.in_a_row = if unusable { self.in_a_row + 1 } else { 0 };
        let (seen, Breaker { consecutive, ratio }) = (self.newest.len(), *limits);
        if consecutive > 0 && self.in_a_row > consecutive {
            return Some(format!("more than {consecutive} records in a row are unusable"));
        }
        let is_too_much = unusable && seen >= ENOUGH && self.unusable as f64 > ratio * seen as f64;
        is_too_much.then(|| {
            format!("{} of the last {seen} records are unusable, which is more than {ratio}", self.unusable)
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        Chunk, Halt, Node,
        engine::{Breaker, Map, MapNode, Rows, Step, dead_letters_of, stream},
    };
    use proptest::prelude::*;
    use schemas::{
        Instant,
        raw::{DeadLetter, Feed, FetchOutcome, RawEvent, RejectCode},
        wire,
    };

    /// Rejects the payload `bad`; of `rows` its one row is bad.
    struct Picky;
    impl Map for Picky {
        type In = RawEvent;
        type Out = ();
        fn version(&self) -> i64 {
            3
        }
        fn step(&self, raw: RawEvent) -> Step<()> {
            let letter = |code| DeadLetter {
                raw: Some(raw.id),
                fetched_at: Some(raw.fetched_at),
                replays: raw.replays,
                ..DeadLetter::new(code, format!("{} is {}", raw.key, raw.payload))
            };
            match raw.payload.as_str() {
                "bad" => {
                    Step { dead: vec![letter(RejectCode::BadPayload)], rejected: true, ..Step::default() }
                }
                "rows" => Step {
                    dead: vec![letter(RejectCode::BadRow)],
                    rows: Rows { found: 1, bad: 1, ..Rows::default() },
                    ..Step::default()
                },
                _ => Step::default(),
            }
        }
    }
    fn event(key: usize, payload: &str) -> Vec<u8> {
        let feed = Feed::NbacomSchedule;
        let event =
            RawEvent::new(feed, key.to_string(), Instant(0), FetchOutcome::Complete, payload.to_owned());
        wire::encode(&event).unwrap()
    }
    fn chunk(base: usize, payloads: &[&str]) -> Chunk {
        let mut chunk = Chunk::at(base as i64);
        for (index, payload) in payloads.iter().enumerate() {
            chunk.push(&(base + index).to_string(), Some(&event(base + index, payload)));
        }
        chunk
    }
    fn node(breaker: Breaker) -> MapNode<Picky> {
        let mut node =
            MapNode::new("picky", Picky, vec![stream(&topics::RAW_SCHEDULES, |raw| raw)], Vec::new());
        node.limit_rejects(breaker);
        node
    }
    /// Pushes and commits batch by batch; the letters committed, and the halt that ended it.
    fn run(node: &mut MapNode<Picky>, batches: &[Vec<&str>]) -> (Vec<DeadLetter>, Option<Halt>) {
        let (mut letters, mut base) = (Vec::new(), 0);
        for batch in batches {
            if let Err(halt) = node.push(topics::RAW_SCHEDULES.info.name, 0, &chunk(base, batch)) {
                return (letters, Some(halt));
            }
            base += batch.len();
            let commit = node.take().unwrap();
            if let Some(chunk) = commit.out.get(&(dead_letters_of("picky"), 0)) {
                letters.extend(
                    chunk.records().map(|r| wire::decode::<DeadLetter>(r.unwrap().value.unwrap()).unwrap()),
                );
            }
        }
        (letters, None)
    }

    #[test]
    fn a_rejected_record_is_kept_as_it_was_read_with_where_and_by_whom() {
        let (letters, halt) = run(&mut node(Breaker::default()), &[vec!["good", "bad", "rows"]]);
        assert!(halt.is_none());
        let [whole, row] = &letters[..] else { panic!("{letters:?}") };
        assert_eq!(whole.value, event(1, "bad"));
        assert_eq!((whole.stage.as_str(), whole.key.as_str(), whole.version), ("picky", "1", 3));
        assert_eq!((whole.origin.as_str(), whole.offset), ("raw.schedules.v1", 1));
        assert!(row.value.is_empty(), "a bad row keeps its own text");
    }
    #[test]
    fn what_is_no_event_is_kept_in_the_dead_letters_and_an_unknown_schema_stops() {
        let mut chunk = Chunk::at(0);
        let known = event(0, "good");
        let cut = &known[..known.len() - 3];
        chunk.push("0", Some(&known));
        chunk.push("1", Some(b"hello"));
        chunk.push("2", Some(cut));
        chunk.push("3", None);
        let mut picky = node(Breaker::default());
        let raw = topics::RAW_SCHEDULES.info.name;
        picky.push(raw, 0, &chunk).unwrap();
        let commit = picky.take().unwrap();
        let letters = &commit.out[&(dead_letters_of("picky"), 0)];
        let letters: Vec<DeadLetter> =
            letters.records().map(|r| wire::decode(r.unwrap().value.unwrap()).unwrap()).collect();
        let values: Vec<&[u8]> = letters.iter().map(|letter| letter.value.as_slice()).collect();
        assert_eq!(values, [b"hello", cut, b""]);
        assert!(letters.iter().all(|letter| letter.code == RejectCode::BadEnvelope && letter.raw.is_none()));

        let mut unknown = known;
        unknown[1..5].copy_from_slice(&[9, 9, 9, 9]);
        let mut chunk = Chunk::at(4);
        chunk.push("4", Some(&unknown));
        let halt = picky.push(raw, 0, &chunk).unwrap_err().to_string();
        assert!(halt.contains("raw.schedules.v1") && halt.contains("registry"), "{halt}");
    }
    #[test]
    fn the_halt_names_the_place_the_limit_and_a_reason() {
        let (_, halt) = run(&mut node(Breaker { consecutive: 2, ratio: 1.0 }), &[vec!["bad"; 3]]);
        let text = halt.unwrap().to_string();
        for part in ["raw.schedules.v1/0 offset 2", "more than 2 records in a row", "2 is bad", "next: "] {
            assert!(text.contains(part), "{text}");
        }
    }
    proptest! {
        #[test]
        fn a_stream_of_bad_records_never_empties_into_the_dead_letters(
            batches in prop::collection::vec(prop::collection::vec(prop::sample::select(vec!["bad", "rows"]), 1..40), 1..30),
            consecutive in 1u32..60,
        ) {
            let all: usize = batches.iter().map(Vec::len).sum();
            let (letters, halt) = run(&mut node(Breaker { consecutive, ratio: 1.0 }), &batches);
            prop_assert!(letters.len() <= consecutive as usize);
            prop_assert_eq!(halt.is_some(), all > consecutive as usize);
        }
        #[test]
        fn what_is_committed_keeps_the_limits_whatever_the_batches(
            records in prop::collection::vec(prop::sample::select(vec!["good", "bad", "rows", "bad"]), 1..600),
            cut in 1usize..50, consecutive in 1u32..12, percent in 20u32..100,
        ) {
            let breaker = Breaker { consecutive, ratio: f64::from(percent) / 100.0 };
            let batches: Vec<Vec<&str>> = records.chunks(cut).map(<[&str]>::to_vec).collect();
            let (letters, halt) = run(&mut node(breaker), &batches);
            let is_bad = |record: &&&str| **record != "good";
            let row = |records: &[&str]| records.split(|r| *r == "good").map(<[&str]>::len).max().unwrap_or(0);
            let exceeds = |records: &[&str]| {
                let bad = records.iter().filter(is_bad).count() as f64;
                row(records) > consecutive as usize || records.len() >= 100 && bad > breaker.ratio * records.len() as f64
            };
            let committed = letters.len();
            prop_assert!(committed <= records.iter().filter(is_bad).count());
            // The first prefix that ends badly and exceeds a limit is where it halts, before that batch is committed.
            let first = (1..=records.len()).find(|n| records[n - 1] != "good" && exceeds(&records[..*n]));
            prop_assert_eq!(first.is_some(), halt.is_some());
            let whole = first.map_or(records.len(), |n| (n - 1) / cut * cut);
            prop_assert_eq!(committed, records[..whole].iter().filter(is_bad).count());
        }
    }
}
