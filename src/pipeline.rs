//! Starts and watches a pipeline: the processors that share one log, and the sink that writes one warehouse. `run`, `replay run` and
//! tests use it.
//!
//! Invariant: log and warehouse are parameters of a pipeline; its code is the same for every log and every warehouse.
//! Not here: the processors (`topology`), the log (crate `runtime`), the sink task (`sinks::task`).
use crate::{config::Config, sink_target::SinkTarget};
use anyhow::Result;
use runtime::{
    LogBackend, ProcessorNode,
    subscription::{ReadLimits, RunContext, Subscription},
    supervisor::Supervisor,
};
use sinks::task::{SinkConfig, sink_task};
use std::sync::Arc;

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
    pub fn start(self, config: &Config, run_context: Arc<RunContext>) -> Result<Running> {
        let limits = ReadLimits {
            batch_bytes: config.batch_bytes,
            max_upstream_wait: config.max_upstream_wait,
            commit_interval: config.commit_interval,
            ..ReadLimits::default()
        };
        let sink_config = |dates| SinkConfig {
            limits: sinks::BatchLimits {
                records: config.sink_max_records,
                bytes: config.sink_max_bytes,
                age_ms: config.sink_max_age.as_millis() as i64,
            },
            dates,
            until_caught_up: self.until_caught_up,
            reconcile_interval: config.sink_reconcile_interval,
            dlq_limits: config.dlq_limits,
        };
        let subscriptions = Subscription::from_nodes(&self.nodes);
        let sink_task = self.sink.map(|target| {
            let task = sink_task(target.warehouse.factory(), run_context.clone(), sink_config(target.dates));
            (sinks::subscription::subscription(&subscriptions), task)
        });
        let custom_tasks = sink_task.into_iter().collect();
        let supervisor = Supervisor::start(self.storage, self.nodes, custom_tasks, limits, run_context)?;
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
