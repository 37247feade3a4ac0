//! The supervisor: every processor on its own thread over one log, until told to stop or until there is nothing left.
//!
//! Invariant: the first halt stops everyone, each after committing what it had read; caught up means that every reader's committed
//! positions are the ends of its topics, in one consistent look at the log.
//! Not here: what the processors are, and the sink's loop.
use crate::{
    engine::Node,
    log::{self, Halt, Member, Storage},
    member::{Limits, Reader, Signals},
    metered::Metered,
};
use std::{sync::Arc, thread::JoinHandle};

/// The work of a reader that is not a node: the sink.
pub type Extra = Box<dyn FnOnce(Box<dyn Member>) -> Result<(), Halt> + Send>;

/// A running topology.
pub struct Supervisor {
    storage: Box<dyn Storage>,
    signals: Arc<Signals>,
    readers: Vec<Reader>,
    threads: Vec<(&'static str, JoinHandle<Result<(), Halt>>)>,
}

/// Stops everyone when a thread ends otherwise than well, by a panic too.
struct Watched {
    signals: Arc<Signals>,
    is_well: bool,
}
impl Drop for Watched {
    fn drop(&mut self) {
        if !self.is_well {
            self.signals.stop();
        }
    }
}

impl Supervisor {
    /// Starts all processors, and further readers with their work.
    pub fn start(
        mut storage: Box<dyn Storage>,
        nodes: Vec<Box<dyn Node>>,
        extras: Vec<(Reader, Extra)>,
        limits: Limits,
        signals: Arc<Signals>,
    ) -> Result<Self, Halt> {
        storage.claim()?;
        storage.tend(&signals.board)?;
        let mut supervisor = Supervisor { storage, signals, readers: Vec::new(), threads: Vec::new() };
        let readers = Reader::of(&nodes);
        for (mut node, reader) in nodes.into_iter().zip(readers) {
            let work = move |mut member: Box<dyn Member>| log::run(node.as_mut(), member.as_mut());
            supervisor.spawn(reader, limits, Box::new(work))?;
        }
        for (reader, work) in extras {
            supervisor.spawn(reader, limits, work)?;
        }
        Ok(supervisor)
    }
    fn spawn(&mut self, reader: Reader, limits: Limits, work: Extra) -> Result<(), Halt> {
        self.readers.push(reader.clone());
        let name = reader.name;
        let member = self.storage.join(reader, limits, self.signals.clone())?;
        let member = Box::new(Metered::new(member, name, self.signals.clone()));
        let signals = self.signals.clone();
        let work = move || {
            let mut watched = Watched { signals, is_well: false };
            let outcome = work(member);
            watched.is_well = outcome.is_ok();
            outcome
        };
        let thread = std::thread::Builder::new().name(name.into()).spawn(work);
        let thread = thread.map_err(|error| Halt::Log {
            path: self.storage.name(),
            reason: format!("no thread for {name}: {error}"),
            next: "raise the process limit".into(),
        })?;
        self.threads.push((name, thread));
        Ok(())
    }
    pub fn signals(&self) -> Arc<Signals> {
        self.signals.clone()
    }
    /// Whether everyone has restored, and everything is read, derived and written.
    fn is_caught_up(&mut self) -> Result<bool, Halt> {
        let dry = self.readers.iter().all(|reader| self.signals.board.is_dry(reader.name));
        Ok(dry && self.storage.is_caught_up(&self.readers)?)
    }
    /// Runs until stopped, or until caught up when asked to; `each` is called between looks.
    pub fn watch(
        mut self,
        until_caught_up: bool,
        mut each: impl FnMut(&mut dyn Storage),
    ) -> Result<(), Halt> {
        while !self.signals.is_stopping() {
            let pause = self.storage.tend(&self.signals.board)?;
            if until_caught_up && self.is_caught_up()? {
                break;
            }
            each(self.storage.as_mut());
            std::thread::sleep(pause);
        }
        self.join()
    }
    /// Waits for everyone to commit and leave; the first halt is the outcome.
    pub fn join(self) -> Result<(), Halt> {
        self.signals.stop();
        let mut outcome = Ok(());
        for (name, thread) in self.threads {
            let died = || Halt::Log {
                path: self.storage.name(),
                reason: format!("the thread of {name} died; standard error says why"),
                next: "report it; a restart goes on from the last commit".into(),
            };
            let ended = thread.join().unwrap_or_else(|_| Err(died()));
            outcome = outcome.and(ended);
        }
        outcome
    }
}
