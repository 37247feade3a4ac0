//! A member that counts: what any log's member does, into the metrics.
//!
//! Invariant: a commit is counted when it is durable, from the account that it carries; nothing is counted per record.
//! Not here: the member that works (`embedded`, `kafka`).
use crate::{
    log::{Commit, GroupMember, Log, LogBackend, Restored, RuntimeError, Source, TaskEvent, TopicPartition},
    metrics as m,
    subscription::RunContext,
};
use schemas::ops::LedgerEntry;
use std::{collections::BTreeMap, sync::Arc, time::Instant};

/// A member and its processor's name.
pub struct InstrumentedMember {
    member: Box<dyn GroupMember>,
    name: &'static str,
    run_context: Arc<RunContext>,
}
impl InstrumentedMember {
    pub fn new(member: Box<dyn GroupMember>, name: &'static str, run_context: Arc<RunContext>) -> Self {
        InstrumentedMember { member, name, run_context }
    }
    fn record_ledger_entry(&self, entry: &LedgerEntry) {
        let metrics = &self.run_context.metrics;
        let counts = [(m::READ, entry.read), (m::PUBLISHED, entry.published), (m::REJECTED, entry.rejected)];
        counts.into_iter().for_each(|(metric, n)| metrics.add(metric, &[self.name], n.max(0) as u64));
        let ends = [
            ("applied", entry.applied),
            ("unchanged", entry.unchanged),
            ("parked", entry.parked),
            ("rejected", entry.rejected),
        ];
        ends.into_iter()
            .for_each(|(end, n)| metrics.gauge_add(m::RECORDS_BY_OUTCOME, &[self.name, end], n as f64));
    }
}

impl Source for InstrumentedMember {
    fn next_event(&mut self) -> TaskEvent {
        let event = self.member.next_event();
        let metrics = &self.run_context.metrics;
        let reason = match &event {
            TaskEvent::Assigned(partitions) => {
                metrics.set(m::RESTORING, &[self.name], partitions.len() as f64);
                "assigned"
            }
            TaskEvent::Revoked(_) => "revoked",
            TaskEvent::Lost => "lost",
            _ => return event,
        };
        metrics.add(m::REBALANCES, &[self.name, reason], 1);
        event
    }
}

impl Log for InstrumentedMember {
    fn restore(&mut self, partition: i32) -> Result<Option<Restored>, RuntimeError> {
        let restored = self.member.restore(partition)?;
        self.run_context.metrics.gauge_add(m::RESTORING, &[self.name], -1.0);
        Ok(restored)
    }
    fn commit(&mut self, commit: Commit) -> Result<(), RuntimeError> {
        let (records, bytes) = commit.out.values().fold((0, 0), |(records, bytes), record_batch| {
            (records + u64::from(record_batch.len()), bytes + record_batch.bytes().len())
        });
        let ledger_entry = commit.ledger_entry.clone();
        let started = Instant::now();
        let committed = self.member.commit(commit);
        let metrics = &self.run_context.metrics;
        let outcome = match &committed {
            Ok(()) => "committed",
            Err(RuntimeError::Aborted { .. }) => "aborted",
            Err(_) => "failed",
        };
        metrics.add(m::COMMITS, &[self.name, outcome], 1);
        if committed.is_ok() {
            metrics.observe(m::COMMIT_SECONDS, &[self.name], started.elapsed().as_secs_f64());
            metrics.observe(m::COMMIT_RECORDS, &[self.name], records as f64);
            metrics.observe(m::COMMIT_BYTES, &[self.name], bytes as f64);
            metrics.set_to_now(m::COMMITTED, &[self.name]);
            ledger_entry.iter().for_each(|entry| self.record_ledger_entry(entry));
        }
        committed
    }
}

impl GroupMember for InstrumentedMember {
    fn seek(&mut self, next: BTreeMap<TopicPartition, i64>) {
        self.member.seek(next);
    }
    fn is_caught_up(&self) -> bool {
        self.member.is_caught_up()
    }
    fn storage(&mut self) -> &mut dyn LogBackend {
        self.member.storage()
    }
}
