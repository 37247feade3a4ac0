//! What the tests of the commands share: a processed log, the state of a folder, and commands without the flags of `common`.
//!
//! Invariant: a state of a folder has every file below it, with its content.
//! Not here: data folders (`common`).
use crate::common::{Fastbreak, season};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::LazyLock,
};

/// A folder with a log and a warehouse, of which each test has a copy.
static PROCESSED: LazyLock<Fastbreak> = LazyLock::new(|| Fastbreak::straight(&season()));

/// Returns a folder with the log and the warehouse of a processed season; no process has them open.
pub fn processed() -> Fastbreak {
    let copy = Fastbreak::new();
    for name in ["log.db", "warehouse.db"] {
        std::fs::copy(PROCESSED.folder.path().join(name), copy.folder.path().join(name)).unwrap();
    }
    copy
}

/// Every file and folder below a folder, with the content of the files.
pub fn state(folder: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return found };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.insert(path.clone(), None);
            found.extend(state(&path));
        } else {
            let content = std::fs::read(&path).unwrap();
            found.insert(path, Some(content));
        }
    }
    found
}

/// Returns the number in an environment variable; `None` if it is not set.
pub fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

/// Returns the binary on this data folder, with tables as output.
pub fn fastbreak(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fastbreak"));
    command.arg("--data").arg(data).args(arguments).stdin(Stdio::null());
    command
}

/// Runs a command; returns its exit code and what it printed.
pub fn run(mut command: Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    (output.status.code(), printed(&output))
}

/// Returns standard output and standard error as one text.
pub fn printed(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
