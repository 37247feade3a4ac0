//! Laws of the membership over random histories: a model of the driver, the group and the task carries out every action with a random
//! outcome, and checks after each event what the membership may do.
//!
//! Invariant: the model follows the contract of the driver (see `member_action`) and of librdkafka: a rebalance is answered before the
//! next one, and records arrive only while the consumer fetches.
//! Not here: the exact actions after each event (`tests`).
use super::{
    Membership, UNASSIGNED_TIMEOUT,
    tests::{disk_full, fenced, subscription},
};
use crate::member::{
    member_action::{MemberAction, RejoinCause},
    member_event::{ConnectedConsumer, InstancePresence, MemberEvent},
};
use proptest::{collection::vec, prelude::*};
use runtime::{RecordBatch, RuntimeError, TaskEvent, engine::ProcessorKind};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use topics::{GAMES, Offset, Offsets, TopicPartition};

const SESSION_TIMEOUT: Duration = Duration::from_secs(10);
/// The session timeout and the grace timeout.
const SESSION: Duration = Duration::from_secs(13);

/// The random part of the outcome of one action.
#[derive(Clone, Copy, Debug)]
struct Chance {
    /// Selects the outcome.
    outcome: u8,
    /// True if the next commit is aborted.
    is_commit_aborted: bool,
    /// The time that passes.
    elapsed: Duration,
}

fn chance() -> impl Strategy<Value = Chance> {
    (any::<u8>(), prop::bool::weighted(0.2), 0..12_000_u64).prop_map(|(outcome, is_commit_aborted, ms)| {
        Chance { outcome, is_commit_aborted, elapsed: Duration::from_millis(ms) }
    })
}

/// What must happen before records may be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Due {
    Nothing,
    StartFetch,
    /// Unassign revoked partitions; the state in memory is kept if true.
    Unassign(bool),
    Reassign,
    /// Deliver the rebalance, or the shutdown, that ended the assignment of an aborted commit.
    EndOfAssignment,
}

/// The group, the driver and the task of one member.
struct Model {
    membership: Membership<u32>,
    now: Instant,
    /// The generation of the current assignment.
    generation: Option<u32>,
    newest_generation: u32,
    /// The partitions that the task was told last.
    partitions: Vec<i32>,
    /// True from an assignment to its revocation or loss, for the consumer.
    is_assigned: bool,
    /// The partitions that the consumer fetches.
    fetched: Vec<i32>,
    due: Due,
    /// The state in memory that the task has kept.
    kept: BTreeMap<i32, Offset>,
    fenced_since: Option<Instant>,
    checks: Vec<InstancePresence>,
    connected: Option<ConnectedConsumer>,
    /// When the partitions were unassigned, or the connections checked.
    unassigned_since: Instant,
    is_joined: bool,
    is_stopping: bool,
    has_stopped: bool,
}

impl Model {
    fn new(kind: ProcessorKind) -> Model {
        let now = Instant::now();
        Model {
            membership: Membership::new(&subscription(kind), SESSION_TIMEOUT),
            now,
            generation: None,
            newest_generation: 0,
            partitions: Vec::new(),
            is_assigned: false,
            fetched: Vec::new(),
            due: Due::Nothing,
            kept: BTreeMap::new(),
            fenced_since: None,
            checks: Vec::new(),
            connected: None,
            unassigned_since: now,
            is_joined: false,
            is_stopping: false,
            has_stopped: false,
        }
    }
    /// Lets the member run until the history is used up or the member fails.
    fn run(&mut self, history: &[Chance]) {
        let mut event = MemberEvent::EventRequested;
        for chance in history {
            if matches!(event, MemberEvent::Failed(RuntimeError::Fenced { .. }))
                && self.fenced_since.is_none()
            {
                self.fenced_since = Some(self.now);
                (self.generation, self.is_assigned, self.due) = (None, false, Due::Nothing);
                (self.partitions, self.kept) = (Vec::new(), BTreeMap::new());
            }
            let mut actions = self.membership.handle(event, self.now);
            assert_eq!(self.membership.generation().copied(), self.generation, "a commit needs a generation");
            let last = actions.pop().expect("every event inside a request has a last action");
            for action in actions {
                self.carry_out(action, *chance);
            }
            self.now += chance.elapsed;
            match self.finish(last, *chance) {
                Some(next) => event = next,
                None => return,
            }
        }
    }
    /// Carries out an action that has no outcome.
    fn carry_out(&mut self, action: MemberAction, chance: Chance) {
        match action {
            MemberAction::StartFetch(partitions) => {
                assert_eq!(self.due, Due::StartFetch, "fetching starts once, after the assignment");
                assert_eq!(partitions, self.partitions);
                assert!(!self.has_stopped && self.generation.is_some());
                (self.fetched, self.due) = (partitions, Due::Nothing);
            }
            MemberAction::StopFetch => {
                assert_eq!(self.due, Due::Reassign);
                (self.fetched, self.due) = (Vec::new(), Due::Nothing);
            }
            MemberAction::Unassign => {
                assert!(matches!(self.due, Due::Unassign(_)), "{:?}", self.due);
                self.fetched.clear();
                (self.partitions, self.due) = (Vec::new(), Due::Nothing);
            }
            MemberAction::DropOffsets => assert_eq!(self.generation, None, "offsets belong to an assignment"),
            MemberAction::CommitPastControlRecords(_) => self.commit(chance),
            action => panic!("{action:?} has an outcome and is not the last action"),
        }
    }
    /// Carries out the last action of a list, and returns the next event; `None` after the member has failed.
    fn finish(&mut self, action: MemberAction, chance: Chance) -> Option<MemberEvent<u32>> {
        assert!(
            self.fenced_since.is_none() || is_part_of_fencing(&action),
            "a fenced member waits: {action:?}"
        );
        let is_last = matches!(
            action,
            MemberAction::ReinitProducer
                | MemberAction::AwaitInput
                | MemberAction::Pause(_)
                | MemberAction::Deliver(_)
        );
        assert!(!self.has_stopped || is_last, "nothing is done after a stop: {action:?}");
        if let Some(error) = failure(&action, chance) {
            return Some(MemberEvent::Failed(error));
        }
        Some(match action {
            MemberAction::Join => {
                assert!(!self.is_joined);
                (self.is_joined, self.unassigned_since) = (true, self.now);
                MemberEvent::Joined
            }
            MemberAction::CheckConnections => self.check_connections(chance),
            MemberAction::JoinWithNewConsumer(cause) => self.rejoin_with_new_consumer(cause),
            MemberAction::Pause(_) if self.is_stopping(chance) => self.stop(),
            MemberAction::Pause(_) => MemberEvent::PauseEnded,
            MemberAction::CheckFencingInstance => self.check_fencing_instance(chance),
            MemberAction::ReadChangelogEnds(partitions) => {
                assert_eq!(self.due, Due::Unassign(true));
                assert_eq!(partitions, self.partitions);
                self.kept =
                    partitions.iter().map(|partition| (*partition, Offset::from(chance.outcome))).collect();
                MemberEvent::ChangelogEndsRead(self.kept.clone())
            }
            MemberAction::ReinitProducer => self.reinit_producer(chance),
            MemberAction::AwaitInput => self.await_input(chance),
            MemberAction::Deliver(event) => {
                self.deliver(event, chance)?;
                MemberEvent::EventRequested
            }
            action => panic!("{action:?} has no outcome and is the last action"),
        })
    }
    fn check_connections(&mut self, chance: Chance) -> MemberEvent<u32> {
        assert!(self.membership.partitions().is_empty() && self.is_joined);
        // The time that passed before this action counts, but not the time that the action takes.
        assert!(self.now - chance.elapsed - self.unassigned_since >= UNASSIGNED_TIMEOUT);
        self.unassigned_since = self.now;
        let connected = match chance.outcome % 3 {
            0 => ConnectedConsumer::Own,
            1 => ConnectedConsumer::Neither,
            _ => ConnectedConsumer::OnlySecond,
        };
        self.connected = Some(connected);
        MemberEvent::ConnectionsChecked(connected)
    }
    fn check_fencing_instance(&mut self, chance: Chance) -> MemberEvent<u32> {
        assert!(self.now - chance.elapsed - self.fenced_since.unwrap() >= SESSION);
        let presence = match chance.outcome % 4 {
            0 => InstancePresence::Absent,
            1 => InstancePresence::Unknown,
            _ => InstancePresence::Present,
        };
        self.checks.push(presence);
        MemberEvent::FencingInstanceChecked(presence)
    }
    fn rejoin_with_new_consumer(&mut self, cause: RejoinCause) -> MemberEvent<u32> {
        match cause {
            RejoinCause::Disconnected => {
                assert_eq!(self.connected, Some(ConnectedConsumer::OnlySecond));
                assert!(self.fenced_since.is_none() && self.membership.partitions().is_empty());
            }
            RejoinCause::FencingInstanceLeft => {
                let absent =
                    self.checks.iter().rev().take_while(|presence| **presence != InstancePresence::Present);
                assert_eq!(absent.filter(|presence| **presence == InstancePresence::Absent).count(), 2);
                self.checks.clear();
                self.fenced_since = None;
            }
        }
        (self.generation, self.is_assigned, self.due) = (None, false, Due::Nothing);
        (self.partitions, self.fetched, self.kept) = (Vec::new(), Vec::new(), BTreeMap::new());
        MemberEvent::Rejoined
    }
    fn reinit_producer(&mut self, chance: Chance) -> MemberEvent<u32> {
        assert_eq!(self.due, Due::Reassign);
        let is_stopping = self.is_stopping(chance);
        let is_rebalance_pending = self.is_assigned && chance.outcome.is_multiple_of(3);
        self.kept.clear();
        if is_stopping || is_rebalance_pending {
            self.due = Due::EndOfAssignment;
            self.partitions.clear();
        }
        MemberEvent::ProducerReinitialized { is_stopping, is_rebalance_pending }
    }
    fn await_input(&mut self, chance: Chance) -> MemberEvent<u32> {
        let has_ended = self.due == Due::EndOfAssignment;
        assert!(has_ended || self.due == Due::Nothing, "input is awaited before {:?}", self.due);
        let is_over = has_ended || self.has_stopped;
        assert!(is_over || self.fetched.is_empty() || self.fetched == self.partitions);
        assert!(self.is_joined || self.has_stopped);
        if self.is_stopping(chance) {
            return self.stop();
        }
        match chance.outcome % 8 {
            0 if self.is_assigned => {
                (self.generation, self.is_assigned) = (None, false);
                (self.partitions, self.kept, self.due) = (Vec::new(), BTreeMap::new(), Due::Unassign(false));
                MemberEvent::Lost
            }
            _ if self.is_assigned && (has_ended || chance.outcome % 8 < 3) => {
                (self.is_assigned, self.due) = (false, Due::Unassign(true));
                MemberEvent::Revoked
            }
            0..4 if !self.is_assigned => {
                self.newest_generation += 1;
                (self.generation, self.is_assigned) = (Some(self.newest_generation), true);
                let partitions =
                    (0..3).filter(|partition| chance.outcome >> (4 + partition) & 1 == 1).collect();
                self.due = Due::StartFetch;
                MemberEvent::Assigned { partitions, generation: self.newest_generation }
            }
            4..7 if !self.fetched.is_empty() => {
                let partition = TopicPartition::new(GAMES.info.name, self.fetched[0]);
                MemberEvent::Records(vec![(partition, RecordBatch::at(0))])
            }
            _ => MemberEvent::Idle { consumed_offsets: Offsets::new() },
        }
    }
    fn is_stopping(&mut self, chance: Chance) -> bool {
        self.is_stopping |= chance.outcome == 255;
        self.is_stopping
    }
    fn stop(&mut self) -> MemberEvent<u32> {
        (self.has_stopped, self.fenced_since, self.due) = (true, None, Due::Nothing);
        MemberEvent::Stopping { consumed_offsets: Offsets::new() }
    }
    /// Lets the task handle an event and commit. Returns `None` if the member has failed.
    fn deliver(&mut self, event: TaskEvent, chance: Chance) -> Option<()> {
        let is_end = matches!(event, TaskEvent::Shutdown | TaskEvent::Failed(_));
        assert!(is_end || !self.has_stopped, "nothing is delivered after a stop: {event:?}");
        match event {
            TaskEvent::Assigned(partitions) => {
                // An aborted commit or a new assignment precedes; the fetch of the last assignment must have ended.
                assert!(self.fetched.is_empty(), "assigned while {:?} are fetched", self.fetched);
                (self.partitions, self.due) = (partitions.clone(), Due::StartFetch);
                self.unassigned_since = if partitions.is_empty() { self.unassigned_since } else { self.now };
                for partition in partitions {
                    let retained = self.membership.retained_changelog_end(partition);
                    assert_eq!(
                        retained,
                        self.kept.remove(&partition),
                        "only kept state is offered, and only once"
                    );
                    let restore_started = MemberEvent::RestoreStarted { partition };
                    assert!(self.membership.handle(restore_started, self.now).is_empty());
                }
            }
            TaskEvent::Revoked(partitions) => assert_eq!(partitions, self.partitions),
            TaskEvent::Lost => assert_eq!((self.generation, &self.partitions), (None, &Vec::new())),
            TaskEvent::Records(_) => {
                assert!(self.generation.is_some());
                assert_eq!(self.due, Due::Nothing, "records are delivered only if no action is due");
            }
            TaskEvent::Idle => {}
            TaskEvent::Shutdown => assert!(self.has_stopped),
            TaskEvent::Failed(RuntimeError::Fenced { .. }) if self.fenced_since.is_some() => {
                assert_eq!(self.checks.last(), Some(&InstancePresence::Present));
                assert!(self.now - self.fenced_since.unwrap() >= SESSION * 3);
                return None;
            }
            TaskEvent::Failed(error) => {
                assert!(matches!(error, RuntimeError::Storage { .. }), "{error}");
                return None;
            }
        }
        self.commit(chance);
        Some(())
    }
    fn commit(&mut self, chance: Chance) {
        if !chance.is_commit_aborted || self.membership.generation().is_none() {
            return;
        }
        assert!(self.membership.handle(MemberEvent::CommitAborted, self.now).is_empty());
        self.kept.clear();
        self.due = if matches!(self.due, Due::Unassign(_)) { Due::Unassign(false) } else { Due::Reassign };
    }
}

fn is_part_of_fencing(action: &MemberAction) -> bool {
    matches!(
        action,
        MemberAction::Pause(_)
            | MemberAction::CheckFencingInstance
            | MemberAction::JoinWithNewConsumer(RejoinCause::FencingInstanceLeft)
            | MemberAction::Deliver(TaskEvent::Failed(_))
    )
}

/// Returns the error of an action; `None` if it succeeds.
fn failure(action: &MemberAction, chance: Chance) -> Option<RuntimeError> {
    let can_fail = !matches!(action, MemberAction::Deliver(_) | MemberAction::Pause(_));
    let can_be_fenced =
        matches!(action, MemberAction::Join | MemberAction::ReinitProducer | MemberAction::AwaitInput);
    match chance.outcome {
        250 if can_fail => Some(disk_full()),
        240..250 if can_be_fenced => Some(fenced()),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_member_keeps_its_laws_in_any_history(
        history in vec(chance(), 1..120),
        is_exclusive in prop::bool::weighted(0.2),
    ) {
        let kind = if is_exclusive { ProcessorKind::Sink } else { ProcessorKind::MaterializedView };
        Model::new(kind).run(&history);
    }
}
