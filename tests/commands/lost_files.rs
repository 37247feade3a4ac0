//! Files under a running process: removed, replaced, on a full disk, on a mount that cannot be written.
//!
//! Invariant: every process that a test starts ends within the test.
//! Not here: damaged files (`damage`), commands that only read (`read_only`).
use crate::{
    common::{Chance, Fastbreak, has_member, season, text},
    support::{fastbreak, number, run},
};
use serde_json::Value;
use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Starts a run on the first half of a season, which it has processed when this function returns.
fn running_on_half(lines: &[String]) -> (Fastbreak, Child) {
    let data = Fastbreak::straight(&lines[..lines.len() / 2]);
    let mut command = data.command(&["run"]);
    command.env("FASTBREAK_CONSOLE", "").stdout(Stdio::null()).stderr(Stdio::piped());
    let running = command.spawn().unwrap();
    data.wait_for_lag(has_member);
    (data, running)
}

/// Waits until the process ends by itself; returns its exit code and its messages.
fn end_of(mut running: Child) -> (Option<i32>, String) {
    let started = Instant::now();
    while running.try_wait().unwrap().is_none() {
        if started.elapsed() > Duration::from_secs(60) {
            running.kill().unwrap();
            panic!("the process goes on");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let output = running.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn rest_of(data: &Fastbreak, lines: &[String]) -> std::path::PathBuf {
    data.file("rest.jsonl", &lines[lines.len() / 2..])
}

#[test]
fn a_run_whose_warehouse_is_removed_stops_and_a_rebuild_fills_a_new_file() {
    let lines = season();
    let (data, running) = running_on_half(&lines);
    for name in ["warehouse.db", "warehouse.db-wal", "warehouse.db-shm"] {
        _ = std::fs::remove_file(data.folder.path().join(name));
    }
    data.json(&["ingest", text(&rest_of(&data, &lines))]);
    let (code, messages) = end_of(running);
    assert_ne!(code, Some(0), "{messages}");
    let path = data.folder.path().join("warehouse.db");
    assert!(messages.contains(&format!("{} was removed", text(&path))), "{messages}");
    assert!(messages.contains("next: ") && messages.contains("`fastbreak sink rebuild`"), "{messages}");
    data.json(&["sink", "rebuild", "--yes"]);
    data.catch_up();
    assert_eq!(data.content(), Fastbreak::straight(&lines).content());
}

#[test]
fn a_run_whose_log_is_moved_away_stops_and_no_second_log_is_made_beside_it() {
    let lines = season();
    let (data, running) = running_on_half(&lines);
    let (path, moved) = (data.folder.path().join("log.db"), data.folder.path().join("moved.db"));
    // The run must not notice before `ingest` does.
    let stop = |signal: &str| {
        assert!(
            Command::new("kill").args(["-s", signal, &running.id().to_string()]).status().unwrap().success()
        );
    };
    stop("STOP");
    std::fs::rename(&path, &moved).unwrap();
    let rest = rest_of(&data, &lines);
    let (code, message) = run(fastbreak(data.folder.path(), &["ingest", text(&rest)]));
    assert_eq!(code, Some(4), "{message}");
    assert!(message.contains("second log") && message.contains("next: "), "{message}");
    assert!(!path.exists(), "a second log");
    stop("CONT");
    let (code, messages) = end_of(running);
    assert_ne!(code, Some(0), "{messages}");
    assert!(messages.contains(&format!("{} was removed", text(&path))), "{messages}");
    std::fs::rename(&moved, &path).unwrap();
    data.json(&["ingest", text(&rest)]);
    data.catch_up();
    assert_eq!(data.content(), Fastbreak::straight(&lines).content());
}

/// A small file system in memory, mounted until it is dropped.
struct Mount<'a>(&'a Path);
impl Mount<'_> {
    /// Mounts it; `None` if this user may not mount.
    fn new(folder: &Path) -> Option<Mount<'_>> {
        Mount::of_size(folder, 64 << 10)
    }
    /// Mounts one with this number of KiB; `None` if this user may not mount.
    fn of_size(folder: &Path, size: u64) -> Option<Mount<'_>> {
        let arguments = ["-t", "tmpfs", "-o", &format!("size={size}k"), "tmpfs", text(folder)];
        let mounted = Command::new("mount").args(arguments).stderr(Stdio::null()).status();
        mounted.is_ok_and(|status| status.success()).then_some(Mount(folder))
    }
    fn remount(&self, option: &str) {
        let option = format!("remount,{option}");
        assert!(Command::new("mount").args(["-o", &option, text(self.0)]).status().unwrap().success());
    }
}
impl Drop for Mount<'_> {
    fn drop(&mut self) {
        _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
fn a_full_disk_and_a_mount_that_cannot_be_written_are_named_and_lose_nothing() {
    let lines = season();
    let data = Fastbreak::new();
    let folder = data.folder.path();
    let Some(mount) = Mount::new(folder) else {
        println!("skipped: this user may not mount a file system");
        return;
    };
    let events = tempfile::tempdir().unwrap();
    let file = events.path().join("events.jsonl");
    std::fs::write(&file, lines.join("\n")).unwrap();
    let half = events.path().join("half.jsonl");
    std::fs::write(&half, lines[..lines.len() / 2].join("\n")).unwrap();
    data.json(&["ingest", text(&half)]);
    let filler = folder.join("filler");
    let fill = || {
        let status = Command::new("dd")
            .args(["if=/dev/zero", &format!("of={}", text(&filler)), "bs=4k"])
            .stderr(Stdio::null())
            .status();
        assert!(!status.unwrap().success(), "the disk must be full");
    };
    for arguments in [&["run", "--until-caught-up"][..], &["ingest", text(&file)]] {
        fill();
        let (code, message) = run(fastbreak(folder, arguments));
        assert_ne!(code, Some(0), "{arguments:?}: {message}");
        assert!(message.contains(text(folder)) && message.contains("free"), "{arguments:?}: {message}");
        let (code, text) = run(fastbreak(folder, &["doctor"]));
        assert_ne!(code, Some(0), "{text}");
        assert!(text.contains("the disk is almost full"), "{text}");
        std::fs::remove_file(&filler).unwrap();
    }
    mount.remount("ro");
    for arguments in [&["ingest", text(&file)][..], &["run", "--until-caught-up"], &["doctor"]] {
        let (code, message) = run(fastbreak(folder, arguments));
        assert_ne!(code, Some(0), "{arguments:?}: {message}");
        assert!(message.contains(text(folder)) && message.contains("next: "), "{arguments:?}: {message}");
        assert!(message.contains("write") || message.contains("writ"), "{arguments:?}: {message}");
    }
    mount.remount("rw");
    data.json(&["ingest", text(&file)]);
    data.catch_up();
    assert_eq!(data.content(), Fastbreak::straight(&lines).content());
}

/// Ingests a season and processes it on a disk that is too small; it grows by a random size after each error.
fn on_a_growing_disk(seed: u64, events: &Path, straight: &Value) -> Option<()> {
    let mut chance = Chance(seed);
    let data = Fastbreak::new();
    let folder = data.folder.path();
    let mut size = 512 + chance.below(4 << 10);
    let mount = Mount::of_size(folder, size)?;
    for arguments in [&["ingest", text(events)][..], &["run", "--until-caught-up"]] {
        loop {
            let (code, message) = run(fastbreak(folder, arguments));
            if code == Some(0) {
                break;
            }
            let context = format!("TEST_LAW_SEED={seed}, {arguments:?}, {size} KiB: {message}");
            assert!(message.contains(text(folder)) && message.contains("free"), "{context}");
            assert!(size < 64 << 10, "{context}");
            size += 64 + chance.below(2 << 10);
            mount.remount(&format!("size={size}k"));
        }
    }
    // With enough space, the events add nothing if they are sent again.
    mount.remount("size=64m");
    let again = data.json(&["ingest", text(events)]);
    assert_eq!(again["new"], 0, "TEST_LAW_SEED={seed}: {again}");
    let (code, text) = run(fastbreak(folder, &["audit"]));
    assert_eq!(code, Some(0), "TEST_LAW_SEED={seed}: {text}");
    assert_eq!(data.content(), *straight, "TEST_LAW_SEED={seed}");
    Some(())
}

#[test]
fn a_disk_that_becomes_full_at_any_moment_is_named_and_loses_nothing() {
    let lines = season();
    let events = tempfile::tempdir().unwrap();
    let file = events.path().join("events.jsonl");
    std::fs::write(&file, lines.join("\n")).unwrap();
    let straight = Fastbreak::straight(&lines).content();
    let seeds = number("TEST_LAW_SEED").map_or(1..=number("TEST_LAW_CASES").unwrap_or(3), |seed| seed..=seed);
    for seed in seeds {
        if on_a_growing_disk(seed, &file, &straight).is_none() {
            println!("skipped: this user may not mount a file system");
            return;
        }
    }
}
