//! The reports on the plan of a cluster.
//!
//! Invariant: a report names the brokers that it is about.
//! Not here: making and applying a plan (`planner`).
use runtime::RuntimeError;
use serde::Serialize;
use std::collections::BTreeMap;
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
