//! A member: one processor instance on the embedded log. It decides what to read next and when.
//!
//! A processor waits a while for those upstream of it to run dry, so a backlog is derived once and not at every step of it.
//! Invariant: positions move only in commits; what was read and not committed is read again by the next start.
//! Not here: the loop (`log::run`).
use crate::{
    board::Board,
    chunk::Chunk,
    embedded::EmbeddedLog,
    engine::{Node, changelog_of},
    log::{At, Commit, Halt, Log, Restored, Source, Wake},
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use topics::{Policy, TopicInfo};

/// How a member reads.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// About so many bytes a batch.
    pub batch_bytes: usize,
    /// The longest wait for upstream processors while there is something to read.
    pub patience: Duration,
    /// How often to report having nothing to read.
    pub tick: Duration,
}
impl Default for Limits {
    fn default() -> Self {
        Limits { batch_bytes: 32 << 20, patience: Duration::from_secs(2), tick: Duration::from_secs(1) }
    }
}

/// What is asked of all members at once.
#[derive(Debug, Default)]
pub struct Signals {
    pub board: Board,
    stop: AtomicBool,
}
impl Signals {
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.board.wake();
    }
    pub fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

/// Who reads what, on whose heels.
#[derive(Clone, Debug)]
pub struct Reader {
    pub name: &'static str,
    pub group: String,
    pub inputs: Vec<TopicInfo>,
    pub is_view: bool,
    /// The processors that its inputs come from, directly or not.
    pub upstream: Vec<&'static str>,
}
impl Reader {
    /// The readers of a topology, each with those upstream of it.
    pub fn of(nodes: &[Box<dyn Node>]) -> Vec<Reader> {
        let upstream_of = |inputs: Vec<TopicInfo>| {
            let mut found: Vec<&'static str> = Vec::new();
            let mut topics: Vec<&'static str> = inputs.iter().map(|topic| topic.name).collect();
            while let Some(topic) = topics.pop() {
                let writers = nodes.iter().filter(|node| node.outputs().iter().any(|out| out.name == topic));
                for writer in writers {
                    if !found.contains(&writer.name()) {
                        found.push(writer.name());
                        topics.extend(writer.inputs().iter().map(|input| input.name));
                    }
                }
            }
            found
        };
        let reader = |node: &dyn Node| Reader {
            name: node.name(),
            group: node.group(),
            inputs: node.inputs(),
            is_view: node.is_view(),
            upstream: upstream_of(node.inputs()),
        };
        nodes.iter().map(|node| reader(node.as_ref())).collect()
    }
}

/// A processor instance's place on the embedded log.
pub struct Member {
    log: EmbeddedLog,
    signals: Arc<Signals>,
    reader: Reader,
    limits: Limits,
    next: BTreeMap<At, i64>,
    assigned: bool,
    waiting_since: Option<Instant>,
}
impl Member {
    pub fn new(log: EmbeddedLog, signals: Arc<Signals>, reader: Reader, limits: Limits) -> Self {
        Member { log, signals, reader, limits, next: BTreeMap::new(), assigned: false, waiting_since: None }
    }
    pub fn log(&mut self) -> &mut EmbeddedLog {
        &mut self.log
    }
    /// Whether everyone that its inputs come from has nothing left to read.
    fn is_upstream_dry(&self) -> bool {
        self.reader.upstream.iter().all(|name| self.signals.board.is_dry(name))
    }
    /// Whether it has read all there is, and nobody upstream is about to write more.
    pub fn is_caught_up(&self) -> bool {
        self.is_upstream_dry() && self.pending().is_empty()
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
    /// Starts over from given positions, as after a restart.
    pub fn seek(&mut self, next: BTreeMap<At, i64>) {
        self.next = next;
    }
}

impl Source for Member {
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

impl Log for Member {
    fn restore(&mut self, partition: i32) -> Result<Restored, Halt> {
        let committed = self.log.positions(&self.reader.group)?;
        let mut restored = Restored::default();
        for input in &self.reader.inputs {
            let next = committed.get(&(input.name.to_owned(), partition)).copied().unwrap_or(0);
            restored.next.insert(input.name, next);
            self.next.insert((input.name, partition), next);
            if self.reader.is_view && input.policy == Policy::Compact {
                let chunks = self.log.read(input.name, partition, 0, usize::MAX)?;
                let end = chunks.last().map_or(0, Chunk::next);
                self.next.insert((input.name, partition), end.max(next));
                restored.tables.push((input.name, chunks));
            }
        }
        if self.reader.is_view {
            restored.changelog = self.log.read(&changelog_of(self.reader.name), partition, 0, usize::MAX)?;
        }
        Ok(restored)
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
