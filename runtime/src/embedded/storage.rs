//! The embedded log as a `Storage`: what verbs, ingest and the supervisor see of it.
//!
//! Invariant: every member has a connection of its own; offsets are dense when written, so a position counts records.
//! Not here: the file itself (`store`), a member's reading (`member`).
use super::{EmbeddedLog, member::EmbeddedMember};
use crate::{
    board::Board,
    chunk::Chunk,
    engine::changelog_of,
    lag::Standing,
    log::{Commit, Count, Halt, Member, RawRecord, Restored, Storage},
    member::{Limits, Reader, Signals},
};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use topics::Policy;

/// How often to look for something worth compacting.
const COMPACT_EVERY: Duration = Duration::from_secs(10);

impl EmbeddedLog {
    /// The folder that the file is in.
    pub(super) fn folder(&self) -> &Path {
        self.path().parent().unwrap_or(Path::new("."))
    }
}

impl Storage for EmbeddedLog {
    fn id(&mut self) -> Result<String, Halt> {
        EmbeddedLog::id(self)
    }
    fn known_id(&mut self) -> Result<Option<String>, Halt> {
        EmbeddedLog::id(self).map(Some)
    }
    fn name(&self) -> String {
        self.path().display().to_string()
    }
    fn read(&mut self, topic: &str, partition: i32, from: i64, bytes: usize) -> Result<Vec<Chunk>, Halt> {
        EmbeddedLog::read(self, topic, partition, from, bytes)
    }
    fn starts(&mut self, topics: &[&str]) -> Result<BTreeMap<(String, i32), i64>, Halt> {
        EmbeddedLog::starts(self, topics)
    }
    fn ends(&mut self, topics: &[&str]) -> Result<BTreeMap<(String, i32), i64>, Halt> {
        let mut ends = EmbeddedLog::ends(self)?;
        ends.retain(|(topic, _), _| topics.contains(&topic.as_str()));
        Ok(ends)
    }
    fn positions(&mut self, group: &str, topics: &[&str]) -> Result<BTreeMap<(String, i32), i64>, Halt> {
        let mut positions = EmbeddedLog::positions(self, group)?;
        positions.retain(|(topic, _), _| topics.contains(&topic.as_str()));
        Ok(positions)
    }
    fn restore(&mut self, reader: &Reader, partition: i32) -> Result<Restored, Halt> {
        let committed = EmbeddedLog::positions(self, &reader.group)?;
        let mut restored = Restored::default();
        for input in &reader.inputs {
            let next = committed.get(&(input.name.to_owned(), partition)).copied().unwrap_or(0);
            restored.next.insert(input.name, next);
            if reader.is_view && input.policy == Policy::Compact {
                restored
                    .tables
                    .push((input.name, EmbeddedLog::read(self, input.name, partition, 0, usize::MAX)?));
            }
        }
        if reader.is_view {
            restored.changelog =
                EmbeddedLog::read(self, &changelog_of(reader.name), partition, 0, usize::MAX)?;
        }
        Ok(restored)
    }
    fn count(&mut self, _: &str, _: i32, below: i64) -> Result<Count, Halt> {
        Ok(Count::Exactly(below))
    }
    fn ingest(&mut self, events: &[RawRecord], extra: Commit) -> Result<usize, Halt> {
        if self.live.is_some() {
            return Err(Halt::Refused {
                what: format!("ingesting into {}", self.path().display()),
                reason: "it is a replay's, which reads the raw topics of the live log".into(),
                next: "ingest into the live log".into(),
            });
        }
        EmbeddedLog::ingest(self, events, extra)
    }
    fn append(
        &mut self,
        out: BTreeMap<(String, i32), Chunk>,
        group: &str,
        next: &BTreeMap<(String, i32), i64>,
    ) -> Result<(), Halt> {
        let next: Vec<(&str, i32, i64)> = next.iter().map(|((t, p), next)| (t.as_str(), *p, *next)).collect();
        self.append(out, group, &next).map(|_| ())
    }
    fn purge(&mut self, topic: &str, below: &BTreeMap<i32, i64>) -> Result<(), Halt> {
        EmbeddedLog::purge(self, topic, below)
    }
    fn claim(&mut self) -> Result<(), Halt> {
        if self.claimed.is_none() {
            self.claimed = Some(EmbeddedLog::lock(self.folder())?);
        }
        Ok(())
    }
    fn join(
        &mut self,
        reader: Reader,
        limits: Limits,
        signals: Arc<Signals>,
    ) -> Result<Box<dyn Member>, Halt> {
        self.retire_others(&reader.group)?;
        self.register(&reader.group, &reader.inputs)?;
        self.attend(reader.name)?;
        let log = self.reopen()?;
        Ok(Box::new(EmbeddedMember::new(log, signals, reader, limits)))
    }
    fn tend(&mut self, board: &Board) -> Result<Duration, Halt> {
        let now = self.data_version()?;
        if self.seen != Some(now) {
            self.seen = Some(now);
            for ((topic, partition), end) in EmbeddedLog::ends(self)? {
                if board.end(&topic, partition) < end {
                    board.advance(&topic, partition, end);
                    board.wake();
                }
            }
        }
        if self.compacted.get_or_insert_with(Instant::now).elapsed() > COMPACT_EVERY {
            self.compact_one(None)?;
            self.compacted = Some(Instant::now());
        }
        // Nothing but a look tells of what another process appended.
        Ok(Duration::from_millis(10))
    }
    fn standings(&mut self, readers: &[Reader]) -> Result<Vec<Standing>, Halt> {
        EmbeddedLog::standings(self, readers)
    }
    fn is_caught_up(&mut self, readers: &[Reader]) -> Result<bool, Halt> {
        // The raw topics first: what was made of them is in the same commit as the positions.
        let pairs: Vec<_> = readers.iter().map(|r| (r.group.clone(), r.inputs.clone())).collect();
        Ok(self.has_read_live(readers)?
            && EmbeddedLog::is_caught_up(self, &pairs)?
            && !self.extend(readers)?)
    }
    fn discard(&mut self, _: &[String], _: &[String]) -> Result<Vec<String>, Halt> {
        self.discard_file()
    }
}
