//! The problems of the topic catalog and the topology, found without a cluster.
//!
//! Invariant: read-only.
//! Not here: finding the problems (`topology::topic_specs`).
use crate::{app::App, topology::topic_specs};
use serde::Serialize;

/// Number of topics, and the problems that were found.
#[derive(Serialize)]
pub struct LintReport {
    pub topics: usize,
    pub problems: Vec<String>,
}

impl LintReport {
    pub fn has_problems(&self) -> bool {
        !self.problems.is_empty()
    }
}

/// Checks the topic catalog and the topology.
pub fn lint(app: &App) -> LintReport {
    let specs = app.topic_specs();
    LintReport { topics: specs.len(), problems: topic_specs::lint(specs) }
}
