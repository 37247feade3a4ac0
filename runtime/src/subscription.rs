//! What members of a topology have in common, on whatever log: how much they read, whom they wait for, how they are stopped.
//!
//! Invariant: a reader's upstream is everyone whose output reaches it, so a member that waits for it to run dry waits for no one in a
//! circle.
//! Not here: the members (`embedded`, `kafka`) and the loop (`log::run`).
use crate::{engine::ProcessorNode, metrics::Metrics, progress_board::ProgressBoard};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use topics::TopicInfo;

/// How a member reads.
#[derive(Clone, Copy, Debug)]
pub struct ReadLimits {
    /// About so many bytes a batch.
    pub batch_bytes: usize,
    /// The longest wait for upstream processors while there is something to read.
    pub max_upstream_wait: Duration,
    /// After how long a batch closes while records keep coming, on Kafka.
    pub commit_interval: Duration,
    /// How often to report having nothing to read.
    pub tick: Duration,
}
impl Default for ReadLimits {
    fn default() -> Self {
        ReadLimits {
            batch_bytes: 32 << 20,
            max_upstream_wait: Duration::from_secs(2),
            commit_interval: Duration::from_secs(1),
            tick: Duration::from_secs(1),
        }
    }
}

/// What is asked of all members at once.
#[derive(Debug, Default)]
pub struct RunContext {
    pub board: ProgressBoard,
    pub metrics: Metrics,
    stop: AtomicBool,
}
impl RunContext {
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.board.notify();
    }
    pub fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

/// Who reads what, on whose heels.
#[derive(Clone, Debug)]
pub struct Subscription {
    pub name: &'static str,
    pub group: String,
    pub inputs: Vec<TopicInfo>,
    pub outputs: Vec<TopicInfo>,
    pub is_view: bool,
    /// All partitions go to one instance at a time; the others stand by.
    pub is_alone: bool,
    /// The processors that its inputs come from, directly or not.
    pub upstream: Vec<&'static str>,
}
impl Subscription {
    /// The readers of a topology, each with those upstream of it.
    pub fn of(nodes: &[Box<dyn ProcessorNode>]) -> Vec<Subscription> {
        let upstream_of = |inputs: Vec<TopicInfo>| {
            let mut found: Vec<&'static str> = Vec::new();
            let mut topics: Vec<&'static str> = inputs.iter().map(|topic| topic.name).collect();
            while let Some(topic) = topics.pop() {
                let writers = nodes.iter().filter(|node| node.outputs().iter().any(|out| out.name == topic));
                for writer in writers {
                    if !found.contains(&writer.name()) {
                        found.push(writer.name());
                        topics.extend(writer.inputs().iter().map(|input| input.name));
                    }
                }
            }
            found
        };
        let subscription = |node: &dyn ProcessorNode| Subscription {
            name: node.name(),
            group: node.group(),
            inputs: node.inputs(),
            outputs: node.outputs(),
            is_alone: false,
            is_view: node.is_view(),
            upstream: upstream_of(node.inputs()),
        };
        nodes.iter().map(|node| subscription(node.as_ref())).collect()
    }
}
