//! Failures that stop the sink: what is said, and that it goes on once somebody has put it right. Over BigQuery in process.
//!
//! Invariant: what stops the sink says what to do next, and leaves nothing of the batch behind that a later attempt would do twice.
//! Not here: what the sink waits out (`waits`) or finds its own way past (`faults`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#[allow(dead_code, unused_imports)]
mod conformance;
mod driven;
#[allow(dead_code)]
mod fakebq;

use conformance::{LOG, NOW, content};
use driven::{batch, claimed, expected, slate, staged, write_with_retries};
use fakebq::{Call, Fake, Fault, FaultAnswer};
use sinks::{Warehouse, WarehouseError, bigquery::BigQueryConfig};

#[test]
fn what_is_missing_and_was_not_loaded_is_no_reason_to_load_again() {
    for dataset in [format!("{}_staging", fakebq::DATASET), fakebq::DATASET.into()] {
        let fake = Fake::start();
        let mut w = claimed(&fake, staged(&fake));
        // Whose turn it is can still be asked.
        fake.drop_dataset(&dataset);
        if dataset == fakebq::DATASET {
            fake.make_table(&dataset, "sink_writer", "TABLE", serde_json::json!({}));
        }
        let (batch, plan) = batch(slate(0..8, 1, 2450));
        let error = w.write(&batch, &plan, NOW).unwrap_err();
        assert!(
            matches!(&error, WarehouseError::Config { next, .. } if next.contains("fastbreak warehouse apply")),
            "{error}"
        );
        let uploads = fake.heard().iter().filter(|call| call.contains("/upload/")).count();
        assert_eq!((uploads, fake.seen().merges), (1, 0), "{dataset}");
    }
}
#[test]
fn a_job_that_is_done_and_left_no_row_in_the_ledger_stops_the_sink() {
    let fake = Fake::start();
    let mut w = claimed(&fake, fake.config());
    let (batch, plan) = batch(slate(0..4, 1, 2450));
    fake.with(|service| service.is_lying = true);
    let error = w.write(&batch, &plan, NOW).unwrap_err();
    let message = format!("is done and batch {} is not in sink_batches", plan.id);
    assert!(matches!(error, WarehouseError::Fatal { .. }) && error.to_string().contains(&message), "{error}");
    // Whoever starts it again finds a job that changed nothing, and sends the next.
    let mut w = claimed(&fake, fake.config());
    write_with_retries(&fake, &mut w, &batch, &plan);
    assert_eq!((fake.rows("predictions"), fake.seen().effective_merges), (80, 1));
}
#[test]
fn c16_of_two_rows_of_a_key_in_one_batch_the_newer_stands_and_counts_that_do_not_add_up_stop_the_sink() {
    let fake = Fake::start();
    let mut w = claimed(&fake, fake.config());
    // No window makes such a batch: it folds them, and counts what it folded.
    let (mut batch, plan) = batch(slate(0..4, 10, 2450));
    batch.records.extend(slate(0..1, 20, 2500));
    batch.records.extend(slate(1..2, 5, 2600));
    let error = w.write(&batch, &plan, NOW).unwrap_err();
    assert!(matches!(error, WarehouseError::Fatal { .. }), "{error}");
    assert!(error.to_string().contains("does not add up: 6 records read, 4 applied"), "{error}");
    assert_eq!(w.counters().divergences, 1);
    let mut newest = slate(1..4, 10, 2450);
    newest.extend(slate(0..1, 20, 2500));
    assert_eq!(content(&w), expected(newest));
}
#[test]
fn c24_a_table_with_two_rows_of_a_key_stops_the_sink_with_the_query_to_find_them() {
    let fake = Fake::start();
    let mut w = claimed(&fake, fake.config());
    let (first, plan) = batch(slate(0..4, 1, 2450));
    write_with_retries(&fake, &mut w, &first, &plan);
    fake.with(|service| service.records.double(1));
    let (second, plan) = batch(slate(0..4, 100, 2500));
    let error = w.write(&second, &plan, NOW).unwrap_err();
    assert!(
        matches!(error, WarehouseError::Fatal { .. }) && error.to_string().contains("HAVING COUNT(*) > 1"),
        "{error}"
    );
}
#[test]
fn too_many_bad_rows_are_no_bad_rows_and_stop_the_sink() {
    let fake = Fake::start();
    let mut w = claimed(&fake, fake.config());
    fake.with(|service| service.records.bad_rows.extend(200_000..200_020));
    let (batch, plan) = batch(slate(0..40, 1, 2450));
    let error = w.write(&batch, &plan, NOW).unwrap_err();
    assert!(
        matches!(error, WarehouseError::Config { .. }) && error.to_string().contains("it is not the rows"),
        "{error}"
    );
    assert_eq!(fake.rows("predictions"), 0);
}
#[test]
fn a_dataset_that_lacks_a_column_stops_the_sink_with_the_statement_to_run() {
    let fake = Fake::start();
    claimed(&fake, fake.config());
    fake.change_table(fakebq::DATASET, "sink_records", |table| {
        table["schema"]["fields"].as_array_mut().unwrap().retain(|field| field["name"] != "base_line");
    });
    let mut w = fake.connect();
    let error = w.acquire(LOG).unwrap_err();
    assert!(matches!(error, WarehouseError::Config { .. }), "{error}");
    assert!(
        error.to_string().contains(
            "ALTER TABLE `fastbreak.predictions.sink_records` ADD COLUMN IF NOT EXISTS `base_line` FLOAT64"
        ),
        "{error}"
    );
    assert_eq!(w.plan().unwrap().statements().count(), 1);
    assert_eq!(w.apply().unwrap(), 1);
    assert!(w.plan().unwrap().is_empty());
    w.acquire(LOG).unwrap();
}
#[test]
fn a_dataset_in_another_location_is_named_with_the_setting() {
    let fake = Fake::start();
    fake.place_dataset(fakebq::DATASET, "EU");
    for error in [fake.connect().plan().err(), fake.connect().acquire(LOG).err()] {
        let error = error.unwrap();
        assert!(
            matches!(&error, WarehouseError::Config { next, .. } if next == "set bigquery-location to EU"),
            "{error}"
        );
        assert!(error.to_string().contains("predictions is in EU, and bigquery-location says US"), "{error}");
    }
    let fake = Fake::start();
    // As it is said, is no other.
    fake.place_dataset(fakebq::DATASET, "us");
    fake.place_dataset(&format!("{}_staging", fakebq::DATASET), "EU");
    let error = fake.connect().plan().unwrap_err();
    assert!(error.to_string().contains("delete dataset predictions_staging"), "{error}");
}
#[test]
fn a_column_of_another_type_is_the_operators() {
    let fake = Fake::start();
    claimed(&fake, fake.config());
    fake.change_table(fakebq::DATASET, "sink_records", |table| {
        let fields = table["schema"]["fields"].as_array_mut().unwrap();
        fields.iter_mut().find(|field| field["name"] == "base_line").unwrap()["type"] = "STRING".into();
    });
    let error = fake.connect().apply().unwrap_err().to_string();
    assert!(
        error.contains(
            "column base_line of `fastbreak.predictions.sink_records` is STRING, and should be FLOAT64"
        ),
        "{error}"
    );
}
#[test]
fn what_is_not_allowed_stops_the_sink_with_what_to_allow() {
    let fake = Fake::start();
    let mut w = claimed(&fake, fake.config());
    fake.fail(Call::Insert, 0, Fault::Answers(FaultAnswer::Denied, false));
    let (batch, plan) = batch(slate(0..4, 1, 2450));
    let error = w.write(&batch, &plan, NOW).unwrap_err();
    assert!(
        matches!(error, WarehouseError::Config { .. }) && error.to_string().contains("bigquery.dataEditor"),
        "{error}"
    );
}
#[test]
fn what_an_operator_has_put_right_is_tried_again_under_a_new_id() {
    let fake = Fake::start();
    let mut w = claimed(&fake, fake.config());
    let wrong = ("invalidQuery", "Unrecognized name: base_line at [3:1]".to_owned());
    fake.with(|service| service.outcomes.push_back(Some(wrong)));
    let (batch, plan) = batch(slate(0..8, 1, 2450));
    let error = w.write(&batch, &plan, NOW).unwrap_err();
    assert!(
        matches!(&error, WarehouseError::Config { next, .. } if next.contains("fastbreak warehouse apply")),
        "{error}"
    );
    let mut w = claimed(&fake, fake.config());
    write_with_retries(&fake, &mut w, &batch, &plan);
    assert_eq!((fake.rows("predictions"), fake.seen().effective_merges), (160, 1));
}
#[test]
fn a_job_that_failed_for_no_row_is_tried_again_once_somebody_started_the_sink_again() {
    let poison = ("invalidQuery", "Bad double value: abc".to_owned());
    let size = ("resourcesExceeded", "Query exceeded resource limits".to_owned());
    for (outcome, inline_bytes, message) in
        [(poison, usize::MAX, "every row alone can be read"), (size, 0, "exceeded resource limits")]
    {
        let fake = Fake::start();
        let config = BigQueryConfig { inline_bytes, ..fake.config() };
        let mut w = claimed(&fake, config.clone());
        let (batch, plan) = batch(slate(0..8, 1, 2450));
        fake.with(|service| service.outcomes.extend([Some(outcome.clone()), Some(outcome)]));
        for _ in 0..2 {
            let error = w.write(&batch, &plan, NOW).unwrap_err();
            let is_size = matches!(error, WarehouseError::Size { .. });
            assert!(is_size == (inline_bytes == 0), "{error}");
            assert!(is_size || matches!(error, WarehouseError::Fatal { .. }), "{error}");
            assert!(error.to_string().contains(message), "{error}");
            w = claimed(&fake, config.clone());
        }
        write_with_retries(&fake, &mut w, &batch, &plan);
        let seen = fake.seen();
        assert_eq!((fake.rows("predictions"), seen.merges, seen.effective_merges), (160, 3, 1));
    }
}
