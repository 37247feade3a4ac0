//! Logs that the harness can run on: one in memory, and the embedded one.
//!
//! Invariant: offsets are given once and never change; a commit is appended whole.
//! Not here: what is read when.
use runtime::{Chunk, Commit, embedded::EmbeddedLog};
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
    fn read(&mut self, topic: &str, partition: i32, from: i64, records: usize) -> Chunk;
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
pub fn whole(log: &mut impl Store, topic: &str, partition: i32) -> Chunk {
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
}
impl Store for MemoryLog {
    fn append(&mut self, commit: Commit) {
        for ((topic, partition), chunk) in commit.out {
            let (records, end) = self.topics.entry(topic).or_default().entry(partition).or_default();
            for record in chunk.rebased(*end).records().map(Result::unwrap) {
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
    fn read(&mut self, topic: &str, partition: i32, from: i64, limit: usize) -> Chunk {
        let mut chunk = Chunk::at(from);
        let Some((records, end)) = self.topics.get(topic).and_then(|p| p.get(&partition)) else {
            return chunk;
        };
        let first = records.partition_point(|(offset, ..)| *offset < from);
        let rest = &records[first..];
        for (offset, key, value) in rest.iter().take(limit) {
            chunk.push_at(*offset, key, value.as_deref());
        }
        match rest.len() > limit {
            true => chunk,
            // What compaction took at the end leaves a gap, which is read as no records.
            false => Chunk::from_parts(from, (*end).max(from), chunk.len(), chunk.bytes().to_vec()),
        }
    }
    fn end(&mut self, topic: &str, partition: i32) -> i64 {
        self.topics.get(topic).and_then(|p| p.get(&partition)).map_or(0, |(_, end)| *end)
    }
    fn position(&self, group: &str, topic: &'static str, partition: i32) -> i64 {
        self.positions.get(&(group.to_owned(), topic, partition)).copied().unwrap_or(0)
    }
    fn compact(&mut self, draw: usize, readers: &Readers) {
        let policy = |name: &str| match topics::ALL.iter().find(|topic| topic.name == name) {
            Some(topic) => topic.policy,
            None if name.ends_with(".changelog") => Policy::Compact,
            None => Policy::Keep,
        };
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
        let (records, _) = self.topics.get_mut(name).unwrap().get_mut(partition).unwrap();
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

/// The embedded log, in a folder of its own.
pub struct OnDisk {
    log: EmbeddedLog,
    folder: PathBuf,
}
impl OnDisk {
    pub fn new(folder: PathBuf) -> Self {
        OnDisk { log: EmbeddedLog::open(&folder).unwrap(), folder }
    }
}
impl Store for OnDisk {
    fn append(&mut self, commit: Commit) {
        self.log.commit(commit).unwrap();
    }
    fn read(&mut self, topic: &str, partition: i32, from: i64, limit: usize) -> Chunk {
        let bytes = if limit == usize::MAX { usize::MAX } else { 1 };
        let mut some = Chunk::at(from);
        let mut next = from;
        for chunk in self.log.read(topic, partition, from, bytes).unwrap() {
            next = chunk.next();
            for record in chunk.records().map(Result::unwrap) {
                if some.len() as usize == limit {
                    return some;
                }
                some.push_at(record.offset, record.key, record.value);
            }
        }
        Chunk::from_parts(from, next, some.len(), some.bytes().to_vec())
    }
    fn end(&mut self, topic: &str, partition: i32) -> i64 {
        self.log.ends().unwrap().get(&(topic.to_owned(), partition)).copied().unwrap_or(0)
    }
    fn position(&self, group: &str, topic: &'static str, partition: i32) -> i64 {
        self.log.positions(group).unwrap().get(&(topic.to_owned(), partition)).copied().unwrap_or(0)
    }
    fn compact(&mut self, _: usize, _: &Readers) {
        self.log.compact_one(Some(1)).unwrap();
    }
    fn reopen(&mut self) {
        self.log = EmbeddedLog::open(&self.folder).unwrap();
    }
}
