//! Logs on which the harness runs: one in memory, and the embedded log.
//!
//! Invariant: an offset is assigned once and never changes; a commit is appended as a whole.
//! Not here: the order in which partitions are read (`harness`).
use fastbreak::topology::topology;
use processors::predictor::Predictor;
use runtime::{Commit, LogReader, LogWriter, RecordBatch, engine::dlq_topic};
use runtime_embedded::EmbeddedLog;
use schemas::{
    raw::{DeadLetter, RawEvent},
    wire,
};
use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
};
use topics::{Offset, PARTITIONS, Policy, TopicInfo, TopicPartition, partition_of, raw_topic};

/// The operations of a log that the harness needs.
pub trait TestLog {
    fn append(&mut self, commit: Commit);
    /// Reads at most `max_records` records from an offset on as one batch; `next` of the batch is the offset at which the next read starts.
    fn read(&mut self, partition: TopicPartition, from: Offset, max_records: usize) -> RecordBatch;
    /// Returns all dead letters of a processor.
    fn dead_letters(&mut self, processor: &str) -> Vec<DeadLetter>;
    fn end_offset(&mut self, partition: TopicPartition) -> Offset;
    /// Returns the committed offset of a group; 0 if the group has not committed yet.
    fn committed_offset(&mut self, group: &str, partition: TopicPartition) -> Offset;
    /// Chooses a partition by the random number `draw`. Compacts it if its topic is a table; deletes its records if its topic is a stream.
    /// Changes only records below the smallest committed offset of the groups that read the partition.
    fn compact(&mut self, draw: usize, groups: &GroupInputs);
    /// Opens the log again, as a new process does after this one has ended.
    fn reopen(&mut self) {}
}

/// Consumer groups with the topics that they read.
pub type GroupInputs = Vec<(String, Vec<&'static str>)>;

/// Returns all partitions of a topic.
pub fn partitions(topic: TopicInfo) -> impl Iterator<Item = TopicPartition> {
    (0..topic.partitions).map(move |partition| TopicPartition::new(topic.name, partition))
}

/// Reads all records of a partition.
pub fn read_all(log: &mut impl TestLog, partition: TopicPartition) -> RecordBatch {
    log.read(partition, 0, usize::MAX)
}

/// Appends raw events to the raw topics, as the command `ingest` does.
pub fn append_raw(log: &mut impl TestLog, events: &[RawEvent]) {
    let mut commit = Commit::default();
    for event in events {
        let topic = raw_topic(event.feed).info;
        let partition = TopicPartition::new(topic.name, partition_of(&event.key, topic.partitions));
        commit.append(partition, &event.key, Some(&wire::encode(event).unwrap()));
    }
    log.append(commit);
}

/// Offset, key and value of a record.
type StoredRecord = (Offset, String, Option<Vec<u8>>);

#[derive(Clone, Default)]
struct MemoryPartition {
    records: Vec<StoredRecord>,
    end_offset: Offset,
}
impl MemoryPartition {
    fn append(&mut self, batch: RecordBatch) {
        for record in batch.rebased(self.end_offset).records().map(Result::unwrap) {
            assert_eq!(record.offset, self.end_offset, "the appended batch has an offset gap");
            self.records.push((record.offset, record.key.to_owned(), record.value.map(<[u8]>::to_vec)));
            self.end_offset += 1;
        }
    }
    /// Compacts the records below an offset: keeps the newest record of each key, unless this record is a tombstone. Keeps all records at
    /// or above the offset.
    fn compact(&mut self, below: Offset) {
        let mut newest: HashMap<String, Offset> = HashMap::new();
        for (offset, key, _) in self.records.iter().filter(|(offset, ..)| *offset < below) {
            newest.insert(key.clone(), *offset);
        }
        self.records.retain(|(offset, key, value)| {
            *offset >= below || value.is_some() && newest.get(key) == Some(offset)
        });
    }
}

/// A log in memory. It stores dead letters as the embedded log does: encoded, with the key of the rejected record.
#[derive(Clone, Default)]
pub struct MemoryLog {
    partitions: BTreeMap<TopicPartition, MemoryPartition>,
    committed_offsets: BTreeMap<(String, TopicPartition), Offset>,
}
impl MemoryLog {
    /// Deletes topics, and the committed offsets of a group.
    pub fn delete(&mut self, group: &str, topics: &[&str]) {
        self.partitions.retain(|partition, _| !topics.contains(&partition.topic));
        self.committed_offsets.retain(|(name, _), _| name != group);
    }
    /// Compacts every table to its end. This is the state in which a consumer group finds the tables if it was stopped for longer than
    /// tombstones are retained.
    pub fn compact_tables(&mut self) {
        for topic in topics::ALL.iter().filter(|topic| topic.policy == Policy::Compact) {
            for partition in partitions(*topic) {
                self.compact_partition(partition, Offset::MAX);
            }
        }
    }
    fn compact_partition(&mut self, partition: TopicPartition, below: Offset) {
        let Some(stored) = self.partitions.get_mut(&partition) else { return };
        if policy(partition.topic) == Policy::Delete {
            stored.records.retain(|(offset, ..)| *offset >= below);
        } else {
            stored.compact(below);
        }
    }
    fn committed(&self, group: &str, partition: TopicPartition) -> Offset {
        self.committed_offsets.get(&(group.to_owned(), partition)).copied().unwrap_or(0)
    }
}
impl TestLog for MemoryLog {
    fn append(&mut self, commit: Commit) {
        for (partition, batch) in commit.records {
            self.partitions.entry(partition).or_default().append(batch);
        }
        for (partition, dead_letters) in commit.dead_letters {
            assert!(partition.topic.ends_with(".dlq"), "{partition} is not a dead-letter queue");
            let mut batch = RecordBatch::default();
            for dead_letter in dead_letters {
                batch.push(&dead_letter.key, Some(&wire::encode(&dead_letter).unwrap()));
            }
            self.partitions.entry(partition).or_default().append(batch);
        }
        for (partition, next) in commit.offsets {
            let committed = self.committed_offsets.entry((commit.group.clone(), partition)).or_default();
            assert!(next >= *committed, "{} lowers its committed offset in {partition}", commit.group);
            *committed = next;
        }
    }
    fn read(&mut self, partition: TopicPartition, from: Offset, max_records: usize) -> RecordBatch {
        let mut batch = RecordBatch::at(from);
        let Some(MemoryPartition { records, end_offset }) = self.partitions.get(&partition) else {
            return batch;
        };
        let unread = &records[records.partition_point(|(offset, ..)| *offset < from)..];
        for (offset, key, value) in unread.iter().take(max_records) {
            batch.push_at(*offset, key, value.as_deref());
        }
        if unread.len() > max_records {
            return batch;
        }
        // Compaction may leave an offset gap at the end. The batch includes this gap, so that its `next` is the end offset.
        RecordBatch::from_parts(from, (*end_offset).max(from), batch.len(), batch.bytes().to_vec())
    }
    fn dead_letters(&mut self, processor: &str) -> Vec<DeadLetter> {
        let mut dead_letters = Vec::new();
        for partition in 0..PARTITIONS {
            let batch = read_all(self, TopicPartition::new(dlq_topic(processor), partition));
            for record in batch.records().map(Result::unwrap) {
                let dead_letter: DeadLetter = wire::decode(record.value.unwrap()).unwrap();
                assert_eq!(
                    record.key, dead_letter.key,
                    "a dead letter must have the key of its rejected record"
                );
                dead_letters.push(dead_letter);
            }
        }
        dead_letters
    }
    fn end_offset(&mut self, partition: TopicPartition) -> Offset {
        self.partitions.get(&partition).map_or(0, |stored| stored.end_offset)
    }
    fn committed_offset(&mut self, group: &str, partition: TopicPartition) -> Offset {
        self.committed(group, partition)
    }
    fn compact(&mut self, draw: usize, groups: &GroupInputs) {
        let is_candidate = |topic: &str| policy(topic) != Policy::Keep && topic != topics::LEDGER.info.name;
        let candidates: Vec<TopicPartition> =
            self.partitions.keys().copied().filter(|partition| is_candidate(partition.topic)).collect();
        let Some(partition) = candidates.get(draw % candidates.len().max(1)) else { return };
        let readers = groups.iter().filter(|(_, inputs)| inputs.contains(&partition.topic));
        let below = readers.map(|(group, _)| self.committed(group, *partition)).min();
        self.compact_partition(*partition, below.unwrap_or(Offset::MAX));
    }
}

fn policy(name: &str) -> Policy {
    match topics::ALL.iter().find(|topic| topic.name == name) {
        Some(topic) => topic.policy,
        None if name.ends_with(".changelog") => Policy::Compact,
        None => Policy::Keep,
    }
}

/// The embedded log in a folder.
pub struct FileLog {
    log: EmbeddedLog,
    folder: PathBuf,
}
impl FileLog {
    pub fn open(folder: PathBuf) -> Self {
        let mut log = EmbeddedLog::open(&folder).unwrap();
        for node in topology(Predictor::new(None)) {
            log.register_group(&node.group(), &node.inputs()).unwrap();
        }
        FileLog { log, folder }
    }
}
impl TestLog for FileLog {
    fn append(&mut self, commit: Commit) {
        self.log.append(commit).unwrap();
    }
    fn read(&mut self, partition: TopicPartition, from: Offset, max_records: usize) -> RecordBatch {
        let max_bytes = if max_records == usize::MAX { usize::MAX } else { 1 };
        let mut batch = RecordBatch::at(from);
        let mut next = from;
        for stored in self.log.read(partition, from, max_bytes).unwrap() {
            next = stored.next();
            for record in stored.records().map(Result::unwrap) {
                if batch.len() as usize == max_records {
                    return batch;
                }
                batch.push_at(record.offset, record.key, record.value);
            }
        }
        RecordBatch::from_parts(from, next, batch.len(), batch.bytes().to_vec())
    }
    fn dead_letters(&mut self, processor: &str) -> Vec<DeadLetter> {
        let partitions = 0..PARTITIONS;
        let records =
            partitions.flat_map(|partition| self.log.dead_letters(processor, partition, 0).unwrap());
        records.map(|record| record.dead_letter).collect()
    }
    fn end_offset(&mut self, partition: TopicPartition) -> Offset {
        self.log.end_offsets(&[partition.topic]).unwrap().get(&partition).copied().unwrap_or(0)
    }
    fn committed_offset(&mut self, group: &str, partition: TopicPartition) -> Offset {
        let offsets = self.log.committed_offsets(group, &[partition.topic]).unwrap();
        offsets.get(&partition).copied().unwrap_or(0)
    }
    fn compact(&mut self, _: usize, _: &GroupInputs) {
        self.log.compact_one(Some(1)).unwrap();
    }
    fn reopen(&mut self) {
        self.log = EmbeddedLog::open(&self.folder).unwrap();
    }
}
