//! The sink task: collects the records of three table topics into batches, plans each batch in the log, writes it to the warehouse in one
//! transaction, and commits its offsets.
//!
//! Invariant: each batch is planned, written and committed, in this order. After a restart the batch of the newest plan is built again from
//! the plan's ranges; if the warehouse already has the batch, it recognizes the batch by its id.
//! Not here: closing batches (`sinks::Window`), the content of a plan (`sinks::BatchPlan`), writing rows (`sinks::Warehouse`).
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

/// The only partition of the topic that contains the batch plans.
const SINK_BATCHES: TopicPartition = TopicPartition::new(topics::SINK_BATCHES.info.name, 0);

/// Returns the subscription of the sink.
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

/// Configuration of the sink task.
#[derive(Clone, Copy)]
pub struct SinkConfig {
    pub limits: BatchLimits,
    /// True if the run ends when everything has caught up. The records of each read are then written at once, as one or more batches.
    pub until_caught_up: bool,
    /// Interval of the reconciliation with the log; zero: never.
    pub reconcile_interval: Duration,
    /// Limits for records that cannot be converted to rows.
    pub dlq_limits: DlqLimits,
}

/// The process stopped while the sink waited for the warehouse. Contains the reason for the wait. A batch that was to be written is planned
/// in the log, so the next start writes it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Stopped(String);

/// Time limit for deleting stale epochs and reconciling the warehouse at the end of a run with `--until-caught-up`.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(120);

/// The sink task that writes the tables of one log to one warehouse.
pub struct SinkTask {
    member: Box<dyn GroupMember>,
    warehouse: Box<dyn Warehouse>,
    writer: WriterId,
    run_context: Arc<RunContext>,
    rebuilding: bool,
    /// Version of the sink's ledger entries: raised whenever the sink goes back in the log and reads records again.
    ledger_version: i64,
    /// Values of the warehouse's counters that are already added to the metrics.
    exported_counters: Counters,
    /// Days whose games are written; `None` for all days.
    dates: Option<DateRange>,
    /// True while partitions are assigned to this instance; no other instance writes then.
    is_writer: bool,
    /// Time until which the sink still waits for the warehouse while the process is stopping.
    shutdown_deadline: Option<std::time::Instant>,
    /// Time of the next reconciliation; `None`: never.
    reconcile_due: Option<std::time::Instant>,
    rejects: dlq::RejectTracker,
    /// Maximum number of records per batch, set once a batch was too large; kept until the process ends.
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
                .with_context(|| format!("creating the folder {}", folder.display()))?;
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
    /// Continues reading from these offsets.
    fn seek(&mut self, offsets: &SinkOffsets) {
        self.member.seek(to_offsets(offsets));
    }
    fn commit(&mut self, next: &SinkOffsets, mut commit: Commit) -> Result<()> {
        commit.group = SINK.to_owned();
        commit.offsets = to_offsets(next);
        self.commit_to_log(commit)
    }
    /// Commits; for a fatal error, returns the runtime error that it contains.
    fn commit_to_log(&mut self, commit: Commit) -> Result<()> {
        self.member.commit(commit).map_err(|error| match error {
            CommitError::Fatal(error) => error.into(),
            aborted => aborted.into(),
        })
    }
    /// Plans, writes and commits one batch.
    fn write_batch(&mut self, batch: Batch) -> Result<()> {
        let plan = self.plan(&batch)?;
        self.write(batch, plan)
    }
    fn write(&mut self, batch: Batch, plan: BatchPlan) -> Result<()> {
        self.run_context.metrics.set(m::SINK_IN_FLIGHT, &[SINK], 1.0);
        let written = self.write_in_parts(batch, plan);
        // Reset after a failure, too: the metric counts only batches that are being written.
        self.run_context.metrics.set(m::SINK_IN_FLIGHT, &[SINK], 0.0);
        written
    }
    /// Writes and commits a planned batch. Records that cannot be converted go to the dead-letter queue and are added to `rejected`.
    fn write_with_retries(
        &mut self,
        mut batch: Batch,
        plan: &BatchPlan,
        rejected: &mut Vec<TopicPartitionOffset>,
    ) -> Result<WriteOutcome> {
        let mut commit = Commit::default();
        let written = loop {
            let filtered =
                self.dates.map_or(Ok(()), |dates| dates.filter_batch(&mut batch, self.warehouse.as_ref()));
            let started = std::time::Instant::now();
            let attempt = filtered.and_then(|()| self.warehouse.write(&batch, plan, now()));
            self.count_attempt(&attempt, started.elapsed());
            match attempt {
                Ok(written) => break written,
                Err(WarehouseError::Rows(bad)) => {
                    let coordinates: Vec<TopicPartitionOffset> =
                        bad.iter().map(|bad| bad.coordinates).collect();
                    self.send_to_dlq(&mut batch, plan, bad)?;
                    rejected.extend(coordinates);
                }
                Err(WarehouseError::Size { what, .. }) => return Ok(WriteOutcome::TooLarge(what)),
                Err(WarehouseError::Retry { what, after, alert }) => self.wait(what, after, alert)?,
                Err(error) => return Err(error.into()),
            }
        };
        self.rejects.count_written(&batch);
        let entry = LedgerEntry { version: self.ledger_version, ..ledger_entry(written) };
        append_ledger_entry(&mut commit, entry)?;
        self.commit(&plan.next_offsets(), commit)?;
        Ok(WriteOutcome::Written)
    }
    /// Repeats a call to the warehouse until it succeeds, fails permanently, or the sink is stopped.
    fn with_retries<T>(
        &mut self,
        mut call: impl FnMut(&mut dyn Warehouse) -> Result<T, WarehouseError>,
    ) -> Result<T> {
        loop {
            let result = call(self.warehouse.as_mut());
            self.count_failure(&result);
            self.export_counters();
            match result {
                Err(WarehouseError::Retry { what, after, alert }) => self.wait(what, after, alert)?,
                other => return Ok(other?),
            }
        }
    }
    /// Sleeps before the next attempt of a call.
    ///
    /// # Errors
    /// `Stopped` if the process is stopping and the shutdown deadline has passed.
    fn wait(&self, reason: String, after: Duration, alert: bool) -> Result<(), Stopped> {
        let pause_ms = after.as_millis() as u64;
        if after.is_zero() {
            tracing::info!(reason, "write pending");
        } else if alert {
            tracing::error!(reason, pause_ms, "write failing, retrying");
        } else {
            tracing::warn!(reason, pause_ms, "the warehouse is not ready, retrying");
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
    /// Reads records, collects them into batches and writes the batches until stopped.
    pub fn run(mut self, config: SinkConfig) -> Result<()> {
        let mut window = Window::new(config.limits);
        self.reconcile_due = self.next_reconciliation(config.reconcile_interval);
        loop {
            match self.handle_event(&mut window, config) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => match error.downcast::<CommitError>() {
                    // The log delivers the records again from the committed offsets.
                    Ok(CommitError::Aborted { reason }) => {
                        tracing::warn!(reason, "commit aborted, continuing from the committed offsets");
                        window = Window::new(config.limits);
                    }
                    Ok(CommitError::Fatal(error)) => return Err(error.into()),
                    Err(error) => {
                        let Stopped(reason) = error.downcast::<Stopped>()?;
                        if config.until_caught_up {
                            return Err(RuntimeError::Warehouse(format!("the run ended before all records were written: {reason}\nnext: run the same command again, it writes the rest")).into());
                        }
                        tracing::warn!(
                            reason,
                            "stopped before a write was complete: the next start completes it"
                        );
                        return Ok(());
                    }
                },
            }
        }
    }
    /// Handles the next task event; returns false at the end of the run.
    fn handle_event(&mut self, window: &mut Window, config: SinkConfig) -> Result<bool> {
        if let Some(max_batch_records) = self.max_batch_records {
            window.limit_records(max_batch_records);
        }
        match self.member.next_event() {
            TaskEvent::Assigned(partitions) => {
                window.discard();
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
                window.discard();
                self.is_writer = false;
            }
            TaskEvent::Records(record_batches) => {
                for (partition, record_batch) in &record_batches {
                    self.add_records(window, *partition, record_batch)?;
                }
                if config.until_caught_up
                    && let Some(batch) = window.close(sinks::CloseReason::CaughtUp)
                {
                    self.write_batch(batch)?;
                }
            }
            TaskEvent::Idle => self.handle_idle(window, config)?,
            TaskEvent::Shutdown => {
                self.handle_shutdown(window, config)?;
                return Ok(false);
            }
            TaskEvent::Failed(runtime_error) => return Err(runtime_error.into()),
        }
        Ok(true)
    }
    fn handle_idle(&mut self, window: &mut Window, config: SinkConfig) -> Result<()> {
        if let Some(batch) = window.tick(now().0) {
            self.write_batch(batch)?;
        }
        if !window.is_empty() || !self.member.is_caught_up() {
            return Ok(());
        }
        self.delete_stale_epochs()?;
        if self.is_writer && self.reconcile_due.is_some_and(|due| due <= std::time::Instant::now()) {
            // The sink subscribes only to its own topic, so Kafka expires old committed offsets of its input topics even while it runs:
            // commit them again.
            let committed = self.committed()?;
            self.commit(&committed, Commit::default())?;
            self.reconcile();
            self.reconcile_due = self.next_reconciliation(config.reconcile_interval);
        }
        Ok(())
    }
    fn handle_shutdown(&mut self, window: &mut Window, config: SinkConfig) -> Result<()> {
        if let Some(batch) = window.close(sinks::CloseReason::Shutdown) {
            self.write_batch(batch)?;
        }
        if config.until_caught_up {
            // Such a run usually ends because it has caught up, so it waits for the warehouse, up to a time limit.
            self.shutdown_deadline = std::time::Instant::now().checked_add(SHUTDOWN_WAIT);
        }
        if self.member.is_caught_up() {
            self.delete_stale_epochs()?;
            if config.until_caught_up && self.is_writer && self.reconcile_due.is_some() {
                self.reconcile_at_end()?;
            }
        }
        Ok(())
    }
    /// Ends a rebuild: once the log has been read to its end, a row that still has an older epoch has no record in the log, and is deleted.
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
            let (partition, offset) = (partition.partition, record.offset);
            let coordinates = TopicPartitionOffset { input, partition, offset };
            let change = decode_record(input, record.key, record.value)?;
            let bytes = record.key.len() + record.value.map_or(0, <[u8]>::len);
            if let Some(batch) = window.push(now().0, coordinates, change, bytes) {
                self.write_batch(batch)?;
            }
        }
        Ok(())
    }
}

fn decode_record(input: SinkTopic, key: &str, value: Option<&[u8]>) -> Result<RecordChange> {
    let id = key
        .parse()
        .map_err(anyhow::Error::msg)
        .with_context(|| format!("parsing a record key of {input}"))?;
    Ok(match input {
        SinkTopic::Predictions => RecordChange::Prediction(id, value.map(wire::decode).transpose()?),
        SinkTopic::Features => RecordChange::Features(id, value.map(wire::decode).transpose()?),
        SinkTopic::PlayerGames => RecordChange::PlayerGame(id, value.map(wire::decode).transpose()?),
    })
}

fn to_offsets(offsets: &SinkOffsets) -> Offsets {
    let next = offsets
        .iter()
        .map(|((input, partition), next)| (TopicPartition::new(input.topic(), *partition), *next));
    next.collect()
}

/// Returns the ledger entry of a written batch. If the batch was already stored before a crash, its counts are those of that earlier write.
fn ledger_entry(written: WriteSummary) -> LedgerEntry {
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

/// Returns the sink task for the supervisor.
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
