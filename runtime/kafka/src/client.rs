//! What all clients share: where librdkafka's errors and logs go, and what an error means for a processor.
//!
//! Invariant: an error that this process cannot mend is a halt with the next command; one that passes is tried again.
//! Not here: what is read and written.
use super::poll_thread::Rebalance;
use crate::log::RuntimeError;
use rdkafka::{
    ClientContext, TopicPartitionList,
    client::Client,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode as Code},
    metadata::Metadata,
    types::RDKafkaRespErr,
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long brokers are given for one answer.
const METADATA_TIMEOUT: Duration = Duration::from_secs(2);

/// What librdkafka last complained of: the reason behind a call that only timed out.
#[derive(Clone, Debug, Default)]
pub struct LastClientError(Arc<Mutex<Option<(Code, String)>>>);
impl LastClientError {
    fn record(&self, code: Code, reason: &str) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // That all brokers are down follows from what was said of each, and says less.
        if code != Code::AllBrokersDown || last.is_none() {
            *last = Some((code, reason.to_owned()));
        }
    }
    pub fn last(&self) -> Option<(Code, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The callbacks of a client.
#[derive(Clone, Default)]
pub struct Context {
    pub last_client_error: LastClientError,
    /// Where rebalances are reported. They are carried out later, by the member.
    pub rebalances: Option<Arc<Mutex<Vec<Rebalance>>>>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Debug | RDKafkaLogLevel::Info => {
                tracing::trace!(facility, message, "librdkafka")
            }
            // What it warns of it either mends or reports as an error.
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
        let happened = match event {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                let ids = partitions.elements().iter().map(|element| element.partition()).collect();
                // The generation in which these were handed out: commits are refused in any other.
                consumer.group_metadata().map(|generation| Rebalance::Assigned(ids, generation))
            }
            _ if consumer.assignment_lost() => Some(Rebalance::Lost),
            _ => Some(Rebalance::Revoked),
        };
        rebalances.lock().unwrap_or_else(PoisonError::into_inner).extend(happened);
    }
}
impl rdkafka::producer::ProducerContext for Context {
    type DeliveryOpaque = ();
    /// A record that cannot be delivered makes its transaction fail.
    fn delivery(&self, _: &rdkafka::producer::DeliveryResult<'_>, (): ()) {}
}

/// The cluster's topics and brokers. Why brokers do not answer is told to whoever polls, so that is done between two tries.
pub fn metadata(
    client: &BaseConsumer<Context>,
    brokers: &str,
    within: Duration,
) -> Result<Metadata, RuntimeError> {
    let started = Instant::now();
    loop {
        let error = match client.fetch_metadata(None, METADATA_TIMEOUT) {
            Ok(metadata) => return Ok(metadata),
            Err(error) => error,
        };
        let heard = Instant::now();
        while heard.elapsed() < Duration::from_millis(100) {
            drop(client.poll(Duration::from_millis(20)));
        }
        let runtime_error =
            to_runtime_error(brokers, "asking for the topics", &error, &client.context().last_client_error);
        if matches!(runtime_error, RuntimeError::Precondition { .. }) || started.elapsed() > within {
            return Err(runtime_error);
        }
    }
}

/// The id of the cluster that a client is connected to.
pub fn cluster_id(client: &Client<Context>, brokers: &str, within: Duration) -> Result<String, RuntimeError> {
    let unsaid = || KafkaError::MetadataFetch(Code::OperationTimedOut);
    client.fetch_cluster_id(within).ok_or_else(|| {
        to_runtime_error(
            brokers,
            "asking for the cluster's id",
            &unsaid(),
            &client.context().last_client_error,
        )
    })
}

/// What an error says about a client whose brokers are these.
pub fn to_runtime_error(
    brokers: &str,
    doing: &str,
    error: &KafkaError,
    last_client_error: &LastClientError,
) -> RuntimeError {
    let mut code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
    let mut reason = error.to_string();
    if let Some((behind, client_error)) = last_client_error.last()
        && is_about_reaching(code)
    {
        (code, reason) = (behind, client_error);
    }
    classify(brokers, doing, code, &reason)
}

fn is_about_reaching(code: Code) -> bool {
    matches!(
        code,
        Code::BrokerTransportFailure
            | Code::OperationTimedOut
            | Code::AllBrokersDown
            | Code::RequestTimedOut
            | Code::Resolve
            | Code::Unknown
    )
}

/// By who has to act.
pub fn classify(brokers: &str, doing: &str, code: Code, reason: &str) -> RuntimeError {
    let refused = |next: &str| RuntimeError::Precondition {
        what: doing.to_owned(),
        reason: reason.to_owned(),
        next: next.to_owned(),
    };
    match code {
        Code::Authentication | Code::SaslAuthenticationFailed => refused(
            "check kafka.sasl.username, kafka.sasl.password, kafka.sasl.mechanism and kafka.security.protocol (`fastbreak config show --origin`)",
        ),
        Code::SSL => refused(
            "check kafka.ssl.ca.location, and that the brokers' certificate names the host that `brokers` says",
        ),
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed => {
            refused(
                "give this user the rights that docs/kafka-client-config.md lists; `fastbreak check` sees which are missing, but for Write on topics",
            )
        }
        Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition => {
            refused(
                "`fastbreak topics plan` shows what is missing or differs, `fastbreak topics apply` makes what is missing; then start again",
            )
        }
        Code::InvalidTopic
        | Code::InvalidPartitions
        | Code::InvalidReplicationFactor
        | Code::InvalidReplicaAssignment
        | Code::InvalidConfig
        | Code::InvalidRequest
        | Code::InvalidTransactionTimeout
        | Code::PolicyViolation
        | Code::SecurityDisabled
        | Code::UnsupportedSASLMechanism
        | Code::InvalidArgument
        | Code::InvalidSessionTimeout
        | Code::InvalidGroupId
        | Code::GroupMaxSizeReached => refused(
            "the brokers will not take it as it is: change what `fastbreak config show --origin` names, then `fastbreak check`",
        ),
        Code::InconsistentGroupProtocol => refused(
            "a consumer of another kind is in this group: stop it, it is the processor's own (`kafka-consumer-groups.sh --describe --members --group …` names it)",
        ),
        Code::MessageSizeTooLarge => {
            refused("`fastbreak topics plan` shows whether the topics take what we write (max.message.bytes)")
        }
        Code::UnsupportedVersion | Code::UnsupportedFeature => refused("Kafka 3.7 or later is needed"),
        Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch | Code::FencedInstanceId => {
            RuntimeError::Fenced {
                processor: doing.to_owned(),
                reason: format!(
                    "another process took over under the same instance name, or a transaction outlived its timeout ({reason})"
                ),
                next: "start again; if another process runs, give this one another --instance".into(),
            }
        }
        Code::OffsetOutOfRange | Code::AutoOffsetReset => RuntimeError::Storage {
            path: brokers.to_owned(),
            reason: format!(
                "{doing}: records were deleted before they were read, or the topic is another one ({reason})"
            ),
            next: "`fastbreak lag` shows which; `fastbreak topics plan` shows the retention".into(),
        },
        _ => RuntimeError::Unreachable {
            brokers: brokers.to_owned(),
            reason: format!("{doing}: {reason}"),
            next: "see that they run, and that `brokers` and kafka.security.protocol are theirs (`fastbreak config show --origin`)".into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_out_is_told_by_what_is_behind_it() {
        let last_client_error = LastClientError::default();
        let error = KafkaError::MetadataFetch(Code::OperationTimedOut);
        assert!(matches!(
            to_runtime_error("b:1", "reading", &error, &last_client_error),
            RuntimeError::Unreachable { .. }
        ));
        last_client_error.record(Code::Authentication, "SASL authentication error: wrong password");
        let runtime_error = to_runtime_error("b:1", "reading", &error, &last_client_error);
        assert!(
            runtime_error.to_string().contains("wrong password")
                && matches!(runtime_error, RuntimeError::Precondition { .. }),
            "{runtime_error}"
        );
    }
}
