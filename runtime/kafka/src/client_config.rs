//! How the clients are set up: what is ours to decide, what passes through, and how names look inside a namespace.
//!
//! Invariant: a setting on which exactly-once rests cannot be overridden; it is refused with the reason.
//! Not here: the clients.
use super::{client::Context, offset_expiry};
use crate::log::RuntimeError;
use rdkafka::{ClientConfig, error::KafkaError};
use std::{borrow::Cow, collections::BTreeMap, time::Duration};

const TRANSACTION_TIMEOUT_MS: u64 = 10_000;
const SESSION_TIMEOUT_MS: u64 = 10_000;

/// Which brokers, as whom, with which settings, in which namespace.
#[derive(Clone, Debug, Default)]
pub struct KafkaConfig {
    /// Bootstrap servers.
    pub brokers: String,
    /// Names this process: its transactions and its group membership go on under it when it starts again.
    pub instance: String,
    /// Settings of the client, by librdkafka's names.
    pub client: BTreeMap<String, String>,
    /// Beside the live topics: everything but the raw topics has this prefix.
    pub namespace: Option<String>,
    /// Dead letters have the headers of Kafka Connect beside their own.
    pub connect_headers: bool,
}

/// Settings that are ours, with the reason.
pub const RESERVED: [(&str, &str); 17] = [
    ("acks", "a commit is on all replicas or it is none"),
    ("auto.offset.reset", "a position that is gone must stop the processor, not move it"),
    ("bootstrap.servers", "it is `brokers`"),
    ("client.id", "it names the instance"),
    ("enable.auto.commit", "positions move in transactions only"),
    ("enable.auto.offset.store", "positions move in transactions only"),
    ("enable.idempotence", "a repeated send must not double a record"),
    ("enable.partition.eof", "restoring ends by it"),
    ("group.id", "it is the processor's name"),
    ("group.instance.id", "it is `instance`"),
    ("group.protocol", "partitions are handed over by the eager protocol"),
    ("isolation.level", "what is not committed must not be read"),
    ("metadata.broker.list", "it is `brokers`"),
    ("partition.assignment.strategy", "partition i of all inputs must be on one instance"),
    ("partitioner", "a record's partition follows from its key"),
    ("queue.buffering.backpressure.threshold", "a batch is sent as it was made"),
    ("transactional.id", "it is the processor's name and `instance`"),
];

impl KafkaConfig {
    /// Refuses settings that are not the operator's to choose.
    ///
    /// # Errors
    /// `RuntimeError::Precondition` with the setting and the reason.
    pub fn check(&self) -> Result<(), RuntimeError> {
        for (key, reason) in RESERVED {
            if self.client.contains_key(key) {
                return Err(RuntimeError::Precondition {
                    what: format!("the setting kafka.{key}"),
                    reason: reason.to_owned(),
                    next:
                        "take it out of the configuration; `fastbreak config show --origin` says where it is"
                            .into(),
                });
            }
        }
        if self.instance == offset_expiry::OWNER {
            return Err(RuntimeError::Precondition {
                what: format!("the instance name {}", self.instance),
                reason: "accounts are taken back under it".into(),
                next: "name it otherwise with --instance".into(),
            });
        }
        // Without OpenSSL librdkafka knows a password in plain text and nothing else.
        let mechanism = self.client.get("sasl.mechanism").or_else(|| self.client.get("sasl.mechanisms"));
        if let Some(mechanism) = mechanism.filter(|name| !name.eq_ignore_ascii_case("PLAIN"))
            && !cfg!(feature = "tls")
        {
            return Err(RuntimeError::Precondition {
                what: format!("kafka.sasl.mechanism {mechanism}"),
                reason: "this build knows PLAIN alone, others need OpenSSL".into(),
                next: "build with `cargo build --release --features tls` (needs OpenSSL's headers), or take the image".into(),
            });
        }
        let is_tls =
            self.client.get("security.protocol").is_some_and(|name| name.to_uppercase().contains("SSL"));
        if is_tls && !cfg!(feature = "tls") {
            return Err(RuntimeError::Precondition {
                what: "kafka.security.protocol with TLS".into(),
                reason: "this build has no TLS for Kafka".into(),
                next: "build with `cargo build --release --features tls` (needs OpenSSL's headers), or take the image".into(),
            });
        }
        Ok(())
    }
    /// A topic as the brokers know it.
    pub fn topic<'a>(&self, name: &'a str) -> Cow<'a, str> {
        match &self.namespace {
            Some(namespace) if !topics::is_raw(name) => format!("{namespace}.{name}").into(),
            _ => name.into(),
        }
    }
    /// A consumer group, or the owner of transactions, as the brokers know it.
    pub fn group(&self, name: &str) -> String {
        self.namespace.as_ref().map_or_else(|| name.to_owned(), |namespace| format!("{namespace}.{name}"))
    }
    /// How the brokers call this process.
    pub(super) fn client_id(&self) -> String {
        format!("fastbreak-{}", self.instance)
    }
    /// What all clients share. Later settings win, so ours come after the operator's.
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
    fn with(&self, own: &[(&str, &str)]) -> ClientConfig {
        let mut config = self.base();
        own.iter().filter(|(key, _)| !self.client.contains_key(*key)).for_each(|(key, value)| {
            config.set(*key, *value);
        });
        config
    }
    /// For administration.
    pub(super) fn admin(&self) -> ClientConfig {
        self.base()
    }
    /// For a processor's input.
    pub(super) fn consumer(&self, group: &str) -> ClientConfig {
        let mut config = self.with(&[
            ("session.timeout.ms", &SESSION_TIMEOUT_MS.to_string()),
            ("heartbeat.interval.ms", "3000"),
            // Data ends the wait, so a long one costs no latency and an idle processor nothing.
            ("fetch.wait.max.ms", "5000"),
            ("queued.max.messages.kbytes", "16384"),
            ("fetch.queue.backoff.ms", "5"),
            ("fetch.message.max.bytes", "4194304"),
        ]);
        config
            .set("group.id", self.group(group))
            .set("group.instance.id", &self.instance)
            .set("partition.assignment.strategy", "range")
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error");
        config
    }
    /// For reading partitions to their end.
    pub(super) fn reader(&self, group: &str, isolation: &str) -> ClientConfig {
        let mut config = self.with(&[
            ("fetch.wait.max.ms", "10"),
            ("queued.max.messages.kbytes", "32768"),
            ("fetch.queue.backoff.ms", "5"),
            ("fetch.message.max.bytes", "8388608"),
        ]);
        config
            .set("group.id", self.group(group))
            .set("isolation.level", isolation)
            .set("enable.partition.eof", "true")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error");
        config
    }
    /// After which the brokers end a transaction.
    pub(super) fn transaction_timeout(&self) -> Duration {
        let set = self.client.get("transaction.timeout.ms").and_then(|set| set.parse().ok());
        Duration::from_millis(set.unwrap_or(TRANSACTION_TIMEOUT_MS))
    }
    /// After which a group does without a member that is silent.
    pub(super) fn session_timeout(&self) -> Duration {
        let set = self.client.get("session.timeout.ms").and_then(|set| set.parse().ok());
        Duration::from_millis(set.unwrap_or(SESSION_TIMEOUT_MS))
    }
    /// For a processor's commits.
    pub(super) fn producer(&self, owner: &str) -> ClientConfig {
        let mut config = self.with(&[
            // A producer that died in a transaction holds up readers for so long, unless its next life ends the transaction before.
            ("transaction.timeout.ms", &TRANSACTION_TIMEOUT_MS.to_string()),
            ("linger.ms", "0"),
            // A record that is not delivered fails its transaction, so nobody needs to hear of the others.
            ("delivery.report.only.error", "true"),
            ("queue.buffering.max.messages", "1000000"),
            ("message.max.bytes", "16777216"),
            ("compression.type", "zstd"),
            ("batch.size", "1048576"),
        ]);
        config
            .set("transactional.id", format!("{}.{}", self.group(owner), self.instance))
            .set("enable.idempotence", "true")
            .set("acks", "all");
        config
    }
    /// Makes a client, or says which setting it does not take.
    pub(super) fn make<C: rdkafka::config::FromClientConfigAndContext<Context>>(
        &self,
        config: &ClientConfig,
        context: Context,
    ) -> Result<C, RuntimeError> {
        config.create_with_context(context).map_err(not_taken)
    }
}

/// A setting that the client does not take. Its value is not said: it may be a password under a name that was mistyped.
pub(super) fn not_taken(error: KafkaError) -> RuntimeError {
    let reason = match error {
        KafkaError::ClientConfig(_, reason, key, _) => format!("{key}: {reason}"),
        error => error.to_string(),
    };
    RuntimeError::Precondition {
        what: "a setting of the Kafka client".into(),
        reason,
        next: "`fastbreak config show --origin` says where each is".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_topics_are_shared_by_all_namespaces_and_all_else_is_not() {
        let live = KafkaConfig::default();
        let other = KafkaConfig { namespace: Some("january".into()), ..KafkaConfig::default() };
        assert_eq!(live.topic("core.games.v1"), "core.games.v1");
        assert_eq!(other.topic("core.games.v1"), "january.core.games.v1");
        assert_eq!(other.topic("raw.odds.v1"), "raw.odds.v1");
        assert_eq!((live.group("games"), other.group("games")), ("games".into(), "january.games".into()));
    }
    #[test]
    fn what_exactly_once_rests_on_cannot_be_set() {
        for (key, reason) in RESERVED {
            let client = BTreeMap::from([(key.to_owned(), "x".to_owned())]);
            let error = KafkaConfig { client, ..KafkaConfig::default() }.check().unwrap_err().to_string();
            assert!(error.contains(key) && error.contains(reason), "{error}");
        }
    }
    #[test]
    fn a_setting_that_is_not_taken_is_named_without_its_value() {
        let client = BTreeMap::from([("sasl.passwrd".to_owned(), "hushhush".to_owned())]);
        let settings = KafkaConfig { brokers: "127.0.0.1:1".into(), client, ..KafkaConfig::default() };
        let made =
            settings.make::<rdkafka::consumer::BaseConsumer<Context>>(&settings.admin(), Context::default());
        let said = made.map(|_| ()).unwrap_err().to_string();
        assert!(said.contains("sasl.passwrd") && !said.contains("hushhush"), "{said}");
    }
    #[test]
    fn nobody_is_called_as_whoever_takes_accounts_back() {
        let settings = KafkaConfig { instance: offset_expiry::OWNER.into(), ..KafkaConfig::default() };
        assert!(settings.check().unwrap_err().to_string().contains("--instance"));
    }
    #[test]
    fn what_this_build_cannot_do_is_said_with_the_build_that_can() {
        for (key, value) in [("security.protocol", "SASL_SSL"), ("sasl.mechanism", "SCRAM-SHA-256")] {
            let client = BTreeMap::from([(key.to_owned(), value.to_owned())]);
            let checked = KafkaConfig { client, ..KafkaConfig::default() }.check();
            let said = checked.err().map(|runtime_error| runtime_error.to_string());
            let is_said = said.is_some_and(|said| said.contains(key) && said.contains("--features tls"));
            assert_eq!(is_said, !cfg!(feature = "tls"), "{key}");
        }
        let client = BTreeMap::from([("sasl.mechanism".to_owned(), "plain".to_owned())]);
        KafkaConfig { client, ..KafkaConfig::default() }.check().unwrap();
    }
    #[test]
    fn an_operators_setting_beats_a_default() {
        let client = BTreeMap::from([("session.timeout.ms".to_owned(), "45000".to_owned())]);
        let config = KafkaConfig { client, ..KafkaConfig::default() }.consumer("games");
        assert_eq!(config.get("session.timeout.ms"), Some("45000"));
        assert_eq!(config.get("heartbeat.interval.ms"), Some("3000"));
    }
}
