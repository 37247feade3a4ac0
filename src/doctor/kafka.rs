//! The checks of a Kafka cluster: brokers, topics, rights.
//!
//! Invariant: a topic or group is checked under the name that a run would use.
//! Not here: the specs of the topics (`topology::topic_specs`), the Kafka client (crate `runtime-kafka`).
use super::check_result::CheckResult;
use crate::{app::App, topology::topic_specs};
use runtime::RuntimeError;
use runtime_kafka::{Admin, KafkaConfig};
use topics::{
    plan::{Action, Plan, PlanOverrides},
    spec::TopicSpec,
};

const NEXT_TOPICS: &str = "next: `fastbreak topics plan` shows what differs, `fastbreak topics apply` creates missing topics and alters \
     settings; it does not change a partition count, since keys would map to other partitions: to change it, first delete the topic with its records";
/// With fewer brokers than this, a broker that stops during a commit can leave a hanging transaction (one that stays open because no
/// producer will end it).
const SAFE_BROKER_COUNT: usize = 3;

/// Checks brokers, topics and ACLs. Returns true if the log can be opened. If the model artifact is invalid, `predictor_version` is `None`:
/// the name of the predictor's group is not known then, and the rights to it are not checked.
pub(super) fn check_kafka(
    app: &App,
    kafka_config: &KafkaConfig,
    predictor_version: Option<i64>,
    results: &mut Vec<CheckResult>,
) -> bool {
    let brokers = format!("brokers {}", kafka_config.brokers);
    let connected = Admin::connect(kafka_config).and_then(|admin| Ok((admin.brokers()?, admin)));
    let (cluster, broker_count, admin) = match connected {
        Ok(((cluster, broker_count), admin)) => (cluster, broker_count, admin),
        Err(runtime_error) => {
            results.push(CheckResult::from_outcome(brokers, Err(runtime_error)));
            return false;
        }
    };
    let warning = if broker_count < SAFE_BROKER_COUNT {
        " (fewer than three: a broker that stops during a commit can leave a hanging transaction, \
         see docs/kafka-broker-requirements.md)"
    } else {
        ""
    };
    results
        .push(CheckResult::passed(format!("{brokers}: cluster {cluster}, {broker_count} brokers{warning}")));
    let specs = app.topic_specs();
    match check_topics(&admin, specs, results) {
        Ok(true) => {}
        Ok(false) => return false,
        Err(runtime_error) => {
            results.push(CheckResult::from_outcome("topics", Err(runtime_error)));
            return false;
        }
    }
    let names: Vec<String> = specs.iter().map(|spec| spec.name.clone()).collect();
    let groups = topic_specs::consumer_groups(kafka_config, predictor_version);
    for (right, outcome) in admin.acl_checks(&names, &groups) {
        results.push(CheckResult::from_outcome(format!("the right to {right}"), outcome));
    }
    true
}

/// Checks that all topics exist with their partitions and settings. Returns true if none is missing.
fn check_topics(
    admin: &Admin,
    specs: &[TopicSpec],
    results: &mut Vec<CheckResult>,
) -> Result<bool, RuntimeError> {
    let missing = admin.missing(specs)?;
    let what = format!("all {} topics exist with their partition counts", specs.len());
    results.push(CheckResult::from_differences(what, &missing, NEXT_TOPICS));
    let what = "existing topics have the desired settings";
    match admin.cluster(|name| specs.iter().any(|spec| spec.name == name)) {
        Ok(cluster) => {
            let plan = Plan::new(specs, &cluster, PlanOverrides::default());
            let is_difference =
                |action: &Action| !matches!(action, Action::Unmanaged | Action::Create { .. });
            let differences = plan.entries.iter().filter(|entry| is_difference(&entry.action));
            let differences: Vec<String> = differences.map(ToString::to_string).collect();
            results.push(CheckResult::from_differences(what, &differences, NEXT_TOPICS));
        }
        Err(runtime_error) => results.push(CheckResult::from_outcome(what, Err(runtime_error))),
    }
    Ok(missing.is_empty())
}
