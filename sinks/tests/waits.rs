//! Waiting: what is asked how often, in which pauses, and who is told, over BigQuery in process.
//!
//! Invariant: time is the test's, and no call waits for long: what takes longer is said, and gone on with in the next.
//! Not here: crash points and failures that stop the sink (`faults`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#[allow(dead_code, unused_imports)]
mod conformance;
#[allow(dead_code)]
mod driven;
#[allow(dead_code)]
mod fakebq;

use conformance::{LOG, NOW};
use driven::{batch, claimed, slate, staged, write_with_retries};
use fakebq::{Call, Fake, Fault, FaultAnswer};
use sinks::{
    Warehouse, WarehouseError,
    bigquery::{BigQueryConfig, Clock},
};
use std::time::Duration;

/// The pauses and alerts of so many calls that fail.
fn told(fake: &Fake, mut call: impl FnMut() -> Option<WarehouseError>, many: usize) -> Vec<(u64, bool)> {
    let next = |_| match call() {
        Some(WarehouseError::Retry { after, alert, .. }) => {
            fake.clock.sleep(after);
            // A tenth is drawn.
            ((after.as_secs_f64() / 0.9).round() as u64 / 5 * 5, alert)
        }
        other => panic!("{other:?}"),
    };
    (0..many).map(next).collect()
}

#[test]
fn while_bigquery_is_down_questions_are_asked_in_longer_pauses_and_it_is_told() {
    let fake = Fake::start();
    let mut w = fake.connect();
    let down = |many: usize| (0..many).for_each(|_| fake.fail(Call::Any, 0, Fault::Lost));
    down(6);
    let steps = [(5, false), (10, false), (20, false), (40, true), (80, true), (120, true)];
    let is_as = |told: Vec<(u64, bool)>| {
        let pairs = told.iter().zip(steps);
        pairs.for_each(|(told, step)| {
            assert!(
                told.0 >= step.0 && told.0 <= step.0 * 10 / 9 + 5 && told.1 == step.1,
                "{told:?} {step:?}"
            );
        });
    };
    is_as(told(&fake, || w.acquire(LOG).err(), 6));
    w.acquire(LOG).unwrap();
    fake.clock.sleep(Duration::from_secs(600));
    // A question is asked five times before its caller hears of it.
    let (batch, plan) = batch(slate(0..4, 1, 2450));
    down(6 * 5);
    is_as(told(&fake, || w.is_committed(&plan.id).err(), 6));
    assert!(w.counters().errors["ambiguous"] >= 12, "{:?}", w.counters());
    write_with_retries(&fake, &mut w, &batch, &plan);
}
#[test]
fn a_question_that_takes_long_is_asked_once_and_waited_for_in_steps() {
    let fake = Fake::start();
    let w = claimed(&fake, fake.config());
    let asked = |fake: &Fake| {
        fake.heard().iter().filter(|call| call.starts_with("POST") && call.contains("/queries")).count()
    };
    let before = asked(&fake);
    fake.answer_slowly(300);
    let mut waits = 0;
    let writer_state = loop {
        match w.writer_state() {
            Ok(writer_state) => break writer_state,
            Err(error) => {
                assert!(error.is_pending(), "{error}");
                waits += 1;
            }
        }
    };
    assert_eq!((writer_state.epoch, waits, asked(&fake) - before), (1, 2, 1));
    assert_eq!(w.counters().errors.len(), 0);
    // What is asked later is asked anew.
    fake.answer_slowly(200);
    assert!(w.writer_state().unwrap_err().is_pending());
    fake.clock.sleep(Duration::from_secs(3_600));
    fake.answer_slowly(0);
    w.writer_state().unwrap();
    assert_eq!(asked(&fake) - before, 3);
}
#[test]
fn a_warning_in_an_answer_is_no_failure() {
    let fake = Fake::start();
    let w = claimed(&fake, fake.config());
    fake.warn();
    assert_eq!(w.writer_state().unwrap().log.as_deref(), Some(LOG));
}
#[test]
fn a_search_that_takes_long_is_made_in_steps_and_ends() {
    let fake = Fake::start();
    let mut w = claimed(&fake, fake.config());
    fake.with(|service| {
        service.records.bad_rows.insert(200_011);
        service.takes_ms = 20_000;
    });
    let (batch, plan) = batch(slate(0..16, 1, 2450));
    let mut waits = 0;
    let bad = loop {
        let since = fake.clock.now_ms();
        match w.write(&batch, &plan, NOW).unwrap_err() {
            WarehouseError::Rows(bad) => break bad,
            error => assert!(error.is_pending(), "{error}"),
        }
        assert!(fake.clock.now_ms() - since < 75_000);
        waits += 1;
    };
    assert_eq!((bad.len(), bad[0].at.offset), (1, 12));
    assert!((2..10).contains(&waits), "{waits}");
}
#[test]
fn c17_what_is_never_answered_is_looked_for_and_written_once() {
    for call in [Call::Insert, Call::Job, Call::Query, Call::Patch] {
        for is_done in [false, true] {
            let fake = Fake::start();
            let mut w =
                claimed(&fake, BigQueryConfig { timeout: Duration::from_millis(300), ..fake.config() });
            let (batch, plan) = batch(slate(0..4, 1, 2450));
            fake.fail(call, 0, Fault::Silence(is_done));
            write_with_retries(&fake, &mut w, &batch, &plan);
            let seen = fake.seen();
            let what = format!("{call:?} {is_done}");
            assert_eq!((seen.effective_merges, seen.most_in_flight, seen.mixed_ids), (1, 1, 0), "{what}");
            assert_eq!(fake.rows("predictions"), 80, "{what}");
        }
    }
}
#[test]
fn c18_a_quota_that_is_used_up_for_two_hours_is_waited_for() {
    let fake = Fake::start();
    let mut w = claimed(&fake, fake.config());
    for _ in 0..12 {
        fake.fail(Call::Insert, 0, Fault::Answers(FaultAnswer::QuotaExceeded, false));
    }
    let (batch, plan) = batch(slate(0..4, 1, 2450));
    let since = fake.clock.now_ms();
    let (_, errors) = write_with_retries(&fake, &mut w, &batch, &plan);
    assert_eq!(errors.len(), 12);
    let is_told = |e: &WarehouseError| matches!(e, WarehouseError::Retry { after, alert: true, what } if after.as_secs() >= 600 && what.contains("nothing is dropped"));
    assert!(errors.iter().all(is_told), "{errors:?}");
    assert!(fake.clock.now_ms() - since >= 2 * 3_600_000);
    assert_eq!((fake.rows("predictions"), w.counters().rate_limit_hits), (80, 12));
}
#[test]
fn c19_while_others_occupy_the_table_the_batch_waits_and_is_not_lost() {
    let fake = Fake::start();
    let mut w = claimed(&fake, fake.config());
    let now = fake.clock.now_ms();
    fake.with(|service| service.occupy(22, 25_000, now));
    let (batch, plan) = batch(slate(0..4, 1, 2450));
    let (_, errors) = write_with_retries(&fake, &mut w, &batch, &plan);
    let first = errors[0].to_string();
    assert!(
        first.contains("Too many DML statements outstanding") && first.contains("INFORMATION_SCHEMA.JOBS"),
        "{first}"
    );
    assert!(matches!(errors[0], WarehouseError::Retry { alert: true, after, .. } if after.as_secs() >= 10));
    assert_eq!((fake.rows("predictions"), fake.seen().effective_merges, fake.doubled()), (80, 1, 0));
}
#[test]
fn c21_a_token_that_is_refused_is_waited_for_with_an_alert() {
    let fake = Fake::start();
    let mut w = claimed(&fake, fake.config());
    fake.fail(Call::Insert, 0, Fault::Answers(FaultAnswer::Unauthorized, false));
    let (batch, plan) = batch(slate(0..4, 1, 2450));
    let (_, errors) = write_with_retries(&fake, &mut w, &batch, &plan);
    assert!(matches!(&errors[..], [WarehouseError::Retry { alert: true, .. }]), "{errors:?}");
    assert_eq!(fake.seen().merges, 1);
}
#[test]
fn c22_a_job_that_takes_long_is_watched_in_steps_and_written_once() {
    let fake = Fake::start();
    let mut w = claimed(&fake, fake.config());
    fake.with(|service| service.takes_ms = 150_000);
    let (batch, plan) = batch(slate(0..4, 1, 2450));
    let (_, errors) = write_with_retries(&fake, &mut w, &batch, &plan);
    assert!(
        (4..=6).contains(&errors.len()) && errors.iter().all(|e| e.to_string().contains("still running")),
        "{errors:?}"
    );
    assert!(
        errors.iter().all(WarehouseError::is_pending) && w.counters().errors.is_empty(),
        "{:?}",
        w.counters()
    );
    assert_eq!((fake.seen().merges, fake.rows("predictions")), (1, 80));
}
#[test]
fn c22_a_clock_that_jumps_and_a_job_that_bigquery_gives_up_leave_one_write() {
    let fake = Fake::start();
    let mut w = claimed(&fake, fake.config());
    let given_up = ("stopped", "Job execution was cancelled: Job timed out after 10m".to_owned());
    fake.with(|service| {
        service.takes_ms = 150_000;
        service.outcomes.push_back(Some(given_up));
    });
    let (batch, plan) = batch(slate(0..4, 1, 2450));
    assert!(w.write(&batch, &plan, NOW).unwrap_err().is_pending());
    fake.clock.sleep(Duration::from_secs(3 * 3_600));
    let (written, errors) = write_with_retries(&fake, &mut w, &batch, &plan);
    assert!(errors[0].to_string().contains("timed out after 10m"), "{errors:?}");
    let seen = fake.seen();
    assert_eq!((written.applied, seen.merges, seen.effective_merges, seen.most_in_flight), (4, 2, 1, 1));
    assert_eq!(fake.rows("predictions"), 80);
}
#[test]
fn a_job_of_its_own_that_takes_long_and_fails_is_not_sent_again_as_one_of_before() {
    let wrong = ("invalidQuery", "Unrecognized name: base_line at [3:1]");
    let large = ("resourcesExceeded", "Query exceeded resource limits");
    let bad = ("invalidQuery", "Bad double value: abc");
    for (reason, message) in [wrong, large, bad] {
        let fake = Fake::start();
        let mut w = claimed(&fake, staged(&fake));
        // Longer than a call watches it.
        fake.with(|service| {
            service.takes_ms = 45_000;
            service.outcomes.extend(std::iter::repeat_n(Some((reason, message.to_owned())), 100));
        });
        let (batch, plan) = batch(slate(0..4, 1, 2450));
        let stopped = (0..100).find_map(|_| match w.write(&batch, &plan, NOW) {
            Err(WarehouseError::Retry { after, .. }) => {
                fake.clock.sleep(after);
                None
            }
            other => Some(other.unwrap_err()),
        });
        assert!(stopped.is_some_and(|error| error.to_string().contains(message)), "{message}");
        assert_eq!(fake.seen().merges, 1, "{message}");
    }
}
#[test]
fn failures_are_waited_out_in_longer_pauses_and_told_after_three() {
    let fake = Fake::start();
    let mut w = claimed(&fake, fake.config());
    for _ in 0..8 {
        fake.fail(Call::Insert, 0, Fault::Answers(FaultAnswer::RateLimited, false));
    }
    let (batch, plan) = batch(slate(0..4, 1, 2450));
    let (_, errors) = write_with_retries(&fake, &mut w, &batch, &plan);
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
    let told: Vec<bool> =
        errors.iter().map(|e| matches!(e, WarehouseError::Retry { alert: true, .. })).collect();
    assert_eq!(told, [false, false, false, true, true, true, true, true]);
    assert!(errors[3].to_string().contains("fastbreak check"), "{}", errors[3]);
}
#[test]
fn rows_that_are_loaded_are_loaded_once_and_their_batch_is_waited_for_in_longer_pauses() {
    let fake = Fake::start();
    let mut w = claimed(&fake, staged(&fake));
    let (batch, plan) = batch(slate(0..8, 1, 2450));
    // The upload is the first insert, and those after it the merge's.
    for n in 0..5 {
        fake.fail(Call::Insert, usize::from(n == 0), Fault::Answers(FaultAnswer::RateLimited, false));
    }
    let (_, errors) = write_with_retries(&fake, &mut w, &batch, &plan);
    let told = errors.iter().map(|e| matches!(e, WarehouseError::Retry { alert: true, .. }));
    assert_eq!(told.collect::<Vec<_>>(), [false, false, false, true, true]);
    let uploads = fake.heard().iter().filter(|call| call.contains("/upload/")).count();
    assert_eq!((uploads, w.counters().staged, fake.rows("predictions")), (1, 1, 160));
}
#[test]
fn a_hundred_batches_at_once_keep_to_the_tables_rate() {
    let fake = Fake::start();
    fake.with(|service| service.takes_ms = 0);
    let mut w = claimed(&fake, fake.config());
    for n in 0..100 {
        let (batch, plan) = batch(slate(n..n + 1, 1, 2450));
        w.write(&batch, &plan, NOW).unwrap();
    }
    assert_eq!(
        (w.counters().rate_limit_hits, fake.seen().effective_merges, fake.rows("predictions")),
        (0, 100, 2_000)
    );
}
