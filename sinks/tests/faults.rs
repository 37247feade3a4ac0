//! Every crash point and every kind of failure, one at a time, over BigQuery in process.
//!
//! Invariant: whatever happens, a batch is written once: one effective merge, and rows that equal an undisturbed run's.
//! Not here: waiting (`waits`), what stops the sink (`stops`), combinations (`schedules`); a dead-letter topic or a plan that cannot be stored, which stop the sink's
//! loop before a call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#[allow(dead_code, unused_imports)]
mod conformance;
mod driven;
#[allow(dead_code)]
mod fakebq;

use conformance::{LOG, NOW, content, events::*, record};
use driven::{batch, claimed, expected, slate, staged, write_with_retries};
use fakebq::{Call, Fake, Fault, FaultAnswer};
use schemas::Line;
use sinks::{
    Batch, BatchPlan, Record, RecordChange, Warehouse, WarehouseError, WriteSummary,
    bigquery::{BigQueryConfig, Clock},
};
use std::time::Duration;

/// Kills the instance at a call, starts another, and looks at what is there.
fn killed_at(call: Call, after: usize, is_done: bool, config: impl Fn(&Fake) -> BigQueryConfig) -> Fake {
    let fake = Fake::start();
    let mut w = claimed(&fake, config(&fake));
    let (batch, plan) = batch(slate(0..8, 1, 2450));
    fake.fail(call, after, Fault::Killed(is_done));
    assert!(matches!(w.write(&batch, &plan, NOW), Err(WarehouseError::Retry { .. })));
    drop(w);
    fake.revive();
    let mut w = claimed(&fake, config(&fake));
    let (written, _) = write_with_retries(&fake, &mut w, &batch, &plan);
    assert_eq!((written.records, written.applied), (8, 8));
    assert_eq!(content(&w), expected(slate(0..8, 1, 2450)));
    let seen = fake.seen();
    assert_eq!((seen.effective_merges, seen.most_in_flight, fake.doubled(), seen.mixed_ids), (1, 1, 0, 0));
    fake
}

#[test]
fn c2_killed_before_the_job_was_created_the_same_id_is_sent() {
    let fake = killed_at(Call::Insert, 0, false, Fake::config);
    assert_eq!((fake.seen().merges, fake.seen().duplicates), (1, 0));
}
#[test]
fn c3_killed_while_the_job_runs_it_is_adopted() {
    let fake = killed_at(Call::Insert, 0, true, Fake::config);
    assert_eq!((fake.seen().merges, fake.seen().duplicates), (1, 1));
}
#[test]
fn c4_a_job_that_is_done_and_whose_answer_is_lost_is_adopted() {
    let fake = Fake::start();
    fake.with(|service| service.takes_ms = 0);
    let mut w = claimed(&fake, fake.config());
    let (batch, plan) = batch(slate(0..8, 1, 2450));
    fake.fail(Call::Insert, 0, Fault::Unanswered);
    let (_, errors) = write_with_retries(&fake, &mut w, &batch, &plan);
    assert!(errors.is_empty(), "it is looked up at once: {errors:?}");
    assert_eq!((fake.seen().merges, w.counters().reused), (1, 1));
    assert_eq!(content(&w), expected(slate(0..8, 1, 2450)));
}
#[test]
fn c5_a_batch_that_is_there_is_not_written_again_even_without_a_history_of_jobs() {
    let fake = Fake::start();
    let mut w = claimed(&fake, fake.config());
    let (batch, plan) = batch(slate(0..8, 1, 2450));
    let first = write_with_retries(&fake, &mut w, &batch, &plan).0;
    fake.forget_jobs();
    let mut w = claimed(&fake, fake.config());
    let again = write_with_retries(&fake, &mut w, &batch, &plan).0;
    assert_eq!(again, WriteSummary { already_committed: true, ..first });
    assert_eq!((fake.seen().merges, fake.seen().effective_merges), (2, 1));
}
#[test]
fn c6_a_batch_that_is_written_and_not_committed_is_known_by_its_id() {
    let fake = Fake::start();
    let mut w = claimed(&fake, fake.config());
    let (batch, plan) = batch(slate(0..8, 1, 2450));
    assert!(!w.is_committed(&plan.id).unwrap());
    write_with_retries(&fake, &mut w, &batch, &plan);
    assert!(claimed(&fake, fake.config()).is_committed(&plan.id).unwrap());
}
#[test]
fn c7_killed_between_load_and_merge_the_loaded_rows_are_used() {
    // The upload is the first insert, the merge the second.
    let fake = killed_at(Call::Insert, 1, false, staged);
    assert_eq!((fake.seen().loads, fake.staged()), (1, 0));
}
#[test]
fn c8_a_load_that_is_cut_off_leaves_nothing_and_is_sent_again() {
    let fake = killed_at(Call::Upload, 0, false, staged);
    assert_eq!(fake.seen().loads, 1);
}
#[test]
fn c9_loaded_rows_that_expired_before_the_merge_are_loaded_again() {
    let fake = Fake::start();
    let mut w = claimed(&fake, staged(&fake));
    let (batch, plan) = batch(slate(0..8, 1, 2450));
    fake.fail(Call::Insert, 1, Fault::Lost);
    assert!(w.write(&batch, &plan, NOW).is_err());
    fake.drop_staged();
    write_with_retries(&fake, &mut w, &batch, &plan);
    assert_eq!((fake.seen().loads, fake.seen().effective_merges), (2, 1));
    assert_eq!(content(&w), expected(slate(0..8, 1, 2450)));
}
/// A batch's loaded rows, left behind by a writer that was killed before it took them away.
fn left_behind(fake: &Fake) {
    let mut w = claimed(fake, staged(fake));
    let (first, plan) = batch(slate(0..8, 1, 2450));
    // Upload, look at the table, turn, merge, job, delete: the delete is lost.
    fake.fail(Call::Insert, 1, Fault::Killed(true));
    assert!(w.write(&first, &plan, NOW).is_err());
    fake.revive();
}
#[test]
fn c10_loaded_rows_left_behind_are_swept_after_six_hours() {
    let fake = Fake::start();
    left_behind(&fake);
    assert_eq!(fake.staged(), 1);
    for hours in [5, 2] {
        fake.clock.sleep(Duration::from_secs(hours * 3_600));
        claimed(&fake, fake.config());
        assert_eq!(fake.staged(), usize::from(hours == 5));
    }
}
#[test]
fn tables_and_views_of_others_are_never_swept() {
    let fake = Fake::start();
    left_behind(&fake);
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
        fake.make_table(&dataset, name, of, labels.clone());
    }
    fake.clock.sleep(Duration::from_secs(7 * 3_600));
    let w = claimed(&fake, fake.config());
    let left = fake.tables(&dataset);
    assert_eq!(
        (left.len(), left.contains(&own), w.counters().staging_tables_deleted),
        (4, false, 1),
        "{left:?}"
    );
}
#[test]
fn c11_a_search_for_a_bad_row_goes_on_where_it_was() {
    let fake = Fake::start();
    let mut w = claimed(&fake, fake.config());
    fake.with(|service| service.records.bad_rows.insert(200_011));
    let (mut batch, plan) = batch(slate(0..16, 1, 2450));
    // The merge is the first insert, the fourth probe the fifth.
    fake.fail(Call::Insert, 4, Fault::Killed(true));
    assert!(matches!(w.write(&batch, &plan, NOW), Err(WarehouseError::Retry { .. })));
    fake.revive();
    let mut w = claimed(&fake, fake.config());
    let Err(WarehouseError::Rows(bad)) = w.write(&batch, &plan, NOW) else {
        panic!("the bad row was written")
    };
    assert_eq!((bad.len(), bad[0].at.offset, bad[0].reason.as_str()), (1, 12, "Bad double value: abc"));
    assert!(fake.seen().duplicates >= 4, "what was asked before is not run again");
    batch.reject(&[bad[0].at]);
    let (written, _) = write_with_retries(&fake, &mut w, &batch, &plan);
    assert_eq!((written.records, written.applied, written.rejected), (16, 15, 1));
    assert_eq!((fake.rows("predictions"), fake.seen().effective_merges), (15 * 20, 1));
}
#[test]
fn c13_c14_two_instances_take_turns() {
    let fake = Fake::start();
    claimed(&fake, fake.config());
    std::thread::scope(|scope| {
        for half in 0..2u32 {
            let fake = &fake;
            scope.spawn(move || {
                let mut w = claimed(fake, fake.config());
                for round in 0..6 {
                    let players = half * 100..half * 100 + 10;
                    let (batch, plan) = batch(slate(players, 1_000 * (round + 1), 2450 + 50 * round as i32));
                    write_with_retries(fake, &mut w, &batch, &plan);
                }
            });
        }
    });
    let seen = fake.seen();
    assert_eq!((seen.most_in_flight, seen.too_many, fake.doubled()), (1, 0, 0));
    let mut all = slate(0..10, 6_000, 2700);
    all.extend(slate(100..110, 6_000, 2700));
    assert_eq!(content(&claimed(&fake, fake.config())), expected(all));
}
#[test]
fn c13_a_job_that_outlives_its_writers_turn_is_adopted_and_what_the_old_writer_sends_later_changes_nothing() {
    let fake = Fake::start();
    let mut old = claimed(&fake, fake.config());
    fake.with(|service| service.takes_ms = 90_000);
    let (first, first_plan) = batch(slate(0..8, 1, 2450));
    assert!(old.write(&first, &first_plan, NOW).unwrap_err().is_pending(), "it is in flight");
    // Whoever has the partitions now finds the plan, and goes on after it.
    let mut new = claimed(&fake, fake.config());
    let (written, _) = write_with_retries(&fake, &mut new, &first, &first_plan);
    assert_eq!((written.applied, written.already_committed, new.counters().reused), (8, true, 1));
    let (second, second_plan) = batch(slate(0..8, 100, 2500));
    write_with_retries(&fake, &mut new, &second, &second_plan);
    let before = fake.seen();
    // The old one wakes: its own batch is there, and another cut of it is older than what stands.
    write_with_retries(&fake, &mut old, &first, &first_plan);
    let (cut, cut_plan) = batch(slate(0..5, 1, 2450));
    let (late, _) = write_with_retries(&fake, &mut old, &cut, &cut_plan);
    assert_eq!((late.applied, late.stale), (0, 5));
    let seen = fake.seen();
    assert_eq!((seen.most_in_flight, seen.mixed_ids, fake.doubled()), (1, 0, 0));
    assert_eq!(seen.affected - before.affected, 1, "a row of the ledger");
    assert_eq!(content(&new), expected(slate(0..8, 100, 2500)));
}
#[test]
fn c14_two_writers_of_the_same_batch_write_it_once() {
    let fake = Fake::start();
    claimed(&fake, fake.config());
    let (batch, plan) = batch(slate(0..10, 1, 2450));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| write_with_retries(&fake, &mut claimed(&fake, fake.config()), &batch, &plan));
        }
    });
    assert_eq!((fake.seen().effective_merges, fake.doubled(), fake.rows("predictions")), (1, 0, 200));
}
#[test]
fn c15_a_replay_in_other_batches_changes_no_row() {
    let fake = Fake::start();
    let mut w = claimed(&fake, fake.config());
    let all = slate(0..30, 1, 2450);
    let (whole, plan) = batch(all.clone());
    write_with_retries(&fake, &mut w, &whole, &plan);
    let (before, affected) = (content(&w), fake.seen().affected);
    // From the start, and from where retention has cut it.
    for part in all.chunks(7).chain(all[9..].chunks(7)) {
        let (batch, plan) = batch(part.to_vec());
        let (written, _) = write_with_retries(&fake, &mut w, &batch, &plan);
        assert_eq!((written.stale, written.rows), (part.len() as u64, 0));
    }
    assert_eq!(content(&w), before);
    assert_eq!(
        fake.seen().affected - affected,
        5 + 3,
        "each job changed its own batch record and nothing else"
    );
}
#[test]
fn c17_whatever_is_said_instead_of_an_answer_the_batch_is_written_once() {
    use FaultAnswer::*;
    for answer in [Unavailable, TooMany, RateLimited, Html, Nothing, Truncated] {
        for call in [Call::Insert, Call::Job, Call::Query, Call::Patch] {
            for is_done in [false, true] {
                if is_done && matches!(answer, TooMany | RateLimited) {
                    continue;
                }
                let fake = Fake::start();
                let mut w = claimed(&fake, fake.config());
                let (batch, plan) = batch(slate(0..4, 1, 2450));
                for _ in 0..3 {
                    fake.fail(call, 0, Fault::Answers(answer, is_done));
                }
                write_with_retries(&fake, &mut w, &batch, &plan);
                let seen = fake.seen();
                let what = format!("{answer:?} {call:?} {is_done}");
                assert_eq!((seen.effective_merges, seen.most_in_flight, seen.mixed_ids), (1, 1, 0), "{what}");
                assert_eq!(fake.rows("predictions"), 80, "{what}");
            }
        }
    }
}
#[test]
fn c17_c20_a_job_that_is_done_and_failed_is_no_success_and_its_id_is_not_used_again() {
    let fake = Fake::start();
    let mut w = claimed(&fake, fake.config());
    let failed =
        || Some(("jobBackendError", "The job encountered an internal error during execution.".to_owned()));
    fake.with(|service| service.outcomes.extend([failed(), failed()]));
    let (batch, plan) = batch(slate(0..4, 1, 2450));
    assert!(matches!(w.write(&batch, &plan, NOW), Err(WarehouseError::Retry { .. })));
    // Another instance finds the failed one, and walks up.
    let mut w = claimed(&fake, fake.config());
    write_with_retries(&fake, &mut w, &batch, &plan);
    let jobs = fake.with(|service| {
        service.jobs.keys().filter(|id| id.contains(plan.id.as_str())).cloned().collect::<Vec<_>>()
    });
    assert_eq!(jobs.iter().map(|id| id.rsplit('_').next().unwrap()).collect::<Vec<_>>(), ["m0", "m1", "m2"]);
    assert_eq!((fake.seen().effective_merges, fake.rows("predictions")), (1, 80));
}

#[test]
fn what_is_too_large_for_a_parameter_is_loaded_and_merged() {
    let fake = Fake::start();
    // No limit of its own: it is BigQuery that says so.
    let mut w = claimed(&fake, BigQueryConfig { inline_bytes: usize::MAX, ..fake.config() });
    let (large, plan) = batch(slate(0..5_000, 1, 2450));
    write_with_retries(&fake, &mut w, &large, &plan);
    assert_eq!((fake.seen().loads, fake.seen().effective_merges, fake.staged()), (1, 1, 0));
    assert_eq!((fake.rows("predictions"), w.counters().staged), (100_000, 1));
}
#[test]
fn a_job_that_is_too_much_for_a_parameter_is_sent_loaded_as_the_next_attempt() {
    let fake = Fake::start();
    let mut w = claimed(&fake, fake.config());
    let too_much = ("resourcesExceeded", "Resources exceeded during query execution".to_owned());
    fake.with(|service| service.outcomes.push_back(Some(too_much)));
    let (batch, plan) = batch(slate(0..8, 1, 2450));
    fake.fail(Call::Upload, 0, Fault::Killed(false));
    assert!(w.write(&batch, &plan, NOW).is_err());
    fake.revive();
    let mut w = claimed(&fake, fake.config());
    write_with_retries(&fake, &mut w, &batch, &plan);
    assert_eq!((fake.seen().loads, fake.seen().effective_merges, fake.seen().mixed_ids), (1, 1, 0));
    assert_eq!(fake.rows("predictions"), 160);
}

/// 158 players, five systems, five lines; limits on, most calls fail, workers are killed: what lost 57 % of a night.
#[test]
fn the_night_of_29_december() {
    use schemas::prediction::{System, SystemOutcome};
    let night: Vec<Record> = (0..158)
        .map(|n| {
            let id = id(n, 61 + n % 11);
            let mut event = prediction(id, Line(1050 + 50 * (n as i32 % 40)));
            // With an artifact, all five predict.
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
    // 57 of a hundred calls fail, in every way; some kill the worker.
    let ways = [
        Fault::Answers(FaultAnswer::Unavailable, false),
        Fault::Unanswered,
        Fault::Answers(FaultAnswer::RateLimited, false),
        Fault::Lost,
        Fault::Answers(FaultAnswer::Html, true),
        Fault::Killed(true),
        Fault::Answers(FaultAnswer::Truncated, true),
        Fault::Killed(false),
    ];
    for n in 0..400usize {
        // Every call fails, or every other one, in turns: 57 %.
        fake.fail(Call::Any, usize::from(n % 4 != 0), ways[n % ways.len()].clone());
    }
    let (mut deaths, mut w) = (0, None);
    for (batch, plan) in &batches {
        loop {
            let worker = w.get_or_insert_with(|| fake.connect());
            let done = worker.acquire(LOG).and_then(|_| worker.write(batch, plan, NOW));
            match done {
                Ok(_) => break,
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
    fake.forget_faults();
    let seen = fake.seen();
    assert_eq!((fake.rows("predictions"), fake.rows("predictions") / 25, fake.doubled()), (3_950, 158, 0));
    assert_eq!((seen.most_in_flight, seen.too_many, seen.mixed_ids), (1, 0, 0));
    assert_eq!(seen.effective_merges, batches.len(), "one write a batch");
    assert!(deaths > 5, "{deaths} workers were killed");
    assert_eq!(content(&fake.connect()), expected(night));
}
