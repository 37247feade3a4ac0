//! The embedded log as a `LogBackend`: what verbs, ingest and the supervisor see of it.
//!
//! Invariant: every member has a connection of its own; offsets are dense when written, so a position counts records.
//! Not here: the file itself (`store`), a member's reading (`member`).
use super::{EmbeddedLog, member::EmbeddedMember};
use crate::{
    engine::changelog_topic,
    lag::ProcessorProgress,
    log::{Commit, GroupMember, LogBackend, RawEventRecord, RecordCount, Restored, RuntimeError},
    progress_board::ProgressBoard,
    record_batch::RecordBatch,
    subscription::{ReadLimits, RunContext, Subscription},
};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use topics::Policy;

/// How often to look for something worth compacting.
const COMPACTION_INTERVAL: Duration = Duration::from_secs(10);

impl EmbeddedLog {
    /// The folder that the file is in.
    pub(super) fn folder(&self) -> &Path {
        self.path().parent().unwrap_or(Path::new("."))
    }
}

impl LogBackend for EmbeddedLog {
    fn id(&mut self) -> Result<String, RuntimeError> {
        EmbeddedLog::id(self)
    }
    fn existing_id(&mut self) -> Result<Option<String>, RuntimeError> {
        EmbeddedLog::id(self).map(Some)
    }
    fn name(&self) -> String {
        self.path().display().to_string()
    }
    fn read(
        &mut self,
        topic: &str,
        partition: i32,
        from: i64,
        bytes: usize,
    ) -> Result<Vec<RecordBatch>, RuntimeError> {
        EmbeddedLog::read(self, topic, partition, from, bytes)
    }
    fn beginning_offsets(&mut self, topics: &[&str]) -> Result<BTreeMap<(String, i32), i64>, RuntimeError> {
        EmbeddedLog::beginning_offsets(self, topics)
    }
    fn end_offsets(&mut self, topics: &[&str]) -> Result<BTreeMap<(String, i32), i64>, RuntimeError> {
        let mut ends = EmbeddedLog::end_offsets(self)?;
        ends.retain(|(topic, _), _| topics.contains(&topic.as_str()));
        Ok(ends)
    }
    fn committed_offsets(
        &mut self,
        group: &str,
        topics: &[&str],
    ) -> Result<BTreeMap<(String, i32), i64>, RuntimeError> {
        let mut positions = EmbeddedLog::committed_offsets(self, group)?;
        positions.retain(|(topic, _), _| topics.contains(&topic.as_str()));
        Ok(positions)
    }
    fn restore(&mut self, subscription: &Subscription, partition: i32) -> Result<Restored, RuntimeError> {
        let committed = EmbeddedLog::committed_offsets(self, &subscription.group)?;
        let mut restored = Restored::default();
        for input in &subscription.inputs {
            let next = committed.get(&(input.name.to_owned(), partition)).copied().unwrap_or(0);
            restored.next.insert(input.name, next);
            if subscription.is_view && input.policy == Policy::Compact {
                restored
                    .tables
                    .push((input.name, EmbeddedLog::read(self, input.name, partition, 0, usize::MAX)?));
            }
        }
        if subscription.is_view {
            restored.changelog =
                EmbeddedLog::read(self, &changelog_topic(subscription.name), partition, 0, usize::MAX)?;
        }
        Ok(restored)
    }
    fn count_records_below(&mut self, _: &str, _: i32, below: i64) -> Result<RecordCount, RuntimeError> {
        Ok(RecordCount::Exactly(below))
    }
    fn ingest(&mut self, events: &[RawEventRecord], extra: Commit) -> Result<usize, RuntimeError> {
        if self.source.is_some() {
            return Err(RuntimeError::Precondition {
                what: format!("ingesting into {}", self.path().display()),
                reason: "it is a replay's, which reads the raw topics of the live log".into(),
                next: "ingest into the live log".into(),
            });
        }
        EmbeddedLog::ingest(self, events, extra)
    }
    fn append(
        &mut self,
        out: BTreeMap<(String, i32), RecordBatch>,
        group: &str,
        next: &BTreeMap<(String, i32), i64>,
    ) -> Result<(), RuntimeError> {
        let next: Vec<(&str, i32, i64)> = next.iter().map(|((t, p), next)| (t.as_str(), *p, *next)).collect();
        self.append(out, group, &next).map(|_| ())
    }
    fn purge(&mut self, topic: &str, below: &BTreeMap<i32, i64>) -> Result<(), RuntimeError> {
        EmbeddedLog::purge(self, topic, below)
    }
    fn acquire_run_lock(&mut self) -> Result<(), RuntimeError> {
        if self.run_lock.is_none() {
            self.run_lock = Some(EmbeddedLog::lock(self.folder())?);
        }
        Ok(())
    }
    fn subscribe(
        &mut self,
        subscription: Subscription,
        limits: ReadLimits,
        run_context: Arc<RunContext>,
    ) -> Result<Box<dyn GroupMember>, RuntimeError> {
        self.retire_others(&subscription.group)?;
        self.register(&subscription.group, &subscription.inputs)?;
        self.register_processor(subscription.name)?;
        let log = self.reopen()?;
        Ok(Box::new(EmbeddedMember::new(log, run_context, subscription, limits)))
    }
    fn run_maintenance(&mut self, board: &ProgressBoard) -> Result<Duration, RuntimeError> {
        let now = self.data_version()?;
        if self.seen != Some(now) {
            self.seen = Some(now);
            for ((topic, partition), end) in EmbeddedLog::end_offsets(self)? {
                if board.end(&topic, partition) < end {
                    board.advance(&topic, partition, end);
                    board.notify();
                }
            }
        }
        if self.compacted.get_or_insert_with(Instant::now).elapsed() > COMPACTION_INTERVAL {
            self.compact_one(None)?;
            self.compacted = Some(Instant::now());
        }
        // Nothing but a look tells of what another process appended.
        Ok(Duration::from_millis(10))
    }
    fn lag_snapshot(
        &mut self,
        subscriptions: &[Subscription],
    ) -> Result<Vec<ProcessorProgress>, RuntimeError> {
        EmbeddedLog::lag_snapshot(self, subscriptions)
    }
    fn is_caught_up(&mut self, subscriptions: &[Subscription]) -> Result<bool, RuntimeError> {
        // The raw topics first: what was made of them is in the same commit as the positions.
        let pairs: Vec<_> = subscriptions.iter().map(|r| (r.group.clone(), r.inputs.clone())).collect();
        Ok(self.has_read_source(subscriptions)?
            && EmbeddedLog::is_caught_up(self, &pairs)?
            && !self.extend_source_ends(subscriptions)?)
    }
    fn discard(&mut self, _: &[String], _: &[String]) -> Result<Vec<String>, RuntimeError> {
        self.discard_file()
    }
}
