//! Opens a SQLite file in WAL mode for reading, also in a folder that cannot be written, and beside a process that writes to the file.
//!
//! SQLite needs the files `-wal` and `-shm` beside a file in WAL mode. They exist while any process has the file open for writing, and
//! after such a process was killed. Otherwise a reader must create them; SQLite deletes them again if the reader might write. Where they
//! cannot be created, the file is read without locks: then [`ChangeCheck`] detects that a process began to write meanwhile.
//! Invariant: the content of the file is never changed, and after the connection is closed the folder has the same files as before.
//! Exception: if only `-shm` is missing, it is created and remains.
//! Not here: whether the path still names the open file (`identity`), copies of a file that is written (`snapshot`), the tables of the files (crates `runtime-embedded` and `sinks`).
mod identity;
mod snapshot;

pub use identity::{FileIdentity, IdentityError};
pub use snapshot::Snapshot;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// A file cannot be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum ReadOnlyError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// Changes are only in `-wal`, and the folder does not allow to read them.
    #[error(
        "{} has changes that are not in the file itself yet, and {} does not exist and cannot be created",
        suffixed(.0, "-wal").display(), suffixed(.0, "-shm").display()
    )]
    UnreadableChanges(PathBuf),
    #[error(
        "another process began to write to the file while it was read without locks, so the result may be inconsistent"
    )]
    Changed,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Detects that a file that is read without locks was changed.
#[derive(Default)]
pub struct ChangeCheck {
    /// The path of the file, and its state when it was opened; `None` if SQLite's locks protect the connection.
    unlocked: Option<(PathBuf, FileState)>,
}
#[derive(Clone, Debug, PartialEq, Eq)]
struct FileState {
    length: u64,
    modified: SystemTime,
    wal_length: u64,
}

impl FileState {
    fn read(path: &Path) -> io::Result<FileState> {
        let metadata = std::fs::metadata(path)?;
        Ok(FileState {
            length: metadata.len(),
            modified: metadata.modified()?,
            wal_length: length(&suffixed(path, "-wal"))?.unwrap_or(0),
        })
    }
}

impl ChangeCheck {
    /// Must be called after reading, before the result is used.
    ///
    /// # Errors
    /// [`ReadOnlyError::Changed`] if a process has written to the file since it was opened, and no lock protects the connection.
    pub fn ensure_unchanged(&self) -> Result<(), ReadOnlyError> {
        match &self.unlocked {
            Some((path, opened)) if FileState::read(path)? != *opened => Err(ReadOnlyError::Changed),
            _ => Ok(()),
        }
    }
}

/// Opens an existing file for reading.
///
/// # Errors
/// If the file does not exist, is not a database or cannot be read.
pub fn open(path: &Path, busy_timeout: Duration) -> Result<(Connection, ChangeCheck), ReadOnlyError> {
    let wal_length = length(&suffixed(path, "-wal"))?;
    let has_shm = suffixed(path, "-shm").exists();
    if wal_length.is_some_and(|length| has_shm || length > 0) {
        return match connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, busy_timeout) {
            Err(error) if is_unwritable(&error) && !has_shm => {
                Err(ReadOnlyError::UnreadableChanges(path.to_owned()))
            }
            db => Ok((db?, ChangeCheck::default())),
        };
    }
    // With the right to write, SQLite deletes the files that it creates when the connection is closed. `query_only` refuses every write.
    match connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, busy_timeout) {
        Ok(db) => Ok((db, ChangeCheck::default())),
        Err(error) if is_unwritable(&error) => {
            let opened = FileState::read(path)?;
            let uri = format!("file:{}?immutable=1", escape(path));
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
            let db = connect(Path::new(&uri), flags, busy_timeout)?;
            Ok((db, ChangeCheck { unlocked: Some((path.to_owned(), opened)) }))
        }
        Err(error) => Err(error.into()),
    }
}

/// Opens the file and reads its header, which shows whether it can be read.
fn connect(path: &Path, flags: OpenFlags, busy_timeout: Duration) -> rusqlite::Result<Connection> {
    let db = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(busy_timeout)?;
    if flags.contains(OpenFlags::SQLITE_OPEN_READ_WRITE) && db.is_readonly("main")? {
        // SQLite opened the file for reading only. It would not delete the files that it creates.
        let error = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY);
        return Err(rusqlite::Error::SqliteFailure(error, None));
    }
    db.pragma_update(None, "query_only", true)?;
    db.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(db)
}

/// True if the error is due to a file or folder that cannot be written.
fn is_unwritable(error: &rusqlite::Error) -> bool {
    let unwritable = [ErrorCode::CannotOpen, ErrorCode::ReadOnly, ErrorCode::PermissionDenied];
    error.sqlite_error_code().is_some_and(|code| unwritable.contains(&code))
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Returns the length of a file; `None` if it does not exist.
fn length(path: &Path) -> io::Result<Option<u64>> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Escapes a path for a URI.
fn escape(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes().iter();
    bytes
        .map(|byte| match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                char::from(*byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path) -> (PathBuf, Connection) {
        let path = folder.join("a b?%.db");
        let db = Connection::open(&path).unwrap();
        db.pragma_update(None, "journal_mode", "WAL").unwrap();
        db.execute_batch("CREATE TABLE t(x); INSERT INTO t VALUES(1)").unwrap();
        (path, db)
    }
    fn files(folder: &Path) -> Vec<(OsString, Vec<u8>)> {
        let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
        let mut files: Vec<_> =
            entries.map(|entry| (entry.file_name(), std::fs::read(entry.path()).unwrap())).collect();
        files.sort();
        files
    }
    fn count(db: &Connection) -> i64 {
        db.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
    }
    fn open_now(path: &Path) -> (Connection, ChangeCheck) {
        open(path, Duration::from_secs(1)).unwrap()
    }

    #[test]
    fn reading_changes_no_file_and_leaves_none() {
        let folder = tempfile::tempdir().unwrap();
        let (path, writer) = write(folder.path());
        drop(writer);
        let before = files(folder.path());
        let (db, _) = open_now(&path);
        assert_eq!(count(&db), 1);
        assert!(db.execute("INSERT INTO t VALUES(2)", []).is_err());
        drop(db);
        assert_eq!(files(folder.path()), before);
    }
    #[test]
    fn what_a_process_writes_meanwhile_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let (path, writer) = write(folder.path());
        let (db, check) = open_now(&path);
        writer.execute("INSERT INTO t VALUES(2)", []).unwrap();
        assert_eq!(count(&db), 2);
        check.ensure_unchanged().unwrap();
    }
    #[test]
    fn the_changes_of_a_killed_process_are_read_and_left_where_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let (path, writer) = write(folder.path());
        let copy = tempfile::tempdir().unwrap();
        for (name, bytes) in files(folder.path()) {
            std::fs::write(copy.path().join(name), bytes).unwrap();
        }
        drop(writer);
        let copied = copy.path().join(path.file_name().unwrap());
        let before = std::fs::read(suffixed(&copied, "-wal")).unwrap();
        assert!(!before.is_empty());
        let (db, _) = open_now(&copied);
        assert_eq!(count(&db), 1);
        drop(db);
        assert_eq!(std::fs::read(suffixed(&copied, "-wal")).unwrap(), before);
    }
    #[test]
    fn a_write_to_a_file_that_is_read_without_locks_is_detected() {
        let folder = tempfile::tempdir().unwrap();
        let (path, writer) = write(folder.path());
        drop(writer);
        let check = ChangeCheck { unlocked: Some((path.clone(), FileState::read(&path).unwrap())) };
        check.ensure_unchanged().unwrap();
        let writer = Connection::open(&path).unwrap();
        writer.execute("INSERT INTO t VALUES(2)", []).unwrap();
        assert!(matches!(check.ensure_unchanged(), Err(ReadOnlyError::Changed)));
        drop(writer);
        assert!(matches!(check.ensure_unchanged(), Err(ReadOnlyError::Changed)));
    }
}
