//! Batches that are too large for BigQuery: written in halves, whatever is killed in between.
//!
//! Invariant: both warehouses have the same content in the end, and no statement changed a row twice.
//! Not here: how a batch is cut, and random schedules of faults (crate `sinks`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod common;
#[allow(dead_code)]
#[path = "../sinks/tests/fakebq/mod.rs"]
mod fakebq;
#[allow(dead_code)]
mod fault_injection;

use fakebq::Fake;
use fastbreak::warehouse::path_in;
use fault_injection::{
    CommitKind, Fault, batches, committed_offsets, dead_letters, deliver, fake, part, spoil,
};
use sinks::{Sqlite, Warehouse, warehouse::ContentHash};
use std::sync::OnceLock;

/// More than half of the rows of the largest batch.
const MOST: usize = 400;

/// What a warehouse holds that nothing disturbed and nothing was too large for.
fn whole() -> &'static [ContentHash] {
    static CONTENT: OnceLock<Vec<ContentHash>> = OnceLock::new();
    CONTENT.get_or_init(|| {
        let fastbreak = part(12);
        deliver(&fastbreak, None, 10_000, None).unwrap();
        Sqlite::open(&path_in(fastbreak.folder.path())).unwrap().content_hashes().unwrap()
    })
}
/// It takes no more rows than these at once, whichever way they come.
fn tiny(most: usize) -> Fake {
    let fake = fake();
    fake.with(|service| (service.most_merged, service.most_loaded) = (most, most));
    fake
}
/// Records that the batches of the ledger stand for.
fn written(fake: &Fake) -> i64 {
    fake.with(|service| {
        let rows = service.records.rows.iter().filter(|row| fakebq::text(row, "input") == "batches");
        rows.filter_map(|row| fakebq::int(row, "records")).sum()
    })
}
/// No row was changed twice, and all of them are there.
fn assert_whole(fake: &Fake, what: &str) {
    let seen = fake.seen();
    assert_eq!(seen.effective_merges, batches(fake), "{what}");
    assert_eq!((seen.most_in_flight, seen.mixed_ids, fake.doubled()), (1, 0, 0), "{what}");
    assert_eq!(fake.connect().content_hashes().unwrap(), whole(), "{what}");
}

#[test]
fn a_batch_that_is_too_large_is_written_in_halves_of_halves_and_every_record_counts_once() {
    let (fastbreak, plain) = (part(12), fake());
    deliver(&fastbreak, Some(&plain), 1_000_000, None).unwrap();
    let (fastbreak, fake) = (part(12), tiny(MOST / 2));
    let run_context = deliver(&fastbreak, Some(&fake), 1_000_000, None).unwrap();
    assert_whole(&fake, "halved");
    assert_eq!(written(&fake), written(&plain));
    assert!(batches(&fake) >= batches(&plain) + 3);
    let text = run_context.metrics.text().unwrap();
    let errors = "fastbreak_sink_errors_total{processor=\"windowed-sink\",reason=\"size\"} ";
    let halved = text.lines().find_map(|line| line.strip_prefix(errors)?.parse::<usize>().ok());
    // Each time one batch becomes two.
    assert_eq!(halved, Some(batches(&fake) - batches(&plain)), "{text}");
    assert!(text.contains("batches_in_flight{processor=\"windowed-sink\"} 0.0\n"), "{text}");
}

#[test]
fn whatever_commit_of_a_half_fails_the_next_run_writes_what_is_left() {
    use Fault::*;
    // The plans are of the batch, of its first half and of its second; those of a half are done.
    let troubles = [
        (CommitKind::Plan, 0, CommittedThenCrashed),
        (CommitKind::Plan, 1, NotCommitted),
        (CommitKind::Plan, 1, CommittedThenCrashed),
        (CommitKind::Done, 0, NotCommitted),
        (CommitKind::Done, 0, CommittedThenCrashed),
        (CommitKind::Done, 0, Aborted),
        (CommitKind::Plan, 2, CommittedThenCrashed),
        (CommitKind::Plan, 2, Aborted),
        (CommitKind::Done, 1, NotCommitted),
        (CommitKind::Done, 1, CommittedThenCrashed),
    ];
    let of_each = |(of, after, fault)| {
        let (fastbreak, fake) = (part(12), tiny(MOST));
        let first = deliver(&fastbreak, Some(&fake), 1_000_000, Some((of, after, fault)));
        assert_eq!(first.is_ok(), fault == Aborted, "{of:?} {after} {fault:?}");
        deliver(&fastbreak, Some(&fake), 1_000_000, None).unwrap();
        assert_whole(&fake, &format!("{of:?} {after} {fault:?}"));
    };
    // They wait for most of their time.
    std::thread::scope(|scope| {
        troubles.into_iter().for_each(|fault| _ = scope.spawn(move || of_each(fault)))
    });
}

#[test]
fn a_record_that_is_too_large_alone_stops_the_sink_by_its_name_until_the_warehouse_takes_it() {
    let (fastbreak, fake) = (part(12), tiny(0));
    let stopped = deliver(&fastbreak, Some(&fake), 4, None).err().unwrap().to_string();
    let said = "@0 alone is too large for the warehouse: the job failed, resourcesExceeded";
    assert!(stopped.contains(said) && stopped.contains("\nnext: start `fastbreak run` again"), "{stopped}");
    assert_eq!((committed_offsets(&fastbreak), batches(&fake)), (0, 0));
    fake.with(|service| (service.most_merged, service.most_loaded) = (usize::MAX, usize::MAX));
    deliver(&fastbreak, Some(&fake), 1_000_000, None).unwrap();
    assert_whole(&fake, "put right");
}

#[test]
fn a_record_that_was_set_aside_before_its_batch_was_halved_has_one_letter() {
    let (fastbreak, fake) = (part(12), tiny(MOST));
    let bad = spoil(&fastbreak);
    deliver(&fastbreak, Some(&fake), 1_000_000, None).unwrap();
    assert_whole(&fake, "without the bad record");
    let places: Vec<_> =
        dead_letters(&fastbreak).into_iter().map(|l| (l.origin, l.partition, l.offset)).collect();
    assert_eq!(places, [(bad.0.to_owned(), bad.1, bad.2)]);
    let rejected = fake.with(|service| {
        let rows = service.records.rows.iter().filter(|row| fakebq::text(row, "input") == "batches");
        rows.filter_map(|row| fakebq::int(row, "rejected")).collect::<Vec<_>>()
    });
    assert_eq!((rejected.len(), rejected.iter().sum::<i64>()), (2, 1), "it counts in the half that it is in");
}
