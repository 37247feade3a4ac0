//! The supervisor: every processor on its own thread over one log, until told to stop or until there is nothing left.
//!
//! Invariant: the first halt stops everyone, each after committing what it had read; caught up means that every reader's committed
//! positions are the ends of its topics, in one consistent look at the log.
//! Not here: what the processors are, and the sink's loop.
use crate::{
    engine::ProcessorNode,
    instrumented::InstrumentedMember,
    log::{self, GroupMember, LogBackend, RuntimeError},
    subscription::{ReadLimits, RunContext, Subscription},
};
use std::{sync::Arc, thread::JoinHandle};

/// The work of a reader that is not a node: the sink.
pub type CustomTask = Box<dyn FnOnce(Box<dyn GroupMember>) -> Result<(), RuntimeError> + Send>;

/// A running topology.
pub struct Supervisor {
    storage: Box<dyn LogBackend>,
    run_context: Arc<RunContext>,
    subscriptions: Vec<Subscription>,
    threads: Vec<(&'static str, JoinHandle<Result<(), RuntimeError>>)>,
}

/// Stops everyone when a thread ends otherwise than well, by a panic too.
struct StopOnDrop {
    run_context: Arc<RunContext>,
    is_successful: bool,
}
impl Drop for StopOnDrop {
    fn drop(&mut self) {
        if !self.is_successful {
            self.run_context.stop();
        }
    }
}

impl Supervisor {
    /// Starts all processors, and further readers with their work.
    pub fn start(
        mut storage: Box<dyn LogBackend>,
        nodes: Vec<Box<dyn ProcessorNode>>,
        extras: Vec<(Subscription, CustomTask)>,
        limits: ReadLimits,
        run_context: Arc<RunContext>,
    ) -> Result<Self, RuntimeError> {
        storage.acquire_run_lock()?;
        storage.run_maintenance(&run_context.board)?;
        let mut supervisor =
            Supervisor { storage, run_context, subscriptions: Vec::new(), threads: Vec::new() };
        let subscriptions = Subscription::of(&nodes);
        for (mut node, subscription) in nodes.into_iter().zip(subscriptions) {
            let work = move |mut member: Box<dyn GroupMember>| log::run(node.as_mut(), member.as_mut());
            supervisor.spawn(subscription, limits, Box::new(work))?;
        }
        for (subscription, work) in extras {
            supervisor.spawn(subscription, limits, work)?;
        }
        Ok(supervisor)
    }
    fn spawn(
        &mut self,
        subscription: Subscription,
        limits: ReadLimits,
        work: CustomTask,
    ) -> Result<(), RuntimeError> {
        self.subscriptions.push(subscription.clone());
        let name = subscription.name;
        let member = self.storage.subscribe(subscription, limits, self.run_context.clone())?;
        let member = Box::new(InstrumentedMember::new(member, name, self.run_context.clone()));
        let run_context = self.run_context.clone();
        let work = move || {
            let mut stop_on_drop = StopOnDrop { run_context, is_successful: false };
            let outcome = work(member);
            stop_on_drop.is_successful = outcome.is_ok();
            outcome
        };
        let thread = std::thread::Builder::new().name(name.into()).spawn(work);
        let thread = thread.map_err(|error| RuntimeError::Storage {
            path: self.storage.name(),
            reason: format!("no thread for {name}: {error}"),
            next: "raise the process limit".into(),
        })?;
        self.threads.push((name, thread));
        Ok(())
    }
    pub fn run_context(&self) -> Arc<RunContext> {
        self.run_context.clone()
    }
    /// Whether everyone has restored, and everything is read, derived and written.
    fn is_caught_up(&mut self) -> Result<bool, RuntimeError> {
        let idle =
            self.subscriptions.iter().all(|subscription| self.run_context.board.is_idle(subscription.name));
        Ok(idle && self.storage.is_caught_up(&self.subscriptions)?)
    }
    /// Runs until stopped, or until caught up when asked to; `each` is called between looks.
    pub fn watch(
        mut self,
        until_caught_up: bool,
        mut each: impl FnMut(&mut dyn LogBackend),
    ) -> Result<(), RuntimeError> {
        while !self.run_context.is_stopping() {
            let pause = self.storage.run_maintenance(&self.run_context.board)?;
            if until_caught_up && self.is_caught_up()? {
                break;
            }
            each(self.storage.as_mut());
            std::thread::sleep(pause);
        }
        self.join()
    }
    /// Waits for everyone to commit and leave; the first halt is the outcome.
    pub fn join(self) -> Result<(), RuntimeError> {
        self.run_context.stop();
        let mut outcome = Ok(());
        for (name, thread) in self.threads {
            let died = || RuntimeError::Storage {
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
