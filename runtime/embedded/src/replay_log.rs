//! A replay's log: one of its own beside a live one, whose raw topics it reads in place of its own.
//!
//! The live file is opened read-only and no reader is registered in it: raw topics are kept without limit, so nothing has to be held
//! back. They are taken to end where they did when the log was opened; once that is read and derived from, where they end then, for as
//! long as what came meanwhile gets less. So a replay ends beside an ingest that does not.
//! Invariant: the live log is never written to; the positions of raw topics are the replay's own.
//! Not here: everything else about the file (`store`).
use super::store::{EmbeddedLog, storage_error};
use crate::{log::RuntimeError, subscription::Subscription};
use rusqlite::{Connection, OpenFlags};
use std::{collections::BTreeMap, path::Path, time::Duration};

/// The log whose raw topics are read.
pub(super) struct ReplaySource {
    pub log: EmbeddedLog,
    /// Where its raw topics are taken to end.
    pub ends: BTreeMap<(String, i32), i64>,
    /// How many records were added to them the last time.
    added: i64,
}

impl EmbeddedLog {
    /// Opens the log in a folder, which reads the raw topics of the one in `source`. It keeps to the log that it began with.
    pub fn open_replay(folder: &Path, source: &Path) -> Result<Self, RuntimeError> {
        let source = EmbeddedLog::open_read_only(source)?;
        let id = source.id()?;
        let mut own = EmbeddedLog::open(folder)?;
        own.ok(own.db.execute("INSERT OR IGNORE INTO meta VALUES('raw_of', ?)", [&id]))?;
        let began = own.db.query_row("SELECT value FROM meta WHERE key = 'raw_of'", [], |row| row.get(0));
        let began: String = own.ok(began)?;
        if began != id {
            return Err(RuntimeError::Precondition {
                what: format!("the replay in {}", folder.display()),
                reason: format!(
                    "it began with the raw topics of log {began}, and {} is log {id}",
                    source.path().display()
                ),
                next: "`fastbreak replay discard NAME --yes`, then replay again".into(),
            });
        }
        let ends = source.raw_end_offsets()?;
        own.source = Some(Box::new(ReplaySource { log: source, ends, added: i64::MAX }));
        Ok(own)
    }
    /// Opens the log in a folder, to read it and never to write.
    pub fn open_read_only(folder: &Path) -> Result<Self, RuntimeError> {
        let path = folder.join("log.db");
        if !path.exists() {
            let next = "`fastbreak ingest` makes one; --data says in which folder".to_owned();
            return Err(RuntimeError::Storage {
                path: path.display().to_string(),
                reason: "there is none".into(),
                next,
            });
        }
        let open = || -> rusqlite::Result<Connection> {
            let db = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            db.busy_timeout(Duration::from_secs(60))?;
            db.set_prepared_statement_cache_capacity(16);
            Ok(db)
        };
        let db = open().map_err(|error| storage_error(&path, error.to_string()))?;
        Ok(EmbeddedLog::over(path, db))
    }
    /// Another connection to the same log.
    pub(super) fn reopen(&self) -> Result<Self, RuntimeError> {
        match &self.source {
            Some(source) => EmbeddedLog::open_replay(self.folder(), source.log.folder()),
            None => EmbeddedLog::open(self.folder()),
        }
    }
    /// The log that a topic is read from when it is not this one.
    pub(super) fn source_of(&mut self, topic: &str) -> Option<&mut EmbeddedLog> {
        self.source.as_mut().filter(|_| topics::is_raw(topic)).map(|source| &mut source.log)
    }
    fn raw_end_offsets(&self) -> Result<BTreeMap<(String, i32), i64>, RuntimeError> {
        Ok(self.end_offsets()?.into_iter().filter(|((topic, _), _)| topics::is_raw(topic)).collect())
    }
    /// Whether these readers have committed having read the live log's raw topics to where they are taken to end.
    pub(super) fn has_read_source(&self, subscriptions: &[Subscription]) -> Result<bool, RuntimeError> {
        let Some(source) = &self.source else { return Ok(true) };
        for subscription in subscriptions {
            let positions = self.committed_offsets(&subscription.group)?;
            let inputs = |topic: &str| subscription.inputs.iter().any(|input| input.name == topic);
            let mut of_subscription = source.ends.iter().filter(|((topic, _), _)| inputs(topic));
            if of_subscription.any(|(at, end)| positions.get(at).copied().unwrap_or(0) < *end) {
                return Ok(false);
            }
        }
        Ok(true)
    }
    /// Lets the raw topics that these readers read end where they do now, when less was added to them than the last time; whether
    /// anything was.
    pub(super) fn extend_source_ends(
        &mut self,
        subscriptions: &[Subscription],
    ) -> Result<bool, RuntimeError> {
        let Some(source) = &mut self.source else { return Ok(false) };
        if !subscriptions
            .iter()
            .flat_map(|subscription| &subscription.inputs)
            .any(|input| topics::is_raw(input.name))
        {
            return Ok(false);
        }
        let ends = source.log.raw_end_offsets()?;
        let added = ends.values().sum::<i64>() - source.ends.values().sum::<i64>();
        if added == 0 || added >= source.added {
            return Ok(false);
        }
        (source.ends, source.added) = (ends, added);
        // The board is to be told.
        self.seen = None;
        Ok(true)
    }
    /// Removes a replay's own file, when nobody runs it; answers what was removed.
    pub(super) fn discard_file(&mut self) -> Result<Vec<String>, RuntimeError> {
        let began: rusqlite::Result<i64> =
            self.db.query_row("SELECT count(*) FROM meta WHERE key = 'raw_of'", [], |row| row.get(0));
        if self.ok(began)? == 0 {
            return Err(RuntimeError::Precondition {
                what: format!("discarding {}", self.path().display()),
                reason: "it is no replay's".into(),
                next: "`fastbreak replay list` names the replays".into(),
            });
        }
        crate::log::LogBackend::acquire_run_lock(self)?;
        let mut removed = Vec::new();
        for suffix in ["", "-wal", "-shm"] {
            let file = self.path().with_file_name(format!("log.db{suffix}"));
            match std::fs::remove_file(&file) {
                Ok(()) => removed.push(file.display().to_string()),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(storage_error(&file, error.to_string())),
            }
        }
        Ok(removed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        log::{Commit, LogBackend},
        record_batch::RecordBatch,
    };
    use topics::RAW_SCHEDULES;

    const RAW: &str = RAW_SCHEDULES.info.name;

    fn append(log: &mut EmbeddedLog, topic: &str, records: usize) {
        let mut record_batch = RecordBatch::default();
        (0..records).for_each(|n| record_batch.push(&n.to_string(), Some(b"x")));
        let commit =
            Commit { out: BTreeMap::from([((topic.to_owned(), 0), record_batch)]), ..Commit::default() };
        log.commit(commit).unwrap();
    }
    fn subscription() -> Subscription {
        let inputs = vec![RAW_SCHEDULES.info];
        let (outputs, upstream) = (vec![], vec![]);
        Subscription {
            name: "loader",
            group: "loader@1".into(),
            inputs,
            outputs,
            is_view: false,
            is_alone: false,
            upstream,
        }
    }
    /// Commits having read so many raw records, as the replay's loader does.
    fn read_to(replay: &mut EmbeddedLog, next: i64) {
        let next = BTreeMap::from([((RAW, 0), next)]);
        replay.commit(Commit { group: subscription().group, next, ..Commit::default() }).unwrap();
    }
    fn beside(folder: &Path) -> (EmbeddedLog, EmbeddedLog) {
        let mut source = EmbeddedLog::open(folder).unwrap();
        append(&mut source, RAW, 10);
        append(&mut source, "core.games.v1", 3);
        let replay = EmbeddedLog::open_replay(&folder.join("replays").join("a"), folder).unwrap();
        (source, replay)
    }

    #[test]
    fn raw_topics_are_the_live_logs_and_everything_else_is_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let (source, mut replay) = beside(folder.path());
        let read: u32 = replay.read(RAW, 0, 4, usize::MAX).unwrap().iter().map(RecordBatch::len).sum();
        assert_eq!(read, 6);
        assert!(replay.read("core.games.v1", 0, 0, usize::MAX).unwrap().is_empty());
        assert_eq!(EmbeddedLog::end_offsets(&replay).unwrap(), BTreeMap::from([((RAW.to_owned(), 0), 10)]));
        append(&mut replay, "core.games.v1", 5);
        read_to(&mut replay, 10);
        assert_eq!(EmbeddedLog::end_offsets(&source).unwrap()[&("core.games.v1".to_owned(), 0)], 3);
        assert!(EmbeddedLog::committed_offsets(&source, &subscription().group).unwrap().is_empty());
        assert!(LogBackend::ingest(&mut replay, &[], Commit::default()).is_err());
    }
    #[test]
    fn it_takes_up_what_came_meanwhile_for_as_long_as_that_gets_less() {
        let folder = tempfile::tempdir().unwrap();
        let (mut source, mut replay) = beside(folder.path());
        let is_caught_up =
            |replay: &mut EmbeddedLog| LogBackend::is_caught_up(replay, &[subscription()]).unwrap();
        assert!(!is_caught_up(&mut replay));
        append(&mut source, RAW, 5);
        read_to(&mut replay, 10);
        assert!(!is_caught_up(&mut replay), "five came meanwhile");
        append(&mut source, RAW, 4);
        read_to(&mut replay, 15);
        assert!(!is_caught_up(&mut replay), "four more");
        append(&mut source, RAW, 4);
        read_to(&mut replay, 19);
        assert!(is_caught_up(&mut replay), "it would go on for ever");
    }
    #[test]
    fn a_live_log_that_was_rebuilt_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        drop(beside(folder.path()));
        for file in ["log.db", "log.db-wal", "log.db-shm"] {
            drop(std::fs::remove_file(folder.path().join(file)));
        }
        drop(EmbeddedLog::open(folder.path()).unwrap());
        let place = folder.path().join("replays").join("a");
        let refused = EmbeddedLog::open_replay(&place, folder.path()).err().unwrap();
        assert!(refused.to_string().contains("replay discard"), "{refused}");
        EmbeddedLog::open(&place).unwrap().discard(&[], &[]).unwrap();
        assert!(
            EmbeddedLog::open(folder.path()).unwrap().discard(&[], &[]).is_err(),
            "a live log is not discarded"
        );
    }
}
