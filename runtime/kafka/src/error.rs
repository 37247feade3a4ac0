//! Converts errors of the Kafka client to errors of the runtime.
//!
//! Invariant: every error says what to do next. A connection error is `RuntimeError::Unreachable`, which callers may retry; an error
//! that an operator has to resolve is `RuntimeError::Precondition`.
//! Not here: the retries (`query_client`, `transaction`, `member`).
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use runtime::RuntimeError;
use std::sync::{Arc, Mutex, PoisonError};

/// The last error that librdkafka reported in a callback. If a call itself reports only a timeout, this error is its cause.
#[derive(Clone, Debug, Default)]
pub struct LastClientError(Arc<Mutex<Option<(Code, String)>>>);

impl LastClientError {
    pub fn record(&self, code: Code, reason: &str) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // "All brokers are down" follows from the errors of the single brokers and is less specific.
        if code != Code::AllBrokersDown || last.is_none() {
            *last = Some((code, reason.to_owned()));
        }
    }
    fn get(&self) -> Option<(Code, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Converts the error of an operation. A connection error is replaced by the last error that the client reported, which has the cause.
pub fn to_runtime_error(
    brokers: &str,
    operation: &str,
    error: &KafkaError,
    last_client_error: &LastClientError,
) -> RuntimeError {
    let mut code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
    let mut reason = error.to_string();
    if let Some((cause, cause_reason)) = last_client_error.get()
        && is_connection_error(code)
    {
        (code, reason) = (cause, cause_reason);
    }
    classify(brokers, operation, code, &reason)
}

fn is_connection_error(code: Code) -> bool {
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

/// Converts an error code of librdkafka. The variant depends on what resolves the error: an operator's change (`Precondition`), a new
/// start (`Fenced`, `Storage`), or brokers that are reachable again (`Unreachable`).
pub fn classify(brokers: &str, operation: &str, code: Code, reason: &str) -> RuntimeError {
    if let Some(next) = access_remediation(code).or_else(|| configuration_remediation(code)) {
        return RuntimeError::Precondition {
            what: operation.to_owned(),
            reason: reason.to_owned(),
            next: next.to_owned(),
        };
    }
    match code {
        Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch | Code::FencedInstanceId => {
            RuntimeError::Fenced {
                processor: operation.to_owned(),
                reason: format!(
                    "another process took over under the same instance name, or a transaction outlived its timeout ({reason})"
                ),
                next: "start again; if the other process is to keep running, give this one a different --instance".into(),
            }
        }
        Code::OffsetOutOfRange | Code::AutoOffsetReset => RuntimeError::Storage {
            path: brokers.to_owned(),
            reason: format!(
                "{operation}: records were deleted before they were read, or the topic was re-created ({reason})"
            ),
            next: "`fastbreak lag` shows the affected partition; `fastbreak topics plan` shows the retention of the topic".into(),
        },
        _ => RuntimeError::Unreachable {
            brokers: brokers.to_owned(),
            reason: format!("{operation}: {reason}"),
            next: "check that the brokers run, and that the settings `brokers` and kafka.security.protocol match them (`fastbreak config show --origin`)".into(),
        },
    }
}

/// Returns what to do next after an error of authentication, encryption or authorization.
fn access_remediation(code: Code) -> Option<&'static str> {
    match code {
        Code::Authentication | Code::SaslAuthenticationFailed => Some(
            "check kafka.sasl.username, kafka.sasl.password, kafka.sasl.mechanism and kafka.security.protocol (`fastbreak config show --origin`)",
        ),
        Code::SSL => Some(
            "check kafka.ssl.ca.location, and that the brokers' certificate is valid for the host in `brokers`",
        ),
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed => Some(
            "give this user the rights that docs/kafka-client-config.md lists; `fastbreak doctor` reports missing rights, except Write on topics",
        ),
        _ => None,
    }
}

/// Returns what to do next after a request that the brokers would reject again.
fn configuration_remediation(code: Code) -> Option<&'static str> {
    match code {
        Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition => Some(
            "`fastbreak topics plan` shows topics that are missing or differ from their definition, `fastbreak topics apply` creates missing ones; then start again",
        ),
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
        | Code::GroupMaxSizeReached => Some(
            "the brokers reject a setting: `fastbreak config show --origin` shows where it is set; change it there, then run `fastbreak doctor`",
        ),
        Code::InconsistentGroupProtocol => Some(
            "a consumer with a different assignor is in this processor's group: stop that consumer (`kafka-consumer-groups.sh --describe --members --group …` lists it)",
        ),
        Code::MessageSizeTooLarge => {
            Some("`fastbreak topics plan` shows whether max.message.bytes of the topics is large enough")
        }
        Code::UnsupportedVersion | Code::UnsupportedFeature => {
            Some("upgrade the brokers to Kafka 3.7 or later")
        }
        _ => None,
    }
}

/// Returns the error for a client that librdkafka does not create. The error does not contain the value of a setting, which may be a
/// password under a misspelled name.
pub fn client_not_created(error: KafkaError) -> RuntimeError {
    match error {
        KafkaError::ClientConfig(_, reason, setting, _) => RuntimeError::InvalidSetting {
            setting: format!("kafka.{setting}"),
            reason,
            next: "correct or remove it; `fastbreak config show --origin` shows where it is set".into(),
        },
        error => RuntimeError::Precondition {
            what: "a setting of the Kafka client".into(),
            reason: error.to_string(),
            next: "`fastbreak config show --origin` shows where each setting comes from".into(),
        },
    }
}

/// Returns the error for a thread that the operating system did not start.
pub fn thread_not_started(brokers: &str, thread: &str, error: &std::io::Error) -> RuntimeError {
    RuntimeError::Storage {
        path: brokers.to_owned(),
        reason: format!("the thread `{thread}` did not start: {error}"),
        next: "raise the limit of processes and threads (`ulimit -u`)".into(),
    }
}

/// Returns the error for a thread of this crate that panicked.
pub fn thread_panicked(brokers: &str, thread: &str) -> RuntimeError {
    RuntimeError::Storage {
        path: brokers.to_owned(),
        reason: format!("{thread} panicked; the panic message is on standard error"),
        next: "report the panic as a bug; a restart resumes from the last commit".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_reported_with_its_cause() {
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
