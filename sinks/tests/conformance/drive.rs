//! A model of the sink task: it reads a log, plans, writes and commits batches, and handles restarts, retries and dead letters.
//!
//! Invariant: after a restart the model knows only the newest plan, the committed offsets and the dead letters.
//! Not here: deciding which faults occur; the caller decides it by the warehouse and the fates that it passes.
use super::{LOG, NOW, histories::change};
use schemas::Timestamp;
use sinks::{
    Batch, BatchId, BatchLimits, BatchPlan, CloseReason, Progress, Record, Recovery, SinkTopic, StoredBatch,
    StoredBatches, TopicPartitionOffset, Warehouse, WarehouseError, Window, WriteSummary, WriterId,
    plan::SinkOffsets, split,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// What happens to one batch. In addition, the warehouse may have faults.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    Commit,
    /// The instance dies after the plan is stored.
    DiesPlanned,
    /// The instance dies after the write, before the commit.
    DiesWritten,
    /// The batch is committed, then the log is read again from its start.
    Replays,
}

/// Functions with which an instance opens the warehouse, waits, dies and restarts.
pub struct Instance<'a> {
    pub open: &'a dyn Fn() -> Box<dyn Warehouse>,
    pub wait: &'a dyn Fn(Duration),
    pub is_dead: &'a dyn Fn() -> bool,
    pub revive: &'a dyn Fn(),
}

/// State of the log.
#[derive(Default)]
pub struct Log {
    pub records: Vec<Record>,
    plan: Option<BatchPlan>,
    plans: i64,
    committed: SinkOffsets,
    /// What the instance knows about the newest batch in the warehouse; read again after a restart.
    newest_stored: Option<StoredBatch>,
    pub dead_letters: BTreeSet<TopicPartitionOffset>,
    /// Dead letters of the batch that is being split.
    rejected_in_batch: Vec<TopicPartitionOffset>,
    /// Counts of each committed batch.
    pub summaries: BTreeMap<BatchId, WriteSummary>,
    pub restarts: usize,
    pub splits: usize,
}
impl Log {
    /// Stores the plan of a batch.
    fn store_plan(&mut self, writer: &WriterId, batch: &Batch) -> BatchPlan {
        self.plans += 1;
        let planned_at = Timestamp(NOW.0 + self.plans);
        let plan = BatchPlan::new(writer.clone(), batch, planned_at).after(self.newest_stored.clone());
        self.plan = Some(plan.clone());
        plan
    }
    /// Creates a log of events, which are given by kind, player and variant.
    pub fn new(events: &[(u8, u32, u32)]) -> Log {
        let mut next = BTreeMap::<(SinkTopic, i32), i64>::new();
        let record = |&(kind, player, variant): &(u8, u32, u32)| {
            let change = change(kind, player, variant);
            let (input, partition) = (change.input(), player as i32 % 2);
            let offset = next.entry((input, partition)).or_default();
            *offset += 1 + i64::from(variant == 3);
            Record { coordinates: TopicPartitionOffset { input, partition, offset: *offset }, change }
        };
        Log { records: events.iter().map(record).collect(), ..Log::default() }
    }
    fn unread(&self) -> Vec<Record> {
        let is_read = |coordinates: TopicPartitionOffset| {
            self.committed
                .get(&(coordinates.input, coordinates.partition))
                .is_some_and(|next| coordinates.offset < *next)
        };
        self.records.iter().filter(|record| !is_read(record.coordinates)).cloned().collect()
    }
    fn reread(&self, plan: &BatchPlan) -> Vec<Record> {
        let is_inside = |coordinates: TopicPartitionOffset| {
            plan.ranges
                .get(&(coordinates.input, coordinates.partition))
                .is_some_and(|r| r.contains(coordinates.offset))
        };
        // The records are in the order of a second read: partition after partition.
        let mut records: Vec<Record> =
            self.records.iter().filter(|r| is_inside(r.coordinates)).cloned().collect();
        records.sort_by_key(|record| record.coordinates);
        records
    }
}

/// Error: the instance died before the operation was done.
struct Died;

/// Repeats an operation until it is done or the instance dies.
fn attempt<T>(
    instance: &Instance<'_>,
    mut operation: impl FnMut() -> Result<Progress<T>, WarehouseError>,
) -> Result<Result<T, WarehouseError>, Died> {
    for _ in 0..2_000 {
        let pause = match operation() {
            Ok(Progress::Done(result)) => return Ok(Ok(result)),
            Ok(Progress::Pending(_)) => Duration::ZERO,
            Err(WarehouseError::Retry { after, .. }) => {
                assert!(!after.is_zero(), "a failed call has no pause");
                after
            }
            Err(error) => return Ok(Err(error)),
        };
        if (instance.is_dead)() {
            return Err(Died);
        }
        (instance.wait)(pause);
    }
    panic!("the operation is not done after 2,000 attempts");
}

/// Writes a batch; returns `None` if it is too large.
fn write(
    instance: &Instance<'_>,
    w: &mut dyn Warehouse,
    log: &mut Log,
    mut batch: Batch,
    plan: &BatchPlan,
) -> Result<Option<WriteSummary>, Died> {
    loop {
        match attempt(instance, || w.write(&batch, plan, NOW))? {
            Ok(written) => {
                let WriteSummary { records, applied, unchanged, stale, superseded, rejected, .. } = written;
                assert_eq!(records, applied + unchanged + stale + superseded + rejected);
                assert_eq!(records as i64, plan.records, "a record in the ranges of the plan has no outcome");
                return Ok(Some(written));
            }
            Err(WarehouseError::Rows(bad)) => {
                let bad: Vec<TopicPartitionOffset> = bad.iter().map(|bad| bad.coordinates).collect();
                log.dead_letters.extend(bad.iter().copied());
                assert_eq!(batch.reject(&bad).len(), bad.len());
                log.rejected_in_batch.extend(bad);
            }
            Err(WarehouseError::Size { .. }) => return Ok(None),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Runs the sink until the log has been read to its end. `fates` has, for each batch in order, its maximum number of records and its fate.
pub fn drive(instance: &Instance<'_>, log: &mut Log, fates: &[(usize, Fate)]) {
    let mut fates = fates.iter().copied().chain(std::iter::repeat((5, Fate::Commit)));
    while run_instance(instance, log, &mut fates).is_err() {
        (instance.revive)();
        log.restarts += 1;
        assert!(log.restarts < 500);
    }
}
fn run_instance(
    instance: &Instance<'_>,
    log: &mut Log,
    fates: &mut impl Iterator<Item = (usize, Fate)>,
) -> Result<(), Died> {
    let mut w = (instance.open)();
    let w = w.as_mut();
    let epoch = attempt(instance, || w.acquire(LOG))?.unwrap();
    let writer = WriterId { sink: "warehouse".into(), log: LOG.into(), epoch };
    log.newest_stored = attempt(instance, || w.newest_batch(epoch))?.unwrap();
    if let Some(plan) = log.plan.clone() {
        let has_planned = attempt(instance, || w.is_committed(&plan.id))?.unwrap();
        let batches = StoredBatches { newest: log.newest_stored.clone(), has_planned };
        match Recovery::decide(Some(&plan), &log.committed, &batches) {
            Recovery::Resume => {}
            Recovery::CommitOffsets(_) | Recovery::RewriteBatch(_) => {
                let batch = Batch::from_records(log.reread(&plan)).unwrap();
                assert_eq!(batch.ranges, plan.ranges);
                finish_batch(instance, w, log, (batch, plan), &mut std::iter::repeat(Fate::Commit))?;
            }
            Recovery::Rebuild => panic!("the sink wants to rebuild a warehouse that lacks no batch"),
        }
    }
    let (mut max_records, mut fate) = fates.next().unwrap();
    let mut window = Window::new(BatchLimits { records: max_records, ..BatchLimits::default() });
    let mut unread = log.unread().into_iter().peekable();
    while let Some(record) = unread.next() {
        let mut full = window.push(0, record.coordinates, record.change, 1);
        if full.is_none() && unread.peek().is_none() {
            full = window.close(CloseReason::Shutdown);
        }
        let Some(batch) = full else { continue };
        let plan = log.store_plan(&writer, &batch);
        let mut own = std::iter::once(fate).chain(fates.by_ref().map(|(_, fate)| fate));
        finish_batch(instance, w, log, (batch, plan), &mut own)?;
        (max_records, fate) = fates.next().unwrap();
        window = Window::new(BatchLimits { records: max_records, ..BatchLimits::default() });
    }
    // Every committed batch must be stored.
    for id in log.summaries.keys() {
        assert!(
            attempt(instance, || w.is_committed(id))?.unwrap(),
            "batch {id} is committed, but not in the warehouse"
        );
    }
    Ok(())
}
/// Writes and commits a planned batch; in halves if it is too large, each with its own plan and fate.
fn finish_batch(
    instance: &Instance<'_>,
    w: &mut dyn Warehouse,
    log: &mut Log,
    planned: (Batch, BatchPlan),
    fates: &mut dyn Iterator<Item = Fate>,
) -> Result<(), Died> {
    let mut halves = Vec::new();
    log.rejected_in_batch.clear();
    let mut current = Some(planned);
    while let Some((batch, plan)) = current {
        let fate = fates.next().unwrap();
        if let Fate::DiesPlanned = fate {
            return Err(Died);
        }
        match write(instance, w, log, batch, &plan)? {
            None => {
                assert!(plan.records > 1, "a batch of one record was too large");
                log.splits += 1;
                halves.extend(split(log.reread(&plan)).rev());
            }
            Some(_) if matches!(fate, Fate::DiesWritten) => return Err(Died),
            Some(written) => {
                log.newest_stored = attempt(instance, || w.newest_batch(plan.writer.epoch))?.unwrap();
                assert!(written.already_committed || log.newest_stored == Some(plan.stored()));
                commit(log, &plan, written);
            }
        }
        if let Fate::Replays = fate {
            // Removes the committed offsets and stores an empty plan, as the sink does after an offset reset.
            let begun = BatchPlan::for_restart(plan.writer, NOW).after(log.newest_stored.clone());
            (log.plan, log.committed) = (Some(begun), SinkOffsets::new());
            return Err(Died);
        }
        current = halves.pop().map(|mut half| {
            half.reject(&log.rejected_in_batch);
            let plan = log.store_plan(&plan.writer, &half);
            (half, plan)
        });
    }
    Ok(())
}
fn commit(log: &mut Log, plan: &BatchPlan, written: WriteSummary) {
    log.committed.extend(plan.next_offsets());
    log.summaries.insert(plan.id.clone(), WriteSummary { already_committed: false, ..written });
}
