//! The supervisor: runs every processor of a process on its own thread, all on one log, until it is stopped or everything is caught up.
//!
//! Invariant: the first error stops all threads, each after committing what it has read. A processor that exceeds a DLQ limit stops alone:
//! the others catch up, and then the run ends with its error. Caught up means that the committed offsets of
//! every subscription equal the end offsets of its inputs, in one consistent sample of the log.
//! Not here: which processors there are (`src/topology/nodes.rs` of the binary), the sink's loop (crate `sinks`).
use crate::{
    broker::{GroupMember, LogBackend},
    engine::ProcessorNode,
    error::RuntimeError,
    instrumented::InstrumentedMember,
    subscription::{ReadLimits, RunContext, Subscription},
    task,
};
use std::{sync::Arc, thread::JoinHandle};

/// The loop of the sink, which is a processor but not a [`ProcessorNode`].
pub type CustomTask = Box<dyn FnOnce(Box<dyn GroupMember>) -> Result<(), RuntimeError> + Send>;

/// The running processors of one process, each on its own thread.
pub struct Supervisor {
    log: Box<dyn LogBackend>,
    run_context: Arc<RunContext>,
    subscriptions: Vec<Subscription>,
    threads: Vec<(&'static str, JoinHandle<Result<(), RuntimeError>>)>,
}

/// A guard on the thread of each processor. If the thread ends with an error or a panic, dropping the guard tells all other threads to
/// stop.
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
    /// Starts all processors, and a custom task for each further subscription.
    ///
    /// # Errors
    /// When another process holds the run lock, or a member cannot be created. The threads that were started before the error have ended.
    pub fn start(
        mut log: Box<dyn LogBackend>,
        nodes: Vec<Box<dyn ProcessorNode>>,
        custom_tasks: Vec<(Subscription, CustomTask)>,
        limits: ReadLimits,
        run_context: Arc<RunContext>,
    ) -> Result<Self, RuntimeError> {
        log.acquire_run_lock()?;
        log.run_maintenance(&run_context.board)?;
        let mut supervisor = Supervisor { log, run_context, subscriptions: Vec::new(), threads: Vec::new() };
        let subscriptions = Subscription::from_nodes(&nodes);
        let node_tasks = nodes.into_iter().zip(subscriptions).map(|(mut node, subscription)| {
            let task = move |mut member: Box<dyn GroupMember>| task::run(node.as_mut(), member.as_mut());
            (subscription, Box::new(task) as CustomTask)
        });
        for (subscription, task) in node_tasks.chain(custom_tasks) {
            if let Err(error) = supervisor.spawn(subscription, limits, task) {
                // The error of the start is the cause; a thread that it interrupts has no other one.
                _ = supervisor.join();
                return Err(error);
            }
        }
        Ok(supervisor)
    }
    fn spawn(
        &mut self,
        subscription: Subscription,
        limits: ReadLimits,
        task: CustomTask,
    ) -> Result<(), RuntimeError> {
        self.subscriptions.push(subscription.clone());
        let name = subscription.name;
        let member = self.log.subscribe(subscription, limits, self.run_context.clone())?;
        let member = Box::new(InstrumentedMember::new(member, name, self.run_context.clone()));
        let run_context = self.run_context.clone();
        let run = move || {
            let mut stop_on_drop = StopOnDrop { run_context, is_successful: false };
            let outcome = task(member);
            let is_limit_exceeded = matches!(outcome, Err(RuntimeError::DlqLimitExceeded { .. }));
            if let Err(error) = &outcome
                && is_limit_exceeded
            {
                tracing::error!(processor = name, %error, "a processor stopped at a DLQ limit; the others catch up, then the run ends");
                stop_on_drop.run_context.board.set_stopped(name);
            }
            stop_on_drop.is_successful = outcome.is_ok() || is_limit_exceeded;
            outcome
        };
        let thread = std::thread::Builder::new().name(name.into()).spawn(run);
        let thread = thread.map_err(|error| RuntimeError::Storage {
            path: self.log.name(),
            reason: format!("cannot start the thread of {name}: {error}"),
            next: "raise the operating system's limit on threads".into(),
        })?;
        self.threads.push((name, thread));
        Ok(())
    }
    pub fn run_context(&self) -> Arc<RunContext> {
        self.run_context.clone()
    }
    /// True if every processor that has not stopped has restored its state and is idle, and its committed offsets cover all input.
    fn is_caught_up(&mut self) -> Result<bool, RuntimeError> {
        let board = &self.run_context.board;
        self.subscriptions.retain(|subscription| !board.is_stopped(subscription.name));
        let is_idle = self.subscriptions.iter().all(|s| board.is_idle(s.name));
        Ok(is_idle && self.log.is_caught_up(&self.subscriptions)?)
    }
    /// Runs until stopped or, if `until_caught_up` or after a processor exceeded a DLQ limit, until everything else is caught up. Calls `on_interval` after each round of maintenance.
    ///
    /// # Errors
    /// The first error of any thread or of the maintenance.
    pub fn watch(
        mut self,
        until_caught_up: bool,
        mut on_interval: impl FnMut(&mut dyn LogBackend),
    ) -> Result<(), RuntimeError> {
        while !self.run_context.is_stopping() {
            let interval = self.log.run_maintenance(&self.run_context.board)?;
            let is_ending = until_caught_up || self.run_context.board.has_stopped();
            if is_ending && self.is_caught_up()? {
                break;
            }
            on_interval(self.log.as_mut());
            std::thread::sleep(interval);
        }
        self.join()
    }
    /// Stops all threads, each after its last commit, and returns the first error.
    ///
    /// # Errors
    /// The first error of any thread.
    pub fn join(self) -> Result<(), RuntimeError> {
        self.run_context.stop();
        let mut outcome = Ok(());
        for (name, thread) in self.threads {
            let panicked = || RuntimeError::Storage {
                path: self.log.name(),
                reason: format!("the thread of {name} panicked; standard error has the message"),
                next: "report this panic; a restart resumes from the last commit".into(),
            };
            let ended = thread.join().unwrap_or_else(|_| Err(panicked()));
            outcome = outcome.and(ended);
        }
        outcome
    }
}
