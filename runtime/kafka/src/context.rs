//! Callbacks of all clients: errors and logs of librdkafka, and rebalances of group members.
//!
//! Invariant: a callback only stores its arguments; the member carries out a rebalance later.
//! Not here: the meaning of an error (`error`) and of a rebalance (`member`).
use crate::error::{self, LastClientError};
use rdkafka::{
    ClientContext, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext, ConsumerGroupMetadata},
    error::{KafkaError, RDKafkaErrorCode as Code},
    producer::{DeliveryResult, ProducerContext},
    types::RDKafkaRespErr,
};
use runtime::RuntimeError;
use std::sync::{Arc, Mutex, PoisonError};

/// A change of a group member's assignment.
pub enum Rebalance {
    /// These partition numbers of all inputs were assigned, in this generation of the group.
    Assigned(Vec<i32>, ConsumerGroupMetadata),
    Revoked,
    Lost,
}

/// The context of a client: the brokers that it connects to, and its callbacks.
#[derive(Clone, Default)]
pub struct Context {
    brokers: String,
    last_client_error: LastClientError,
    /// The rebalances that the member has not taken yet; `None` for clients that join no group.
    rebalances: Option<Arc<Mutex<Vec<Rebalance>>>>,
}

impl Context {
    /// Creates the context of a client that joins no group.
    pub fn new(brokers: &str) -> Self {
        Context { brokers: brokers.to_owned(), ..Context::default() }
    }
    /// Returns a copy of this context for a new group member, without the rebalances received so far.
    pub fn for_group_member(&self) -> Self {
        Context { rebalances: Some(Arc::default()), ..self.clone() }
    }
    pub fn brokers(&self) -> &str {
        &self.brokers
    }
    /// Takes the rebalances that happened since the last call.
    pub fn take_rebalances(&self) -> Vec<Rebalance> {
        self.rebalances.as_ref().map_or_else(Vec::new, |rebalances| {
            std::mem::take(&mut *rebalances.lock().unwrap_or_else(PoisonError::into_inner))
        })
    }
    /// Converts the error of an operation to a runtime error.
    pub fn to_runtime_error(&self, operation: &str, error: &KafkaError) -> RuntimeError {
        error::to_runtime_error(&self.brokers, operation, error, &self.last_client_error)
    }
    /// Converts an error code to a runtime error. Does not consult the last client error, because the code is known to be the cause.
    pub fn classify(&self, operation: &str, code: Code, reason: &str) -> RuntimeError {
        error::classify(&self.brokers, operation, code, reason)
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Debug | RDKafkaLogLevel::Info => {
                tracing::trace!(facility, message, "librdkafka")
            }
            // After a warning, librdkafka either recovers or reports an error.
            _ => tracing::debug!(facility, message, "librdkafka"),
        }
    }
    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
        tracing::debug!(%error, reason, "librdkafka");
        self.last_client_error.record(code, reason);
    }
    fn stats_raw(&self, _: &[u8]) {}
}

impl ConsumerContext for Context {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        event: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let Some(rebalances) = &self.rebalances else { return };
        let rebalance = match event {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                let numbers = partitions.elements().iter().map(|element| element.partition()).collect();
                // The generation of this assignment: commits in any other generation are rejected.
                consumer.group_metadata().map(|generation| Rebalance::Assigned(numbers, generation))
            }
            _ if consumer.assignment_lost() => Some(Rebalance::Lost),
            _ => Some(Rebalance::Revoked),
        };
        rebalances.lock().unwrap_or_else(PoisonError::into_inner).extend(rebalance);
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = ();
    /// Does nothing, because a record that cannot be delivered makes its transaction fail.
    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}
