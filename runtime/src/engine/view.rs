//! Views: processors whose memory is derived tables.
//!
//! Records mark the slots they can reach; at the commit each such slot is derived once, and published when it differs from what
//! stands. The changelog keeps each sighting that adds to the memory, as it came, and per published row its hash.
//! On assignment the changelog and the input tables are loaded to their ends and every slot known or published is derived once
//! more, so rows that compaction took, expired tombstones and changed code heal alike.
//! Invariant: what stands published is `derive` of the tables at the last commit.
//! Not here: what is derived.
use super::{
    Node, account, changelog_of,
    port::{Input, Output, Slots},
};
use crate::{
    chunk::{Chunk, Record},
    log::{At, Commit, Halt, Restored},
};
use processors::view::{Merged, View, Waiting};
use rustc_hash::FxHashMap;
use schemas::ops::LedgerEntry;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    str::FromStr,
};
use topics::{TopicInfo, partition_of};

/// The changelog key of the number of parked records.
const GAUGE: &str = "gauge";

/// What stands published for a slot.
struct Mark {
    hash: u64,
    topic: &'static str,
    key: String,
}
/// A record read since the last commit: its slots are those up to `reached`, from the record before.
struct Read {
    reached: usize,
    adds: bool,
}

/// One partition of a view.
struct Partition<V: View> {
    keys: FxHashMap<V::Key, V::Tables>,
    marks: FxHashMap<V::Slot, Mark>,
    /// Records that wait, by the slot they wait under.
    parked: FxHashMap<V::Slot, u32>,
    /// How many the ledger has as parked.
    gauge: i64,
    dirty: FxHashMap<V::Slot, u32>,
    slots: Vec<V::Slot>,
    reached: Vec<u32>,
    reads: Vec<Read>,
    changelog: Chunk,
}
impl<V: View> Default for Partition<V> {
    fn default() -> Self {
        Partition {
            keys: HashMap::default(),
            marks: HashMap::default(),
            parked: HashMap::default(),
            gauge: 0,
            dirty: HashMap::default(),
            slots: Vec::new(),
            reached: Vec::new(),
            reads: Vec::new(),
            changelog: Chunk::default(),
        }
    }
}
impl<V: View> Partition<V> {
    fn apply(&mut self, view: &V, input: V::In) -> Option<(V::Key, Merged)> {
        let key = view.key(&input)?;
        let Partition { keys, dirty, slots, reached, .. } = self;
        let tables = keys.entry(key.clone()).or_default();
        let merged = view.apply(tables, input, &mut |slot| reach(dirty, slots, reached, slot));
        Some((key, merged))
    }
}

fn reach<S: Clone + std::hash::Hash + Eq>(
    dirty: &mut FxHashMap<S, u32>,
    slots: &mut Vec<S>,
    reached: &mut Vec<u32>,
    slot: S,
) {
    let id = *dirty.entry(slot.clone()).or_insert_with(|| {
        slots.push(slot);
        (slots.len() - 1) as u32
    });
    reached.push(id);
}

/// A view with its topics.
pub struct ViewNode<V: View> {
    view: V,
    inputs: Vec<Input<V::In>>,
    outputs: Vec<Output<V::Out>>,
    slot_of: Slots<V::Key, V::Slot>,
    partitions: BTreeMap<i32, Partition<V>>,
    next: BTreeMap<At, i64>,
    restored: bool,
    scratch: Vec<u8>,
}

impl<V: View> ViewNode<V>
where
    V::Key: std::fmt::Display + FromStr,
    V::Out: 'static,
{
    pub fn new(
        view: V,
        inputs: Vec<Input<V::In>>,
        outputs: Vec<Output<V::Out>>,
        slot_of: Slots<V::Key, V::Slot>,
    ) -> Self {
        ViewNode {
            view,
            inputs,
            outputs,
            slot_of,
            partitions: BTreeMap::new(),
            next: BTreeMap::new(),
            restored: false,
            scratch: Vec::new(),
        }
    }
    fn decode(&self, topic: &str, partition: i32, record: Record<'_>) -> Result<(usize, V::In), Halt> {
        let halt = |reason: String| Halt::Undecodable {
            processor: V::NAME.into(),
            topic: topic.into(),
            partition,
            offset: record.offset,
            reason,
        };
        let index = self.inputs.iter().position(|input| input.topic.name == topic);
        let index = index.ok_or_else(|| halt("not an input of this processor".into()))?;
        let input = self.inputs[index].decode(record.key, record.value);
        Ok((index, input.map_err(|unreadable| halt(unreadable.reason))?))
    }
    /// Loads the changelog: kept sightings, and marks of what stands.
    fn load(&mut self, partition: i32, held: &mut Partition<V>, changelog: &[Chunk]) -> Result<(), Halt> {
        let topic = changelog_of(V::NAME);
        let mut newest: FxHashMap<&str, Record<'_>> = HashMap::default();
        for chunk in changelog {
            for record in chunk.records() {
                let record = record?;
                match record.value {
                    Some(_) => _ = newest.insert(record.key, record),
                    None => _ = newest.remove(record.key),
                }
            }
        }
        for record in newest.into_values() {
            let halt = |reason: &str| Halt::Undecodable {
                processor: V::NAME.into(),
                topic: topic.clone(),
                partition,
                offset: record.offset,
                reason: reason.into(),
            };
            if record.key == GAUGE {
                let bytes = record.value.and_then(|bytes| bytes.try_into().ok());
                held.gauge = bytes.map(i64::from_le_bytes).ok_or_else(|| halt("no gauge"))?;
                continue;
            }
            let (kind, rest) = record.key.split_once('|').ok_or_else(|| halt("no kind"))?;
            let (input, rest) = rest.split_once('|').ok_or_else(|| halt("no topic"))?;
            let (view_key, rest) = rest.split_once('|').ok_or_else(|| halt("no key"))?;
            match kind {
                "kept" => {
                    let (_, input) = self.decode(input, partition, record)?;
                    held.apply(&self.view, input);
                }
                "mark" => {
                    let key: V::Key = view_key.parse().map_err(|_| halt("no key of this view"))?;
                    let hash = record.value.and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
                    let hash = hash.ok_or_else(|| halt("no hash"))?;
                    let output = self.outputs.iter().find(|output| output.topic.name == input);
                    let output = output.ok_or_else(|| halt("not an output of this processor"))?;
                    let slot =
                        (self.slot_of)(input, rest, &key).ok_or_else(|| halt("no slot of this view"))?;
                    held.marks.insert(slot, Mark { hash, topic: output.topic.name, key: rest.to_owned() });
                }
                _ => return Err(halt("neither kept nor mark")),
            }
        }
        Ok(())
    }
    /// Derives what was reached, appends what differs, and accounts for the records read.
    fn close(
        &mut self,
        held: &mut Partition<V>,
        commit: &mut Commit,
        entry: &mut LedgerEntry,
    ) -> Result<(), Halt> {
        let mut order: Vec<u32> = (0..held.slots.len() as u32).collect();
        order.sort_unstable_by(|a, b| held.slots[*a as usize].cmp(&held.slots[*b as usize]));
        let mut published = vec![false; order.len()];
        let mut waits = vec![false; order.len()];
        for id in order {
            let slot = &held.slots[id as usize];
            let view_key = self.view.key_of(slot);
            let tables = held.keys.get(&view_key);
            let (records, _) = tables.map_or((0, Vec::new()), |tables| self.view.waiting(tables, slot));
            match records > 0 {
                true => _ = held.parked.insert(slot.clone(), records),
                false => _ = held.parked.remove(slot),
            }
            waits[id as usize] = records > 0;
            let out = tables.and_then(|tables| self.view.derive(tables, slot));
            let (row, hash) = match out {
                Some(out) => {
                    let (topic, key, canonical) = encode(&mut self.outputs, &out, &mut self.scratch)?;
                    (Some((topic, key)), hash(&mut self.scratch, canonical))
                }
                None => (None, 0),
            };
            let stands = held.marks.get(slot);
            if stands.map(|mark| (mark.hash, &mark.key)) == row.as_ref().map(|(_, key)| (hash, key)) {
                continue;
            }
            published[id as usize] = true;
            let mark_key = |topic: &str, key: &str| format!("mark|{topic}|{view_key}|{key}");
            let mut send = |topic: TopicInfo, key: &str, value: Option<&[u8]>| {
                let at = (topic.name.to_owned(), partition_of(key, topic.partitions));
                commit.out.entry(at).or_default().push(key, value);
                entry.published += 1;
            };
            if let Some(mark) = stands
                && row.as_ref().is_none_or(|(_, key)| *key != mark.key)
                && let Some(output) = self.outputs.iter().find(|output| output.topic.name == mark.topic)
            {
                send(output.topic, &mark.key, None);
                held.changelog.push(&mark_key(mark.topic, &mark.key), None);
            }
            match row {
                Some((topic, key)) => {
                    send(topic, &key, Some(&self.scratch));
                    held.changelog.push(&mark_key(topic.name, &key), Some(&hash.to_le_bytes()));
                    held.marks.insert(slot.clone(), Mark { hash, topic: topic.name, key });
                }
                None => _ = held.marks.remove(slot),
            }
        }
        let mut first = 0;
        let mut unchanged = 0;
        for read in &held.reads {
            let mut slots = held.reached[first..read.reached].iter();
            let counts = slots.any(|id| published[*id as usize] || read.adds && waits[*id as usize]);
            unchanged += i64::from(!counts);
            first = read.reached;
        }
        let read = held.reads.len() as i64;
        entry.read += read;
        let parked: i64 = held.parked.values().map(|records| i64::from(*records)).sum();
        let moved = parked - held.gauge;
        if moved != 0 {
            held.gauge = parked;
            held.changelog.push(GAUGE, Some(&parked.to_le_bytes()));
        }
        entry.unchanged += unchanged;
        entry.parked += moved;
        entry.applied += read - unchanged - moved;
        held.dirty.clear();
        held.slots.clear();
        held.reached.clear();
        held.reads.clear();
        Ok(())
    }
}

fn encode<O: 'static>(
    outputs: &mut [Output<O>],
    out: &O,
    scratch: &mut Vec<u8>,
) -> Result<(TopicInfo, String, [u8; 5]), Halt> {
    for output in outputs {
        scratch.clear();
        if let Some(key) = output.encode(out, scratch) {
            let topic = output.topic;
            let halt = |reason| Halt::Unencodable {
                processor: topic.event.into(),
                topic: topic.name.into(),
                reason,
            };
            return key.map(|key| (topic, key, (output.canonical_frame)())).map_err(halt);
        }
    }
    Err(Halt::Unencodable {
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

impl<V: View> Node for ViewNode<V>
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
    fn assign(&mut self, partition: i32, restored: Restored) -> Result<(), Halt> {
        let mut held = Partition::default();
        self.load(partition, &mut held, &restored.changelog)?;
        held.reached.clear();
        for (topic, chunks) in &restored.tables {
            let committed = restored.next.get(topic).copied().unwrap_or(0);
            for chunk in chunks {
                for record in chunk.records() {
                    let record = record?;
                    let (_, input) = self.decode(topic, partition, record)?;
                    // Rows re-read are not counted; those past the position are read now.
                    let (first, is_new) = (held.reached.len(), record.offset >= committed);
                    held.apply(&self.view, input);
                    match is_new {
                        true => held.reads.push(Read { reached: held.reached.len(), adds: true }),
                        false => held.reached.truncate(first),
                    }
                }
                if chunk.next() > committed {
                    self.next.insert((*topic, partition), chunk.next());
                }
            }
        }
        let mut known: Vec<V::Slot> = held.marks.keys().cloned().collect();
        held.keys.values().for_each(|tables| self.view.slots(tables, &mut |slot| known.push(slot)));
        let reads = held.reached.len();
        known.into_iter().for_each(|slot| reach(&mut held.dirty, &mut held.slots, &mut held.reached, slot));
        held.reached.truncate(reads);
        self.restored |= !held.slots.is_empty();
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
    fn push(&mut self, topic: &str, partition: i32, chunk: &Chunk) -> Result<(), Halt> {
        let mut held = self.partitions.remove(&partition).unwrap_or_default();
        for record in chunk.records() {
            let record = record?;
            let (index, input) = self.decode(topic, partition, record)?;
            let mut adds = true;
            if let Some((key, merged)) = held.apply(&self.view, input) {
                match merged {
                    Merged::Row => {}
                    Merged::Unchanged => adds = false,
                    Merged::Kept(id) => {
                        let name = self.inputs[index].topic.name;
                        held.changelog.push(&format!("kept|{name}|{key}|{id}"), record.value);
                    }
                }
            }
            held.reads.push(Read { reached: held.reached.len(), adds });
        }
        let input = self.inputs.iter().find(|input| input.topic.name == topic);
        if let Some(input) = input {
            self.next.insert((input.topic.name, partition), chunk.next());
        }
        self.partitions.insert(partition, held);
        Ok(())
    }
    fn has_work(&self) -> bool {
        self.restored || !self.next.is_empty()
    }
    fn take(&mut self) -> Result<Commit, Halt> {
        let mut commit = Commit { group: self.group(), ..Commit::default() };
        let mut entry = LedgerEntry { processor: V::NAME.into(), ..LedgerEntry::default() };
        let partitions = std::mem::take(&mut self.partitions);
        for (partition, mut held) in partitions {
            self.close(&mut held, &mut commit, &mut entry)?;
            if !held.changelog.is_empty() {
                commit.out.insert((changelog_of(V::NAME), partition), std::mem::take(&mut held.changelog));
            }
            self.partitions.insert(partition, held);
        }
        commit.next = std::mem::take(&mut self.next);
        self.restored = false;
        if entry != (LedgerEntry { processor: V::NAME.into(), ..LedgerEntry::default() }) {
            account(&mut commit, &entry)?;
        }
        Ok(commit)
    }
    fn published(&self) -> BTreeMap<&'static str, u64> {
        let mut published: BTreeMap<&'static str, HashSet<&str>> = BTreeMap::new();
        for mark in self.partitions.values().flat_map(|held| held.marks.values()) {
            published.entry(mark.topic).or_default().insert(&mark.key);
        }
        published.into_iter().map(|(topic, keys)| (topic, keys.len() as u64)).collect()
    }
    fn waiting(&self) -> (i64, Vec<Waiting>) {
        let (mut records, mut waiting) = (0, Vec::new());
        for held in self.partitions.values() {
            for tables in held.keys.values() {
                self.view.slots(tables, &mut |slot| {
                    let (n, what) = self.view.waiting(tables, &slot);
                    records += i64::from(n);
                    waiting.extend(what);
                });
            }
        }
        waiting.sort_unstable();
        (records, waiting)
    }
}
