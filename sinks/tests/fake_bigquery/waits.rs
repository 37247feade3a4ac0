//! Tests of waiting against the in-process fake of BigQuery: number of calls, pauses between them, and alerts.
//!
//! Invariant: only the test's clock is used, and no call waits long: a longer operation is pending, and the next call continues it.
//! Not here: crash points (`faults`) and failures that stop the sink (`stops`).

use crate::conformance::{LOG, NOW, done};
use crate::driven::{Retried, acquired, batch, retried, slate, staged, write_with_retries};
use crate::fakebq::{Call, Fake, Fault, FaultResponse};
use sinks::{
    DateRange, Progress, Warehouse, WarehouseError,
    bigquery::{BigQueryConfig, Clock},
};
use std::time::Duration;

/// Repeats a failing call this number of times, and returns the pause and the alert of each failure.
fn failing_calls(
    fake: &Fake,
    mut call: impl FnMut() -> Option<WarehouseError>,
    count: usize,
) -> Vec<(u64, bool)> {
    let next = |_| match call() {
        Some(WarehouseError::Retry { after, alert, .. }) => {
            fake.clock.sleep(after);
            // The jitter shortens a pause by up to a tenth.
            ((after.as_secs_f64() / 0.9).round() as u64 / 5 * 5, alert)
        }
        other => panic!("{other:?}"),
    };
    (0..count).map(next).collect()
}

#[test]
fn while_bigquery_is_down_queries_are_retried_with_growing_pauses_and_an_alert() {
    let fake = Fake::start();
    let mut w = fake.connect();
    let down = |count: usize| {
        for _ in 0..count {
            fake.fail(Call::Any, 0, Fault::RequestLost);
        }
    };
    down(6);
    let steps = [(5, false), (10, false), (20, false), (40, true), (80, true), (120, true)];
    let assert_steps = |retries: Vec<(u64, bool)>| {
        for ((pause, is_alert), step) in retries.into_iter().zip(steps) {
            assert!(
                pause >= step.0 && pause <= step.0 * 10 / 9 + 5 && is_alert == step.1,
                "{pause} {is_alert} {step:?}"
            );
        }
    };
    assert_steps(failing_calls(&fake, || w.acquire(LOG).err(), 6));
    done(w.acquire(LOG)).unwrap();
    fake.clock.sleep(Duration::from_secs(600));
    // A query is repeated four times before its error is returned.
    let (batch, plan) = batch(slate(0..4, 1, 2450));
    down(6 * 5);
    assert_steps(failing_calls(&fake, || w.is_committed(&plan.id).err(), 6));
    assert!(w.counters().errors["ambiguous"] >= 12, "{:?}", w.counters());
    write_with_retries(&fake, &mut w, &batch, &plan);
}
#[test]
fn a_slow_query_is_sent_once_and_awaited_over_several_calls() {
    let fake = Fake::start();
    let w = acquired(&fake, fake.config());
    let queries = |fake: &Fake| {
        fake.calls().iter().filter(|call| call.starts_with("POST") && call.contains("/queries")).count()
    };
    let before = queries(&fake);
    fake.respond_slowly(300);
    let Retried { result: writer_state, errors, pending } = retried(&fake, || w.writer_state());
    assert_eq!((writer_state.epoch, pending.len(), queries(&fake) - before), (1, 2, 1));
    // Both calls waited for the same query.
    assert!(pending[0].starts_with("query ") && pending[0] == pending[1], "{pending:?}");
    assert!(errors.is_empty() && w.counters().errors.is_empty(), "{errors:?}");
    // If the pending query was last polled an hour ago, it is not resumed: the query is sent again.
    fake.respond_slowly(200);
    assert!(matches!(w.writer_state(), Ok(Progress::Pending(_))));
    fake.clock.sleep(Duration::from_secs(3_600));
    fake.respond_slowly(0);
    done(w.writer_state()).unwrap();
    assert_eq!(queries(&fake) - before, 3);
}
#[test]
fn a_warning_in_a_response_is_not_a_failure() {
    let fake = Fake::start();
    let w = acquired(&fake, fake.config());
    fake.warn();
    assert_eq!(done(w.writer_state()).unwrap().log.as_deref(), Some(LOG));
}
#[test]
fn a_slow_search_runs_over_several_calls_and_ends() {
    let fake = Fake::start();
    let mut w = acquired(&fake, fake.config());
    fake.with(|service| {
        service.records.bad_rows.insert(200_011);
        service.takes_ms = 20_000;
    });
    let (batch, plan) = batch(slate(0..16, 1, 2450));
    let mut waits = 0;
    let bad = loop {
        let started_ms = fake.clock.now_ms();
        match w.write(&batch, &plan, NOW) {
            Err(WarehouseError::Rows(bad)) => break bad,
            progress => assert!(matches!(progress, Ok(Progress::Pending(_))), "{progress:?}"),
        }
        assert!(fake.clock.now_ms() - started_ms < 75_000);
        waits += 1;
    };
    assert_eq!((bad.len(), bad[0].coordinates.offset), (1, 12));
    assert!((2..10).contains(&waits), "{waits}");
    assert_eq!(w.counters().errors.keys().collect::<Vec<_>>(), [&"bad_row"]);
}
#[test]
fn a_lease_that_another_job_holds_is_awaited_over_several_calls_and_is_no_failure() {
    let fake = Fake::start();
    let (mut other, mut w) = (acquired(&fake, fake.config()), acquired(&fake, fake.config()));
    fake.with(|service| service.takes_ms = 100_000);
    let (first, first_plan) = batch(slate(0..4, 1, 2450));
    let (second, second_plan) = batch(slate(4..8, 1, 2450));
    assert!(matches!(other.write(&first, &first_plan, NOW), Ok(Progress::Pending(_))));
    let holder = fake
        .with(|service| service.jobs.keys().find(|id| id.contains(first_plan.id.as_str())).cloned().unwrap());
    let Retried { errors, pending, .. } = write_with_retries(&fake, &mut w, &second, &second_plan);
    let in_flight = format!("DML job {holder} of another writer is in flight");
    assert!(pending.iter().filter(|what| **what == in_flight).count() >= 2, "{pending:?}");
    assert!(errors.is_empty() && w.counters().errors.is_empty(), "{errors:?} {:?}", w.counters());
    assert_eq!((fake.statistics().merges, fake.statistics().max_in_flight), (2, 1));
}
#[test]
fn a_batch_is_not_filtered_while_the_query_of_its_existing_keys_is_still_running() {
    let fake = Fake::start();
    let w = acquired(&fake, fake.config());
    let (mut batch, _) = batch(slate(0..4, 1, 2450));
    let unfiltered = batch.clone();
    let later = batch.records[0].change.date().unwrap().plus_days(1);
    let dates = DateRange { from: later, to: later };
    fake.respond_slowly(150);
    assert!(matches!(dates.filter_batch(&mut batch, &w), Ok(Progress::Pending(_))));
    assert_eq!(batch, unfiltered);
    done(dates.filter_batch(&mut batch, &w)).unwrap();
    assert_eq!((batch.records.len(), batch.filtered), (0, 4));
}
#[test]
fn two_queries_that_are_both_slow_are_each_continued() {
    let fake = Fake::start();
    let w = acquired(&fake, fake.config());
    fake.respond_slowly(150);
    assert!(matches!(w.writer_state(), Ok(Progress::Pending(_))));
    assert!(matches!(w.control_totals(), Ok(Progress::Pending(_))));
    assert_eq!(done(w.writer_state()).unwrap().epoch, 1);
    assert!(done(w.control_totals()).unwrap().is_empty());
}
#[test]
fn a_slow_change_of_owner_is_continued_and_raises_the_epoch_once() {
    let fake = Fake::start();
    let mut w = acquired(&fake, fake.config());
    let before = done(w.writer_state()).unwrap().epoch;
    fake.with(|service| service.takes_ms = 40_000);
    fake.respond_slowly(150);
    let Retried { result: epoch, errors, pending } = retried(&fake, || w.take_ownership("log-2"));
    assert_eq!((epoch, errors.len()), (before + 1, 0));
    // The query before the change, the job, and the query after it.
    assert_eq!(pending.len(), 3, "{pending:?}");
    // A later change of owner starts from the new epoch.
    fake.with(|service| service.takes_ms = 0);
    fake.respond_slowly(0);
    assert_eq!(done(w.take_ownership("log-3")).unwrap(), before + 2);
}
#[test]
fn after_the_table_was_created_again_the_same_instance_acquires_the_warehouse_again() {
    let fake = Fake::start();
    let mut w = acquired(&fake, fake.config());
    fake.with(|service| service.records = Default::default());
    assert_eq!(done(w.acquire(LOG)).unwrap(), 1);
    assert_eq!(done(w.writer_state()).unwrap().log.as_deref(), Some(LOG));
}
#[test]
fn a_slow_statement_of_apply_is_continued_and_every_created_object_is_counted_once() {
    let fake = Fake::start();
    let mut w = fake.connect();
    let diff = w.plan().unwrap();
    fake.respond_slowly(150);
    let Retried { result: created, errors, pending } = retried(&fake, || w.apply());
    assert_eq!(created, diff.datasets.len() + diff.statements().count());
    assert_eq!((pending.len(), errors.len()), (diff.statements().count(), 0));
    assert!(w.plan().unwrap().is_empty());
}
#[test]
fn c17_after_a_call_without_a_response_the_batch_is_written_once() {
    for call in [Call::Insert, Call::Job, Call::Query, Call::Patch] {
        for is_done in [false, true] {
            let fake = Fake::start();
            let mut w =
                acquired(&fake, BigQueryConfig { timeout: Duration::from_millis(300), ..fake.config() });
            let (batch, plan) = batch(slate(0..4, 1, 2450));
            fake.fail(call, 0, Fault::TimedOut(is_done));
            write_with_retries(&fake, &mut w, &batch, &plan);
            let statistics = fake.statistics();
            let what = format!("{call:?} {is_done}");
            assert_eq!(
                (statistics.effective_merges, statistics.max_in_flight, statistics.mixed_ids),
                (1, 1, 0),
                "{what}"
            );
            assert_eq!(fake.rows("predictions"), 80, "{what}");
        }
    }
}
#[test]
fn c18_a_quota_exhausted_for_two_hours_is_waited_for() {
    let fake = Fake::start();
    let mut w = acquired(&fake, fake.config());
    for _ in 0..12 {
        fake.fail(Call::Insert, 0, Fault::Responds(FaultResponse::QuotaExceeded, false));
    }
    let (batch, plan) = batch(slate(0..4, 1, 2450));
    let started_ms = fake.clock.now_ms();
    let errors = write_with_retries(&fake, &mut w, &batch, &plan).errors;
    assert_eq!(errors.len(), 12);
    let is_alerted = |e: &WarehouseError| matches!(e, WarehouseError::Retry { after, alert: true, what } if after.as_secs() >= 600 && what.contains("no data is lost"));
    assert!(errors.iter().all(is_alerted), "{errors:?}");
    assert!(fake.clock.now_ms() - started_ms >= 2 * 3_600_000);
    assert_eq!((fake.rows("predictions"), w.counters().rate_limit_hits), (80, 12));
}
#[test]
fn c19_while_other_writers_fill_the_dml_queue_the_batch_waits() {
    let fake = Fake::start();
    let mut w = acquired(&fake, fake.config());
    let now = fake.clock.now_ms();
    fake.with(|service| service.occupy(22, 25_000, now));
    let (batch, plan) = batch(slate(0..4, 1, 2450));
    let errors = write_with_retries(&fake, &mut w, &batch, &plan).errors;
    let first = errors[0].to_string();
    assert!(
        first.contains("Too many DML statements outstanding") && first.contains("INFORMATION_SCHEMA.JOBS"),
        "{first}"
    );
    assert!(matches!(errors[0], WarehouseError::Retry { alert: true, after, .. } if after.as_secs() >= 10));
    assert_eq!(
        (fake.rows("predictions"), fake.statistics().effective_merges, fake.duplicate_keys()),
        (80, 1, 0)
    );
}
#[test]
fn c21_a_rejected_token_is_retried_with_an_alert() {
    let fake = Fake::start();
    let mut w = acquired(&fake, fake.config());
    fake.fail(Call::Insert, 0, Fault::Responds(FaultResponse::Unauthorized, false));
    let (batch, plan) = batch(slate(0..4, 1, 2450));
    let errors = write_with_retries(&fake, &mut w, &batch, &plan).errors;
    assert!(matches!(&errors[..], [WarehouseError::Retry { alert: true, .. }]), "{errors:?}");
    assert_eq!(fake.statistics().merges, 1);
}
#[test]
fn c22_a_slow_job_is_awaited_over_several_calls_and_writes_once() {
    let fake = Fake::start();
    let mut w = acquired(&fake, fake.config());
    fake.with(|service| service.takes_ms = 150_000);
    let (batch, plan) = batch(slate(0..4, 1, 2450));
    let Retried { errors, pending, .. } = write_with_retries(&fake, &mut w, &batch, &plan);
    assert!((4..=6).contains(&pending.len()), "{pending:?}");
    // Every call waited for the same job.
    let job = fake.with(|service| service.jobs.keys().find(|id| id.contains(plan.id.as_str())).cloned());
    let message = format!("job {} is still running", job.unwrap());
    assert!(pending.iter().all(|what| *what == message), "{pending:?}");
    assert!(errors.is_empty() && w.counters().errors.is_empty(), "{errors:?} {:?}", w.counters());
    assert_eq!((fake.statistics().merges, fake.rows("predictions")), (1, 80));
}
#[test]
fn c22_a_clock_jump_and_a_cancelled_job_leave_one_write() {
    let fake = Fake::start();
    let mut w = acquired(&fake, fake.config());
    let given_up = ("stopped", "Job execution was cancelled: Job timed out after 10m".to_owned());
    fake.with(|service| {
        service.takes_ms = 150_000;
        service.outcomes.push_back(Some(given_up));
    });
    let (batch, plan) = batch(slate(0..4, 1, 2450));
    assert!(matches!(w.write(&batch, &plan, NOW), Ok(Progress::Pending(_))));
    fake.clock.sleep(Duration::from_secs(3 * 3_600));
    let Retried { result: written, errors, .. } = write_with_retries(&fake, &mut w, &batch, &plan);
    assert!(errors[0].to_string().contains("timed out after 10m"), "{errors:?}");
    let statistics = fake.statistics();
    assert_eq!(
        (written.applied, statistics.merges, statistics.effective_merges, statistics.max_in_flight),
        (4, 2, 1, 1)
    );
    assert_eq!(fake.rows("predictions"), 80);
}
#[test]
fn the_failure_of_an_own_slow_job_is_not_taken_for_an_earlier_one() {
    let wrong = ("invalidQuery", "Unrecognized name: base_line at [3:1]");
    let large = ("resourcesExceeded", "Query exceeded resource limits");
    let bad = ("invalidQuery", "Bad double value: abc");
    for (reason, message) in [wrong, large, bad] {
        let fake = Fake::start();
        let mut w = acquired(&fake, staged(&fake));
        // A job takes longer than the time limit of one call.
        fake.with(|service| {
            service.takes_ms = 45_000;
            service.outcomes.extend(std::iter::repeat_n(Some((reason, message.to_owned())), 100));
        });
        let (batch, plan) = batch(slate(0..4, 1, 2450));
        let stopped = (0..100).find_map(|_| match w.write(&batch, &plan, NOW) {
            Ok(Progress::Pending(_)) => None,
            Err(WarehouseError::Retry { after, .. }) => {
                fake.clock.sleep(after);
                None
            }
            other => Some(other.unwrap_err()),
        });
        assert!(stopped.is_some_and(|error| error.to_string().contains(message)), "{message}");
        assert_eq!(fake.statistics().merges, 1, "{message}");
    }
}
#[test]
fn failures_are_retried_with_growing_pauses_and_an_alert_after_three() {
    let fake = Fake::start();
    let mut w = acquired(&fake, fake.config());
    for _ in 0..8 {
        fake.fail(Call::Insert, 0, Fault::Responds(FaultResponse::RateLimited, false));
    }
    let (batch, plan) = batch(slate(0..4, 1, 2450));
    let errors = write_with_retries(&fake, &mut w, &batch, &plan).errors;
    let pauses: Vec<u64> = errors
        .iter()
        .map(|e| match e {
            WarehouseError::Retry { after, .. } => after.as_secs(),
            other => panic!("{other}"),
        })
        .collect();
    let steps = [5, 10, 20, 40, 80, 120, 120, 120];
    assert!(
        pauses.iter().zip(steps).all(|(pause, step)| *pause >= step * 9 / 10 - 1 && *pause <= step),
        "{pauses:?}"
    );
    let alerts: Vec<bool> =
        errors.iter().map(|e| matches!(e, WarehouseError::Retry { alert: true, .. })).collect();
    assert_eq!(alerts, [false, false, false, true, true, true, true, true]);
    assert!(errors[3].to_string().contains("fastbreak doctor"), "{}", errors[3]);
}
#[test]
fn staged_rows_are_loaded_once_and_their_merge_is_retried_with_growing_pauses() {
    let fake = Fake::start();
    let mut w = acquired(&fake, staged(&fake));
    let (batch, plan) = batch(slate(0..8, 1, 2450));
    // The upload is the first insert; all further inserts are attempts of the merge.
    for n in 0..5 {
        fake.fail(Call::Insert, usize::from(n == 0), Fault::Responds(FaultResponse::RateLimited, false));
    }
    let errors = write_with_retries(&fake, &mut w, &batch, &plan).errors;
    let alerts = errors.iter().map(|e| matches!(e, WarehouseError::Retry { alert: true, .. }));
    assert_eq!(alerts.collect::<Vec<_>>(), [false, false, false, true, true]);
    let uploads = fake.calls().iter().filter(|call| call.contains("/upload/")).count();
    assert_eq!((uploads, w.counters().staged, fake.rows("predictions")), (1, 1, 160));
}
#[test]
fn a_hundred_batches_at_once_respect_the_rate_limit_of_the_table() {
    let fake = Fake::start();
    fake.with(|service| service.takes_ms = 0);
    let mut w = acquired(&fake, fake.config());
    for n in 0..100 {
        let (batch, plan) = batch(slate(n..n + 1, 1, 2450));
        done(w.write(&batch, &plan, NOW)).unwrap();
    }
    assert_eq!(
        (w.counters().rate_limit_hits, fake.statistics().effective_merges, fake.rows("predictions")),
        (0, 100, 2_000)
    );
}
