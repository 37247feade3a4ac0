//! The consumer group of a processor, as the harness runs it: instances that read, commit, crash, and are assigned partitions.
//!
//! Invariant: a crash loses exactly what the instance had not committed; committed offsets change only in commits.
//! Not here: when an instance reads or crashes (`harness`).
use crate::{
    log::{TestLog, read_all},
    random::Random,
};
use fastbreak::topology::topology;
use processors::predictor::Predictor;
use runtime::{
    ProcessorNode, RecordBatch, Restored,
    engine::{ProcessorKind, changelog_topic},
};
use std::collections::BTreeSet;
use topics::{Offset, Offsets, PARTITIONS, Policy, TopicInfo, TopicPartition};

/// Creates an instance of the processor with this index in the topology.
pub fn new_node(processor: usize) -> Box<dyn ProcessorNode> {
    topology(Predictor::new(None)).swap_remove(processor)
}

/// An instance of a processor, with the partitions that are assigned to it.
pub struct Instance {
    node: Box<dyn ProcessorNode>,
    assigned: BTreeSet<i32>,
    /// The next offset to read, by input partition.
    positions: Offsets,
}
impl Instance {
    fn new(processor: usize) -> Instance {
        Instance { node: new_node(processor), assigned: BTreeSet::new(), positions: Offsets::new() }
    }
}

/// The consumer group of a processor.
pub struct Group {
    processor: usize,
    name: &'static str,
    id: String,
    inputs: Vec<TopicInfo>,
    kind: ProcessorKind,
    pub instances: Vec<Instance>,
}

/// An input partition with unread records, and the index of the group's instance that reads it.
pub type PendingRead = (usize, TopicPartition);

impl Group {
    pub fn new(processor: usize, node: &dyn ProcessorNode) -> Group {
        Group {
            processor,
            name: node.name(),
            id: node.group(),
            inputs: node.inputs(),
            kind: node.kind(),
            instances: Vec::new(),
        }
    }
    /// Returns the content from which a partition is restored, and the input offsets from which the instance then reads. Of an input table,
    /// only the records below the offset `end_of(partition)` are read.
    fn restore(
        &self,
        log: &mut impl TestLog,
        partition: i32,
        end_of: impl Fn(TopicPartition) -> Offset,
    ) -> (Restored, Offsets) {
        let mut restored = Restored::default();
        let mut positions = Offsets::new();
        for input in &self.inputs {
            let input_partition = TopicPartition::new(input.name, partition);
            let committed = log.committed_offset(&self.id, input_partition);
            restored.offsets.insert(input.name, committed);
            positions.insert(input_partition, committed);
            if self.kind.has_changelog() && input.policy == Policy::Compact {
                let table = records_below(read_all(log, input_partition), end_of(input_partition));
                positions.insert(input_partition, table.next().max(committed));
                restored.tables.push((input.name, vec![table]));
            }
        }
        if self.kind.has_changelog() {
            let changelog = TopicPartition::new(changelog_topic(self.name), partition);
            restored.changelog = vec![read_all(log, changelog)];
        }
        (restored, positions)
    }
    fn assign(&mut self, log: &mut impl TestLog, instance: usize, partition: i32) {
        let (restored, positions) = self.restore(log, partition, |_| Offset::MAX);
        let instance = &mut self.instances[instance];
        instance.node.assign(partition, restored).unwrap();
        instance.assigned.insert(partition);
        instance.positions.extend(positions);
    }
    /// Checks that an instance which has just committed, and a new instance that restores one of its partitions and has read as far, have the
    /// same state.
    pub fn check_restored(&self, log: &mut impl TestLog, instance: usize, random: &mut Random) {
        let running = &self.instances[instance];
        let assigned: Vec<i32> = running.assigned.iter().copied().collect();
        if !self.kind.has_changelog() || assigned.is_empty() {
            return;
        }
        let partition = random.pick(&assigned);
        let (restored, _) = self.restore(log, partition, |input| running.positions[&input]);
        let mut node = new_node(self.processor);
        node.assign(partition, restored).unwrap();
        let (running, restored) = (running.node.state_text(partition), node.state_text(partition));
        if running != restored {
            let only = |of: &[String], other: &[String]| {
                of.iter().filter(|text| !other.contains(text)).take(3).cloned().collect::<Vec<_>>()
            };
            panic!(
                "the restored state of {} partition {partition} differs; only running: {:#?}; only restored: {:#?}",
                self.name,
                only(&running, &restored),
                only(&restored, &running)
            );
        }
    }
    pub fn commit(&mut self, log: &mut impl TestLog, instance: usize) {
        let node = &mut self.instances[instance].node;
        if node.has_pending() {
            log.append(node.take_commit().unwrap());
        }
    }
    /// Replaces an instance whose process is killed with a new one, which restores the partitions of the killed instance.
    pub fn crash(&mut self, log: &mut impl TestLog, instance: usize, is_during_commit: bool) {
        if is_during_commit {
            // The processor returned a commit, but the process ends before it appends this commit.
            drop(self.instances[instance].node.take_commit().unwrap());
        }
        let crashed = std::mem::replace(&mut self.instances[instance], Instance::new(self.processor));
        for partition in crashed.assigned {
            self.assign(log, instance, partition);
        }
    }
    /// Assigns the partitions to a new number of instances. Before that, each instance commits, or is replaced after a crash. Then it
    /// revokes either all of its partitions or only those that are assigned to a different instance, and keeps the state of the others.
    pub fn rebalance(&mut self, log: &mut impl TestLog, random: &mut Random, max_instances: usize) {
        let count = 1 + random.below(max_instances);
        let owners: Vec<usize> = (0..PARTITIONS).map(|_| random.below(count)).collect();
        for index in 0..self.instances.len() {
            if random.percent(70) {
                self.commit(log, index);
            } else {
                self.crash(log, index, false);
                self.commit(log, index);
            }
            let is_eager = random.percent(50);
            let is_revoked = |partition: &i32| is_eager || owners[*partition as usize] != index;
            let instance = &mut self.instances[index];
            let revoked: Vec<i32> = instance.assigned.iter().copied().filter(is_revoked).collect();
            for partition in revoked {
                instance.node.revoke(partition);
                instance.assigned.remove(&partition);
                instance.positions.retain(|input, _| input.partition != partition);
            }
        }
        self.instances.truncate(count);
        while self.instances.len() < count {
            self.instances.push(Instance::new(self.processor));
        }
        for partition in 0..PARTITIONS {
            let owner = owners[partition as usize];
            if !self.instances[owner].assigned.contains(&partition) {
                self.assign(log, owner, partition);
            }
        }
    }
    pub fn pending(&self, log: &mut impl TestLog) -> Vec<PendingRead> {
        let mut pending = Vec::new();
        for (index, instance) in self.instances.iter().enumerate() {
            for (partition, next) in &instance.positions {
                if log.end_offset(*partition) > *next {
                    pending.push((index, *partition));
                }
            }
        }
        pending
    }
    pub fn read(&mut self, log: &mut impl TestLog, (instance, partition): PendingRead, max_records: usize) {
        let instance = &mut self.instances[instance];
        let batch = log.read(partition, instance.positions[&partition], max_records);
        instance.node.process(partition, &batch).unwrap();
        instance.positions.insert(partition, batch.next());
    }
}

/// Returns the records below an offset.
fn records_below(batch: RecordBatch, end: Offset) -> RecordBatch {
    if batch.next() <= end {
        return batch;
    }
    let mut below = RecordBatch::default();
    for record in batch.records().map(Result::unwrap).take_while(|record| record.offset < end) {
        below.push_at(record.offset, record.key, record.value);
    }
    below
}
