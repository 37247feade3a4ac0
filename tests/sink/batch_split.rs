//! Batches that are too large for BigQuery are split and written in halves, even if a commit between the halves fails.
//!
//! Invariant: at the end, the fake of BigQuery has the same content as a warehouse without faults, and no job has changed a row twice.
//! Not here: the splitting itself, and random schedules of faults (crate `sinks`).

use crate::fakebq;
use crate::fakebq::Fake;
use crate::fault_injection::{
    CommitKind, Fault, batches, committed_offsets, dead_letters, deliver, fake, part, spoil,
};
use fastbreak::warehouse::path_in;
use sinks::{Sqlite, Warehouse, warehouse::ContentHash};
use std::sync::OnceLock;

/// Row limit of the fake of BigQuery. It is more than half of the rows of the largest batch, so that one split is sufficient.
const MAX_ROWS: usize = 400;

/// Returns the content of a SQLite warehouse that was written without faults and size limits.
fn undisturbed() -> &'static [ContentHash] {
    static CONTENT: OnceLock<Vec<ContentHash>> = OnceLock::new();
    CONTENT.get_or_init(|| {
        let fastbreak = part(12);
        deliver(&fastbreak, None, 10_000, None).unwrap();
        let warehouse = Sqlite::open(&path_in(fastbreak.folder.path())).unwrap();
        warehouse.content_hashes().unwrap().done().unwrap()
    })
}
/// Starts a fake of BigQuery that accepts at most this number of rows per merge and per load.
fn fake_with_row_limit(max_rows: usize) -> Fake {
    let fake = fake();
    fake.with(|service| (service.max_merged_rows, service.max_loaded_rows) = (max_rows, max_rows));
    fake
}
/// Returns the sum of the record counts in all batch records of the warehouse.
fn written_records(fake: &Fake) -> i64 {
    fake.with(|service| {
        let rows = service.records.rows.iter().filter(|row| fakebq::text(row, "input") == "batches");
        rows.filter_map(|row| fakebq::int(row, "records")).sum()
    })
}
/// Checks that no row was changed twice and that the content is complete.
fn assert_complete(fake: &Fake, what: &str) {
    let statistics = fake.statistics();
    assert_eq!(statistics.effective_merges, batches(fake), "{what}");
    assert_eq!((statistics.max_in_flight, statistics.mixed_ids, fake.duplicate_keys()), (1, 0, 0), "{what}");
    assert_eq!(fake.connect().content_hashes().unwrap().done().unwrap(), undisturbed(), "{what}");
}

#[test]
fn a_batch_that_is_too_large_is_split_until_it_fits_and_every_record_counts_once() {
    let (fastbreak, plain) = (part(12), fake());
    deliver(&fastbreak, Some(&plain), 1_000_000, None).unwrap();
    let (fastbreak, fake) = (part(12), fake_with_row_limit(MAX_ROWS / 2));
    let run_context = deliver(&fastbreak, Some(&fake), 1_000_000, None).unwrap();
    assert_complete(&fake, "split");
    assert_eq!(written_records(&fake), written_records(&plain));
    assert!(batches(&fake) >= batches(&plain) + 3);
    let text = run_context.metrics.text().unwrap();
    let errors = "fastbreak_sink_errors_total{processor=\"windowed-sink\",reason=\"size\"} ";
    let splits = text.lines().find_map(|line| line.strip_prefix(errors)?.parse::<usize>().ok());
    // Each split makes two batches out of one.
    assert_eq!(splits, Some(batches(&fake) - batches(&plain)), "{text}");
    assert!(text.contains("batches_in_flight{processor=\"windowed-sink\"} 0.0\n"), "{text}");
}

#[test]
fn after_any_failed_commit_of_a_half_the_next_run_writes_the_rest() {
    use Fault::*;
    // Each number is the number of commits of the same kind before the failing one. `Plan` 0, 1 and 2 store the plans of the batch, of its
    // first half and of its second half. The batch is never written as a whole, so `Done` 0 and 1 follow the first and the second half.
    let faults = [
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
    let run = |(kind, after, fault)| {
        let (fastbreak, fake) = (part(12), fake_with_row_limit(MAX_ROWS));
        let first = deliver(&fastbreak, Some(&fake), 1_000_000, Some((kind, after, fault)));
        assert_eq!(first.is_ok(), fault == Aborted, "{kind:?} {after} {fault:?}");
        deliver(&fastbreak, Some(&fake), 1_000_000, None).unwrap();
        assert_complete(&fake, &format!("{kind:?} {after} {fault:?}"));
    };
    // All runs are started at the same time, since each run mostly waits.
    std::thread::scope(|scope| {
        for fault in faults {
            scope.spawn(move || run(fault));
        }
    });
}

#[test]
fn a_single_record_that_is_too_large_stops_the_sink_with_its_coordinates() {
    let (fastbreak, fake) = (part(12), fake_with_row_limit(0));
    let stopped = deliver(&fastbreak, Some(&fake), 4, None).err().unwrap().to_string();
    let message = "@0 alone is too large for the warehouse: the job failed, resourcesExceeded";
    assert!(
        stopped.contains(message) && stopped.contains("\nnext: start `fastbreak run` again"),
        "{stopped}"
    );
    assert_eq!((committed_offsets(&fastbreak), batches(&fake)), (0, 0));
    fake.with(|service| (service.max_merged_rows, service.max_loaded_rows) = (usize::MAX, usize::MAX));
    deliver(&fastbreak, Some(&fake), 1_000_000, None).unwrap();
    assert_complete(&fake, "without the limit");
}

#[test]
fn a_record_rejected_before_its_batch_is_split_has_one_dead_letter() {
    let (fastbreak, fake) = (part(12), fake_with_row_limit(MAX_ROWS));
    let bad = spoil(&fastbreak);
    deliver(&fastbreak, Some(&fake), 1_000_000, None).unwrap();
    assert_complete(&fake, "without the bad record");
    let coordinates: Vec<_> =
        dead_letters(&fastbreak).into_iter().map(|l| (l.origin, l.partition, l.offset)).collect();
    assert_eq!(coordinates, [(bad.0.to_owned(), bad.1, bad.2)]);
    let rejected = fake.with(|service| {
        let rows = service.records.rows.iter().filter(|row| fakebq::text(row, "input") == "batches");
        rows.filter_map(|row| fakebq::int(row, "rejected")).collect::<Vec<_>>()
    });
    assert_eq!(
        (rejected.len(), rejected.iter().sum::<i64>()),
        (2, 1),
        "one of the two halves must count the rejected record"
    );
}
