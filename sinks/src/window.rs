//! Window: collects records into a batch until the batch is large or old enough to be written.
//!
//! Invariant: records read = records of the batch + superseded + rejected + filtered, where a record is superseded by a later record with
//! the same key in the same batch; every record of a batch is in the input ranges of the batch.
//! Not here: reading the clock (the caller passes the current time); planning and writing a batch (`plan`, `warehouse`).
use crate::record::{Record, RecordChange, RowKey, SinkTopic, TopicPartitionOffset};
use rustc_hash::FxHashMap;
use std::{collections::BTreeMap, fmt, str::FromStr};

/// Limits at which a batch is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Maximum number of records read.
    pub records: usize,
    /// Maximum total encoded size of the records read, in bytes.
    pub bytes: usize,
    /// Maximum age of the batch in milliseconds, counted from the time at which its first record was added.
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
                    _ => Err(format!("'{name}' is not a known close reason of a batch")),
                }
            }
        }
    };
}
close_reasons! {
    Records = "records",
    Bytes = "bytes",
    Age = "age",
    /// The run was started with `--until-caught-up`, and there is nothing left to read.
    CaughtUp = "caught-up",
    /// A partition is revoked.
    Revoke = "revoke",
    Shutdown = "shutdown",
    /// The batch was built again after a restart, from the ranges of its plan.
    Recovered = "recovered",
    /// The batch is half of a batch that was too large for the warehouse.
    Split = "split",
}
impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Range of offsets of one partition; it may contain offset gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Range {
    pub first: i64,
    /// Exclusive end: the next offset to read.
    pub end: i64,
}
impl Range {
    pub const fn contains(self, offset: i64) -> bool {
        self.first <= offset && offset < self.end
    }
}

/// Ranges by input topic and partition.
pub type Ranges = BTreeMap<(SinkTopic, i32), Range>;

/// Sink batch: the records of one write, and the input ranges from which they were read.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    pub ranges: Ranges,
    /// The newest record per input topic and key, ordered by when the first record of the key was added.
    pub records: Vec<Record>,
    /// Number of records read that were replaced by a later record with the same key.
    pub superseded: usize,
    /// Number of records read that cannot be converted to rows.
    pub rejected: usize,
    /// Number of records read whose games are outside the dates of a replay.
    pub filtered: usize,
    pub reason: CloseReason,
}
impl Batch {
    /// Returns a batch that has these ranges and no records.
    pub const fn empty(ranges: Ranges, reason: CloseReason) -> Batch {
        Batch { ranges, records: Vec::new(), superseded: 0, rejected: 0, filtered: 0, reason }
    }
    /// Builds a batch from records that were read again from the ranges of its plan; `None` if there are no records.
    pub fn from_records(records: impl IntoIterator<Item = Record>) -> Option<Batch> {
        let mut open = Open::default();
        for record in records {
            open.add(record.coordinates, record.change);
        }
        open.take(CloseReason::Recovered)
    }
    /// Returns the number of records read.
    pub const fn read(&self) -> usize {
        self.records.len() + self.superseded + self.rejected + self.filtered
    }
    /// Removes and returns the records with these coordinates, for the dead-letter queue. The ranges, and thus the batch id, do not change.
    pub fn reject(&mut self, bad: &[TopicPartitionOffset]) -> Vec<Record> {
        let (rejected, rest): (Vec<_>, _) = std::mem::take(&mut self.records)
            .into_iter()
            .partition(|record| bad.contains(&record.coordinates));
        self.records = rest;
        self.rejected += rejected.len();
        rejected
    }
}

#[derive(Default)]
struct Open {
    since_ms: i64,
    bytes: usize,
    superseded: usize,
    ranges: Ranges,
    records: Vec<Record>,
    newest: FxHashMap<(SinkTopic, RowKey), usize>,
}
impl Open {
    fn add(&mut self, coordinates: TopicPartitionOffset, change: RecordChange) {
        let fresh = Range { first: coordinates.offset, end: coordinates.offset + 1 };
        let range = self.ranges.entry((coordinates.input, coordinates.partition)).or_insert(fresh);
        *range = Range { first: range.first.min(fresh.first), end: range.end.max(fresh.end) };
        let slot = *self.newest.entry((coordinates.input, change.key())).or_insert(self.records.len());
        match self.records.get_mut(slot) {
            None => self.records.push(Record { coordinates, change }),
            Some(previous) => {
                self.superseded += 1;
                if previous.coordinates.offset < coordinates.offset {
                    *previous = Record { coordinates, change };
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

/// Collects records into batches.
pub struct Window {
    limits: BatchLimits,
    open: Open,
}
impl Window {
    pub fn new(limits: BatchLimits) -> Self {
        Window { limits, open: Open::default() }
    }
    /// Lowers the record limit for all further batches, after a larger batch could not be written.
    pub fn limit_records(&mut self, records: usize) {
        self.limits.records = self.limits.records.min(records.max(1));
    }
    /// Adds a record with an encoded size of `bytes`. If the batch is now full or too old, closes and returns it.
    pub fn push(
        &mut self,
        now_ms: i64,
        coordinates: TopicPartitionOffset,
        change: RecordChange,
        bytes: usize,
    ) -> Option<Batch> {
        if self.is_empty() {
            self.open.since_ms = now_ms;
        }
        self.open.bytes += bytes;
        self.open.add(coordinates, change);
        let reason = match () {
            () if self.open.read() >= self.limits.records => CloseReason::Records,
            () if self.open.bytes >= self.limits.bytes => CloseReason::Bytes,
            () => return self.tick(now_ms),
        };
        self.open.take(reason)
    }
    /// Closes and returns the open batch if it is too old.
    pub fn tick(&mut self, now_ms: i64) -> Option<Batch> {
        match self.due_ms() {
            Some(due) if due <= now_ms => self.open.take(CloseReason::Age),
            _ => None,
        }
    }
    /// Returns the time at which the open batch becomes too old; `None` if there is no open batch.
    pub fn due_ms(&self) -> Option<i64> {
        (!self.is_empty()).then(|| self.open.since_ms.saturating_add(self.limits.age_ms))
    }
    /// Closes and returns the open batch; `None` if there is none.
    pub fn close(&mut self, reason: CloseReason) -> Option<Batch> {
        self.open.take(reason)
    }
    /// Discards the open batch. Its records must be read again.
    pub fn discard(&mut self) {
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
    use schemas::{EasternDate, GameId, PlayerGameDateId, PlayerId};

    const LIMITS: BatchLimits = BatchLimits { records: 4, bytes: 100, age_ms: 50 };
    fn key(player: u32) -> PlayerGameDateId {
        PlayerGameDateId { player: PlayerId(player), game: GameId(22_300_061), date: EasternDate(19_000) }
    }
    fn at(partition: i32, offset: i64) -> TopicPartitionOffset {
        TopicPartitionOffset { input: SinkTopic::Features, partition, offset }
    }
    fn put(window: &mut Window, now: i64, offset: i64, bytes: usize) -> Option<CloseReason> {
        let change = RecordChange::Features(key(offset as u32), None);
        window.push(now, at(0, offset), change, bytes).map(|batch| batch.reason)
    }

    #[test]
    fn a_batch_closes_at_the_first_limit() {
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
    fn a_lowered_limit_is_never_raised() {
        let mut window = Window::new(LIMITS);
        for records in [2, 3] {
            window.limit_records(records);
            assert_eq!([1, 2].map(|o| put(&mut window, 0, o, 1)), [None, Some(CloseReason::Records)]);
        }
        window.limit_records(0);
        assert_eq!(put(&mut window, 0, 3, 1), Some(CloseReason::Records));
    }
    #[test]
    fn a_batch_closes_on_request_unless_it_is_empty() {
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
        assert_eq!("caught-up".parse(), Ok(CloseReason::CaughtUp));
        assert!(window.is_empty());
    }
    #[test]
    fn rejecting_records_leaves_the_ranges_unchanged() {
        let records = (1..=3)
            .map(|o| Record { coordinates: at(0, o), change: RecordChange::Features(key(o as u32), None) });
        let mut batch = Batch::from_records(records).unwrap();
        let ranges = batch.ranges.clone();
        let out = batch.reject(&[at(0, 2)]);
        assert_eq!((out.len(), batch.records.len(), batch.read()), (1, 2, 3));
        assert_eq!(batch.ranges, ranges);
    }

    proptest! {
        #[test]
        fn no_record_is_lost_and_the_newest_of_each_key_remains(
            input in prop::collection::vec((0..3i32, 0..5u32, 1..60usize, 0..30i64), 0..200),
        ) {
            let (mut window, mut now, mut ends) = (Window::new(LIMITS), 0, BTreeMap::new());
            let (mut batches, mut next) = (Vec::new(), [0i64; 3]);
            for &(partition, player, bytes, pause) in &input {
                now += pause;
                batches.extend(window.tick(now));
                let offset = next[partition as usize];
                // Leaves offset gaps, as compaction and control records do.
                next[partition as usize] += 1 + i64::from(player % 2);
                let id = key(player * 3 + partition as u32);
                ends.insert(RowKey::from(id), offset);
                batches.extend(window.push(now, at(partition, offset), RecordChange::Features(id, None), bytes));
            }
            batches.extend(window.close(CloseReason::Shutdown));
            prop_assert_eq!(batches.iter().map(Batch::read).sum::<usize>(), input.len());
            let (mut newest, mut read) = (BTreeMap::new(), BTreeMap::new());
            for batch in &batches {
                for (partition, range) in &batch.ranges {
                    prop_assert!(read.insert(*partition, range.end).unwrap_or(0) <= range.first);
                }
                for record in &batch.records {
                    let TopicPartitionOffset { input, partition, offset } = record.coordinates;
                    prop_assert!(batch.ranges[&(input, partition)].contains(offset));
                    newest.insert(record.change.key(), offset);
                }
            }
            prop_assert_eq!(newest, ends);
        }
    }
}
