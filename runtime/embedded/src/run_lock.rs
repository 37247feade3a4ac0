//! The run lock: a lock file, held by the only process that runs processors on a log. The file names this process and its processors.
//!
//! Invariant: the lock is released when the process ends, however it ends; a lock that no process holds means that no processor runs.
//! Not here: when it is acquired (`backend`).
use crate::error::storage_error;
use runtime::{RuntimeError, clock, lag::Owner};
use std::{
    collections::BTreeSet,
    fs::{File, TryLockError},
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

const FILE_NAME: &str = "run.lock";
/// Begin of the line of the file that names the process.
const HOLDER: &str = "process ";
/// Between the id of the process and the time of its start.
const SINCE: &str = " since ";
/// How long to wait for the lock. A process that only checks whether the lock is free holds it for a moment, and this must not prevent a
/// start.
const PROBE_TIMEOUT: Duration = Duration::from_millis(200);

/// The exclusive right to run processors on the log of a folder, for as long as the value exists.
#[derive(Debug)]
pub struct RunLock {
    file: File,
    path: PathBuf,
}

impl RunLock {
    /// Acquires the lock of a folder, creating the folder if it does not exist.
    ///
    /// # Errors
    /// [`RuntimeError::Locked`] when another process holds it.
    pub fn acquire(folder: &Path) -> Result<RunLock, RuntimeError> {
        let path = folder.join(FILE_NAME);
        let failed = |error: std::io::Error| RuntimeError::Storage {
            path: path.display().to_string(),
            reason: error.to_string(),
            next: "check the permissions of the folder".into(),
        };
        file_modes::create_folders(folder).map_err(failed)?;
        let file =
            file_modes::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        let started = Instant::now();
        let locked = loop {
            match file.try_lock() {
                Err(TryLockError::WouldBlock) if started.elapsed() < PROBE_TIMEOUT => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                locked => break locked,
            }
        };
        match locked {
            Ok(()) => {
                let mut lock = RunLock { file, path: path.clone() };
                lock.file.set_len(0).map_err(failed)?;
                let holder = format!("{HOLDER}{}{SINCE}{}", std::process::id(), clock::now());
                writeln!(lock.file, "{holder}").map_err(failed)?;
                Ok(lock)
            }
            Err(TryLockError::WouldBlock) => Err(RuntimeError::Locked {
                holder: holder(&path),
                path: path.display().to_string(),
                next: "stop that process, or use a different --data folder for this one".into(),
            }),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
    /// Adds a processor to the list of processors that this process runs.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn register_processor(&mut self, name: &str) -> Result<(), RuntimeError> {
        writeln!(self.file, "{name}").map_err(|error| storage_error(&self.path, error.to_string()))
    }
}

/// Checks that no process runs processors on the log of a folder, because the file of the log does not exist: it was removed while the
/// process had it open, and a new file would be a second log.
///
/// # Errors
/// [`RuntimeError::Precondition`] if the lock is held.
pub fn ensure_free(folder: &Path, log: &Path) -> Result<(), RuntimeError> {
    match lock_holder(folder)? {
        None => Ok(()),
        Some(holder) => Err(RuntimeError::Precondition {
            what: format!("creating the log {}", log.display()),
            reason: format!(
                "{holder} runs on a log in this folder whose file was removed; a new file would be a second log beside it"
            ),
            next: "stop that process, and put the file back from where it is now or from a backup".into(),
        }),
    }
}

/// Returns the process that holds the lock of a folder, as its file names it; `None` if no process does.
///
/// # Errors
/// When the lock file cannot be read.
pub fn lock_holder(folder: &Path) -> Result<Option<String>, RuntimeError> {
    let path = folder.join(FILE_NAME);
    let failed = |error: std::io::Error| storage_error(&path, error.to_string());
    let file = match File::open(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(failed)?,
    };
    match file.try_lock_shared() {
        Ok(()) => file.unlock().map(|()| None).map_err(failed),
        Err(TryLockError::WouldBlock) => Ok(Some(holder(&path))),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Returns the process that holds the lock, and since when, as far as its file names them.
fn holder(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(HOLDER));
    line.unwrap_or("another process").to_owned()
}

/// The processors that a process runs on a log, and this process as far as the lock file names it.
#[derive(Debug, Default)]
pub struct ActiveProcessors {
    pub names: BTreeSet<String>,
    pub owner: Option<Owner>,
}

/// Returns the processors that a process currently runs on the log in a folder.
///
/// # Errors
/// When the lock file cannot be read.
pub fn active_processors(folder: &Path) -> Result<ActiveProcessors, RuntimeError> {
    if lock_holder(folder)?.is_none() {
        return Ok(ActiveProcessors::default());
    }
    let path = folder.join(FILE_NAME);
    let text = std::fs::read_to_string(&path).map_err(|error| storage_error(&path, error.to_string()))?;
    let (holders, names): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with(HOLDER));
    let names = names.into_iter().map(str::to_owned).collect();
    Ok(ActiveProcessors { names, owner: holders.first().and_then(|holder| parse_holder(holder)) })
}

/// Parses the line that names the process; `None` if a former version wrote it in another form.
fn parse_holder(line: &str) -> Option<Owner> {
    let (process, since) = line.strip_prefix(HOLDER)?.split_once(SINCE)?;
    Some(Owner::Process { process: process.parse().ok()?, since: since.to_owned() })
}
