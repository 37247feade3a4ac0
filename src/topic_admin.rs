//! The topics of a Kafka cluster: plan, apply, export and lint.
//!
//! Invariant: every result states the cluster that it is about.
//! Not here: making and formatting a plan (crate `topics`), the Kafka client (crate `runtime-kafka`).
mod export;
mod lint;
mod planner;
mod reports;
mod saved_plan;

pub use export::{Export, ExportedTopic};
pub use lint::{LintReport, lint};
pub use planner::TopicPlanner;
pub use reports::{ApplyReport, PlanReport};

use crate::{
    app::{App, LogTarget},
    usage_error::UsageError,
};
use anyhow::Result;

/// Connects to the cluster.
///
/// # Errors
/// [`UsageError`] if the log is an embedded log; if the brokers are unreachable.
pub fn connect(app: &App) -> Result<TopicPlanner<'_>> {
    match app.log_target() {
        LogTarget::Kafka(kafka_config) => Ok(TopicPlanner::connect(kafka_config, app.topic_specs())?),
        LogTarget::Folder(folder) => Err(UsageError::new(
            format!(
                "no brokers are configured, and the embedded log in {} creates its topics itself",
                folder.display()
            ),
            "specify a Kafka cluster with `--brokers LIST`",
        )
        .into()),
    }
}
