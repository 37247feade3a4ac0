//! Retracts raw events with the binary, and undoes it: what is appended, what is refused, and what shows it.
//!
//! Invariant: record accounting balances after each step.
//! Not here: what a retraction changes in the tables (`laws`, crate `processors`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod common;
use common::{Fastbreak, season};
use fastbreak::ingest;
use schemas::{RawId, raw::RawEvent};
use serde_json::{Value, json};

fn schedule(key: &str) -> String {
    format!(
        r#"{{"source":"nbacom","feed":"schedule","key":"{key}","fetched_at":"2024-01-01T00:00:00Z","payload":{{}}}}"#
    )
}
fn links(key: &str) -> String {
    let payload = r#"{"links":[{"spelling":"Moe Wagner","player_id":1629021},{"spelling":7}]}"#;
    format!(
        r#"{{"source":"operator","feed":"identity-links","key":"{key}","fetched_at":"2024-01-01T00:00:00Z","payload":{payload}}}"#
    )
}
fn event(line: &str) -> RawEvent {
    ingest::parse(line).unwrap()
}
/// Runs `retract`; returns its exit code and its report, which is null if the command failed.
fn retract(run: &Fastbreak, id: RawId, flags: &[&str]) -> (Option<i32>, Value) {
    let id = id.to_string();
    let output = run.run(&[&["retract", &id, "--reason", "wrong season"], flags].concat());
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default())
}
fn status(report: &Value) -> &str {
    report["events"][0]["status"].as_str().unwrap()
}
/// Returns the numbers of dead letters and of dismissed dead letters of a processor.
fn dead_letters(run: &Fastbreak, processor: &str) -> (u64, u64) {
    let list = run.json(&["dlq", "list"]);
    let counts = list.as_array().unwrap().iter().filter(|count| count["processor"] == processor);
    counts.fold((0, 0), |(all, dismissed), count| {
        (all + count["dead_letters"].as_u64().unwrap(), dismissed + count["dismissed"].as_u64().unwrap())
    })
}

#[test]
fn a_retraction_needs_confirmation_is_shown_by_audit_and_can_be_undone_and_repeated() {
    let run = Fastbreak::new();
    run.ingest(&[links("a"), links("b")]);
    run.catch_up();
    let id = event(&links("a")).id;
    let (code, report) = retract(&run, id, &[]);
    assert_eq!((code, status(&report)), (Some(4), "would_be_retracted"));
    let shown = &report["events"][0];
    assert_eq!((&shown["feed"], &shown["key"]), (&json!("operator/identity-links"), &json!("a")));
    assert!(shown["observations"].as_u64() > Some(0) && shown["rows"] == 1, "{shown}");
    assert_eq!(run.json(&["audit"])["retracted"], json!([]), "the preview appended a retraction");

    let (code, report) = retract(&run, id, &["--yes"]);
    assert_eq!((code, status(&report)), (Some(0), "retracted"));
    let at = report["events"][0]["at"].clone();
    let repeated = retract(&run, id, &["--yes"]);
    assert_eq!(
        (repeated.0, status(&repeated.1), &repeated.1["events"][0]["at"]),
        (Some(0), "already_retracted", &at)
    );
    run.catch_up();
    run.content();
    let retracted = &run.json(&["audit"])["retracted"];
    assert_eq!(retracted.as_array().unwrap().len(), 1);
    assert_eq!((&retracted[0]["raw"], &retracted[0]["retracted_at"]), (&json!(id.to_string()), &at));
    assert_eq!(retracted[0]["reason"], "wrong season");

    assert_eq!(status(&retract(&run, id, &["--undo", "--yes"]).1), "restored");
    assert_eq!(status(&retract(&run, id, &["--undo", "--yes"]).1), "already_restored");
    run.catch_up();
    run.content();
    assert_eq!(run.json(&["audit"])["retracted"], json!([]));
    assert_eq!(
        status(&retract(&run, id, &["--yes"]).1),
        "retracted",
        "a retraction that was undone can be repeated"
    );
}

#[test]
fn the_dead_letters_of_a_retracted_event_are_dismissed_until_the_retraction_is_undone() {
    let run = Fastbreak::new();
    run.ingest(&[schedule("a"), schedule("b"), links("c")]);
    run.catch_up();
    for line in [schedule("a"), links("c")] {
        assert_eq!(retract(&run, event(&line).id, &["--yes"]).0, Some(0));
    }
    run.catch_up();
    run.content();
    assert_eq!(
        dead_letters(&run, "schedule-loader"),
        (2, 1),
        "a retraction must have no dead letter of its own"
    );
    assert_eq!(dead_letters(&run, "roster-loader"), (1, 1));
    let shown = run.json(&["dlq", "show", "schedule-loader"]);
    let retracted: Vec<_> = shown.as_array().unwrap().iter().filter(|l| !l["retraction"].is_null()).collect();
    assert_eq!(retracted.len(), 1);
    assert_eq!(retracted[0]["raw"], event(&schedule("a")).id.to_string());
    assert_eq!(retract(&run, event(&schedule("a")).id, &["--undo", "--yes"]).0, Some(0));
    run.catch_up();
    run.content();
    assert_eq!(dead_letters(&run, "schedule-loader"), (2, 0));
}

#[test]
fn what_cannot_be_retracted_is_refused_and_nothing_is_appended() {
    let run = Fastbreak::new();
    run.ingest(&[links("a"), links("b")]);
    let (a, b) = (event(&links("a")), event(&links("b")));
    let unknown = RawId(7);
    assert_eq!(retract(&run, unknown, &["--yes"]).0, Some(4));
    assert_eq!(retract(&run, a.id, &["--undo", "--yes"]).0, Some(4), "it was never retracted");
    assert_eq!(retract(&run, b.id, &[&unknown.to_string(), "--yes"]).0, Some(4));
    assert_eq!(run.run(&["retract", "no-id", "--reason", "x"]).status.code(), Some(2));
    assert_eq!(run.run(&["retract", &b.id.to_string()]).status.code(), Some(2), "the reason is required");
    assert_eq!(run.run(&["retract", &b.id.to_string(), "--reason", " ", "--yes"]).status.code(), Some(4));
    run.catch_up();
    assert_eq!(run.json(&["audit"])["retracted"], json!([]));

    let (_, report) = retract(&run, a.id, &["--yes"]);
    let at = report["events"][0]["at"].as_str().unwrap().parse().unwrap();
    let retraction = a.retracted(at, false, String::new()).id;
    let refused = run.run(&["retract", &retraction.to_string(), "--reason", "x", "--yes"]);
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(4));
    assert!(message.contains(&a.id.to_string()) && message.contains("--undo"), "{message}");
}

#[test]
fn an_event_with_several_outcomes_is_retracted_with_the_best_one() {
    let run = Fastbreak::new();
    let with =
        |outcome: &str| links("a").replace(r#""payload""#, &format!(r#""outcome":"{outcome}","payload""#));
    run.ingest(&[with("failed"), with("complete")]);
    let (_, report) = retract(&run, event(&links("a")).id, &["--yes"]);
    assert_eq!(report["events"][0]["outcome"], "complete");
    assert_eq!(report["events"].as_array().unwrap().len(), 1);
    run.catch_up();
    run.content();
}

#[test]
fn an_event_that_was_appended_with_a_better_outcome_after_its_retraction_can_be_retracted_again() {
    let run = Fastbreak::new();
    let id = event(&links("a")).id;
    run.ingest(&[links("a").replace(r#""payload""#, r#""outcome":"failed","payload""#)]);
    assert_eq!(status(&retract(&run, id, &["--yes"]).1), "retracted");
    run.ingest(&[links("a")]);
    for expected in ["retracted", "already_retracted"] {
        assert_eq!(status(&retract(&run, id, &["--yes"]).1), expected);
    }
}

#[test]
fn explain_marks_the_events_that_are_retracted() {
    let run = Fastbreak::straight(&season());
    let db = rusqlite::Connection::open(run.folder.path().join("warehouse.db")).unwrap();
    let newest = "SELECT player_id, game_date FROM player_slate ORDER BY game_date DESC, player_id LIMIT 1";
    let (player, date): (i64, String) =
        db.query_row(newest, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let explain = || run.json(&["explain", &player.to_string(), &date])["events"].as_array().unwrap().clone();
    let before = explain();
    assert!(before.iter().all(|event| event["retracted_at"].is_null()));
    let fixture = before.iter().find(|event| event["facts"].as_str().unwrap().contains("fixture")).unwrap();
    let id: RawId = fixture["raw"].as_str().unwrap().parse().unwrap();
    assert_eq!(retract(&run, id, &["--yes"]).0, Some(0));
    run.catch_up();
    let marked: Vec<Value> = explain().into_iter().filter(|event| !event["retracted_at"].is_null()).collect();
    assert_eq!(marked.len(), 1);
    assert_eq!(
        (&marked[0]["raw"], &marked[0]["retraction_reason"]),
        (&fixture["raw"], &json!("wrong season"))
    );
}
