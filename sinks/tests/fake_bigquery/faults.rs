//! Tests of every crash point and every kind of failure, one at a time, against the in-process fake of BigQuery.
//!
//! Invariant: a batch is written exactly once: one merge changes rows, and the rows are those of a run without failures.
//! Not here: waiting (`waits`), failures that stop the sink (`stops`), combinations (`schedules`), failures of the log
//! (`tests/sink/commits.rs`).

use crate::conformance::{LOG, NOW, content, done, events::*, record};
use crate::driven::{Retried, acquired, batch, expected, slate, staged, write_with_retries};
use crate::fakebq;
use crate::fakebq::{Call, Fake, Fault, FaultResponse};
use schemas::Line;
use sinks::{
    Batch, BatchPlan, Progress, Record, RecordChange, Warehouse, WarehouseError, WriteSummary,
    bigquery::{BigQueryConfig, Clock},
};
use std::time::Duration;

/// Kills the instance at a call, lets another instance write the batch, and checks the result.
fn killed_at(call: Call, after: usize, is_done: bool, config: impl Fn(&Fake) -> BigQueryConfig) -> Fake {
    let fake = Fake::start();
    let mut w = acquired(&fake, config(&fake));
    let (batch, plan) = batch(slate(0..8, 1, 2450));
    fake.fail(call, after, Fault::Killed(is_done));
    assert!(matches!(w.write(&batch, &plan, NOW), Err(WarehouseError::Retry { .. })));
    drop(w);
    fake.revive();
    let mut w = acquired(&fake, config(&fake));
    let written = write_with_retries(&fake, &mut w, &batch, &plan).result;
    assert_eq!((written.records, written.applied), (8, 8));
    assert_eq!(content(&w), expected(slate(0..8, 1, 2450)));
    let statistics = fake.statistics();
    assert_eq!(
        (statistics.effective_merges, statistics.max_in_flight, fake.duplicate_keys(), statistics.mixed_ids),
        (1, 1, 0, 0)
    );
    fake
}

#[test]
fn c2_killed_before_the_job_is_created_the_same_id_is_sent() {
    let fake = killed_at(Call::Insert, 0, false, Fake::config);
    assert_eq!((fake.statistics().merges, fake.statistics().duplicates), (1, 0));
}
#[test]
fn c3_killed_while_the_job_runs_the_job_is_reused() {
    let fake = killed_at(Call::Insert, 0, true, Fake::config);
    assert_eq!((fake.statistics().merges, fake.statistics().duplicates), (1, 1));
}
#[test]
fn c4_a_job_that_is_done_and_whose_response_is_lost_is_reused() {
    let fake = Fake::start();
    fake.with(|service| service.takes_ms = 0);
    let mut w = acquired(&fake, fake.config());
    let (batch, plan) = batch(slate(0..8, 1, 2450));
    fake.fail(Call::Insert, 0, Fault::ResponseLost);
    let Retried { errors, pending, .. } = write_with_retries(&fake, &mut w, &batch, &plan);
    assert!(
        errors.is_empty() && pending.is_empty(),
        "the job was not looked up immediately: {errors:?} {pending:?}"
    );
    assert_eq!((fake.statistics().merges, w.counters().reused), (1, 1));
    assert_eq!(content(&w), expected(slate(0..8, 1, 2450)));
}
#[test]
fn c5_a_stored_batch_is_not_written_again_even_without_job_history() {
    let fake = Fake::start();
    let mut w = acquired(&fake, fake.config());
    let (batch, plan) = batch(slate(0..8, 1, 2450));
    let first = write_with_retries(&fake, &mut w, &batch, &plan).result;
    fake.clear_jobs();
    let mut w = acquired(&fake, fake.config());
    let again = write_with_retries(&fake, &mut w, &batch, &plan).result;
    assert_eq!(again, WriteSummary { already_committed: true, ..first });
    assert_eq!((fake.statistics().merges, fake.statistics().effective_merges), (2, 1));
}
#[test]
fn c6_a_batch_that_is_written_and_not_committed_is_recognized_by_its_id() {
    let fake = Fake::start();
    let mut w = acquired(&fake, fake.config());
    let (batch, plan) = batch(slate(0..8, 1, 2450));
    assert!(!done(w.is_committed(&plan.id)).unwrap());
    write_with_retries(&fake, &mut w, &batch, &plan);
    assert!(done(acquired(&fake, fake.config()).is_committed(&plan.id)).unwrap());
}
#[test]
fn c7_killed_between_load_and_merge_the_staged_rows_are_used() {
    // The first jobs.insert call uploads the rows; the second creates the merge job, and there the instance is killed.
    let fake = killed_at(Call::Insert, 1, false, staged);
    assert_eq!((fake.statistics().loads, fake.staged()), (1, 0));
}
#[test]
fn c8_a_load_whose_connection_breaks_is_sent_again() {
    let fake = killed_at(Call::Upload, 0, false, staged);
    assert_eq!(fake.statistics().loads, 1);
}
#[test]
fn c9_staged_rows_that_expired_before_the_merge_are_loaded_again() {
    let fake = Fake::start();
    let mut w = acquired(&fake, staged(&fake));
    let (batch, plan) = batch(slate(0..8, 1, 2450));
    fake.fail(Call::Insert, 1, Fault::RequestLost);
    assert!(w.write(&batch, &plan, NOW).is_err());
    fake.drop_staged();
    write_with_retries(&fake, &mut w, &batch, &plan);
    assert_eq!((fake.statistics().loads, fake.statistics().effective_merges), (2, 1));
    assert_eq!(content(&w), expected(slate(0..8, 1, 2450)));
}
/// Creates an orphaned staging table: kills its writer before the writer deletes the table.
fn orphan_staging_table(fake: &Fake) {
    let mut w = acquired(fake, staged(fake));
    let (first, plan) = batch(slate(0..8, 1, 2450));
    // The calls are upload, table lookup, lease, merge, job lookup, delete. The writer is killed at the merge, the second
    // jobs.insert call.
    fake.fail(Call::Insert, 1, Fault::Killed(true));
    assert!(w.write(&first, &plan, NOW).is_err());
    fake.revive();
}
#[test]
fn c10_an_orphaned_staging_table_is_deleted_after_six_hours() {
    let fake = Fake::start();
    orphan_staging_table(&fake);
    assert_eq!(fake.staged(), 1);
    for hours in [5, 2] {
        fake.clock.sleep(Duration::from_secs(hours * 3_600));
        acquired(&fake, fake.config());
        assert_eq!(fake.staged(), usize::from(hours == 5));
    }
}
#[test]
fn foreign_tables_and_views_are_never_deleted() {
    let fake = Fake::start();
    orphan_staging_table(&fake);
    let dataset = format!("{}_staging", fakebq::DATASET);
    let [own] = fake.tables(&dataset).try_into().unwrap();
    let (like_own, none) = (own.replace('1', "2"), serde_json::json!({}));
    let label = serde_json::json!({"fastbreak": "staging"});
    for (name, of, labels) in [
        ("stg_games", "TABLE", &label),
        (&format!("{own}0"), "TABLE", &label),
        (&like_own, "TABLE", &none),
        (&own.replace(['1', '2'], "3"), "VIEW", &label),
    ] {
        fake.create_table(&dataset, name, of, labels.clone());
    }
    fake.clock.sleep(Duration::from_secs(7 * 3_600));
    let w = acquired(&fake, fake.config());
    let left = fake.tables(&dataset);
    assert_eq!(
        (left.len(), left.contains(&own), w.counters().staging_tables_deleted),
        (4, false, 1),
        "{left:?}"
    );
}
#[test]
fn c11_an_interrupted_search_for_a_bad_row_resumes() {
    let fake = Fake::start();
    let mut w = acquired(&fake, fake.config());
    fake.with(|service| service.records.bad_rows.insert(200_011));
    let (mut batch, plan) = batch(slate(0..16, 1, 2450));
    // The merge is the first jobs.insert call; the fourth probe is the fifth jobs.insert call.
    fake.fail(Call::Insert, 4, Fault::Killed(true));
    assert!(matches!(w.write(&batch, &plan, NOW), Err(WarehouseError::Retry { .. })));
    fake.revive();
    let mut w = acquired(&fake, fake.config());
    let Err(WarehouseError::Rows(bad)) = w.write(&batch, &plan, NOW) else {
        panic!("the bad row was written")
    };
    assert_eq!(
        (bad.len(), bad[0].coordinates.offset, bad[0].reason.as_str()),
        (1, 12, "Bad double value: abc")
    );
    assert!(fake.statistics().duplicates >= 4, "the search did not reuse the jobs of its earlier probes");
    batch.reject(&[bad[0].coordinates]);
    let written = write_with_retries(&fake, &mut w, &batch, &plan).result;
    assert_eq!((written.records, written.applied, written.rejected), (16, 15, 1));
    assert_eq!((fake.rows("predictions"), fake.statistics().effective_merges), (15 * 20, 1));
}
#[test]
fn c13_c14_two_instances_share_the_writer_lease() {
    let fake = Fake::start();
    acquired(&fake, fake.config());
    std::thread::scope(|scope| {
        for half in 0..2u32 {
            let fake = &fake;
            scope.spawn(move || {
                let mut w = acquired(fake, fake.config());
                for round in 0..6 {
                    let players = half * 100..half * 100 + 10;
                    let (batch, plan) = batch(slate(players, 1_000 * (round + 1), 2450 + 50 * round as i32));
                    write_with_retries(fake, &mut w, &batch, &plan);
                }
            });
        }
    });
    let statistics = fake.statistics();
    assert_eq!((statistics.max_in_flight, statistics.too_many, fake.duplicate_keys()), (1, 0, 0));
    let mut all = slate(0..10, 6_000, 2700);
    all.extend(slate(100..110, 6_000, 2700));
    assert_eq!(content(&acquired(&fake, fake.config())), expected(all));
}
#[test]
fn c13_a_job_of_a_former_writer_is_reused_and_its_later_writes_change_nothing() {
    let fake = Fake::start();
    let mut old = acquired(&fake, fake.config());
    fake.with(|service| service.takes_ms = 90_000);
    let (first, first_plan) = batch(slate(0..8, 1, 2450));
    let progress = old.write(&first, &first_plan, NOW);
    assert!(matches!(progress, Ok(Progress::Pending(_))), "{progress:?}");
    // The new owner of the partitions finds the plan and continues after it.
    let mut new = acquired(&fake, fake.config());
    let written = write_with_retries(&fake, &mut new, &first, &first_plan).result;
    assert_eq!((written.applied, written.already_committed, new.counters().reused), (8, true, 1));
    let (second, second_plan) = batch(slate(0..8, 100, 2500));
    write_with_retries(&fake, &mut new, &second, &second_plan);
    let before = fake.statistics();
    // The old instance continues: its own batch is already stored, and the records of its next batch are older than the stored rows.
    write_with_retries(&fake, &mut old, &first, &first_plan);
    let (older, older_plan) = batch(slate(0..5, 1, 2450));
    let late = write_with_retries(&fake, &mut old, &older, &older_plan).result;
    assert_eq!((late.applied, late.stale), (0, 5));
    let statistics = fake.statistics();
    assert_eq!((statistics.max_in_flight, statistics.mixed_ids, fake.duplicate_keys()), (1, 0, 0));
    assert_eq!(statistics.affected - before.affected, 1, "a row other than the batch record changed");
    assert_eq!(content(&new), expected(slate(0..8, 100, 2500)));
}
#[test]
fn c14_two_writers_of_the_same_batch_write_it_once() {
    let fake = Fake::start();
    acquired(&fake, fake.config());
    let (batch, plan) = batch(slate(0..10, 1, 2450));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| write_with_retries(&fake, &mut acquired(&fake, fake.config()), &batch, &plan));
        }
    });
    assert_eq!(
        (fake.statistics().effective_merges, fake.duplicate_keys(), fake.rows("predictions")),
        (1, 0, 200)
    );
}
#[test]
fn c15_reprocessing_in_other_batches_changes_no_row() {
    let fake = Fake::start();
    let mut w = acquired(&fake, fake.config());
    let all = slate(0..30, 1, 2450);
    let (whole, plan) = batch(all.clone());
    write_with_retries(&fake, &mut w, &whole, &plan);
    let (before, affected) = (content(&w), fake.statistics().affected);
    // The log is read again from offset 0, and from a later log start offset.
    for part in all.chunks(7).chain(all[9..].chunks(7)) {
        let (batch, plan) = batch(part.to_vec());
        let written = write_with_retries(&fake, &mut w, &batch, &plan).result;
        assert_eq!((written.stale, written.rows), (part.len() as u64, 0));
    }
    assert_eq!(content(&w), before);
    assert_eq!(fake.statistics().affected - affected, 5 + 3, "a job changed more than its own batch record");
}
#[test]
fn c17_after_any_error_response_the_batch_is_written_once() {
    use FaultResponse::*;
    for response in [Unavailable, TooMany, RateLimited, Html, Nothing, Truncated] {
        for call in [Call::Insert, Call::Job, Call::Query, Call::Patch] {
            for is_done in [false, true] {
                if is_done && matches!(response, TooMany | RateLimited) {
                    continue;
                }
                let fake = Fake::start();
                let mut w = acquired(&fake, fake.config());
                let (batch, plan) = batch(slate(0..4, 1, 2450));
                for _ in 0..3 {
                    fake.fail(call, 0, Fault::Responds(response, is_done));
                }
                write_with_retries(&fake, &mut w, &batch, &plan);
                let statistics = fake.statistics();
                let what = format!("{response:?} {call:?} {is_done}");
                assert_eq!(
                    (statistics.effective_merges, statistics.max_in_flight, statistics.mixed_ids),
                    (1, 1, 0),
                    "{what}"
                );
                assert_eq!(fake.rows("predictions"), 80, "{what}");
            }
        }
    }
}
#[test]
fn c17_c20_a_done_job_with_an_error_is_not_a_success_and_its_id_is_not_used_again() {
    let fake = Fake::start();
    let mut w = acquired(&fake, fake.config());
    let failed =
        || Some(("jobBackendError", "The job encountered an internal error during execution.".to_owned()));
    fake.with(|service| service.outcomes.extend([failed(), failed()]));
    let (batch, plan) = batch(slate(0..4, 1, 2450));
    assert!(matches!(w.write(&batch, &plan, NOW), Err(WarehouseError::Retry { .. })));
    // Another instance finds the failed job and continues with the next attempts.
    let mut w = acquired(&fake, fake.config());
    write_with_retries(&fake, &mut w, &batch, &plan);
    let jobs = fake.with(|service| {
        service.jobs.keys().filter(|id| id.contains(plan.id.as_str())).cloned().collect::<Vec<_>>()
    });
    assert_eq!(jobs.iter().map(|id| id.rsplit('_').next().unwrap()).collect::<Vec<_>>(), ["m0", "m1", "m2"]);
    assert_eq!((fake.statistics().effective_merges, fake.rows("predictions")), (1, 80));
}

#[test]
fn a_batch_that_is_too_large_for_a_parameter_is_staged() {
    let fake = Fake::start();
    // Without a size limit of the sink, BigQuery rejects the request.
    let mut w = acquired(&fake, BigQueryConfig { inline_bytes: usize::MAX, ..fake.config() });
    let (large, plan) = batch(slate(0..5_000, 1, 2450));
    write_with_retries(&fake, &mut w, &large, &plan);
    assert_eq!((fake.statistics().loads, fake.statistics().effective_merges, fake.staged()), (1, 1, 0));
    assert_eq!((fake.rows("predictions"), w.counters().staged), (100_000, 1));
}
#[test]
fn a_job_that_exceeds_resources_is_staged_in_the_next_attempt() {
    let fake = Fake::start();
    let mut w = acquired(&fake, fake.config());
    let too_much = ("resourcesExceeded", "Resources exceeded during query execution".to_owned());
    fake.with(|service| service.outcomes.push_back(Some(too_much)));
    let (batch, plan) = batch(slate(0..8, 1, 2450));
    fake.fail(Call::Upload, 0, Fault::Killed(false));
    assert!(w.write(&batch, &plan, NOW).is_err());
    fake.revive();
    let mut w = acquired(&fake, fake.config());
    write_with_retries(&fake, &mut w, &batch, &plan);
    assert_eq!(
        (fake.statistics().loads, fake.statistics().effective_merges, fake.statistics().mixed_ids),
        (1, 1, 0)
    );
    assert_eq!(fake.rows("predictions"), 160);
}

/// Writes the predictions of 158 players, five systems and five lines, while DML limits apply, 57 % of the calls fail and workers are
/// killed. Under such conditions a sink with one insert per player lost 57 % of its rows.
#[test]
fn a_night_with_dml_limits_failing_calls_and_killed_workers_loses_no_row() {
    use schemas::prediction::{System, SystemOutcome};
    let night: Vec<Record> = (0..158)
        .map(|n| {
            let id = id(n, 61 + n % 11);
            let mut event = prediction(id, Line(1050 + 50 * (n as i32 % 40)));
            // With a model artifact, all five systems predict.
            let other = event.systems[0].outcome.clone();
            for prediction in &mut event.systems {
                if prediction.system == System::LearnedV1
                    && matches!(prediction.outcome, SystemOutcome::Skipped(_))
                {
                    prediction.outcome = other.clone();
                }
            }
            record(i64::from(n), RecordChange::Prediction(id, Some(event)))
        })
        .collect();
    let fake = Fake::start();
    fake.with(|service| service.takes_ms = 300);
    let batches: Vec<(Batch, BatchPlan)> = night.chunks(16).map(|part| batch(part.to_vec())).collect();
    // 57 % of the calls fail, in all these ways; some failures kill the worker.
    let failures = [
        Fault::Responds(FaultResponse::Unavailable, false),
        Fault::ResponseLost,
        Fault::Responds(FaultResponse::RateLimited, false),
        Fault::RequestLost,
        Fault::Responds(FaultResponse::Html, true),
        Fault::Killed(true),
        Fault::Responds(FaultResponse::Truncated, true),
        Fault::Killed(false),
    ];
    for n in 0..400usize {
        // One in four faults hits the next call, the others the call after the next, so four of seven calls (57 %) fail.
        fake.fail(Call::Any, usize::from(n % 4 != 0), failures[n % failures.len()].clone());
    }
    let (mut deaths, mut w) = (0, None);
    for (batch, plan) in &batches {
        loop {
            let worker = w.get_or_insert_with(|| fake.connect());
            let written = match worker.acquire(LOG) {
                Ok(Progress::Done(_)) => worker.write(batch, plan, NOW),
                Ok(Progress::Pending(what)) => Ok(Progress::Pending(what)),
                Err(error) => Err(error),
            };
            match written {
                Ok(Progress::Done(_)) => break,
                Ok(Progress::Pending(_)) => {}
                Err(WarehouseError::Retry { after, .. }) => fake.clock.sleep(after),
                Err(error) => panic!("{error}"),
            }
            if fake.is_dead() {
                deaths += 1;
                fake.revive();
                w = None;
            }
        }
    }
    fake.clear_faults();
    let statistics = fake.statistics();
    assert_eq!(
        (fake.rows("predictions"), fake.rows("predictions") / 25, fake.duplicate_keys()),
        (3_950, 158, 0)
    );
    assert_eq!((statistics.max_in_flight, statistics.too_many, statistics.mixed_ids), (1, 0, 0));
    assert_eq!(statistics.effective_merges, batches.len(), "a batch was not written exactly once");
    assert!(deaths > 5, "only {deaths} workers were killed, expected more than 5");
    assert_eq!(content(&fake.connect()), expected(night));
}
