//! Implements the runtime's `GroupMember`: reports events to the membership, carries out its actions, restores and commits.
//!
//! Invariant: a partition that is assigned again keeps its state in memory only if neither its committed offsets nor its changelog have
//! moved since it was unassigned.
//! Not here: the decision which action follows an event (`membership`), joining the group (`join`), the decision when a micro-batch is
//! complete (`batch_timing`).
use super::{
    input::{Generation, MemberInput},
    join::GroupConnection,
    member_action::MemberAction,
    member_event::MemberEvent,
    member_offsets::MemberOffsets,
    membership::Membership,
};
use crate::{
    cluster::KafkaCluster,
    dead_letters::to_records_with_originals,
    poll_channel::Command,
    restore::{ensure_streams_have_start, restore_partition, skip_deleted_control_records},
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
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use topics::{Offset, Offsets, TopicPartition};

/// What follows after an action was carried out.
enum Outcome {
    /// The next action of the list.
    NextAction,
    /// An event for the membership.
    Event(MemberEvent<Generation>),
    /// An event for the task.
    Deliver(TaskEvent),
}

/// One processor instance in its consumer group.
pub struct KafkaMember {
    cluster: Arc<KafkaCluster>,
    /// The log, for reads and writes of the task outside its commits.
    log: Box<dyn LogBackend>,
    subscription: Arc<Subscription>,
    run_context: Arc<RunContext>,
    connection: GroupConnection,
    membership: Membership<Generation>,
    offsets: MemberOffsets,
    input: MemberInput,
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
        let input = MemberInput::new(subscription.clone(), run_context.clone(), limits);
        let membership = Membership::new(&subscription, cluster.config().session_timeout());
        KafkaMember {
            cluster,
            log,
            subscription,
            run_context,
            connection,
            membership,
            offsets: MemberOffsets::default(),
            input,
        }
    }
    fn changelog(&self, partition: i32) -> TopicPartition {
        TopicPartition::new(changelog_topic(self.subscription.name), partition)
    }
    /// Returns the partitions that have this number, one per input topic.
    fn inputs_of(&self, partition: i32) -> Vec<TopicPartition> {
        let inputs = self.subscription.inputs.iter();
        inputs.map(|topic| TopicPartition::new(topic.name, partition)).collect()
    }
    /// Returns these partition numbers of all inputs.
    fn input_partitions(&self, partitions: &[i32]) -> Vec<TopicPartition> {
        partitions.iter().flat_map(|partition| self.inputs_of(*partition)).collect()
    }
    /// Returns the changelog end offset of every partition, by partition number; 0 if the processor has no changelog.
    fn changelog_ends(&self, partitions: &[i32]) -> Result<BTreeMap<i32, Offset>, RuntimeError> {
        if !self.subscription.kind.has_changelog() {
            return Ok(partitions.iter().map(|partition| (*partition, 0)).collect());
        }
        let changelogs: Vec<TopicPartition> =
            partitions.iter().map(|partition| self.changelog(*partition)).collect();
        let ends = self.cluster.high_watermarks(&changelogs)?;
        Ok(ends.into_iter().map(|(changelog, end_offset)| (changelog.partition, end_offset)).collect())
    }
    /// Reports an event that needs no action before the task requests its next event.
    fn report(&mut self, event: MemberEvent<Generation>) {
        let actions = self.membership.handle(event, Instant::now());
        debug_assert!(actions.is_empty(), "actions outside a request of the task: {actions:?}");
    }
    /// Carries out actions in order, up to the first that has an outcome.
    fn carry_out(&mut self, actions: Vec<MemberAction>) -> Result<Outcome, RuntimeError> {
        for action in actions {
            match self.carry_out_action(action)? {
                Outcome::NextAction => {}
                outcome => return Ok(outcome),
            }
        }
        Ok(Outcome::NextAction)
    }
    fn carry_out_action(&mut self, action: MemberAction) -> Result<Outcome, RuntimeError> {
        let outcome = match action {
            MemberAction::Join => {
                self.connection.join()?;
                Outcome::Event(MemberEvent::Joined)
            }
            MemberAction::CheckConnections => {
                Outcome::Event(MemberEvent::ConnectionsChecked(self.connection.check_connections()?))
            }
            MemberAction::JoinWithNewConsumer(cause) => {
                self.connection.rejoin_with_new_consumer(cause)?;
                Outcome::Event(MemberEvent::Rejoined)
            }
            MemberAction::Pause(duration) => Outcome::Event(self.pause(duration)),
            MemberAction::CheckFencingInstance => {
                let presence = self.connection.check_fencing_instance()?;
                Outcome::Event(MemberEvent::FencingInstanceChecked(presence))
            }
            MemberAction::ReadChangelogEnds(partitions) => {
                Outcome::Event(MemberEvent::ChangelogEndsRead(self.changelog_ends(&partitions)?))
            }
            MemberAction::ReinitProducer => Outcome::Event(self.reinit_producer()?),
            MemberAction::AwaitInput => Outcome::Event(self.await_input()),
            MemberAction::Deliver(event) => Outcome::Deliver(event),
            MemberAction::StartFetch(partitions) => {
                self.start_fetch(&partitions);
                Outcome::NextAction
            }
            MemberAction::StopFetch => {
                self.stop_fetch();
                Outcome::NextAction
            }
            MemberAction::Unassign => {
                self.connection.channel().send(Command::Unassign);
                Outcome::NextAction
            }
            MemberAction::DropOffsets => {
                self.offsets.on_lost();
                Outcome::NextAction
            }
            MemberAction::CommitPastControlRecords(consumed_offsets) => {
                self.commit_past_control_records(&consumed_offsets)?;
                Outcome::NextAction
            }
        };
        Ok(outcome)
    }
    fn pause(&self, duration: Duration) -> MemberEvent<Generation> {
        if self.run_context.is_stopping() {
            return MemberEvent::Stopping { consumed_offsets: Offsets::new() };
        }
        std::thread::sleep(duration);
        MemberEvent::PauseEnded
    }
    fn reinit_producer(&mut self) -> Result<MemberEvent<Generation>, RuntimeError> {
        self.connection.reinit_producer()?;
        Ok(MemberEvent::ProducerReinitialized {
            is_stopping: self.run_context.is_stopping(),
            is_rebalance_pending: !self.connection.channel().lock().rebalances.is_empty(),
        })
    }
    fn await_input(&mut self) -> MemberEvent<Generation> {
        let has_generation = self.membership.generation().is_some();
        let event = self.input.await_event(&self.connection.channel(), has_generation);
        if let MemberEvent::Records(records) = &event {
            self.offsets.on_delivered(records);
        }
        event
    }
    fn start_fetch(&mut self, partitions: &[i32]) {
        // The clients that restored the state are not needed while records are fetched.
        self.cluster.release_clients();
        self.offsets.on_fetch_started();
        let start = |partition: TopicPartition| {
            (self.cluster.config().physical(partition), self.offsets.fetch_start(partition))
        };
        let assignment = self.input_partitions(partitions).into_iter().map(start).collect();
        self.connection.channel().send(Command::Assign(assignment));
    }
    fn stop_fetch(&self) {
        let channel = self.connection.channel();
        channel.send(Command::Assign(Vec::new()));
        channel.lock().clear();
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
        let partitions = self.input_partitions(&self.membership.partitions());
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
        let retained_changelog_end = self.membership.retained_changelog_end(partition);
        self.report(MemberEvent::RestoreStarted { partition });
        let Some(end_offset) = retained_changelog_end else { return Ok(false) };
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
        ensure_streams_have_start(&self.cluster, &self.subscription, partition, &committed)?;
        let mut restored = restore_partition(&self.cluster, &self.subscription, partition, &committed)?;
        skip_deleted_control_records(&self.cluster, &mut restored.offsets, partition)?;
        self.offsets.on_restored(partition, &restored);
        Ok(Some(restored))
    }
}

impl GroupMember for KafkaMember {
    fn next_event(&mut self) -> TaskEvent {
        let mut event = MemberEvent::EventRequested;
        loop {
            let actions = self.membership.handle(event, Instant::now());
            event = match self.carry_out(actions) {
                Ok(Outcome::Deliver(task_event)) => return task_event,
                Ok(Outcome::Event(event)) => event,
                // No list ends this way; if one did, the request would be repeated.
                Ok(Outcome::NextAction) => MemberEvent::EventRequested,
                Err(error) => MemberEvent::Failed(error),
            };
        }
    }
    fn restore(&mut self, partition: i32) -> Result<Option<Restored>, RuntimeError> {
        let restored = self.restore_unless_current(partition);
        // If the member has failed in the meantime (for example because it was fenced), its error is the cause and is returned instead.
        restored.map_err(|error| self.connection.channel().lock().failed.take().unwrap_or(error))
    }
    fn commit(&mut self, commit: Commit) -> Result<(), CommitError> {
        let Some(group_metadata) = self.membership.generation().cloned() else {
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
            Err(CommitError::Aborted { .. }) => self.report(MemberEvent::CommitAborted),
            Err(CommitError::Fatal(_)) => {}
        }
        outcome
    }
    fn seek(&mut self, offsets: Offsets) {
        self.offsets.seek(offsets);
    }
    fn is_caught_up(&self) -> bool {
        self.input.is_upstream_idle()
            && self.connection.channel().lock().records.is_empty()
            && self.membership.generation().is_some()
    }
    fn log(&mut self) -> &mut dyn LogBackend {
        self.log.as_mut()
    }
}
