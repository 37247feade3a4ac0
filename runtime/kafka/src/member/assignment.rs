//! The assignment of a group member: its partitions, its generation, and the action to carry out after the current task event.
//!
//! Invariant: without a generation nothing can be committed. An action is carried out after the task has handled the event that
//! caused the action, and before the next record is delivered.
//! Not here: the code that carries out the actions (`kafka_member`), the offsets of the member (`member_offsets`).
use crate::context::Rebalance;
use rdkafka::consumer::ConsumerGroupMetadata;
use runtime::subscription::Subscription;
use std::{collections::BTreeSet, sync::Arc};
use topics::{Offset, Offsets, TopicPartition};

/// A change of the assignment that must be carried out before the next record is delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PendingAction {
    #[default]
    None,
    /// The task has restored its state: fetch from the restored offsets.
    StartFetch,
    /// The task has committed: unassign the partitions, and keep the state in memory in case they are assigned again.
    UnassignKeepState,
    /// The commit of revoked partitions was aborted: unassign them; the task has discarded the state in memory.
    UnassignDropState,
    /// A commit was aborted: assign the same partitions to the task again.
    Reassign,
}

/// The current assignment of a group member.
#[derive(Default)]
pub struct Assignment {
    /// The group generation in which the partitions were assigned. `None` until partitions are assigned for the first time, and after they
    /// were lost.
    generation: Option<Arc<ConsumerGroupMetadata>>,
    /// The assigned partition numbers. Each number stands for the partition with this number in every input topic.
    partitions: BTreeSet<i32>,
    pending_action: PendingAction,
    /// Changelog end offsets at the time when partitions were unassigned. Only partitions whose state was kept have an entry.
    retained_changelog_ends: Offsets,
}

impl Assignment {
    pub fn generation(&self) -> Option<Arc<ConsumerGroupMetadata>> {
        self.generation.clone()
    }
    pub fn has_generation(&self) -> bool {
        self.generation.is_some()
    }
    pub fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }
    /// Returns the assigned partition numbers.
    pub fn partitions(&self) -> Vec<i32> {
        self.partitions.iter().copied().collect()
    }
    /// Returns the assigned partitions of all inputs.
    pub fn input_partitions(&self, subscription: &Subscription) -> Vec<TopicPartition> {
        let inputs = |partition: &i32| {
            let partition = *partition;
            subscription.inputs.iter().map(move |topic| TopicPartition::new(topic.name, partition))
        };
        self.partitions.iter().flat_map(inputs).collect()
    }
    /// Applies a rebalance: updates the partitions, or sets the action that must follow.
    pub fn rebalance(&mut self, rebalance: Rebalance, subscription: &Subscription) {
        match rebalance {
            Rebalance::Assigned(partitions, generation) => {
                self.generation = Some(Arc::new(generation));
                self.partitions = if subscription.kind.is_exclusive() && !partitions.is_empty() {
                    subscription.inputs.iter().flat_map(|topic| 0..topic.partitions).collect()
                } else {
                    partitions.into_iter().collect()
                };
                self.pending_action = PendingAction::StartFetch;
            }
            Rebalance::Revoked => self.pending_action = PendingAction::UnassignKeepState,
            Rebalance::Lost => self.drop_assignment(),
        }
    }
    /// Drops partitions, generation and state, because the assignment was lost.
    pub fn drop_assignment(&mut self) {
        *self = Assignment::default();
    }
    /// Unassigns all partitions. A partition's state in memory is kept if its changelog end offset is in `retained_changelog_ends`.
    pub fn unassign(&mut self, retained_changelog_ends: Offsets) {
        self.retained_changelog_ends = retained_changelog_ends;
        self.partitions.clear();
    }
    /// Marks all state in memory as outdated, so that it is restored before it is used again.
    pub fn drop_state(&mut self) {
        self.retained_changelog_ends.clear();
    }
    /// Removes and returns the end offset that the changelog had when its partition was unassigned; `None` if the state was not kept.
    pub fn take_retained_changelog_end(&mut self, changelog: TopicPartition) -> Option<Offset> {
        self.retained_changelog_ends.remove(&changelog)
    }
    pub fn take_pending_action(&mut self) -> PendingAction {
        std::mem::take(&mut self.pending_action)
    }
    /// Schedules fetching of the assigned partitions. It starts after the task has restored its state.
    pub fn start_fetch_after_restore(&mut self) {
        self.pending_action = PendingAction::StartFetch;
    }
    /// Handles an aborted commit: the task discards its state, so the partitions are assigned again, or unassigned if they are revoked.
    pub fn on_aborted_commit(&mut self) {
        self.pending_action = match self.pending_action {
            PendingAction::UnassignKeepState | PendingAction::UnassignDropState => {
                PendingAction::UnassignDropState
            }
            _ => PendingAction::Reassign,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aborted_commit_drops_the_state_of_revoked_partitions_and_reassigns_others() {
        let mut assignment = Assignment::default();
        assignment.on_aborted_commit();
        assert_eq!(assignment.take_pending_action(), PendingAction::Reassign);
        assignment.pending_action = PendingAction::UnassignKeepState;
        assignment.on_aborted_commit();
        assert_eq!(assignment.take_pending_action(), PendingAction::UnassignDropState);
        assert_eq!(assignment.take_pending_action(), PendingAction::None);
    }
}
