//! Carries out the entries of a topic plan. Each entry has a topic and one action on it, for example creating it.
//!
//! Invariant: each entry succeeds or fails on its own. Kafka's alter-config call replaces all settings of a topic, so an entry must
//! contain every setting that is to remain.
//! Not here: the computation of the topic plan (crate `topics`).
use super::connection::AdminConnection;
use rdkafka::{
    admin::{AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication},
    error::RDKafkaErrorCode as Code,
};
use runtime::RuntimeError;
use topics::plan::{Action, PlanEntry};

/// A topic and the outcome of its plan entry.
pub type TopicOutcome = (String, Result<(), RuntimeError>);

/// Carries out plan entries: first the topics to create, in one call, then the others.
pub fn carry_out<'a>(
    connection: &AdminConnection,
    entries: impl Iterator<Item = &'a PlanEntry>,
) -> Vec<TopicOutcome> {
    let (new, existing): (Vec<&PlanEntry>, Vec<&PlanEntry>) =
        entries.partition(|entry| matches!(entry.action, Action::Create { .. }));
    let mut outcomes = create(connection, &new);
    outcomes.extend(existing.into_iter().map(|entry| (entry.topic.clone(), change(connection, entry))));
    outcomes
}

fn create(connection: &AdminConnection, entries: &[&PlanEntry]) -> Vec<TopicOutcome> {
    let topics: Vec<NewTopic<'_>> = entries.iter().filter_map(|entry| new_topic(entry)).collect();
    if topics.is_empty() {
        return Vec::new();
    }
    let call = connection.client.create_topics(&topics, &AdminConnection::options());
    match connection.wait("creating topics", call) {
        Ok(results) => {
            results.into_iter().map(|result| topic_outcome(connection, "creating", result)).collect()
        }
        Err(error) => vec![("all".to_owned(), Err(error))],
    }
}

fn new_topic(entry: &PlanEntry) -> Option<NewTopic<'_>> {
    let Action::Create { partitions, replication, settings } = &entry.action else { return None };
    let replicas = TopicReplication::Fixed(replication.unwrap_or(-1));
    let topic = NewTopic::new(&entry.topic, *partitions, replicas);
    Some(settings.iter().fold(topic, |topic, (key, value)| topic.set(key, value)))
}

/// Returns the topic of a result, and its outcome; an error says which operation failed.
pub fn topic_outcome(
    connection: &AdminConnection,
    operation: &str,
    result: Result<String, (String, Code)>,
) -> TopicOutcome {
    match result {
        Ok(topic) => (topic, Ok(())),
        Err((topic, code)) => {
            let error = connection.rejected(&format!("{operation} {topic}"), code);
            (topic, Err(error))
        }
    }
}

fn change(connection: &AdminConnection, entry: &PlanEntry) -> Result<(), RuntimeError> {
    let topic = entry.topic.as_str();
    let operation = format!("changing {topic}");
    let (client, options) = (&connection.client, AdminConnection::options());
    match &entry.action {
        Action::AlterConfig { topic_overrides, .. } => {
            let mut altered = AlterConfig::new(ResourceSpecifier::Topic(topic));
            for (key, value) in topic_overrides {
                altered = altered.set(key, value);
            }
            let altered = [altered];
            for result in connection.wait(&operation, client.alter_configs(&altered, &options))? {
                result.map_err(|(_, code)| connection.rejected(&operation, code))?;
            }
        }
        Action::AddPartitions { to, .. } => {
            let partitions = [NewPartitions::new(topic, *to as usize)];
            for result in connection.wait(&operation, client.create_partitions(&partitions, &options))? {
                topic_outcome(connection, "adding partitions to", result).1?;
            }
        }
        Action::Delete { .. } => {
            for result in connection.wait(&operation, client.delete_topics(&[topic], &options))? {
                topic_outcome(connection, "deleting", result).1?;
            }
        }
        Action::Create { .. } | Action::Refused { .. } | Action::Unmanaged => {}
    }
    Ok(())
}
