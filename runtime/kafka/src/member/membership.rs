//! The membership of one instance in its consumer group, as a pure state machine: (state, event, now) → (state, actions).
//!
//! One request of the task takes the membership through these decisions: join; check the connection if the member has had no partitions
//! for a while; carry out what the last task event requires; wait for input. A fenced member first waits for the other instance to leave.
//! Invariant: an action that a task event requires is carried out after the task has handled the event, and before the next record is
//! delivered. After a loss of the assignment, nothing can be committed until partitions are assigned again.
//! Not here: clocks, locks and clients; the driver (`kafka_member`) reports events and carries out actions.
use super::{
    assignment::{Assignment, PendingAction},
    fencing_wait::{FencingDecision, FencingWait},
    member_action::{MemberAction, RejoinCause},
    member_event::{ConnectedConsumer, InstancePresence, MemberEvent},
};
use runtime::{RuntimeError, TaskEvent, subscription::Subscription};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};
use topics::{Offset, Offsets};

/// If a member has no partitions for this long, it checks whether its consumer still knows a broker.
const UNASSIGNED_TIMEOUT: Duration = Duration::from_secs(20);
/// The pause of a fenced member before each decision.
const FENCED_RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// The membership of one processor instance in its consumer group. `G` is the generation of an assignment.
pub struct Membership<G> {
    /// All input partitions, if one instance reads them all: then an assigned partition is only the right to read them.
    exclusive_partitions: Option<BTreeSet<i32>>,
    session_timeout: Duration,
    is_joined: bool,
    /// True once the task was told to stop. Only an aborted commit is still followed by an action: its transaction is ended.
    is_stopping: bool,
    /// `None` unless the member is fenced.
    fencing_wait: Option<FencingWait>,
    /// When the current wait of [`UNASSIGNED_TIMEOUT`] began; `None` while the member has partitions.
    unassigned_since: Option<Instant>,
    assignment: Assignment<G>,
}

impl<G> Membership<G> {
    /// Creates the membership of an instance that has not joined its group yet.
    pub fn new(subscription: &Subscription, session_timeout: Duration) -> Self {
        let all_partitions = || subscription.inputs.iter().flat_map(|topic| 0..topic.partitions).collect();
        Membership {
            exclusive_partitions: subscription.kind.is_exclusive().then(all_partitions),
            session_timeout,
            is_joined: false,
            is_stopping: false,
            fencing_wait: None,
            unassigned_since: None,
            assignment: Assignment::default(),
        }
    }
    /// Returns the generation that a commit must carry; `None` if nothing can be committed.
    pub fn generation(&self) -> Option<&G> {
        self.assignment.generation()
    }
    /// Returns the assigned partition numbers. Each number stands for the partition with this number in every input topic.
    pub fn partitions(&self) -> Vec<i32> {
        self.assignment.partitions()
    }
    /// Returns the end offset that a partition's changelog had when the partition was unassigned; `None` if the state in memory was not
    /// kept, or is in use.
    pub fn retained_changelog_end(&self, partition: i32) -> Option<Offset> {
        self.assignment.retained_changelog_end(partition)
    }
    /// Applies an event, and returns the actions that the driver must carry out now, in this order.
    pub fn handle(&mut self, event: MemberEvent<G>, now: Instant) -> Vec<MemberAction> {
        match event {
            MemberEvent::EventRequested => self.next_actions(now),
            MemberEvent::Joined => {
                self.is_joined = true;
                self.next_actions(now)
            }
            MemberEvent::Rejoined => self.on_rejoined(),
            MemberEvent::ConnectionsChecked(connected) => self.on_connections_checked(connected),
            MemberEvent::Assigned { partitions, generation } => self.on_assigned(partitions, generation),
            MemberEvent::Revoked => {
                self.assignment.on_revoked();
                vec![MemberAction::Deliver(TaskEvent::Revoked(self.partitions()))]
            }
            MemberEvent::Lost => {
                self.assignment = Assignment::default();
                let lost = MemberAction::Deliver(TaskEvent::Lost);
                vec![MemberAction::DropOffsets, MemberAction::Unassign, lost]
            }
            MemberEvent::ChangelogEndsRead(ends) => self.unassign(ends),
            MemberEvent::ProducerReinitialized { is_stopping, is_rebalance_pending } => {
                self.reassign(is_stopping || is_rebalance_pending)
            }
            MemberEvent::RestoreStarted { partition } => {
                self.assignment.on_restore_started(partition);
                Vec::new()
            }
            MemberEvent::CommitAborted => {
                self.assignment.on_aborted_commit();
                Vec::new()
            }
            MemberEvent::PauseEnded => self.on_pause_ended(now),
            MemberEvent::FencingInstanceChecked(presence) => self.on_fencing_instance_checked(presence, now),
            MemberEvent::Records(records) => vec![MemberAction::Deliver(TaskEvent::Records(records))],
            MemberEvent::Idle { consumed_offsets } => commit_and_deliver(consumed_offsets, TaskEvent::Idle),
            MemberEvent::Stopping { consumed_offsets } => {
                self.is_stopping = true;
                self.fencing_wait = None;
                commit_and_deliver(consumed_offsets, TaskEvent::Shutdown)
            }
            MemberEvent::Failed(error) => self.on_failed(error, now),
        }
    }
    /// Returns the actions that lead to the next task event.
    fn next_actions(&mut self, now: Instant) -> Vec<MemberAction> {
        if self.fencing_wait.is_some() {
            vec![MemberAction::Pause(FENCED_RETRY_INTERVAL)]
        } else if self.is_stopping {
            self.finish_pending_action()
        } else if !self.is_joined {
            vec![MemberAction::Join]
        } else if self.is_connection_check_due(now) {
            vec![MemberAction::CheckConnections]
        } else {
            self.finish_pending_action()
        }
    }
    /// Returns true, and restarts the wait, if the member has had no partitions for [`UNASSIGNED_TIMEOUT`].
    fn is_connection_check_due(&mut self, now: Instant) -> bool {
        if !self.assignment.is_empty() {
            self.unassigned_since = None;
            return false;
        }
        let unassigned_since = *self.unassigned_since.get_or_insert(now);
        let is_due = now.duration_since(unassigned_since) >= UNASSIGNED_TIMEOUT;
        if is_due {
            self.unassigned_since = None;
        }
        is_due
    }
    /// Returns the actions that the last task event requires, now that the task has handled it.
    fn finish_pending_action(&mut self) -> Vec<MemberAction> {
        match self.assignment.take_pending_action() {
            PendingAction::None => vec![MemberAction::AwaitInput],
            PendingAction::StartFetch => {
                vec![MemberAction::StartFetch(self.partitions()), MemberAction::AwaitInput]
            }
            PendingAction::UnassignKeepState => vec![MemberAction::ReadChangelogEnds(self.partitions())],
            PendingAction::UnassignDropState => self.unassign(BTreeMap::new()),
            PendingAction::Reassign => vec![MemberAction::ReinitProducer],
        }
    }
    fn on_rejoined(&mut self) -> Vec<MemberAction> {
        if self.fencing_wait.take().is_some() {
            return vec![MemberAction::Deliver(TaskEvent::Lost)];
        }
        self.assignment = Assignment::default();
        vec![MemberAction::DropOffsets, MemberAction::AwaitInput]
    }
    fn on_connections_checked(&mut self, connected: ConnectedConsumer) -> Vec<MemberAction> {
        match connected {
            ConnectedConsumer::OnlySecond => {
                vec![MemberAction::JoinWithNewConsumer(RejoinCause::Disconnected)]
            }
            // If no consumer reaches a broker, a new one would not help.
            ConnectedConsumer::Own | ConnectedConsumer::Neither => self.finish_pending_action(),
        }
    }
    fn on_assigned(&mut self, partitions: Vec<i32>, generation: G) -> Vec<MemberAction> {
        let partitions: BTreeSet<i32> = match &self.exclusive_partitions {
            Some(all_partitions) if !partitions.is_empty() => all_partitions.clone(),
            _ => partitions.into_iter().collect(),
        };
        self.assignment.assign(partitions, generation);
        vec![MemberAction::Deliver(TaskEvent::Assigned(self.partitions()))]
    }
    fn unassign(&mut self, retained_changelog_ends: BTreeMap<i32, Offset>) -> Vec<MemberAction> {
        self.assignment.unassign(retained_changelog_ends);
        vec![MemberAction::Unassign, MemberAction::AwaitInput]
    }
    /// Assigns the same partitions to the task again after an aborted commit.
    fn reassign(&mut self, is_assignment_ended: bool) -> Vec<MemberAction> {
        if is_assignment_ended {
            // If the records of this assignment were processed again, their commit would be rejected again.
            self.assignment.unassign(BTreeMap::new());
            return vec![MemberAction::AwaitInput];
        }
        self.assignment.reassign();
        // `StopFetch` instead of `Unassign`: librdkafka reports lost partitions only after the application has answered their assignment
        // with `assign`.
        let assigned = MemberAction::Deliver(TaskEvent::Assigned(self.partitions()));
        vec![MemberAction::StopFetch, assigned]
    }
    fn on_pause_ended(&mut self, now: Instant) -> Vec<MemberAction> {
        if self.fencing_wait.as_ref().is_some_and(|wait| wait.is_check_due(now)) {
            vec![MemberAction::CheckFencingInstance]
        } else {
            self.next_actions(now)
        }
    }
    fn on_fencing_instance_checked(&mut self, presence: InstancePresence, now: Instant) -> Vec<MemberAction> {
        let Some(mut wait) = self.fencing_wait.take() else { return self.next_actions(now) };
        match wait.on_checked(presence, now) {
            FencingDecision::GiveUp => vec![MemberAction::Deliver(TaskEvent::Failed(wait.into_error()))],
            FencingDecision::Rejoin => {
                self.fencing_wait = Some(wait);
                vec![MemberAction::JoinWithNewConsumer(RejoinCause::FencingInstanceLeft)]
            }
            FencingDecision::Wait => {
                self.fencing_wait = Some(wait);
                self.next_actions(now)
            }
        }
    }
    /// Starts the wait of a fenced member. Any other error, and an error during this wait, ends the task.
    fn on_failed(&mut self, error: RuntimeError, now: Instant) -> Vec<MemberAction> {
        let is_waiting = self.fencing_wait.take().is_some();
        if is_waiting || !matches!(error, RuntimeError::Fenced { .. }) {
            return vec![MemberAction::Deliver(TaskEvent::Failed(error))];
        }
        self.assignment = Assignment::default();
        self.fencing_wait = Some(FencingWait::new(error, self.session_timeout, now));
        vec![MemberAction::DropOffsets, MemberAction::Pause(FENCED_RETRY_INTERVAL)]
    }
}

/// Commits the consumer's position, then returns an event to the task.
fn commit_and_deliver(consumed_offsets: Offsets, event: TaskEvent) -> Vec<MemberAction> {
    vec![MemberAction::CommitPastControlRecords(consumed_offsets), MemberAction::Deliver(event)]
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
