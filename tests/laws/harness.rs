//! Runs the topology on a deterministic schedule: a seed decides the order of reads, commits, crashes and rebalances.
//!
//! The processors are the real ones; the harness replaces the supervisor, the group members and the log.
//! Invariant: the same schedule and events give the same run.
//! Not here: the instances of a processor (`group`), the laws that must hold after a run (`accounting`, `streams`, `issued`).
use crate::{
    group::{Group, PendingRead},
    log::{GroupInputs, TestLog, append_raw, partitions, read_all},
    random::Random,
};
use fastbreak::topology::topology;
use processors::predictor::Predictor;
use runtime::{
    ProcessorNode,
    engine::{changelog_topic, dlq_topic},
};
use schemas::raw::RawEvent;
use std::collections::BTreeMap;
use topics::Policy;

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
