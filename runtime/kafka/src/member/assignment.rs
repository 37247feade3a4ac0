//! The assignment of a member: its partitions, its generation, and the action that follows the current task event.
//!
//! Invariant: without a generation nothing can be committed. An action is carried out after the task has handled the event that it
//! belongs to, before the next record is delivered.
//! Not here: carrying actions out (`kafka_member`), offsets (`member_offsets`).
use crate::context::Rebalance;
use rdkafka::consumer::ConsumerGroupMetadata;
use runtime::subscription::Subscription;
use std::{collections::BTreeSet, sync::Arc};
use topics::{Offset, Offsets, TopicPartition};

/// The action on the assignment that is due before any record is delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PendingAction {
    #[default]
    None,
    /// The task has restored its state: fetch from the restored offsets.
    StartFetch,
    /// The task has committed: unassign the partitions; the state in memory may become current again.
    UnassignKeepState,
    /// The same, but the state in memory was discarded.
    UnassignDropState,
    /// A commit was aborted: assign the same partitions to the task again.
    Reassign,
}

/// Partitions, generation and pending action.
#[derive(Default)]
pub struct Assignment {
    /// `None` until partitions are assigned for the first time, and after they were lost.
    generation: Option<Arc<ConsumerGroupMetadata>>,
    /// Partition numbers, the same for all inputs.
    partitions: BTreeSet<i32>,
    pending_action: PendingAction,
    /// The end offsets of the changelogs of partitions that were unassigned with their state kept.
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
    /// The assigned partition numbers.
    pub fn partitions(&self) -> Vec<i32> {
        self.partitions.iter().copied().collect()
    }
    /// The assigned partitions of all inputs.
    pub fn input_partitions(&self, subscription: &Subscription) -> Vec<TopicPartition> {
        let inputs = |partition: &i32| {
            let partition = *partition;
            subscription.inputs.iter().map(move |topic| TopicPartition::new(topic.name, partition))
        };
        self.partitions.iter().flat_map(inputs).collect()
    }
    /// Applies a rebalance.
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
    /// The assignment was lost: partitions, generation and state are gone.
    pub fn drop_assignment(&mut self) {
        *self = Assignment::default();
    }
    /// Unassigns the partitions. State is kept for those whose changelog end offsets are given.
    pub fn unassign(&mut self, retained_changelog_ends: Offsets) {
        self.retained_changelog_ends = retained_changelog_ends;
        self.partitions.clear();
    }
    /// No state in memory is current any more.
    pub fn drop_state(&mut self) {
        self.retained_changelog_ends.clear();
    }
    /// The end offset of a changelog when its partition was unassigned with the state kept. Returned once.
    pub fn take_retained_changelog_end(&mut self, changelog: TopicPartition) -> Option<Offset> {
        self.retained_changelog_ends.remove(&changelog)
    }
    pub fn take_pending_action(&mut self) -> PendingAction {
        std::mem::take(&mut self.pending_action)
    }
    /// Fetches the assigned partitions once the task has restored its state again.
    pub fn start_fetch_after_restore(&mut self) {
        self.pending_action = PendingAction::StartFetch;
    }
    /// An aborted commit: the task discards its state, so the partitions are assigned again, or unassigned without state.
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
