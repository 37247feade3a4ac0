//! The events of a group member: requests of the task, rebalances, input, errors, and the outcomes of actions.
//!
//! Invariant: every action after which the driver must report something has its own event; the driver reports it before any other event.
//! Not here: the actions (`member_action`), what an event changes (`membership`).
use runtime::{RecordBatch, RuntimeError};
use std::collections::BTreeMap;
use topics::{Offset, Offsets, TopicPartition};

/// Something that has happened to a group member. `G` is the generation of an assignment.
#[derive(Debug)]
pub enum MemberEvent<G> {
    /// The task has handled its last event and requests the next one.
    EventRequested,
    /// The member has joined its group.
    Joined,
    /// The member has replaced its consumer by a new one, which joins the group.
    Rejoined,
    /// The consumers that reach a broker.
    ConnectionsChecked(ConnectedConsumer),
    /// These partition numbers of all inputs were assigned, in this generation of the group.
    Assigned {
        partitions: Vec<i32>,
        generation: G,
    },
    Revoked,
    Lost,
    /// The changelog end offset of every partition that is about to be unassigned, by partition number.
    ChangelogEndsRead(BTreeMap<i32, Offset>),
    /// The producer has a new epoch after an aborted commit. `is_rebalance_pending` is true if the inbox has a rebalance.
    ProducerReinitialized {
        is_stopping: bool,
        is_rebalance_pending: bool,
    },
    /// The task has started to restore this partition. Needs no action.
    RestoreStarted {
        partition: i32,
    },
    /// A commit was aborted, and the task discards its state. Needs no action before the task requests its next event.
    CommitAborted,
    /// The pause of a fenced member is over.
    PauseEnded,
    /// Whether an instance with the same name is in the group.
    FencingInstanceChecked(InstancePresence),
    /// A complete micro-batch.
    Records(Vec<(TopicPartition, RecordBatch)>),
    /// No record has arrived during the idle interval. `consumed_offsets` is the consumer's position, if it was reported.
    Idle {
        consumed_offsets: Offsets,
    },
    /// The process is stopping. `consumed_offsets` is the consumer's position, if it was reported and everything below it was delivered.
    Stopping {
        consumed_offsets: Offsets,
    },
    /// An action, or the poll thread, has failed.
    Failed(RuntimeError),
}

/// Which consumer reaches a broker: the one of the member, or a second one that was created for the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectedConsumer {
    /// The member's own consumer. The second one was not checked.
    Own,
    OnlySecond,
    Neither,
}

/// Whether an instance with the same name is in the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstancePresence {
    Present,
    Absent,
    /// The brokers are unreachable.
    Unknown,
}
