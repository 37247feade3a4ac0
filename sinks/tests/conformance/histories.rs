//! Random histories: however the log is batched, repeated and interrupted, the warehouse ends with the same content.
//!
//! Invariant: the modeled sink restarts as the sink task does, from its newest plan and the committed offsets.
//! Not here: faults of a warehouse; each warehouse has its own tests.
use super::{LOG, NOW, content, done, events::*};
use proptest::{prelude::*, test_runner::TestRunner};
use schemas::Line;
use sinks::{
    Batch, BatchLimits, BatchPlan, CloseReason, Record, RecordChange, Recovery, SinkTopic, StoredBatches,
    TopicPartitionOffset, Warehouse, Window, WriterId, plan::SinkOffsets,
};
use std::collections::BTreeSet;

/// What happens to one batch.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Commit,
    /// The sink crashes after the plan is stored.
    CrashBeforeWrite,
    /// The sink crashes after the write, before the commit.
    CrashAfterWrite,
    /// The batch is committed, then the log is read again from its start.
    Replay,
}

/// State of the log.
#[derive(Default)]
struct Log {
    records: Vec<Record>,
    plan: Option<BatchPlan>,
    committed: SinkOffsets,
}
impl Log {
    fn unread(&self) -> Vec<Record> {
        let is_read = |coordinates: TopicPartitionOffset| {
            self.committed
                .get(&(coordinates.input, coordinates.partition))
                .is_some_and(|next| coordinates.offset < *next)
        };
        self.records.iter().filter(|record| !is_read(record.coordinates)).cloned().collect()
    }
}

pub fn change(kind: u8, player: u32, variant: u32) -> RecordChange {
    let id = id(player, 61 + player % 2);
    match (kind, variant) {
        (0, 0) => RecordChange::Prediction(id, None),
        (0, 1) => RecordChange::Prediction(id, Some(ruled_out(id))),
        (0, line) => RecordChange::Prediction(id, Some(prediction(id, Line(2400 + 50 * line as i32)))),
        (1, 0) => RecordChange::Features(id, None),
        (1, _) => RecordChange::Features(id, Some(features(id, variant))),
        (_, 0) => RecordChange::PlayerGame(played(id), None),
        (_, 1) => RecordChange::PlayerGame(played(id), Some(player_game(id, None))),
        (_, points) => RecordChange::PlayerGame(played(id), Some(player_game(id, Some(points as i32)))),
    }
}

fn log(events: &[(u8, u32, u32)]) -> Log {
    let mut next = std::collections::BTreeMap::<(SinkTopic, i32), i64>::new();
    let record = |&(kind, player, variant): &(u8, u32, u32)| {
        let change = change(kind, player, variant);
        let (input, partition) = (change.input(), player as i32 % 2);
        let offset = next.entry((input, partition)).or_default();
        *offset += 1 + i64::from(variant == 3);
        Record { coordinates: TopicPartitionOffset { input, partition, offset: *offset }, change }
    };
    Log { records: events.iter().map(record).collect(), ..Log::default() }
}

/// Runs the sink until the log has been read to its end. `fates` has, for each batch in order, its maximum number of records and its fate.
fn run(w: &mut dyn Warehouse, log: &mut Log, fates: &[(usize, Fate)]) {
    let mut fates = fates.iter().copied().chain(std::iter::repeat((3, Fate::Commit)));
    'restart: loop {
        let epoch = done(w.acquire(LOG)).unwrap();
        let writer = WriterId { sink: "warehouse".into(), log: LOG.into(), epoch };
        let newest = |w: &dyn Warehouse| done(w.newest_batch(epoch)).unwrap();
        let has_planned = log.plan.as_ref().is_some_and(|plan| done(w.is_committed(&plan.id)).unwrap());
        let batches = StoredBatches { newest: newest(w), has_planned };
        match Recovery::decide(log.plan.as_ref(), &log.committed, &batches) {
            Recovery::Resume => {}
            Recovery::CommitOffsets(next) => log.committed.extend(next),
            Recovery::RewriteBatch(ranges) => {
                let inside = |coordinates: TopicPartitionOffset| {
                    ranges
                        .get(&(coordinates.input, coordinates.partition))
                        .is_some_and(|r| r.contains(coordinates.offset))
                };
                let batch = Batch::from_records(
                    log.records.iter().filter(|record| inside(record.coordinates)).cloned(),
                )
                .unwrap();
                let plan = log.plan.as_ref().unwrap();
                assert_eq!(batch.ranges, ranges);
                done(w.write(&batch, plan, NOW)).unwrap();
                log.committed.extend(plan.next_offsets());
            }
            Recovery::Rebuild => panic!("the sink wants to rebuild a warehouse that lacks no batch"),
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
            let plan = BatchPlan::new(writer.clone(), &batch, NOW).after(newest(w));
            log.plan = Some(plan.clone());
            if let Fate::CrashBeforeWrite = fate {
                continue 'restart;
            }
            done(w.write(&batch, &plan, NOW)).unwrap();
            if let Fate::CrashAfterWrite = fate {
                continue 'restart;
            }
            log.committed.extend(plan.next_offsets());
            if let Fate::Replay = fate {
                // Removes the committed offsets and stores an empty plan, as the sink does after an offset reset.
                let begun = BatchPlan::for_restart(writer, NOW).after(newest(w));
                (log.plan, log.committed) = (Some(begun), SinkOffsets::new());
                continue 'restart;
            }
            (max_records, fate) = fates.next().unwrap();
            window = Window::new(BatchLimits { records: max_records, ..BatchLimits::default() });
        }
        return;
    }
}

pub fn random_histories_converge<W: Warehouse>(fresh: &impl Fn() -> W) {
    let fate = prop_oneof![
        3 => Just(Fate::Commit),
        1 => Just(Fate::CrashBeforeWrite),
        2 => Just(Fate::CrashAfterWrite),
        1 => Just(Fate::Replay),
    ];
    let histories = (
        prop::collection::vec((0..3u8, 0..4u32, 0..5u32), 1..60),
        prop::collection::vec((1..20usize, fate), 0..20),
    );
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() });
    let law = runner.run(&histories, |(events, fates)| {
        let mut undisturbed = fresh();
        run(&mut undisturbed, &mut log(&events), &[(usize::MAX, Fate::Commit)]);
        let mut interrupted = fresh();
        let mut log = log(&events);
        run(&mut interrupted, &mut log, &fates);
        prop_assert_eq!(content(&interrupted), content(&undisturbed));
        super::assert_reconciled(&interrupted, &log.records, &BTreeSet::new());
        Ok(())
    });
    law.unwrap();
}
