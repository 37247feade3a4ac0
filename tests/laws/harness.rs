//! The topology on a deterministic schedule: who reads how much of what next, who commits, who crashes, who takes over.
//!
//! The nodes are the topology's own; the harness stands where supervisor, member and log stand otherwise, and decides by a seed.
//! Invariant: what an instance loses by a crash is what it had not committed; positions move only in commits.
//! Not here: what must hold afterwards (the laws).
use crate::{
    log::{MemoryLog, Readers, Store, append_raw, whole},
    random::Random,
};
use fastbreak::topology::topology;
use processors::predictor::Predictor;
use runtime::{
    Commit, ProcessorNode, RecordBatch, Restored,
    engine::{changelog_topic, dlq_topic},
};
use schemas::raw::RawEvent;
use std::collections::{BTreeMap, BTreeSet};
use topics::{PARTITIONS, Policy, TopicInfo};

/// A new instance of the processor at a place in the topology.
pub fn node(processor: usize) -> Box<dyn ProcessorNode> {
    topology(Predictor::new(None)).swap_remove(processor)
}

/// What may happen in a run, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub seed: u64,
    /// 1–5 for each processor, drawn anew at each rebalance.
    pub most_instances: usize,
    /// The largest read, in records.
    pub batch: usize,
    /// Percent of the steps, each.
    pub commits: usize,
    pub crashes: usize,
    pub rebalances: usize,
    pub compactions: usize,
    pub restarts: usize,
}
impl Plan {
    /// Anything may happen.
    pub fn random(seed: u64) -> Plan {
        let mut random = Random::new(seed ^ 0x706c_616e);
        Plan {
            seed,
            most_instances: 1 + random.below(5),
            batch: random.pick(&[3, 12, 60, 60, 400, 100_000]),
            commits: random.pick(&[5, 30, 100]),
            crashes: random.pick(&[0, 1, 3]),
            rebalances: random.pick(&[0, 1, 3]),
            compactions: random.pick(&[0, 5, 20]),
            restarts: 0,
        }
    }
    /// One instance each reads all there is, processor by processor, and nothing goes wrong.
    pub const STRAIGHT: Plan = Plan {
        seed: 0,
        most_instances: 1,
        batch: usize::MAX,
        commits: 100,
        crashes: 0,
        rebalances: 0,
        compactions: 0,
        restarts: 0,
    };
}

struct Instance {
    node: Box<dyn ProcessorNode>,
    held: BTreeSet<i32>,
    next: BTreeMap<(&'static str, i32), i64>,
}
struct Group {
    processor: usize,
    name: &'static str,
    id: String,
    inputs: Vec<TopicInfo>,
    is_view: bool,
    instances: Vec<Instance>,
}
impl Group {
    fn restored(&self, log: &mut impl Store, partition: i32) -> (Restored, BTreeMap<&'static str, i64>) {
        let mut restored = Restored::default();
        let mut next = BTreeMap::new();
        for input in &self.inputs {
            let committed = log.position(&self.id, input.name, partition);
            restored.next.insert(input.name, committed);
            next.insert(input.name, committed);
            if self.is_view && input.policy == Policy::Compact {
                let table = whole(log, input.name, partition);
                next.insert(input.name, table.next().max(committed));
                restored.tables.push((input.name, vec![table]));
            }
        }
        if self.is_view {
            restored.changelog = vec![whole(log, &changelog_topic(self.name), partition)];
        }
        (restored, next)
    }
    fn assign(&mut self, log: &mut impl Store, instance: usize, partition: i32) {
        let (restored, next) = self.restored(log, partition);
        let instance = &mut self.instances[instance];
        instance.node.assign(partition, restored).unwrap();
        instance.held.insert(partition);
        next.into_iter().for_each(|(topic, next)| _ = instance.next.insert((topic, partition), next));
    }
    fn commit(&mut self, log: &mut impl Store, instance: usize) {
        let node = &mut self.instances[instance].node;
        if node.has_pending() {
            log.append(node.take_commit().unwrap());
        }
    }
    /// A process dies; another takes its place and restores.
    fn crash(&mut self, log: &mut impl Store, instance: usize, mid_commit: bool) {
        if mid_commit {
            // What was taken and never appended is nowhere.
            drop(self.instances[instance].node.take_commit().unwrap());
        }
        let held = std::mem::take(&mut self.instances[instance].held);
        self.instances[instance] =
            Instance { node: node(self.processor), held: BTreeSet::new(), next: BTreeMap::new() };
        held.into_iter().for_each(|partition| self.assign(log, instance, partition));
    }
    /// Deals the partitions anew. Who leaves commits first, or dies; a partition that stays where its state stands is kept.
    fn rebalance(&mut self, log: &mut impl Store, random: &mut Random, most: usize) {
        let count = 1 + random.below(most);
        let owner: Vec<usize> = (0..PARTITIONS).map(|_| random.below(count)).collect();
        for i in 0..self.instances.len() {
            if random.percent(70) {
                self.commit(log, i);
            } else {
                self.crash(log, i, false);
                self.commit(log, i);
            }
            let eager = random.percent(50);
            let leaving = |p: &i32| eager || owner[*p as usize] != i;
            let lost: Vec<i32> = self.instances[i].held.iter().copied().filter(leaving).collect();
            for partition in lost {
                self.instances[i].node.revoke(partition);
                self.instances[i].held.remove(&partition);
                self.instances[i].next.retain(|(_, p), _| *p != partition);
            }
        }
        self.instances.truncate(count);
        while self.instances.len() < count {
            let node = node(self.processor);
            self.instances.push(Instance { node, held: BTreeSet::new(), next: BTreeMap::new() });
        }
        for partition in 0..PARTITIONS {
            let to = owner[partition as usize];
            if !self.instances[to].held.contains(&partition) {
                self.assign(log, to, partition);
            }
        }
    }
    /// What there is to read, by instance.
    fn pending(&self, log: &mut impl Store) -> Vec<(usize, &'static str, i32)> {
        let mut pending = Vec::new();
        for (i, instance) in self.instances.iter().enumerate() {
            for ((topic, partition), next) in &instance.next {
                if log.end(topic, *partition) > *next {
                    pending.push((i, *topic, *partition));
                }
            }
        }
        pending
    }
    fn read(
        &mut self,
        log: &mut impl Store,
        (i, topic, partition): (usize, &'static str, i32),
        records: usize,
    ) {
        let instance = &mut self.instances[i];
        let from = instance.next[&(topic, partition)];
        let record_batch = log.read(topic, partition, from, records);
        instance.node.process(topic, partition, &record_batch).unwrap();
        instance.next.insert((topic, partition), record_batch.next());
    }
}

/// Runs the processors that `runs` until everything is read and committed.
pub fn run<S: Store>(log: &mut S, mut raw: Vec<RawEvent>, plan: Plan, runs: impl Fn(&str) -> bool) {
    let mut random = Random::new(plan.seed);
    let nodes = topology(Predictor::new(None));
    let readers: Readers =
        nodes.iter().map(|node| (node.group(), node.inputs().iter().map(|t| t.name).collect())).collect();
    let mut groups: Vec<Group> = Vec::new();
    for (processor, node) in nodes.into_iter().enumerate().filter(|(_, node)| runs(node.name())) {
        let (name, id, inputs, is_view) = (node.name(), node.group(), node.inputs(), node.is_view());
        let mut group = Group { processor, name, id, inputs, is_view, instances: Vec::new() };
        group.rebalance(log, &mut random, plan.most_instances);
        groups.push(group);
    }
    raw.reverse();
    loop {
        if !raw.is_empty() && (plan.batch > 100_000 || random.percent(20)) {
            let n =
                if plan.batch > 100_000 { raw.len() } else { 1 + random.below(plan.batch.min(raw.len())) };
            let mut some = raw.split_off(raw.len() - n.min(raw.len()));
            some.reverse();
            append_raw(log, &some);
        }
        let first = if plan.batch > 100_000 { 0 } else { random.below(groups.len()) };
        let count = groups.len();
        let next = (0..count).map(|k| (first + k) % count).find_map(|g| {
            let pending = groups[g].pending(log);
            (!pending.is_empty()).then_some((g, pending))
        });
        let Some((g, pending)) = next else {
            for group in &mut groups {
                (0..group.instances.len()).for_each(|i| group.commit(log, i));
            }
            if raw.is_empty() && groups.iter().all(|group| group.pending(log).is_empty()) {
                return;
            }
            continue;
        };
        let group = &mut groups[g];
        if plan.batch > 100_000 {
            pending.into_iter().for_each(|at| group.read(log, at, usize::MAX));
            group.commit(log, 0);
            continue;
        }
        let at = random.pick(&pending);
        group.read(log, at, 1 + random.below(plan.batch));
        if random.percent(plan.crashes) {
            let mid_commit = random.percent(50);
            group.crash(log, at.0, mid_commit);
        } else if random.percent(plan.commits) {
            group.commit(log, at.0);
        }
        if random.percent(plan.rebalances) {
            let g = random.below(count);
            groups[g].rebalance(log, &mut random, plan.most_instances);
        }
        if random.percent(plan.compactions) {
            let draw = random.next() as usize;
            log.compact(draw, &readers);
        }
        if random.percent(plan.restarts) {
            log.reopen();
            for group in &mut groups {
                (0..group.instances.len()).for_each(|i| group.crash(log, i, false));
            }
        }
    }
}

/// The tables as a computation from scratch gives them: each processor once, in the order of the topology, over all there is. A view
/// first merges its observations, then a new one derives every row that what it kept and its input tables can give: nothing here
/// depends on which rows a record is said to reach.
pub fn batch(raw: &[RawEvent]) -> MemoryLog {
    let mut log = MemoryLog::default();
    append_raw(&mut log, raw);
    for processor in 0..topology(Predictor::new(None)).len() {
        let mut first = node(processor);
        (0..PARTITIONS).for_each(|p| first.assign(p, Restored::default()).unwrap());
        let mut next = BTreeMap::new();
        for (input, p) in first.inputs().into_iter().flat_map(|t| (0..t.partitions).map(move |p| (t, p))) {
            let record_batch = whole(&mut log, input.name, p);
            next.insert((input.name, p), record_batch.next());
            if input.policy != Policy::Compact || !first.is_view() {
                first.process(input.name, p, &record_batch).unwrap();
            }
        }
        let mut commit = first.take_commit().unwrap();
        if first.is_view() {
            commit = derived_anew(&mut log, processor, &commit);
        }
        commit.next = next;
        commit.out.remove(&(topics::LEDGER.info.name.to_owned(), 0));
        log.append(commit);
    }
    log
}

fn derived_anew(log: &mut MemoryLog, processor: usize, merged: &Commit) -> Commit {
    let mut second = node(processor);
    let changelog = changelog_topic(second.name());
    let mut all_kept = BTreeMap::new();
    for partition in 0..PARTITIONS {
        let mut kept = RecordBatch::default();
        let records = merged.out.get(&(changelog.clone(), partition));
        for record in records.into_iter().flat_map(RecordBatch::records).map(Result::unwrap) {
            if record.key.starts_with("retained|") {
                kept.push(record.key, record.value);
            }
        }
        let tables = second.inputs().into_iter().filter(|input| input.policy == Policy::Compact);
        let tables = tables.map(|input| (input.name, vec![whole(log, input.name, partition)])).collect();
        let restored = Restored { changelog: vec![kept.clone()], tables, next: BTreeMap::new() };
        second.assign(partition, restored).unwrap();
        all_kept.insert(partition, kept);
    }
    let mut commit = second.take_commit().unwrap();
    for (partition, kept) in all_kept {
        let record_batch = commit.out.entry((changelog.clone(), partition)).or_default();
        kept.records().map(Result::unwrap).for_each(|record| record_batch.push(record.key, record.value));
    }
    commit.group = second.group();
    commit
}

/// The live rows of every table topic, by topic and key.
pub type Content = BTreeMap<(&'static str, String), Vec<u8>>;

pub fn content(log: &mut impl Store) -> Content {
    let mut content = Content::new();
    for topic in topics::ALL.iter().filter(|topic| topic.policy == Policy::Compact) {
        for partition in 0..topic.partitions {
            for record in whole(log, topic.name, partition).records().map(Result::unwrap) {
                assert_eq!(topics::partition_of(record.key, topic.partitions), partition, "{}", record.key);
                let at = (topic.name, record.key.to_owned());
                match record.value {
                    Some(value) => _ = content.insert(at, value.to_vec()),
                    None => _ = content.remove(&at),
                }
            }
        }
    }
    content
}

/// The topics that one processor alone writes.
pub fn written_by(node: &dyn ProcessorNode) -> Vec<String> {
    let tables = node.outputs().into_iter().map(|topic| topic.name.to_owned());
    tables.chain([changelog_topic(node.name()), dlq_topic(node.name())]).collect()
}
