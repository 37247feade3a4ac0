//! The window: gathers records until a batch is worth a write.
//!
//! Invariant: records in = records out + superseded, where a record is superseded by a later one of its key in the same batch,
//! until some are rejected or filtered, which are counted too; a batch says which ranges of the log it stands for, and every record of it is in them.
//! Not here: the clock, which comes in as an argument; what a batch becomes (`plan`, `warehouse`).
use crate::record::{Record, RecordChange, SinkTopic, TopicPartitionOffset};
use rustc_hash::FxHashMap;
use schemas::PlayerGameId;
use std::{collections::BTreeMap, fmt, str::FromStr};

/// When a batch closes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Records read.
    pub records: usize,
    /// Encoded bytes of the records read.
    pub bytes: usize,
    /// Milliseconds since the batch's first record came.
    pub age_ms: i64,
}
impl Default for BatchLimits {
    fn default() -> Self {
        BatchLimits { records: 10_000, bytes: 6 * 1024 * 1024, age_ms: 15_000 }
    }
}

macro_rules! close_reasons {
    ($($(#[$doc:meta])* $reason:ident = $name:literal,)+) => {
        /// Why a batch was closed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum CloseReason { $($(#[$doc])* $reason),+ }
        impl CloseReason {
            pub const fn name(self) -> &'static str {
                match self { $(CloseReason::$reason => $name),+ }
            }
        }
        impl FromStr for CloseReason {
            type Err = String;
            fn from_str(name: &str) -> Result<Self, String> {
                match name {
                    $($name => Ok(CloseReason::$reason),)+
                    // In plans of before.
                    "slate-complete" => Ok(CloseReason::CaughtUp),
                    _ => Err(format!("'{name}' is no reason to close a batch")),
                }
            }
        }
    };
}
close_reasons! {
    Records = "records",
    Bytes = "bytes",
    Age = "age",
    /// The run ends by itself, so nobody waits for more.
    CaughtUp = "caught-up",
    /// A partition is taken away.
    Revoke = "revoke",
    Shutdown = "shutdown",
    /// Made again, after a restart, from the ranges of its plan.
    Recovered = "recovered",
    /// Half of one that was too large for the warehouse.
    Split = "split",
}
impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Consecutive offsets of one partition; those between that are no records of ours are gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Range {
    pub first: i64,
    /// The next offset to read.
    pub end: i64,
}
impl Range {
    pub const fn contains(self, offset: i64) -> bool {
        self.first <= offset && offset < self.end
    }
}

/// A range per input and partition.
pub type Ranges = BTreeMap<(SinkTopic, i32), Range>;

/// What one write brings to the warehouse.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    pub ranges: Ranges,
    /// The newest record per input and key, in the order in which the keys came.
    pub records: Vec<Record>,
    /// Records read that a later one of the same batch replaced.
    pub superseded: usize,
    /// Records read that no row can be made of.
    pub rejected: usize,
    /// Records read that are of no game that is written, and change nothing.
    pub filtered: usize,
    pub reason: CloseReason,
}
impl Batch {
    /// A batch of no records that stands for these ranges.
    pub const fn empty(ranges: Ranges, reason: CloseReason) -> Batch {
        Batch { ranges, records: Vec::new(), superseded: 0, rejected: 0, filtered: 0, reason }
    }
    /// A batch of records that were read again, from the ranges of its plan.
    pub fn from_records(records: impl IntoIterator<Item = Record>) -> Option<Batch> {
        let mut open = Open::default();
        for record in records {
            open.add(record.at, record.change);
        }
        open.take(CloseReason::Recovered)
    }
    /// Records read.
    pub const fn read(&self) -> usize {
        self.records.len() + self.superseded + self.rejected + self.filtered
    }
    /// Takes out the records at these positions, for the dead-letter topic. The ranges, and so the batch's id, stay.
    pub fn reject(&mut self, bad: &[TopicPartitionOffset]) -> Vec<Record> {
        let (out, kept): (Vec<_>, _) =
            std::mem::take(&mut self.records).into_iter().partition(|record| bad.contains(&record.at));
        self.records = kept;
        self.rejected += out.len();
        out
    }
}

#[derive(Default)]
struct Open {
    since_ms: i64,
    bytes: usize,
    superseded: usize,
    ranges: Ranges,
    records: Vec<Record>,
    newest: FxHashMap<(SinkTopic, PlayerGameId), usize>,
}
impl Open {
    fn add(&mut self, at: TopicPartitionOffset, change: RecordChange) {
        let fresh = Range { first: at.offset, end: at.offset + 1 };
        let range = self.ranges.entry((at.input, at.partition)).or_insert(fresh);
        *range = Range { first: range.first.min(fresh.first), end: range.end.max(fresh.end) };
        let slot = *self.newest.entry((at.input, change.id())).or_insert(self.records.len());
        match self.records.get_mut(slot) {
            None => self.records.push(Record { at, change }),
            Some(held) => {
                self.superseded += 1;
                if held.at.offset < at.offset {
                    *held = Record { at, change };
                }
            }
        }
    }
    const fn read(&self) -> usize {
        self.records.len() + self.superseded
    }
    fn take(&mut self, reason: CloseReason) -> Option<Batch> {
        let Open { ranges, records, superseded, .. } = std::mem::take(self);
        (!records.is_empty()).then_some(Batch {
            ranges,
            records,
            superseded,
            rejected: 0,
            filtered: 0,
            reason,
        })
    }
}

/// Gathers records into batches.
pub struct Window {
    limits: BatchLimits,
    open: Open,
}
impl Window {
    pub fn new(limits: BatchLimits) -> Self {
        Window { limits, open: Open::default() }
    }
    /// From now on a batch has no more records than these: larger ones were too large to be written.
    pub fn limit_records(&mut self, records: usize) {
        self.limits.records = self.limits.records.min(records.max(1));
    }
    /// Adds a record of `bytes` encoded bytes; the batch that it fills or finds too old.
    pub fn push(
        &mut self,
        now_ms: i64,
        at: TopicPartitionOffset,
        change: RecordChange,
        bytes: usize,
    ) -> Option<Batch> {
        if self.is_empty() {
            self.open.since_ms = now_ms;
        }
        self.open.bytes += bytes;
        self.open.add(at, change);
        let reason = match () {
            () if self.open.read() >= self.limits.records => CloseReason::Records,
            () if self.open.bytes >= self.limits.bytes => CloseReason::Bytes,
            () => return self.tick(now_ms),
        };
        self.open.take(reason)
    }
    /// The batch that has become too old.
    pub fn tick(&mut self, now_ms: i64) -> Option<Batch> {
        match self.due_ms() {
            Some(due) if due <= now_ms => self.open.take(CloseReason::Age),
            _ => None,
        }
    }
    /// When the open batch becomes too old.
    pub fn due_ms(&self) -> Option<i64> {
        (!self.is_empty()).then(|| self.open.since_ms.saturating_add(self.limits.age_ms))
    }
    pub fn close(&mut self, reason: CloseReason) -> Option<Batch> {
        self.open.take(reason)
    }
    /// Drops what is held: it will be read again, here or elsewhere.
    pub fn forget(&mut self) {
        self.open = Open::default();
    }
    pub fn is_empty(&self) -> bool {
        self.open.records.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use schemas::{GameId, PlayerId};

    const LIMITS: BatchLimits = BatchLimits { records: 4, bytes: 100, age_ms: 50 };
    fn key(player: u32) -> PlayerGameId {
        PlayerGameId { player: PlayerId(player), game: GameId(22_300_061) }
    }
    fn at(partition: i32, offset: i64) -> TopicPartitionOffset {
        TopicPartitionOffset { input: SinkTopic::Features, partition, offset }
    }
    fn put(window: &mut Window, now: i64, offset: i64, bytes: usize) -> Option<CloseReason> {
        let change = RecordChange::Features(key(offset as u32), None);
        window.push(now, at(0, offset), change, bytes).map(|batch| batch.reason)
    }

    #[test]
    fn a_batch_closes_for_the_first_limit_that_is_reached() {
        let mut window = Window::new(LIMITS);
        assert_eq!(
            [1, 2, 3, 4].map(|o| put(&mut window, 0, o, 1)),
            [None, None, None, Some(CloseReason::Records)]
        );
        assert_eq!([5, 6].map(|o| put(&mut window, 0, o, 50)), [None, Some(CloseReason::Bytes)]);
        assert_eq!(put(&mut window, 10, 7, 1), None);
        assert_eq!(window.due_ms(), Some(60));
        assert_eq!(window.tick(59), None);
        assert_eq!(window.tick(60).map(|batch| batch.reason), Some(CloseReason::Age));
        assert_eq!(window.tick(1000), None);
        assert_eq!(
            (put(&mut window, 100, 8, 1), put(&mut window, 150, 9, 1)),
            (None, Some(CloseReason::Age))
        );
    }
    #[test]
    fn a_window_that_was_limited_stays_so() {
        let mut window = Window::new(LIMITS);
        for records in [2, 3] {
            window.limit_records(records);
            assert_eq!([1, 2].map(|o| put(&mut window, 0, o, 1)), [None, Some(CloseReason::Records)]);
        }
        window.limit_records(0);
        assert_eq!(put(&mut window, 0, 3, 1), Some(CloseReason::Records));
    }
    #[test]
    fn a_batch_is_closed_on_request_and_an_empty_one_never() {
        let mut window = Window::new(LIMITS);
        assert_eq!(window.close(CloseReason::CaughtUp), None);
        for (offset, reason) in [CloseReason::Revoke, CloseReason::Shutdown].into_iter().enumerate() {
            assert_eq!(put(&mut window, 0, offset as i64, 1), None);
            assert_eq!(window.close(reason).map(|batch| batch.reason), Some(reason));
        }
        assert_eq!(put(&mut window, 0, 9, 1), None);
        assert_eq!(
            window.close(CloseReason::CaughtUp).map(|batch| batch.reason),
            Some(CloseReason::CaughtUp)
        );
        assert_eq!("slate-complete".parse(), Ok(CloseReason::CaughtUp), "as plans of before have it");
        assert!(window.is_empty());
    }
    #[test]
    fn rejected_records_leave_the_batch_and_its_ranges_stay() {
        let records =
            (1..=3).map(|o| Record { at: at(0, o), change: RecordChange::Features(key(o as u32), None) });
        let mut batch = Batch::from_records(records).unwrap();
        let ranges = batch.ranges.clone();
        let out = batch.reject(&[at(0, 2)]);
        assert_eq!((out.len(), batch.records.len(), batch.read()), (1, 2, 3));
        assert_eq!(batch.ranges, ranges);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_the_newest_of_each_key_stays(
            input in prop::collection::vec((0..3i32, 0..5u32, 1..60usize, 0..30i64), 0..200),
        ) {
            let (mut window, mut now, mut ends) = (Window::new(LIMITS), 0, BTreeMap::new());
            let (mut batches, mut next) = (Vec::new(), [0i64; 3]);
            for &(partition, player, bytes, pause) in &input {
                now += pause;
                batches.extend(window.tick(now));
                let offset = next[partition as usize];
                // Gaps, as compaction and transaction markers leave them.
                next[partition as usize] += 1 + i64::from(player % 2);
                let id = key(player * 3 + partition as u32);
                ends.insert(id, offset);
                batches.extend(window.push(now, at(partition, offset), RecordChange::Features(id, None), bytes));
            }
            batches.extend(window.close(CloseReason::Shutdown));
            prop_assert_eq!(batches.iter().map(Batch::read).sum::<usize>(), input.len());
            let (mut stands, mut read) = (BTreeMap::new(), BTreeMap::new());
            for batch in &batches {
                for (partition, range) in &batch.ranges {
                    prop_assert!(read.insert(*partition, range.end).unwrap_or(0) <= range.first);
                }
                for record in &batch.records {
                    let TopicPartitionOffset { input, partition, offset } = record.at;
                    prop_assert!(batch.ranges[&(input, partition)].contains(offset));
                    stands.insert(record.change.id(), offset);
                }
            }
            prop_assert_eq!(stands, ends);
        }
    }
}
