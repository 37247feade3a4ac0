//! Materialized views: processors whose state is derived tables.
//!
//! An input record invalidates the output keys whose rows it can change. At the commit, the row of each invalidated key is derived once,
//! and published if it differs from the currently published row. The changelog stores the records that the view retains of its
//! observations (one game or one list as one fetch reported it), and the content hash of each published row. On assignment, the changelog
//! and the input tables are loaded to their ends, and the row of every known or published output key is derived again. This also corrects
//! published rows whose input was compacted away, whose input tombstone expired, or that were derived by older code.
//! Invariant: the published rows are the results of `derive` on the tables as of the last commit.
//! Not here: what is derived (crate `processors`), the state of one partition (`view_state`).
use super::{
    codec::{Input, Output, ParseOutputKey},
    derived_topics::changelog_topic,
    ledger::append_ledger_entry,
    node::{ProcessorKind, ProcessorNode},
    view_state::{ChangelogKey, PublishedRow, RecomputedRow, ViewState},
};
use crate::{
    commit::{Commit, Restored},
    error::RuntimeError,
    record_batch::{Record, RecordBatch},
};
use processors::materialized_view::{MaterializedView, ParkedItem, StateChange};
use rustc_hash::FxHashMap;
use schemas::ops::LedgerEntry;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    str::FromStr,
};
use topics::{Offsets, TopicInfo, TopicPartition, partition_of};

/// Connects a materialized view to its topics, and holds its state for each assigned partition.
pub struct MaterializedViewNode<V: MaterializedView> {
    view: V,
    changelog: &'static str,
    inputs: Vec<Input<V::In>>,
    outputs: Vec<Output<V::Out>>,
    parse_output_key: ParseOutputKey<V::Key, V::OutputKey>,
    partitions: BTreeMap<i32, ViewState<V>>,
    /// For each input partition read in the micro-batch in progress, the next offset to read.
    offsets: Offsets,
    /// True if a partition was restored since the last commit; its rows must be derived even if nothing is read.
    is_restored: bool,
    encode_buffer: Vec<u8>,
}

/// The output topic, record key and content hash of an encoded row; its bytes are in `encode_buffer`.
struct EncodedRow {
    topic: TopicInfo,
    key: String,
    hash: u64,
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
            changelog: changelog_topic(V::NAME),
            inputs,
            outputs,
            parse_output_key,
            partitions: BTreeMap::new(),
            offsets: Offsets::new(),
            is_restored: false,
            encode_buffer: Vec::new(),
        }
    }
    fn decode(
        &self,
        partition: TopicPartition,
        record: &Record<'_>,
    ) -> Result<(&'static str, V::In), RuntimeError> {
        let undecodable = |reason: String| undecodable::<V>(partition, record, reason);
        let input = self.inputs.iter().find(|input| input.topic.name == partition.topic);
        let input = input.ok_or_else(|| undecodable("the topic is not an input of this processor".into()))?;
        let decoded = input.decode(record.key, record.value);
        Ok((input.topic.name, decoded.map_err(|unreadable| undecodable(unreadable.reason))?))
    }
    /// Loads the changelog: retained records of observations, hashes of published rows, and the number of parked records.
    fn load_changelog(
        &self,
        partition: i32,
        state: &mut ViewState<V>,
        changelog: &[RecordBatch],
    ) -> Result<(), RuntimeError> {
        let mut newest: FxHashMap<&str, Record<'_>> = HashMap::default();
        for batch in changelog {
            for record in batch.records() {
                let record = record?;
                match record.value {
                    Some(_) => _ = newest.insert(record.key, record),
                    None => _ = newest.remove(record.key),
                }
            }
        }
        for record in newest.into_values() {
            self.load_record(partition, state, &record)?;
        }
        Ok(())
    }
    fn load_record(
        &self,
        partition: i32,
        state: &mut ViewState<V>,
        record: &Record<'_>,
    ) -> Result<(), RuntimeError> {
        let undecodable = |reason: &str| {
            undecodable::<V>(TopicPartition::new(self.changelog, partition), record, reason.into())
        };
        let number = record.value.and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
        match ChangelogKey::parse(record.key)
            .ok_or_else(|| undecodable("the record key is not a changelog key"))?
        {
            ChangelogKey::ParkedCount => {
                state.parked_count =
                    number.ok_or_else(|| undecodable("the value is not a parked count of 8 bytes"))? as i64;
            }
            ChangelogKey::State { id, .. } if V::is_formerly_retained(id) => {
                state.changelog.push(record.key, None);
            }
            ChangelogKey::State { view_key, .. } => {
                let view_key: V::Key = view_key
                    .parse()
                    .map_err(|_| undecodable("the record key contains an invalid view key"))?;
                let retained = serde_json::from_slice(record.value.unwrap_or_default());
                let retained = retained.map_err(|error| undecodable(&error.to_string()))?;
                self.view.restore(state.tables.entry(view_key).or_default(), retained);
            }
            // A copy beside the retained records of the same observation would count twice. Nothing is lost by deleting it, because the
            // loaders of this version read all raw events again.
            ChangelogKey::FormerCopy => state.changelog.push(record.key, None),
            ChangelogKey::Published { topic, view_key, record_key } => {
                let view_key: V::Key = view_key
                    .parse()
                    .map_err(|_| undecodable("the record key contains an invalid view key"))?;
                let hash = number.ok_or_else(|| undecodable("the value is not a content hash of 8 bytes"))?;
                let output = self.outputs.iter().find(|output| output.topic.name == topic);
                // A row in a topic of a former version, which no processor reads any more.
                let Some(output) = output else {
                    state.changelog.push(record.key, None);
                    return Ok(());
                };
                let output_key = (self.parse_output_key)(topic, record_key, &view_key)
                    .ok_or_else(|| undecodable("the record key contains an invalid output key"))?;
                let row = PublishedRow { hash, topic: output.topic.name, key: record_key.to_owned() };
                state.published.insert(output_key, row);
            }
        }
        Ok(())
    }
    /// Loads the input tables. Records below the committed offset are not counted again, because earlier commits have counted them. Records
    /// at or above it are counted as read in this micro-batch.
    fn load_tables(
        &mut self,
        partition: i32,
        state: &mut ViewState<V>,
        restored: &Restored,
    ) -> Result<(), RuntimeError> {
        for (topic, batches) in &restored.tables {
            let partition = TopicPartition::new(topic, partition);
            let committed = restored.offsets.get(topic).copied().unwrap_or(0);
            for batch in batches {
                for record in batch.records() {
                    let record = record?;
                    let (_, input) = self.decode(partition, &record)?;
                    let first = state.affected.len();
                    state.apply(&self.view, input, &mut |_, _, _| {});
                    if record.offset >= committed {
                        state.end_read(true);
                    } else {
                        state.affected.truncate(first);
                    }
                }
                if batch.next() > committed {
                    self.offsets.insert(partition, batch.next());
                }
            }
        }
        Ok(())
    }
    /// Recomputes the affected output rows, appends the changed ones to the commit, and counts the outcomes.
    fn recompute(
        &mut self,
        state: &mut ViewState<V>,
        commit: &mut Commit,
        entry: &mut LedgerEntry,
    ) -> Result<(), RuntimeError> {
        let output_keys = std::mem::take(&mut state.output_keys);
        let mut order: Vec<usize> = (0..output_keys.len()).collect();
        order.sort_unstable_by(|a, b| output_keys[*a].cmp(&output_keys[*b]));
        let mut recomputed = vec![RecomputedRow::default(); output_keys.len()];
        for index in order {
            recomputed[index] = self.recompute_row(state, &output_keys[index], commit, entry)?;
        }
        state.output_keys = output_keys;
        state.count_outcomes(&recomputed, entry);
        Ok(())
    }
    fn recompute_row(
        &mut self,
        state: &mut ViewState<V>,
        output_key: &V::OutputKey,
        commit: &mut Commit,
        entry: &mut LedgerEntry,
    ) -> Result<RecomputedRow, RuntimeError> {
        let view_key = self.view.key_of(output_key);
        let tables = state.tables.get(&view_key);
        let parked = tables.map_or(0, |tables| self.view.parked(tables, output_key).0);
        let derived = tables.and_then(|tables| self.view.derive(tables, output_key));
        state.set_parked(output_key, parked);
        let row = derived.map(|row| self.encode(&row)).transpose()?;
        let published = state.published.get(output_key);
        let is_unchanged =
            published.map(|row| (row.hash, &row.key)) == row.as_ref().map(|r| (r.hash, &r.key));
        if is_unchanged {
            return Ok(RecomputedRow { is_published: false, is_parked: parked > 0 });
        }
        let mut publish = |topic: TopicInfo, key: &str, value: Option<&[u8]>| {
            let partition = TopicPartition::new(topic.name, partition_of(key, topic.partitions));
            commit.append(partition, key, value);
            entry.published += 1;
        };
        if let Some(old) = published
            && row.as_ref().is_none_or(|row| row.key != old.key)
            && let Some(output) = self.outputs.iter().find(|output| output.topic.name == old.topic)
        {
            publish(output.topic, &old.key, None);
            let key = ChangelogKey::published(old.topic, &view_key, &old.key);
            state.changelog.push(&key, None);
        }
        match row {
            Some(EncodedRow { topic, key, hash }) => {
                publish(topic, &key, Some(&self.encode_buffer));
                let changelog_key = ChangelogKey::published(topic.name, &view_key, &key);
                state.changelog.push(&changelog_key, Some(&hash.to_le_bytes()));
                state.published.insert(output_key.clone(), PublishedRow { hash, topic: topic.name, key });
            }
            None => _ = state.published.remove(output_key),
        }
        Ok(RecomputedRow { is_published: true, is_parked: parked > 0 })
    }
    /// Encodes a row into `encode_buffer`, for the output to which it belongs.
    fn encode(&mut self, row: &V::Out) -> Result<EncodedRow, RuntimeError> {
        for output in &mut self.outputs {
            self.encode_buffer.clear();
            let Some(key) = output.encode(row, &mut self.encode_buffer) else { continue };
            let topic = output.topic;
            let key = key.map_err(|reason| unencodable::<V>(topic.name, reason))?;
            let hash = content_hash(&mut self.encode_buffer, (output.canonical_frame)());
            return Ok(EncodedRow { topic, key, hash });
        }
        Err(unencodable::<V>(
            "any of its topics",
            "the row belongs to none of the processor's outputs".into(),
        ))
    }
}

fn undecodable<V: MaterializedView>(
    partition: TopicPartition,
    record: &Record<'_>,
    reason: String,
) -> RuntimeError {
    RuntimeError::Undecodable {
        processor: V::NAME.into(),
        topic: partition.topic.into(),
        partition: partition.partition,
        offset: record.offset,
        reason,
    }
}

fn unencodable<V: MaterializedView>(topic: &str, reason: String) -> RuntimeError {
    RuntimeError::Unencodable { processor: V::NAME.into(), topic: topic.into(), reason }
}

/// Returns the content hash of an encoded row. The canonical frame replaces the schema id, so that the hash is the same with any schema
/// registry and without one.
fn content_hash(record: &mut [u8], canonical_frame: [u8; 5]) -> u64 {
    let written = record.first_chunk_mut().map(|frame| std::mem::replace(frame, canonical_frame));
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
    fn kind(&self) -> ProcessorKind {
        ProcessorKind::MaterializedView
    }
    fn assign(&mut self, partition: i32, restored: Restored) -> Result<(), RuntimeError> {
        let mut state = ViewState::default();
        self.load_changelog(partition, &mut state, &restored.changelog)?;
        state.affected.clear();
        self.load_tables(partition, &mut state, &restored)?;
        state.invalidate_all(&self.view);
        self.is_restored |= !state.output_keys.is_empty();
        self.partitions.insert(partition, state);
        Ok(())
    }
    fn revoke(&mut self, partition: i32) {
        self.partitions.remove(&partition);
    }
    fn reset(&mut self) {
        self.partitions.clear();
        self.offsets.clear();
        self.is_restored = false;
    }
    fn process(&mut self, partition: TopicPartition, batch: &RecordBatch) -> Result<(), RuntimeError> {
        let mut state = self.partitions.remove(&partition.partition).unwrap_or_default();
        for record in batch.records() {
            let record = record?;
            let (_, input) = self.decode(partition, &record)?;
            let mut retained: Vec<(String, Vec<u8>)> = Vec::new();
            let mut failure = None;
            let applied = state.apply(
                &self.view,
                input,
                &mut |view_key, id, record| match serde_json::to_vec(&record) {
                    Ok(json) => retained.push((ChangelogKey::state(view_key, id), json)),
                    Err(error) => failure = Some(error.to_string()),
                },
            );
            if let Some(reason) = failure {
                return Err(unencodable::<V>(self.changelog, reason));
            }
            for (key, json) in retained {
                state.changelog.push(&key, Some(&json));
            }
            state.end_read(applied != Some(StateChange::Unchanged));
        }
        if self.inputs.iter().any(|input| input.topic.name == partition.topic) {
            self.offsets.insert(partition, batch.next());
        }
        self.partitions.insert(partition.partition, state);
        Ok(())
    }
    fn has_pending(&self) -> bool {
        self.is_restored || !self.offsets.is_empty()
    }
    fn take_commit(&mut self) -> Result<Commit, RuntimeError> {
        let mut commit = Commit { group: self.group(), ..Commit::default() };
        let empty = LedgerEntry { processor: V::NAME.into(), ..LedgerEntry::default() };
        let mut entry = empty.clone();
        let partitions = std::mem::take(&mut self.partitions);
        for (partition, mut state) in partitions {
            self.recompute(&mut state, &mut commit, &mut entry)?;
            if !state.changelog.is_empty() {
                let changelog = TopicPartition::new(self.changelog, partition);
                commit.records.insert(changelog, std::mem::take(&mut state.changelog));
            }
            self.partitions.insert(partition, state);
        }
        commit.offsets = std::mem::take(&mut self.offsets);
        self.is_restored = false;
        if entry != empty {
            append_ledger_entry(&mut commit, entry)?;
        }
        Ok(commit)
    }
    fn published(&self) -> BTreeMap<&'static str, u64> {
        let mut published: BTreeMap<&'static str, HashSet<&str>> = BTreeMap::new();
        for row in self.partitions.values().flat_map(|state| state.published.values()) {
            published.entry(row.topic).or_default().insert(&row.key);
        }
        published.into_iter().map(|(topic, keys)| (topic, keys.len() as u64)).collect()
    }
    fn state_text(&self, partition: i32) -> Vec<String> {
        self.partitions.get(&partition).map(ViewState::text).unwrap_or_default()
    }
    fn parked(&self) -> (i64, Vec<ParkedItem>) {
        let (mut records, mut items) = (0, Vec::new());
        for state in self.partitions.values() {
            for tables in state.tables.values() {
                self.view.all_keys(tables, &mut |output_key| {
                    let (parked, parked_items) = self.view.parked(tables, &output_key);
                    records += i64::from(parked);
                    items.extend(parked_items);
                });
            }
        }
        items.sort_unstable();
        (records, items)
    }
}
