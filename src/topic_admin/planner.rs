//! Plans and applies the desired topics of one cluster.
//!
//! Invariant: a plan with a refused entry is not applied; without confirmation nothing is applied.
//! Not here: making a plan (crate `topics`), saved plans (`saved_plan`).
use super::{
    export::{self, Export},
    reports::{ApplyReport, PlanReport},
    saved_plan,
};
use anyhow::Result;
use runtime::RuntimeError;
use runtime_kafka::{Admin, KafkaConfig};
use std::{
    path::Path,
    time::{Duration, Instant},
};
use topics::{
    plan::{Action, Plan, PlanOverrides},
    spec::TopicSpec,
};

/// Time limit within which all brokers must show the applied changes.
const APPLY_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause between two reads of the cluster's metadata after an apply.
const APPLY_POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Plans and applies the desired topics of one cluster.
pub struct TopicPlanner<'a> {
    wanted: &'a [TopicSpec],
    admin: Admin,
    brokers: &'a str,
}

impl<'a> TopicPlanner<'a> {
    pub(super) fn connect(
        kafka_config: &'a KafkaConfig,
        wanted: &'a [TopicSpec],
    ) -> Result<Self, RuntimeError> {
        Ok(TopicPlanner { wanted, admin: Admin::connect(kafka_config)?, brokers: &kafka_config.brokers })
    }
    fn make_plan(&self, overrides: PlanOverrides) -> Result<Plan> {
        let cluster = self.admin.cluster(|name| self.wanted.iter().any(|spec| spec.name == name))?;
        Ok(Plan::new(self.wanted, &cluster, overrides))
    }
    /// Returns the changes that the cluster needs, and saves them to the file `out`.
    ///
    /// # Errors
    /// If the cluster cannot be read or the file cannot be written.
    pub fn plan(&self, overrides: PlanOverrides, out: Option<&Path>) -> Result<PlanReport> {
        let plan = self.make_plan(overrides)?;
        let saved = out.map(|path| saved_plan::save(&plan, path)).transpose()?;
        Ok(PlanReport { brokers: self.brokers.to_owned(), totals: plan.totals(), plan, saved })
    }
    /// Applies the plan that was saved to a file.
    ///
    /// # Errors
    /// [`RuntimeError::Precondition`] if the cluster has changed since the plan was saved; if the file or the cluster cannot be read.
    pub fn apply_file(&self, path: &Path) -> Result<ApplyReport> {
        let saved = saved_plan::load(path)?;
        let current = self.make_plan(saved.overrides.clone())?;
        saved_plan::ensure_unchanged(path, &saved, &current)?;
        Ok(self.carry_out(current))
    }
    /// Applies the changes that the cluster needs, if `confirm` returns true for the plan. It is not called if there is nothing to apply.
    ///
    /// # Errors
    /// [`RuntimeError::Precondition`] if `confirm` returns false; if the cluster cannot be read.
    pub fn apply(
        &self,
        overrides: PlanOverrides,
        confirm: impl FnOnce(&Plan) -> Result<bool>,
    ) -> Result<ApplyReport> {
        let plan = self.make_plan(overrides)?;
        if !plan.is_empty() && !plan.is_refused() && !confirm(&plan)? {
            let refused = RuntimeError::Precondition {
                what: "applying this plan".into(),
                reason: "the plan was confirmed neither on a terminal nor with --yes".into(),
                next:
                    "`fastbreak topics apply --yes`, or `fastbreak topics plan --out FILE` and `fastbreak topics apply FILE`"
                        .into(),
            };
            return Err(refused.into());
        }
        Ok(self.carry_out(plan))
    }
    /// Applies all changes of a plan. If one entry of the plan is refused, applies no change at all.
    fn carry_out(&self, plan: Plan) -> ApplyReport {
        let results = if plan.is_refused() { Vec::new() } else { self.admin.carry_out(plan.steps()) };
        let failed =
            results.iter().filter_map(|(topic, result)| Some((topic.clone(), result.as_ref().err()?)));
        ApplyReport {
            brokers: self.brokers.to_owned(),
            failed: failed.map(|(topic, runtime_error)| (topic, runtime_error.to_string())).collect(),
            totals: plan.totals(),
            plan,
            error: results.into_iter().find_map(|(_, result)| result.err()),
        }
    }
    /// Waits until the cluster's metadata shows the changes and every new partition has a leader. Returns false if the brokers do not show
    /// all changes within `APPLY_TIMEOUT`.
    ///
    /// # Errors
    /// If the cluster cannot be read.
    pub fn await_applied(&self, plan: &Plan) -> Result<bool> {
        let started = Instant::now();
        while !self.make_plan(plan.overrides.clone())?.is_empty() {
            if started.elapsed() > APPLY_TIMEOUT {
                return Ok(false);
            }
            std::thread::sleep(APPLY_POLL_INTERVAL);
        }
        self.admin.await_leaders(plan.steps().filter_map(|entry| match entry.action {
            Action::Create { partitions, .. } => Some((entry.topic.as_str(), partitions)),
            Action::AddPartitions { to, .. } => Some((entry.topic.as_str(), to)),
            _ => None,
        }));
        Ok(true)
    }
    /// Returns all topics of the cluster.
    ///
    /// # Errors
    /// If the cluster cannot be read.
    pub fn export(&self) -> Result<Export, RuntimeError> {
        Ok(export::export(self.admin.cluster(|_| true)?, self.wanted))
    }
}
