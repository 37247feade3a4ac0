//! The topics of a replay on Kafka: those of the live log with the namespace as prefix, without the raw topics.
//!
//! Invariant: a live topic is never created or altered. Only topics of a replay are created without `topics apply`.
//! Not here: the specs of the live topics (`topology::topic_specs`), the Kafka client (crate `runtime-kafka`).
use runtime::RuntimeError;
use runtime_kafka::{Admin, KafkaConfig};
use topics::{
    plan::{Plan, PlanOverrides},
    spec::TopicSpec,
};

/// Returns the specs of a replay's own topics, with physical names.
fn namespace_specs(live: &[TopicSpec], kafka_config: &KafkaConfig) -> Vec<TopicSpec> {
    let own = live.iter().filter(|spec| !topics::is_raw(&spec.name));
    own.map(|spec| TopicSpec { name: kafka_config.topic(&spec.name).into_owned(), ..spec.clone() }).collect()
}

/// Creates the missing topics of a replay. No other process reads them, so no confirmation is needed.
///
/// # Errors
/// If the brokers are unreachable or a topic cannot be created.
pub(super) fn create_missing(live: &[TopicSpec], kafka_config: &KafkaConfig) -> Result<(), RuntimeError> {
    let wanted = namespace_specs(live, kafka_config);
    let admin = Admin::connect(kafka_config)?;
    if admin.missing(&wanted)?.is_empty() {
        return Ok(());
    }
    let prefix = kafka_config.topic("");
    let is_in_namespace = |name: &str| name.starts_with(prefix.as_ref());
    let plan = Plan::new(&wanted, &admin.cluster(is_in_namespace)?, PlanOverrides::default());
    for (_, result) in admin.carry_out(plan.steps()) {
        result?;
    }
    admin.await_leaders(wanted.iter().map(|spec| (spec.name.as_str(), spec.partitions)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::topic_specs;

    #[test]
    fn all_topics_but_raw_ones_have_the_prefix_of_the_namespace() {
        let kafka_config = KafkaConfig { namespace: Some("january".into()), ..KafkaConfig::default() };
        let live = topic_specs::specs(None);
        let names: Vec<String> =
            namespace_specs(&live, &kafka_config).into_iter().map(|spec| spec.name).collect();
        assert!(names.iter().all(|name| name.starts_with("january.")));
        assert_eq!(names.len() + 4, live.len(), "there are four raw topics");
    }
}
