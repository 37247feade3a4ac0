//! Implements the runtime's `GroupMember`: task events, restoring, committing.
//!
//! Invariant: a partition that is assigned again keeps its state in memory only if neither its committed offsets nor its changelog have
//! moved since it was unassigned.
//! Not here: joining the group (`join`), the decision when a micro-batch is complete (`batch_timing`).
use super::{
    assignment::{Assignment, PendingAction},
    batch_timing::BatchTiming,
    join::{FencingOutcome, GroupConnection},
    member_offsets::MemberOffsets,
};
use crate::{
    cluster::KafkaCluster,
    context::Rebalance,
    dead_letters::to_records_with_originals,
    poll_channel::{Command, PollState},
    restore::{restore_partition, skip_deleted_control_records},
    topic_partition::offset_list,
    transaction::{OffsetsToCommit, TransactionContent},
};
use rdkafka::TopicPartitionList;
use runtime::{
    Commit, CommitError, GroupMember, LogBackend, Restored, RuntimeError, TaskEvent,
    engine::changelog_topic,
    subscription::{ReadLimits, RunContext, Subscription},
};
use std::{
    sync::{Arc, MutexGuard},
    time::{Duration, Instant},
};
use topics::{Offsets, TopicPartition};

/// One processor instance in its consumer group.
pub struct KafkaMember {
    cluster: Arc<KafkaCluster>,
    /// The log, for reads and writes of the task outside its commits.
    log: Box<dyn LogBackend>,
    subscription: Arc<Subscription>,
    run_context: Arc<RunContext>,
    idle_interval: Duration,
    connection: GroupConnection,
    assignment: Assignment,
    offsets: MemberOffsets,
    timing: BatchTiming,
}

impl KafkaMember {
    /// Creates a member that joins its group when the first event is requested.
    pub fn new(
        cluster: Arc<KafkaCluster>,
        log: Box<dyn LogBackend>,
        subscription: Subscription,
        limits: ReadLimits,
        run_context: Arc<RunContext>,
    ) -> Self {
        let subscription = Arc::new(subscription);
        let connection = GroupConnection::new(
            cluster.clone(),
            subscription.clone(),
            run_context.clone(),
            limits.batch_bytes,
        );
        KafkaMember {
            cluster,
            log,
            subscription,
            run_context,
            idle_interval: limits.idle_interval,
            connection,
            assignment: Assignment::default(),
            offsets: MemberOffsets::default(),
            timing: BatchTiming::new(limits),
        }
    }
    fn is_upstream_idle(&self) -> bool {
        let board = &self.run_context.board;
        let is_idle = |name: &&'static str| board.is_idle(name) || board.idle_state(name).is_none();
        self.subscription.upstream.iter().all(is_idle)
    }
    fn changelog(&self, partition: i32) -> TopicPartition {
        TopicPartition::new(changelog_topic(self.subscription.name), partition)
    }
    /// Returns the partitions that have this number, one per input topic.
    fn inputs_of(&self, partition: i32) -> Vec<TopicPartition> {
        let inputs = self.subscription.inputs.iter();
        inputs.map(|topic| TopicPartition::new(topic.name, partition)).collect()
    }
    /// Returns the changelog end offset of every assigned partition; 0 if the processor has no changelog.
    fn changelog_ends(&self) -> Result<Offsets, RuntimeError> {
        let changelogs: Vec<TopicPartition> =
            self.assignment.partitions().into_iter().map(|partition| self.changelog(partition)).collect();
        if self.subscription.kind.has_changelog() {
            self.cluster.high_watermarks(&changelogs)
        } else {
            Ok(changelogs.into_iter().map(|changelog| (changelog, 0)).collect())
        }
    }
    fn drop_assignment(&mut self) {
        self.assignment.drop_assignment();
        self.offsets.on_lost();
    }
    /// Carries out the action that the last event requires, now that the task has handled the event.
    fn finish_pending_action(&mut self) -> Result<Option<TaskEvent>, RuntimeError> {
        match self.assignment.take_pending_action() {
            PendingAction::None => Ok(None),
            PendingAction::StartFetch => {
                self.start_fetch();
                Ok(None)
            }
            PendingAction::UnassignKeepState => {
                let retained_changelog_ends = self.changelog_ends()?;
                self.unassign(retained_changelog_ends);
                Ok(None)
            }
            PendingAction::UnassignDropState => {
                self.unassign(Offsets::new());
                Ok(None)
            }
            PendingAction::Reassign => self.reassign(),
        }
    }
    fn start_fetch(&mut self) {
        // The clients that restored the state are not needed while records are fetched.
        self.cluster.release_clients();
        self.offsets.on_fetch_started();
        let start = |partition: TopicPartition| {
            (self.cluster.config().physical(partition), self.offsets.fetch_start(partition))
        };
        let partitions = self.assignment.input_partitions(&self.subscription);
        let assignment = partitions.into_iter().map(start).collect();
        self.connection.channel().send(Command::Assign(assignment));
    }
    fn unassign(&mut self, retained_changelog_ends: Offsets) {
        self.assignment.unassign(retained_changelog_ends);
        self.connection.channel().send(Command::Unassign);
    }
    /// Assigns the same partitions to the task again after an aborted commit.
    fn reassign(&mut self) -> Result<Option<TaskEvent>, RuntimeError> {
        self.connection.reinit_producer()?;
        self.assignment.drop_state();
        let channel = self.connection.channel();
        if self.run_context.is_stopping() || !channel.lock().rebalances.is_empty() {
            // This assignment has ended. If its records were processed again, their commit would be rejected again.
            self.assignment.unassign(Offsets::new());
            return Ok(None);
        }
        // `Assign` without partitions instead of `Unassign`: librdkafka reports lost partitions only after the application has answered
        // their assignment with `assign`.
        channel.send(Command::Assign(Vec::new()));
        channel.lock().clear();
        self.assignment.start_fetch_after_restore();
        Ok(Some(TaskEvent::Assigned(self.assignment.partitions())))
    }
    fn on_rebalance(&mut self, rebalance: Rebalance) -> TaskEvent {
        let is_lost = matches!(rebalance, Rebalance::Lost);
        let is_revoked = matches!(rebalance, Rebalance::Revoked);
        self.assignment.rebalance(rebalance, &self.subscription);
        if is_lost {
            self.offsets.on_lost();
            self.connection.channel().send(Command::Unassign);
            TaskEvent::Lost
        } else if is_revoked {
            TaskEvent::Revoked(self.assignment.partitions())
        } else {
            TaskEvent::Assigned(self.assignment.partitions())
        }
    }
    fn await_event(&mut self) -> Result<TaskEvent, RuntimeError> {
        self.connection.ensure_joined()?;
        if self.connection.rejoin_if_disconnected(!self.assignment.is_empty())? {
            self.drop_assignment();
        }
        if let Some(event) = self.finish_pending_action()? {
            return Ok(event);
        }
        let started = Instant::now();
        let channel = self.connection.channel();
        loop {
            let mut state = channel.lock();
            if self.run_context.is_stopping() {
                let consumed_offsets = state.consumed_offsets.take().filter(|_| state.is_idle());
                drop(state);
                self.commit_past_control_records(&consumed_offsets.unwrap_or_default())?;
                return Ok(TaskEvent::Shutdown);
            }
            if let Some(error) = state.failed.take() {
                return Err(error);
            }
            if let Some(rebalance) = state.rebalances.pop_front() {
                // Records that were fetched and not delivered are fetched again by the next owner of their partition.
                state.clear();
                drop(state);
                return Ok(self.on_rebalance(rebalance));
            }
            if state.pending_commands > 0 {
                channel.wait(state, self.idle_interval);
                continue;
            }
            if state.records.is_empty() {
                self.on_empty_inbox();
                if started.elapsed() >= self.idle_interval {
                    return self.idle_event(state);
                }
                channel.wait(state, self.idle_interval.saturating_sub(started.elapsed()));
                continue;
            }
            self.run_context.board.set_idle(self.subscription.name, false);
            match self.timing.wait_for_more(&state, self.is_upstream_idle()) {
                Some(timeout) => channel.wait(state, timeout),
                None => return Ok(self.deliver(&mut state)),
            }
        }
    }
    fn on_empty_inbox(&mut self) {
        self.timing.on_empty();
        if self.assignment.has_generation() {
            self.run_context.board.set_idle(self.subscription.name, true);
        }
    }
    fn idle_event(&mut self, mut state: MutexGuard<'_, PollState>) -> Result<TaskEvent, RuntimeError> {
        let consumed_offsets = state.consumed_offsets.take();
        if self.timing.is_position_due() {
            state.position_requested = true;
        }
        drop(state);
        self.commit_past_control_records(&consumed_offsets.unwrap_or_default())?;
        Ok(TaskEvent::Idle)
    }
    /// Takes the records out of the inbox for the task, and requests the consumer's position.
    fn deliver(&mut self, state: &mut PollState) -> TaskEvent {
        self.timing.on_empty();
        let records = std::mem::take(&mut state.records);
        state.clear();
        state.position_requested = true;
        state.wake_poll_thread();
        self.offsets.on_delivered(&records);
        TaskEvent::Records(records)
    }
    /// Commits the consumer's position in partitions where it has passed control records and no record is left to deliver.
    fn commit_past_control_records(&mut self, consumed_offsets: &Offsets) -> Result<(), RuntimeError> {
        let offsets = self.offsets.past_control_records(consumed_offsets);
        if offsets.is_empty() {
            return Ok(());
        }
        tracing::debug!(processor = self.subscription.name, ?offsets, "committing past control records");
        let group = self.subscription.group.clone();
        match self.commit(Commit { group, offsets, ..Commit::default() }) {
            // The partitions are assigned again, as after any aborted commit.
            Err(CommitError::Aborted { reason }) => {
                tracing::debug!(processor = self.subscription.name, reason, "the commit was aborted");
                Ok(())
            }
            Err(CommitError::Fatal(error)) => Err(error),
            Ok(()) => Ok(()),
        }
    }
    /// Returns the offsets that are sent with a commit. If the commit moves no offset, sends the committed offset of one partition again,
    /// because the coordinator checks the generation only of commits with offsets.
    fn offsets_to_commit(&self, offsets: &Offsets) -> Result<TopicPartitionList, CommitError> {
        let partitions = self.assignment.input_partitions(&self.subscription);
        let unchanged = partitions.first().filter(|_| offsets.is_empty());
        let unchanged = unchanged.map(|partition| (*partition, self.offsets.committed(*partition)));
        let offsets = offsets.iter().map(|(partition, offset)| (*partition, *offset)).chain(unchanged);
        let physical: Vec<_> =
            offsets.map(|(partition, offset)| (self.cluster.config().physical(partition), offset)).collect();
        offset_list(physical.iter().map(|(partition, offset)| (partition, *offset)))
            .map_err(|error| CommitError::aborted(error.to_string()))
    }
    /// Converts the dead letters, and writes the whole commit in one transaction.
    fn write(&mut self, commit: Commit, offsets: OffsetsToCommit) -> Result<(), CommitError> {
        let (client, config) = (self.cluster.client(), self.cluster.config());
        let dead_letters = to_records_with_originals(&client, config, commit.dead_letters);
        let dead_letters = dead_letters.map_err(|error| match error {
            // If the brokers are unreachable, the commit counts as aborted and the micro-batch is processed again.
            RuntimeError::Unreachable { reason, .. } => CommitError::Aborted { reason },
            error => error.into(),
        })?;
        let content = TransactionContent { records: commit.records, dead_letters, offsets: Some(offsets) };
        self.connection.producer()?.commit(content)
    }
    /// Returns true if a partition's state in memory equals the state that a restore would give.
    fn is_state_current(&mut self, partition: i32) -> Result<bool, RuntimeError> {
        let changelog = self.changelog(partition);
        let Some(end_offset) = self.assignment.take_retained_changelog_end(changelog) else {
            return Ok(false);
        };
        let inputs = self.inputs_of(partition);
        let committed = self.cluster.committed_offsets(&self.subscription.group, &inputs)?;
        let is_unmoved = inputs
            .iter()
            .all(|input| self.offsets.committed(*input) == committed.get(input).copied().unwrap_or(0));
        if !is_unmoved || !self.subscription.kind.has_changelog() {
            return Ok(is_unmoved);
        }
        Ok(self.cluster.high_watermarks(&[changelog])?.get(&changelog) == Some(&end_offset))
    }
    fn restore_unless_current(&mut self, partition: i32) -> Result<Option<Restored>, RuntimeError> {
        if self.is_state_current(partition)? {
            return Ok(None);
        }
        let inputs = self.inputs_of(partition);
        let committed = self.cluster.committed_offsets(&self.subscription.group, &inputs)?;
        let mut restored = restore_partition(&self.cluster, &self.subscription, partition, &committed)?;
        skip_deleted_control_records(&self.cluster, &mut restored.offsets, partition)?;
        self.offsets.on_restored(partition, &restored);
        Ok(Some(restored))
    }
}

impl GroupMember for KafkaMember {
    fn next_event(&mut self) -> TaskEvent {
        let event = match self.await_event() {
            Err(fenced @ RuntimeError::Fenced { .. }) => {
                self.drop_assignment();
                self.connection.await_fencing_instance(fenced).map(|outcome| match outcome {
                    FencingOutcome::Rejoined => TaskEvent::Lost,
                    FencingOutcome::Stopping => TaskEvent::Shutdown,
                })
            }
            event => event,
        };
        event.unwrap_or_else(TaskEvent::Failed)
    }
    fn restore(&mut self, partition: i32) -> Result<Option<Restored>, RuntimeError> {
        let restored = self.restore_unless_current(partition);
        // If the member has failed in the meantime (for example because it was fenced), its error is the cause and is returned instead.
        restored.map_err(|error| self.connection.channel().lock().failed.take().unwrap_or(error))
    }
    fn commit(&mut self, commit: Commit) -> Result<(), CommitError> {
        let Some(group_metadata) = self.assignment.generation() else {
            return Err(CommitError::aborted("the assignment was lost"));
        };
        self.connection.producer()?;
        let offsets = OffsetsToCommit { offsets: self.offsets_to_commit(&commit.offsets)?, group_metadata };
        let committed_offsets = commit.offsets.clone();
        let outcome = self.write(commit, offsets);
        match &outcome {
            Ok(()) => {
                self.offsets.on_committed(&committed_offsets);
                self.run_context.board.notify();
            }
            // The task discards its state, so no state may count as current later.
            Err(CommitError::Aborted { .. }) => self.assignment.on_aborted_commit(),
            Err(CommitError::Fatal(_)) => {}
        }
        outcome
    }
    fn seek(&mut self, offsets: Offsets) {
        self.offsets.seek(offsets);
    }
    fn is_caught_up(&self) -> bool {
        self.is_upstream_idle()
            && self.connection.channel().lock().records.is_empty()
            && self.assignment.has_generation()
    }
    fn log(&mut self) -> &mut dyn LogBackend {
        self.log.as_mut()
    }
}
