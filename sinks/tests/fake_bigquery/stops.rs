//! Tests of failures that stop the sink, against the in-process fake of BigQuery: the error has a remediation, and the sink continues after
//! the cause is fixed.
//!
//! Invariant: an error that stops the sink states the next step, and a later attempt writes the batch exactly once.
//! Not here: failures that the sink waits out (`waits`) or recovers from (`faults`).

use crate::conformance::{LOG, NOW, content, done};
use crate::driven::{acquired, batch, expected, slate, staged, write_with_retries};
use crate::fakebq;
use crate::fakebq::{Call, Fake, Fault, FaultResponse};
use sinks::{Warehouse, WarehouseError, bigquery::BigQueryConfig};

#[test]
fn a_missing_table_other_than_the_staging_table_is_not_loaded_again() {
    for dataset in [format!("{}_staging", fakebq::DATASET), fakebq::DATASET.into()] {
        let fake = Fake::start();
        let mut w = acquired(&fake, staged(&fake));
        // Only the table of the writer lease still exists.
        fake.drop_dataset(&dataset);
        if dataset == fakebq::DATASET {
            fake.create_table(&dataset, "sink_writer", "TABLE", serde_json::json!({}));
        }
        let (batch, plan) = batch(slate(0..8, 1, 2450));
        let error = w.write(&batch, &plan, NOW).unwrap_err();
        assert!(
            matches!(&error, WarehouseError::Config { next, .. } if next.contains("fastbreak warehouse apply")),
            "{error}"
        );
        let uploads = fake.calls().iter().filter(|call| call.contains("/upload/")).count();
        assert_eq!((uploads, fake.statistics().merges), (1, 0), "{dataset}");
    }
}
#[test]
fn a_done_job_without_a_batch_record_stops_the_sink() {
    let fake = Fake::start();
    let mut w = acquired(&fake, fake.config());
    let (batch, plan) = batch(slate(0..4, 1, 2450));
    fake.with(|service| service.ignores_next_change = true);
    let error = w.write(&batch, &plan, NOW).unwrap_err();
    let message = format!("is done, but batch {} is not in sink_batches", plan.id);
    assert!(matches!(error, WarehouseError::Fatal { .. }) && error.to_string().contains(&message), "{error}");
    // After a restart the sink finds a job that changed nothing, and sends the next attempt.
    let mut w = acquired(&fake, fake.config());
    write_with_retries(&fake, &mut w, &batch, &plan);
    assert_eq!((fake.rows("predictions"), fake.statistics().effective_merges), (80, 1));
}
#[test]
fn c16_the_newer_of_two_rows_of_a_key_is_stored_and_counts_that_do_not_add_up_stop_the_sink() {
    let fake = Fake::start();
    let mut w = acquired(&fake, fake.config());
    // A window never creates such a batch with superseded records: it removes and counts them.
    let (mut batch, plan) = batch(slate(0..4, 10, 2450));
    batch.records.extend(slate(0..1, 20, 2500));
    batch.records.extend(slate(1..2, 5, 2600));
    let error = w.write(&batch, &plan, NOW).unwrap_err();
    assert!(matches!(error, WarehouseError::Fatal { .. }), "{error}");
    assert!(error.to_string().contains("do not add up: 6 records read, 4 applied"), "{error}");
    assert_eq!(w.counters().divergences, 1);
    let mut newest = slate(1..4, 10, 2450);
    newest.extend(slate(0..1, 20, 2500));
    assert_eq!(content(&w), expected(newest));
}
#[test]
fn c24_a_table_with_two_rows_of_a_key_stops_the_sink_with_the_query_to_find_them() {
    let fake = Fake::start();
    let mut w = acquired(&fake, fake.config());
    let (first, plan) = batch(slate(0..4, 1, 2450));
    write_with_retries(&fake, &mut w, &first, &plan);
    fake.with(|service| service.records.duplicate(1));
    let (second, plan) = batch(slate(0..4, 100, 2500));
    let error = w.write(&second, &plan, NOW).unwrap_err();
    assert!(
        matches!(error, WarehouseError::Fatal { .. }) && error.to_string().contains("HAVING COUNT(*) > 1"),
        "{error}"
    );
}
#[test]
fn an_unexpected_query_result_is_reported_with_its_reason_and_not_as_a_missing_object() {
    let fake = Fake::start();
    let mut w = acquired(&fake, fake.config());
    let (batch, plan) = batch(slate(0..4, 1, 2450));
    write_with_retries(&fake, &mut w, &batch, &plan);
    fake.with(|service| {
        let row = service.records.rows.iter_mut().find(|row| fakebq::text(row, "input") == "predictions");
        row.unwrap().insert("game_id".into(), "no-game".into());
    });
    let error = w.control_totals().unwrap_err();
    let WarehouseError::Fatal { what, next } = &error else { panic!("{error}") };
    assert!(what.contains("does not have the expected form: invalid game id"), "{what}");
    assert!(!what.contains("the job failed") && !what.contains("notFound"), "{what}");
    assert!(next.contains("fastbreak sink rebuild"), "{next}");
    assert_eq!(w.counters().errors, [("unexpected_result", 1)].into());
}
#[test]
fn too_many_bad_rows_are_a_schema_mismatch_and_stop_the_sink() {
    let fake = Fake::start();
    let mut w = acquired(&fake, fake.config());
    fake.with(|service| service.records.bad_rows.extend(200_000..200_020));
    let (batch, plan) = batch(slate(0..40, 1, 2450));
    let error = w.write(&batch, &plan, NOW).unwrap_err();
    assert!(
        matches!(error, WarehouseError::Config { .. }) && error.to_string().contains("schema mismatch"),
        "{error}"
    );
    assert_eq!(fake.rows("predictions"), 0);
}
#[test]
fn a_dataset_without_a_column_stops_the_sink_with_the_statement_to_run() {
    let fake = Fake::start();
    acquired(&fake, fake.config());
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
    assert_eq!(done(w.apply()).unwrap(), 1);
    assert!(w.plan().unwrap().is_empty());
    done(w.acquire(LOG)).unwrap();
}
#[test]
fn a_dataset_of_the_former_version_gets_the_new_columns_and_begins_a_rebuild() {
    let fake = Fake::start();
    let mut w = acquired(&fake, fake.config());
    let (batch, plan) = batch(slate(0..3, 1, 2450));
    done(w.write(&batch, &plan, NOW)).unwrap();
    let new = ["key_part", "voided", "voided_at", "void_reason"];
    fake.change_table(fakebq::DATASET, "sink_records", |table| {
        let is_former = |field: &serde_json::Value| !new.contains(&field["name"].as_str().unwrap());
        table["schema"]["fields"].as_array_mut().unwrap().retain(is_former);
    });
    let mut w = fake.connect();
    assert!(matches!(w.acquire(LOG), Err(WarehouseError::Config { .. })));
    assert_eq!(w.plan().unwrap().statements().count(), 1 + new.len());
    assert_eq!(done(w.apply()).unwrap(), 1 + new.len());
    assert!(w.plan().unwrap().is_empty());
    assert_eq!(done(w.acquire(LOG)).unwrap(), 2, "the sink writes all rows again in a new epoch");
    assert_eq!(fake.rows("predictions"), 3 * 20, "readers see the former rows until then");
}
#[test]
fn a_dataset_in_another_location_is_reported_with_the_setting() {
    let fake = Fake::start();
    fake.place_dataset(fakebq::DATASET, "EU");
    for error in [fake.connect().plan().err(), fake.connect().acquire(LOG).err()] {
        let error = error.unwrap();
        assert!(
            matches!(&error, WarehouseError::Config { next, .. } if next == "set bigquery-location to EU"),
            "{error}"
        );
        assert!(error.to_string().contains("predictions is in EU, but bigquery-location is US"), "{error}");
    }
    let fake = Fake::start();
    // The comparison of locations ignores case.
    fake.place_dataset(fakebq::DATASET, "us");
    fake.place_dataset(&format!("{}_staging", fakebq::DATASET), "EU");
    let error = fake.connect().plan().unwrap_err();
    assert!(error.to_string().contains("delete dataset predictions_staging"), "{error}");
}
#[test]
fn a_column_of_another_type_needs_the_operator() {
    for (column, reported, message) in [
        ("base_line", "STRING", Some("is STRING, but must be FLOAT64")),
        ("game_date", "STRING", Some("is STRING, but must be DATE")),
        ("quality_flags", "INTEGER", Some("is INTEGER, but must be JSON")),
        // An emulator may store JSON as text.
        ("quality_flags", "STRING", None),
    ] {
        let fake = Fake::start();
        acquired(&fake, fake.config());
        fake.change_table(fakebq::DATASET, "sink_records", |table| {
            let fields = table["schema"]["fields"].as_array_mut().unwrap();
            fields.iter_mut().find(|field| field["name"] == column).unwrap()["type"] = reported.into();
        });
        match message {
            Some(message) => {
                let error = fake.connect().apply().unwrap_err().to_string();
                let message = format!("column {column} of `fastbreak.predictions.sink_records` {message}");
                assert!(error.contains(&message), "{error}");
            }
            None => assert!(fake.connect().plan().unwrap().is_empty(), "{column}"),
        }
    }
}
#[test]
fn a_missing_permission_stops_the_sink_with_the_roles_to_grant() {
    let fake = Fake::start();
    let mut w = acquired(&fake, fake.config());
    fake.fail(Call::Insert, 0, Fault::Responds(FaultResponse::Denied, false));
    let (batch, plan) = batch(slate(0..4, 1, 2450));
    let error = w.write(&batch, &plan, NOW).unwrap_err();
    assert!(
        matches!(error, WarehouseError::Config { .. }) && error.to_string().contains("bigquery.dataEditor"),
        "{error}"
    );
}
#[test]
fn after_a_restart_a_failed_job_is_attempted_again_under_a_new_id() {
    let fake = Fake::start();
    let mut w = acquired(&fake, fake.config());
    let wrong = ("invalidQuery", "Unrecognized name: base_line at [3:1]".to_owned());
    fake.with(|service| service.outcomes.push_back(Some(wrong)));
    let (batch, plan) = batch(slate(0..8, 1, 2450));
    let error = w.write(&batch, &plan, NOW).unwrap_err();
    assert!(
        matches!(&error, WarehouseError::Config { next, .. } if next.contains("fastbreak warehouse apply")),
        "{error}"
    );
    let mut w = acquired(&fake, fake.config());
    write_with_retries(&fake, &mut w, &batch, &plan);
    assert_eq!((fake.rows("predictions"), fake.statistics().effective_merges), (160, 1));
}
#[test]
fn after_a_restart_a_job_that_failed_for_no_row_is_attempted_again() {
    let poison = ("invalidQuery", "Bad double value: abc".to_owned());
    let size = ("resourcesExceeded", "Query exceeded resource limits".to_owned());
    for (outcome, inline_bytes, message) in
        [(poison, usize::MAX, "each row can be read on its own"), (size, 0, "exceeded resource limits")]
    {
        let fake = Fake::start();
        let config = BigQueryConfig { inline_bytes, ..fake.config() };
        let mut w = acquired(&fake, config.clone());
        let (batch, plan) = batch(slate(0..8, 1, 2450));
        fake.with(|service| service.outcomes.extend([Some(outcome.clone()), Some(outcome)]));
        for _ in 0..2 {
            let error = w.write(&batch, &plan, NOW).unwrap_err();
            let is_size = matches!(error, WarehouseError::Size { .. });
            assert!(is_size == (inline_bytes == 0), "{error}");
            assert!(is_size || matches!(error, WarehouseError::Fatal { .. }), "{error}");
            assert!(error.to_string().contains(message), "{error}");
            w = acquired(&fake, config.clone());
        }
        write_with_retries(&fake, &mut w, &batch, &plan);
        let statistics = fake.statistics();
        assert_eq!((fake.rows("predictions"), statistics.merges, statistics.effective_merges), (160, 3, 1));
    }
}
