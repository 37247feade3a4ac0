//! A group member that wraps another member, records its metrics and states whether it has its partitions.
//!
//! Invariant: the records of a commit are counted once it is durable, from its ledger entry; nothing is recorded per record.
//! Not here: the member that does the work (the backends).
use crate::{
    broker::{GroupMember, LogBackend},
    commit::{Commit, Restored, TaskEvent},
    error::{CommitError, RuntimeError},
    metrics as m,
    progress_board::PartitionState,
    subscription::RunContext,
};
use schemas::ops::LedgerEntry;
use std::{sync::Arc, time::Instant};
use topics::Offsets;

/// A group member that records the metrics of the member that it wraps.
pub struct InstrumentedMember {
    member: Box<dyn GroupMember>,
    processor: &'static str,
    run_context: Arc<RunContext>,
    /// True from an assignment until the task requests the next event, which it does once it has restored all partitions.
    is_restoring: bool,
}

impl InstrumentedMember {
    pub fn new(member: Box<dyn GroupMember>, processor: &'static str, run_context: Arc<RunContext>) -> Self {
        InstrumentedMember { member, processor, run_context, is_restoring: false }
    }
    fn record_ledger_entry(&self, entry: &LedgerEntry) {
        let metrics = &self.run_context.metrics;
        let counters =
            [(m::READ, entry.read), (m::PUBLISHED, entry.published), (m::REJECTED, entry.rejected)];
        for (metric, count) in counters {
            metrics.add(metric, &[self.processor], count.max(0) as u64);
        }
        let outcomes = [
            ("applied", entry.applied),
            ("unchanged", entry.unchanged),
            ("parked", entry.parked),
            ("rejected", entry.rejected),
        ];
        for (outcome, count) in outcomes {
            metrics.gauge_add(m::RECORDS_BY_OUTCOME, &[self.processor, outcome], count as f64);
        }
    }
}

/// Returns the number of records in a commit, and their total size in bytes.
fn size_of(commit: &Commit) -> (u64, usize) {
    let records = commit.records.values().map(|batch| (u64::from(batch.len()), batch.bytes().len()));
    let dead_letters = commit.dead_letters.values().flatten().map(|dead_letter| (1, dead_letter.value.len()));
    records.chain(dead_letters).fold((0, 0), |(count, bytes), (n, size)| (count + n, bytes + size))
}

impl GroupMember for InstrumentedMember {
    fn next_event(&mut self) -> TaskEvent {
        let board = &self.run_context.board;
        if std::mem::take(&mut self.is_restoring) {
            board.set_partition_state(self.processor, PartitionState::Restored);
        }
        let event = self.member.next_event();
        let metrics = &self.run_context.metrics;
        let reason = match &event {
            TaskEvent::Assigned(partitions) => {
                self.is_restoring = true;
                board.set_partition_state(self.processor, PartitionState::Restoring);
                metrics.set(m::RESTORING, &[self.processor], partitions.len() as f64);
                "assigned"
            }
            TaskEvent::Revoked(_) => "revoked",
            TaskEvent::Lost => {
                board.set_partition_state(self.processor, PartitionState::Lost);
                "lost"
            }
            _ => return event,
        };
        metrics.add(m::REBALANCES, &[self.processor, reason], 1);
        event
    }
    fn restore(&mut self, partition: i32) -> Result<Option<Restored>, RuntimeError> {
        let restored = self.member.restore(partition)?;
        self.run_context.metrics.gauge_add(m::RESTORING, &[self.processor], -1.0);
        Ok(restored)
    }
    fn commit(&mut self, commit: Commit) -> Result<(), CommitError> {
        let (records, bytes) = size_of(&commit);
        let ledger_entry = commit.ledger_entry.clone();
        let started = Instant::now();
        let committed = self.member.commit(commit);
        let metrics = &self.run_context.metrics;
        let outcome = match &committed {
            Ok(()) => "committed",
            Err(CommitError::Aborted { .. }) => "aborted",
            Err(CommitError::Fatal(_)) => "failed",
        };
        metrics.add(m::COMMITS, &[self.processor, outcome], 1);
        if committed.is_ok() {
            metrics.observe(m::COMMIT_SECONDS, &[self.processor], started.elapsed().as_secs_f64());
            metrics.observe(m::COMMIT_RECORDS, &[self.processor], records as f64);
            metrics.observe(m::COMMIT_BYTES, &[self.processor], bytes as f64);
            metrics.set_to_now(m::COMMITTED, &[self.processor]);
            if let Some(entry) = &ledger_entry {
                self.record_ledger_entry(entry);
            }
        }
        committed
    }
    fn seek(&mut self, offsets: Offsets) {
        self.member.seek(offsets);
    }
    fn is_caught_up(&self) -> bool {
        self.member.is_caught_up()
    }
    fn log(&mut self) -> &mut dyn LogBackend {
        self.member.log()
    }
}
