//! A group member on the embedded log: one processor instance. It decides what to read next, and when.
//!
//! Before it reads, a processor waits for a limited time until its upstream processors are idle. So its rows are derived once from the
//! complete output of the upstream processors, not once per micro-batch of them.
//! Invariant: committed offsets move only in commits; what was read and not committed is read again after the next start.
//! Not here: the loop (`runtime::task`), the file (`store`).
use runtime::{
    Commit, CommitError, GroupMember, LogBackend, RecordBatch, Restored, RuntimeError, TaskEvent,
    subscription::{ReadLimits, RunContext, Subscription},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use topics::{Offset, Offsets, TopicPartition};

/// How often to check whether the upstream processors are idle, while there is something to read.
const UPSTREAM_INTERVAL: Duration = Duration::from_millis(50);

/// The log of a member: a backend whose method `commit` returns the new end offsets.
pub trait MemberLog: LogBackend {
    /// Makes a commit durable; returns the new end offsets of the partitions that it wrote to.
    ///
    /// # Errors
    /// When the file cannot be written.
    fn commit(&mut self, commit: Commit) -> Result<Offsets, RuntimeError>;
}

/// One processor instance on the embedded log. It is the only one of its group, and all partitions are assigned to it.
pub struct EmbeddedMember {
    log: Box<dyn MemberLog>,
    run_context: Arc<RunContext>,
    subscription: Subscription,
    limits: ReadLimits,
    /// The next offset to read, by input partition.
    positions: Offsets,
    is_assigned: bool,
    /// When the member began to wait for upstream processors to become idle, although there is something to read; `None` while it does not
    /// wait.
    waiting_since: Option<Instant>,
}

impl EmbeddedMember {
    pub fn new(
        log: Box<dyn MemberLog>,
        run_context: Arc<RunContext>,
        subscription: Subscription,
        limits: ReadLimits,
    ) -> Self {
        EmbeddedMember {
            log,
            run_context,
            subscription,
            limits,
            positions: Offsets::new(),
            is_assigned: false,
            waiting_since: None,
        }
    }
    fn is_upstream_idle(&self) -> bool {
        self.subscription.upstream.iter().all(|name| self.run_context.board.is_idle(name))
    }
    /// Returns the partitions that have something to read, each with the next offset to read.
    fn pending(&self) -> Vec<(TopicPartition, Offset)> {
        let partitions = self.subscription.input_partitions().map(|(_, partition)| partition);
        let next =
            partitions.map(|partition| (partition, self.positions.get(&partition).copied().unwrap_or(0)));
        next.filter(|(partition, next)| self.run_context.board.end_offset(*partition) > *next).collect()
    }
    fn read(
        &mut self,
        pending: Vec<(TopicPartition, Offset)>,
    ) -> Result<Vec<(TopicPartition, RecordBatch)>, RuntimeError> {
        let max_bytes = self.limits.batch_bytes / pending.len().max(1);
        let mut records = Vec::new();
        for (partition, from) in pending {
            for batch in self.log.read(partition, from, max_bytes)? {
                self.positions.insert(partition, batch.next());
                records.push((partition, batch));
            }
        }
        Ok(records)
    }
}

impl GroupMember for EmbeddedMember {
    fn next_event(&mut self) -> TaskEvent {
        if !self.is_assigned {
            self.is_assigned = true;
            return TaskEvent::Assigned((0..topics::PARTITIONS).collect());
        }
        let idle_since = Instant::now();
        let run_context = self.run_context.clone();
        let board = &run_context.board;
        loop {
            let seen = board.change_count();
            if run_context.is_stopping() {
                return TaskEvent::Shutdown;
            }
            let pending = self.pending();
            board.set_idle(self.subscription.name, pending.is_empty());
            if pending.is_empty() {
                self.waiting_since = None;
                if idle_since.elapsed() >= self.limits.idle_interval {
                    return TaskEvent::Idle;
                }
                board.wait(seen, self.limits.idle_interval.saturating_sub(idle_since.elapsed()));
                continue;
            }
            let waiting_since = *self.waiting_since.get_or_insert_with(Instant::now);
            if !self.is_upstream_idle() && waiting_since.elapsed() < self.limits.max_upstream_wait {
                board.wait(seen, UPSTREAM_INTERVAL);
                continue;
            }
            self.waiting_since = None;
            return self.read(pending).map_or_else(TaskEvent::Failed, TaskEvent::Records);
        }
    }
    fn restore(&mut self, partition: i32) -> Result<Option<Restored>, RuntimeError> {
        let restored = self.log.restore(&self.subscription, partition)?;
        for (topic, committed) in &restored.offsets {
            self.positions.insert(TopicPartition::new(topic, partition), *committed);
        }
        for (topic, batches) in &restored.tables {
            let position = self.positions.entry(TopicPartition::new(topic, partition)).or_default();
            *position = batches.last().map_or(0, RecordBatch::next).max(*position);
        }
        Ok(Some(restored))
    }
    fn commit(&mut self, commit: Commit) -> Result<(), CommitError> {
        let end_offsets = self.log.commit(commit)?;
        let board = &self.run_context.board;
        let has_records = !end_offsets.is_empty();
        for (partition, end_offset) in end_offsets {
            board.advance(partition, end_offset);
        }
        if has_records {
            board.notify();
        }
        Ok(())
    }
    fn seek(&mut self, offsets: Offsets) {
        self.positions = offsets;
    }
    fn is_caught_up(&self) -> bool {
        self.is_upstream_idle() && self.pending().is_empty()
    }
    fn log(&mut self) -> &mut dyn LogBackend {
        self.log.as_mut()
    }
}
