//! A pipeline: processors over one log and the sink into one warehouse, from start to stop. `run`, `replay run` and tests share it.
//!
//! Invariant: where it reads and writes is given; everything else is the same wherever that is.
//! Not here: which processors there are (`topology`), how a log or the sink works.
use crate::{config::Config, sink, warehouse::Place};
use anyhow::Result;
use runtime::{
    Node, Storage,
    member::{Limits, Reader, Signals},
    supervisor::Supervisor,
};
use sinks::Dates;
use std::sync::Arc;

/// Where the sink writes, and what.
pub struct Destination {
    pub place: Place,
    /// Of which games; all when `None`.
    pub dates: Option<Dates>,
}

/// What is to run.
pub struct Pipeline {
    pub storage: Box<dyn Storage>,
    pub nodes: Vec<Box<dyn Node>>,
    /// `None`: somebody else's.
    pub sink: Option<Destination>,
    pub until_caught_up: bool,
}

impl Pipeline {
    /// Starts everything.
    pub fn start(self, config: &Config, signals: Arc<Signals>) -> Result<Running> {
        let limits = Limits {
            batch_bytes: config.batch_bytes,
            patience: config.patience,
            commit_interval: config.commit_interval,
            ..Limits::default()
        };
        let windowing = sink::Windowing {
            limits: sinks::Limits {
                records: config.sink_max_records,
                bytes: config.sink_max_bytes,
                age_ms: config.sink_max_age.as_millis() as i64,
            },
            until_caught_up: self.until_caught_up,
            audit_every: config.sink_audit,
            breaker: config.breaker,
        };
        let readers = Reader::of(&self.nodes);
        let extras = self
            .sink
            .map(|destination| (sink::reader(&readers), sink::work(destination, signals.clone(), windowing)));
        let extras = extras.into_iter().collect();
        let supervisor = Supervisor::start(self.storage, self.nodes, extras, limits, signals)?;
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
    pub fn watch(self, each: impl FnMut(&mut dyn Storage)) -> Result<()> {
        Ok(self.supervisor.watch(self.until_caught_up, each)?)
    }
}
