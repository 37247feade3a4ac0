//! Replaces the files of a data folder by those of a backup.
//!
//! A SQLite file has a write-ahead log beside it, which must never be read together with another file. So the old files are first closed for
//! ever: their write-ahead logs are written into them and removed, which SQLite refuses while another process has a file open.
//! Invariant: up to the first rename, an error leaves the old files with their content. The log is replaced first; a warehouse that is
//! not replaced then is one that the sink notices.
//! Not here: which files (`restore`), the compressed files (`backup::archive`).
use crate::{
    backup::{LOG, StoredFile, sync_folder, verify, write_error},
    precondition::refused,
};
use anyhow::{Context, Result};
use runtime::RuntimeError;
use runtime_embedded::{EmbeddedLog, RunLock};
use rusqlite::{Connection, ErrorCode};
use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    time::Duration,
};

/// The folder in the data folder into which the files are uncompressed.
const STAGING: &str = "restore.partial";
/// How long to wait until a command that reads or appends has closed a file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Replaces files, or creates those that do not exist.
///
/// # Errors
/// If the backup is damaged, another process has a file open, or a file cannot be written. Nothing is replaced then; only if a rename fails,
/// a file before it is replaced.
pub(super) fn replace(folder: &Path, backup: &Path, files: &[StoredFile]) -> Result<()> {
    file_modes::create_folders(folder).map_err(|error| write_error(folder, error))?;
    // While this process has the lock, no process runs processors, and no other one restores.
    let _run_lock = RunLock::acquire(folder)?;
    let staging = StagingFolder::create(folder)?;
    for file in files {
        staging.uncompress(backup, file)?;
    }
    if files.iter().any(|file| file.name == LOG) {
        EmbeddedLog::examine_structure(&staging.0)?;
    }
    for file in files {
        close(&folder.join(&file.name))?;
    }
    for file in files {
        let target = folder.join(&file.name);
        std::fs::rename(staging.0.join(&file.name), &target)
            .with_context(|| format!("replacing {} failed\nnext: run the command again", target.display()))?;
    }
    sync_folder(folder).with_context(|| format!("flushing {}", folder.display()))
}

/// The folder with the uncompressed files; it is removed when this value is dropped.
struct StagingFolder(PathBuf);

impl StagingFolder {
    /// Creates the folder, after removing one that a killed process left.
    fn create(folder: &Path) -> Result<StagingFolder> {
        let path = folder.join(STAGING);
        let create = || -> io::Result<()> {
            match std::fs::remove_dir_all(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            file_modes::create_folder(&path)
        };
        create().map_err(|error| write_error(&path, error))?;
        Ok(StagingFolder(path))
    }
    fn uncompress(&self, backup: &Path, file: &StoredFile) -> Result<()> {
        let path = self.0.join(&file.name);
        let mut target = file_modes::create_file(&path).map_err(|error| write_error(&path, error))?;
        // A damaged backup is no error of writing.
        verify(backup, file, &mut target)
            .map_err(|error| if error.is::<RuntimeError>() { error } else { write_error(&path, error) })?;
        target.sync_all().map_err(|error| write_error(&path, error))
    }
}

impl Drop for StagingFolder {
    fn drop(&mut self) {
        // The next restore removes what remains.
        _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Writes the changes of a file's write-ahead log into it, and removes the files beside it. Of a damaged file, they are only removed.
///
/// # Errors
/// If another process has the file open, or a file cannot be removed.
fn close(path: &Path) -> Result<()> {
    if path.symlink_metadata().is_ok() && leave_wal_mode(path).is_err_and(|error| is_busy(&error)) {
        let what = format!("replacing {}", path.display());
        return Err(refused(
            what,
            "another process has it open",
            "stop that process, then run the command again",
        )
        .into());
    }
    for suffix in ["-wal", "-shm", "-journal"] {
        let mut beside = path.as_os_str().to_owned();
        beside.push(suffix);
        match std::fs::remove_file(&beside) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error)
                    .with_context(|| format!("removing {} failed", Path::new(&beside).display()));
            }
            _ => {}
        }
    }
    Ok(())
}

fn is_busy(error: &rusqlite::Error) -> bool {
    let busy = [ErrorCode::DatabaseBusy, ErrorCode::DatabaseLocked];
    error.sqlite_error_code().is_some_and(|code| busy.contains(&code))
}

fn leave_wal_mode(path: &Path) -> rusqlite::Result<()> {
    let db = Connection::open(path)?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.pragma_update(None, "journal_mode", "DELETE")
}
