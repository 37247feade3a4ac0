//! The assignment of a group member: its partitions, its generation, and the action to carry out after the current task event.
//!
//! Invariant: without a generation nothing can be committed. State in memory counts as retained only from the time at which its partition
//! was unassigned after a commit until it is restored or dropped.
//! Not here: when the assignment changes (`membership`), the offsets of the member (`member_offsets`).
use std::collections::{BTreeMap, BTreeSet};
use topics::Offset;

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

/// The current assignment of a group member. `G` is the generation of an assignment.
pub struct Assignment<G> {
    /// The group generation in which the partitions were assigned. `None` until partitions are assigned for the first time, and after they
    /// were lost.
    generation: Option<G>,
    /// The assigned partition numbers. Each number stands for the partition with this number in every input topic.
    partitions: BTreeSet<i32>,
    pending_action: PendingAction,
    /// Changelog end offsets at the time when partitions were unassigned, by partition number. Only partitions whose state was kept have
    /// an entry.
    retained_changelog_ends: BTreeMap<i32, Offset>,
}

impl<G> Default for Assignment<G> {
    fn default() -> Self {
        Assignment {
            generation: None,
            partitions: BTreeSet::new(),
            pending_action: PendingAction::None,
            retained_changelog_ends: BTreeMap::new(),
        }
    }
}

impl<G> Assignment<G> {
    pub fn generation(&self) -> Option<&G> {
        self.generation.as_ref()
    }
    pub fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }
    /// Returns the assigned partition numbers.
    pub fn partitions(&self) -> Vec<i32> {
        self.partitions.iter().copied().collect()
    }
    /// Sets the assigned partitions and their generation.
    pub fn assign(&mut self, partitions: BTreeSet<i32>, generation: G) {
        self.partitions = partitions;
        self.generation = Some(generation);
        self.pending_action = PendingAction::StartFetch;
    }
    /// Schedules the unassignment of revoked partitions.
    pub fn on_revoked(&mut self) {
        self.pending_action = PendingAction::UnassignKeepState;
    }
    /// Unassigns all partitions. A partition's state in memory is kept if its changelog end offset is in `retained_changelog_ends`.
    pub fn unassign(&mut self, retained_changelog_ends: BTreeMap<i32, Offset>) {
        self.retained_changelog_ends = retained_changelog_ends;
        self.partitions.clear();
    }
    /// Marks all state in memory as outdated, so that it is restored before it is used again, and schedules fetching for after the restore.
    pub fn reassign(&mut self) {
        self.retained_changelog_ends.clear();
        self.pending_action = PendingAction::StartFetch;
    }
    /// Returns the end offset that the changelog had when its partition was unassigned; `None` if the state was not kept.
    pub fn retained_changelog_end(&self, partition: i32) -> Option<Offset> {
        self.retained_changelog_ends.get(&partition).copied()
    }
    /// The state of this partition is in use again, so it is no longer retained.
    pub fn on_restore_started(&mut self, partition: i32) {
        self.retained_changelog_ends.remove(&partition);
    }
    pub fn take_pending_action(&mut self) -> PendingAction {
        std::mem::take(&mut self.pending_action)
    }
    /// Handles an aborted commit: the task discards its state, so the partitions are assigned again, or unassigned if they are revoked.
    pub fn on_aborted_commit(&mut self) {
        self.pending_action = match self.pending_action {
            PendingAction::UnassignKeepState | PendingAction::UnassignDropState => {
                PendingAction::UnassignDropState
            }
            PendingAction::None | PendingAction::StartFetch | PendingAction::Reassign => {
                PendingAction::Reassign
            }
        };
    }
}
