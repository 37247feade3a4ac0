//! Snapshot: the state of a SQLite file at one instant, which is copied while other processes write to the file.
//!
//! A snapshot is a read transaction. Writers are not blocked; what they commit meanwhile is not part of the snapshot.
//! Invariant: the file is never changed. Of two snapshots that begin together, both show the state of one instant.
//! Not here: opening a file for reading (`lib`), what a backup consists of (use case `backup`).
use crate::{ChangeCheck, ReadOnlyError, open};
use rusqlite::{
    Connection, ErrorCode,
    backup::{Backup, StepResult},
};
use std::{path::Path, time::Duration};

/// Two snapshots begin within microseconds, so a commit between them is rare; after this many attempts something else is wrong.
const MAX_ATTEMPTS: u32 = 200;
const PAUSE: Duration = Duration::from_millis(10);

/// The state of a file at the instant when the snapshot began.
pub struct Snapshot {
    db: Connection,
    change_check: ChangeCheck,
}

impl Snapshot {
    /// Begins a snapshot of an existing file.
    ///
    /// # Errors
    /// If the file does not exist, is not a database or cannot be read.
    pub fn begin(path: &Path, busy_timeout: Duration) -> Result<Snapshot, ReadOnlyError> {
        let (db, change_check) = open(path, busy_timeout)?;
        // A read transaction begins with its first read.
        db.execute_batch("BEGIN")?;
        db.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        Ok(Snapshot { db, change_check })
    }
    /// Begins snapshots of two files that show the state of one instant: no process has committed to the first file between their begins.
    ///
    /// # Errors
    /// As [`Snapshot::begin`]; [`ReadOnlyError::Changed`] if a process commits to the first file all the time.
    pub fn begin_together(
        (first, second): (&Path, &Path),
        busy_timeout: Duration,
    ) -> Result<(Snapshot, Snapshot), ReadOnlyError> {
        for _ in 0..MAX_ATTEMPTS {
            let (observer, _) = open(first, busy_timeout)?;
            let before = data_version(&observer)?;
            let snapshots = (Snapshot::begin(first, busy_timeout)?, Snapshot::begin(second, busy_timeout)?);
            if data_version(&observer)? == before {
                return Ok(snapshots);
            }
            std::thread::sleep(PAUSE);
        }
        Err(ReadOnlyError::Changed)
    }
    /// True if the file has no tables, because a process is creating it.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn is_empty(&self) -> Result<bool, ReadOnlyError> {
        Ok(self.db.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))?)
    }
    /// Writes the state to a file, which is created or replaced. The copy is not flushed to the disk.
    ///
    /// # Errors
    /// If the file cannot be read, or the copy cannot be written.
    pub fn copy_to(&self, target: &Path) -> Result<(), ReadOnlyError> {
        let mut copy = Connection::open(target)?;
        // If this fails, the copy is not used, so it needs neither a rollback journal nor flushes.
        copy.pragma_update(None, "journal_mode", "OFF")?;
        copy.pragma_update(None, "synchronous", "OFF")?;
        match Backup::new(&self.db, &mut copy)?.step(-1)? {
            StepResult::Done => {}
            _ => return Err(busy().into()),
        }
        copy.close().map_err(|(_, error)| error)?;
        self.change_check.ensure_unchanged()
    }
}

/// Returns a number that changes when a different connection has committed.
fn data_version(db: &Connection) -> rusqlite::Result<i64> {
    db.query_row("PRAGMA data_version", [], |row| row.get(0))
}

fn busy() -> rusqlite::Error {
    let code = rusqlite::ffi::Error { code: ErrorCode::DatabaseBusy, extended_code: 0 };
    rusqlite::Error::SqliteFailure(code, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(1);

    fn writer(path: &Path) -> Connection {
        let db = Connection::open(path).unwrap();
        db.pragma_update(None, "journal_mode", "WAL").unwrap();
        db.pragma_update(None, "synchronous", "OFF").unwrap();
        db.execute_batch("CREATE TABLE t(x); INSERT INTO t VALUES(1)").unwrap();
        db
    }
    fn rows(path: &Path) -> i64 {
        let db = Connection::open(path).unwrap();
        db.query_row("SELECT ifnull(max(x), 0) FROM t", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_copy_has_the_state_of_the_begin_although_a_process_writes_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let (path, copy) = (folder.path().join("a.db"), folder.path().join("copy.db"));
        let db = writer(&path);
        let snapshot = Snapshot::begin(&path, TIMEOUT).unwrap();
        db.execute("INSERT INTO t VALUES(2)", []).unwrap();
        snapshot.copy_to(&copy).unwrap();
        assert_eq!((rows(&copy), rows(&path), snapshot.is_empty().unwrap()), (1, 2, false));
        let empty = folder.path().join("empty.db");
        Connection::open(&empty).unwrap().pragma_update(None, "journal_mode", "WAL").unwrap();
        assert!(Snapshot::begin(&empty, TIMEOUT).unwrap().is_empty().unwrap());
    }
    #[test]
    fn two_snapshots_show_one_instant() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = ["first.db", "second.db"].map(|name| folder.path().join(name));
        let databases = (writer(&first), writer(&second));
        databases.1.execute("INSERT INTO t VALUES(3)", []).unwrap();
        // As the sink does: a plan in the second file, its batch in the first one, then its end in the second one.
        let is_done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let is_done = &is_done;
            scope.spawn(move || {
                let (first_db, second_db) = databases;
                for n in 2.. {
                    for (db, x) in [(&second_db, 2 * n), (&first_db, n), (&second_db, 2 * n + 1)] {
                        db.execute("INSERT INTO t VALUES(?)", [x]).unwrap();
                        std::thread::sleep(Duration::from_micros(200));
                    }
                    if is_done.load(std::sync::atomic::Ordering::Relaxed) {
                        return;
                    }
                }
            });
            let mut wrong = Vec::new();
            for n in 0..150 {
                let [a, b] = ["a", "b"].map(|name| folder.path().join(format!("{name}{n}.db")));
                let (of_first, of_second) = Snapshot::begin_together((&first, &second), TIMEOUT).unwrap();
                of_first.copy_to(&a).unwrap();
                of_second.copy_to(&b).unwrap();
                let (batch, state) = (rows(&a), rows(&b));
                let may_be = [2 * batch, 2 * batch + 1, 2 * batch + 2];
                wrong.extend((!may_be.contains(&state)).then_some((batch, state)));
            }
            is_done.store(true, std::sync::atomic::Ordering::Relaxed);
            assert_eq!(wrong, [], "newest batch and state of the second file");
        });
    }
}
