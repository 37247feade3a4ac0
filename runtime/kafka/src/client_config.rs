//! Configuration of the clients: reserved settings, settings that are passed to librdkafka, and names inside a namespace.
//!
//! Invariant: a setting that exactly-once depends on cannot be overridden; it is rejected with the reason.
//! Not here: the use of the clients (`transaction`, `poll_thread`, `query_client`), partitions in a namespace (`topic_partition`).
use crate::{context::Context, error::client_not_created};
use rdkafka::{ClientConfig, config::FromClientConfigAndContext};
use runtime::RuntimeError;
use std::{borrow::Cow, collections::BTreeMap, time::Duration};
use topics::spec::MAX_RECORD_BYTES;

const DEFAULT_TRANSACTION_TIMEOUT_MS: u64 = 10_000;
const DEFAULT_SESSION_TIMEOUT_MS: u64 = 10_000;

/// The instance name under which one process at a time appends a compensating ledger entry (`offset_expiry`).
pub const LEDGER_RESET_INSTANCE: &str = "ledger-reset";

/// The configuration of all clients: brokers, instance name, client settings, namespace.
#[derive(Clone, Debug, Default)]
pub struct KafkaConfig {
    /// Bootstrap servers.
    pub brokers: String,
    /// Name of this process: after a restart it resumes its transactions and its group membership under the same name.
    pub instance: String,
    /// Settings of the client, under librdkafka's names.
    pub client: BTreeMap<String, String>,
    /// Name of the replay. It is the prefix of all groups, and of all topics except the raw topics. `None` for the live log.
    pub namespace: Option<String>,
    /// True if dead letters get the headers of Kafka Connect in addition to our own.
    pub connect_headers: bool,
}

/// Whether a consumer reads only the records of committed transactions, or all records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isolation {
    ReadCommitted,
    ReadUncommitted,
}

impl Isolation {
    const fn name(self) -> &'static str {
        match self {
            Isolation::ReadCommitted => "read_committed",
            Isolation::ReadUncommitted => "read_uncommitted",
        }
    }
}

/// Settings that an operator cannot set, each with the reason.
pub const RESERVED: [(&str, &str); 17] = [
    ("acks", "a commit must be on all in-sync replicas before it counts as durable"),
    (
        "auto.offset.reset",
        "if a committed offset no longer exists, the processor must stop instead of reading from another offset",
    ),
    ("bootstrap.servers", "the setting `brokers` determines it"),
    ("client.id", "it is derived from `instance`"),
    ("enable.auto.commit", "offsets are committed in transactions only"),
    ("enable.auto.offset.store", "offsets are committed in transactions only"),
    ("enable.idempotence", "a retried send must not append a record twice"),
    ("enable.partition.eof", "a restore must be notified of the end of a partition"),
    ("group.id", "it is derived from the processor's name"),
    ("group.instance.id", "the setting `instance` determines it"),
    ("group.protocol", "partitions must be assigned by the eager protocol"),
    ("isolation.level", "uncommitted records must not be read"),
    ("metadata.broker.list", "the setting `brokers` determines it"),
    ("partition.assignment.strategy", "partition i of all inputs must be assigned to one instance"),
    ("partitioner", "Fastbreak computes the partition of a record from its key"),
    ("queue.buffering.backpressure.threshold", "batches must be sent as they were built"),
    ("transactional.id", "it is derived from the processor's name and `instance`"),
];

impl KafkaConfig {
    /// Rejects settings that an operator cannot choose, or that this build does not support.
    ///
    /// # Errors
    /// `RuntimeError::Precondition` with the setting and the reason.
    pub fn check(&self) -> Result<(), RuntimeError> {
        self.check_reserved()?;
        self.check_tls_support()
    }
    fn check_reserved(&self) -> Result<(), RuntimeError> {
        if let Some((key, reason)) = RESERVED.iter().find(|(key, _)| self.client.contains_key(*key)) {
            return Err(RuntimeError::Precondition {
                what: format!("the setting kafka.{key}"),
                reason: (*reason).to_owned(),
                next:
                    "remove it from the configuration; `fastbreak config show --origin` shows where it is set"
                        .into(),
            });
        }
        if self.instance == LEDGER_RESET_INSTANCE {
            return Err(RuntimeError::Precondition {
                what: format!("the instance name {}", self.instance),
                reason: "it is reserved for ledger compensation".into(),
                next: "choose another name with --instance".into(),
            });
        }
        Ok(())
    }
    fn check_tls_support(&self) -> Result<(), RuntimeError> {
        if cfg!(feature = "tls") {
            return Ok(());
        }
        let unsupported = |what: String, reason: &str| {
            RuntimeError::Precondition {
            what,
            reason: reason.into(),
            next: "build with `cargo build --release --features tls` (needs OpenSSL's headers), or use the container image".into(),
        }
        };
        // Without OpenSSL, librdkafka supports only the mechanism PLAIN.
        let mechanism = self.client.get("sasl.mechanism").or_else(|| self.client.get("sasl.mechanisms"));
        if let Some(mechanism) = mechanism.filter(|name| !name.eq_ignore_ascii_case("PLAIN")) {
            let reason = "this build supports PLAIN only, other mechanisms need OpenSSL";
            return Err(unsupported(format!("kafka.sasl.mechanism {mechanism}"), reason));
        }
        let protocol = self.client.get("security.protocol");
        if protocol.is_some_and(|protocol| protocol.to_uppercase().contains("SSL")) {
            let reason = "this build has no TLS for Kafka";
            return Err(unsupported("kafka.security.protocol with TLS".into(), reason));
        }
        Ok(())
    }
    /// Returns the physical name of a topic.
    pub fn topic<'a>(&self, name: &'a str) -> Cow<'a, str> {
        match &self.namespace {
            Some(namespace) if !topics::is_raw(name) => format!("{namespace}.{name}").into(),
            _ => name.into(),
        }
    }
    /// Returns the physical name of a consumer group, or of the owner of a transactional producer.
    pub fn group(&self, name: &str) -> String {
        self.namespace.as_ref().map_or_else(|| name.to_owned(), |namespace| format!("{namespace}.{name}"))
    }
    /// Returns the name under which brokers list the clients of this process.
    pub fn client_id(&self) -> String {
        format!("fastbreak-{}", self.instance)
    }
    /// Returns the settings that all clients have in common; the operator's settings override them. Callers must set reserved settings
    /// last, so that the operator cannot override these.
    fn base(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", self.client_id())
            .set("socket.keepalive.enable", "true")
            .set("socket.nagle.disable", "true")
            .set("reconnect.backoff.max.ms", "2000")
            .set("log_level", "5");
        for (key, value) in &self.client {
            config.set(key, value);
        }
        config
    }
    /// Returns the settings that all clients have in common, and these defaults; the operator's settings override both.
    fn with_defaults(&self, defaults: &[(&str, &str)]) -> ClientConfig {
        let mut config = self.base();
        for (key, value) in defaults {
            if !self.client.contains_key(*key) {
                config.set(*key, *value);
            }
        }
        config
    }
    /// Returns the settings of the administration client.
    pub fn admin(&self) -> ClientConfig {
        self.base()
    }
    /// Returns the settings of a group member.
    pub fn consumer(&self, group: &str) -> ClientConfig {
        let mut config = self.with_defaults(&[
            ("session.timeout.ms", &DEFAULT_SESSION_TIMEOUT_MS.to_string()),
            ("heartbeat.interval.ms", "3000"),
            // A broker sends its response as soon as it has new data, so a long wait adds no latency, and an idle processor sends few
            // requests.
            ("fetch.wait.max.ms", "5000"),
            ("queued.max.messages.kbytes", "16384"),
            ("fetch.queue.backoff.ms", "5"),
            ("fetch.message.max.bytes", "4194304"),
        ]);
        config
            .set("group.id", self.group(group))
            .set("group.instance.id", &self.instance)
            .set("partition.assignment.strategy", "range")
            .set("isolation.level", Isolation::ReadCommitted.name())
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error");
        config
    }
    /// Returns the settings of a standalone consumer, which reads partitions to their end.
    pub fn standalone_consumer(&self, group: &str, isolation: Isolation) -> ClientConfig {
        let mut config = self.with_defaults(&[
            ("fetch.wait.max.ms", "10"),
            ("queued.max.messages.kbytes", "32768"),
            ("fetch.queue.backoff.ms", "5"),
            ("fetch.message.max.bytes", "8388608"),
        ]);
        config
            .set("group.id", self.group(group))
            .set("isolation.level", isolation.name())
            .set("enable.partition.eof", "true")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error");
        config
    }
    /// Returns the settings of a transactional producer.
    pub fn producer(&self, owner: &str) -> ClientConfig {
        let mut config = self.with_defaults(&[
            // A producer that died inside a transaction blocks readers for this long, unless the next `init_transactions` under its
            // name ends the transaction earlier.
            ("transaction.timeout.ms", &DEFAULT_TRANSACTION_TIMEOUT_MS.to_string()),
            ("linger.ms", "0"),
            // A record that is not delivered fails its transaction, so successful deliveries need no report.
            ("delivery.report.only.error", "true"),
            ("queue.buffering.max.messages", "1000000"),
            ("message.max.bytes", &MAX_RECORD_BYTES.to_string()),
            ("compression.type", "zstd"),
            ("batch.size", "1048576"),
        ]);
        config
            .set("transactional.id", format!("{}.{}", self.group(owner), self.instance))
            .set("enable.idempotence", "true")
            .set("acks", "all");
        config
    }
    /// Returns the time after which brokers abort an open transaction.
    pub fn transaction_timeout(&self) -> Duration {
        self.timeout("transaction.timeout.ms", DEFAULT_TRANSACTION_TIMEOUT_MS)
    }
    /// Returns the time after which a group removes a member without heartbeats.
    pub fn session_timeout(&self) -> Duration {
        self.timeout("session.timeout.ms", DEFAULT_SESSION_TIMEOUT_MS)
    }
    fn timeout(&self, key: &str, default_ms: u64) -> Duration {
        let timeout_ms = self.client.get(key).and_then(|value| value.parse().ok());
        Duration::from_millis(timeout_ms.unwrap_or(default_ms))
    }
    /// Creates a client.
    ///
    /// # Errors
    /// `RuntimeError::InvalidSetting` for a setting that the client rejects, `RuntimeError::Precondition` if it does not start with the
    /// settings, for example because a certificate cannot be read.
    pub fn create_client<C: FromClientConfigAndContext<Context>>(
        &self,
        client_config: &ClientConfig,
        context: Context,
    ) -> Result<C, RuntimeError> {
        client_config.create_with_context(context).map_err(client_not_created)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::consumer::BaseConsumer;

    #[test]
    fn raw_topics_are_shared_by_all_namespaces_and_other_topics_are_not() {
        let live = KafkaConfig::default();
        let replay = KafkaConfig { namespace: Some("january".into()), ..KafkaConfig::default() };
        assert_eq!(live.topic("core.games.v1"), "core.games.v1");
        assert_eq!(replay.topic("core.games.v1"), "january.core.games.v1");
        assert_eq!(replay.topic("raw.odds.v1"), "raw.odds.v1");
        assert_eq!((live.group("games"), replay.group("games")), ("games".into(), "january.games".into()));
    }
    #[test]
    fn settings_that_exactly_once_depends_on_are_rejected() {
        for (key, reason) in RESERVED {
            let client = BTreeMap::from([(key.to_owned(), "x".to_owned())]);
            let error = KafkaConfig { client, ..KafkaConfig::default() }.check().unwrap_err().to_string();
            assert!(error.contains(key) && error.contains(reason), "{error}");
        }
    }
    #[test]
    fn an_invalid_setting_is_named_without_its_value() {
        let client = BTreeMap::from([("sasl.passwrd".to_owned(), "hushhush".to_owned())]);
        let config = KafkaConfig { brokers: "127.0.0.1:1".into(), client, ..KafkaConfig::default() };
        let created = config.create_client::<BaseConsumer<Context>>(&config.admin(), Context::default());
        let error = created.map(|_| ()).unwrap_err();
        let message = error.to_string();
        assert!(matches!(error, RuntimeError::InvalidSetting { .. }), "{message}");
        assert!(message.contains("sasl.passwrd") && !message.contains("hushhush"), "{message}");
    }
    #[test]
    fn the_instance_name_of_ledger_compensation_is_rejected() {
        let config = KafkaConfig { instance: LEDGER_RESET_INSTANCE.into(), ..KafkaConfig::default() };
        assert!(config.check().unwrap_err().to_string().contains("--instance"));
    }
    #[test]
    fn a_setting_that_needs_tls_is_rejected_with_the_build_that_has_it() {
        for (key, value) in [("security.protocol", "SASL_SSL"), ("sasl.mechanism", "SCRAM-SHA-256")] {
            let client = BTreeMap::from([(key.to_owned(), value.to_owned())]);
            let checked = KafkaConfig { client, ..KafkaConfig::default() }.check();
            let message = checked.err().map(|error| error.to_string());
            let is_rejected =
                message.is_some_and(|message| message.contains(key) && message.contains("--features tls"));
            assert_eq!(is_rejected, !cfg!(feature = "tls"), "{key}");
        }
        let client = BTreeMap::from([("sasl.mechanism".to_owned(), "plain".to_owned())]);
        KafkaConfig { client, ..KafkaConfig::default() }.check().unwrap();
    }
    #[test]
    fn an_operators_setting_overrides_a_default() {
        let client = BTreeMap::from([("session.timeout.ms".to_owned(), "45000".to_owned())]);
        let config = KafkaConfig { client, ..KafkaConfig::default() }.consumer("games");
        assert_eq!(config.get("session.timeout.ms"), Some("45000"));
        assert_eq!(config.get("heartbeat.interval.ms"), Some("3000"));
    }
}
