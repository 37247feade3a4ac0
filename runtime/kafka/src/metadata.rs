//! Metadata of a cluster: its topics, its brokers, its id.
//!
//! Invariant: if the brokers are not reachable, a call fails within the time limit, with the cause that the client reported.
//! Not here: settings of topics (`admin`), offsets (`offsets`).
use crate::context::Context;
use rdkafka::{
    client::Client,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode as Code},
    metadata::Metadata,
};
use runtime::RuntimeError;
use std::time::{Duration, Instant};

/// The time limit of one metadata request.
const METADATA_REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
/// The time for which the consumer is polled after a failed request: the client reports the cause on a queue that must be polled.
const CAUSE_TIMEOUT: Duration = Duration::from_millis(100);

/// Fetches the topics and brokers of the cluster, with retries within a time limit.
///
/// # Errors
/// When the brokers are not reachable or reject the request.
pub fn fetch_metadata(consumer: &BaseConsumer<Context>, timeout: Duration) -> Result<Metadata, RuntimeError> {
    let started = Instant::now();
    loop {
        let error = match consumer.fetch_metadata(None, METADATA_REQUEST_TIMEOUT) {
            Ok(metadata) => return Ok(metadata),
            Err(error) => error,
        };
        let failed = Instant::now();
        while failed.elapsed() < CAUSE_TIMEOUT {
            drop(consumer.poll(Duration::from_millis(20)));
        }
        let runtime_error = consumer.context().to_runtime_error("fetching the cluster's topics", &error);
        if matches!(runtime_error, RuntimeError::Precondition { .. }) || started.elapsed() > timeout {
            return Err(runtime_error);
        }
    }
}

/// Fetches the id of the cluster that a client is connected to.
///
/// # Errors
/// When the brokers do not return it within the time limit.
pub fn fetch_cluster_id(client: &Client<Context>, timeout: Duration) -> Result<String, RuntimeError> {
    client.fetch_cluster_id(timeout).ok_or_else(|| {
        let timed_out = KafkaError::MetadataFetch(Code::OperationTimedOut);
        client.context().to_runtime_error("fetching the cluster's id", &timed_out)
    })
}
