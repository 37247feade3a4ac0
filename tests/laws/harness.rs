//! Runs the topology on a deterministic schedule: a seed decides the order of reads, commits, crashes and rebalances.
//!
//! The processors are the real ones; the harness replaces the supervisor, the group members and the log.
//! Invariant: a crash loses exactly what the instance had not committed; committed offsets change only in commits.
//! Not here: the laws that must hold after a run (`accounting`, `streams`, `issued`).
use crate::{
    log::{GroupInputs, MemoryLog, TestLog, append_raw, partitions, read_all},
    random::Random,
};
use fastbreak::topology::topology;
use processors::predictor::Predictor;
use runtime::{
    Commit, ProcessorNode, RecordBatch, Restored,
    engine::{LEDGER, ProcessorKind, changelog_topic, dlq_topic},
};
use schemas::raw::RawEvent;
use std::collections::{BTreeMap, BTreeSet};
use topics::{Offset, Offsets, PARTITIONS, Policy, TopicInfo, TopicPartition};

/// Creates an instance of the processor with this index in the topology.
pub fn new_node(processor: usize) -> Box<dyn ProcessorNode> {
    topology(Predictor::new(None)).swap_remove(processor)
}

/// The size of reads in a run, and the frequency of commits and faults.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    pub seed: u64,
    /// Largest number of instances per processor; each rebalance draws a number from 1 to this.
    pub max_instances: usize,
    /// Largest number of records in one read.
    pub max_read_records: usize,
    /// Percentage of reads after which the instance commits. The fields below are percentages of reads, too: those after which the instance
    /// crashes, a group is rebalanced, a partition is compacted, or all processes are restarted.
    pub commit_percent: usize,
    pub crash_percent: usize,
    pub rebalance_percent: usize,
    pub compaction_percent: usize,
    pub restart_percent: usize,
    /// True if an instance is replaced with a restored one after each of its commits.
    pub restarts_after_commit: bool,
    /// Percentage of commits after which the state of a random partition is compared with that of a restored instance.
    pub restore_check_percent: usize,
}
impl Schedule {
    /// Draws a random schedule, in which every fault except a restart may occur.
    pub fn random(seed: u64) -> Schedule {
        let mut random = Random::new(seed ^ 0x706c_616e);
        let restarts_after_commit = random.percent(15);
        // With restarts after commits, reads are large, because each restart restores all state.
        let read_sizes: &[usize] =
            if restarts_after_commit { &[400, 100_000] } else { &[3, 12, 60, 60, 400, 100_000] };
        let max_read_records = random.pick(read_sizes);
        Schedule {
            seed,
            max_instances: 1 + random.below(5),
            max_read_records,
            commit_percent: random.pick(&[5, 30, 100]),
            crash_percent: random.pick(&[0, 1, 3]),
            rebalance_percent: random.pick(&[0, 1, 3]),
            compaction_percent: random.pick(&[0, 5, 20]),
            restart_percent: 0,
            restarts_after_commit,
            restore_check_percent: if max_read_records < 60 { 10 } else { 100 },
        }
    }
    /// A schedule without faults: in the order of the topology, the only instance of each processor reads and commits all unread records.
    pub const STRAIGHT: Schedule = Schedule {
        seed: 0,
        max_instances: 1,
        max_read_records: usize::MAX,
        commit_percent: 100,
        crash_percent: 0,
        rebalance_percent: 0,
        compaction_percent: 0,
        restart_percent: 0,
        restarts_after_commit: false,
        restore_check_percent: 100,
    };
    fn is_straight(&self) -> bool {
        self.max_read_records == usize::MAX
    }
}

struct Instance {
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
struct Group {
    processor: usize,
    name: &'static str,
    id: String,
    inputs: Vec<TopicInfo>,
    kind: ProcessorKind,
    instances: Vec<Instance>,
}

/// An input partition with unread records, and the index of the group's instance that reads it.
type PendingRead = (usize, TopicPartition);

impl Group {
    fn new(processor: usize, node: &dyn ProcessorNode) -> Group {
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
    fn check_restored(&self, log: &mut impl TestLog, instance: usize, random: &mut Random) {
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
    fn commit(&mut self, log: &mut impl TestLog, instance: usize) {
        let node = &mut self.instances[instance].node;
        if node.has_pending() {
            log.append(node.take_commit().unwrap());
        }
    }
    /// Replaces an instance whose process is killed with a new one, which restores the partitions of the killed instance.
    fn crash(&mut self, log: &mut impl TestLog, instance: usize, is_during_commit: bool) {
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
    fn rebalance(&mut self, log: &mut impl TestLog, random: &mut Random, max_instances: usize) {
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
    fn pending(&self, log: &mut impl TestLog) -> Vec<PendingRead> {
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
    fn read(&mut self, log: &mut impl TestLog, (instance, partition): PendingRead, max_records: usize) {
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

/// Runs the processors for which `is_run` returns true until they have read and committed everything.
pub fn run<L: TestLog>(
    log: &mut L,
    raw_events: Vec<RawEvent>,
    schedule: Schedule,
    is_run: impl Fn(&str) -> bool,
) {
    Run::new(log, raw_events, schedule, is_run).run();
}

struct Run<'a, L> {
    log: &'a mut L,
    schedule: Schedule,
    random: Random,
    groups: Vec<Group>,
    /// The groups of all processors, including those that do not run: compaction must keep the records that a group has not read.
    group_inputs: GroupInputs,
    /// Raw events that are not ingested yet, in reverse order: the next one is the last element.
    raw_events: Vec<RawEvent>,
}

impl<'a, L: TestLog> Run<'a, L> {
    fn new(
        log: &'a mut L,
        mut raw_events: Vec<RawEvent>,
        schedule: Schedule,
        is_run: impl Fn(&str) -> bool,
    ) -> Self {
        let mut random = Random::new(schedule.seed);
        let nodes = topology(Predictor::new(None));
        let input_names = |node: &dyn ProcessorNode| node.inputs().iter().map(|topic| topic.name).collect();
        let group_inputs = nodes.iter().map(|node| (node.group(), input_names(node.as_ref()))).collect();
        let mut groups = Vec::new();
        for (processor, node) in nodes.iter().enumerate().filter(|(_, node)| is_run(node.name())) {
            let mut group = Group::new(processor, node.as_ref());
            group.rebalance(log, &mut random, schedule.max_instances);
            groups.push(group);
        }
        raw_events.reverse();
        Run { log, schedule, random, groups, group_inputs, raw_events }
    }
    fn run(mut self) {
        loop {
            self.ingest_some();
            let Some((group, pending)) = self.next_pending() else {
                self.commit_all();
                if self.is_caught_up() {
                    return;
                }
                continue;
            };
            if self.schedule.is_straight() {
                for read in pending {
                    self.groups[group].read(self.log, read, usize::MAX);
                }
                self.commit(group, 0);
            } else {
                self.step(group, &pending);
                self.disturb();
            }
        }
    }
    fn ingest_some(&mut self) {
        if self.raw_events.is_empty() || !(self.schedule.is_straight() || self.random.percent(20)) {
            return;
        }
        let available = self.raw_events.len();
        let count = if self.schedule.is_straight() {
            available
        } else {
            1 + self.random.below(self.schedule.max_read_records.min(available))
        };
        let mut events = self.raw_events.split_off(available - count);
        events.reverse();
        append_raw(self.log, &events);
    }
    /// Returns a group with unread records and all its pending reads: the first group of the topology in a straight run, else a random
    /// one.
    fn next_pending(&mut self) -> Option<(usize, Vec<PendingRead>)> {
        let count = self.groups.len();
        let first = if self.schedule.is_straight() { 0 } else { self.random.below(count) };
        (0..count).map(|step| (first + step) % count).find_map(|group| {
            let pending = self.groups[group].pending(self.log);
            (!pending.is_empty()).then_some((group, pending))
        })
    }
    fn commit_all(&mut self) {
        for group in 0..self.groups.len() {
            for instance in 0..self.groups[group].instances.len() {
                self.commit(group, instance);
            }
        }
    }
    /// Commits in one instance of a group; may then compare its state with that of a restored one, and restart it.
    fn commit(&mut self, group: usize, instance: usize) {
        let group = &mut self.groups[group];
        group.commit(self.log, instance);
        if self.random.percent(self.schedule.restore_check_percent) {
            group.check_restored(self.log, instance, &mut self.random);
        }
        if self.schedule.restarts_after_commit {
            group.crash(self.log, instance, false);
            group.commit(self.log, instance);
        }
    }
    fn is_caught_up(&mut self) -> bool {
        self.raw_events.is_empty() && self.groups.iter().all(|group| group.pending(self.log).is_empty())
    }
    /// Reads some records in one instance of a group; the instance may then crash or commit.
    fn step(&mut self, group: usize, pending: &[PendingRead]) {
        let read = self.random.pick(pending);
        self.groups[group].read(self.log, read, 1 + self.random.below(self.schedule.max_read_records));
        if self.random.percent(self.schedule.crash_percent) {
            let is_during_commit = self.random.percent(50);
            self.groups[group].crash(self.log, read.0, is_during_commit);
        } else if self.random.percent(self.schedule.commit_percent) {
            self.commit(group, read.0);
        }
    }
    /// May rebalance a group, compact a partition, and restart all processes.
    fn disturb(&mut self) {
        if self.random.percent(self.schedule.rebalance_percent) {
            let group = self.random.below(self.groups.len());
            self.groups[group].rebalance(self.log, &mut self.random, self.schedule.max_instances);
        }
        if self.random.percent(self.schedule.compaction_percent) {
            let draw = self.random.next() as usize;
            self.log.compact(draw, &self.group_inputs);
        }
        if self.random.percent(self.schedule.restart_percent) {
            self.log.reopen();
            for group in &mut self.groups {
                for instance in 0..group.instances.len() {
                    group.crash(self.log, instance, false);
                }
            }
        }
    }
}

/// Computes the tables from scratch: runs each processor once on its whole input, in the order of the topology.
///
/// An instance of a materialized view merges the observations; then a second instance derives every row from the observations that
/// the first one retained and from the input tables. So the result does not depend on which rows the view derives again after a record.
pub fn batch(raw_events: &[RawEvent]) -> MemoryLog {
    let mut log = MemoryLog::default();
    append_raw(&mut log, raw_events);
    for processor in 0..topology(Predictor::new(None)).len() {
        let mut node = new_node(processor);
        for partition in 0..PARTITIONS {
            node.assign(partition, Restored::default()).unwrap();
        }
        let mut offsets = Offsets::new();
        for input in node.inputs() {
            for partition in partitions(input) {
                let batch = read_all(&mut log, partition);
                offsets.insert(partition, batch.next());
                if input.policy != Policy::Compact || !node.kind().has_changelog() {
                    node.process(partition, &batch).unwrap();
                }
            }
        }
        let mut commit = node.take_commit().unwrap();
        if node.kind().has_changelog() {
            commit = derive_all_rows(&mut log, processor, &commit);
        }
        commit.offsets = offsets;
        commit.records.remove(&LEDGER);
        log.append(commit);
    }
    log
}

/// Restores a second instance of a materialized view from the first one's retained observations and from the input tables; returns
/// its commit.
fn derive_all_rows(log: &mut MemoryLog, processor: usize, merged: &Commit) -> Commit {
    let mut node = new_node(processor);
    let changelog = changelog_topic(node.name());
    let mut retained_by_partition = BTreeMap::new();
    for partition in 0..PARTITIONS {
        let mut retained = RecordBatch::default();
        let records = merged.records.get(&TopicPartition::new(changelog, partition));
        for record in records.into_iter().flat_map(RecordBatch::records).map(Result::unwrap) {
            if record.key.starts_with("retained|") {
                retained.push(record.key, record.value);
            }
        }
        let tables = node.inputs().into_iter().filter(|input| input.policy == Policy::Compact);
        let tables = tables
            .map(|input| (input.name, vec![read_all(log, TopicPartition::new(input.name, partition))]))
            .collect();
        let restored = Restored { changelog: vec![retained.clone()], tables, offsets: BTreeMap::new() };
        node.assign(partition, restored).unwrap();
        retained_by_partition.insert(partition, retained);
    }
    let mut commit = node.take_commit().unwrap();
    for (partition, retained) in retained_by_partition {
        for record in retained.records().map(Result::unwrap) {
            commit.append(TopicPartition::new(changelog, partition), record.key, record.value);
        }
    }
    commit.group = node.group();
    commit
}

/// The rows of every table topic, by topic and key.
pub type Content = BTreeMap<(&'static str, String), Vec<u8>>;

pub fn content(log: &mut impl TestLog) -> Content {
    let mut content = Content::new();
    for topic in topics::ALL.iter().filter(|topic| topic.policy == Policy::Compact) {
        for partition in partitions(*topic) {
            for record in read_all(log, partition).records().map(Result::unwrap) {
                let expected = topics::partition_of(record.key, topic.partitions);
                assert_eq!(partition.partition, expected, "{} of {}", record.key, topic.name);
                let key = (topic.name, record.key.to_owned());
                match record.value {
                    Some(value) => _ = content.insert(key, value.to_vec()),
                    None => _ = content.remove(&key),
                }
            }
        }
    }
    content
}

/// Returns the topics that only this processor writes: its outputs, its changelog and its dead-letter queue.
pub fn topics_written_by(node: &dyn ProcessorNode) -> Vec<&'static str> {
    let tables = node.outputs().into_iter().map(|topic| topic.name);
    tables.chain([changelog_topic(node.name()), dlq_topic(node.name())]).collect()
}
