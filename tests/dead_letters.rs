//! Dead letters on the embedded log, by the binary: listed, shown, put back, purged, and the accounts balance all the while.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod common;
use common::{Fastbreak, text};
use serde_json::{Value, json};

fn dirty(run: &Fastbreak) {
    let links = r#"{"links":[{"spelling":"Moe Wagner"},{"spelling":"Moe Wagner","player_id":1629021},{"spelling":7}]}"#;
    let event = |feed: &str, key: &str, payload: &str| {
        format!(r#"{{{feed},"key":"{key}","fetched_at":"2024-01-01T00:00:00Z","payload":{payload}}}"#)
    };
    let schedule = r#""source":"nbacom","feed":"schedule""#;
    let lines = [
        "not json".to_owned(),
        event(r#""source":"nbacom","feed":"standings""#, "x", "{}"),
        event(schedule, "x", r#"{"a":1}"#),
        event(schedule, "y", r#"{"a":2}"#),
        event(r#""source":"operator","feed":"identity-links""#, "z", links),
    ];
    let path = run.file("dirty.jsonl", &lines);
    assert_eq!(run.run(&["ingest", text(&path)]).status.code(), Some(1));
    run.catch_up();
}
fn count(run: &Fastbreak, processor: &str) -> (u64, i64) {
    let list = run.json(&["dlq", "list"]);
    let of = list.as_array().unwrap().iter().filter(|count| count["processor"] == processor);
    of.fold((0, 0), |(n, redrive_count), c| {
        (n + c["dead_letters"].as_u64().unwrap(), redrive_count.max(c["max_redrive_count"].as_i64().unwrap()))
    })
}
fn redriven(report: &Value) -> (u64, u64, u64) {
    let number = |key: &str| report[key].as_u64().unwrap();
    (number("dead_letters"), number("records"), number("still_rejected"))
}

#[test]
fn show_prints_origin_reason_and_value() {
    let run = Fastbreak::new();
    dirty(&run);
    let whole = run.json(&["dlq", "show", "schedule-loader", "--limit", "1"]);
    assert_eq!(whole.as_array().unwrap().len(), 1);
    let dead_letter = &whole[0];
    assert_eq!(
        (&dead_letter["code"], &dead_letter["origin"]),
        (&json!("bad_payload"), &json!("raw.schedules.v1"))
    );
    assert_eq!(dead_letter["value"]["feed"], "nbacom/schedule", "the record as it was read");
    assert!(dead_letter["value"]["payload"]["a"].is_number());
    let rows = run.json(&["dlq", "show", "roster-loader", "--code", "bad_row"]);
    assert_eq!(rows[0]["key"], "z");
    assert_eq!(rows[1]["value"], json!({"spelling": 7}), "the row as it was");
    let line = run.json(&["dlq", "show", "ingest", "--code", "not_json"]);
    assert_eq!((&line[0]["value"], &line[0]["origin_offset"]), (&json!("not json\n"), &json!(1)));
    let unknown = run.run(&["dlq", "show", "oracle"]);
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("schedule-loader"));
}

#[test]
fn a_dry_run_changes_nothing_and_a_redrive_is_not_repeated() {
    let run = Fastbreak::new();
    dirty(&run);
    let dry = run.json(&["dlq", "redrive", "schedule-loader", "--dry-run"]);
    assert_eq!(
        (dry["dead_letters"].as_u64(), dry["reasons"][0]["dead_letters"].as_u64()),
        (Some(2), Some(2))
    );
    assert_eq!(redriven(&run.json(&["dlq", "redrive", "schedule-loader"])), (2, 2, 0));
    assert_eq!(redriven(&run.json(&["dlq", "redrive", "schedule-loader"])), (0, 0, 0));
    run.catch_up();
    assert_eq!(count(&run, "schedule-loader"), (4, 1), "rejected again, by the same loader");
    assert_eq!(
        redriven(&run.json(&["dlq", "redrive", "roster-loader"])),
        (2, 1, 0),
        "two rows of one record"
    );
    run.catch_up();
    assert_eq!(count(&run, "roster-loader"), (4, 1));
    assert_eq!(run.json(&["audit"])["balanced"], true);
}

#[test]
fn three_redrives_are_the_limit_without_force() {
    let run = Fastbreak::new();
    dirty(&run);
    for times in 1..=3 {
        assert_eq!(redriven(&run.json(&["dlq", "redrive", "schedule-loader"])).0, 2, "{times}");
        assert_eq!(redriven(&run.json(&["dlq", "redrive", "ingest"])), (2, 0, 2), "{times}");
        run.catch_up();
    }
    for processor in ["schedule-loader", "ingest"] {
        let refused = run.run(&["dlq", "redrive", processor]);
        assert_eq!(refused.status.code(), Some(4));
        let report: Value = serde_json::from_slice(&refused.stdout).unwrap();
        assert_eq!(
            (report["redrive_limit_reached"].as_u64(), report["already_redriven"].as_u64()),
            (Some(2), Some(6)),
            "{processor}"
        );
    }
    assert_eq!(redriven(&run.json(&["dlq", "redrive", "schedule-loader", "--force"])), (2, 2, 0));
    run.catch_up();
    assert_eq!(count(&run, "schedule-loader"), (10, 4));
    assert_eq!(run.json(&["audit"])["balanced"], true);
}

#[test]
fn a_purge_previews_and_record_accounting_balances_after_it() {
    let run = Fastbreak::new();
    dirty(&run);
    let asked = run.run(&["dlq", "purge", "schedule-loader"]);
    assert_eq!(asked.status.code(), Some(4));
    assert_eq!(count(&run, "schedule-loader").0, 2, "nothing is gone yet");
    assert_eq!(run.json(&["dlq", "purge", "schedule-loader", "--yes"])["dead_letters"], 2);
    assert_eq!(count(&run, "schedule-loader").0, 0);
    assert_eq!(count(&run, "ingest").0, 2, "nobody else's");
    assert_eq!(run.json(&["audit"])["balanced"], true);
    dirty(&run);
    assert_eq!(count(&run, "ingest").0, 4, "offsets go on");
}

#[test]
fn table_rows_are_not_redriven_and_a_processor_stops_at_its_dlq_limits() {
    let run = Fastbreak::new();
    let bad = |n: usize| {
        format!(
            r#"{{"source":"nbacom","feed":"schedule","key":"k","fetched_at":"2024-01-01T00:00:00Z","payload":{{"a":{n}}}}}"#
        )
    };
    run.ingest(&(0..150).map(bad).collect::<Vec<_>>());
    let stopped = run.run(&["run", "--until-caught-up"]);
    assert_eq!(stopped.status.code(), Some(4));
    let message = String::from_utf8_lossy(&stopped.stderr).into_owned();
    assert!(
        message.contains("schedule-loader stops") && message.contains("dead-letter-max-consecutive"),
        "{message}"
    );
    assert_eq!(count(&run, "schedule-loader").0, 0, "nothing of the batch is committed");
    let mut allowed = run.command(&["run", "--until-caught-up"]);
    allowed.env("FASTBREAK_DEAD_LETTER_MAX_CONSECUTIVE", "0").env("FASTBREAK_DEAD_LETTER_MAX_RATIO", "1");
    assert!(allowed.output().unwrap().status.success());
    assert_eq!(count(&run, "schedule-loader").0, 150);
    assert_eq!(run.json(&["audit"])["balanced"], true);
}
