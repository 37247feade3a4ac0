//! A log or a warehouse that is restored from an older copy, or removed: what `audit`, `doctor` and the next run do.
//!
//! Invariant: files are copied and restored only while no process has them open.
//! Not here: random histories of copies and crashes (`tests/sink/restored.rs`), damage (`damage`).
use crate::{
    common::{Fastbreak, copy_database, season, text},
    support::{fastbreak, run},
};
use serde_json::Value;

/// Checks that `audit` and `doctor` fail and name the state and what to do.
fn assert_named(data: &Fastbreak, state: &str, next: &str) {
    let audit = data.run(&["audit"]);
    let report: Value = serde_json::from_slice(&audit.stdout).unwrap();
    let problems = report["problems"].to_string();
    assert_eq!((audit.status.code(), &report["balanced"]), (Some(1), &false.into()), "{report:#}");
    assert!(problems.contains(state) && problems.contains(next), "{problems}");
    let (code, text) = run(fastbreak(data.folder.path(), &["doctor"]));
    assert_ne!(code, Some(0), "{text}");
    assert!(text.contains(state) && text.contains(next), "{text}");
}
fn quick_doctor(data: &Fastbreak) -> Option<i32> {
    run(fastbreak(data.folder.path(), &["doctor", "--quick"])).0
}

#[test]
fn after_a_log_is_restored_the_next_run_writes_what_a_fresh_folder_has() {
    let lines = season();
    let third = lines.len() / 3;
    let data = Fastbreak::straight(&lines[..third]);
    let backup = tempfile::tempdir().unwrap();
    copy_database("log.db", data.folder.path(), backup.path());
    data.ingest(&lines[third..2 * third]);
    data.catch_up();
    copy_database("log.db", backup.path(), data.folder.path());
    data.ingest(&lines[2 * third..]);
    assert_named(&data, "restored from an older copy", "`fastbreak run` begins a new epoch");
    assert_eq!(quick_doctor(&data), Some(0), "a run mends this");
    data.catch_up();
    let kept = [&lines[..third], &lines[2 * third..]].concat();
    assert_eq!(data.content(), Fastbreak::straight(&kept).content());
    assert_eq!(run(fastbreak(data.folder.path(), &["doctor"])).0, Some(0));
    data.ingest(&lines);
    data.catch_up();
    assert_eq!(data.content(), Fastbreak::straight(&lines).content());
}

#[test]
fn a_warehouse_that_is_removed_or_restored_is_named_and_written_again() {
    let lines = season();
    let data = Fastbreak::straight(&lines[..lines.len() / 2]);
    let (backup, nothing) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    copy_database("warehouse.db", data.folder.path(), backup.path());
    data.ingest(&lines);
    data.catch_up();
    let expected = data.content();
    for (from, state, next) in [
        (backup.path(), "restored from an older copy", "`fastbreak run` begins a new epoch"),
        (nothing.path(), "there is no warehouse", "`fastbreak run` creates the warehouse"),
    ] {
        copy_database("warehouse.db", from, data.folder.path());
        assert_named(&data, state, next);
        data.catch_up();
        assert_eq!(data.content(), expected, "{state}");
    }
}

#[test]
fn an_empty_copy_of_a_log_deletes_no_rows() {
    let data = Fastbreak::new();
    let empty = data.folder.path().join("empty.jsonl");
    std::fs::write(&empty, "").unwrap();
    data.json(&["ingest", text(&empty)]);
    data.catch_up();
    let (backup, full) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    copy_database("log.db", data.folder.path(), backup.path());
    data.ingest(&season());
    data.catch_up();
    let expected = data.content();
    copy_database("log.db", data.folder.path(), full.path());
    copy_database("log.db", backup.path(), data.folder.path());
    let (code, message) = run(fastbreak(data.folder.path(), &["run", "--until-caught-up"]));
    assert_eq!(code, Some(4), "{message}");
    assert!(message.contains("next: restore the log from a backup"), "{message}");
    assert_named(&data, "the log is empty", "restore the log from a backup");
    assert_eq!(quick_doctor(&data), Some(4));
    copy_database("log.db", full.path(), data.folder.path());
    data.catch_up();
    assert_eq!(data.content(), expected);
}
