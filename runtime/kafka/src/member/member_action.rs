//! The actions of a group member: what the driver must carry out after an event.
//!
//! Invariant: the driver carries out the actions of a list in order. Only the last action of a list has an outcome: it ends with an event
//! that the driver reports next, or with an event for the task. If an action fails, the rest of its list is dropped, and the driver reports
//! the error.
//! Not here: the events (`member_event`), the code that carries out the actions (`kafka_member`).
use runtime::TaskEvent;
use std::time::Duration;
use topics::Offsets;

/// What the driver must do. The documentation of an action names the event that reports its outcome, if it has one.
#[derive(Debug)]
pub enum MemberAction {
    /// Join the group with a new consumer and a new producer: `Joined`.
    Join,
    /// Check which consumers reach a broker: `ConnectionsChecked`.
    CheckConnections,
    /// Replace the consumer by a new one, and the inbox by an empty one: `Rejoined`.
    JoinWithNewConsumer(RejoinCause),
    /// Wait for this time, unless the process is stopping: `PauseEnded` or `Stopping`.
    Pause(Duration),
    /// Check whether an instance with the same name is in the group: `FencingInstanceChecked`.
    CheckFencingInstance,
    /// Fetch these partition numbers of all inputs from the restored offsets.
    StartFetch(Vec<i32>),
    /// Fetch no partition, but keep the assignment, and clear the inbox.
    StopFetch,
    /// Unassign all partitions in the consumer.
    Unassign,
    /// Drop the known offsets of all input partitions.
    DropOffsets,
    /// Read the changelog end offsets of these partition numbers: `ChangelogEndsRead`.
    ReadChangelogEnds(Vec<i32>),
    /// Start a new producer epoch, which ends the transaction of the aborted commit: `ProducerReinitialized`.
    ReinitProducer,
    /// Commit the consumer's position in partitions where it has passed control records.
    CommitPastControlRecords(Offsets),
    /// Wait for input: `Stopping`, `Failed`, `Assigned`, `Revoked`, `Lost`, `Idle` or `Records`.
    AwaitInput,
    /// Return this event to the task: `EventRequested`, once the task has handled it.
    Deliver(TaskEvent),
}

/// Why a member joins with a new consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejoinCause {
    /// The consumer reaches no broker, but a second one does.
    Disconnected,
    /// The member was fenced, and no other instance is in the group any more.
    FencingInstanceLeft,
}
