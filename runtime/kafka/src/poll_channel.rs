//! The state that a group member shares with its poll thread: an inbox of records and rebalances, and the commands to the thread.
//!
//! Invariant: while a command is pending, records in the inbox belong to an assignment that has ended.
//! Not here: the thread (`poll_thread`), the member (`member`).
use crate::{context::Rebalance, topic_partition::PhysicalPartition};
use runtime::{RecordBatch, RuntimeError};
use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread::Thread,
    time::{Duration, Instant},
};
use topics::{Offset, Offsets, TopicPartition};

/// A command of the member to the poll thread.
pub enum Command {
    /// Fetch exactly these partitions, each from its offset.
    Assign(Vec<(PhysicalPartition, Offset)>),
    Unassign,
    Leave,
}

/// Connects a group member with its poll thread: the state that both share, its lock, and a condition that signals changes.
#[derive(Default)]
pub struct PollChannel {
    state: Mutex<PollState>,
    changed: Condvar,
}

/// The shared state: the inbox (rebalances, records, an error) and the commands to the poll thread.
#[derive(Default)]
pub struct PollState {
    pub rebalances: VecDeque<Rebalance>,
    commands: VecDeque<Command>,
    /// Number of commands that are not carried out yet.
    pub pending_commands: usize,
    pub records: Vec<(TopicPartition, RecordBatch)>,
    pub bytes: usize,
    /// When the oldest record in the inbox was added, and when the newest one was.
    pub oldest_added: Option<Instant>,
    pub newest_added: Option<Instant>,
    pub failed: Option<RuntimeError>,
    /// True if the member has requested the consumer's position.
    pub position_requested: bool,
    /// True after a fetched record could not be added: the consumer's position is then past a record that was not delivered.
    is_poisoned: bool,
    /// The reported position of the consumer: every record below it is in the inbox or was delivered. It may be past control records.
    pub consumed_offsets: Option<Offsets>,
    poll_thread: Option<Thread>,
}

impl PollState {
    /// Drops the records in the inbox and the reported position of the consumer.
    pub fn clear(&mut self) {
        self.records.clear();
        (self.bytes, self.oldest_added, self.newest_added) = (0, None, None);
        (self.position_requested, self.consumed_offsets) = (false, None);
    }
    /// Returns true if no record, rebalance, command or error is pending.
    pub fn is_idle(&self) -> bool {
        self.records.is_empty()
            && self.rebalances.is_empty()
            && self.pending_commands == 0
            && self.failed.is_none()
    }
    /// Wakes the poll thread, because the inbox has room again or a command is pending.
    pub fn wake_poll_thread(&self) {
        if let Some(poll_thread) = &self.poll_thread {
            poll_thread.unpark();
        }
    }
}

/// The methods that the member calls.
impl PollChannel {
    /// Locks the shared state.
    pub fn lock(&self) -> MutexGuard<'_, PollState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Waits until the shared state changes, at most for `timeout`.
    pub fn wait(&self, state: MutexGuard<'_, PollState>, timeout: Duration) {
        drop(self.changed.wait_timeout(state, timeout).unwrap_or_else(PoisonError::into_inner));
    }
    /// Sends a command.
    pub fn send(&self, command: Command) {
        let mut state = self.lock();
        state.commands.push_back(command);
        state.pending_commands += 1;
        state.wake_poll_thread();
    }
}

/// The methods that the poll thread calls. Records, rebalances, finished commands and errors wake the member.
impl PollChannel {
    /// Registers the poll thread, so that the member can wake it.
    pub fn register_poll_thread(&self, poll_thread: Thread) {
        let mut state = self.lock();
        (state.poll_thread, state.is_poisoned) = (Some(poll_thread), false);
    }
    /// Takes the commands that were not carried out yet.
    pub fn take_commands(&self) -> Vec<Command> {
        self.lock().commands.drain(..).collect()
    }
    /// Marks commands as carried out, and drops the records of the assignment that has ended.
    pub fn finish_commands(&self, count: usize) {
        let mut state = self.lock();
        state.clear();
        state.pending_commands -= count;
        drop(state);
        self.changed.notify_all();
    }
    /// Adds rebalances to the inbox.
    pub fn add_rebalances(&self, rebalances: Vec<Rebalance>) {
        self.lock().rebalances.extend(rebalances);
        self.changed.notify_all();
    }
    /// Adds records to the inbox.
    pub fn add_records(&self, partition: TopicPartition, batch: RecordBatch) {
        let mut state = self.lock();
        let now = Instant::now();
        state.oldest_added.get_or_insert(now);
        state.newest_added = Some(now);
        state.bytes += batch.bytes().len();
        state.records.push((partition, batch));
        drop(state);
        self.changed.notify_all();
    }
    /// Returns true if the member has requested the consumer's position, and resets the request.
    pub fn take_position_request(&self) -> bool {
        std::mem::take(&mut self.lock().position_requested)
    }
    /// Reports the requested position, unless a command is pending or a record could not be added.
    pub fn report_position(&self, consumed_offsets: Offsets) {
        let mut state = self.lock();
        if state.pending_commands == 0 && !state.is_poisoned {
            state.consumed_offsets = Some(consumed_offsets);
        }
    }
    /// Reports an error that ends the member. Only the first error is kept.
    pub fn fail(&self, error: RuntimeError) {
        let mut state = self.lock();
        (state.is_poisoned, state.consumed_offsets) = (true, None);
        state.failed.get_or_insert(error);
        drop(state);
        self.changed.notify_all();
    }
}
