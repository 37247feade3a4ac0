//! The log as a processor sees it: what can wake it, what it reads on assignment, and what it makes durable.
//!
//! Two traits, small enough for a Kafka transaction and for one SQL transaction alike: `Source::wake` and `Log::commit`.
//! Invariant: `next` always means the offset to read next. A commit is atomic: outputs, changelog, dead letters, accounts and input
//! positions become durable together or not at all.
//! Not here: any particular log.
use crate::chunk::{Chunk, Damaged};
use std::collections::BTreeMap;

/// A topic and partition.
pub type At = (&'static str, i32);

/// Everything that can wake a processor's loop. If it is not here, it cannot happen.
#[derive(Debug)]
pub enum Wake {
    /// Partitions are handed to this instance: restore, derive, go on.
    Assigned(Vec<i32>),
    /// Partitions are taken away: commit, drop, then let them go.
    Revoked(Vec<i32>),
    /// Records, per topic and partition in order.
    Records(Vec<(At, Chunk)>),
    /// Nothing to read now.
    Dry,
    /// Stop after committing what was read.
    Shutdown,
    /// The log is unwell in a way that this process cannot mend.
    Failed(Halt),
}

/// Everything one micro-batch makes durable.
#[derive(Debug, Default)]
pub struct Commit {
    /// The consumer group whose positions these are.
    pub group: String,
    /// Records by topic and partition, changelog and dead letters included. Names of derived topics are owned.
    pub out: BTreeMap<(String, i32), Chunk>,
    pub next: BTreeMap<At, i64>,
}

/// What a processor finds when a partition is handed to it.
#[derive(Debug, Default)]
pub struct Restored {
    pub changelog: Vec<Chunk>,
    /// Its input tables, each to its end.
    pub tables: Vec<(&'static str, Vec<Chunk>)>,
    /// Committed positions of all its inputs in this partition.
    pub next: BTreeMap<&'static str, i64>,
}

/// Why a processor must stop: restarting resumes from the last commit.
#[derive(Debug, thiserror::Error)]
pub enum Halt {
    #[error("{processor} cannot read its own topic {topic}/{partition} at offset {offset}: {reason}")]
    Undecodable { processor: String, topic: String, partition: i32, offset: i64, reason: String },
    #[error("{processor} cannot encode a record for {topic}: {reason}")]
    Unencodable { processor: String, topic: String, reason: String },
    #[error(transparent)]
    Damaged(#[from] Damaged),
    #[error("the log {path}: {reason}; {next}")]
    Log { path: String, reason: String, next: String },
    #[error("the sink: {0}")]
    Sink(String),
}

/// What wakes a processor.
pub trait Source {
    /// Blocks until something happens.
    fn wake(&mut self) -> Wake;
}

/// What makes a processor's work durable.
pub trait Log {
    fn restore(&mut self, partition: i32) -> Result<Restored, Halt>;
    fn commit(&mut self, commit: Commit) -> Result<(), Halt>;
}

/// The loop of one processor instance, until shutdown or a halt.
pub fn run(node: &mut dyn crate::engine::Node, member: &mut (impl Source + Log)) -> Result<(), Halt> {
    loop {
        let wake = member.wake();
        let last = matches!(wake, Wake::Shutdown);
        match wake {
            Wake::Assigned(partitions) => {
                for partition in partitions {
                    let restored = member.restore(partition)?;
                    node.assign(partition, restored)?;
                }
            }
            Wake::Revoked(partitions) => {
                commit(node, member)?;
                partitions.into_iter().for_each(|partition| node.revoke(partition));
            }
            Wake::Records(chunks) => {
                for ((topic, partition), chunk) in &chunks {
                    node.push(topic, *partition, chunk)?;
                }
            }
            Wake::Dry | Wake::Shutdown => {}
            Wake::Failed(halt) => return Err(halt),
        }
        commit(node, member)?;
        if last {
            return Ok(());
        }
    }
}

fn commit(node: &mut dyn crate::engine::Node, log: &mut impl Log) -> Result<(), Halt> {
    match node.has_work() {
        true => log.commit(node.take()?),
        false => Ok(()),
    }
}
