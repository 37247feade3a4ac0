//! Tests the membership without a broker: each test reports a sequence of events and compares the actions.
//!
//! Invariant: time passes only when a test says so. Actions are compared in their `Debug` form.
//! Not here: properties of random sequences of events (`laws`).
use super::{Membership, UNASSIGNED_TIMEOUT};
use crate::member::{
    member_action::MemberAction,
    member_event::{
        ConnectedConsumer::{Neither, OnlySecond, Own},
        InstancePresence::{Absent, Present, Unknown},
        MemberEvent::{self, *},
    },
};
use runtime::{RecordBatch, RuntimeError, TaskEvent, engine::ProcessorKind, subscription::Subscription};
use std::time::{Duration, Instant};
use topics::{GAMES, Offsets, TopicPartition};

const SESSION_TIMEOUT: Duration = Duration::from_secs(10);
/// The session timeout and the grace timeout.
const SESSION: Duration = Duration::from_secs(13);
const FIRST_PARTITION: TopicPartition = TopicPartition { topic: "core.games.v1", partition: 0 };

/// Returns a subscription to one topic.
pub(super) fn subscription(kind: ProcessorKind) -> Subscription {
    let (name, inputs) = ("slate", vec![GAMES.info]);
    Subscription { name, group: name.into(), kind, inputs, outputs: Vec::new(), upstream: Vec::new() }
}
pub(super) fn fenced() -> RuntimeError {
    RuntimeError::Fenced { processor: "slate".into(), reason: "fenced".into(), next: "stop".into() }
}
pub(super) fn disk_full() -> RuntimeError {
    RuntimeError::Storage { path: "log".into(), reason: "disk full".into(), next: "make room".into() }
}

/// A member and the time.
struct Member {
    membership: Membership<u32>,
    now: Instant,
}

impl Member {
    /// Creates a member of a materialized view that has not joined yet.
    fn new() -> Member {
        Member::of_kind(ProcessorKind::MaterializedView)
    }
    fn of_kind(kind: ProcessorKind) -> Member {
        let membership = Membership::new(&subscription(kind), SESSION_TIMEOUT);
        Member { membership, now: Instant::now() }
    }
    /// Creates a member that has joined and waits for input.
    fn joined() -> Member {
        let mut member = Member::new();
        assert_eq!(member.handle(EventRequested), ["Join"]);
        assert_eq!(member.handle(Joined), ["AwaitInput"]);
        member
    }
    /// Creates a member that fetches the partitions 0 and 1 in generation 1.
    fn fetching() -> Member {
        let mut member = Member::joined();
        member.handle(Assigned { partitions: vec![0, 1], generation: 1 });
        assert_eq!(member.handle(EventRequested), ["StartFetch([0, 1])", "AwaitInput"]);
        member
    }
    /// Creates a member whose partitions 0 and 1 were revoked and unassigned; their changelogs ended at 7 and 9.
    fn unassigned() -> Member {
        let mut member = Member::fetching();
        assert_eq!(member.handle(Revoked), ["Deliver(Revoked([0, 1]))"]);
        assert_eq!(member.handle(EventRequested), ["ReadChangelogEnds([0, 1])"]);
        let ends = ChangelogEndsRead([(0, 7), (1, 9)].into());
        assert_eq!(member.handle(ends), ["Unassign", "AwaitInput"]);
        member
    }
    /// Creates a member that was fenced now.
    fn fenced() -> Member {
        let mut member = Member::fetching();
        assert_eq!(member.handle(Failed(fenced())), ["DropOffsets", "Pause(500ms)"]);
        member
    }
    /// Creates a member whose consumers are checked now, because it had no partitions for a while.
    fn with_checked_connections() -> Member {
        let mut member = Member::unassigned();
        assert_eq!(member.handle(EventRequested), ["AwaitInput"]);
        member.pass(UNASSIGNED_TIMEOUT);
        assert_eq!(member.handle(EventRequested), ["CheckConnections"]);
        member
    }
    fn pass(&mut self, duration: Duration) {
        self.now += duration;
    }
    /// Reports an event, and returns the actions in their `Debug` form.
    fn handle(&mut self, event: MemberEvent<u32>) -> Vec<String> {
        let actions = self.membership.handle(event, self.now);
        actions.iter().map(|action| format!("{action:?}")).collect()
    }
    /// Returns what the member knows about the state in memory of partitions 0 and 1.
    fn retained_changelog_ends(&self) -> [Option<i64>; 2] {
        [0, 1].map(|partition| self.membership.retained_changelog_end(partition))
    }
}

#[test]
fn a_member_joins_at_the_first_request_and_fetches_once_the_task_has_restored_its_state() {
    let mut member = Member::new();
    assert_eq!(member.handle(EventRequested), ["Join"]);
    assert_eq!(member.handle(Joined), ["AwaitInput"]);
    assert_eq!(member.membership.generation(), None);
    let assigned = Assigned { partitions: vec![1, 0], generation: 5 };
    assert_eq!(member.handle(assigned), ["Deliver(Assigned([0, 1]))"]);
    assert_eq!(member.membership.generation(), Some(&5));
    assert_eq!(member.retained_changelog_ends(), [None, None]);
    assert_eq!(member.handle(RestoreStarted { partition: 0 }), [""; 0]);
    assert_eq!(member.handle(EventRequested), ["StartFetch([0, 1])", "AwaitInput"]);
    assert_eq!(member.handle(Idle { consumed_offsets: Offsets::new() }).last().unwrap(), "Deliver(Idle)");
    assert_eq!(member.handle(EventRequested), ["AwaitInput"], "fetching starts only once");
}

#[test]
fn records_are_returned_to_the_task() {
    let mut member = Member::fetching();
    let mut batch = RecordBatch::at(3);
    batch.push("key", None);
    let actions = member.membership.handle(Records(vec![(FIRST_PARTITION, batch)]), member.now);
    let [MemberAction::Deliver(TaskEvent::Records(records))] = actions.as_slice() else {
        panic!("{actions:?}")
    };
    assert_eq!(records[0].0, FIRST_PARTITION);
    assert_eq!(records[0].1.next(), 4);
}

#[test]
fn an_idle_member_commits_past_control_records_before_the_task_is_idle() {
    let mut member = Member::fetching();
    let consumed_offsets = Offsets::from([(FIRST_PARTITION, 9)]);
    let commit = format!("CommitPastControlRecords({consumed_offsets:?})");
    assert_eq!(member.handle(Idle { consumed_offsets }), [&commit, "Deliver(Idle)"]);
}

#[test]
fn revoked_partitions_are_unassigned_after_the_commit_and_their_state_is_kept() {
    let mut member = Member::unassigned();
    assert_eq!(member.membership.partitions(), [0; 0]);
    assert_eq!(member.membership.generation(), Some(&1), "the brokers reject a commit in the old generation");
    member.handle(Assigned { partitions: vec![1, 2], generation: 2 });
    assert_eq!(member.retained_changelog_ends(), [Some(7), Some(9)]);
    member.handle(RestoreStarted { partition: 1 });
    assert_eq!(member.retained_changelog_ends(), [Some(7), None], "state that is in use is not retained");
    assert_eq!(member.handle(EventRequested), ["StartFetch([1, 2])", "AwaitInput"]);
}

#[test]
fn the_retained_state_is_that_of_the_last_revoked_partitions_only() {
    let mut member = Member::unassigned();
    member.handle(Assigned { partitions: vec![1], generation: 2 });
    member.handle(RestoreStarted { partition: 1 });
    member.handle(EventRequested);
    assert_eq!(member.handle(Revoked), ["Deliver(Revoked([1]))"]);
    assert_eq!(member.handle(EventRequested), ["ReadChangelogEnds([1])"]);
    member.handle(ChangelogEndsRead([(1, 12)].into()));
    assert_eq!(member.retained_changelog_ends(), [None, Some(12)]);
}

#[test]
fn a_static_member_whose_partitions_come_back_can_use_its_state_and_a_restarted_one_restores_it() {
    let mut member = Member::unassigned();
    let assigned = || Assigned { partitions: vec![0, 1], generation: 2 };
    assert_eq!(member.handle(assigned()), ["Deliver(Assigned([0, 1]))"]);
    assert_eq!(member.retained_changelog_ends(), [Some(7), Some(9)]);

    let mut restarted = Member::joined();
    assert_eq!(restarted.handle(assigned()), ["Deliver(Assigned([0, 1]))"]);
    assert_eq!(restarted.retained_changelog_ends(), [None, None]);
}

#[test]
fn an_aborted_commit_of_revoked_partitions_drops_their_state() {
    let mut member = Member::fetching();
    member.handle(Revoked);
    assert_eq!(member.handle(CommitAborted), [""; 0]);
    assert_eq!(member.handle(CommitAborted), [""; 0], "a second abort changes nothing");
    assert_eq!(member.handle(EventRequested), ["Unassign", "AwaitInput"]);
    member.handle(Assigned { partitions: vec![0, 1], generation: 2 });
    assert_eq!(member.retained_changelog_ends(), [None, None]);
}

#[test]
fn after_an_aborted_commit_the_same_partitions_are_assigned_again_with_a_new_producer_epoch() {
    let mut member = Member::unassigned();
    member.handle(Assigned { partitions: vec![0], generation: 2 });
    // The commit that follows the restore is aborted: nothing was fetched yet.
    member.handle(CommitAborted);
    assert_eq!(member.handle(EventRequested), ["ReinitProducer"]);
    let reinitialized = || ProducerReinitialized { is_stopping: false, is_rebalance_pending: false };
    assert_eq!(member.handle(reinitialized()), ["StopFetch", "Deliver(Assigned([0]))"]);
    assert_eq!(member.retained_changelog_ends(), [None, None], "the task has discarded all state");
    assert_eq!(member.membership.generation(), Some(&2));
    assert_eq!(member.handle(EventRequested), ["StartFetch([0])", "AwaitInput"]);
    // The commit of a micro-batch is aborted.
    member.handle(CommitAborted);
    assert_eq!(member.handle(EventRequested), ["ReinitProducer"]);
    assert_eq!(member.handle(reinitialized()), ["StopFetch", "Deliver(Assigned([0]))"]);
}

#[test]
fn an_assignment_that_has_ended_is_not_assigned_again_after_an_aborted_commit() {
    let mut member = Member::fetching();
    member.handle(CommitAborted);
    member.handle(EventRequested);
    let reinitialized = ProducerReinitialized { is_stopping: false, is_rebalance_pending: true };
    assert_eq!(member.handle(reinitialized), ["AwaitInput"]);
    assert_eq!(member.handle(Revoked), ["Deliver(Revoked([]))"]);
    assert_eq!(member.handle(EventRequested), ["ReadChangelogEnds([])"]);
    assert_eq!(member.handle(ChangelogEndsRead([].into())), ["Unassign", "AwaitInput"]);
}

#[test]
fn a_lost_assignment_leaves_no_generation_and_no_state() {
    let mut member = Member::fetching();
    assert_eq!(member.handle(Lost), ["DropOffsets", "Unassign", "Deliver(Lost)"]);
    assert_eq!(member.membership.generation(), None);
    assert_eq!(member.membership.partitions(), [0; 0]);
    assert_eq!(member.handle(EventRequested), ["AwaitInput"]);
    member.handle(Assigned { partitions: vec![0], generation: 3 });
    assert_eq!(member.membership.generation(), Some(&3));

    let mut member = Member::unassigned();
    member.handle(Lost);
    assert_eq!(member.retained_changelog_ends(), [None, None]);
}

#[test]
fn a_loss_replaces_what_a_revocation_requires() {
    let mut member = Member::fetching();
    member.handle(Revoked);
    member.handle(Lost);
    assert_eq!(member.handle(EventRequested), ["AwaitInput"]);
}

#[test]
fn an_instance_with_an_exclusive_subscription_reads_all_input_partitions_or_none() {
    let mut member = Member::of_kind(ProcessorKind::Sink);
    let all: Vec<i32> = (0..GAMES.info.partitions).collect();
    let assigned = member.handle(Assigned { partitions: vec![0], generation: 1 });
    assert_eq!(assigned, [format!("Deliver(Assigned({all:?}))")]);
    assert_eq!(member.membership.partitions(), all);
    let assigned = member.handle(Assigned { partitions: Vec::new(), generation: 2 });
    assert_eq!(assigned, ["Deliver(Assigned([]))"]);
    assert_eq!(member.membership.generation(), Some(&2));
}

#[test]
fn a_fenced_member_rejoins_once_no_other_instance_was_found_twice() {
    let mut member = Member::fenced();
    assert_eq!(member.membership.generation(), None);
    member.pass(SESSION - Duration::from_millis(1));
    assert_eq!(
        member.handle(PauseEnded),
        ["Pause(500ms)"],
        "the session of the other instance has not expired"
    );
    member.pass(Duration::from_millis(1));
    assert_eq!(member.handle(PauseEnded), ["CheckFencingInstance"]);
    assert_eq!(member.handle(FencingInstanceChecked(Absent)), ["Pause(500ms)"]);
    assert_eq!(member.handle(PauseEnded), ["CheckFencingInstance"]);
    assert_eq!(member.handle(FencingInstanceChecked(Present)), ["Pause(500ms)"]);
    assert_eq!(member.handle(PauseEnded), ["CheckFencingInstance"]);
    assert_eq!(member.handle(FencingInstanceChecked(Absent)), ["Pause(500ms)"], "absent once since then");
    assert_eq!(member.handle(PauseEnded), ["CheckFencingInstance"]);
    let actions = member.handle(FencingInstanceChecked(Absent));
    assert_eq!(actions, ["JoinWithNewConsumer(FencingInstanceLeft)"]);
    assert_eq!(member.handle(Rejoined), ["Deliver(Lost)"]);
    assert_eq!(member.handle(EventRequested), ["AwaitInput"]);
    assert_eq!(member.handle(Assigned { partitions: vec![0], generation: 8 }), ["Deliver(Assigned([0]))"]);
}

#[test]
fn a_fenced_member_fails_if_the_other_instance_stays_for_three_sessions() {
    let mut member = Member::fenced();
    member.pass(SESSION * 3 - Duration::from_millis(1));
    assert_eq!(member.handle(PauseEnded), ["CheckFencingInstance"]);
    assert_eq!(member.handle(FencingInstanceChecked(Present)), ["Pause(500ms)"]);
    member.pass(Duration::from_millis(1));
    assert_eq!(member.handle(PauseEnded), ["CheckFencingInstance"]);
    assert_eq!(member.handle(FencingInstanceChecked(Present)), [format!("Deliver(Failed({:?}))", fenced())]);
}

#[test]
fn a_fenced_member_waits_while_the_brokers_are_unreachable() {
    let mut member = Member::fenced();
    member.pass(SESSION * 10);
    assert_eq!(member.handle(PauseEnded), ["CheckFencingInstance"]);
    assert_eq!(member.handle(FencingInstanceChecked(Absent)), ["Pause(500ms)"]);
    for _ in 0..3 {
        assert_eq!(member.handle(PauseEnded), ["CheckFencingInstance"]);
        assert_eq!(member.handle(FencingInstanceChecked(Unknown)), ["Pause(500ms)"]);
    }
    assert_eq!(member.handle(PauseEnded), ["CheckFencingInstance"]);
    let rejoined = member.handle(FencingInstanceChecked(Absent));
    assert_eq!(rejoined, ["JoinWithNewConsumer(FencingInstanceLeft)"]);
}

#[test]
fn a_fenced_member_stops_while_it_waits() {
    let mut member = Member::fenced();
    let stopped = member.handle(Stopping { consumed_offsets: Offsets::new() });
    assert_eq!(stopped, ["CommitPastControlRecords({})", "Deliver(Shutdown)"]);
    assert_eq!(member.membership.generation(), None);
    assert_eq!(member.handle(EventRequested), ["AwaitInput"]);
}

#[test]
fn an_error_during_the_wait_of_a_fenced_member_ends_the_task() {
    for error in [disk_full, fenced] {
        let mut member = Member::fenced();
        assert_eq!(member.handle(Failed(error())), [format!("Deliver(Failed({:?}))", error())]);
    }
}

#[test]
fn a_member_that_is_fenced_before_it_has_joined_joins_afterwards() {
    let mut member = Member::new();
    member.handle(EventRequested);
    assert_eq!(member.handle(Failed(fenced())), ["DropOffsets", "Pause(500ms)"]);
    member.pass(SESSION);
    for _ in 0..2 {
        member.handle(PauseEnded);
        member.handle(FencingInstanceChecked(Absent));
    }
    assert_eq!(member.handle(Rejoined), ["Deliver(Lost)"]);
    assert_eq!(member.handle(EventRequested), ["Join"]);
}

#[test]
fn any_other_error_ends_the_task() {
    let mut member = Member::fetching();
    assert_eq!(member.handle(Failed(disk_full())), [format!("Deliver(Failed({:?}))", disk_full())]);
}

#[test]
fn a_member_without_partitions_rejoins_if_only_another_consumer_reaches_a_broker() {
    let mut member = Member::with_checked_connections();
    let actions = member.handle(ConnectionsChecked(OnlySecond));
    assert_eq!(actions, ["JoinWithNewConsumer(Disconnected)"]);
    assert_eq!(member.handle(Rejoined), ["DropOffsets", "AwaitInput"]);
    assert_eq!(member.membership.generation(), None);
    assert_eq!(member.retained_changelog_ends(), [None, None]);
}

#[test]
fn a_member_keeps_its_consumer_if_it_is_connected_or_if_no_consumer_reaches_a_broker() {
    for connected in [Own, Neither] {
        let mut member = Member::with_checked_connections();
        assert_eq!(member.handle(ConnectionsChecked(connected)), ["AwaitInput"]);
        assert_eq!(member.retained_changelog_ends(), [Some(7), Some(9)]);
        assert_eq!(member.handle(EventRequested), ["AwaitInput"], "the wait starts again");
        member.pass(UNASSIGNED_TIMEOUT);
        assert_eq!(member.handle(EventRequested), ["CheckConnections"]);
    }
}

#[test]
fn an_empty_assignment_is_answered_after_the_connections_were_checked() {
    let mut member = Member::joined();
    member.handle(Assigned { partitions: Vec::new(), generation: 1 });
    member.pass(UNASSIGNED_TIMEOUT);
    assert_eq!(member.handle(EventRequested), ["CheckConnections"]);
    assert_eq!(member.handle(ConnectionsChecked(Own)), ["StartFetch([])", "AwaitInput"]);
}

#[test]
fn the_connections_are_checked_only_after_a_time_without_partitions() {
    let mut member = Member::fetching();
    member.pass(UNASSIGNED_TIMEOUT * 2);
    assert_eq!(member.handle(EventRequested), ["AwaitInput"]);
    member.handle(Lost);
    assert_eq!(member.handle(EventRequested), ["AwaitInput"], "the wait starts now");
    member.pass(UNASSIGNED_TIMEOUT - Duration::from_millis(1));
    assert_eq!(member.handle(EventRequested), ["AwaitInput"]);
    member.handle(Assigned { partitions: vec![0], generation: 2 });
    member.pass(UNASSIGNED_TIMEOUT);
    assert_eq!(member.handle(EventRequested), ["StartFetch([0])", "AwaitInput"]);
}

#[test]
fn a_stopping_member_commits_past_control_records_and_ends_only_an_aborted_transaction_afterwards() {
    let mut member = Member::fetching();
    let consumed_offsets = Offsets::from([(FIRST_PARTITION, 9)]);
    let commit = format!("CommitPastControlRecords({consumed_offsets:?})");
    assert_eq!(member.handle(Stopping { consumed_offsets }), [&commit, "Deliver(Shutdown)"]);
    assert_eq!(member.membership.generation(), Some(&1), "the task still commits its last micro-batch");
    assert_eq!(member.handle(EventRequested), ["AwaitInput"]);
    member.handle(CommitAborted);
    assert_eq!(member.handle(EventRequested), ["ReinitProducer"]);
    let reinitialized = ProducerReinitialized { is_stopping: true, is_rebalance_pending: false };
    assert_eq!(member.handle(reinitialized), ["AwaitInput"]);
    assert_eq!(member.membership.partitions(), [0; 0]);
}

#[test]
fn a_member_that_has_stopped_neither_joins_nor_rejoins() {
    let mut member = Member::new();
    member.handle(EventRequested);
    member.handle(Failed(fenced()));
    member.handle(Stopping { consumed_offsets: Offsets::new() });
    assert_eq!(member.handle(EventRequested), ["AwaitInput"]);

    let mut member = Member::unassigned();
    member.handle(EventRequested);
    member.handle(Stopping { consumed_offsets: Offsets::new() });
    member.pass(UNASSIGNED_TIMEOUT);
    assert_eq!(member.handle(EventRequested), ["AwaitInput"]);
}
