//! A replay's log: one of its own beside a live one, whose raw topics it reads in place of its own.
//!
//! The live file is opened read-only and no reader is registered in it: raw topics are kept without limit, so nothing has to be held
//! back. They are taken to end where they did when the log was opened; once that is read and derived from, where they end then, for as
//! long as what came meanwhile gets less. So a replay ends beside an ingest that does not.
//! Invariant: the live log is never written to; the positions of raw topics are the replay's own.
//! Not here: everything else about the file (`store`).
use super::store::{EmbeddedLog, halt};
use crate::{log::Halt, member::Reader};
use rusqlite::{Connection, OpenFlags};
use std::{collections::BTreeMap, path::Path, time::Duration};

/// The log whose raw topics are read.
pub(super) struct Live {
    pub log: EmbeddedLog,
    /// Where its raw topics are taken to end.
    pub ends: BTreeMap<(String, i32), i64>,
    /// How many records were added to them the last time.
    added: i64,
}

impl EmbeddedLog {
    /// Opens the log in a folder, which reads the raw topics of the one in `live`. It keeps to the log that it began with.
    pub fn open_beside(folder: &Path, live: &Path) -> Result<Self, Halt> {
        let live = EmbeddedLog::open_read_only(live)?;
        let id = live.id()?;
        let mut own = EmbeddedLog::open(folder)?;
        own.ok(own.db.execute("INSERT OR IGNORE INTO meta VALUES('raw_of', ?)", [&id]))?;
        let began = own.db.query_row("SELECT value FROM meta WHERE key = 'raw_of'", [], |row| row.get(0));
        let began: String = own.ok(began)?;
        if began != id {
            return Err(Halt::Refused {
                what: format!("the replay in {}", folder.display()),
                reason: format!(
                    "it began with the raw topics of log {began}, and {} is log {id}",
                    live.path().display()
                ),
                next: "`fastbreak replay discard NAME --yes`, then replay again".into(),
            });
        }
        let ends = live.raw_ends()?;
        own.live = Some(Box::new(Live { log: live, ends, added: i64::MAX }));
        Ok(own)
    }
    /// Opens the log in a folder, to read it and never to write.
    pub fn open_read_only(folder: &Path) -> Result<Self, Halt> {
        let path = folder.join("log.db");
        if !path.exists() {
            let next = "`fastbreak ingest` makes one; --data says in which folder".to_owned();
            return Err(Halt::Log { path: path.display().to_string(), reason: "there is none".into(), next });
        }
        let open = || -> rusqlite::Result<Connection> {
            let db = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            db.busy_timeout(Duration::from_secs(60))?;
            db.set_prepared_statement_cache_capacity(16);
            Ok(db)
        };
        let db = open().map_err(|error| halt(&path, error.to_string()))?;
        Ok(EmbeddedLog::over(path, db))
    }
    /// Another connection to the same log.
    pub(super) fn reopen(&self) -> Result<Self, Halt> {
        match &self.live {
            Some(live) => EmbeddedLog::open_beside(self.folder(), live.log.folder()),
            None => EmbeddedLog::open(self.folder()),
        }
    }
    /// The log that a topic is read from when it is not this one.
    pub(super) fn live_of(&mut self, topic: &str) -> Option<&mut EmbeddedLog> {
        self.live.as_mut().filter(|_| topics::is_raw(topic)).map(|live| &mut live.log)
    }
    fn raw_ends(&self) -> Result<BTreeMap<(String, i32), i64>, Halt> {
        Ok(self.ends()?.into_iter().filter(|((topic, _), _)| topics::is_raw(topic)).collect())
    }
    /// Whether these readers have committed having read the live log's raw topics to where they are taken to end.
    pub(super) fn has_read_live(&self, readers: &[Reader]) -> Result<bool, Halt> {
        let Some(live) = &self.live else { return Ok(true) };
        for reader in readers {
            let positions = self.positions(&reader.group)?;
            let inputs = |topic: &str| reader.inputs.iter().any(|input| input.name == topic);
            let mut of_reader = live.ends.iter().filter(|((topic, _), _)| inputs(topic));
            if of_reader.any(|(at, end)| positions.get(at).copied().unwrap_or(0) < *end) {
                return Ok(false);
            }
        }
        Ok(true)
    }
    /// Lets the raw topics that these readers read end where they do now, when less was added to them than the last time; whether
    /// anything was.
    pub(super) fn extend(&mut self, readers: &[Reader]) -> Result<bool, Halt> {
        let Some(live) = &mut self.live else { return Ok(false) };
        if !readers.iter().flat_map(|reader| &reader.inputs).any(|input| topics::is_raw(input.name)) {
            return Ok(false);
        }
        let ends = live.log.raw_ends()?;
        let added = ends.values().sum::<i64>() - live.ends.values().sum::<i64>();
        if added == 0 || added >= live.added {
            return Ok(false);
        }
        (live.ends, live.added) = (ends, added);
        // The board is to be told.
        self.seen = None;
        Ok(true)
    }
    /// Removes a replay's own file, when nobody runs it; answers what was removed.
    pub(super) fn discard_file(&mut self) -> Result<Vec<String>, Halt> {
        let began: rusqlite::Result<i64> =
            self.db.query_row("SELECT count(*) FROM meta WHERE key = 'raw_of'", [], |row| row.get(0));
        if self.ok(began)? == 0 {
            return Err(Halt::Refused {
                what: format!("discarding {}", self.path().display()),
                reason: "it is no replay's".into(),
                next: "`fastbreak replay list` names the replays".into(),
            });
        }
        crate::log::Storage::claim(self)?;
        let mut removed = Vec::new();
        for suffix in ["", "-wal", "-shm"] {
            let file = self.path().with_file_name(format!("log.db{suffix}"));
            match std::fs::remove_file(&file) {
                Ok(()) => removed.push(file.display().to_string()),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(halt(&file, error.to_string())),
            }
        }
        Ok(removed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        chunk::Chunk,
        log::{Commit, Storage},
    };
    use topics::RAW_SCHEDULES;

    const RAW: &str = RAW_SCHEDULES.info.name;

    fn append(log: &mut EmbeddedLog, topic: &str, records: usize) {
        let mut chunk = Chunk::default();
        (0..records).for_each(|n| chunk.push(&n.to_string(), Some(b"x")));
        let commit = Commit { out: BTreeMap::from([((topic.to_owned(), 0), chunk)]), ..Commit::default() };
        log.commit(commit).unwrap();
    }
    fn reader() -> Reader {
        let inputs = vec![RAW_SCHEDULES.info];
        let (outputs, upstream) = (vec![], vec![]);
        Reader {
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
        replay.commit(Commit { group: reader().group, next, ..Commit::default() }).unwrap();
    }
    fn beside(folder: &Path) -> (EmbeddedLog, EmbeddedLog) {
        let mut live = EmbeddedLog::open(folder).unwrap();
        append(&mut live, RAW, 10);
        append(&mut live, "core.games.v1", 3);
        let replay = EmbeddedLog::open_beside(&folder.join("replays").join("a"), folder).unwrap();
        (live, replay)
    }

    #[test]
    fn raw_topics_are_the_live_logs_and_everything_else_is_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let (live, mut replay) = beside(folder.path());
        let read: u32 = replay.read(RAW, 0, 4, usize::MAX).unwrap().iter().map(Chunk::len).sum();
        assert_eq!(read, 6);
        assert!(replay.read("core.games.v1", 0, 0, usize::MAX).unwrap().is_empty());
        assert_eq!(EmbeddedLog::ends(&replay).unwrap(), BTreeMap::from([((RAW.to_owned(), 0), 10)]));
        append(&mut replay, "core.games.v1", 5);
        read_to(&mut replay, 10);
        assert_eq!(EmbeddedLog::ends(&live).unwrap()[&("core.games.v1".to_owned(), 0)], 3);
        assert!(EmbeddedLog::positions(&live, &reader().group).unwrap().is_empty());
        assert!(Storage::ingest(&mut replay, &[], Commit::default()).is_err());
    }
    #[test]
    fn it_takes_up_what_came_meanwhile_for_as_long_as_that_gets_less() {
        let folder = tempfile::tempdir().unwrap();
        let (mut live, mut replay) = beside(folder.path());
        let is_caught_up = |replay: &mut EmbeddedLog| Storage::is_caught_up(replay, &[reader()]).unwrap();
        assert!(!is_caught_up(&mut replay));
        append(&mut live, RAW, 5);
        read_to(&mut replay, 10);
        assert!(!is_caught_up(&mut replay), "five came meanwhile");
        append(&mut live, RAW, 4);
        read_to(&mut replay, 15);
        assert!(!is_caught_up(&mut replay), "four more");
        append(&mut live, RAW, 4);
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
        let refused = EmbeddedLog::open_beside(&place, folder.path()).err().unwrap();
        assert!(refused.to_string().contains("replay discard"), "{refused}");
        EmbeddedLog::open(&place).unwrap().discard(&[], &[]).unwrap();
        assert!(
            EmbeddedLog::open(folder.path()).unwrap().discard(&[], &[]).is_err(),
            "a live log is not discarded"
        );
    }
}
