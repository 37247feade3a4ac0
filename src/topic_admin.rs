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
pub use reports::{ApplyReport, EmbeddedReport, PlanReport};

use crate::app::{App, LogTarget};
use runtime::RuntimeError;

/// The log whose topics are managed.
pub enum TopicAdmin<'a> {
    Cluster(TopicPlanner<'a>),
    /// The embedded log creates its topics itself.
    Embedded(EmbeddedReport),
}

/// Connects to the cluster, if the log is on Kafka.
///
/// # Errors
/// If the brokers are unreachable.
pub fn connect(app: &App) -> Result<TopicAdmin<'_>, RuntimeError> {
    Ok(match app.log_target() {
        LogTarget::Kafka(kafka_config) => {
            TopicAdmin::Cluster(TopicPlanner::connect(kafka_config, app.topic_specs())?)
        }
        LogTarget::Folder(folder) => TopicAdmin::Embedded(EmbeddedReport::new(folder)),
    })
}
