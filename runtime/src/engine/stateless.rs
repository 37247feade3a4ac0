//! Stateless processors, which turn each record into outputs and dead letters.
//!
//! Invariant: the outputs of a record depend on the record and the processor's version alone; a new version has a new consumer group,
//! which reprocesses the input from the start.
//! Not here: processors with state (`materialized_view`), when too many unusable records stop a processor (`dlq_limits`).
use super::{
    codec::{Input, Output, Unreadable},
    derived_topics::dlq_topic,
    dlq_limits::{AcceptedRecords, DlqLimits, RejectWindow},
    ledger::append_ledger_entry,
    node::{ProcessorKind, ProcessorNode},
};
use crate::{
    commit::{Commit, Restored},
    error::RuntimeError,
    record_batch::{Record, RecordBatch},
};
use processors::materialized_view::ParkedItem;
use schemas::{
    Timestamp,
    ops::LedgerEntry,
    raw::{DeadLetter, RejectCode},
};
use std::collections::BTreeMap;
use topics::{TopicInfo, TopicPartition, is_raw, partition_of};

/// How many rows a payload has (`found`), and how many of them had each outcome (the other fields).
#[derive(Clone, Copy, Debug, Default)]
pub struct RowCounts {
    pub found: i64,
    pub emitted: i64,
    pub bad: i64,
    pub out_of_scope: i64,
    pub repeated: i64,
}

/// The result of processing one record.
#[derive(Debug)]
pub struct ProcessorOutput<O> {
    /// Events to publish.
    pub events: Vec<O>,
    /// Keys of output rows that no longer exist, with the index of their output: a tombstone is published for each.
    pub tombstones: Vec<(usize, String)>,
    /// If `is_rejected`, one dead letter for the whole record; the engine copies the record's bytes into it. Otherwise one dead letter per
    /// unusable row. The engine fills in the processor, and the record's topic, partition, offset and key.
    pub dead_letters: Vec<DeadLetter>,
    /// True if nothing of the record could be used.
    pub is_rejected: bool,
    pub rows: RowCounts,
}

impl<O> Default for ProcessorOutput<O> {
    fn default() -> Self {
        ProcessorOutput {
            events: Vec::new(),
            tombstones: Vec::new(),
            dead_letters: Vec::new(),
            is_rejected: false,
            rows: RowCounts::default(),
        }
    }
}

impl<O> ProcessorOutput<O> {
    /// Returns the output for a record whose bytes are not an event.
    fn rejected(reason: String) -> Self {
        let dead_letter = DeadLetter::new(RejectCode::BadEnvelope, reason);
        ProcessorOutput { dead_letters: vec![dead_letter], is_rejected: true, ..ProcessorOutput::default() }
    }
    fn is_empty(&self) -> bool {
        self.events.is_empty() && self.tombstones.is_empty() && self.dead_letters.is_empty()
    }
    /// True if nothing of the record was usable, which counts against the DLQ limits.
    fn is_unusable(&self) -> bool {
        self.is_rejected || (self.rows.found > 0 && self.rows.bad == self.rows.found)
    }
}

/// The business logic of a stateless processor.
pub trait StatelessProcessor: Send {
    type In;
    type Out;
    /// Returns the version of the processor. It must change whenever the same record may give different outputs.
    fn version(&self) -> i64;
    /// Processes one record. `timestamp` is the record's own timestamp, if the log passes it on.
    fn process(&self, input: Self::In, timestamp: Option<Timestamp>) -> ProcessorOutput<Self::Out>;
}

/// Connects a stateless processor to its topics, and collects the commit of the micro-batch in progress.
pub struct StatelessNode<P: StatelessProcessor> {
    name: &'static str,
    dlq: &'static str,
    processor: P,
    inputs: Vec<Input<P::In>>,
    outputs: Vec<Output<P::Out>>,
    /// The commit of the micro-batch in progress.
    commit: Commit,
    entry: LedgerEntry,
    encode_buffer: Vec<u8>,
    dlq_limits: DlqLimits,
    accepted: AcceptedRecords,
    reject_windows: BTreeMap<TopicPartition, RejectWindow>,
}

impl<P: StatelessProcessor> StatelessNode<P>
where
    P::Out: 'static,
{
    pub fn new(
        name: &'static str,
        processor: P,
        inputs: Vec<Input<P::In>>,
        outputs: Vec<Output<P::Out>>,
    ) -> Self {
        StatelessNode {
            name,
            dlq: dlq_topic(name),
            processor,
            inputs,
            outputs,
            commit: Commit::default(),
            entry: LedgerEntry::default(),
            encode_buffer: Vec::new(),
            dlq_limits: DlqLimits::default(),
            accepted: AcceptedRecords::default(),
            reject_windows: BTreeMap::new(),
        }
    }
    fn process_record(
        &self,
        input: &Input<P::In>,
        partition: TopicPartition,
        record: &Record<'_>,
    ) -> Result<ProcessorOutput<P::Out>, RuntimeError> {
        match input.decode(record.key, record.value) {
            Ok(input) => Ok(self.processor.process(input, record.timestamp)),
            // Other programs also produce to raw topics, so their records may be unreadable.
            Err(Unreadable { reason, is_foreign: true }) if is_raw(partition.topic) => {
                Ok(ProcessorOutput::rejected(reason))
            }
            Err(unreadable) => Err(RuntimeError::Undecodable {
                processor: self.name.into(),
                topic: partition.topic.into(),
                partition: partition.partition,
                offset: record.offset,
                reason: unreadable.reason,
            }),
        }
    }
    fn count(&mut self, output: &ProcessorOutput<P::Out>) {
        let entry = &mut self.entry;
        entry.read += 1;
        entry.rows += output.rows.found;
        entry.rows_emitted += output.rows.emitted;
        entry.rows_bad += output.rows.bad;
        entry.rows_out_of_scope += output.rows.out_of_scope;
        entry.rows_repeated += output.rows.repeated;
        if output.is_rejected {
            entry.rejected += 1;
        } else if output.is_empty() {
            entry.unchanged += 1;
        } else {
            entry.applied += 1;
        }
    }
    fn check_dlq_limits(
        &mut self,
        partition: TopicPartition,
        record: &Record<'_>,
        output: &ProcessorOutput<P::Out>,
    ) -> Result<(), RuntimeError> {
        if self.accepted.contains(partition, record.offset) {
            return Ok(());
        }
        let reject_window = self.reject_windows.entry(partition).or_default();
        let Some(limit) = reject_window.count(&self.dlq_limits, output.is_unusable()) else { return Ok(()) };
        let sample =
            output.dead_letters.first().map_or_else(String::new, |dead_letter| dead_letter.reason.clone());
        Err(RuntimeError::DlqLimitExceeded {
            processor: self.name.into(),
            at: format!("{partition} offset {}", record.offset),
            limit,
            sample,
        })
    }
    fn reject(
        &mut self,
        partition: TopicPartition,
        record: &Record<'_>,
        dead_letters: Vec<DeadLetter>,
        is_rejected: bool,
    ) {
        for dead_letter in dead_letters {
            let value =
                if is_rejected { record.value.unwrap_or_default().to_vec() } else { dead_letter.value };
            let dead_letter = DeadLetter {
                origin: partition.topic.to_owned(),
                partition: partition.partition,
                offset: record.offset,
                processor: self.name.to_owned(),
                processor_version: self.processor.version(),
                key: record.key.to_owned(),
                value,
                ..dead_letter
            };
            self.commit.reject(TopicPartition::new(self.dlq, partition.partition), dead_letter);
        }
    }
    fn publish(&mut self, event: &P::Out) -> Result<(), RuntimeError> {
        let mut has_topic = false;
        for output in &mut self.outputs {
            self.encode_buffer.clear();
            let Some(key) = output.encode(event, &mut self.encode_buffer) else { continue };
            let topic = output.topic;
            let key = key.map_err(|reason| RuntimeError::Unencodable {
                processor: self.name.into(),
                topic: topic.name.into(),
                reason,
            })?;
            let partition = TopicPartition::new(topic.name, partition_of(&key, topic.partitions));
            self.commit.append(partition, &key, Some(&self.encode_buffer));
            self.entry.published += 1;
            has_topic = true;
        }
        let no_topic = || RuntimeError::Unencodable {
            processor: self.name.into(),
            topic: "any of its topics".into(),
            reason: "the event belongs to none of the processor's outputs".into(),
        };
        has_topic.then_some(()).ok_or_else(no_topic)
    }
    fn publish_tombstone(&mut self, output: usize, key: &str) {
        let Some(topic) = self.outputs.get(output).map(|output| output.topic) else { return };
        let partition = TopicPartition::new(topic.name, partition_of(key, topic.partitions));
        self.commit.append(partition, key, None);
        self.entry.published += 1;
    }
}

impl<P: StatelessProcessor> ProcessorNode for StatelessNode<P>
where
    P::Out: 'static,
{
    fn name(&self) -> &'static str {
        self.name
    }
    fn group(&self) -> String {
        format!("{}@{:x}", self.name, self.processor.version())
    }
    fn inputs(&self) -> Vec<TopicInfo> {
        self.inputs.iter().map(|input| input.topic).collect()
    }
    fn outputs(&self) -> Vec<TopicInfo> {
        self.outputs.iter().map(|output| output.topic).collect()
    }
    fn kind(&self) -> ProcessorKind {
        ProcessorKind::Stateless
    }
    fn set_dlq_limits(&mut self, dlq_limits: DlqLimits) {
        self.dlq_limits = dlq_limits;
    }
    fn accept_records(&mut self, accepted: AcceptedRecords) {
        self.accepted = accepted;
    }
    fn assign(&mut self, _: i32, _: Restored) -> Result<(), RuntimeError> {
        Ok(())
    }
    fn revoke(&mut self, partition: i32) {
        self.reject_windows.retain(|topic_partition, _| topic_partition.partition != partition);
    }
    fn reset(&mut self) {
        self.entry = LedgerEntry::default();
        self.commit = Commit::default();
        self.reject_windows.clear();
    }
    fn process(&mut self, partition: TopicPartition, batch: &RecordBatch) -> Result<(), RuntimeError> {
        let Some(index) = self.inputs.iter().position(|input| input.topic.name == partition.topic) else {
            return Ok(());
        };
        for record in batch.records() {
            let record = record?;
            let output = self.process_record(&self.inputs[index], partition, &record)?;
            self.count(&output);
            self.check_dlq_limits(partition, &record, &output)?;
            self.reject(partition, &record, output.dead_letters, output.is_rejected);
            for (output, key) in output.tombstones {
                self.publish_tombstone(output, &key);
            }
            for event in &output.events {
                self.publish(event)?;
            }
        }
        self.commit.offsets.insert(partition, batch.next());
        Ok(())
    }
    fn has_pending(&self) -> bool {
        !self.commit.offsets.is_empty()
    }
    fn take_commit(&mut self) -> Result<Commit, RuntimeError> {
        let entry = LedgerEntry {
            processor: self.name.into(),
            version: self.processor.version(),
            ..std::mem::take(&mut self.entry)
        };
        let mut commit = Commit { group: self.group(), ..std::mem::take(&mut self.commit) };
        append_ledger_entry(&mut commit, entry)?;
        Ok(commit)
    }
    fn parked(&self) -> (i64, Vec<ParkedItem>) {
        (0, Vec::new())
    }
}
