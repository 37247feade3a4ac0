//! Logs that the harness can run on: one in memory, and the embedded one.
//!
//! Invariant: offsets are given once and never change; a commit is appended whole.
//! Not here: what is read when.
use runtime::{Commit, RecordBatch, embedded::EmbeddedLog};
use schemas::{raw::RawEvent, wire};
use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
};
use topics::{Policy, partition_of, raw_topic};

/// A log as the harness needs it.
pub trait Store {
    fn append(&mut self, commit: Commit);
    /// What is there from an offset on, in at most so many records and as one chunk; its `next` is past what was looked at.
    fn read(&mut self, topic: &str, partition: i32, from: i64, records: usize) -> RecordBatch;
    fn end(&mut self, topic: &str, partition: i32) -> i64;
    fn position(&self, group: &str, topic: &'static str, partition: i32) -> i64;
    /// Compacts something below the least position of its readers, or trims a stream so; `draw` chooses.
    fn compact(&mut self, draw: usize, readers: &Readers);
    /// The process ends and another opens the same log.
    fn reopen(&mut self) {}
}

/// Every group with the topics that it reads.
pub type Readers = Vec<(String, Vec<&'static str>)>;

/// Everything in a topic from the start.
pub fn whole(log: &mut impl Store, topic: &str, partition: i32) -> RecordBatch {
    log.read(topic, partition, 0, usize::MAX)
}

/// Appends raw events as ingest does.
pub fn append_raw(log: &mut impl Store, events: &[RawEvent]) {
    let mut commit = Commit::default();
    for event in events {
        let topic = raw_topic(event.feed).info;
        let at = (topic.name.to_owned(), partition_of(&event.key, topic.partitions));
        let value = wire::encode(event).unwrap();
        commit.out.entry(at).or_default().push(&event.key, Some(&value));
    }
    log.append(commit);
}

type Stored = (i64, String, Option<Vec<u8>>);
/// A log in memory.
#[derive(Clone, Default)]
pub struct MemoryLog {
    topics: HashMap<String, BTreeMap<i32, (Vec<Stored>, i64)>>,
    pub positions: BTreeMap<(String, &'static str, i32), i64>,
}
impl MemoryLog {
    /// Forgets what one processor has done, and keeps all else.
    pub fn forget(&mut self, group: &str, topics: &[String]) {
        topics.iter().for_each(|topic| _ = self.topics.remove(topic));
        self.positions.retain(|(of, ..), _| of != group);
    }
    /// Compacts every table to its end, as retention does to a reader that is away too long.
    pub fn compact_tables(&mut self) {
        for topic in topics::ALL.iter().filter(|topic| topic.policy == Policy::Compact) {
            (0..topic.partitions).for_each(|p| self.compact_partition(topic.name, p, i64::MAX));
        }
    }
    fn compact_partition(&mut self, name: &str, partition: i32, below: i64) {
        let Some((records, _)) = self.topics.get_mut(name).and_then(|p| p.get_mut(&partition)) else {
            return;
        };
        if policy(name) == Policy::Delete {
            records.retain(|(offset, ..)| *offset >= below);
            return;
        }
        let mut newest: HashMap<String, i64> = HashMap::new();
        let read = records.iter().filter(|(offset, ..)| *offset < below);
        read.for_each(|(offset, key, _)| _ = newest.insert(key.clone(), *offset));
        records.retain(|(offset, key, value)| {
            *offset >= below || value.is_some() && newest.get(key) == Some(offset)
        });
    }
}
impl Store for MemoryLog {
    fn append(&mut self, commit: Commit) {
        for ((topic, partition), record_batch) in commit.out {
            let (records, end) = self.topics.entry(topic).or_default().entry(partition).or_default();
            for record in record_batch.rebased(*end).records().map(Result::unwrap) {
                assert_eq!(record.offset, *end, "offsets are given one by one");
                records.push((record.offset, record.key.to_owned(), record.value.map(<[u8]>::to_vec)));
                *end += 1;
            }
        }
        for ((topic, partition), next) in commit.next {
            let known = self.positions.entry((commit.group.clone(), topic, partition)).or_default();
            assert!(next >= *known, "{} goes back in {topic}/{partition}", commit.group);
            *known = next;
        }
    }
    fn read(&mut self, topic: &str, partition: i32, from: i64, limit: usize) -> RecordBatch {
        let mut record_batch = RecordBatch::at(from);
        let Some((records, end)) = self.topics.get(topic).and_then(|p| p.get(&partition)) else {
            return record_batch;
        };
        let first = records.partition_point(|(offset, ..)| *offset < from);
        let rest = &records[first..];
        for (offset, key, value) in rest.iter().take(limit) {
            record_batch.push_at(*offset, key, value.as_deref());
        }
        match rest.len() > limit {
            true => record_batch,
            // What compaction took at the end leaves a gap, which is read as no records.
            false => RecordBatch::from_parts(
                from,
                (*end).max(from),
                record_batch.len(),
                record_batch.bytes().to_vec(),
            ),
        }
    }
    fn end(&mut self, topic: &str, partition: i32) -> i64 {
        self.topics.get(topic).and_then(|p| p.get(&partition)).map_or(0, |(_, end)| *end)
    }
    fn position(&self, group: &str, topic: &'static str, partition: i32) -> i64 {
        self.positions.get(&(group.to_owned(), topic, partition)).copied().unwrap_or(0)
    }
    fn compact(&mut self, draw: usize, readers: &Readers) {
        let mut all: Vec<(String, i32)> = self
            .topics
            .iter()
            .filter(|(name, _)| policy(name) != Policy::Keep && *name != topics::LEDGER.info.name)
            .flat_map(|(name, partitions)| partitions.keys().map(|p| (name.clone(), *p)))
            .collect();
        all.sort();
        let Some((name, partition)) = all.get(draw % all.len().max(1)) else { return };
        let reads = readers.iter().filter_map(|(group, inputs)| {
            let input = inputs.iter().find(|input| *input == name)?;
            Some(self.position(group, input, *partition))
        });
        let below = reads.min().unwrap_or(i64::MAX);
        self.compact_partition(name, *partition, below);
    }
}
fn policy(name: &str) -> Policy {
    match topics::ALL.iter().find(|topic| topic.name == name) {
        Some(topic) => topic.policy,
        None if name.ends_with(".changelog") => Policy::Compact,
        None => Policy::Keep,
    }
}

/// The embedded log, in a folder of its own.
pub struct OnDisk {
    log: EmbeddedLog,
    folder: PathBuf,
}
impl OnDisk {
    pub fn new(folder: PathBuf) -> Self {
        let mut log = EmbeddedLog::open(&folder).unwrap();
        for node in fastbreak::topology::topology(processors::predictor::Predictor::new(None)) {
            log.register(&node.group(), &node.inputs()).unwrap();
        }
        OnDisk { log, folder }
    }
}
impl Store for OnDisk {
    fn append(&mut self, commit: Commit) {
        self.log.commit(commit).unwrap();
    }
    fn read(&mut self, topic: &str, partition: i32, from: i64, limit: usize) -> RecordBatch {
        let bytes = if limit == usize::MAX { usize::MAX } else { 1 };
        let mut some = RecordBatch::at(from);
        let mut next = from;
        for record_batch in self.log.read(topic, partition, from, bytes).unwrap() {
            next = record_batch.next();
            for record in record_batch.records().map(Result::unwrap) {
                if some.len() as usize == limit {
                    return some;
                }
                some.push_at(record.offset, record.key, record.value);
            }
        }
        RecordBatch::from_parts(from, next, some.len(), some.bytes().to_vec())
    }
    fn end(&mut self, topic: &str, partition: i32) -> i64 {
        self.log.end_offsets().unwrap().get(&(topic.to_owned(), partition)).copied().unwrap_or(0)
    }
    fn position(&self, group: &str, topic: &'static str, partition: i32) -> i64 {
        self.log.committed_offsets(group).unwrap().get(&(topic.to_owned(), partition)).copied().unwrap_or(0)
    }
    fn compact(&mut self, _: usize, _: &Readers) {
        self.log.compact_one(Some(1)).unwrap();
    }
    fn reopen(&mut self) {
        self.log = EmbeddedLog::open(&self.folder).unwrap();
    }
}
