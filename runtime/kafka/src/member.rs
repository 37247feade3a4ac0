//! A member on Kafka: one processor instance in its consumer group, with its transactions.
//!
//! Invariant: every commit carries positions and the generation in which its input was assigned, so one from an instance that no longer
//! holds its partitions is refused. A partition that comes back keeps its memory only if nobody has written since.
//! Not here: joining (`rejoin`), librdkafka's queues (`poll`), the loop (`log::run`).
mod control_records;
mod join;

use super::{
    backend::KafkaLog,
    client::Context,
    original_record,
    partition_reader::{self, PhysicalPartition},
    poll_thread::{Command, PollChannel, Rebalance},
    transaction::TransactionalProducer,
};
use crate::{
    engine::changelog_topic,
    log::{Commit, GroupMember, Log, LogBackend, Restored, RuntimeError, Source, TaskEvent, TopicPartition},
    subscription::{ReadLimits, RunContext, Subscription},
};
use rdkafka::{
    TopicPartitionList,
    consumer::{BaseConsumer, ConsumerGroupMetadata},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// A queue that has been silent for so long has run dry.
const QUEUE_IDLE_TIMEOUT: Duration = Duration::from_millis(4);
/// How often the client is asked how far it is while nothing comes in: what is aborted comes without a record.
const POSITION_REQUEST_INTERVAL: Duration = Duration::from_secs(5);

/// A processor instance's place in its group.
pub struct KafkaMember {
    storage: KafkaLog,
    run_context: Arc<RunContext>,
    subscription: Subscription,
    limits: ReadLimits,
    channel: Arc<PollChannel>,
    context: Context,
    /// `None` until the first wake, so that members start side by side.
    clients: Option<Clients>,
    /// `None` until partitions were handed out for the first time, and after they were lost.
    generation: Option<Arc<ConsumerGroupMetadata>>,
    held: BTreeSet<i32>,
    next: BTreeMap<TopicPartition, i64>,
    committed: BTreeMap<TopicPartition, i64>,
    /// Where the records end that were handed out since the partitions were.
    delivered_offsets: BTreeMap<TopicPartition, i64>,
    /// Partitions that were given back with their memory kept, and where their changelogs ended then.
    retained_changelog_ends: BTreeMap<i32, i64>,
    pending_action: PendingAction,
    waiting_since: Option<Instant>,
    /// When the client was last asked how far it is although nothing came in.
    position_requested_at: Instant,
    /// Since when it has held no partitions, or has looked at why.
    unassigned_since: Option<Instant>,
}
struct Clients {
    consumer: Arc<BaseConsumer<Context>>,
    producer: TransactionalProducer,
}
/// What is to be done about the assignment before anything is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PendingAction {
    None,
    /// The node has restored: fetch from its positions.
    StartFetch,
    /// The node has committed: give the partitions back.
    UnassignKeepState,
    /// The same, and nothing of the memory stands.
    UnassignDropState,
    /// A commit was not confirmed: hand out what is held once more.
    Reassign,
}

impl KafkaMember {
    pub fn new(
        storage: KafkaLog,
        subscription: Subscription,
        limits: ReadLimits,
        run_context: Arc<RunContext>,
    ) -> Self {
        let context = Context { rebalances: Some(Arc::new(Mutex::new(Vec::new()))), ..Context::default() };
        KafkaMember {
            storage,
            run_context,
            subscription,
            limits,
            channel: Arc::new(PollChannel::default()),
            context,
            clients: None,
            generation: None,
            held: BTreeSet::new(),
            next: BTreeMap::new(),
            committed: BTreeMap::new(),
            delivered_offsets: BTreeMap::new(),
            retained_changelog_ends: BTreeMap::new(),
            pending_action: PendingAction::None,
            waiting_since: None,
            position_requested_at: Instant::now(),
            unassigned_since: None,
        }
    }
    fn is_upstream_idle(&self) -> bool {
        self.subscription.upstream.iter().all(|name| {
            self.run_context.board.is_idle(name) || self.run_context.board.idle_state(name).is_none()
        })
    }
    fn changelog(&self, partition: i32) -> PhysicalPartition {
        (self.storage.settings().topic(&changelog_topic(self.subscription.name)).into_owned(), partition)
    }
    /// This partition of all inputs.
    fn inputs_in(&self, partition: i32) -> Vec<PhysicalPartition> {
        let settings = self.storage.settings();
        self.subscription.inputs.iter().map(|t| (settings.topic(t.name).into_owned(), partition)).collect()
    }
    /// Where the changelogs of what is held end.
    fn changelog_ends(&self) -> Result<BTreeMap<i32, i64>, RuntimeError> {
        if !self.subscription.is_view {
            return Ok(self.held.iter().map(|partition| (*partition, 0)).collect());
        }
        let physical_partitions: Vec<PhysicalPartition> =
            self.held.iter().map(|partition| self.changelog(*partition)).collect();
        let high_watermarks = self.storage.reader().high_watermarks(&physical_partitions)?;
        Ok(high_watermarks.into_iter().map(|((_, partition), high)| (partition, high)).collect())
    }
    /// Carries out what the last wake asked for.
    fn finish_pending_action(&mut self) -> Result<Option<TaskEvent>, RuntimeError> {
        match std::mem::replace(&mut self.pending_action, PendingAction::None) {
            PendingAction::None => Ok(None),
            PendingAction::StartFetch => {
                self.storage.release_clients();
                self.delivered_offsets.clear();
                let inputs = &self.subscription.inputs;
                let physical_partitions =
                    self.held.iter().flat_map(|p| inputs.iter().map(move |topic| (topic.name, *p)));
                let positions = physical_partitions
                    .map(|at| (at, self.next.get(&at).copied().filter(|next| *next > 0)))
                    .collect();
                self.channel.command(Command::Assign(positions));
                Ok(None)
            }
            pending_action @ (PendingAction::UnassignKeepState | PendingAction::UnassignDropState) => {
                self.retained_changelog_ends = if pending_action == PendingAction::UnassignKeepState {
                    self.changelog_ends()?
                } else {
                    BTreeMap::new()
                };
                self.held.clear();
                self.channel.command(Command::Unassign);
                Ok(None)
            }
            PendingAction::Reassign => {
                self.reinit()?;
                self.retained_changelog_ends.clear();
                if self.run_context.is_stopping() || !self.channel.lock().rebalances.is_empty() {
                    // What is held here is over: whatever was done again in its generation would be refused again.
                    self.held.clear();
                    return Ok(None);
                }
                // Not `Unassign`: a client that waits for its partitions to be taken up hears of their loss only once they were.
                self.channel.command(Command::Assign(Vec::new()));
                self.channel.lock().clear();
                self.pending_action = PendingAction::StartFetch;
                Ok(Some(TaskEvent::Assigned(self.held.iter().copied().collect())))
            }
        }
    }
    /// A new epoch for the commits: what the old one still has on its way to the brokers is refused there. They may be away for a while.
    fn reinit(&mut self) -> Result<(), RuntimeError> {
        let Some(clients) = &mut self.clients else { return Ok(()) };
        loop {
            std::thread::sleep(Duration::from_millis(500));
            if let Some(runtime_error) = self.channel.lock().failed.take() {
                return Err(runtime_error);
            }
            match clients.producer.reinit() {
                Err(RuntimeError::Unreachable { reason, .. }) if !self.run_context.is_stopping() => {
                    tracing::warn!(processor = self.subscription.name, reason, "waiting for the brokers");
                }
                done => return done,
            }
        }
    }
    fn rebalance(&mut self, happened: Rebalance) -> TaskEvent {
        match happened {
            Rebalance::Assigned(partitions, generation) => {
                self.generation = Some(Arc::new(generation));
                self.held = match self.subscription.is_alone && !partitions.is_empty() {
                    true => self.subscription.inputs.iter().flat_map(|topic| 0..topic.partitions).collect(),
                    false => partitions.into_iter().collect(),
                };
                self.pending_action = PendingAction::StartFetch;
                TaskEvent::Assigned(self.held.iter().copied().collect())
            }
            Rebalance::Revoked => {
                self.pending_action = PendingAction::UnassignKeepState;
                TaskEvent::Revoked(self.held.iter().copied().collect())
            }
            Rebalance::Lost => {
                self.drop_assignment();
                self.channel.command(Command::Unassign);
                TaskEvent::Lost
            }
        }
    }
    fn drop_assignment(&mut self) {
        self.generation = None;
        self.held.clear();
        self.retained_changelog_ends.clear();
        self.next.clear();
        self.committed.clear();
        self.pending_action = PendingAction::None;
    }
    fn await_event(&mut self) -> Result<TaskEvent, RuntimeError> {
        if self.clients.is_none() {
            self.start()?;
        }
        self.rejoin_if_disconnected()?;
        if let Some(event) = self.finish_pending_action()? {
            return Ok(event);
        }
        let since = Instant::now();
        loop {
            let channel = self.channel.clone();
            let mut state = channel.lock();
            if self.run_context.is_stopping() {
                let consumed_offsets = state.consumed_offsets.take().filter(|_| state.is_idle());
                drop(state);
                self.commit_past_control_records(&consumed_offsets.unwrap_or_default())?;
                return Ok(TaskEvent::Shutdown);
            }
            if let Some(runtime_error) = state.failed.take() {
                return Err(runtime_error);
            }
            if let Some(happened) = state.rebalances.pop_front() {
                // What was fetched and not handed on is fetched again by whoever holds it next.
                state.clear();
                drop(state);
                return Ok(self.rebalance(happened));
            }
            if state.pending > 0 {
                drop(channel.wait(state, self.limits.tick));
                continue;
            }
            let quiet = state.newest.map(|newest| newest.elapsed());
            let Some(quiet) = quiet.filter(|_| !state.records.is_empty()) else {
                self.waiting_since = None;
                if self.generation.is_some() {
                    self.run_context.board.set_idle(self.subscription.name, true);
                }
                if since.elapsed() >= self.limits.tick {
                    let consumed_offsets = state.consumed_offsets.take();
                    if self.position_requested_at.elapsed() >= POSITION_REQUEST_INTERVAL {
                        (state.position_requested, self.position_requested_at) = (true, Instant::now());
                    }
                    drop(state);
                    self.commit_past_control_records(&consumed_offsets.unwrap_or_default())?;
                    return Ok(TaskEvent::Idle);
                }
                drop(channel.wait(state, self.limits.tick.saturating_sub(since.elapsed())));
                continue;
            };
            self.run_context.board.set_idle(self.subscription.name, false);
            let age = state.first.map_or(Duration::ZERO, |first| first.elapsed());
            if quiet < QUEUE_IDLE_TIMEOUT
                && state.bytes < self.limits.batch_bytes
                && age < self.limits.commit_interval
            {
                drop(channel.wait(state, QUEUE_IDLE_TIMEOUT - quiet));
                continue;
            }
            let waiting = *self.waiting_since.get_or_insert_with(Instant::now);
            if !self.is_upstream_idle()
                && state.bytes < self.limits.batch_bytes
                && waiting.elapsed() < self.limits.max_upstream_wait
            {
                drop(channel.wait(state, QUEUE_IDLE_TIMEOUT));
                continue;
            }
            self.waiting_since = None;
            let records = std::mem::take(&mut state.records);
            state.clear();
            state.position_requested = true;
            PollChannel::resume(&state);
            self.delivered_offsets
                .extend(records.iter().map(|(at, record_batch)| (*at, record_batch.next())));
            return Ok(TaskEvent::Records(records));
        }
    }
    /// The positions of a commit; one that stands already when it moves none, since the coordinator looks at positions only.
    fn offsets_to_commit(
        &self,
        next: &BTreeMap<TopicPartition, i64>,
    ) -> Result<TopicPartitionList, RuntimeError> {
        let mut held =
            self.held.iter().flat_map(|p| self.subscription.inputs.iter().map(|topic| (topic.name, *p)));
        let standing = held.next().filter(|_| next.is_empty());
        let standing = standing.map(|at| (at, self.committed.get(&at).copied().unwrap_or(0)));
        let moved = next.iter().map(|(at, next)| (*at, *next)).chain(standing);
        let physical_partitions: Vec<(PhysicalPartition, i64)> = moved
            .map(|((topic, partition), next)| {
                ((self.storage.settings().topic(topic).into_owned(), partition), next)
            })
            .collect();
        let list = partition_reader::list(
            physical_partitions.iter().map(|(physical_partition, next)| (physical_partition, *next)),
        );
        list.map_err(|error| RuntimeError::Aborted {
            processor: self.subscription.name.into(),
            reason: error.to_string(),
        })
    }
    /// Whether what is held in memory of a partition is what a fresh start would make.
    fn is_state_current(&mut self, partition: i32) -> Result<bool, RuntimeError> {
        let Some(end) = self.retained_changelog_ends.remove(&partition) else { return Ok(false) };
        let physical_partitions = self.inputs_in(partition);
        let committed = self.storage.committed(&self.subscription.group, &physical_partitions)?;
        let same =
            self.subscription.inputs.iter().zip(&physical_partitions).all(|(topic, physical_partition)| {
                self.committed.get(&(topic.name, partition)).copied().unwrap_or(0)
                    == committed.get(physical_partition).copied().unwrap_or(0)
            });
        let changelog = self.changelog(partition);
        Ok(same
            && (!self.subscription.is_view
                || self.storage.reader().high_watermarks(std::slice::from_ref(&changelog))?.get(&changelog)
                    == Some(&end)))
    }
    /// What a partition's memory is made from, unless what is held of it stands.
    fn restore_partition(&mut self, partition: i32) -> Result<Option<Restored>, RuntimeError> {
        if self.is_state_current(partition)? {
            return Ok(None);
        }
        let physical_partitions = self.inputs_in(partition);
        let committed = self.storage.committed(&self.subscription.group, &physical_partitions)?;
        let mut restored = self.storage.restore_from(&self.subscription, partition, &committed)?;
        self.storage.skip_deleted_control_records(&mut restored.next, partition)?;
        for (topic, next) in &restored.next {
            self.next.insert((topic, partition), *next);
            self.committed.insert((topic, partition), *next);
        }
        for (topic, record_batches) in &restored.tables {
            let next = self.next.entry((topic, partition)).or_default();
            *next = record_batches.last().map_or(0, crate::RecordBatch::next).max(*next);
        }
        Ok(Some(restored))
    }
}

impl Source for KafkaMember {
    fn next_event(&mut self) -> TaskEvent {
        match self.await_event() {
            Err(fenced @ RuntimeError::Fenced { .. }) => self.await_fencing_instance(fenced),
            event => event,
        }
        .unwrap_or_else(TaskEvent::Failed)
    }
}

impl Log for KafkaMember {
    fn restore(&mut self, partition: i32) -> Result<Option<Restored>, RuntimeError> {
        let restored = self.restore_partition(partition);
        // Of a member that was fenced meanwhile that is the reason.
        restored.map_err(|runtime_error| self.channel.lock().failed.take().unwrap_or(runtime_error))
    }
    fn commit(&mut self, commit: Commit) -> Result<(), RuntimeError> {
        let aborted = |reason: &str| RuntimeError::Aborted {
            processor: self.subscription.name.into(),
            reason: reason.into(),
        };
        let Some(generation) = self.generation.clone() else {
            return Err(aborted("its partitions were lost"));
        };
        let list = self.offsets_to_commit(&commit.next)?;
        let original_records =
            original_record::read_originals(self.storage.reader(), self.storage.settings(), &commit.out);
        let original_records = original_records.map_err(|runtime_error| match runtime_error {
            // As long as they are away the batch is made again.
            RuntimeError::Unreachable { reason, .. } => aborted(&reason),
            runtime_error => runtime_error,
        });
        let Some(clients) = &mut self.clients else { return Err(aborted("it has not joined yet")) };
        let done = original_records.and_then(|original_records| {
            clients.producer.commit(commit.out, Some((list, generation)), original_records)
        });
        match done {
            Ok(()) => {
                for (at, next) in commit.next {
                    self.committed.insert(at, next);
                    self.next.insert(at, next);
                }
                self.run_context.board.notify();
                Ok(())
            }
            Err(runtime_error) => {
                if matches!(runtime_error, RuntimeError::Aborted { .. }) {
                    // The memory goes with it, so it must not be taken for what stands.
                    let is_given_back = matches!(
                        self.pending_action,
                        PendingAction::UnassignKeepState | PendingAction::UnassignDropState
                    );
                    self.pending_action = if is_given_back {
                        PendingAction::UnassignDropState
                    } else {
                        PendingAction::Reassign
                    };
                }
                Err(runtime_error)
            }
        }
    }
}

impl GroupMember for KafkaMember {
    fn seek(&mut self, next: BTreeMap<TopicPartition, i64>) {
        // Others may have committed since this instance did: an empty commit must not move what stands back.
        self.committed.extend(next.iter().map(|(at, next)| (*at, *next)));
        self.next = next;
    }
    fn is_caught_up(&self) -> bool {
        self.is_upstream_idle() && self.channel.lock().records.is_empty() && self.generation.is_some()
    }
    fn storage(&mut self) -> &mut dyn LogBackend {
        &mut self.storage
    }
}

impl Drop for KafkaMember {
    fn drop(&mut self) {
        self.channel.command(Command::Leave);
        if let Some(clients) = self.clients.take() {
            join::leak_consumer(clients.consumer);
        }
    }
}
