//! A member on the embedded log: one processor instance. It decides what to read next and when.
//!
//! A processor waits a while for those upstream of it to run dry, so a backlog is derived once and not at every step of it.
//! Invariant: positions move only in commits; what was read and not committed is read again by the next start.
//! Not here: the loop (`log::run`).
use super::EmbeddedLog;
use crate::{
    log::{Commit, GroupMember, Log, LogBackend, Restored, RuntimeError, Source, TaskEvent, TopicPartition},
    record_batch::RecordBatch,
    subscription::{ReadLimits, RunContext, Subscription},
};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// A processor instance's place on the embedded log.
pub struct EmbeddedMember {
    log: EmbeddedLog,
    run_context: Arc<RunContext>,
    subscription: Subscription,
    limits: ReadLimits,
    next: BTreeMap<TopicPartition, i64>,
    assigned: bool,
    waiting_since: Option<Instant>,
}
impl EmbeddedMember {
    pub fn new(
        log: EmbeddedLog,
        run_context: Arc<RunContext>,
        subscription: Subscription,
        limits: ReadLimits,
    ) -> Self {
        EmbeddedMember {
            log,
            run_context,
            subscription,
            limits,
            next: BTreeMap::new(),
            assigned: false,
            waiting_since: None,
        }
    }
    /// Whether everyone that its inputs come from has nothing left to read.
    fn is_upstream_idle(&self) -> bool {
        self.subscription.upstream.iter().all(|name| self.run_context.board.is_idle(name))
    }
    fn pending(&self) -> Vec<(TopicPartition, i64)> {
        let partitions = self.subscription.inputs.iter().flat_map(|t| (0..t.partitions).map(|p| (t.name, p)));
        let next = partitions.map(|at| (at, self.next.get(&at).copied().unwrap_or(0)));
        next.filter(|((topic, partition), next)| self.run_context.board.end(topic, *partition) > *next)
            .collect()
    }
    fn read(
        &mut self,
        pending: Vec<(TopicPartition, i64)>,
    ) -> Result<Vec<(TopicPartition, RecordBatch)>, RuntimeError> {
        let share = self.limits.batch_bytes / pending.len().max(1);
        let mut read = Vec::new();
        for ((topic, partition), from) in pending {
            for record_batch in self.log.read(topic, partition, from, share)? {
                self.next.insert((topic, partition), record_batch.next());
                read.push(((topic, partition), record_batch));
            }
        }
        Ok(read)
    }
}

impl Source for EmbeddedMember {
    fn next_event(&mut self) -> TaskEvent {
        if !self.assigned {
            self.assigned = true;
            return TaskEvent::Assigned((0..topics::PARTITIONS).collect());
        }
        let since = Instant::now();
        let board = &self.run_context.board;
        loop {
            let seen = board.change_count();
            if self.run_context.is_stopping() {
                return TaskEvent::Shutdown;
            }
            let pending = self.pending();
            if pending.is_empty() {
                self.waiting_since = None;
                board.set_idle(self.subscription.name, true);
                if since.elapsed() >= self.limits.tick {
                    return TaskEvent::Idle;
                }
                board.wait(seen, self.limits.tick.saturating_sub(since.elapsed()));
                continue;
            }
            board.set_idle(self.subscription.name, false);
            let waiting = *self.waiting_since.get_or_insert_with(Instant::now);
            if !self.is_upstream_idle() && waiting.elapsed() < self.limits.max_upstream_wait {
                board.wait(seen, Duration::from_millis(50));
                continue;
            }
            self.waiting_since = None;
            return match self.read(pending) {
                Ok(read) => TaskEvent::Records(read),
                Err(runtime_error) => TaskEvent::Failed(runtime_error),
            };
        }
    }
}

impl Log for EmbeddedMember {
    fn restore(&mut self, partition: i32) -> Result<Option<Restored>, RuntimeError> {
        let restored = self.log.restore(&self.subscription, partition)?;
        for (topic, next) in &restored.next {
            self.next.insert((topic, partition), *next);
        }
        for (topic, record_batches) in &restored.tables {
            let next = self.next.entry((topic, partition)).or_default();
            *next = record_batches.last().map_or(0, RecordBatch::next).max(*next);
        }
        Ok(Some(restored))
    }
    fn commit(&mut self, commit: Commit) -> Result<(), RuntimeError> {
        let ends = self.log.commit(commit)?;
        let any = !ends.is_empty();
        ends.into_iter()
            .for_each(|(topic, partition, end)| self.run_context.board.advance(&topic, partition, end));
        if any {
            self.run_context.board.notify();
        }
        Ok(())
    }
}

impl GroupMember for EmbeddedMember {
    fn seek(&mut self, next: BTreeMap<TopicPartition, i64>) {
        self.next = next;
    }
    fn is_caught_up(&self) -> bool {
        self.is_upstream_idle() && self.pending().is_empty()
    }
    fn storage(&mut self) -> &mut dyn LogBackend {
        &mut self.log
    }
}
