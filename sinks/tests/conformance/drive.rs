//! A sink over a log, as the runtime drives it: plan, write, commit; restarts, waits, dead letters.
//!
//! Invariant: after a restart it knows its newest plan, the committed positions and the dead letters, and nothing else.
//! Not here: what goes wrong; the caller's warehouse and fates say.
use super::{LOG, NOW, histories::change};
use sinks::{
    Batch, BatchId, BatchPlan, CloseReason, Input, Limits, Position, Record, Recovery, Warehouse,
    WarehouseError, Window, Writer, Written, halves, plan::Positions,
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
pub struct Place<'a> {
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
    committed: Positions,
    pub dead_letters: BTreeSet<Position>,
    /// Of these, what an instance found in the batch that it halves.
    aside: Vec<Position>,
    /// What became of each batch that was committed.
    pub accounts: BTreeMap<BatchId, Written>,
    pub restarts: usize,
    pub halvings: usize,
}
impl Log {
    /// Keeps the plan of a batch.
    fn keep(&mut self, writer: &Writer, batch: &Batch) -> BatchPlan {
        let plan = BatchPlan::new(writer.clone(), batch, NOW);
        self.plan = Some(plan.clone());
        plan
    }
    /// Events of kind, player and variant.
    pub fn of(events: &[(u8, u32, u32)]) -> Log {
        let mut next = BTreeMap::<(Input, i32), i64>::new();
        let place = |&(kind, player, variant): &(u8, u32, u32)| {
            let change = change(kind, player, variant);
            let (input, partition) = (change.input(), player as i32 % 2);
            let offset = next.entry((input, partition)).or_default();
            *offset += 1 + i64::from(variant == 3);
            Record { at: Position { input, partition, offset: *offset }, change }
        };
        Log { records: events.iter().map(place).collect(), ..Log::default() }
    }
    fn unread(&self) -> Vec<Record> {
        let is_read = |at: Position| {
            self.committed.get(&(at.input, at.partition)).is_some_and(|next| at.offset < *next)
        };
        self.records.iter().filter(|record| !is_read(record.at)).cloned().collect()
    }
    fn again(&self, plan: &BatchPlan) -> Vec<Record> {
        let is_inside =
            |at: Position| plan.ranges.get(&(at.input, at.partition)).is_some_and(|r| r.holds(at.offset));
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
    place: &Place<'_>,
    mut operation: impl FnMut() -> Result<T, WarehouseError>,
) -> Result<Result<T, WarehouseError>, Died> {
    for _ in 0..2_000 {
        match operation() {
            Err(WarehouseError::Retry { after, .. }) => {
                if (place.is_dead)() {
                    return Err(Died);
                }
                (place.wait)(after);
            }
            other => return Ok(other),
        }
    }
    panic!("it never ends");
}

/// Writes a batch; nothing comes of one that is too large.
fn write(
    place: &Place<'_>,
    w: &mut dyn Warehouse,
    log: &mut Log,
    mut batch: Batch,
    plan: &BatchPlan,
) -> Result<Option<Written>, Died> {
    loop {
        match attempt(place, || w.write(&batch, plan, NOW))? {
            Ok(written) => {
                let Written { records, applied, unchanged, stale, superseded, rejected, .. } = written;
                assert_eq!(records, applied + unchanged + stale + superseded + rejected);
                assert_eq!(records as i64, plan.records, "every record of the ranges ends as something");
                return Ok(Some(written));
            }
            Err(WarehouseError::Rows(bad)) => {
                let bad: Vec<Position> = bad.iter().map(|bad| bad.at).collect();
                log.dead_letters.extend(bad.iter().copied());
                assert_eq!(batch.reject(&bad).len(), bad.len());
                log.aside.extend(bad);
            }
            Err(WarehouseError::Size { .. }) => return Ok(None),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Runs the sink until the log is read, each batch with the next fate.
pub fn drive(place: &Place<'_>, log: &mut Log, fates: &[(usize, Fate)]) {
    let mut fates = fates.iter().copied().chain(std::iter::repeat((5, Fate::Commit)));
    while once(place, log, &mut fates).is_err() {
        (place.revive)();
        log.restarts += 1;
        assert!(log.restarts < 500);
    }
}
fn once(
    place: &Place<'_>,
    log: &mut Log,
    fates: &mut impl Iterator<Item = (usize, Fate)>,
) -> Result<(), Died> {
    let mut w = (place.open)();
    let w = w.as_mut();
    let epoch = attempt(place, || w.claim(LOG))?.unwrap();
    let writer = Writer { sink: "warehouse".into(), log: LOG.into(), epoch };
    if let Some(plan) = log.plan.clone() {
        let is_written = attempt(place, || w.is_committed(&plan.id))?.unwrap();
        match Recovery::decide(Some(&plan), &log.committed, is_written) {
            Recovery::Resume => {}
            Recovery::Commit(_) | Recovery::Rebuild(_) => {
                let batch = Batch::rebuild(log.again(&plan)).unwrap();
                assert_eq!(batch.ranges, plan.ranges);
                settle(place, w, log, (batch, plan), &mut std::iter::repeat(Fate::Commit))?;
            }
            Recovery::StartOver => panic!("nothing was lost"),
        }
    }
    let (mut cut, mut fate) = fates.next().unwrap();
    let mut window = Window::new(Limits { records: cut, ..Limits::default() });
    let mut unread = log.unread().into_iter().peekable();
    while let Some(record) = unread.next() {
        let mut full = window.push(0, record.at, record.change, 1);
        if full.is_none() && unread.peek().is_none() {
            full = window.close(CloseReason::Shutdown);
        }
        let Some(batch) = full else { continue };
        let plan = log.keep(&writer, &batch);
        let mut own = std::iter::once(fate).chain(fates.by_ref().map(|(_, fate)| fate));
        settle(place, w, log, (batch, plan), &mut own)?;
        (cut, fate) = fates.next().unwrap();
        window = Window::new(Limits { records: cut, ..Limits::default() });
    }
    // What is committed is there.
    for id in log.accounts.keys() {
        assert!(
            attempt(place, || w.is_committed(id))?.unwrap(),
            "{id} is committed and not in the warehouse"
        );
    }
    Ok(())
}
/// Brings a planned batch to its end, in halves where it is too large, each with a plan and a fate of its own.
fn settle(
    place: &Place<'_>,
    w: &mut dyn Warehouse,
    log: &mut Log,
    planned: (Batch, BatchPlan),
    fates: &mut dyn Iterator<Item = Fate>,
) -> Result<(), Died> {
    let mut open = Vec::new();
    log.aside.clear();
    let mut in_hand = Some(planned);
    while let Some((batch, plan)) = in_hand {
        let fate = fates.next().unwrap();
        if let Fate::DiesPlanned = fate {
            return Err(Died);
        }
        match write(place, w, log, batch, &plan)? {
            None => {
                assert!(plan.records > 1, "one record is never too large");
                log.halvings += 1;
                open.extend(halves(log.again(&plan)).rev());
            }
            Some(_) if matches!(fate, Fate::DiesWritten) => return Err(Died),
            Some(written) => commit(log, &plan, written),
        }
        if let Fate::Replays = fate {
            // As after a reset of the positions: no plan, nothing committed.
            (log.plan, log.committed) = (None, Positions::new());
            return Err(Died);
        }
        in_hand = open.pop().map(|mut half| {
            half.reject(&log.aside);
            let plan = log.keep(&plan.writer, &half);
            (half, plan)
        });
    }
    Ok(())
}
fn commit(log: &mut Log, plan: &BatchPlan, written: Written) {
    log.committed.extend(plan.next());
    log.accounts.insert(plan.id.clone(), Written { repeated: false, ..written });
}
