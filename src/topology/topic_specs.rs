//! Specs of the topics that must exist, derived from the topology and the topic catalog.
//!
//! Invariant: every topic that a processor, the sink or ingest reads or writes is listed once.
//! Not here: settings and plans (crate `topics`), the Kafka client (crate `runtime-kafka`), the topics of a replay
//! (`replay::namespace_topics`).
use super::descriptors::{PROCESSORS, descriptors, dlq_owners, subscriptions};
use crate::ingest;
use runtime::engine::{changelog_topic, dlq_topic};
use runtime_kafka::KafkaConfig;
use std::collections::BTreeSet;
use topics::{TopicInfo, spec::TopicSpec};

/// What the records of a live topic are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicContent {
    /// Events of a topic of the catalog.
    Events(TopicInfo),
    Changelog,
    DeadLetters,
}
impl TopicContent {
    /// Returns the content of one of the topics of [`specs`].
    pub fn of(topic: &str) -> TopicContent {
        if let Some(info) = topics::ALL.iter().find(|info| info.name == topic) {
            return TopicContent::Events(*info);
        }
        let is_changelog = PROCESSORS.iter().any(|processor| changelog_topic(processor.name) == topic);
        if is_changelog { TopicContent::Changelog } else { TopicContent::DeadLetters }
    }
}

/// Returns the topics that stateless processors or the sink read as streams: they read every record, also if a later one has
/// the same key.
fn stream_read_topics() -> Vec<&'static str> {
    let readers = descriptors().filter(|descriptor| !descriptor.kind.has_changelog());
    readers.flat_map(|descriptor| descriptor.inputs).map(|input| input.name).collect()
}

/// Returns the specs of all live topics, with this replication factor (`None`: the brokers' default).
pub fn specs(replication: Option<i32>) -> Vec<TopicSpec> {
    let stream_read_topics = stream_read_topics();
    let mut specs: Vec<TopicSpec> = topics::ALL
        .iter()
        .map(|info| TopicSpec::for_topic(info, stream_read_topics.contains(&info.name)))
        .collect();
    for processor in PROCESSORS.iter().filter(|processor| processor.kind.has_changelog()) {
        specs.push(TopicSpec::changelog(changelog_topic(processor.name), processor.max_partitions()));
    }
    for processor in &PROCESSORS {
        specs.push(TopicSpec::dead_letters(dlq_topic(processor.name), processor.max_partitions()));
    }
    specs.push(TopicSpec::dead_letters(dlq_topic(sinks::SINK), 1));
    specs.push(TopicSpec::dead_letters(ingest::DEAD_LETTERS, 1));
    specs.into_iter().map(|spec| spec.replicated(replication)).collect()
}

/// Returns the physical names of all consumer groups. If `predictor_version` is `None`, the group of the predictor is left out, because its
/// name is not known.
pub fn consumer_groups(settings: &KafkaConfig, predictor_version: Option<i64>) -> Vec<String> {
    let subscriptions = subscriptions(predictor_version);
    subscriptions.iter().map(|subscription| settings.group(&subscription.group)).collect()
}

/// Returns the part before the first dot of each name of a live topic or consumer group.
pub fn reserved_prefixes() -> BTreeSet<String> {
    let topics = topics::ALL.iter().map(|info| info.name.to_owned());
    let names = topics.chain(dlq_owners().into_iter().map(str::to_owned));
    names.map(|name| name.split('.').next().unwrap_or(&name).to_owned()).collect()
}

/// Returns the problems of the topic specs and the topology that are found without access to a cluster.
pub fn lint(specs: &[TopicSpec]) -> Vec<String> {
    let mut problems = topics::spec::lint(specs);
    let mut written: Vec<&str> = Vec::new();
    for processor in &PROCESSORS {
        for input in processor.inputs {
            if !topics::is_raw(input.name) && !written.contains(&input.name) {
                problems.push(format!(
                    "{} reads {}, which no upstream processor writes",
                    processor.name, input.name
                ));
            }
            if input.partitions != processor.max_partitions() {
                problems.push(format!(
                    "{} reads {}, which has {} partitions, but another input has {}: its inputs are not co-partitioned",
                    processor.name,
                    input.name,
                    input.partitions,
                    processor.max_partitions()
                ));
            }
        }
        written.extend(processor.outputs.iter().map(|output| output.name));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn listed() -> BTreeMap<String, TopicSpec> {
        let specs = specs(None);
        assert_eq!(lint(&specs), Vec::<String>::new());
        specs.into_iter().map(|spec| (spec.name.clone(), spec)).collect()
    }
    #[test]
    fn every_topic_that_is_read_or_written_is_listed() {
        let listed = listed();
        let used: BTreeSet<String> = descriptors()
            .flat_map(|descriptor| {
                let own = [dlq_topic(descriptor.name), changelog_topic(descriptor.name)];
                let own = own.into_iter().take(if descriptor.kind.has_changelog() { 2 } else { 1 });
                let inputs_and_outputs = descriptor.inputs.iter().chain(descriptor.outputs);
                inputs_and_outputs.map(|topic| topic.name).chain(own).map(str::to_owned).collect::<Vec<_>>()
            })
            .collect();
        for name in &used {
            assert!(listed.contains_key(name), "{name}");
        }
        assert_eq!(listed.len(), topics::ALL.len() + 9 + 16);
    }
    #[test]
    fn tables_that_are_read_as_streams_retain_superseded_rows_for_thirty_days() {
        let listed = listed();
        for (name, days) in [
            ("ml.features.v2", 30),
            ("core.player-games.v2", 30),
            ("ml.predictions.v2", 30),
            ("core.names.v1", 0),
        ] {
            let lag = (days * 86_400_000i64).to_string();
            assert_eq!(listed[name].settings["min.compaction.lag.ms"], lag, "{name}");
        }
    }
    #[test]
    fn a_namespace_cannot_be_a_prefix_of_a_live_topic_or_group() {
        let live = KafkaConfig::default();
        let topics = specs(None).into_iter().map(|spec| spec.name);
        for name in topics.chain(consumer_groups(&live, Some(1))) {
            let first = name.split(['.', '@']).next().unwrap();
            assert!(first.parse::<crate::namespace::Namespace>().is_err(), "{first}");
        }
        assert!("january".parse::<crate::namespace::Namespace>().is_ok());
    }
    #[test]
    fn the_group_of_the_predictor_has_the_version_of_the_artifact_and_is_left_out_if_that_is_not_known() {
        let groups = |version| consumer_groups(&KafkaConfig::default(), version);
        assert!(groups(Some(0xab)).contains(&"predictor@ab".to_owned()));
        assert!(groups(None).iter().all(|group| !group.starts_with("predictor")));
        assert_eq!(groups(None).len() + 1, groups(Some(0)).len());
    }
}
