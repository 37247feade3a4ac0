//! Maps: processors that remember nothing.
//!
//! Invariant: a record's outputs depend on the record and the map's version alone; a new version is a new consumer group, which
//! reads the input from the start.
//! Not here: views.
use super::{
    DlqLimits, ProcessorNode, append_ledger_entry,
    codec::{Input, Output},
    dlq_limits::RejectWindow,
    dlq_topic,
};
use crate::{
    log::{Commit, Restored, RuntimeError, TopicPartition},
    record_batch::RecordBatch,
};
use processors::materialized_view::ParkedItem;
use schemas::{
    ops::LedgerEntry,
    raw::{DeadLetter, RejectCode},
    wire,
};
use std::collections::{BTreeMap, BTreeSet};
use topics::{TopicInfo, is_raw, partition_of};

/// The rows of a payload, and what became of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct RowCounts {
    pub found: i64,
    pub emitted: i64,
    pub bad: i64,
    pub out_of_scope: i64,
    pub repeated: i64,
}

/// What a map makes of one record.
#[derive(Debug)]
pub struct MapOutput<O> {
    /// What it publishes. For a table, a tombstone is published where a row's input was one.
    pub out: Vec<O>,
    /// Keys of output rows that no longer exist, with the index of their output.
    pub tombstones: Vec<(usize, String)>,
    /// What could not be used: the whole record when `rejected`, which is then kept as it was read, else rows of it. Where it was
    /// read, and by whom, is filled in by the engine.
    pub dead: Vec<DeadLetter>,
    pub rejected: bool,
    pub rows: RowCounts,
}
impl<O> Default for MapOutput<O> {
    fn default() -> Self {
        MapOutput {
            out: Vec::new(),
            tombstones: Vec::new(),
            dead: Vec::new(),
            rejected: false,
            rows: RowCounts::default(),
        }
    }
}

/// A processor without memory.
pub trait StatelessProcessor: Send {
    type In;
    type Out;
    /// Raised when the same record may give something else.
    fn version(&self) -> i64;
    fn step(&self, input: Self::In) -> MapOutput<Self::Out>;
}

/// A map with its topics.
pub struct StatelessNode<M: StatelessProcessor> {
    name: &'static str,
    map: M,
    inputs: Vec<Input<M::In>>,
    outputs: Vec<Output<M::Out>>,
    held: BTreeSet<i32>,
    entry: LedgerEntry,
    out: BTreeMap<(String, i32), RecordBatch>,
    next: BTreeMap<TopicPartition, i64>,
    scratch: Vec<u8>,
    dlq_limits: DlqLimits,
    reject_windows: BTreeMap<TopicPartition, RejectWindow>,
}

impl<M: StatelessProcessor> StatelessNode<M>
where
    M::Out: 'static,
{
    pub fn new(name: &'static str, map: M, inputs: Vec<Input<M::In>>, outputs: Vec<Output<M::Out>>) -> Self {
        StatelessNode {
            name,
            map,
            inputs,
            outputs,
            held: BTreeSet::new(),
            entry: LedgerEntry::default(),
            out: BTreeMap::new(),
            next: BTreeMap::new(),
            scratch: Vec::new(),
            dlq_limits: DlqLimits::default(),
            reject_windows: BTreeMap::new(),
        }
    }
    fn publish(&mut self, out: &M::Out) -> Result<(), RuntimeError> {
        let mut goes_somewhere = false;
        for output in &mut self.outputs {
            self.scratch.clear();
            let Some(key) = output.encode(out, &mut self.scratch) else { continue };
            let topic = output.topic;
            let key = key.map_err(|reason| RuntimeError::Unencodable {
                processor: self.name.into(),
                topic: topic.name.into(),
                reason,
            })?;
            let at = (topic.name.to_owned(), partition_of(&key, topic.partitions));
            self.out.entry(at).or_default().push(&key, Some(&self.scratch));
            self.entry.published += 1;
            goes_somewhere = true;
        }
        let lost = || RuntimeError::Unencodable {
            processor: self.name.into(),
            topic: "any of its topics".into(),
            reason: "it published something that none of them takes".into(),
        };
        goes_somewhere.then_some(()).ok_or_else(lost)
    }
}

/// What becomes of a record that is no event.
fn reject<O>(reason: String) -> MapOutput<O> {
    let dead_letter = DeadLetter::new(RejectCode::BadEnvelope, reason);
    MapOutput { dead: vec![dead_letter], rejected: true, ..MapOutput::default() }
}

impl<M: StatelessProcessor> ProcessorNode for StatelessNode<M>
where
    M::Out: 'static,
{
    fn name(&self) -> &'static str {
        self.name
    }
    fn group(&self) -> String {
        format!("{}@{:x}", self.name, self.map.version())
    }
    fn inputs(&self) -> Vec<TopicInfo> {
        self.inputs.iter().map(|input| input.topic).collect()
    }
    fn outputs(&self) -> Vec<TopicInfo> {
        self.outputs.iter().map(|output| output.topic).collect()
    }
    fn is_view(&self) -> bool {
        false
    }
    fn set_dlq_limits(&mut self, dlq_limits: DlqLimits) {
        self.dlq_limits = dlq_limits;
    }
    fn assign(&mut self, partition: i32, _: Restored) -> Result<(), RuntimeError> {
        self.held.insert(partition);
        Ok(())
    }
    fn revoke(&mut self, partition: i32) {
        self.held.remove(&partition);
        self.reject_windows.retain(|(_, held), _| *held != partition);
    }
    fn reset(&mut self) {
        self.held.clear();
        self.entry = LedgerEntry::default();
        self.out.clear();
        self.next.clear();
        self.reject_windows.clear();
    }
    fn process(
        &mut self,
        topic: &str,
        partition: i32,
        record_batch: &RecordBatch,
    ) -> Result<(), RuntimeError> {
        let Some(index) = self.inputs.iter().position(|input| input.topic.name == topic) else {
            return Ok(());
        };
        let input_topic = self.inputs[index].topic;
        for record in record_batch.records() {
            let record = record?;
            let step = match self.inputs[index].decode(record.key, record.value) {
                Ok(input) => self.map.step(input),
                // Others produce to raw topics too.
                Err(unreadable) if unreadable.is_foreign && is_raw(topic) => reject(unreadable.reason),
                Err(unreadable) => {
                    return Err(RuntimeError::Undecodable {
                        processor: self.name.into(),
                        topic: topic.into(),
                        partition,
                        offset: record.offset,
                        reason: unreadable.reason,
                    });
                }
            };
            self.entry.read += 1;
            self.entry.rows += step.rows.found;
            self.entry.rows_emitted += step.rows.emitted;
            self.entry.rows_bad += step.rows.bad;
            self.entry.rows_out_of_scope += step.rows.out_of_scope;
            self.entry.rows_repeated += step.rows.repeated;
            match (step.rejected, step.out.is_empty() && step.tombstones.is_empty() && step.dead.is_empty()) {
                (true, _) => self.entry.rejected += 1,
                (false, true) => self.entry.unchanged += 1,
                (false, false) => self.entry.applied += 1,
            }
            let nothing_used = step.rejected || (step.rows.found > 0 && step.rows.bad == step.rows.found);
            let reject_window = self.reject_windows.entry((input_topic.name, partition)).or_default();
            if let Some(limit) = reject_window.count(&self.dlq_limits, nothing_used) {
                let sample =
                    step.dead.first().map_or_else(String::new, |dead_letter| dead_letter.reason.clone());
                return Err(RuntimeError::DlqLimitExceeded {
                    processor: self.name.into(),
                    at: format!("{topic}/{partition} offset {}", record.offset),
                    limit,
                    sample,
                });
            }
            for mut dead_letter in step.dead {
                (dead_letter.origin, dead_letter.partition, dead_letter.offset) =
                    (topic.to_owned(), partition, record.offset);
                (dead_letter.processor, dead_letter.key) = (self.name.to_owned(), record.key.to_owned());
                dead_letter.processor_version = self.map.version();
                if step.rejected {
                    dead_letter.value = record.value.unwrap_or_default().to_vec();
                }
                let value = wire::encode(&dead_letter).map_err(|error| RuntimeError::Unencodable {
                    processor: self.name.into(),
                    topic: dlq_topic(self.name),
                    reason: error.to_string(),
                })?;
                let at = (dlq_topic(self.name), partition);
                self.out.entry(at).or_default().push(record.key, Some(&value));
            }
            for (output, key) in step.tombstones {
                let Some(output) = self.outputs.get(output) else { continue };
                let at = (output.topic.name.to_owned(), partition_of(&key, output.topic.partitions));
                self.out.entry(at).or_default().push(&key, None);
                self.entry.published += 1;
            }
            for out in &step.out {
                self.publish(out)?;
            }
        }
        self.next.insert((input_topic.name, partition), record_batch.next());
        Ok(())
    }
    fn has_pending(&self) -> bool {
        !self.next.is_empty()
    }
    fn take_commit(&mut self) -> Result<Commit, RuntimeError> {
        let entry = LedgerEntry {
            processor: self.name.into(),
            version: self.map.version(),
            ..std::mem::take(&mut self.entry)
        };
        let mut commit = Commit {
            group: self.group(),
            out: std::mem::take(&mut self.out),
            next: std::mem::take(&mut self.next),
            ledger_entry: None,
        };
        append_ledger_entry(&mut commit, &entry)?;
        Ok(commit)
    }
    fn parked(&self) -> (i64, Vec<ParkedItem>) {
        (0, Vec::new())
    }
}
