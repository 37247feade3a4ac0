//! The supervisor: every processor on its own thread over one embedded log, until told to stop or until there is nothing left.
//!
//! Invariant: the first halt stops everyone, each after committing what it had read; caught up means that every reader's committed
//! positions are the ends of its topics, in one consistent look at the log.
//! Not here: what the processors are, and the sink's loop.
use crate::{
    embedded::{EmbeddedLog, RunLock},
    engine::Node,
    log::{self, Halt},
    member::{Limits, Member, Reader, Signals},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};
use topics::TopicInfo;

/// The work of a reader that is not a node: the sink.
pub type Extra = Box<dyn FnOnce(Member) -> Result<(), Halt> + Send>;

/// A running topology.
pub struct Supervisor {
    folder: PathBuf,
    signals: Arc<Signals>,
    readers: Vec<(String, Vec<TopicInfo>)>,
    names: Vec<&'static str>,
    threads: Vec<JoinHandle<Result<(), Halt>>>,
    log: EmbeddedLog,
    _lock: RunLock,
}

impl Supervisor {
    /// Starts all processors, and further readers with their work.
    pub fn start(
        folder: &Path,
        nodes: Vec<Box<dyn Node>>,
        extras: Vec<(Reader, Extra)>,
        limits: Limits,
        signals: Arc<Signals>,
    ) -> Result<Self, Halt> {
        let lock = EmbeddedLog::lock(folder)?;
        let log = EmbeddedLog::open(folder)?;
        log.ends()?
            .into_iter()
            .for_each(|((topic, partition), end)| signals.board.advance(&topic, partition, end));
        let mut supervisor = Supervisor {
            folder: folder.into(),
            signals,
            readers: Vec::new(),
            names: Vec::new(),
            threads: Vec::new(),
            log,
            _lock: lock,
        };
        let readers = Reader::of(&nodes);
        for (mut node, reader) in nodes.into_iter().zip(readers) {
            supervisor.spawn(
                reader,
                limits,
                Box::new(move |mut member| log::run(node.as_mut(), &mut member)),
            )?;
        }
        for (reader, work) in extras {
            supervisor.spawn(reader, limits, work)?;
        }
        Ok(supervisor)
    }
    fn spawn(&mut self, reader: Reader, limits: Limits, work: Extra) -> Result<(), Halt> {
        self.log.retire_others(&reader.group)?;
        self.log.register(&reader.group, &reader.inputs)?;
        self.readers.push((reader.group.clone(), reader.inputs.clone()));
        let name = reader.name;
        self.names.push(name);
        let member = Member::new(EmbeddedLog::open(&self.folder)?, self.signals.clone(), reader, limits);
        let signals = self.signals.clone();
        let work = move || {
            let outcome = work(member);
            if outcome.is_err() {
                signals.stop();
            }
            outcome
        };
        let thread = std::thread::Builder::new().name(name.into()).spawn(work);
        let thread = thread.map_err(|error| Halt::Log {
            path: self.folder.display().to_string(),
            reason: format!("no thread for {name}: {error}"),
            next: "raise the process limit".into(),
        })?;
        self.threads.push(thread);
        Ok(())
    }
    pub fn signals(&self) -> Arc<Signals> {
        self.signals.clone()
    }
    /// Looks for what other processes appended.
    fn look(&mut self) -> Result<(), Halt> {
        for ((topic, partition), end) in self.log.ends()? {
            if self.signals.board.end(&topic, partition) < end {
                self.signals.board.advance(&topic, partition, end);
                self.signals.board.wake();
            }
        }
        Ok(())
    }
    /// Whether everyone has restored, and everything is read, derived and written.
    fn is_caught_up(&mut self) -> Result<bool, Halt> {
        let dry = self.names.iter().all(|name| self.signals.board.is_dry(name));
        Ok(dry && self.log.is_caught_up(&self.readers)?)
    }
    /// Runs until stopped, or until caught up when asked to; `each` is called between looks.
    pub fn watch(mut self, until_caught_up: bool, mut each: impl FnMut(&EmbeddedLog)) -> Result<(), Halt> {
        let mut version = -1;
        let mut compacted = Instant::now();
        while !self.signals.is_stopping() {
            let now = self.log.data_version()?;
            if now != version {
                version = now;
                self.look()?;
            }
            if until_caught_up && self.is_caught_up()? {
                break;
            }
            if compacted.elapsed() > Duration::from_secs(10) {
                self.log.compact_one(None)?;
                compacted = Instant::now();
            }
            each(&self.log);
            std::thread::sleep(Duration::from_millis(10));
        }
        self.join()
    }
    /// Waits for everyone to commit and leave; the first halt is the outcome.
    pub fn join(self) -> Result<(), Halt> {
        self.signals.stop();
        let mut outcome = Ok(());
        for thread in self.threads {
            let ended = thread.join().unwrap_or_else(|_| Err(Halt::Sink("a processor's thread died".into())));
            outcome = outcome.and(ended);
        }
        outcome
    }
}
