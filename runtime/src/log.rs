//! The log as a processor sees it: what can wake it, what it reads on assignment, and what it makes durable.
//!
//! Two traits, small enough for a Kafka transaction and for one SQL transaction alike: `Source::next_event` and `Log::commit`. `LogBackend` is
//! the log to everyone else: verbs that read it, ingest, the supervisor.
//! Invariant: `next` always means the offset to read next. A commit is atomic: outputs, changelog, dead letters, accounts and input
//! positions become durable together or not at all.
//! Not here: any particular log.
use crate::{
    engine::ProcessorNode,
    lag::ProcessorProgress,
    progress_board::ProgressBoard,
    record_batch::{CorruptBatch, RecordBatch},
    subscription::{ReadLimits, RunContext, Subscription},
};
use schemas::{RawId, ops::LedgerEntry};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use topics::TopicInfo;

/// A topic and partition.
pub type TopicPartition = (&'static str, i32);

/// Everything that can wake a processor's loop. If it is not here, it cannot happen.
#[derive(Debug)]
pub enum TaskEvent {
    /// Partitions are handed to this instance: restore, derive, go on.
    Assigned(Vec<i32>),
    /// Partitions are taken away: commit, then let them go.
    Revoked(Vec<i32>),
    /// Partitions were taken away unasked: what is not committed is somebody else's to do.
    Lost,
    /// Records, per topic and partition in order.
    Records(Vec<(TopicPartition, RecordBatch)>),
    /// Nothing to read now.
    Idle,
    /// Stop after committing what was read.
    Shutdown,
    /// The log is unwell in a way that this process cannot mend.
    Failed(RuntimeError),
}

/// Everything one micro-batch makes durable.
#[derive(Debug, Default)]
pub struct Commit {
    /// The consumer group whose positions these are.
    pub group: String,
    /// Records by topic and partition, changelog and dead letters included. Names of derived topics are owned.
    pub out: BTreeMap<(String, i32), RecordBatch>,
    pub next: BTreeMap<TopicPartition, i64>,
    /// The account that is among the records, for whoever counts.
    pub ledger_entry: Option<LedgerEntry>,
}

/// What a processor finds when a partition is handed to it.
#[derive(Debug, Default)]
pub struct Restored {
    pub changelog: Vec<RecordBatch>,
    /// Its input tables, each to its end.
    pub tables: Vec<(&'static str, Vec<RecordBatch>)>,
    /// Committed positions of all its inputs in this partition.
    pub next: BTreeMap<&'static str, i64>,
}

/// Why a processor must stop: restarting resumes from the last commit.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    #[error("{processor} cannot read its own topic {topic}/{partition} at offset {offset}: {reason}")]
    Undecodable { processor: String, topic: String, partition: i32, offset: i64, reason: String },
    #[error("{processor} cannot encode a record for {topic}: {reason}")]
    Unencodable { processor: String, topic: String, reason: String },
    #[error(transparent)]
    CorruptBatch(#[from] CorruptBatch),
    #[error("the log {path}: {reason}; {next}")]
    Storage { path: String, reason: String, next: String },
    #[error("{processor}'s work was interrupted: {reason}; it goes on from what is durable")]
    Aborted { processor: String, reason: String },
    #[error("{processor} was fenced: {reason}\nnext: {next}")]
    Fenced { processor: String, reason: String, next: String },
    #[error("the brokers {brokers} are not reachable: {reason}\nnext: {next}")]
    Unreachable { brokers: String, reason: String, next: String },
    #[error("{what} is refused: {reason}\nnext: {next}")]
    Precondition { what: String, reason: String, next: String },
    #[error(
        "{processor} stops at {at}: {limit}; the last: {sample}\nnothing of this batch is committed, so nothing is lost\n\
         next: when the source or the loader is wrong, start again once it is put right; to let these records go to `fastbreak dlq \
         show {processor}`, raise `dead-letter-max-consecutive` or `dead-letter-max-ratio`"
    )]
    DlqLimitExceeded { processor: String, at: String, limit: String, sample: String },
    #[error("the sink: {0}")]
    Warehouse(String),
}

/// What wakes a processor.
pub trait Source {
    /// Blocks until something happens.
    fn next_event(&mut self) -> TaskEvent;
}

/// What makes a processor's work durable.
pub trait Log {
    /// What a partition's memory is made from; `None` when this instance held it before and nobody has written since, so that what it
    /// holds stands.
    fn restore(&mut self, partition: i32) -> Result<Option<Restored>, RuntimeError>;
    /// Makes a micro-batch durable. After [`RuntimeError::Aborted`] all of it is or nothing, and the member hands its
    /// partitions out again, to go on from what is.
    fn commit(&mut self, commit: Commit) -> Result<(), RuntimeError>;
}

/// A processor instance's place on a log: its consumer group, its partitions, its transactions.
pub trait GroupMember: Source + Log + Send {
    /// Goes on from given positions, as after a restart.
    fn seek(&mut self, next: BTreeMap<TopicPartition, i64>);
    /// Whether it has read all there is, and nobody upstream of it in this process is about to write more.
    fn is_caught_up(&self) -> bool;
    /// The log itself, to read what is in it.
    fn storage(&mut self) -> &mut dyn LogBackend;
}

/// How many records lie below a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordCount {
    Exactly(i64),
    /// Some may have been compacted or deleted.
    AtLeast(i64),
}

/// A raw event on its way into the log: topic, partition, key, identity, encoded event.
pub type RawEventRecord = (TopicInfo, i32, String, RawId, Vec<u8>);

/// A log, as everyone but a processor sees it.
pub trait LogBackend: Send {
    /// Names this log: another, or a rebuilt one, has another id.
    fn id(&mut self) -> Result<String, RuntimeError>;
    /// The same, if anybody has needed a name for it yet; nothing is written.
    fn existing_id(&mut self) -> Result<Option<String>, RuntimeError>;
    /// What a person calls it: its path, or its brokers.
    fn name(&self) -> String;
    /// The records from an offset on, up to about so many bytes and to the end as it was at the call; at least one record when there is any.
    fn read(
        &mut self,
        topic: &str,
        partition: i32,
        from: i64,
        bytes: usize,
    ) -> Result<Vec<RecordBatch>, RuntimeError>;
    /// Where what is left of these topics' partitions begins; at their end when nothing is.
    fn beginning_offsets(&mut self, topics: &[&str]) -> Result<BTreeMap<(String, i32), i64>, RuntimeError>;
    /// Where these topics' partitions end.
    fn end_offsets(&mut self, topics: &[&str]) -> Result<BTreeMap<(String, i32), i64>, RuntimeError>;
    /// The offsets in these topics that a consumer group reads next.
    fn committed_offsets(
        &mut self,
        group: &str,
        topics: &[&str],
    ) -> Result<BTreeMap<(String, i32), i64>, RuntimeError>;
    /// What a fresh instance would find in a partition.
    fn restore(&mut self, subscription: &Subscription, partition: i32) -> Result<Restored, RuntimeError>;
    /// How many records lie below a position.
    fn count_records_below(
        &mut self,
        topic: &str,
        partition: i32,
        below: i64,
    ) -> Result<RecordCount, RuntimeError>;
    /// Appends raw events that are not in the log yet, and what else belongs to them, at once; answers how many were new.
    fn ingest(&mut self, events: &[RawEventRecord], extra: Commit) -> Result<usize, RuntimeError>;
    /// Appends records and moves a group's positions, at once, for tools that are no processor.
    fn append(
        &mut self,
        out: BTreeMap<(String, i32), RecordBatch>,
        group: &str,
        next: &BTreeMap<(String, i32), i64>,
    ) -> Result<(), RuntimeError>;
    /// Deletes a topic's records below these offsets, by partition.
    fn purge(&mut self, topic: &str, below: &BTreeMap<i32, i64>) -> Result<(), RuntimeError>;
    /// Claims the right to run processors here, for as long as this value lives.
    fn acquire_run_lock(&mut self) -> Result<(), RuntimeError>;
    /// A place for a processor instance. Only after [`LogBackend::acquire_run_lock`].
    fn subscribe(
        &mut self,
        subscription: Subscription,
        limits: ReadLimits,
        run_context: Arc<RunContext>,
    ) -> Result<Box<dyn GroupMember>, RuntimeError>;
    /// What has to be done now and then: tell the board what others appended, compact. Answers when it wants to be asked again.
    fn run_maintenance(&mut self, board: &ProgressBoard) -> Result<Duration, RuntimeError>;
    /// Where readers stand in every partition of their inputs, in one look: what they have committed, what the log holds, and the
    /// first record at or after each position. Readers that never ran are there too.
    fn lag_snapshot(
        &mut self,
        subscriptions: &[Subscription],
    ) -> Result<Vec<ProcessorProgress>, RuntimeError>;
    /// Whether these readers have committed having read all that their topics hold.
    fn is_caught_up(&mut self, subscriptions: &[Subscription]) -> Result<bool, RuntimeError>;
    /// Removes what is of a replay's namespace and of nothing else, when nobody runs it: these topics but the raw ones, and the groups
    /// of these processors. Answers what was removed. A live log refuses.
    fn discard(&mut self, topics: &[String], processors: &[String]) -> Result<Vec<String>, RuntimeError>;
}

/// The loop of one processor instance, until shutdown or a halt.
pub fn run(node: &mut dyn ProcessorNode, member: &mut dyn GroupMember) -> Result<(), RuntimeError> {
    let mut held = BTreeSet::new();
    loop {
        let event = member.next_event();
        let last = matches!(event, TaskEvent::Shutdown);
        match event {
            TaskEvent::Assigned(partitions) => assign(node, member, &mut held, &partitions)?,
            // The memory is kept until somebody else may have changed what it was made from.
            TaskEvent::Revoked(_) => {}
            TaskEvent::Lost => forget(node, &mut held),
            TaskEvent::Records(record_batches) => {
                for ((topic, partition), record_batch) in &record_batches {
                    node.process(topic, *partition, record_batch)?;
                }
            }
            TaskEvent::Idle | TaskEvent::Shutdown => {}
            TaskEvent::Failed(runtime_error) => return Err(runtime_error),
        }
        match commit(node, member) {
            Err(RuntimeError::Aborted { reason, .. }) => {
                let then = match last {
                    true => {
                        "the last commit was not confirmed; whoever reads next goes on from what is durable"
                    }
                    false => "a commit was not confirmed, going on from what is durable",
                };
                tracing::warn!(processor = node.name(), reason, "{then}");
                forget(node, &mut held);
            }
            committed => committed?,
        }
        if last {
            return Ok(());
        }
    }
}

fn assign(
    node: &mut dyn ProcessorNode,
    member: &mut dyn GroupMember,
    held: &mut BTreeSet<i32>,
    partitions: &[i32],
) -> Result<(), RuntimeError> {
    let gone: Vec<i32> = held.iter().copied().filter(|partition| !partitions.contains(partition)).collect();
    for partition in gone {
        held.remove(&partition);
        node.revoke(partition);
    }
    for partition in partitions {
        if let Some(restored) = member.restore(*partition)? {
            node.revoke(*partition);
            node.assign(*partition, restored)?;
        }
        held.insert(*partition);
    }
    Ok(())
}

/// Drops everything that is not durable.
fn forget(node: &mut dyn ProcessorNode, held: &mut BTreeSet<i32>) {
    node.reset();
    held.clear();
}

fn commit(node: &mut dyn ProcessorNode, log: &mut dyn GroupMember) -> Result<(), RuntimeError> {
    match node.has_pending() {
        true => log.commit(node.take_commit()?),
        false => Ok(()),
    }
}
