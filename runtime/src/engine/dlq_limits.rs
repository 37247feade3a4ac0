//! DLQ limits: stop a processor if too many records of its input are unusable, before it commits all of them to its dead-letter queue.
//!
//! Invariant: per partition, the committed records never contain more unusable records in a row, or a higher ratio of unusable records
//! among the newest ones, than the limits allow, except records that an operator has accepted. Each assignment starts counting from zero.
//! Not here: which record is unusable (the processor decides).
use std::{collections::VecDeque, sync::Arc};
use topics::{Offset, Offsets, TopicPartition};

/// The ratio of unusable records is computed over at most this many of the newest records of a partition.
const WINDOW_RECORDS: usize = 1000;
/// The ratio is not checked before this many records were read.
const MIN_WINDOW_RECORDS: usize = 100;

/// The DLQ limits, which apply to each partition separately.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DlqLimits {
    /// Maximum number of unusable records in a row; 0 for no limit.
    pub consecutive: u32,
    /// Maximum ratio of unusable records among the newest 1,000, checked only after 100 records were read; 1 for no limit.
    pub ratio: f64,
}
impl Default for DlqLimits {
    fn default() -> Self {
        DlqLimits { consecutive: 100, ratio: 0.5 }
    }
}

impl DlqLimits {
    /// No limits: any number of records may be unusable.
    pub const OFF: DlqLimits = DlqLimits { consecutive: 0, ratio: 1.0 };
}

/// Records that an operator has accepted, usable or not: they do not count for the DLQ limits. Of each partition, these are the records
/// below an offset.
#[derive(Clone, Debug, Default)]
pub struct AcceptedRecords(Arc<Offsets>);
impl AcceptedRecords {
    /// Accepts the records below these offsets.
    pub fn below(offsets: Offsets) -> AcceptedRecords {
        AcceptedRecords(Arc::new(offsets))
    }
    pub fn contains(&self, partition: TopicPartition, offset: Offset) -> bool {
        self.0.get(&partition).is_some_and(|end| offset < *end)
    }
}

/// Counts the unusable records among the newest records of one partition.
#[derive(Debug, Default)]
pub struct RejectWindow {
    in_a_row: u32,
    newest: VecDeque<bool>,
    unusable: usize,
}
impl RejectWindow {
    /// Counts a record; returns a message if a limit is now exceeded.
    pub fn count(&mut self, limits: &DlqLimits, unusable: bool) -> Option<String> {
        if self.newest.len() == WINDOW_RECORDS && self.newest.pop_front() == Some(true) {
            self.unusable -= 1;
        }
        self.newest.push_back(unusable);
        self.unusable += usize::from(unusable);
        self.in_a_row = if unusable { self.in_a_row + 1 } else { 0 };
        let (seen, DlqLimits { consecutive, ratio }) = (self.newest.len(), *limits);
        if consecutive > 0 && self.in_a_row > consecutive {
            return Some(format!("more than {consecutive} records in a row are unusable"));
        }
        let exceeds_ratio =
            unusable && seen >= MIN_WINDOW_RECORDS && self.unusable as f64 > ratio * seen as f64;
        exceeds_ratio.then(|| {
            format!("{} of the last {seen} records are unusable; the maximum ratio is {ratio}", self.unusable)
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        ProcessorNode, RecordBatch, RuntimeError,
        engine::{
            AcceptedRecords, DlqLimits, ProcessorOutput, RowCounts, StatelessNode, StatelessProcessor, stream,
        },
    };
    use proptest::prelude::*;
    use schemas::{
        Timestamp,
        raw::{DeadLetter, Feed, FetchOutcome, RawEvent, RejectCode},
        wire,
    };
    use topics::TopicPartition;

    const RAW: TopicPartition = TopicPartition::new(topics::RAW_SCHEDULES.info.name, 0);

    /// A processor that rejects the payload `bad`. To this processor, the payload `rows` has one row, which is bad.
    struct Picky;
    impl StatelessProcessor for Picky {
        type In = RawEvent;
        type Out = ();
        fn version(&self) -> i64 {
            3
        }
        fn process(&self, raw: RawEvent, _: Option<Timestamp>) -> ProcessorOutput<()> {
            let dead_letter = |code| DeadLetter {
                raw: Some(raw.id),
                fetched_at: Some(raw.fetched_at),
                redrive_count: raw.redrive_count,
                ..DeadLetter::new(code, format!("{} is {}", raw.key, raw.payload))
            };
            match raw.payload.as_str() {
                "bad" => ProcessorOutput {
                    dead_letters: vec![dead_letter(RejectCode::BadPayload)],
                    is_rejected: true,
                    ..ProcessorOutput::default()
                },
                "rows" => ProcessorOutput {
                    dead_letters: vec![dead_letter(RejectCode::BadRow)],
                    rows: RowCounts { found: 1, bad: 1, ..RowCounts::default() },
                    ..ProcessorOutput::default()
                },
                _ => ProcessorOutput::default(),
            }
        }
    }
    fn event(key: usize, payload: &str) -> Vec<u8> {
        let feed = Feed::NbacomSchedule;
        let event =
            RawEvent::new(feed, key.to_string(), Timestamp(0), FetchOutcome::Complete, payload.to_owned());
        wire::encode(&event).unwrap()
    }
    fn record_batch(base: usize, payloads: &[&str]) -> RecordBatch {
        let mut record_batch = RecordBatch::at(base as i64);
        for (index, payload) in payloads.iter().enumerate() {
            record_batch.push(&(base + index).to_string(), Some(&event(base + index, payload)));
        }
        record_batch
    }
    fn node(dlq_limits: DlqLimits) -> StatelessNode<Picky> {
        let mut node =
            StatelessNode::new("picky", Picky, vec![stream(&topics::RAW_SCHEDULES, |raw| raw)], Vec::new());
        node.set_dlq_limits(dlq_limits);
        node
    }
    /// Processes the batches, with one commit per batch. Returns the committed dead letters, and the error that stopped the processor.
    fn run(
        node: &mut StatelessNode<Picky>,
        batches: &[Vec<&str>],
    ) -> (Vec<DeadLetter>, Option<RuntimeError>) {
        let (mut dead_letters, mut base) = (Vec::new(), 0);
        for batch in batches {
            if let Err(error) = node.process(RAW, &record_batch(base, batch)) {
                return (dead_letters, Some(error));
            }
            base += batch.len();
            let commit = node.take_commit().unwrap();
            dead_letters.extend(commit.dead_letters.into_values().flatten());
        }
        (dead_letters, None)
    }

    #[test]
    fn a_dead_letter_has_the_original_bytes_the_offset_and_the_processor() {
        let (dead_letters, error) = run(&mut node(DlqLimits::default()), &[vec!["good", "bad", "rows"]]);
        assert!(error.is_none());
        let [whole, row] = &dead_letters[..] else { panic!("{dead_letters:?}") };
        assert_eq!(whole.value, event(1, "bad"));
        assert_eq!(
            (whole.processor.as_str(), whole.key.as_str(), whole.processor_version),
            ("picky", "1", 3)
        );
        assert_eq!((whole.origin.as_str(), whole.offset), ("raw.schedules.v1", 1));
        assert!(row.value.is_empty(), "a bad row has its own bytes");
    }
    #[test]
    fn bytes_that_are_not_an_event_and_records_of_an_unknown_schema_are_dead_letters() {
        let mut record_batch = RecordBatch::at(0);
        let known = event(0, "good");
        let cut = &known[..known.len() - 3];
        record_batch.push("0", Some(&known));
        record_batch.push("1", Some(b"hello"));
        record_batch.push("2", Some(cut));
        record_batch.push("3", None);
        let mut unknown = known.clone();
        unknown[1..5].copy_from_slice(&[9, 9, 9, 9]);
        record_batch.push("4", Some(&unknown));
        let mut picky = node(DlqLimits::default());
        picky.process(RAW, &record_batch).unwrap();
        let commit = picky.take_commit().unwrap();
        let dead_letters = &commit.dead_letters[&TopicPartition::new("picky.dlq", 0)];
        let values: Vec<&[u8]> =
            dead_letters.iter().map(|dead_letter| dead_letter.value.as_slice()).collect();
        assert_eq!(values, [&b"hello"[..], cut, b"", unknown.as_slice()]);
        assert!(
            dead_letters
                .iter()
                .all(|dead_letter| dead_letter.code == RejectCode::BadEnvelope && dead_letter.raw.is_none())
        );
        let reason = &dead_letters[3].reason;
        assert!(reason.contains("schema id 151587081") && reason.contains("--registry"), "{reason}");
    }
    #[test]
    fn accepted_records_do_not_count_and_later_ones_do() {
        let mut node = node(DlqLimits { consecutive: 2, ratio: 0.5 });
        node.accept_records(AcceptedRecords::below([(RAW, 300)].into()));
        let (dead_letters, error) = run(&mut node, &[vec!["bad"; 302]]);
        assert!(error.is_none());
        assert_eq!(dead_letters.len(), 302);
        let mut batch = record_batch(302, &["bad"]);
        assert!(node.process(RAW, &batch).is_err());
        batch = record_batch(302, &["good"]);
        let other = TopicPartition::new(RAW.topic, 1);
        assert!(node.process(other, &batch).is_ok());
        assert!(
            node.process(other, &record_batch(0, &["bad"; 3])).is_err(),
            "no record of this partition is accepted"
        );
    }
    #[test]
    fn the_error_names_the_offset_the_limit_and_a_sample() {
        let (_, error) = run(&mut node(DlqLimits { consecutive: 2, ratio: 1.0 }), &[vec!["bad"; 3]]);
        let text = error.unwrap().to_string();
        for part in [
            "raw.schedules.v1/0 offset 2",
            "more than 2 records in a row",
            "2 is bad",
            "--accept-dead-letters picky",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
    proptest! {
        #[test]
        fn a_stream_of_bad_records_never_ends_up_in_the_dlq(
            batches in prop::collection::vec(prop::collection::vec(prop::sample::select(vec!["bad", "rows"]), 1..40), 1..30),
            consecutive in 1u32..60,
        ) {
            let all: usize = batches.iter().map(Vec::len).sum();
            let (dead_letters, error) = run(&mut node(DlqLimits { consecutive, ratio: 1.0 }), &batches);
            prop_assert!(dead_letters.len() <= consecutive as usize);
            prop_assert_eq!(error.is_some(), all > consecutive as usize);
        }
        #[test]
        fn committed_records_keep_the_limits_for_any_batches(
            records in prop::collection::vec(prop::sample::select(vec!["good", "bad", "rows", "bad"]), 1..600),
            cut in 1usize..50, consecutive in 1u32..12, percent in 20u32..100,
        ) {
            let dlq_limits = DlqLimits { consecutive, ratio: f64::from(percent) / 100.0 };
            let batches: Vec<Vec<&str>> = records.chunks(cut).map(<[&str]>::to_vec).collect();
            let (dead_letters, error) = run(&mut node(dlq_limits), &batches);
            let is_bad = |record: &&&str| **record != "good";
            let row = |records: &[&str]| records.split(|r| *r == "good").map(<[&str]>::len).max().unwrap_or(0);
            let exceeds = |records: &[&str]| {
                let bad = records.iter().filter(is_bad).count() as f64;
                row(records) > consecutive as usize || records.len() >= 100 && bad > dlq_limits.ratio * records.len() as f64
            };
            let committed = dead_letters.len();
            prop_assert!(committed <= records.iter().filter(is_bad).count());
            // The processor stops at the first prefix that ends in a bad record and exceeds a limit, before that batch is committed.
            let first = (1..=records.len()).find(|n| records[n - 1] != "good" && exceeds(&records[..*n]));
            prop_assert_eq!(first.is_some(), error.is_some());
            let whole = first.map_or(records.len(), |n| (n - 1) / cut * cut);
            prop_assert_eq!(committed, records[..whole].iter().filter(is_bad).count());
        }
    }
}
