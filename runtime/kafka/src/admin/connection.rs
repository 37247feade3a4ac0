//! The clients of an administrator: one for administration calls, one that reports the cause of a failed call.
//!
//! When a call times out, librdkafka reports the cause (a wrong password, a host name that does not resolve) on a queue that must be
//! polled. So every call that may be the first to reach the brokers is sent through a consumer, which is polled.
//! Invariant: a call ends within its time limit.
//! Not here: the administration calls (`facade`, `topic_alterations`, `acl_checks`).
use crate::{
    client_config::{Isolation, KafkaConfig},
    context::Context,
    error::classify,
    standalone_consumer::StandaloneConsumer,
};
use futures_executor::block_on;
use rdkafka::{
    admin::{AdminClient, AdminOptions},
    consumer::Consumer,
    error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code},
};
use runtime::RuntimeError;
use std::{future::Future, time::Duration};

/// The time limit of one call.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// The consumer group of an administrator; it commits nothing.
const GROUP: &str = "fastbreak-admin";

/// The clients of an administrator, and the configuration that they were created from.
pub struct AdminConnection {
    pub config: KafkaConfig,
    pub client: AdminClient<Context>,
    pub consumer: StandaloneConsumer,
}

impl AdminConnection {
    /// Creates the clients; they connect in the background.
    ///
    /// # Errors
    /// `RuntimeError::Precondition` with the setting that is rejected.
    pub fn new(config: &KafkaConfig) -> Result<Self, RuntimeError> {
        config.check()?;
        let context = Context::new(&config.brokers);
        let client = config.create_client(&config.admin(), context.clone())?;
        let client_config = config.standalone_consumer(GROUP, Isolation::ReadCommitted);
        let consumer = StandaloneConsumer::new(config, &client_config, context)?;
        Ok(AdminConnection { config: config.clone(), client, consumer })
    }
    /// Returns the options for administration calls; they are the same for every call.
    pub fn options() -> AdminOptions {
        AdminOptions::new().request_timeout(Some(CALL_TIMEOUT)).operation_timeout(Some(CALL_TIMEOUT))
    }
    pub fn to_runtime_error(&self, operation: &str, error: &KafkaError) -> RuntimeError {
        self.consumer.context().to_runtime_error(operation, error)
    }
    /// Returns the error for one resource that a call reports as rejected.
    pub fn rejected(&self, operation: &str, code: Code) -> RuntimeError {
        classify(&self.config.brokers, operation, code, &KafkaError::AdminOp(code).to_string())
    }
    /// Awaits the result of a call.
    ///
    /// # Errors
    /// When the brokers are not reachable or reject the request.
    pub fn wait<T>(
        &self,
        operation: &str,
        call: impl Future<Output = KafkaResult<T>>,
    ) -> Result<T, RuntimeError> {
        // A thread of the client completes the call.
        block_on(call).map_err(|error| self.to_runtime_error(operation, &error))
    }
}
