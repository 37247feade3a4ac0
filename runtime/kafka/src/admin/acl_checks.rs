//! Checks whether the user has the rights (Kafka ACLs) that can be tested without changing anything.
//!
//! Invariant: nothing is committed: each transaction of a check is empty or aborted.
//! Not here: the right to write to topics, which can only be tested by writing.
use super::connection::{AdminConnection, CALL_TIMEOUT};
use crate::{client_config::Isolation, context::Context, standalone_consumer::StandaloneConsumer};
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::Consumer,
    error::RDKafkaErrorCode as Code,
    producer::{BaseProducer, Producer},
};
use runtime::RuntimeError;
use std::time::{Duration, Instant};

/// The time for which a consumer is polled for an authorization error. If none arrives, the user has the right to read.
const AUTHORIZATION_ERROR_TIMEOUT: Duration = Duration::from_secs(2);
/// Owner name of the transactional producer that a check creates.
const OWNER: &str = "check";

/// A right, and the error if this user does not have it.
pub type AclCheck = (&'static str, Result<(), RuntimeError>);

/// Checks the rights to read these topics, to use transactions, and to commit the offsets of these groups.
pub fn acl_checks(connection: &AdminConnection, topics: &[String], groups: &[String]) -> Vec<AclCheck> {
    vec![
        ("read the topics", can_read(connection, topics)),
        ("use transactions", transactional_producer(connection).map(drop)),
        ("commit the groups' offsets", can_commit(connection, topics, groups)),
    ]
}

fn can_read(connection: &AdminConnection, topics: &[String]) -> Result<(), RuntimeError> {
    let operation = "reading the topics";
    let consumer = &connection.consumer;
    let mut list = TopicPartitionList::new();
    for topic in topics {
        let added = list.add_partition_offset(topic, 0, Offset::End);
        added.map_err(|error| connection.to_runtime_error(operation, &error))?;
    }
    consumer.assign(&list).map_err(|error| connection.to_runtime_error(operation, &error))?;
    let started = Instant::now();
    let mut outcome = Ok(());
    while outcome.is_ok() && started.elapsed() < AUTHORIZATION_ERROR_TIMEOUT {
        if let Some(Err(error)) = consumer.poll(Duration::from_millis(100))
            && let Some(code @ (Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed)) =
                error.rdkafka_error_code()
        {
            outcome = Err(connection.rejected(operation, code));
        }
    }
    consumer.unassign().map_err(|error| connection.to_runtime_error(operation, &error))?;
    outcome
}

fn can_commit(
    connection: &AdminConnection,
    topics: &[String],
    groups: &[String],
) -> Result<(), RuntimeError> {
    let Some(topic) = topics.first() else { return Ok(()) };
    let producer = transactional_producer(connection)?;
    for group in groups {
        let operation = format!("committing offsets of group {group}");
        let to_runtime_error = |error| connection.to_runtime_error(&operation, &error);
        let config = &connection.config;
        let client_config = config.standalone_consumer(group, Isolation::ReadCommitted);
        let consumer = StandaloneConsumer::new(config, &client_config, Context::new(&config.brokers))?;
        let mut list = TopicPartitionList::new();
        list.add_partition(topic, 0);
        consumer.committed_offsets(list.clone(), CALL_TIMEOUT).map_err(to_runtime_error)?;
        let Some(group_metadata) = consumer.group_metadata() else { continue };
        // An aborted transaction moves no offset, but sending offsets to it needs the same right as joining the group.
        let sent = list.set_all_offsets(Offset::Offset(0)).and_then(|()| {
            producer.begin_transaction()?;
            let sent = producer.send_offsets_to_transaction(&list, &group_metadata, CALL_TIMEOUT);
            producer.abort_transaction(CALL_TIMEOUT).and(sent)
        });
        sent.map_err(to_runtime_error)?;
    }
    Ok(())
}

/// Creates a producer and initializes its transactions, which fails if the user has no right to use transactions.
fn transactional_producer(connection: &AdminConnection) -> Result<BaseProducer<Context>, RuntimeError> {
    let config = &connection.config;
    let producer: BaseProducer<Context> =
        config.create_client(&config.producer(OWNER), Context::new(&config.brokers))?;
    let initialized = producer.init_transactions(CALL_TIMEOUT);
    initialized.map_err(|error| producer.context().to_runtime_error("initializing transactions", &error))?;
    Ok(producer)
}
