//! Handles the task events of the sink: records, assignments, idle periods and the end of the run.
//!
//! Invariant: only the instance to which partitions are assigned writes. After an aborted commit, the collected records are discarded,
//! because the log delivers them again.
//! Not here: writing a batch (`batch_writer`), recovery (`recovery`).
use super::{
    batch_writer::BatchWriter,
    decode::decode_record,
    reconciliation_schedule::{ReconciliationSchedule, reconcile_at_end},
    recovery::acquire_writer,
    retrying_warehouse::RetryingWarehouse,
    sink_log::SinkLog,
};
use crate::{
    date_filter::DateRange,
    plan::WriterId,
    record::TopicPartitionOffset,
    sink_error::SinkError,
    subscription::{SINK, input_of},
    warehouse::{Warehouse, WarehouseError},
    window::{BatchLimits, CloseReason, Window},
};
use runtime::{
    Commit, GroupMember, RecordBatch, RuntimeError, TaskEvent,
    clock::now,
    engine::{AcceptedRecords, DlqLimits},
    subscription::RunContext,
    supervisor::CustomTask,
};
use std::{sync::Arc, time::Duration};
use topics::TopicPartition;

/// Configuration of the sink task.
#[derive(Clone)]
pub struct SinkConfig {
    /// Path or dataset of the warehouse, for the messages of errors.
    pub warehouse: String,
    pub limits: BatchLimits,
    /// Days whose games are written; `None` for all days. A replay writes only some days.
    pub dates: Option<DateRange>,
    /// True if the run ends when it has caught up. In such a run, the records of each read are written at once, as one or more batches.
    pub until_caught_up: bool,
    /// Interval of the reconciliation with the log; zero: never.
    pub reconcile_interval: Duration,
    /// How many records that cannot be converted to rows may go to the DLQ before the sink stops.
    pub dlq_limits: DlqLimits,
    /// Records that do not count for these limits.
    pub accepted: AcceptedRecords,
}

/// Opens the warehouse of a sink task, in the thread of the task. It is called again while the warehouse is not ready.
pub type WarehouseFactory = Box<dyn FnMut() -> Result<Box<dyn Warehouse>, WarehouseError> + Send>;

/// Time limit for the last batch, for deleting stale epochs and for reconciling the warehouse at the end of a run with
/// `--until-caught-up`.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(120);

/// The sink task that writes the tables of one log to one warehouse.
struct SinkTask {
    batch_writer: BatchWriter,
    run_context: Arc<RunContext>,
    config: SinkConfig,
    window: Window,
    schedule: ReconciliationSchedule,
    /// True during a rebuild: rows of older epochs remain in the warehouse until the log is read to its end.
    is_rebuilding: bool,
    /// True while partitions are assigned to this instance; no other instance writes then.
    is_writer: bool,
}

/// Returns the sink task for the supervisor.
pub fn sink_task(
    open_warehouse: WarehouseFactory,
    run_context: Arc<RunContext>,
    config: SinkConfig,
) -> CustomTask {
    Box::new(move |member| {
        let (until_caught_up, warehouse) = (config.until_caught_up, config.warehouse.clone());
        let task = SinkTask::open(member, open_warehouse, run_context, config);
        match task.and_then(SinkTask::run) {
            Err(SinkError::Stopped(reason)) if until_caught_up => Err(RuntimeError::Warehouse(format!(
                "the run ended before all records were written: {reason}\nnext: run the same command again, it writes the rest"
            ))),
            Err(SinkError::Stopped(reason)) => {
                tracing::warn!(reason, "stopped before a write was complete: the next start completes it");
                Ok(())
            }
            outcome => outcome.map_err(|error| error.into_runtime_error(&warehouse)),
        }
    })
}

impl SinkTask {
    /// Opens the warehouse for this log.
    fn open(
        member: Box<dyn GroupMember>,
        open_warehouse: WarehouseFactory,
        run_context: Arc<RunContext>,
        config: SinkConfig,
    ) -> Result<SinkTask, SinkError> {
        let warehouse = RetryingWarehouse::open(open_warehouse, run_context.clone())?;
        let mut log = SinkLog::new(member);
        let writer = WriterId { sink: SINK.to_owned(), log: log.id()?, epoch: 0 };
        Ok(SinkTask {
            batch_writer: BatchWriter::new(log, warehouse, writer, config.dates),
            run_context,
            window: Window::new(config.limits),
            schedule: ReconciliationSchedule::new(config.reconcile_interval, config.dates.is_some()),
            is_rebuilding: false,
            is_writer: false,
            config,
        })
    }
    /// Reads records, collects them into batches and writes the batches until stopped.
    fn run(mut self) -> Result<(), SinkError> {
        loop {
            match self.handle_event() {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(SinkError::CommitAborted { reason }) => {
                    tracing::warn!(reason, "commit aborted, continuing from the committed offsets");
                    self.window = Window::new(self.config.limits);
                }
                Err(error) => return Err(error),
            }
        }
    }
    /// Handles the next task event; returns false at the end of the run.
    fn handle_event(&mut self) -> Result<bool, SinkError> {
        if let Some(max_batch_records) = self.batch_writer.max_batch_records() {
            self.window.limit_records(max_batch_records);
        }
        match self.batch_writer.log.next_event() {
            TaskEvent::Assigned(partitions) => {
                self.window.discard();
                self.is_writer = !partitions.is_empty();
                self.batch_writer.reset_rejects(self.config.dlq_limits, self.config.accepted.clone());
                if self.is_writer {
                    self.is_rebuilding = acquire_writer(&mut self.batch_writer)?;
                }
            }
            TaskEvent::Revoked(_) => {
                self.close_batch(CloseReason::Revoke)?;
                self.is_writer = false;
            }
            TaskEvent::Lost => {
                self.window.discard();
                self.is_writer = false;
            }
            TaskEvent::Records(record_batches) => {
                for (partition, record_batch) in &record_batches {
                    self.add_records(*partition, record_batch)?;
                }
                if self.config.until_caught_up {
                    self.close_batch(CloseReason::CaughtUp)?;
                }
            }
            TaskEvent::Idle => self.handle_idle()?,
            TaskEvent::Shutdown => {
                self.handle_shutdown()?;
                return Ok(false);
            }
            TaskEvent::Failed(error) => return Err(error.into()),
        }
        Ok(true)
    }
    /// Writes the records that the window has collected.
    fn close_batch(&mut self, reason: CloseReason) -> Result<(), SinkError> {
        self.window.close(reason).map_or(Ok(()), |batch| self.batch_writer.write_batch(batch))
    }
    fn handle_idle(&mut self) -> Result<(), SinkError> {
        if let Some(batch) = self.window.tick(now().0) {
            self.batch_writer.write_batch(batch)?;
        }
        if !self.window.is_empty() || !self.batch_writer.log.is_caught_up() {
            return Ok(());
        }
        self.delete_stale_epochs()?;
        if self.is_writer && self.schedule.is_due() {
            // Kafka lets the committed offsets of a topic expire if no member of the group subscribes to that topic. The sink subscribes
            // only to its own topic, not to its input topics, so it must commit their offsets again from time to time.
            let committed = self.batch_writer.log.committed()?;
            self.batch_writer.log.commit_offsets(&committed, Commit::default())?;
            self.schedule.reconcile(&mut self.batch_writer, &self.run_context);
        }
        Ok(())
    }
    fn handle_shutdown(&mut self) -> Result<(), SinkError> {
        if self.config.until_caught_up {
            // Such a run usually ends because it has caught up, and its last batch must still be written. So it waits for the warehouse, up
            // to a time limit.
            self.batch_writer.warehouse.allow_shutdown_wait(SHUTDOWN_WAIT);
        }
        self.close_batch(CloseReason::Shutdown)?;
        if self.batch_writer.log.is_caught_up() {
            self.delete_stale_epochs()?;
            if self.config.until_caught_up && self.is_writer && self.schedule.is_enabled() {
                reconcile_at_end(&mut self.batch_writer)?;
            }
        }
        Ok(())
    }
    /// Ends a rebuild once the log has been read to its end: deletes all rows that still have an older epoch, because they have no record
    /// in the log.
    fn delete_stale_epochs(&mut self) -> Result<(), SinkError> {
        if self.is_rebuilding && self.batch_writer.log.is_read_to_end()? {
            self.is_rebuilding = false;
            let log = self.batch_writer.writer.log.clone();
            self.batch_writer.warehouse.retry(|warehouse| warehouse.delete_stale_epochs(&log))?;
        }
        Ok(())
    }
    fn add_records(
        &mut self,
        partition: TopicPartition,
        record_batch: &RecordBatch,
    ) -> Result<(), SinkError> {
        let input = input_of(partition).ok_or_else(|| SinkError::Undecodable {
            what: partition.to_string(),
            reason: "the sink does not read this topic".into(),
        })?;
        for record in record_batch.records() {
            let record = record?;
            let coordinates =
                TopicPartitionOffset { input, partition: partition.partition, offset: record.offset };
            let bytes = record.key.len() + record.value.map_or(0, <[u8]>::len);
            let change = decode_record(coordinates, record.key, record.value)?.change;
            if let Some(batch) = self.window.push(now().0, coordinates, change, bytes) {
                self.batch_writer.write_batch(batch)?;
            }
        }
        Ok(())
    }
}
