//! The modes of the files and folders that the binary creates.
//!
//! Invariant: others may not read them, whatever the umask; a stricter umask counts.
//! Not here: backups (`backup::staging`), files that exist already (crate `file-modes`).
use crate::support::{fastbreak, run, state};
use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

/// Returns the binary on this data folder, with this umask.
fn with_umask(umask: &str, data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "umask \"$0\" && exec \"$@\"", umask, env!("CARGO_BIN_EXE_fastbreak"), "--data"]);
    command.arg(data).args(arguments).env("FASTBREAK_CONSOLE", "").stdin(Stdio::null());
    command
}
fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}
/// Checks the mode of everything below a folder; returns the names of all files.
fn assert_modes(parent: &Path, (of_file, of_folder): (u32, u32)) -> Vec<String> {
    let paths: Vec<PathBuf> = state(parent).into_keys().collect();
    for path in &paths {
        let expected = if path.is_dir() { of_folder } else { of_file };
        assert_eq!(mode(path), expected, "{:o} is the mode of {}", mode(path), path.display());
    }
    paths.iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect()
}

/// Waits until the run has its processors, and has opened the log.
fn wait_for_run(data: &Path) {
    let is_stopped = || run(fastbreak(data, &["lag", "--fail-on", "stopped"])).0 == Some(3);
    let waited = (0..600).any(|_| {
        std::thread::sleep(Duration::from_millis(200));
        !is_stopped()
    });
    assert!(waited, "the run did not start");
}

#[test]
fn log_warehouse_run_lock_and_replays_are_closed_to_others() {
    let parent = tempfile::tempdir().unwrap();
    let data = parent.path().join("a/b");
    let demo = with_umask("000", &data, &["demo"]).output().unwrap();
    assert!(demo.status.success(), "{}", String::from_utf8_lossy(&demo.stderr));
    let replay = ["replay", "run", "--from", "2024-11-22", "--to", "2024-11-22", "--namespace", "r"];
    let replay = with_umask("000", &data, &replay).output().unwrap();
    assert!(replay.status.success(), "{}", String::from_utf8_lossy(&replay.stderr));
    let mut running = with_umask("000", &data, &["run"]).spawn().unwrap();
    wait_for_run(&data);
    running.kill().unwrap();
    running.wait().unwrap();
    let names = assert_modes(parent.path(), (0o640, 0o750));
    let expected = ["log.db", "log.db-wal", "log.db-shm", "warehouse.db", "run.lock", "replay.json"];
    for name in expected {
        assert!(names.iter().any(|found| found == name), "{name} is missing in {names:?}");
    }
}

#[test]
fn a_stricter_umask_counts() {
    let parent = tempfile::tempdir().unwrap();
    let ingest = with_umask("077", &parent.path().join("data"), &["ingest", "-"]).output().unwrap();
    assert!(ingest.status.success(), "{}", String::from_utf8_lossy(&ingest.stderr));
    let names = assert_modes(parent.path(), (0o600, 0o700));
    assert!(names.contains(&"log.db".to_owned()), "{names:?}");
}
