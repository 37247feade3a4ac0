//! A member that counts: what any log's member does, into the metrics.
//!
//! Invariant: a commit is counted when it is durable, from the account that it carries; nothing is counted per record.
//! Not here: the member that works (`embedded`, `kafka`).
use crate::{
    log::{At, Commit, Halt, Log, Member, Restored, Source, Storage, Wake},
    member::Signals,
    metrics as m,
};
use schemas::ops::LedgerEntry;
use std::{collections::BTreeMap, sync::Arc, time::Instant};

/// A member and its processor's name.
pub struct Metered {
    member: Box<dyn Member>,
    name: &'static str,
    signals: Arc<Signals>,
}
impl Metered {
    pub fn new(member: Box<dyn Member>, name: &'static str, signals: Arc<Signals>) -> Self {
        Metered { member, name, signals }
    }
    fn account(&self, entry: &LedgerEntry) {
        let metrics = &self.signals.metrics;
        let counts = [(m::READ, entry.read), (m::PUBLISHED, entry.published), (m::REJECTED, entry.rejected)];
        counts.into_iter().for_each(|(metric, n)| metrics.add(metric, &[self.name], n.max(0) as u64));
        let ends = [
            ("applied", entry.applied),
            ("unchanged", entry.unchanged),
            ("parked", entry.parked),
            ("rejected", entry.rejected),
        ];
        ends.into_iter().for_each(|(end, n)| metrics.shift(m::ACCOUNTED, &[self.name, end], n as f64));
    }
}

impl Source for Metered {
    fn wake(&mut self) -> Wake {
        let wake = self.member.wake();
        let metrics = &self.signals.metrics;
        let reason = match &wake {
            Wake::Assigned(partitions) => {
                metrics.set(m::RESTORING, &[self.name], partitions.len() as f64);
                "assigned"
            }
            Wake::Revoked(_) => "revoked",
            Wake::Lost => "lost",
            _ => return wake,
        };
        metrics.add(m::REBALANCES, &[self.name, reason], 1);
        wake
    }
}

impl Log for Metered {
    fn restore(&mut self, partition: i32) -> Result<Option<Restored>, Halt> {
        let restored = self.member.restore(partition)?;
        self.signals.metrics.shift(m::RESTORING, &[self.name], -1.0);
        Ok(restored)
    }
    fn commit(&mut self, commit: Commit) -> Result<(), Halt> {
        let (records, bytes) = commit.out.values().fold((0, 0), |(records, bytes), chunk| {
            (records + u64::from(chunk.len()), bytes + chunk.bytes().len())
        });
        let account = commit.account.clone();
        let started = Instant::now();
        let committed = self.member.commit(commit);
        let metrics = &self.signals.metrics;
        let outcome = match &committed {
            Ok(()) => "committed",
            Err(Halt::Interrupted { .. }) => "interrupted",
            Err(_) => "failed",
        };
        metrics.add(m::COMMITS, &[self.name, outcome], 1);
        if committed.is_ok() {
            metrics.observe(m::COMMIT_SECONDS, &[self.name], started.elapsed().as_secs_f64());
            metrics.observe(m::COMMIT_RECORDS, &[self.name], records as f64);
            metrics.observe(m::COMMIT_BYTES, &[self.name], bytes as f64);
            metrics.stamp(m::COMMITTED, &[self.name]);
            account.iter().for_each(|entry| self.account(entry));
        }
        committed
    }
}

impl Member for Metered {
    fn seek(&mut self, next: BTreeMap<At, i64>) {
        self.member.seek(next);
    }
    fn is_caught_up(&self) -> bool {
        self.member.is_caught_up()
    }
    fn storage(&mut self) -> &mut dyn Storage {
        self.member.storage()
    }
}
