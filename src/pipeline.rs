//! A pipeline: processors over one log and the sink into one warehouse, from start to stop. `run`, `replay run` and tests share it.
//!
//! Invariant: where it reads and writes is given; everything else is the same wherever that is.
//! Not here: which processors there are (`topology`), how a log or the sink works.
use crate::{config::Config, sink, warehouse::WarehouseTarget};
use anyhow::Result;
use runtime::{
    LogBackend, ProcessorNode,
    subscription::{ReadLimits, RunContext, Subscription},
    supervisor::Supervisor,
};
use sinks::DateRange;
use std::sync::Arc;

/// Where the sink writes, and what.
pub struct SinkTarget {
    pub warehouse: WarehouseTarget,
    /// Of which games; all when `None`.
    pub dates: Option<DateRange>,
}

/// What is to run.
pub struct Pipeline {
    pub storage: Box<dyn LogBackend>,
    pub nodes: Vec<Box<dyn ProcessorNode>>,
    /// `None`: somebody else's.
    pub sink: Option<SinkTarget>,
    pub until_caught_up: bool,
}

impl Pipeline {
    /// Starts everything.
    pub fn start(self, config: &Config, run_context: Arc<RunContext>) -> Result<Running> {
        let limits = ReadLimits {
            batch_bytes: config.batch_bytes,
            max_upstream_wait: config.max_upstream_wait,
            commit_interval: config.commit_interval,
            ..ReadLimits::default()
        };
        let sink_config = sink::SinkConfig {
            limits: sinks::BatchLimits {
                records: config.sink_max_records,
                bytes: config.sink_max_bytes,
                age_ms: config.sink_max_age.as_millis() as i64,
            },
            until_caught_up: self.until_caught_up,
            reconcile_interval: config.sink_reconcile_interval,
            dlq_limits: config.dlq_limits,
        };
        let subscriptions = Subscription::from_nodes(&self.nodes);
        let extras = self.sink.map(|target| {
            (sink::reader(&subscriptions), sink::run_sink(target, run_context.clone(), sink_config))
        });
        let extras = extras.into_iter().collect();
        let supervisor = Supervisor::start(self.storage, self.nodes, extras, limits, run_context)?;
        Ok(Running { supervisor, until_caught_up: self.until_caught_up })
    }
}

/// A pipeline that has started.
pub struct Running {
    supervisor: Supervisor,
    until_caught_up: bool,
}
impl Running {
    /// Waits until it is told to stop or, when that was asked for, has caught up; `each` is called between looks.
    pub fn watch(self, each: impl FnMut(&mut dyn LogBackend)) -> Result<()> {
        Ok(self.supervisor.watch(self.until_caught_up, each)?)
    }
}
