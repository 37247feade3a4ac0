//! Queries to the brokers with retries, and the consumers that send them.
//!
//! Invariant: a transient error is retried until a time limit; every other error is returned at once. No consumer of this file joins a
//! group.
//! Not here: queries for offsets (`offsets`), reading records (`partition_reader`).
use crate::{
    client_config::{Isolation, KafkaConfig},
    context::Context,
    standalone_consumer::StandaloneConsumer,
};
use rdkafka::{
    consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata},
    error::{KafkaError, RDKafkaErrorCode as Code},
};
use runtime::RuntimeError;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The time limit of one request.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// The time limit of retries, and of waiting for an open transaction. Brokers abort a transaction after its own timeout, which is
/// shorter.
pub const STABLE_OFFSET_TIMEOUT: Duration = Duration::from_secs(90);
/// The pause before a retry.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);
/// The time after which retries use a new consumer.
const CONSUMER_RENEWAL_INTERVAL: Duration = Duration::from_secs(2);

/// Sends queries on behalf of one consumer group, without joining it.
pub struct QueryClient {
    config: KafkaConfig,
    /// The logical name of the group whose committed offsets are queried.
    group: String,
    /// Consumers are created on first use, because each has threads of its own.
    consumers: Mutex<BTreeMap<Isolation, Arc<StandaloneConsumer>>>,
    context: Context,
}

impl QueryClient {
    /// Creates the client without any consumer.
    pub fn new(config: &KafkaConfig, group: &str) -> QueryClient {
        QueryClient {
            config: config.clone(),
            group: group.to_owned(),
            consumers: Mutex::default(),
            context: Context::new(&config.brokers),
        }
    }
    fn consumers(&self) -> MutexGuard<'_, BTreeMap<Isolation, Arc<StandaloneConsumer>>> {
        self.consumers.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn consumer(&self, isolation: Isolation) -> Result<Arc<StandaloneConsumer>, RuntimeError> {
        if let Some(consumer) = self.consumers().get(&isolation) {
            return Ok(consumer.clone());
        }
        let consumer = Arc::new(self.new_consumer(isolation)?);
        Ok(self.consumers().entry(isolation).or_insert(consumer).clone())
    }
    fn new_consumer(&self, isolation: Isolation) -> Result<StandaloneConsumer, RuntimeError> {
        let client_config = self.config.standalone_consumer(&self.group, isolation);
        StandaloneConsumer::new(&self.config, &client_config, self.context.clone())
    }
    /// Creates a separate consumer of committed records for a single read.
    ///
    /// # Errors
    /// `RuntimeError::Precondition` with the setting that the client rejects.
    pub fn dedicated_consumer(&self) -> Result<StandaloneConsumer, RuntimeError> {
        self.new_consumer(Isolation::ReadCommitted)
    }
    /// Sends a query until it succeeds, fails with an error that is not transient, or the time limit ends.
    ///
    /// # Errors
    /// The last error of the query.
    pub fn query<T>(
        &self,
        isolation: Isolation,
        operation: &str,
        send: impl Fn(&BaseConsumer<Context>) -> Result<T, KafkaError>,
    ) -> Result<T, RuntimeError> {
        let started = Instant::now();
        let mut renewed = started;
        loop {
            match send(self.consumer(isolation)?.as_ref()) {
                Err(error) if started.elapsed() < STABLE_OFFSET_TIMEOUT && is_transient(&error) => {
                    std::thread::sleep(RETRY_INTERVAL);
                    if renewed.elapsed() > CONSUMER_RENEWAL_INTERVAL {
                        // A client that once received metadata without any broker knows no broker from then on.
                        self.consumers().remove(&isolation);
                        renewed = Instant::now();
                    }
                }
                result => return result.map_err(|error| self.to_runtime_error(operation, &error)),
            }
        }
    }
    /// Returns the metadata with which a client that is not a member commits the group's offsets.
    ///
    /// # Errors
    /// `RuntimeError::Precondition` with the setting that the client rejects.
    pub fn group_metadata(&self) -> Result<Option<ConsumerGroupMetadata>, RuntimeError> {
        Ok(self.consumer(Isolation::ReadCommitted)?.group_metadata())
    }
    pub fn brokers(&self) -> &str {
        self.context.brokers()
    }
    pub fn to_runtime_error(&self, operation: &str, error: &KafkaError) -> RuntimeError {
        self.context.to_runtime_error(operation, error)
    }
    /// Ignores an error of a reading consumer if it only means that brokers are not reachable now: the client reconnects by itself.
    ///
    /// # Errors
    /// Every other error.
    pub fn ignore_unreachable(&self, error: &KafkaError) -> Result<(), RuntimeError> {
        match self.to_runtime_error("reading partitions to their end", error) {
            RuntimeError::Unreachable { .. } if !matches!(error, KafkaError::MessageConsumptionFatal(_)) => {
                tracing::debug!(%error, "a read failed, the client reconnects");
                Ok(())
            }
            runtime_error => Err(runtime_error),
        }
    }
    /// Returns the physical names of the consumer groups that start with a prefix.
    ///
    /// # Errors
    /// When the brokers are not reachable or reject the request.
    pub fn group_names(&self, prefix: &str) -> Result<Vec<String>, RuntimeError> {
        let groups = self.query(Isolation::ReadCommitted, "listing the consumer groups", |consumer| {
            consumer.fetch_group_list(None, REQUEST_TIMEOUT)
        })?;
        let names = groups.groups().iter().map(|group| group.name().to_owned());
        Ok(names.filter(|name| name.starts_with(prefix)).collect())
    }
    /// Returns true if a consumer group has a member for whose client id `is_match` returns true.
    ///
    /// # Errors
    /// When the brokers are not reachable or reject the request.
    pub fn has_member(
        &self,
        physical_group: &str,
        is_match: impl Fn(&str) -> bool,
    ) -> Result<bool, RuntimeError> {
        let operation = "listing the members of a consumer group";
        let groups = self.query(Isolation::ReadCommitted, operation, |consumer| {
            consumer.fetch_group_list(Some(physical_group), REQUEST_TIMEOUT)
        })?;
        let mut members = groups.groups().iter().flat_map(|group| group.members());
        Ok(members.any(|member| is_match(member.client_id())))
    }
}

/// Returns true for an error that ends without intervention: a leader or coordinator moves, brokers are unreachable, or offsets are part
/// of an open transaction.
fn is_transient(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::CoordinatorLoadInProgress
                | Code::NotLeaderForPartition
                | Code::LeaderNotAvailable
                | Code::FencedLeaderEpoch
                | Code::UnknownLeaderEpoch
                | Code::OffsetNotAvailable
                | Code::UnknownPartition
                | Code::UnknownTopicOrPartition
                | Code::OperationTimedOut
                | Code::TimedOutQueue
                | Code::RequestTimedOut
                | Code::Partial
                | Code::AllBrokersDown
                | Code::DestroyBroker
                | Code::ReplicaNotAvailable
                | Code::CoordinatorNotAvailable
                | Code::NotCoordinator
                | Code::UnstableOffsetCommit
                | Code::BrokerTransportFailure
                | Code::WaitingForCoordinator
        )
    )
}
