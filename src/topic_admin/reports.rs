//! The reports on the plan of a cluster.
//!
//! Invariant: a report names the brokers or the folder that it is about.
//! Not here: making and applying a plan (`planner`).
use runtime::RuntimeError;
use serde::Serialize;
use std::{collections::BTreeMap, path::Path};
use topics::plan::{Plan, Totals};

/// The changes that a cluster needs.
#[derive(Serialize)]
pub struct PlanReport {
    pub brokers: String,
    #[serde(flatten)]
    pub plan: Plan,
    pub totals: Totals,
    /// Path and hash of the file to which the plan was saved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saved: Option<String>,
}

/// The changes that were applied; none if an entry of the plan is refused.
#[derive(Serialize)]
pub struct ApplyReport {
    pub brokers: String,
    #[serde(flatten)]
    pub plan: Plan,
    pub totals: Totals,
    /// The reason of each change that failed, by topic.
    pub failed: BTreeMap<String, String>,
    /// The error of the first change that failed.
    #[serde(skip)]
    pub error: Option<RuntimeError>,
}

/// An embedded log, which has no topics to manage.
#[derive(Serialize)]
pub struct EmbeddedReport {
    pub log: String,
    pub note: &'static str,
}
impl EmbeddedReport {
    pub(super) fn new(folder: &Path) -> EmbeddedReport {
        let note = "the embedded log creates its topics itself, there is nothing to plan; next: specify a Kafka cluster with `--brokers LIST`";
        EmbeddedReport { log: folder.display().to_string(), note }
    }
}
