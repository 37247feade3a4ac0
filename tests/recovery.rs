//! Every path of docs/recovery.md on the embedded log, walked with the binary: what is lost, the message, the commands, and the content at
//! the end.
//!
//! Invariant: each path ends in the content of a straight run over the same events, with a healthy `doctor` and a balanced `audit`.
//! Not here: copies of files instead of backups (`commands/restored`), the paths on Kafka (`kafka_recovery`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]
mod common;
use common::{Fastbreak, season, text};
use serde_json::Value;
use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Runs a command; returns its exit code and what it printed.
fn run(data: &Fastbreak, arguments: &[&str]) -> (Option<i32>, String) {
    let output = data.run(arguments);
    let printed = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&printed).into_owned())
}
/// Checks that a command ends with this exit code and prints these texts.
fn assert_prints(data: &Fastbreak, arguments: &[&str], code: i32, texts: &[&str]) {
    let (found, printed) = run(data, arguments);
    assert_eq!(found, Some(code), "{arguments:?}: {printed}");
    assert!(texts.iter().all(|text| printed.contains(text)), "{arguments:?}: {printed}");
}
/// Checks that the installation is healthy and has the content of a straight run over these lines.
fn assert_recovered(data: &Fastbreak, lines: &[String]) {
    assert_eq!(data.content(), Fastbreak::straight(lines).content());
    assert_prints(data, &["doctor"], 0, &["\"verdict\": \"ok\""]);
}
/// Removes a database and the files beside it.
fn remove(data: &Fastbreak, name: &str) {
    for suffix in ["", "-wal", "-shm"] {
        _ = std::fs::remove_file(data.folder.path().join(format!("{name}{suffix}")));
    }
}
/// A folder for backups, and the path of one in it.
fn target() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup");
    (folder, path)
}
/// A folder with the first half of a season, its backup, and the season.
struct HalfBackedUp {
    lines: Vec<String>,
    data: Fastbreak,
    _folder: tempfile::TempDir,
    backup: PathBuf,
}
impl HalfBackedUp {
    fn new() -> HalfBackedUp {
        let lines = season();
        let data = Fastbreak::straight(&lines[..lines.len() / 2]);
        let (folder, backup) = target();
        data.json(&["backup", text(&backup)]);
        HalfBackedUp { lines, data, _folder: folder, backup }
    }
    /// As [`HalfBackedUp::new`]; the second half was processed after the backup.
    fn and_continued() -> HalfBackedUp {
        let half = HalfBackedUp::new();
        half.data.ingest(&half.lines);
        half.data.catch_up();
        half
    }
    fn restore(&self) -> Value {
        self.data.json(&["restore", text(&self.backup), "--yes"])
    }
}

#[test]
fn a_lost_log_is_restored_and_the_events_since_the_backup_are_ingested_again() {
    let half = HalfBackedUp::and_continued();
    remove(&half.data, "log.db");
    assert_prints(
        &half.data,
        &["doctor", "--quick"],
        4,
        &["a run would begin an empty log", "restore it from a backup"],
    );
    let restored = half.restore();
    assert_eq!(
        restored["replaced"][0]["path"],
        text(&half.data.folder.path().join("warehouse.db")),
        "{restored:#}"
    );
    half.data.ingest(&half.lines);
    half.data.catch_up();
    assert_recovered(&half.data, &half.lines);
}

#[test]
fn a_lost_warehouse_is_written_again_by_the_next_run() {
    let half = HalfBackedUp::and_continued();
    remove(&half.data, "warehouse.db");
    assert_prints(
        &half.data,
        &["doctor"],
        1,
        &["there is no warehouse", "`fastbreak run` creates the warehouse"],
    );
    half.data.catch_up();
    assert_recovered(&half.data, &half.lines);
}

#[test]
fn log_and_warehouse_that_are_both_lost_are_restored_without_confirmation_and_are_healthy_at_once() {
    let half = HalfBackedUp::and_continued();
    for name in ["log.db", "warehouse.db"] {
        remove(&half.data, name);
    }
    assert_prints(&half.data, &["audit"], 4, &["there is no log", "next: "]);
    half.data.json(&["restore", text(&half.backup)]);
    assert_recovered(&half.data, &half.lines[..half.lines.len() / 2]);
    half.data.ingest(&half.lines);
    half.data.catch_up();
    assert_recovered(&half.data, &half.lines);
}

/// Restores only one of the two files, as a backup of each at another time would.
fn assert_one_is_older(is_log: bool) {
    let half = HalfBackedUp::and_continued();
    let other = Fastbreak::new();
    other.json(&["restore", text(&half.backup)]);
    let name = if is_log { "log.db" } else { "warehouse.db" };
    remove(&half.data, name);
    std::fs::copy(other.folder.path().join(name), half.data.folder.path().join(name)).unwrap();
    assert_prints(
        &half.data,
        &["audit"],
        1,
        &["one of the two was restored from an older copy", "begins a new epoch"],
    );
    half.data.ingest(&half.lines);
    half.data.catch_up();
    assert_recovered(&half.data, &half.lines);
}
/// Also the state that a restore leaves if it is killed between the two files.
#[test]
fn a_log_that_is_older_than_its_warehouse_writes_all_rows_again() {
    assert_one_is_older(true);
}
#[test]
fn a_warehouse_that_is_older_than_its_log_gets_all_rows_again() {
    assert_one_is_older(false);
}
#[test]
fn damaged_bytes_are_named_by_doctor_and_a_restore_replaces_the_files() {
    let half = HalfBackedUp::new();
    let path = half.data.folder.path().join("log.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].iter_mut().for_each(|byte| *byte ^= 0x55);
    std::fs::write(&path, bytes).unwrap();
    assert_prints(
        &half.data,
        &["doctor"],
        1,
        &["log.db", "the file is damaged", "restore log.db from a backup"],
    );
    let (_folder, other) = target();
    assert_prints(&half.data, &["backup", text(&other)], 4, &["log.db is damaged", "`fastbreak doctor`"]);
    assert!(!other.exists(), "a backup of a damaged log");
    half.restore();
    half.data.ingest(&half.lines);
    half.data.catch_up();
    assert_recovered(&half.data, &half.lines);
}

#[test]
fn a_file_that_is_no_database_any_more_is_replaced_too() {
    let half = HalfBackedUp::new();
    for name in ["log.db", "warehouse.db", "log.db-wal"] {
        std::fs::write(half.data.folder.path().join(name), "no database, but some text that is long enough")
            .unwrap();
    }
    assert_prints(&half.data, &["restore", text(&half.backup)], 4, &["it cannot be read"]);
    half.restore();
    assert_recovered(&half.data, &half.lines[..half.lines.len() / 2]);
}

/// A small file system in memory, mounted until it is dropped.
struct Mount<'a>(&'a Path);
impl Mount<'_> {
    /// Mounts it; `None` if this user may not mount.
    fn new(folder: &Path) -> Option<Mount<'_>> {
        let arguments = ["-t", "tmpfs", "-o", "size=48m", "tmpfs", text(folder)];
        let mounted = Command::new("mount").args(arguments).stderr(Stdio::null()).status();
        mounted.is_ok_and(|status| status.success()).then_some(Mount(folder))
    }
}
impl Drop for Mount<'_> {
    fn drop(&mut self) {
        _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}
/// Fills a folder's file system.
fn fill(folder: &Path) -> PathBuf {
    let filler = folder.join("filler");
    let of = format!("of={}", text(&filler));
    let status = Command::new("dd").args(["if=/dev/zero", &of, "bs=4k"]).stderr(Stdio::null()).status();
    assert!(!status.unwrap().success(), "the disk must be full");
    filler
}

#[test]
fn on_a_full_disk_neither_a_backup_nor_a_restore_leaves_anything_and_both_work_once_there_is_space() {
    let lines = season();
    let data = Fastbreak::new();
    let Some(_mount) = Mount::new(data.folder.path()) else {
        eprintln!("skipped: this user may not mount a file system");
        return;
    };
    let events = tempfile::tempdir().unwrap();
    let file = events.path().join("events.jsonl");
    std::fs::write(&file, lines.join("\n")).unwrap();
    data.json(&["ingest", text(&file)]);
    let filler = fill(data.folder.path());
    let (code, message) = run(&data, &["run", "--until-caught-up"]);
    assert!(code != Some(0) && message.contains("free") && message.contains("nothing is lost"), "{message}");
    assert_prints(&data, &["doctor"], 1, &["the disk is almost full"]);
    let on_disk = data.folder.path().join("backup");
    let (_folder, backup) = target();
    let (code, message) = run(&data, &["backup", text(&on_disk)]);
    assert!(code == Some(1) && message.contains("next: ") && message.contains("free space"), "{message}");
    assert!(!on_disk.exists() && !data.folder.path().join("backup.partial").exists(), "{message}");
    std::fs::remove_file(filler).unwrap();
    data.catch_up();
    data.json(&["backup", text(&backup)]);
    let before = std::fs::read(data.folder.path().join("warehouse.db")).unwrap();
    let filler = fill(data.folder.path());
    let (code, message) = run(&data, &["restore", text(&backup), "--yes"]);
    assert!(code == Some(1) && message.contains("check the free space"), "{message}");
    assert!(!data.folder.path().join("restore.partial").exists());
    assert_eq!(std::fs::read(data.folder.path().join("warehouse.db")).unwrap(), before);
    std::fs::remove_file(filler).unwrap();
    data.json(&["restore", text(&backup), "--yes"]);
    assert_eq!(data.content(), Fastbreak::straight(&lines).content());
}

/// Returns the epoch of the newest batch of a warehouse, with the command that writes a backup; null if it has no batch.
fn epoch(data: &Fastbreak) -> Value {
    let (_folder, backup) = target();
    data.json(&["backup", text(&backup)])["manifest"]["newest_batch"]["epoch"].clone()
}

#[test]
fn backups_beside_a_run_are_whole_and_continue_at_any_instant() {
    let lines = season();
    let expected = Fastbreak::straight(&lines).content();
    let data = Fastbreak::straight(&lines[..lines.len() / 4]);
    let mut command = data.command(&["run"]);
    command.env("FASTBREAK_CONSOLE", "").stdout(Stdio::null()).stderr(Stdio::null());
    let mut running = command.spawn().unwrap();
    data.wait_for_lag(common::has_member);
    let folder = tempfile::tempdir().unwrap();
    let mut backups = Vec::new();
    for (n, part) in lines.chunks(lines.len() / 5 + 1).enumerate() {
        data.ingest(part);
        // While the run processes these events, and a moment later.
        for instant in ["a", "b"] {
            let backup = folder.path().join(format!("{n}{instant}"));
            data.json(&["backup", text(&backup)]);
            backups.push(backup);
        }
    }
    running.kill().unwrap();
    running.wait().unwrap();
    for backup in &backups {
        let copy = Fastbreak::new();
        copy.json(&["restore", text(backup)]);
        // Rows that the sink had not written at that instant are in flight.
        let (code, audit) = run(&copy, &["audit"]);
        let audit: Value = serde_json::from_str(&audit).unwrap();
        assert_eq!(
            code,
            Some(0),
            "{}: {:#}, {:#}",
            backup.display(),
            audit["problems"],
            audit["reconciliation"]
        );
        let before = epoch(&copy);
        copy.ingest(&lines);
        copy.catch_up();
        assert_eq!((copy.content(), epoch(&copy)), (expected.clone(), before), "{}", backup.display());
    }
}

/// Every file below a folder, with its content.
fn state(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .filter(|path| path.is_file())
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_backup_changes_no_file_of_the_data_folder_and_has_modes_that_others_cannot_read() {
    let half = HalfBackedUp::new();
    let before = state(half.data.folder.path());
    let (_folder, backup) = target();
    half.data.json(&["backup", text(&backup)]);
    assert_eq!(state(half.data.folder.path()), before);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o027;
    assert_eq!(mode(&backup), 0);
    for (path, _) in state(&backup) {
        assert_eq!(mode(&path), 0, "{}", path.display());
    }
    assert_prints(&half.data, &["backup", text(&backup)], 4, &["it exists already"]);
    let parent = tempfile::tempdir().unwrap();
    let elsewhere = parent.path().join("new");
    let mut restore = Command::new(env!("CARGO_BIN_EXE_fastbreak"));
    assert!(
        restore.arg("--data").args([text(&elsewhere), "restore", text(&backup)]).status().unwrap().success()
    );
    assert_eq!(
        (mode(&elsewhere), mode(&elsewhere.join("log.db")), mode(&elsewhere.join("warehouse.db"))),
        (0, 0, 0)
    );
}

#[test]
fn a_restore_needs_confirmation_to_replace_a_log_and_is_refused_while_a_run_or_another_program_has_it_open() {
    let half = HalfBackedUp::and_continued();
    let backup = text(&half.backup);
    let before = state(half.data.folder.path());
    assert_prints(
        &half.data,
        &["restore", backup],
        4,
        &["raw events", "the newest batch is", "\"restored\": false"],
    );
    assert_eq!(state(half.data.folder.path()), before, "the preview changed a file");
    let mut running =
        half.data.command(&["run"]).env("FASTBREAK_CONSOLE", "").stdout(Stdio::null()).spawn().unwrap();
    half.data.wait_for_lag(common::has_member);
    for arguments in [&["restore", backup][..], &["restore", backup, "--yes"]] {
        assert_prints(&half.data, arguments, 4, &["runs processors on it", "stop that process"]);
    }
    running.kill().unwrap();
    running.wait().unwrap();
    let reader = rusqlite::Connection::open(half.data.folder.path().join("warehouse.db")).unwrap();
    let rows: i64 = reader.query_row("SELECT count(*) FROM player_slate", [], |row| row.get(0)).unwrap();
    assert!(rows > 0);
    assert_prints(
        &half.data,
        &["restore", backup, "--yes"],
        4,
        &["warehouse.db", "another process has it open"],
    );
    drop(reader);
    assert_recovered(&half.data, &half.lines);
    half.restore();
    assert_recovered(&half.data, &half.lines[..half.lines.len() / 2]);
}

#[test]
fn a_damaged_or_incomplete_backup_replaces_nothing() {
    let half = HalfBackedUp::new();
    let before = state(half.data.folder.path());
    let file = half.backup.join("warehouse.db.zst");
    let whole = std::fs::read(&file).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    for content in [Some(&damaged[..]), Some(&whole[..whole.len() - 1]), None] {
        match content {
            Some(content) => std::fs::write(&file, content).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        for flags in [&[][..], &["--yes"]] {
            let arguments = [&["restore", text(&half.backup)], flags].concat();
            assert_prints(
                &half.data,
                &arguments,
                4,
                &["warehouse.db.zst", "the file is damaged", "use another backup"],
            );
        }
    }
    std::fs::write(&file, &whole).unwrap();
    let (manifest, moved) = (half.backup.join("manifest.json"), half.backup.join("moved"));
    std::fs::rename(&manifest, &moved).unwrap();
    assert_prints(&half.data, &["restore", text(&half.backup), "--yes"], 4, &["this is no whole backup"]);
    let after = state(half.data.folder.path()).into_iter().filter(|(path, _)| !path.ends_with("run.lock"));
    let before: Vec<_> = before.into_iter().filter(|(path, _)| !path.ends_with("run.lock")).collect();
    assert_eq!(after.collect::<Vec<_>>(), before);
}

#[test]
fn a_warehouse_that_the_first_run_is_creating_is_not_part_of_a_backup() {
    let data = Fastbreak::new();
    data.ingest(&season()[..5]);
    let path = data.folder.path().join("warehouse.db");
    rusqlite::Connection::open(path).unwrap().pragma_update(None, "journal_mode", "WAL").unwrap();
    let (_folder, backup) = target();
    let files = data.json(&["backup", text(&backup)])["manifest"]["files"].clone();
    assert_eq!((files.as_array().unwrap().len(), &files[0]["name"]), (1, &Value::from("log.db")));
}

#[test]
fn a_backup_of_a_missing_log_says_what_to_check() {
    let (_folder, backup) = target();
    assert_prints(&Fastbreak::new(), &["backup", text(&backup)], 4, &["there is no log", "next: "]);
    assert!(!backup.exists());
    assert_prints(&Fastbreak::new(), &["restore", text(&backup)], 4, &["there is no", "manifest.json"]);
}
