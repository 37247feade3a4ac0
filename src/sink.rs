//! The windowed sink's loop: records of three tables into batches, each planned in the log, written in one warehouse transaction,
//! and only then committed.
//!
//! Invariant: plan, write, commit, in this order; after a restart the newest plan decides, so a batch that may have been written is
//! made again from its ranges and recognised by its id.
//! Not here: the window, the plan and the warehouse themselves (crate `sinks`).
mod batch_split;
mod dlq;
mod metrics;
mod reconcile;
mod recovery;

use self::batch_split::WriteOutcome;
use crate::{sink_target::SinkTarget, topology::SINK, warehouse::WarehouseTarget};
use anyhow::{Context, Result};
use runtime::{
    Commit, CommitError, GroupMember, RecordBatch, RuntimeError, TaskEvent,
    clock::now,
    engine::{DlqLimits, ProcessorKind, append_ledger_entry},
    metrics as m,
    subscription::{RunContext, Subscription},
};
use schemas::{ops::LedgerEntry, wire};
use sinks::{
    Batch, BatchLimits, BatchPlan, Counters, DateRange, RecordChange, SinkTopic, TopicPartitionOffset,
    Warehouse, WarehouseError, Window, WriteSummary, WriterId, plan::SinkOffsets,
};
use std::{sync::Arc, time::Duration};
use topics::{Offsets, TopicPartition};

/// The one partition of the topic of batch plans.
const SINK_BATCHES: TopicPartition = TopicPartition::new(topics::SINK_BATCHES.info.name, 0);

/// The sink as a reader of the log.
pub fn reader(upstream: &[Subscription]) -> Subscription {
    Subscription {
        name: SINK,
        group: SINK.to_owned(),
        inputs: crate::topology::sink_inputs(),
        outputs: vec![topics::SINK_BATCHES.info],
        kind: ProcessorKind::Sink,
        upstream: upstream.iter().map(|reader| reader.name).collect(),
    }
}

/// How the sink closes its batches.
#[derive(Clone, Copy)]
pub struct SinkConfig {
    pub limits: BatchLimits,
    /// Close as soon as there is nothing left to read, since nobody waits for more.
    pub until_caught_up: bool,
    /// How often the warehouse is held against the log; never when zero.
    pub reconcile_interval: Duration,
    /// When it stops because too much of what it reads makes no row.
    pub dlq_limits: DlqLimits,
}

/// It was told to stop while it waited for the warehouse, for this reason. What it was about to write is planned in the log.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Stopped(String);

/// How long a run that ends by itself waits for the warehouse to take the last of it.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(120);

/// One sink over one log and one warehouse.
pub struct SinkTask {
    member: Box<dyn GroupMember>,
    warehouse: Box<dyn Warehouse>,
    writer: WriterId,
    run_context: Arc<RunContext>,
    rebuilding: bool,
    /// How often the log was begun to be read again; the version of the sink's account.
    ledger_version: i64,
    /// What of the warehouse's counts is in the metrics.
    exported_counters: Counters,
    /// The days whose games are written; all when `None`.
    dates: Option<DateRange>,
    /// Partitions are assigned: no other instance writes.
    is_writer: bool,
    /// Until when the warehouse is waited for although the process ends.
    shutdown_deadline: Option<std::time::Instant>,
    /// When the warehouse is next held against the log; never when `None`.
    reconcile_due: Option<std::time::Instant>,
    rejects: dlq::RejectTracker,
    /// Records that a batch may have at most, once one was too large; for as long as this process runs.
    max_batch_records: Option<usize>,
}

impl SinkTask {
    /// Opens the warehouse for this log.
    pub fn open(
        mut member: Box<dyn GroupMember>,
        to: SinkTarget,
        run_context: Arc<RunContext>,
    ) -> Result<SinkTask> {
        if let WarehouseTarget::Folder(folder) = &to.warehouse {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("making the folder {}", folder.display()))?;
        }
        let warehouse = to.warehouse.open()?;
        let log = member.log().id()?;
        let writer = WriterId { sink: SINK.to_owned(), log, epoch: 0 };
        Ok(SinkTask {
            member,
            warehouse,
            writer,
            run_context,
            rebuilding: false,
            ledger_version: 0,
            exported_counters: Counters::default(),
            dates: to.dates,
            is_writer: false,
            shutdown_deadline: None,
            reconcile_due: None,
            rejects: dlq::RejectTracker::default(),
            max_batch_records: None,
        })
    }
    fn seek(&mut self, positions: &SinkOffsets) {
        self.member.seek(to_offsets(positions));
    }
    fn commit(&mut self, next: &SinkOffsets, mut commit: Commit) -> Result<()> {
        commit.group = SINK.to_owned();
        commit.offsets = to_offsets(next);
        self.commit_to_log(commit)
    }
    /// Plans, writes and commits one batch.
    /// Commits without the type of error between: a fatal error is what it was.
    fn commit_to_log(&mut self, commit: Commit) -> Result<()> {
        self.member.commit(commit).map_err(|error| match error {
            CommitError::Fatal(error) => error.into(),
            aborted => aborted.into(),
        })
    }
    fn write_batch(&mut self, batch: Batch) -> Result<()> {
        let plan = self.plan(&batch)?;
        self.write(batch, plan)
    }
    fn write(&mut self, batch: Batch, plan: BatchPlan) -> Result<()> {
        self.run_context.metrics.set(m::SINK_IN_FLIGHT, &[SINK], 1.0);
        let written = self.write_in_parts(batch, plan);
        // Also when it failed: what is in flight is being written.
        self.run_context.metrics.set(m::SINK_IN_FLIGHT, &[SINK], 0.0);
        written
    }
    /// Writes and commits a planned batch; the records that make no row are added to those that were set aside before.
    fn write_with_retries(
        &mut self,
        mut batch: Batch,
        plan: &BatchPlan,
        rejected: &mut Vec<TopicPartitionOffset>,
    ) -> Result<WriteOutcome> {
        let mut commit = Commit::default();
        let written = loop {
            let narrowed =
                self.dates.map_or(Ok(()), |dates| dates.filter_batch(&mut batch, self.warehouse.as_ref()));
            let started = std::time::Instant::now();
            let attempt = narrowed.and_then(|()| self.warehouse.write(&batch, plan, now()));
            self.count_attempt(&attempt, started.elapsed());
            match attempt {
                Ok(written) => break written,
                Err(WarehouseError::Rows(bad)) => {
                    let places: Vec<TopicPartitionOffset> = bad.iter().map(|bad| bad.at).collect();
                    self.send_to_dlq(&mut batch, plan, bad)?;
                    rejected.extend(places);
                }
                Err(WarehouseError::Size { what, .. }) => return Ok(WriteOutcome::TooLarge(what)),
                Err(WarehouseError::Retry { what, after, alert }) => self.wait(what, after, alert)?,
                Err(error) => return Err(error.into()),
            }
        };
        self.rejects.count_used(&batch);
        let entry = LedgerEntry { version: self.ledger_version, ..entry(written) };
        append_ledger_entry(&mut commit, entry)?;
        self.commit(&plan.next(), commit)?;
        Ok(WriteOutcome::Written)
    }
    /// Asks the warehouse until it is ready or the sink is told to stop.
    fn with_retries<T>(
        &mut self,
        mut call: impl FnMut(&mut dyn Warehouse) -> Result<T, WarehouseError>,
    ) -> Result<T> {
        loop {
            let answer = call(self.warehouse.as_mut());
            self.count_failure(&answer);
            self.count();
            match answer {
                Err(WarehouseError::Retry { what, after, alert }) => self.wait(what, after, alert)?,
                other => return Ok(other?),
            }
        }
    }
    /// Waits before the same question is asked again: nothing is read on meanwhile, and nothing is dropped.
    fn wait(&self, reason: String, after: Duration, alert: bool) -> Result<(), Stopped> {
        let pause_ms = after.as_millis() as u64;
        match alert {
            _ if after.is_zero() => tracing::info!(reason, "the warehouse takes its time"),
            true => tracing::error!(reason, pause_ms, "the warehouse does not take what is written"),
            false => tracing::warn!(reason, pause_ms, "the warehouse is not ready"),
        }
        let until = std::time::Instant::now() + after;
        let is_before_deadline = || self.shutdown_deadline.is_some_and(|end| std::time::Instant::now() < end);
        while !self.run_context.is_stopping() || is_before_deadline() {
            let left = until.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(Duration::from_millis(200)));
        }
        Err(Stopped(reason))
    }
    /// Reads, gathers and delivers until told to stop.
    pub fn run(mut self, config: SinkConfig) -> Result<()> {
        let mut window = Window::new(config.limits);
        self.reconcile_due = self.next_reconciliation(config.reconcile_interval);
        loop {
            match self.handle_event(&mut window, config) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => match error.downcast::<CommitError>() {
                    // The log hands everything out once more, from the positions that are durable.
                    Ok(CommitError::Aborted { reason }) => {
                        tracing::warn!(reason, "a commit was not confirmed, going on from what is durable");
                        window = Window::new(config.limits);
                    }
                    Ok(CommitError::Fatal(error)) => return Err(error.into()),
                    Err(error) => {
                        let Stopped(reason) = error.downcast::<Stopped>()?;
                        if config.until_caught_up {
                            return Err(RuntimeError::Warehouse(format!("it ends before all is written: {reason}\nnext: the same command goes on with it")).into());
                        }
                        tracing::warn!(
                            reason,
                            "stopped while the warehouse does not take what is written: the next start goes on with it"
                        );
                        return Ok(());
                    }
                },
            }
        }
    }
    /// One wake; answers whether to go on.
    fn handle_event(&mut self, window: &mut Window, config: SinkConfig) -> Result<bool> {
        self.max_batch_records.iter().for_each(|max_batch_records| window.limit_records(*max_batch_records));
        match self.member.next_event() {
            TaskEvent::Assigned(partitions) => {
                window.forget();
                self.is_writer = !partitions.is_empty();
                self.rejects = dlq::RejectTracker::new(config.dlq_limits);
                if self.is_writer {
                    self.acquire_writer()?;
                }
            }
            TaskEvent::Revoked(_) => {
                if let Some(batch) = window.close(sinks::CloseReason::Revoke) {
                    self.write_batch(batch)?;
                }
                self.is_writer = false;
            }
            TaskEvent::Lost => {
                window.forget();
                self.is_writer = false;
            }
            TaskEvent::Records(record_batches) => {
                for (at, record_batch) in &record_batches {
                    self.add_records(window, *at, record_batch)?;
                }
                if config.until_caught_up
                    && let Some(batch) = window.close(sinks::CloseReason::CaughtUp)
                {
                    self.write_batch(batch)?;
                }
            }
            TaskEvent::Idle => {
                if let Some(batch) = window.tick(now().0) {
                    self.write_batch(batch)?;
                }
                if window.is_empty() && self.member.is_caught_up() {
                    self.delete_stale_epochs()?;
                    if self.is_writer
                        && self.reconcile_due.is_some_and(|due| due <= std::time::Instant::now())
                    {
                        // Kafka forgets what was committed long ago of topics that a member is not subscribed to, as the sink is not.
                        let committed = self.committed()?;
                        self.commit(&committed, Commit::default())?;
                        self.reconcile();
                        self.reconcile_due = self.next_reconciliation(config.reconcile_interval);
                    }
                }
            }
            TaskEvent::Shutdown => {
                if let Some(batch) = window.close(sinks::CloseReason::Shutdown) {
                    self.write_batch(batch)?;
                }
                if config.until_caught_up {
                    // It was not told to stop: it has come to its end, which is worth some patience.
                    self.shutdown_deadline = std::time::Instant::now().checked_add(SHUTDOWN_WAIT);
                }
                if self.member.is_caught_up() {
                    self.delete_stale_epochs()?;
                    if config.until_caught_up && self.is_writer && self.reconcile_due.is_some() {
                        self.reconcile_at_end()?;
                    }
                }
                return Ok(false);
            }
            TaskEvent::Failed(runtime_error) => return Err(runtime_error.into()),
        }
        Ok(true)
    }
    /// Once the log was read to its end, rows of older epochs are in it no more.
    fn delete_stale_epochs(&mut self) -> Result<()> {
        if self.rebuilding && self.member.log().is_caught_up(&[reader(&[])])? {
            self.rebuilding = false;
            let log = self.writer.log.clone();
            self.with_retries(|warehouse| warehouse.delete_stale_epochs(&log))?;
        }
        Ok(())
    }
    fn add_records(
        &mut self,
        window: &mut Window,
        partition: TopicPartition,
        record_batch: &RecordBatch,
    ) -> Result<()> {
        let input: SinkTopic = partition.topic.parse().map_err(anyhow::Error::msg)?;
        for record in record_batch.records() {
            let record = record?;
            let at = TopicPartitionOffset { input, partition: partition.partition, offset: record.offset };
            let change = decode_record(input, record.key, record.value)?;
            let bytes = record.key.len() + record.value.map_or(0, <[u8]>::len);
            if let Some(batch) = window.push(now().0, at, change, bytes) {
                self.write_batch(batch)?;
            }
        }
        Ok(())
    }
}

fn to_offsets(offsets: &SinkOffsets) -> Offsets {
    let next = offsets
        .iter()
        .map(|((input, partition), next)| (TopicPartition::new(input.topic(), *partition), *next));
    next.collect()
}

fn decode_record(input: SinkTopic, key: &str, value: Option<&[u8]>) -> Result<RecordChange> {
    let id = key.parse().map_err(anyhow::Error::msg).with_context(|| format!("a record key of {input}"))?;
    Ok(match input {
        SinkTopic::Predictions => RecordChange::Prediction(id, value.map(wire::decode).transpose()?),
        SinkTopic::Features => RecordChange::Features(id, value.map(wire::decode).transpose()?),
        SinkTopic::PlayerGames => RecordChange::PlayerGame(id, value.map(wire::decode).transpose()?),
    })
}

/// What became of a batch's records. One written before, which a crash kept from being committed, counts as it did then.
fn entry(written: WriteSummary) -> LedgerEntry {
    LedgerEntry {
        processor: SINK.to_owned(),
        read: written.records as i64,
        applied: written.applied as i64,
        unchanged: (written.unchanged + written.stale + written.superseded) as i64,
        rejected: written.rejected as i64,
        published: written.rows as i64,
        ..LedgerEntry::default()
    }
}

/// The sink's work, for the supervisor.
pub fn run_sink(
    to: SinkTarget,
    run_context: Arc<RunContext>,
    config: SinkConfig,
) -> runtime::supervisor::CustomTask {
    Box::new(move |member| {
        let sink = SinkTask::open(member, to, run_context).and_then(|sink| sink.run(config));
        sink.map_err(|error| match error.downcast::<RuntimeError>() {
            Ok(runtime_error) => runtime_error,
            Err(error) => match error.downcast::<WarehouseError>() {
                Ok(WarehouseError::Config { what, next }) => {
                    RuntimeError::Precondition { what: "the sink".into(), reason: what, next }
                }
                Ok(error) => RuntimeError::Warehouse(error.to_string()),
                Err(error) => RuntimeError::Warehouse(crate::error_chain::error_chain(&error)),
            },
        })
    })
}
