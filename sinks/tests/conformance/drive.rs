//! A sink over a log, as the runtime drives it: plan, write, commit; restarts, waits, dead letters.
//!
//! Invariant: after a restart it knows its newest plan, the committed positions and the dead letters, and nothing else.
//! Not here: what goes wrong; the caller's warehouse and fates say.
use super::{LOG, NOW, histories::change};
use sinks::{
    Batch, BatchId, BatchLimits, BatchPlan, CloseReason, Record, Recovery, SinkTopic, TopicPartitionOffset,
    Warehouse, WarehouseError, Window, WriteSummary, WriterId, plan::SinkOffsets, split,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// What happens to one batch, besides what the warehouse does.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    Commit,
    /// The plan is stored, and nothing else.
    DiesPlanned,
    /// It is written, and nothing is committed.
    DiesWritten,
    /// It is committed, and then the log is read once more from its start.
    Replays,
}

/// Where the warehouse is, and what waiting and dying mean to it.
pub struct Instance<'a> {
    pub open: &'a dyn Fn() -> Box<dyn Warehouse>,
    pub wait: &'a dyn Fn(Duration),
    pub is_dead: &'a dyn Fn() -> bool,
    pub revive: &'a dyn Fn(),
}

/// What the log keeps.
#[derive(Default)]
pub struct Log {
    pub records: Vec<Record>,
    plan: Option<BatchPlan>,
    committed: SinkOffsets,
    pub dead_letters: BTreeSet<TopicPartitionOffset>,
    /// Of these, what an instance found in the batch that it halves.
    rejected_in_batch: Vec<TopicPartitionOffset>,
    /// What became of each batch that was committed.
    pub accounts: BTreeMap<BatchId, WriteSummary>,
    pub restarts: usize,
    pub splits: usize,
}
impl Log {
    /// Keeps the plan of a batch.
    fn keep(&mut self, writer: &WriterId, batch: &Batch) -> BatchPlan {
        let plan = BatchPlan::new(writer.clone(), batch, NOW);
        self.plan = Some(plan.clone());
        plan
    }
    /// Events of kind, player and variant.
    pub fn new(events: &[(u8, u32, u32)]) -> Log {
        let mut next = BTreeMap::<(SinkTopic, i32), i64>::new();
        let place = |&(kind, player, variant): &(u8, u32, u32)| {
            let change = change(kind, player, variant);
            let (input, partition) = (change.input(), player as i32 % 2);
            let offset = next.entry((input, partition)).or_default();
            *offset += 1 + i64::from(variant == 3);
            Record { at: TopicPartitionOffset { input, partition, offset: *offset }, change }
        };
        Log { records: events.iter().map(place).collect(), ..Log::default() }
    }
    fn unread(&self) -> Vec<Record> {
        let is_read = |at: TopicPartitionOffset| {
            self.committed.get(&(at.input, at.partition)).is_some_and(|next| at.offset < *next)
        };
        self.records.iter().filter(|record| !is_read(record.at)).cloned().collect()
    }
    fn reread(&self, plan: &BatchPlan) -> Vec<Record> {
        let is_inside = |at: TopicPartitionOffset| {
            plan.ranges.get(&(at.input, at.partition)).is_some_and(|r| r.contains(at.offset))
        };
        // As a log is read again: partition after partition.
        let mut records: Vec<Record> = self.records.iter().filter(|r| is_inside(r.at)).cloned().collect();
        records.sort_by_key(|record| record.at);
        records
    }
}

/// The instance died.
struct Died;

/// Runs an operation until it is done; dies with the instance.
fn attempt<T>(
    instance: &Instance<'_>,
    mut operation: impl FnMut() -> Result<T, WarehouseError>,
) -> Result<Result<T, WarehouseError>, Died> {
    for _ in 0..2_000 {
        match operation() {
            Err(WarehouseError::Retry { after, .. }) => {
                if (instance.is_dead)() {
                    return Err(Died);
                }
                (instance.wait)(after);
            }
            other => return Ok(other),
        }
    }
    panic!("it never ends");
}

/// Writes a batch; nothing comes of one that is too large.
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
                assert_eq!(records as i64, plan.records, "every record of the ranges ends as something");
                return Ok(Some(written));
            }
            Err(WarehouseError::Rows(bad)) => {
                let bad: Vec<TopicPartitionOffset> = bad.iter().map(|bad| bad.at).collect();
                log.dead_letters.extend(bad.iter().copied());
                assert_eq!(batch.reject(&bad).len(), bad.len());
                log.rejected_in_batch.extend(bad);
            }
            Err(WarehouseError::Size { .. }) => return Ok(None),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Runs the sink until the log is read, each batch with the next fate.
pub fn drive(instance: &Instance<'_>, log: &mut Log, fates: &[(usize, Fate)]) {
    let mut fates = fates.iter().copied().chain(std::iter::repeat((5, Fate::Commit)));
    while once(instance, log, &mut fates).is_err() {
        (instance.revive)();
        log.restarts += 1;
        assert!(log.restarts < 500);
    }
}
fn once(
    instance: &Instance<'_>,
    log: &mut Log,
    fates: &mut impl Iterator<Item = (usize, Fate)>,
) -> Result<(), Died> {
    let mut w = (instance.open)();
    let w = w.as_mut();
    let epoch = attempt(instance, || w.acquire(LOG))?.unwrap();
    let writer = WriterId { sink: "warehouse".into(), log: LOG.into(), epoch };
    if let Some(plan) = log.plan.clone() {
        let is_written = attempt(instance, || w.is_committed(&plan.id))?.unwrap();
        match Recovery::decide(Some(&plan), &log.committed, is_written) {
            Recovery::Resume => {}
            Recovery::CommitOffsets(_) | Recovery::RewriteBatch(_) => {
                let batch = Batch::from_records(log.reread(&plan)).unwrap();
                assert_eq!(batch.ranges, plan.ranges);
                finish_batch(instance, w, log, (batch, plan), &mut std::iter::repeat(Fate::Commit))?;
            }
            Recovery::Rebuild => panic!("nothing was lost"),
        }
    }
    let (mut cut, mut fate) = fates.next().unwrap();
    let mut window = Window::new(BatchLimits { records: cut, ..BatchLimits::default() });
    let mut unread = log.unread().into_iter().peekable();
    while let Some(record) = unread.next() {
        let mut full = window.push(0, record.at, record.change, 1);
        if full.is_none() && unread.peek().is_none() {
            full = window.close(CloseReason::Shutdown);
        }
        let Some(batch) = full else { continue };
        let plan = log.keep(&writer, &batch);
        let mut own = std::iter::once(fate).chain(fates.by_ref().map(|(_, fate)| fate));
        finish_batch(instance, w, log, (batch, plan), &mut own)?;
        (cut, fate) = fates.next().unwrap();
        window = Window::new(BatchLimits { records: cut, ..BatchLimits::default() });
    }
    // What is committed is there.
    for id in log.accounts.keys() {
        assert!(
            attempt(instance, || w.is_committed(id))?.unwrap(),
            "{id} is committed and not in the warehouse"
        );
    }
    Ok(())
}
/// Brings a planned batch to its end, in halves where it is too large, each with a plan and a fate of its own.
fn finish_batch(
    instance: &Instance<'_>,
    w: &mut dyn Warehouse,
    log: &mut Log,
    planned: (Batch, BatchPlan),
    fates: &mut dyn Iterator<Item = Fate>,
) -> Result<(), Died> {
    let mut open = Vec::new();
    log.rejected_in_batch.clear();
    let mut in_hand = Some(planned);
    while let Some((batch, plan)) = in_hand {
        let fate = fates.next().unwrap();
        if let Fate::DiesPlanned = fate {
            return Err(Died);
        }
        match write(instance, w, log, batch, &plan)? {
            None => {
                assert!(plan.records > 1, "one record is never too large");
                log.splits += 1;
                open.extend(split(log.reread(&plan)).rev());
            }
            Some(_) if matches!(fate, Fate::DiesWritten) => return Err(Died),
            Some(written) => commit(log, &plan, written),
        }
        if let Fate::Replays = fate {
            // As after a reset of the positions: no plan, nothing committed.
            (log.plan, log.committed) = (None, SinkOffsets::new());
            return Err(Died);
        }
        in_hand = open.pop().map(|mut half| {
            half.reject(&log.rejected_in_batch);
            let plan = log.keep(&plan.writer, &half);
            (half, plan)
        });
    }
    Ok(())
}
fn commit(log: &mut Log, plan: &BatchPlan, written: WriteSummary) {
    log.committed.extend(plan.next());
    log.accounts.insert(plan.id.clone(), WriteSummary { already_committed: false, ..written });
}
