//! Failures of the sink's commits to the log: plans that cannot be stored, dead letters that cannot be written, committed offsets that are
//! lost, reset or ahead of the warehouse.
//!
//! Invariant: whichever commit of the sink fails, before or after it is durable, the next run leaves the same tables as a run without
//! faults, and the ledger counts every record below the committed offsets once.
//! Not here: failures between the sink and BigQuery (`sinks/tests/fake_bigquery/faults.rs`).

use crate::common::Fastbreak;
use crate::fakebq;
use crate::fault_injection::{
    CommitKind, Fault, append, batches, committed_offsets, dead_letters, deliver, deliver_within, fake, log,
    sink_offsets, spoil, undisturbed,
};
use fastbreak::warehouse;
use runtime::{Commit, LogReader, LogWriter, RecordBatch, engine::DlqLimits, subscription::RunContext};
use runtime_embedded::EmbeddedLog;
use schemas::{features::Eligibility, ops::SinkBatchPlanned, wire};
use sinks::{SINK, Warehouse};
use std::sync::Arc;
use topics::TopicPartition;

#[test]
fn after_any_failed_commit_the_next_run_leaves_the_same_tables_and_a_balanced_ledger() {
    for kind in [CommitKind::Plan, CommitKind::Done] {
        for after in [0, 2] {
            for fault in [Fault::NotCommitted, Fault::CommittedThenCrashed, Fault::Aborted] {
                let fastbreak = log();
                let first = deliver(&fastbreak, None, 150, Some((kind, after, fault)));
                assert_eq!(first.is_ok(), fault == Fault::Aborted, "{kind:?} {after} {fault:?}");
                // This run has a different batch limit than the first, but builds the planned batch from the stored plan.
                deliver(&fastbreak, None, 170, None).unwrap();
                assert_eq!(fastbreak.content(), *undisturbed(), "{kind:?} {after} {fault:?}");
            }
        }
    }
}

#[test]
fn c1_c5_c6_on_bigquery_a_planned_batch_runs_once_whenever_the_process_is_killed() {
    for (kind, fault) in [
        (CommitKind::Plan, Fault::CommittedThenCrashed),
        (CommitKind::Done, Fault::NotCommitted),
        (CommitKind::Done, Fault::CommittedThenCrashed),
    ] {
        let (fastbreak, fake) = (log(), fake());
        assert!(deliver(&fastbreak, Some(&fake), 1_500, Some((kind, 1, fault))).is_err());
        deliver(&fastbreak, Some(&fake), 1_500, None).unwrap();
        let statistics = fake.statistics();
        let batches = batches(&fake);
        assert_eq!(
            (
                statistics.effective_merges,
                statistics.max_in_flight,
                statistics.mixed_ids,
                fake.duplicate_keys()
            ),
            (batches, 1, 0, 0)
        );
    }
}

#[test]
fn c12_a_batch_is_not_committed_before_its_dead_letters() {
    for fault in [Fault::NotCommitted, Fault::CommittedThenCrashed] {
        let (fastbreak, fake) = (log(), fake());
        let bad = spoil(&fastbreak);
        assert!(
            deliver(&fastbreak, Some(&fake), 1_000_000, Some((CommitKind::DeadLetters, 0, fault))).is_err()
        );
        let committed =
            || sink_offsets(&fastbreak).get(&TopicPartition::new(bad.0, bad.1)).copied().unwrap_or(0);
        assert!(committed() <= bad.2, "the record is committed without its dead letter");
        // Only the batches that precede the batch with the bad record were sent.
        assert_eq!(fake.statistics().merges, batches(&fake));
        deliver(&fastbreak, Some(&fake), 1_000_000, None).unwrap();
        assert_eq!(committed(), bad.2 + 1);
        let dead_letters = dead_letters(&fastbreak);
        // A dead letter is made durable before its batch is written. So if the sink crashes between the two, the dead letter may exist
        // twice, but it is not lost.
        assert_eq!(dead_letters.len(), if fault == Fault::NotCommitted { 1 } else { 2 });
        for dead_letter in dead_letters {
            assert_eq!((dead_letter.origin.as_str(), dead_letter.partition, dead_letter.offset), bad);
            assert!(dead_letter.reason.contains("but its event has the key"), "{}", dead_letter.reason);
            assert_eq!(dead_letter.processor_version, i64::from(sinks::tables::TABLES_VERSION));
            let shown = fastbreak.json(&["dlq", "show", SINK]);
            assert_eq!(shown[0]["batch"], dead_letter.batch.as_str());
            assert_eq!(dead_letter.batch.len(), 32, "{}", dead_letter.batch);
            // Each dead letter has the id of the stored batch.
            let is_stored = fake.with(|service| {
                service.records.rows.iter().any(|row| fakebq::text(row, "game_id") == dead_letter.batch)
            });
            assert!(is_stored, "{}", dead_letter.batch);
        }
    }
}

#[test]
fn c23_a_plan_that_cannot_be_stored_stops_the_sink_before_anything_is_sent() {
    let (fastbreak, fake) = (log(), fake());
    let stopped = deliver(&fastbreak, Some(&fake), 1_500, Some((CommitKind::Plan, 0, Fault::NotCommitted)));
    assert!(stopped.err().unwrap().to_string().contains("disk is full"));
    assert_eq!((fake.statistics().merges, batches(&fake), committed_offsets(&fastbreak)), (0, 0, 0));
    deliver(&fastbreak, Some(&fake), 1_500, None).unwrap();
    assert_eq!(fake.statistics().effective_merges, batches(&fake));
}

#[test]
fn reading_again_after_an_offset_reset_changes_nothing() {
    let (fastbreak, fake) = (log(), fake());
    deliver(&fastbreak, Some(&fake), 1_500, None).unwrap();
    let (statistics, before, committed) = (fake.statistics(), batches(&fake), committed_offsets(&fastbreak));
    reset_offsets(&fastbreak);
    // The sink crashes while it reads the records again, and resumes in the next run.
    assert!(deliver(&fastbreak, Some(&fake), 900, Some((CommitKind::Done, 2, Fault::NotCommitted))).is_err());
    deliver(&fastbreak, Some(&fake), 900, None).unwrap();
    assert_eq!(committed_offsets(&fastbreak), committed);
    // According to the statistics of the jobs, each new batch adds its batch record and changes no other row.
    let added = batches(&fake) - before;
    assert!(added > 2);
    assert_eq!(fake.statistics().affected - statistics.affected, added as u64);
    let local = log();
    deliver(&local, None, 150, None).unwrap();
    reset_offsets(&local);
    deliver(&local, None, 70, None).unwrap();
    assert_eq!(local.content(), *undisturbed());
}

#[test]
fn a_lost_warehouse_is_rebuilt_from_the_start_and_the_ledger_balances() {
    let fastbreak = log();
    deliver(&fastbreak, None, 150, None).unwrap();
    for file in ["warehouse.db", "warehouse.db-wal", "warehouse.db-shm"] {
        _ = std::fs::remove_file(fastbreak.folder.path().join(file));
    }
    for (kind, after) in [(CommitKind::Begin, 0), (CommitKind::Plan, 1), (CommitKind::Done, 1)] {
        assert!(deliver(&fastbreak, None, 150, Some((kind, after, Fault::NotCommitted))).is_err());
    }
    deliver(&fastbreak, None, 150, None).unwrap();
    assert_eq!(fastbreak.content(), *undisturbed());
    // After the log takes ownership of the warehouse again, the sink reads the log from its start.
    sinks::Sqlite::open(&warehouse::path_in(fastbreak.folder.path()))
        .unwrap()
        .take_ownership(&log_id(&fastbreak))
        .unwrap()
        .done()
        .unwrap();
    deliver(&fastbreak, None, 90, None).unwrap();
    assert_eq!(fastbreak.content(), *undisturbed());
}

fn log_id(fastbreak: &Fastbreak) -> String {
    EmbeddedLog::open(fastbreak.folder.path()).unwrap().id().unwrap()
}
fn reset_offsets(fastbreak: &Fastbreak) {
    let mut storage = EmbeddedLog::open(fastbreak.folder.path()).unwrap();
    let offsets = sink_offsets(fastbreak).into_keys().map(|at| (at, 0)).collect();
    storage.append(Commit { group: SINK.to_owned(), offsets, ..Commit::default() }).unwrap();
}

#[test]
fn the_plan_of_a_restarted_reading_has_no_record() {
    let fastbreak = log();
    deliver(&fastbreak, None, 150, None).unwrap();
    reset_offsets(&fastbreak);
    assert!(
        deliver(&fastbreak, None, 150, Some((CommitKind::Begin, 0, Fault::CommittedThenCrashed))).is_err()
    );
    let mut storage = EmbeddedLog::open(fastbreak.folder.path()).unwrap();
    let sink_batches = TopicPartition::new(topics::SINK_BATCHES.info.name, 0);
    let record_batches = storage.read(sink_batches, 0, usize::MAX).unwrap();
    let newest = record_batches
        .iter()
        .flat_map(RecordBatch::records)
        .filter_map(|record| record.unwrap().value)
        .last()
        .unwrap();
    let plan: SinkBatchPlanned = wire::decode(newest).unwrap();
    assert_eq!((plan.records, plan.ranges.len()), (0, 0));
}

#[test]
fn each_dead_letter_has_the_reason_of_its_own_record() {
    let fake = fake();
    for bigquery in [None, Some(&fake)] {
        let fastbreak = log();
        // The record with the lower offset has the higher key.
        let other = append(&fastbreak, 2_000_000, |_, _| {});
        let without_reason = append(&fastbreak, 1_000_000, |event, player| {
            event.player = player;
            event.eligibility = Eligibility::Eligible;
            event.systems.clear();
        });
        let dlq_limits = DlqLimits { ratio: 1.0, ..DlqLimits::default() };
        deliver_within(&fastbreak, bigquery, (1_000_000, dlq_limits), None, Arc::default()).unwrap();
        let dead_letters = dead_letters(&fastbreak);
        let reason = |coordinates: (&str, i32, i64)| {
            let dead_letter = dead_letters.iter().find(|dead_letter| {
                dead_letter.offset == coordinates.2 && dead_letter.partition == coordinates.1
            });
            dead_letter.unwrap().reason.clone()
        };
        assert_eq!(dead_letters.len(), 2);
        assert!(reason(other).contains("but its event has the key"), "{}", reason(other));
        assert!(!reason(without_reason).contains("but its event has the key"), "{}", reason(without_reason));
    }
}

#[test]
fn a_batch_with_too_many_bad_records_stops_the_sink_without_dead_letters() {
    let fake = fake();
    for bigquery in [None, Some(&fake)] {
        let fastbreak = log();
        deliver(&fastbreak, bigquery, 1_000_000, None).unwrap();
        // A single bad record does not exceed the DLQ limits.
        spoil(&fastbreak);
        deliver(&fastbreak, bigquery, 1_000_000, None).unwrap();
        assert_eq!(dead_letters(&fastbreak).len(), 1);
        let committed = committed_offsets(&fastbreak);
        for n in 1..3 {
            append(&fastbreak, 2_000_000 + n, |_, _| {});
        }
        let run = |dlq_limits: DlqLimits| {
            let run_context = Arc::new(RunContext::default());
            let ran =
                deliver_within(&fastbreak, bigquery, (1_000_000, dlq_limits), None, run_context.clone());
            let text = run_context.metrics.text().unwrap();
            assert!(text.contains("batches_in_flight{processor=\"windowed-sink\"} 0.0\n"), "{text}");
            ran
        };
        let stopped = run(DlqLimits::default()).unwrap_err().to_string();
        assert!(stopped.contains("2 of the 2 records of a batch cannot be converted to rows"), "{stopped}");
        assert!(stopped.contains("dead-letter-max-ratio"), "{stopped}");
        assert_eq!((dead_letters(&fastbreak).len(), committed_offsets(&fastbreak)), (1, committed));
        run(DlqLimits { ratio: 1.0, ..DlqLimits::default() }).unwrap();
        assert_eq!((dead_letters(&fastbreak).len(), committed_offsets(&fastbreak)), (3, committed + 2));
        // Appends so many bad records in a row that the DLQ limits are exceeded by one record.
        for n in 0..3 {
            append(&fastbreak, 3_000_000 + n, |_, _| {});
        }
        let stopped = run(DlqLimits { ratio: 1.0, consecutive: 2 }).unwrap_err().to_string();
        assert!(stopped.contains("more than 2 records in a row are unusable"), "{stopped}");
        assert_eq!(dead_letters(&fastbreak).len(), 3);
    }
}

#[test]
fn a_query_that_fails_before_the_first_write_is_counted_and_retried() {
    let (fastbreak, fake) = (log(), fake());
    fake.fail(fakebq::Call::Any, 0, fakebq::Fault::RequestLost);
    let run_context = deliver(&fastbreak, Some(&fake), 1_000_000, None).unwrap();
    let text = run_context.metrics.text().unwrap();
    for series in [
        "errors_total{processor=\"windowed-sink\",reason=\"retry\"}",
        "failures_total{processor=\"windowed-sink\",class=\"ambiguous\"}",
    ] {
        assert!(text.contains(&format!("fastbreak_sink_{series} 1\n")), "{text}");
    }
}
