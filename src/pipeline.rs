//! Starts and watches a pipeline: the processors that share one log, and the sink that writes one warehouse. `run`, `replay run` and
//! tests use it.
//!
//! Invariant: log and warehouse are parameters of a pipeline; its code is the same for every log and every warehouse.
//! Not here: the processors (`topology`), the log (crate `runtime`), the sink task (`sinks::task`).
use crate::sink_target::SinkTarget;
use anyhow::Result;
use runtime::{
    LogBackend, ProcessorNode,
    engine::DlqLimits,
    subscription::{ReadLimits, RunContext, Subscription},
    supervisor::Supervisor,
};
use sinks::{
    BatchLimits,
    task::{SinkConfig, sink_task},
};
use std::{sync::Arc, time::Duration};

/// The configured limits of processors and sink.
#[derive(Clone, Copy, Debug)]
pub struct PipelineLimits {
    pub read: ReadLimits,
    /// Limits at which a sink batch is closed.
    pub sink_batch: BatchLimits,
    /// Interval at which the warehouse is reconciled with the log; zero: never.
    pub reconcile_interval: Duration,
    pub dlq: DlqLimits,
}

/// Log, processors and sink of a run.
pub struct Pipeline {
    pub storage: Box<dyn LogBackend>,
    pub nodes: Vec<Box<dyn ProcessorNode>>,
    /// `None` if this process does not run the sink.
    pub sink: Option<SinkTarget>,
    pub until_caught_up: bool,
}

impl Pipeline {
    /// Starts the processors and the sink.
    ///
    /// # Errors
    /// If the supervisor cannot start.
    pub fn start(self, limits: PipelineLimits, run_context: Arc<RunContext>) -> Result<Running> {
        let sink_config = |warehouse, dates, accepted| SinkConfig {
            warehouse,
            limits: limits.sink_batch,
            dates,
            until_caught_up: self.until_caught_up,
            reconcile_interval: limits.reconcile_interval,
            dlq_limits: limits.dlq,
            accepted,
        };
        let subscriptions = Subscription::from_nodes(&self.nodes);
        let sink_task = self.sink.map(|target| {
            let config = sink_config(target.warehouse.name(), target.dates, target.accepted);
            let task = sink_task(target.warehouse.factory(), run_context.clone(), config);
            (sinks::subscription::subscription(&subscriptions), task)
        });
        let custom_tasks = sink_task.into_iter().collect();
        let supervisor = Supervisor::start(self.storage, self.nodes, custom_tasks, limits.read, run_context)?;
        Ok(Running { supervisor, until_caught_up: self.until_caught_up })
    }
}

/// A pipeline that has started.
pub struct Running {
    supervisor: Supervisor,
    until_caught_up: bool,
}
impl Running {
    /// Waits until the run context stops or, with `until_caught_up`, all processors and the sink have caught up; calls `each` periodically.
    ///
    /// # Errors
    /// The error of the first processor that fails.
    pub fn watch(self, each: impl FnMut(&mut dyn LogBackend)) -> Result<()> {
        Ok(self.supervisor.watch(self.until_caught_up, each)?)
    }
}
