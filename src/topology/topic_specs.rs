//! The topics of this topology as a cluster shall have them, and those of a replay's namespace.
//!
//! Invariant: every topic that any processor, the sink or ingest reads or writes is listed, once; only a replay's own are made unasked.
//! Not here: the plan and its settings (crate `topics`), the client (`runtime::kafka::Admin`).
use crate::{config::Config, dead_letters, ingest, topology};
use processors::predictor::Predictor;
use runtime::{
    ProcessorNode, RuntimeError,
    engine::{changelog_topic, dlq_topic},
};
use runtime_kafka::{Admin, KafkaConfig};
use std::collections::BTreeSet;
use topics::{
    TopicInfo,
    plan::{Plan, PlanOverrides},
    spec::TopicSpec,
};

/// Who reads records one by one, and so must find those that newer ones superseded.
fn stream_read_topics(nodes: &[Box<dyn ProcessorNode>]) -> Vec<&'static str> {
    let maps = nodes.iter().filter(|node| node.kind().has_dlq()).flat_map(|node| node.inputs());
    maps.chain(topology::sink_inputs()).map(|input| input.name).collect()
}
fn max_partitions(inputs: &[TopicInfo]) -> i32 {
    inputs.iter().map(|input| input.partitions).max().unwrap_or(1)
}

/// Every topic, by the names that the brokers know.
pub fn specs(config: &Config, settings: Option<&KafkaConfig>) -> Vec<TopicSpec> {
    let nodes = topology::topology(Predictor::new(None));
    let stream_read_topics = stream_read_topics(&nodes);
    let mut specs: Vec<TopicSpec> = topics::ALL
        .iter()
        .map(|info| TopicSpec::for_topic(info, stream_read_topics.contains(&info.name)))
        .collect();
    for node in nodes.iter().filter(|node| node.kind().has_changelog()) {
        specs.push(TopicSpec::changelog(&changelog_topic(node.name()), max_partitions(&node.inputs())));
    }
    for node in &nodes {
        specs.push(TopicSpec::dead_letters(&dlq_topic(node.name()), max_partitions(&node.inputs())));
    }
    specs.push(TopicSpec::dead_letters(&dlq_topic(topology::SINK), 1));
    specs.push(TopicSpec::dead_letters(ingest::DEAD_LETTERS, 1));
    let replication = config.replication.map(i32::from);
    let named = |mut spec: TopicSpec| {
        spec.name = settings.map_or(spec.name.clone(), |settings| settings.topic(&spec.name).into_owned());
        spec.replicated(replication)
    };
    specs.into_iter().map(named).collect()
}

/// The consumer groups that positions are committed for.
pub fn consumer_groups(settings: &KafkaConfig) -> Vec<String> {
    let nodes = topology::topology(Predictor::new(None));
    nodes
        .iter()
        .map(|node| node.group())
        .chain([topology::SINK.to_owned()])
        .map(|g| settings.group(&g))
        .collect()
}

/// What the names of live topics and groups begin with, up to the first dot.
pub fn reserved_prefixes() -> BTreeSet<String> {
    let topics = topics::ALL.iter().map(|info| info.name.to_owned());
    let names = topics.chain(redrive::dlq_owners()).chain([redrive::REDRIVE_GROUP_PREFIX.to_owned()]);
    names.map(|name| name.split('.').next().unwrap_or(&name).to_owned()).collect()
}

/// Makes the topics of a replay's namespace that are not there yet: they are the replay's own, and nobody else reads them.
pub fn create_namespace_topics(config: &Config, settings: &KafkaConfig) -> Result<(), RuntimeError> {
    let prefix = settings.topic("");
    let mut wanted = specs(config, Some(settings));
    wanted.retain(|spec| spec.name.starts_with(prefix.as_ref()));
    let admin = Admin::connect(settings)?;
    if admin.missing(&wanted)?.is_empty() {
        return Ok(());
    }
    let ours = |name: &str| name.starts_with(prefix.as_ref());
    let plan = Plan::new(&wanted, &admin.cluster(ours)?, PlanOverrides::default());
    admin.carry_out(plan.steps()).into_iter().try_for_each(|(_, done)| done)?;
    admin.await_leaders(wanted.iter().map(|spec| (spec.name.as_str(), spec.partitions)));
    Ok(())
}

/// The first few of many things, and how many more there are.
pub fn summarize(all: &[String]) -> String {
    let more = all.len().saturating_sub(4);
    let shown = all.iter().take(if more == 1 { 5 } else { 4 }).cloned().collect::<Vec<_>>().join("; ");
    if more > 1 { format!("{shown}; and {more} more") } else { shown }
}

/// What is wrong with the topics as they are written down, without asking any cluster.
pub fn lint(config: &Config) -> Vec<String> {
    let mut wrong = topics::spec::lint(&specs(config, None));
    let nodes = topology::topology(Predictor::new(None));
    let mut written: Vec<&str> = Vec::new();
    for node in &nodes {
        let inputs = node.inputs();
        for input in &inputs {
            if !topics::is_raw(input.name) && !written.contains(&input.name) {
                wrong.push(format!("{} reads {}, which nobody upstream writes", node.name(), input.name));
            }
            if input.partitions != max_partitions(&inputs) {
                wrong.push(format!(
                    "{} reads {} in {} partitions and others in {}: records of one key would not meet",
                    node.name(),
                    input.name,
                    input.partitions,
                    max_partitions(&inputs)
                ));
            }
        }
        written.extend(node.outputs().iter().map(|output| output.name));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn listed() -> BTreeMap<String, TopicSpec> {
        let config = Config::resolve(None, &BTreeMap::new(), &[]).unwrap();
        assert_eq!(lint(&config), Vec::<String>::new());
        specs(&config, None).into_iter().map(|spec| (spec.name.clone(), spec)).collect()
    }
    #[test]
    fn every_topic_that_is_read_or_written_is_listed() {
        let listed = listed();
        let nodes = topology::topology(Predictor::new(None));
        let touched: BTreeSet<String> = nodes
            .iter()
            .flat_map(|node| {
                let own = [dlq_topic(node.name()), changelog_topic(node.name())];
                let own = own.into_iter().take(if node.kind().has_changelog() { 2 } else { 1 });
                let others = node.inputs().into_iter().chain(node.outputs());
                others.map(|topic| topic.name.to_owned()).chain(own).collect::<Vec<_>>()
            })
            .collect();
        for name in &touched {
            assert!(listed.contains_key(name), "{name}");
        }
        assert_eq!(listed.len(), topics::ALL.len() + 6 + 13);
    }
    #[test]
    fn stream_read_tables_keep_superseded_rows_for_thirty_days() {
        let listed = listed();
        for (name, days) in [
            ("ml.features.v1", 30),
            ("core.player-games.v1", 30),
            ("ml.predictions.v1", 30),
            ("core.names.v1", 0),
        ] {
            let lag = (days * 86_400_000i64).to_string();
            assert_eq!(listed[name].settings["min.compaction.lag.ms"], lag, "{name}");
        }
    }
    #[test]
    fn a_namespace_is_no_prefix_of_a_live_topic_or_group() {
        let config = Config::resolve(None, &BTreeMap::new(), &[]).unwrap();
        let live = KafkaConfig::default();
        let topics = specs(&config, Some(&live)).into_iter().map(|spec| spec.name);
        for name in topics.chain(consumer_groups(&live)) {
            let first = name.split(['.', '@']).next().unwrap();
            assert!(first.parse::<crate::replay::Namespace>().is_err(), "{first}");
        }
        assert!("dlq-redrive".parse::<crate::replay::Namespace>().is_err());
        assert!("january".parse::<crate::replay::Namespace>().is_ok());
    }
    #[test]
    fn a_namespace_owns_all_topics_but_the_raw_ones() {
        let config = Config::resolve(None, &BTreeMap::new(), &[]).unwrap();
        let settings = KafkaConfig { namespace: Some("january".into()), ..KafkaConfig::default() };
        let names: Vec<String> = specs(&config, Some(&settings)).into_iter().map(|spec| spec.name).collect();
        assert!(names.iter().all(|name| name.starts_with("january.") || topics::is_raw(name)));
    }
}
