//! The binary on the embedded log: `kill -9`, repeated and shuffled input, messages and exit codes.
//!
//! If `TEST_SEASON_FILE` is the path of a file with a season of events (.jsonl.zst), the tests use it instead of a simulated season.
//! Invariant: content does not depend on interruptions, nor on the order and repetition of the input.
//! Not here: dead letters (`dead_letters`), lag (`lag`), replays (`replay`), Kafka (`kafka`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]
mod common;
use common::{Chance, Fastbreak, season, text};
use serde_json::Value;
use std::{
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Number of processes that are killed.
const KILLS: u64 = 50;

#[test]
fn a_run_continues_when_standard_error_is_closed() {
    let run = Fastbreak::new();
    run.ingest(&season());
    let mut command = run.command(&["run", "--until-caught-up"]);
    let mut running =
        command.env("FASTBREAK_LOG", "trace").stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    drop(running.stderr.take());
    assert!(running.wait().unwrap().success());
    run.content();
}

#[test]
fn fifty_random_kills_give_the_content_of_a_run_without_interruption() {
    let lines = season();
    let straight = Fastbreak::new();
    straight.ingest(&lines);
    let started = Instant::now();
    straight.catch_up();
    let run_time = started.elapsed();

    let seed = std::env::var("TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_260_101);
    println!("seed {seed}");
    let mut chance = Chance(seed);
    let killed = Fastbreak::new();
    let mut slices = lines.chunks(lines.len().div_ceil(KILLS as usize / 2));
    let (mut kills, mut completed) = (0, 0);
    while kills < KILLS {
        // Ingests new events before every second run, so that most runs are killed while they process. Some ingests are killed, too.
        if let Some(slice) = (kills % 2 == 0).then(|| slices.next()).flatten() {
            let path = killed.file("slice.jsonl", slice);
            let mut child = killed.spawn(&["ingest", text(&path)]);
            if chance.below(4) == 0 {
                thread::sleep(Duration::from_millis(chance.below(30)));
                child.kill().expect("killed");
                kills += 1;
                child.wait().expect("ended");
                killed.ingest(slice);
            } else {
                assert!(child.wait().expect("ended").success());
            }
        }
        let mut child = killed.spawn(&["run", "--until-caught-up"]);
        thread::sleep(Duration::from_millis(chance.below(run_time.as_millis() as u64 / 3)));
        match child.try_wait().expect("a status") {
            Some(status) => {
                assert!(status.success());
                completed += 1;
                if completed > 3 * KILLS {
                    break;
                }
            }
            None => {
                child.kill().expect("killed");
                kills += 1;
            }
        }
        child.wait().expect("ended");
    }
    for slice in slices {
        killed.ingest(slice);
    }
    killed.catch_up();
    println!("{kills} kills, {completed} runs completed");
    assert!(kills >= KILLS / 2, "most runs must be killed while they process");
    assert_eq!(killed.content(), straight.content(), "seed {seed}");
}

#[test]
fn shuffled_and_doubled_events_give_the_same_content_and_known_ones_add_nothing() {
    let lines = season();
    let straight = Fastbreak::straight(&lines);

    let mut chance = Chance(7);
    let mut shuffled = lines.clone();
    shuffled.extend(lines.iter().step_by(3).cloned());
    chance.shuffle(&mut shuffled);
    let other = Fastbreak::new();
    for slice in shuffled.chunks(shuffled.len() / 4 + 1) {
        other.ingest(slice);
        other.catch_up();
    }
    let content = straight.content();
    assert_eq!(other.content(), content);

    let again = straight.ingest(&lines);
    assert_eq!(again["new"], 0);
    assert_eq!(straight.catch_up()["processors"], serde_json::json!([]), "known events led to a commit");
    assert_eq!(straight.content(), content);
}

#[test]
fn invalid_lines_become_dead_letters_and_all_other_lines_are_ingested() {
    let run = Fastbreak::new();
    let mut lines: Vec<String> = season().into_iter().take(40).collect();
    let valid_lines = lines.len() as u64;
    lines.push("not json".into());
    lines.push(r#"{"source":"nbacom","feed":"standings","key":"x","fetched_at":"2024-01-01T00:00:00Z","payload":{}}"#.into());
    lines.push(
        r#"{"source":"nbacom","feed":"schedule","key":"x","fetched_at":"yesterday","payload":{}}"#.into(),
    );
    lines.push(r#"{"source":"nbacom","feed":"schedule","key":"x","fetched_at":"2024-01-01T00:00:00Z","payload":{"a":1}}"#.into());
    let path = run.file("events.jsonl", &lines);
    let output = run.run(&["ingest", text(&path)]);
    assert_eq!(output.status.code(), Some(1), "an ingest with dead letters must exit with 1");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((report["dead_letters"].as_u64(), report["lines"].as_u64()), (Some(3), Some(valid_lines + 4)));
    run.catch_up();
    let audit = run.json(&["audit"]);
    let loader =
        audit["processors"].as_array().expect("a list").iter().find(|p| p["processor"] == "schedule-loader");
    assert_eq!(
        loader.expect("the loader")["rejected"],
        1,
        "the loader must reject exactly the payload that is not a schedule"
    );
    assert_eq!(audit["balanced"], true);
}

#[test]
fn errors_name_the_next_command_and_have_different_exit_codes() {
    let run = Fastbreak::new();
    let no_warehouse = run.run(&["grade"]);
    assert_eq!(no_warehouse.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&no_warehouse.stderr).contains("fastbreak run"));
    assert_eq!(run.run(&["grade", "--season", "2023"]).status.code(), Some(2));
    let unknown = run.run(&["run", "--only", "oracle"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("next: use one of schedule-loader"));
    assert_eq!(run.run(&["dlq", "show", "oracle"]).status.code(), Some(2));
    let no_file = run.run(&["ingest", "nowhere.jsonl"]);
    assert_eq!(no_file.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&no_file.stderr).contains("nowhere.jsonl"));
}

#[test]
fn a_new_log_is_rejected_until_it_takes_ownership_of_the_warehouse() {
    let run = Fastbreak::new();
    let lines = season();
    run.ingest(&lines);
    run.catch_up();
    let content = run.content();
    for file in ["log.db", "log.db-wal", "log.db-shm"] {
        drop(std::fs::remove_file(run.folder.path().join(file)));
    }
    let half = &lines[..lines.len() / 2];
    run.ingest(half);
    let refused = run.run(&["run", "--until-caught-up"]);
    assert_eq!(refused.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("sink rebuild"));
    for arguments in [&["sink", "rebuild"][..], &["sink", "rebuild", "--yes"]] {
        let rebuild = run.run(arguments);
        assert_eq!(
            rebuild.status.code(),
            Some(4),
            "the warehouse belongs to the older log, so only --take-over may rebuild it"
        );
        assert!(String::from_utf8_lossy(&rebuild.stderr).contains("next: ") && rebuild.stdout.is_empty());
    }
    let preview = run.run(&["sink", "rebuild", "--take-over"]);
    let report: Value = serde_json::from_slice(&preview.stdout).expect("JSON on standard output");
    assert_eq!((preview.status.code(), &report["started"]), (Some(4), &false.into()), "{report:#}");
    assert_eq!((&report["previous_epoch"], &report["epoch"]), (&1.into(), &2.into()));
    assert_ne!(report["log"], report["previous_log"]);
    assert_eq!(
        run.run(&["run", "--until-caught-up"]).status.code(),
        Some(4),
        "the preview changed the owner of the warehouse"
    );
    let rebuild = run.json(&["sink", "rebuild", "--take-over", "--yes"]);
    assert_eq!((&rebuild["started"], &rebuild["epoch"]), (&true.into(), &2.into()));
    run.catch_up();
    let fresh = Fastbreak::new();
    fresh.ingest(half);
    fresh.catch_up();
    assert_eq!(run.content(), fresh.content(), "the warehouse still has rows of the older log");
    run.ingest(&lines);
    run.catch_up();
    assert_eq!(run.content(), content);
}

#[test]
fn a_first_run_writes_the_warehouse_once_and_in_its_first_epoch() {
    let run = Fastbreak::new();
    run.ingest(&season());
    let output = run.run(&["run", "--until-caught-up"]);
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "the first run prints warnings");
    let db = rusqlite::Connection::open(run.folder.path().join("warehouse.db")).expect("the warehouse");
    let epoch: i64 =
        db.query_row("SELECT max(epoch) FROM sink_batches", [], |row| row.get(0)).expect("a batch");
    assert_eq!(epoch, 1);
}

/// A small file system that is unmounted when dropped.
struct SmallDisk(tempfile::TempDir);
impl SmallDisk {
    /// Mounts a file system of this size; returns `None` if this user has no right to mount.
    fn mount(megabytes: u32) -> Option<SmallDisk> {
        let disk = SmallDisk(tempfile::tempdir().expect("a folder"));
        let size = format!("size={megabytes}m");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(disk.0.path()).output();
        if !mounted.is_ok_and(|mounted| mounted.status.success()) {
            println!("skipped: this user may not mount a file system");
            return None;
        }
        Some(disk)
    }
    fn grow(&self, megabytes: u32) {
        let size = format!("remount,size={megabytes}m");
        let grown = Command::new("mount").args(["-o", &size]).arg(self.0.path()).status();
        assert!(grown.expect("mount runs").success());
    }
}
impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(self.0.path()).status());
    }
}

#[test]
fn a_full_disk_is_reported_and_loses_nothing() {
    let Some(disk) = SmallDisk::mount(1) else { return };
    let lines = season();
    let straight = Fastbreak::straight(&lines);
    let other_disk = Fastbreak::new();
    let events = other_disk.file("events.jsonl", &lines);
    let on_disk = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fastbreak"));
        command.args(["--output", "json", "--data"]).arg(disk.0.path()).args(arguments);
        command.output().expect("the binary runs")
    };
    let assert_disk_full = |arguments: &[&str]| {
        let output = on_disk(arguments);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        let is_reported = message.contains("full") || message.contains("No space left");
        assert!(output.status.code() == Some(1) && is_reported && message.contains("free "), "{message}");
    };
    assert_disk_full(&["ingest", text(&events)]);
    // Grows the disk until all events fit into the log. After that, the disk has no room for the output of `run`.
    let mut size = 2;
    while !on_disk(&["ingest", text(&events)]).status.success() {
        size += 1;
        disk.grow(size);
    }
    assert_disk_full(&["run", "--until-caught-up"]);
    disk.grow(500);
    assert!(on_disk(&["run", "--until-caught-up"]).status.success());
    let audit: serde_json::Value =
        serde_json::from_slice(&on_disk(&["audit"]).stdout).expect("JSON on standard output");
    assert_eq!(audit["balanced"], true);
    let content = serde_json::json!({"topics": audit["topics"], "warehouse": audit["warehouse"]});
    assert_eq!(content, straight.content());
}
