//! The binary on its own: `kill -9`, repeated and shuffled input, what it says and how it ends.
//!
//! With `FASTBREAK_SEASON_FILE` naming a season of events (.jsonl.zst) these run on it instead of a simulated one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]
mod common;
use common::{Chance, Fastbreak, season, text};
use std::{
    process::{Command, Stdio},
    time::Duration,
};

/// How often processes are killed.
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
fn fifty_random_kills_give_the_content_of_an_undisturbed_run() {
    let lines = season();
    let straight = Fastbreak::new();
    straight.ingest(&lines);
    let started = std::time::Instant::now();
    straight.catch_up();
    let whole = started.elapsed();

    let seed = std::env::var("FASTBREAK_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_260_101);
    println!("seed {seed}");
    let mut chance = Chance(seed);
    let killed = Fastbreak::new();
    let slice = lines.len().div_ceil(KILLS as usize / 2);
    let mut slices = lines.chunks(slice);
    let (mut kills, mut ended) = (0, 0);
    while kills < KILLS {
        // New events come with half of the lives, so that most of them die at work; some die while ingesting.
        if let Some(slice) = (kills % 2 == 0).then(|| slices.next()).flatten() {
            let path = killed.file("slice.jsonl", slice);
            let mut child = killed.spawn(&["ingest", text(&path)]);
            if chance.below(4) == 0 {
                std::thread::sleep(Duration::from_millis(chance.below(30)));
                child.kill().expect("killed");
                kills += 1;
                child.wait().expect("gone");
                killed.ingest(slice);
            } else {
                assert!(child.wait().expect("ended").success());
            }
        }
        let mut child = killed.spawn(&["run", "--until-caught-up"]);
        std::thread::sleep(Duration::from_millis(chance.below(whole.as_millis() as u64 / 3)));
        match child.try_wait().expect("known") {
            Some(status) => {
                assert!(status.success());
                ended += 1;
                if ended > 3 * KILLS {
                    break;
                }
            }
            None => {
                child.kill().expect("killed");
                kills += 1;
            }
        }
        child.wait().expect("gone");
    }
    slices.for_each(|slice| _ = killed.ingest(slice));
    killed.catch_up();
    println!("{kills} kills, {ended} lives ended by themselves");
    assert!(kills >= KILLS / 2, "most lives must die at work");
    assert_eq!(killed.content(), straight.content(), "seed {seed}");
}

#[test]
fn shuffled_and_doubled_events_give_the_same_content_and_known_ones_add_nothing() {
    let lines = season();
    let straight = Fastbreak::new();
    straight.ingest(&lines);
    straight.catch_up();

    let mut chance = Chance(7);
    let mut shuffled = lines.clone();
    shuffled.extend(lines.iter().step_by(3).cloned());
    chance.shuffle(&mut shuffled);
    let other = Fastbreak::new();
    for part in shuffled.chunks(shuffled.len() / 4 + 1) {
        other.ingest(part);
        other.catch_up();
    }
    let content = straight.content();
    assert_eq!(other.content(), content);

    let again = straight.ingest(&lines);
    assert_eq!(again["new"], 0);
    assert_eq!(straight.catch_up()["processors"], serde_json::json!([]), "nothing is committed");
    assert_eq!(straight.content(), content);
}

#[test]
fn invalid_lines_become_dead_letters_and_nothing_else_is_lost() {
    let run = Fastbreak::new();
    let lines: Vec<String> = season().into_iter().take(40).collect();
    let clean = lines.len() as u64;
    let mut dirty = lines;
    dirty.push("not json".into());
    dirty.push(r#"{"source":"nbacom","feed":"standings","key":"x","fetched_at":"2024-01-01T00:00:00Z","payload":{}}"#.into());
    dirty.push(
        r#"{"source":"nbacom","feed":"schedule","key":"x","fetched_at":"yesterday","payload":{}}"#.into(),
    );
    dirty.push(r#"{"source":"nbacom","feed":"schedule","key":"x","fetched_at":"2024-01-01T00:00:00Z","payload":{"a":1}}"#.into());
    let path = run.file("dirty.jsonl", &dirty);
    let output = run.run(&["ingest", text(&path)]);
    assert_eq!(output.status.code(), Some(1), "dead lines are not success");
    let message: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((message["dead_letters"].as_u64(), message["lines"].as_u64()), (Some(3), Some(clean + 4)));
    run.catch_up();
    let audit = run.json(&["audit"]);
    let loader =
        audit["processors"].as_array().expect("a list").iter().find(|p| p["processor"] == "schedule-loader");
    assert_eq!(loader.expect("it is there")["rejected"], 1, "the payload that opens as no schedule");
    assert_eq!(audit["balanced"], true);
}

#[test]
fn errors_say_what_to_run_next_and_codes_tell_them_apart() {
    let run = Fastbreak::new();
    let missing = run.run(&["grade"]);
    assert_eq!(missing.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("fastbreak run"));
    assert_eq!(run.run(&["grade", "--season", "2023"]).status.code(), Some(2));
    let unknown = run.run(&["run", "--only", "oracle"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("next: name one of schedule-loader"));
    assert_eq!(run.run(&["dlq", "show", "oracle"]).status.code(), Some(2));
    let file = run.run(&["ingest", "nowhere.jsonl"]);
    assert_eq!(file.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&file.stderr).contains("nowhere.jsonl"));
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
    run.json(&["sink", "rebuild"]);
    run.catch_up();
    let fresh = Fastbreak::new();
    fresh.ingest(half);
    fresh.catch_up();
    assert_eq!(run.content(), fresh.content(), "rows of the older log are gone");
    run.ingest(&lines);
    run.catch_up();
    assert_eq!(run.content(), content);
}

#[test]
fn a_first_run_writes_the_warehouse_once_and_in_its_first_epoch() {
    let run = Fastbreak::new();
    run.ingest(&season());
    let first = run.run(&["run", "--until-caught-up"]);
    assert!(first.status.success());
    assert_eq!(String::from_utf8_lossy(&first.stderr), "", "nothing to warn of");
    let db = rusqlite::Connection::open(run.folder.path().join("warehouse.db")).expect("the warehouse");
    let epoch: i64 =
        db.query_row("SELECT max(epoch) FROM sink_batches", [], |row| row.get(0)).expect("a batch");
    assert_eq!(epoch, 1);
}

/// A small file system of its own, unmounted when dropped; none without the right to mount.
struct SmallDisk(tempfile::TempDir);
impl SmallDisk {
    fn mount(megabytes: u32) -> Option<SmallDisk> {
        let disk = SmallDisk(tempfile::tempdir().expect("a folder"));
        let size = format!("size={megabytes}m");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(disk.0.path()).output();
        if !mounted.is_ok_and(|mounted| mounted.status.success()) {
            println!("skipped: no right to mount a small disk");
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
fn a_full_disk_says_so_and_loses_nothing() {
    let Some(disk) = SmallDisk::mount(1) else { return };
    let lines = season();
    let straight = Fastbreak::new();
    straight.ingest(&lines);
    straight.catch_up();
    let outside = Fastbreak::new();
    let events = outside.file("events.jsonl", &lines);
    let on_disk = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fastbreak"));
        command.args(["--output", "json", "--data"]).arg(disk.0.path()).args(arguments);
        command.output().expect("the binary runs")
    };
    let is_full = |arguments: &[&str]| {
        let ended = on_disk(arguments);
        let message = String::from_utf8_lossy(&ended.stderr).into_owned();
        let is_told = message.contains("full") || message.contains("No space left");
        assert!(ended.status.code() == Some(1) && is_told && message.contains("free "), "{message}");
    };
    is_full(&["ingest", text(&events)]);
    // The log has room for all events, then for nothing more.
    let mut size = 2;
    while !on_disk(&["ingest", text(&events)]).status.success() {
        size += 1;
        disk.grow(size);
    }
    is_full(&["run", "--until-caught-up"]);
    disk.grow(500);
    assert!(on_disk(&["run", "--until-caught-up"]).status.success());
    let audit: serde_json::Value =
        serde_json::from_slice(&on_disk(&["audit"]).stdout).expect("JSON on standard output");
    assert_eq!(audit["balanced"], true);
    let is = serde_json::json!({"topics": audit["topics"], "warehouse": audit["warehouse"]});
    assert_eq!(is, straight.content());
}
