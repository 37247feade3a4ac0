//! Commands that could destroy or invent data, and commands with arguments that make no sense: what they refuse, and what they say.
//!
//! Invariant: a refused command changes nothing.
//! Not here: commands that only read (`read_only`).
use crate::{
    common::{Fastbreak, has_member, season, text},
    support::{fastbreak, processed, run, state},
};
use rusqlite::Connection;

fn live_rows(run: &Fastbreak) -> i64 {
    let db = Connection::open(run.folder.path().join("warehouse.db")).unwrap();
    db.query_row("SELECT count(*) FROM player_slate", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_demo_writes_only_into_a_folder_that_a_demo_made() {
    let live = processed();
    let before = state(live.folder.path());
    let (code, message) = run(fastbreak(live.folder.path(), &["demo"]));
    assert_eq!(code, Some(4), "{message}");
    assert!(message.contains("a demo in") && message.contains("next: "), "{message}");
    assert_eq!(state(live.folder.path()), before);

    let files = tempfile::tempdir().unwrap();
    std::fs::write(files.path().join("notes.txt"), "mine").unwrap();
    assert_eq!(run(fastbreak(files.path(), &["demo"])).0, Some(4));
    assert_eq!(state(files.path()).len(), 1);

    let parent = tempfile::tempdir().unwrap();
    let made = parent.path().join("demo");
    for _ in 0..2 {
        let (code, message) = run(fastbreak(&made, &["demo"]));
        assert_eq!(code, Some(0), "{message}");
    }
    assert_eq!(run(fastbreak(&made, &["demo", "--seed", "8"])).0, Some(0));
}

#[test]
fn a_rebuild_previews_what_it_would_delete_and_is_refused_for_an_empty_log() {
    let live = processed();
    let rows = live_rows(&live);
    std::fs::remove_file(live.folder.path().join("log.db")).unwrap();
    let (code, message) = run(fastbreak(live.folder.path(), &["sink", "rebuild", "--take-over"]));
    assert_eq!(code, Some(4), "{message}");
    // As the hints say: any command that creates a log, then the rebuild.
    let empty = live.folder.path().join("empty.jsonl");
    std::fs::write(&empty, "").unwrap();
    live.run(&["ingest", text(&empty)]);
    let (code, message) = run(fastbreak(live.folder.path(), &["run", "--until-caught-up"]));
    assert_eq!(code, Some(4), "{message}");
    assert!(message.contains("restore it from a backup"), "{message}");
    let preview = live.run(&["sink", "rebuild", "--take-over"]);
    let report: serde_json::Value = serde_json::from_slice(&preview.stdout).unwrap();
    assert_eq!((preview.status.code(), &report["raw_events"]), (Some(4), &0.into()), "{report:#}");
    let slate = &report["tables"][0];
    assert_eq!(
        (&slate["table"], &slate["rows"], &slate["deleted"]),
        (&"player_slate".into(), &rows.into(), &rows.into())
    );
    assert!(slate["first_date"].is_string() && slate["first_date"].as_str() <= slate["last_date"].as_str());
    let (_, message) = run(fastbreak(live.folder.path(), &["sink", "rebuild", "--take-over"]));
    assert!(message.contains("next: restore the log from a backup"), "{message}");
    let (code, message) = run(fastbreak(live.folder.path(), &["sink", "rebuild", "--take-over", "--yes"]));
    assert_eq!(code, Some(4), "{message}");
    assert!(message.contains("next: restore the log"), "{message}");
    assert_eq!(live_rows(&live), rows);
    let audit = live.run(&["audit"]);
    let report: serde_json::Value = serde_json::from_slice(&audit.stdout).unwrap();
    assert_eq!(
        (audit.status.code(), &report["balanced"]),
        (Some(1), &false.into()),
        "the warehouse belongs to another log"
    );
}

#[test]
fn a_rebuild_of_a_complete_log_would_delete_nothing() {
    let live = processed();
    let report = live.run(&["sink", "rebuild"]);
    let report: serde_json::Value = serde_json::from_slice(&report.stdout).unwrap();
    for table in report["tables"].as_array().unwrap() {
        assert_eq!(table["deleted"], 0, "{report:#}");
        assert!(table["rows"].as_i64().unwrap() > 0, "{report:#}");
    }
    assert!(
        report["raw_events"].as_i64().unwrap() > 0 && report["has_unread_records"] == false,
        "{report:#}"
    );
}

#[test]
fn a_rebuild_is_refused_while_a_run_holds_the_log() {
    let live = processed();
    let mut running = live.command(&["run"]).env("FASTBREAK_CONSOLE", "").spawn().unwrap();
    live.wait_for_lag(has_member);
    for arguments in [&["sink", "rebuild", "--yes"][..], &["run", "--until-caught-up"]] {
        let (code, message) = run(fastbreak(live.folder.path(), arguments));
        assert_eq!(code, Some(4), "{arguments:?}: {message}");
        let holder = format!("process {} since 20", running.id());
        assert!(message.contains(&holder), "{arguments:?}: {message}");
    }
    assert!(running.try_wait().unwrap().is_none(), "the run has ended");
    running.kill().unwrap();
    running.wait().unwrap();
}

#[test]
fn dates_in_the_wrong_order_are_a_usage_error() {
    let live = processed();
    for arguments in [
        &["grade", "--from", "2024-02-01", "--to", "2024-01-01"][..],
        &["replay", "run", "--from", "2024-02-01", "--to", "2024-01-01", "--namespace", "r"],
    ] {
        let (code, message) = run(fastbreak(live.folder.path(), arguments));
        assert_eq!(code, Some(2), "{message}");
        assert!(message.contains("is before --from") && message.contains("next: "), "{message}");
    }
}

#[test]
fn dates_without_games_are_named_with_those_that_have_games() {
    let live = processed();
    for arguments in [
        &["grade", "--from", "1999-01-01", "--to", "1999-01-02"][..],
        &["replay", "run", "--from", "1999-01-01", "--to", "1999-01-02", "--namespace", "r"],
    ] {
        let (code, message) = run(fastbreak(live.folder.path(), arguments));
        assert_eq!(code, Some(4), "{message}");
        assert!(message.contains("games of 2023-") && message.contains("next: "), "{message}");
    }
    assert!(!live.folder.path().join("replays").exists());
    let no_games = Fastbreak::new();
    no_games.ingest(&[]);
    no_games.catch_up();
    let (code, message) = run(fastbreak(no_games.folder.path(), &["grade"]));
    assert_eq!(code, Some(4), "{message}");
    assert!(message.contains("has no predictions"), "{message}");
}

#[test]
fn commands_without_the_server_that_they_manage_are_usage_errors() {
    let run_folder = Fastbreak::new();
    run_folder.ingest(&[]);
    for arguments in
        [&["topics", "plan"][..], &["topics", "export"], &["topics", "apply", "--yes"], &["schemas", "push"]]
    {
        let (code, message) = run(fastbreak(run_folder.folder.path(), arguments));
        assert_eq!(code, Some(2), "{arguments:?}: {message}");
        assert!(message.contains("configured") && message.contains("\nnext: "), "{arguments:?}: {message}");
    }
}

#[test]
fn a_damaged_manifest_concerns_only_its_replay() {
    let live = Fastbreak::straight(&season());
    let dates = crate::common::middle_dates(&live);
    live.json(&crate::common::replay_arguments(&dates, "good"));
    let damaged = live.folder.path().join("replays").join("bad");
    std::fs::create_dir_all(&damaged).unwrap();
    std::fs::write(damaged.join("replay.json"), "{").unwrap();
    let list = live.run(&["replay", "list"]);
    let replays: serde_json::Value = serde_json::from_slice(&list.stdout).unwrap();
    assert_eq!(list.status.code(), Some(1), "{replays:#}");
    assert_eq!((&replays[0]["namespace"], &replays[1]["namespace"]), (&"bad".into(), &"good".into()));
    assert!(replays[0]["error"].as_str().unwrap().contains("replay discard bad --yes"), "{replays:#}");
    assert_eq!(replays[1]["caught_up"], true);
    assert_eq!(live.run(&["replay", "diff", "good"]).status.code(), Some(0));
    live.json(&["replay", "discard", "bad", "--yes"]);
    assert!(!damaged.exists());
    assert_eq!(live.run(&["replay", "list"]).status.code(), Some(0));
}
