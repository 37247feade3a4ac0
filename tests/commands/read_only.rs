//! Commands that only read: they create and change no file, and work in a folder that cannot be written.
//!
//! Invariant: the state of the folder after a command equals the state before it.
//! Not here: how a SQLite file is opened for reading (crate `read-only-sqlite`).
use crate::{
    common::{Fastbreak, has_member},
    support::{fastbreak, processed, run, state},
};
use std::{
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
};

const DATE: &str = "2024-01-10";

/// Commands that read the log, and change nothing.
const READ_LOG: [&[&str]; 17] = [
    &["audit"],
    &["lag"],
    &["lag", "--partitions"],
    &["cat", "raw.schedules.v1", "--limit", "5"],
    &["cat", "core.games.v1", "--from", DATE, "--key", "BOS-NYK"],
    &["cat", "schedule-loader.dlq"],
    &["dlq", "list"],
    &["dlq", "show", "schedule-loader"],
    &["dlq", "purge", "schedule-loader"],
    &["dlq", "redrive", "schedule-loader", "--dry-run"],
    &["status", DATE],
    &["explain", "1", DATE],
    &["doctor"],
    &["retract", "0123456789abcdef", "--reason", "x"],
    &["sink", "rebuild"],
    &["replay", "list"],
    &["replay", "run", "--from", DATE, "--to", DATE, "--namespace", "r"],
];
/// Commands that add to an existing log, and do not create one.
const WRITE_LOG: [&[&str]; 5] = [
    &["links", "Moe Wagner", "1629021"],
    &["dlq", "purge", "schedule-loader", "--yes"],
    &["dlq", "redrive", "schedule-loader"],
    &["retract", "0123456789abcdef", "--reason", "x", "--yes"],
    &["sink", "rebuild", "--yes"],
];
/// Commands that read the warehouse.
const READ_WAREHOUSE: [&[&str]; 2] = [&["coverage", DATE], &["grade"]];
/// Commands that read neither.
const READ_NOTHING: [&[&str]; 5] =
    [&["config", "show"], &["graph"], &["schemas", "check"], &["warehouse", "plan"], &["warehouse", "ddl"]];

#[test]
fn a_command_that_reads_creates_no_folder_and_says_what_to_run() {
    let parent = tempfile::tempdir().unwrap();
    let data = parent.path().join("mistyped");
    for arguments in READ_LOG.iter().chain(&WRITE_LOG).chain(&READ_WAREHOUSE) {
        let (code, text) = run(fastbreak(&data, arguments));
        assert_eq!(code, Some(4), "{arguments:?}: {text}");
        assert!(text.contains(data.to_str().unwrap()) && text.contains("next: "), "{arguments:?}: {text}");
        assert!(!data.exists(), "{arguments:?} created the folder");
    }
    for arguments in READ_NOTHING {
        let (code, text) = run(fastbreak(&data, arguments));
        assert!(code == Some(0) || code == Some(3), "{arguments:?}: {text}");
        assert!(!data.exists(), "{arguments:?} created the folder");
    }
}

/// Runs the commands that read as a user who is not root, for whom permissions count.
fn assert_all_read(data: &Path, (is_unwritable, is_root_only): (bool, bool)) {
    let before = state(data);
    let reading = READ_LOG.iter().filter(|arguments| !arguments.starts_with(&["replay", "run"]));
    for arguments in reading.chain(&READ_WAREHOUSE).chain(&READ_NOTHING) {
        let mut expected = fastbreak(data, arguments);
        let mut command = fastbreak(data, arguments);
        if is_root_only {
            command.uid(65_534);
        }
        if is_unwritable && arguments == &["doctor"] {
            // To say that the folder cannot be written is what the command is for.
            let (code, text) = run(command);
            assert_eq!(code, Some(1), "{text}");
            assert!(text.contains("this user may not write to it") && state(data) == before, "{text}");
            continue;
        }
        let (code, text) = run(command);
        let (expected_code, expected_text) = run({
            expected.env("FASTBREAK_LOG", "off");
            expected
        });
        assert_eq!(
            (code, without_ages(&text)),
            (expected_code, without_ages(&expected_text)),
            "{arguments:?}"
        );
        for failure in ["readonly", "unable to open", "no warehouse", "cannot be"] {
            assert!(!text.contains(failure), "{arguments:?}: {text}");
        }
        assert_eq!(state(data), before, "{arguments:?} changed the folder");
    }
}
fn without_ages(text: &str) -> String {
    text.chars().filter(|c| !c.is_ascii_digit()).collect()
}

#[test]
fn a_command_that_reads_changes_no_file() {
    let run = processed();
    assert_all_read(run.folder.path(), (false, false));
}

#[test]
fn commands_that_read_work_in_a_folder_that_cannot_be_written() {
    let run = processed();
    let data = run.folder.path();
    for name in ["log.db", "warehouse.db"] {
        std::fs::set_permissions(data.join(name), std::fs::Permissions::from_mode(0o444)).unwrap();
    }
    std::fs::set_permissions(data, std::fs::Permissions::from_mode(0o555)).unwrap();
    // For root, permissions do not count.
    let is_root = std::fs::write(data.join("probe"), "").is_ok();
    if is_root {
        std::fs::remove_file(data.join("probe")).unwrap();
    }
    assert_all_read(data, (true, is_root));
    std::fs::set_permissions(data, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn commands_that_read_work_beside_a_run() {
    let run = processed();
    let mut running = run.command(&["run"]).env("FASTBREAK_CONSOLE", "").spawn().unwrap();
    run.wait_for_lag(has_member);
    for arguments in [&["audit"][..], &["dlq", "list"], &["doctor"], &["sink", "rebuild"], &["grade"]] {
        let (code, text) = crate::support::run(fastbreak(run.folder.path(), arguments));
        let expected = if arguments[0] == "sink" { 4 } else { 0 };
        assert_eq!(code, Some(expected), "{arguments:?}: {text}");
    }
    running.kill().unwrap();
    running.wait().unwrap();
    let names = |run: &Fastbreak| state(run.folder.path()).into_keys().collect::<Vec<_>>();
    let before = names(&run);
    assert!(run.folder.path().join("log.db-shm").exists(), "the killed process left its files");
    run.content();
    run.json(&["lag"]);
    assert_eq!(names(&run), before);
}
