//! Views: processors whose memory is derived tables.
//!
//! Records mark the slots they can reach; at the commit each such slot is derived once, and published when it differs from what
//! stands. The changelog keeps each observation that adds to the memory, as it came, and per published row its hash.
//! On assignment the changelog and the input tables are loaded to their ends and every slot known or published is derived once
//! more, so rows that compaction took, expired tombstones and changed code heal alike.
//! Invariant: what stands published is `derive` of the tables at the last commit.
//! Not here: what is derived.
use super::{
    ProcessorNode, append_ledger_entry, changelog_topic,
    codec::{Input, Output, ParseOutputKey},
};
use crate::{
    log::{Commit, Restored, RuntimeError, TopicPartition},
    record_batch::{Record, RecordBatch},
};
use processors::materialized_view::{MaterializedView, ParkedItem, StateChange};
use rustc_hash::FxHashMap;
use schemas::ops::LedgerEntry;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    str::FromStr,
};
use topics::{TopicInfo, partition_of};

/// The changelog key of the number of parked records.
const PARKED_COUNT: &str = "parked-count";

/// What stands published for a slot.
struct PublishedHash {
    hash: u64,
    topic: &'static str,
    key: String,
}
/// A record read since the last commit: its slots are those up to `affected`, from the record before.
struct Read {
    affected: usize,
    adds: bool,
}

/// One partition of a view.
struct Partition<V: MaterializedView> {
    keys: FxHashMap<V::Key, V::Tables>,
    published: FxHashMap<V::OutputKey, PublishedHash>,
    /// Records that wait, by the slot they wait under.
    parked: FxHashMap<V::OutputKey, u32>,
    /// How many the ledger has as parked.
    parked_count: i64,
    dirty: FxHashMap<V::OutputKey, u32>,
    output_keys: Vec<V::OutputKey>,
    affected: Vec<u32>,
    reads: Vec<Read>,
    changelog: RecordBatch,
}
impl<V: MaterializedView> Default for Partition<V> {
    fn default() -> Self {
        Partition {
            keys: HashMap::default(),
            published: HashMap::default(),
            parked: HashMap::default(),
            parked_count: 0,
            dirty: HashMap::default(),
            output_keys: Vec::new(),
            affected: Vec::new(),
            reads: Vec::new(),
            changelog: RecordBatch::default(),
        }
    }
}
impl<V: MaterializedView> Partition<V> {
    fn apply(&mut self, view: &V, input: V::In) -> Option<(V::Key, StateChange)> {
        let key = view.key(&input)?;
        let Partition { keys, dirty, output_keys, affected, .. } = self;
        let tables = keys.entry(key.clone()).or_default();
        let merged =
            view.apply(tables, input, &mut |output_key| invalidate(dirty, output_keys, affected, output_key));
        Some((key, merged))
    }
}

fn invalidate<S: Clone + std::hash::Hash + Eq>(
    dirty: &mut FxHashMap<S, u32>,
    output_keys: &mut Vec<S>,
    affected: &mut Vec<u32>,
    output_key: S,
) {
    let id = *dirty.entry(output_key.clone()).or_insert_with(|| {
        output_keys.push(output_key);
        (output_keys.len() - 1) as u32
    });
    affected.push(id);
}

/// A view with its topics.
pub struct MaterializedViewNode<V: MaterializedView> {
    view: V,
    inputs: Vec<Input<V::In>>,
    outputs: Vec<Output<V::Out>>,
    parse_output_key: ParseOutputKey<V::Key, V::OutputKey>,
    partitions: BTreeMap<i32, Partition<V>>,
    next: BTreeMap<TopicPartition, i64>,
    restored: bool,
    scratch: Vec<u8>,
}

impl<V: MaterializedView> MaterializedViewNode<V>
where
    V::Key: std::fmt::Display + FromStr,
    V::Out: 'static,
{
    pub fn new(
        view: V,
        inputs: Vec<Input<V::In>>,
        outputs: Vec<Output<V::Out>>,
        parse_output_key: ParseOutputKey<V::Key, V::OutputKey>,
    ) -> Self {
        MaterializedViewNode {
            view,
            inputs,
            outputs,
            parse_output_key,
            partitions: BTreeMap::new(),
            next: BTreeMap::new(),
            restored: false,
            scratch: Vec::new(),
        }
    }
    fn decode(
        &self,
        topic: &str,
        partition: i32,
        record: Record<'_>,
    ) -> Result<(usize, V::In), RuntimeError> {
        let runtime_error = |reason: String| RuntimeError::Undecodable {
            processor: V::NAME.into(),
            topic: topic.into(),
            partition,
            offset: record.offset,
            reason,
        };
        let index = self.inputs.iter().position(|input| input.topic.name == topic);
        let index = index.ok_or_else(|| runtime_error("not an input of this processor".into()))?;
        let input = self.inputs[index].decode(record.key, record.value);
        Ok((index, input.map_err(|unreadable| runtime_error(unreadable.reason))?))
    }
    /// Loads the changelog: kept observations, and marks of what stands.
    fn load(
        &mut self,
        partition: i32,
        held: &mut Partition<V>,
        changelog: &[RecordBatch],
    ) -> Result<(), RuntimeError> {
        let topic = changelog_topic(V::NAME);
        let mut newest: FxHashMap<&str, Record<'_>> = HashMap::default();
        for record_batch in changelog {
            for record in record_batch.records() {
                let record = record?;
                match record.value {
                    Some(_) => _ = newest.insert(record.key, record),
                    None => _ = newest.remove(record.key),
                }
            }
        }
        for record in newest.into_values() {
            let runtime_error = |reason: &str| RuntimeError::Undecodable {
                processor: V::NAME.into(),
                topic: topic.clone(),
                partition,
                offset: record.offset,
                reason: reason.into(),
            };
            if record.key == PARKED_COUNT {
                let bytes = record.value.and_then(|bytes| bytes.try_into().ok());
                held.parked_count =
                    bytes.map(i64::from_le_bytes).ok_or_else(|| runtime_error("no parked count"))?;
                continue;
            }
            let (kind, rest) = record.key.split_once('|').ok_or_else(|| runtime_error("no kind"))?;
            let (input, rest) = rest.split_once('|').ok_or_else(|| runtime_error("no topic"))?;
            let (view_key, rest) = rest.split_once('|').ok_or_else(|| runtime_error("no key"))?;
            match kind {
                "retained" => {
                    let (_, input) = self.decode(input, partition, record)?;
                    held.apply(&self.view, input);
                }
                "published" => {
                    let key: V::Key = view_key.parse().map_err(|_| runtime_error("no key of this view"))?;
                    let hash = record.value.and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
                    let hash = hash.ok_or_else(|| runtime_error("no hash"))?;
                    let output = self.outputs.iter().find(|output| output.topic.name == input);
                    let output = output.ok_or_else(|| runtime_error("not an output of this processor"))?;
                    let output_key = (self.parse_output_key)(input, rest, &key)
                        .ok_or_else(|| runtime_error("no output key of this view"))?;
                    held.published.insert(
                        output_key,
                        PublishedHash { hash, topic: output.topic.name, key: rest.to_owned() },
                    );
                }
                _ => return Err(runtime_error("neither retained nor published")),
            }
        }
        Ok(())
    }
    /// Derives what was reached, appends what differs, and accounts for the records read.
    fn recompute(
        &mut self,
        held: &mut Partition<V>,
        commit: &mut Commit,
        entry: &mut LedgerEntry,
    ) -> Result<(), RuntimeError> {
        let mut order: Vec<u32> = (0..held.output_keys.len() as u32).collect();
        order.sort_unstable_by(|a, b| held.output_keys[*a as usize].cmp(&held.output_keys[*b as usize]));
        let mut published = vec![false; order.len()];
        let mut waits = vec![false; order.len()];
        for id in order {
            let output_key = &held.output_keys[id as usize];
            let view_key = self.view.key_of(output_key);
            let tables = held.keys.get(&view_key);
            let (records, _) = tables.map_or((0, Vec::new()), |tables| self.view.parked(tables, output_key));
            match records > 0 {
                true => _ = held.parked.insert(output_key.clone(), records),
                false => _ = held.parked.remove(output_key),
            }
            waits[id as usize] = records > 0;
            let out = tables.and_then(|tables| self.view.derive(tables, output_key));
            let (row, hash) = match out {
                Some(out) => {
                    let (topic, key, canonical) = encode(&mut self.outputs, &out, &mut self.scratch)?;
                    (Some((topic, key)), hash(&mut self.scratch, canonical))
                }
                None => (None, 0),
            };
            let stands = held.published.get(output_key);
            if stands.map(|published_hash| (published_hash.hash, &published_hash.key))
                == row.as_ref().map(|(_, key)| (hash, key))
            {
                continue;
            }
            published[id as usize] = true;
            let published_key = |topic: &str, key: &str| format!("published|{topic}|{view_key}|{key}");
            let mut send = |topic: TopicInfo, key: &str, value: Option<&[u8]>| {
                let at = (topic.name.to_owned(), partition_of(key, topic.partitions));
                commit.out.entry(at).or_default().push(key, value);
                entry.published += 1;
            };
            if let Some(published_hash) = stands
                && row.as_ref().is_none_or(|(_, key)| *key != published_hash.key)
                && let Some(output) =
                    self.outputs.iter().find(|output| output.topic.name == published_hash.topic)
            {
                send(output.topic, &published_hash.key, None);
                held.changelog.push(&published_key(published_hash.topic, &published_hash.key), None);
            }
            match row {
                Some((topic, key)) => {
                    send(topic, &key, Some(&self.scratch));
                    held.changelog.push(&published_key(topic.name, &key), Some(&hash.to_le_bytes()));
                    held.published.insert(output_key.clone(), PublishedHash { hash, topic: topic.name, key });
                }
                None => _ = held.published.remove(output_key),
            }
        }
        let mut first = 0;
        let mut unchanged = 0;
        for read in &held.reads {
            let mut output_keys = held.affected[first..read.affected].iter();
            let counts = output_keys.any(|id| published[*id as usize] || read.adds && waits[*id as usize]);
            unchanged += i64::from(!counts);
            first = read.affected;
        }
        let read = held.reads.len() as i64;
        entry.read += read;
        let parked: i64 = held.parked.values().map(|records| i64::from(*records)).sum();
        let moved = parked - held.parked_count;
        if moved != 0 {
            held.parked_count = parked;
            held.changelog.push(PARKED_COUNT, Some(&parked.to_le_bytes()));
        }
        entry.unchanged += unchanged;
        entry.parked += moved;
        entry.applied += read - unchanged - moved;
        held.dirty.clear();
        held.output_keys.clear();
        held.affected.clear();
        held.reads.clear();
        Ok(())
    }
}

fn encode<O: 'static>(
    outputs: &mut [Output<O>],
    out: &O,
    scratch: &mut Vec<u8>,
) -> Result<(TopicInfo, String, [u8; 5]), RuntimeError> {
    for output in outputs {
        scratch.clear();
        if let Some(key) = output.encode(out, scratch) {
            let topic = output.topic;
            let runtime_error = |reason| RuntimeError::Unencodable {
                processor: topic.event.into(),
                topic: topic.name.into(),
                reason,
            };
            return key.map(|key| (topic, key, (output.canonical_frame)())).map_err(runtime_error);
        }
    }
    Err(RuntimeError::Unencodable {
        processor: "view".into(),
        topic: "none".into(),
        reason: "an output has no topic".into(),
    })
}

/// The hash of a record, whatever id its frame has: with another registry, or none, the same rows stand.
fn hash(record: &mut [u8], canonical: [u8; 5]) -> u64 {
    let written = record.first_chunk_mut().map(|frame| std::mem::replace(frame, canonical));
    let mut first = [0; 8];
    first.copy_from_slice(&blake3::hash(record).as_bytes()[..8]);
    if let (Some(frame), Some(written)) = (record.first_chunk_mut(), written) {
        *frame = written;
    }
    u64::from_le_bytes(first)
}

impl<V: MaterializedView> ProcessorNode for MaterializedViewNode<V>
where
    V::Key: std::fmt::Display + FromStr,
    V::Out: 'static,
{
    fn name(&self) -> &'static str {
        V::NAME
    }
    fn group(&self) -> String {
        V::NAME.to_owned()
    }
    fn inputs(&self) -> Vec<TopicInfo> {
        self.inputs.iter().map(|input| input.topic).collect()
    }
    fn outputs(&self) -> Vec<TopicInfo> {
        self.outputs.iter().map(|output| output.topic).collect()
    }
    fn is_view(&self) -> bool {
        true
    }
    fn assign(&mut self, partition: i32, restored: Restored) -> Result<(), RuntimeError> {
        let mut held = Partition::default();
        self.load(partition, &mut held, &restored.changelog)?;
        held.affected.clear();
        for (topic, record_batches) in &restored.tables {
            let committed = restored.next.get(topic).copied().unwrap_or(0);
            for record_batch in record_batches {
                for record in record_batch.records() {
                    let record = record?;
                    let (_, input) = self.decode(topic, partition, record)?;
                    // Rows re-read are not counted; those past the position are read now.
                    let (first, is_new) = (held.affected.len(), record.offset >= committed);
                    held.apply(&self.view, input);
                    match is_new {
                        true => held.reads.push(Read { affected: held.affected.len(), adds: true }),
                        false => held.affected.truncate(first),
                    }
                }
                if record_batch.next() > committed {
                    self.next.insert((*topic, partition), record_batch.next());
                }
            }
        }
        let mut all_keys: Vec<V::OutputKey> = held.published.keys().cloned().collect();
        held.keys
            .values()
            .for_each(|tables| self.view.all_keys(tables, &mut |output_key| all_keys.push(output_key)));
        let reads = held.affected.len();
        all_keys.into_iter().for_each(|output_key| {
            invalidate(&mut held.dirty, &mut held.output_keys, &mut held.affected, output_key)
        });
        held.affected.truncate(reads);
        self.restored |= !held.output_keys.is_empty();
        self.partitions.insert(partition, held);
        Ok(())
    }
    fn revoke(&mut self, partition: i32) {
        self.partitions.remove(&partition);
    }
    fn reset(&mut self) {
        self.partitions.clear();
        self.next.clear();
        self.restored = false;
    }
    fn process(
        &mut self,
        topic: &str,
        partition: i32,
        record_batch: &RecordBatch,
    ) -> Result<(), RuntimeError> {
        let mut held = self.partitions.remove(&partition).unwrap_or_default();
        for record in record_batch.records() {
            let record = record?;
            let (index, input) = self.decode(topic, partition, record)?;
            let mut adds = true;
            if let Some((key, merged)) = held.apply(&self.view, input) {
                match merged {
                    StateChange::RowReplaced => {}
                    StateChange::Unchanged => adds = false,
                    StateChange::Retained(id) => {
                        let name = self.inputs[index].topic.name;
                        held.changelog.push(&format!("retained|{name}|{key}|{id}"), record.value);
                    }
                }
            }
            held.reads.push(Read { affected: held.affected.len(), adds });
        }
        let input = self.inputs.iter().find(|input| input.topic.name == topic);
        if let Some(input) = input {
            self.next.insert((input.topic.name, partition), record_batch.next());
        }
        self.partitions.insert(partition, held);
        Ok(())
    }
    fn has_pending(&self) -> bool {
        self.restored || !self.next.is_empty()
    }
    fn take_commit(&mut self) -> Result<Commit, RuntimeError> {
        let mut commit = Commit { group: self.group(), ..Commit::default() };
        let mut entry = LedgerEntry { processor: V::NAME.into(), ..LedgerEntry::default() };
        let partitions = std::mem::take(&mut self.partitions);
        for (partition, mut held) in partitions {
            self.recompute(&mut held, &mut commit, &mut entry)?;
            if !held.changelog.is_empty() {
                commit.out.insert((changelog_topic(V::NAME), partition), std::mem::take(&mut held.changelog));
            }
            self.partitions.insert(partition, held);
        }
        commit.next = std::mem::take(&mut self.next);
        self.restored = false;
        if entry != (LedgerEntry { processor: V::NAME.into(), ..LedgerEntry::default() }) {
            append_ledger_entry(&mut commit, &entry)?;
        }
        Ok(commit)
    }
    fn published(&self) -> BTreeMap<&'static str, u64> {
        let mut published: BTreeMap<&'static str, HashSet<&str>> = BTreeMap::new();
        for published_hash in self.partitions.values().flat_map(|held| held.published.values()) {
            published.entry(published_hash.topic).or_default().insert(&published_hash.key);
        }
        published.into_iter().map(|(topic, keys)| (topic, keys.len() as u64)).collect()
    }
    fn parked(&self) -> (i64, Vec<ParkedItem>) {
        let (mut records, mut waiting) = (0, Vec::new());
        for held in self.partitions.values() {
            for tables in held.keys.values() {
                self.view.all_keys(tables, &mut |output_key| {
                    let (n, what) = self.view.parked(tables, &output_key);
                    records += i64::from(n);
                    waiting.extend(what);
                });
            }
        }
        waiting.sort_unstable();
        (records, waiting)
    }
}
