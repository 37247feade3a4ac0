//! A member on the embedded log: one processor instance. It decides what to read next and when.
//!
//! A processor waits a while for those upstream of it to run dry, so a backlog is derived once and not at every step of it.
//! Invariant: positions move only in commits; what was read and not committed is read again by the next start.
//! Not here: the loop (`log::run`).
use super::EmbeddedLog;
use crate::{
    chunk::Chunk,
    log::{At, Commit, Halt, Log, Member, Restored, Source, Storage, Wake},
    member::{Limits, Reader, Signals},
};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// A processor instance's place on the embedded log.
pub struct EmbeddedMember {
    log: EmbeddedLog,
    signals: Arc<Signals>,
    reader: Reader,
    limits: Limits,
    next: BTreeMap<At, i64>,
    assigned: bool,
    waiting_since: Option<Instant>,
}
impl EmbeddedMember {
    pub fn new(log: EmbeddedLog, signals: Arc<Signals>, reader: Reader, limits: Limits) -> Self {
        EmbeddedMember {
            log,
            signals,
            reader,
            limits,
            next: BTreeMap::new(),
            assigned: false,
            waiting_since: None,
        }
    }
    /// Whether everyone that its inputs come from has nothing left to read.
    fn is_upstream_dry(&self) -> bool {
        self.reader.upstream.iter().all(|name| self.signals.board.is_dry(name))
    }
    fn pending(&self) -> Vec<(At, i64)> {
        let partitions = self.reader.inputs.iter().flat_map(|t| (0..t.partitions).map(|p| (t.name, p)));
        let next = partitions.map(|at| (at, self.next.get(&at).copied().unwrap_or(0)));
        next.filter(|((topic, partition), next)| self.signals.board.end(topic, *partition) > *next).collect()
    }
    fn read(&mut self, pending: Vec<(At, i64)>) -> Result<Vec<(At, Chunk)>, Halt> {
        let share = self.limits.batch_bytes / pending.len().max(1);
        let mut read = Vec::new();
        for ((topic, partition), from) in pending {
            for chunk in self.log.read(topic, partition, from, share)? {
                self.next.insert((topic, partition), chunk.next());
                read.push(((topic, partition), chunk));
            }
        }
        Ok(read)
    }
}

impl Source for EmbeddedMember {
    fn wake(&mut self) -> Wake {
        if !self.assigned {
            self.assigned = true;
            return Wake::Assigned((0..topics::PARTITIONS).collect());
        }
        let since = Instant::now();
        let board = &self.signals.board;
        loop {
            let seen = board.generation();
            if self.signals.is_stopping() {
                return Wake::Shutdown;
            }
            let pending = self.pending();
            if pending.is_empty() {
                self.waiting_since = None;
                board.set_dry(self.reader.name, true);
                if since.elapsed() >= self.limits.tick {
                    return Wake::Dry;
                }
                board.wait(seen, self.limits.tick.saturating_sub(since.elapsed()));
                continue;
            }
            board.set_dry(self.reader.name, false);
            let waiting = *self.waiting_since.get_or_insert_with(Instant::now);
            if !self.is_upstream_dry() && waiting.elapsed() < self.limits.patience {
                board.wait(seen, Duration::from_millis(50));
                continue;
            }
            self.waiting_since = None;
            return match self.read(pending) {
                Ok(read) => Wake::Records(read),
                Err(halt) => Wake::Failed(halt),
            };
        }
    }
}

impl Log for EmbeddedMember {
    fn restore(&mut self, partition: i32) -> Result<Option<Restored>, Halt> {
        let restored = self.log.restore(&self.reader, partition)?;
        for (topic, next) in &restored.next {
            self.next.insert((topic, partition), *next);
        }
        for (topic, chunks) in &restored.tables {
            let next = self.next.entry((topic, partition)).or_default();
            *next = chunks.last().map_or(0, Chunk::next).max(*next);
        }
        Ok(Some(restored))
    }
    fn commit(&mut self, commit: Commit) -> Result<(), Halt> {
        let ends = self.log.commit(commit)?;
        let any = !ends.is_empty();
        ends.into_iter()
            .for_each(|(topic, partition, end)| self.signals.board.advance(&topic, partition, end));
        if any {
            self.signals.board.wake();
        }
        Ok(())
    }
}

impl Member for EmbeddedMember {
    fn seek(&mut self, next: BTreeMap<At, i64>) {
        self.next = next;
    }
    fn is_caught_up(&self) -> bool {
        self.is_upstream_dry() && self.pending().is_empty()
    }
    fn storage(&mut self) -> &mut dyn Storage {
        &mut self.log
    }
}
