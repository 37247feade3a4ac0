//! What every group member needs, on Kafka and on the embedded log: a subscription, read limits, and the [`RunContext`]. All members of a
//! process share one `RunContext`, which also tells them to stop.
//!
//! Invariant: the upstream processors of a subscription are all processors whose output reaches it, directly or indirectly. The topology
//! must have no cycle, because a member waits for its upstream processors to become idle.
//! Not here: the members (the backends), the loop (`task`).
use crate::{
    engine::{ProcessorKind, ProcessorNode},
    metrics::Metrics,
    progress_board::ProgressBoard,
};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use topics::{TopicInfo, TopicPartition};

/// Limits on how much a member reads, and on how long it waits.
#[derive(Clone, Copy, Debug)]
pub struct ReadLimits {
    /// Approximate size of a micro-batch, in bytes.
    pub batch_bytes: usize,
    /// The longest wait for upstream processors to become idle while there is something to read.
    pub max_upstream_wait: Duration,
    /// On Kafka, the longest time for which a micro-batch stays open while records keep arriving.
    pub commit_interval: Duration,
    /// How often a member sends its task the event `Idle` while there is nothing to read.
    pub idle_interval: Duration,
}

impl Default for ReadLimits {
    fn default() -> Self {
        ReadLimits {
            batch_bytes: 32 << 20,
            max_upstream_wait: Duration::from_secs(2),
            commit_interval: Duration::from_secs(1),
            idle_interval: Duration::from_secs(1),
        }
    }
}

/// The state that all members of one process share.
#[derive(Debug, Default)]
pub struct RunContext {
    pub board: ProgressBoard,
    pub metrics: Metrics,
    is_stopping: AtomicBool,
}

impl RunContext {
    /// Tells all members to stop after their next commit.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
        self.board.notify();
    }
    pub fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }
}

/// A processor's subscription: group, input and output topics, upstream processors.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// The processor's name.
    pub name: &'static str,
    /// Name of the consumer group, without the prefix that the group has in a replay.
    pub group: String,
    pub kind: ProcessorKind,
    pub inputs: Vec<TopicInfo>,
    pub outputs: Vec<TopicInfo>,
    /// Names of all processors whose output reaches the inputs of this processor, directly or indirectly.
    pub upstream: Vec<&'static str>,
}

impl Subscription {
    /// Returns the subscriptions of all processors of a topology, in the same order.
    pub fn from_nodes(nodes: &[Box<dyn ProcessorNode>]) -> Vec<Subscription> {
        let subscription = |node: &dyn ProcessorNode| Subscription {
            name: node.name(),
            group: node.group(),
            kind: node.kind(),
            inputs: node.inputs(),
            outputs: node.outputs(),
            upstream: upstream_processors(nodes, &node.inputs()),
        };
        nodes.iter().map(|node| subscription(node.as_ref())).collect()
    }
    /// Returns all partitions of all inputs.
    pub fn input_partitions(&self) -> impl Iterator<Item = (TopicInfo, TopicPartition)> {
        self.inputs.iter().flat_map(|topic| {
            (0..topic.partitions).map(|partition| (*topic, TopicPartition::new(topic.name, partition)))
        })
    }
}

fn upstream_processors(nodes: &[Box<dyn ProcessorNode>], inputs: &[TopicInfo]) -> Vec<&'static str> {
    let mut upstream: Vec<&'static str> = Vec::new();
    let mut topics: Vec<&'static str> = inputs.iter().map(|topic| topic.name).collect();
    while let Some(topic) = topics.pop() {
        let writers = nodes.iter().filter(|node| node.outputs().iter().any(|output| output.name == topic));
        for writer in writers {
            if !upstream.contains(&writer.name()) {
                upstream.push(writer.name());
                topics.extend(writer.inputs().iter().map(|input| input.name));
            }
        }
    }
    upstream
}
