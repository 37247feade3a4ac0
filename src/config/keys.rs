//! The configuration keys: name, meaning, default.
//!
//! Invariant: every key is in this table once. Its environment variable is `FASTBREAK_` and the key's name, in upper case with underscores.
//! Not here: parsing of values (`config`), keys of the Kafka client, which have librdkafka's names.

/// A key with its meaning and its default value.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    pub name: &'static str,
    pub meaning: &'static str,
    pub default: &'static str,
}
impl Key {
    /// Returns the environment variable of the key.
    pub fn environment_variable(&self) -> String {
        format!("FASTBREAK_{}", self.name.to_uppercase().replace('-', "_"))
    }
}

const fn key(name: &'static str, default: &'static str, meaning: &'static str) -> Key {
    Key { name, meaning, default }
}

/// All keys, in the order of `config show`.
pub const KEYS: &[Key] = &[
    key("data", ".fastbreak", "folder of log.db and warehouse.db"),
    key(
        "brokers",
        "",
        "bootstrap servers of Kafka, as host:port separated by commas; empty: the embedded log",
    ),
    key(
        "instance",
        "",
        "name of this process, unique among all processes on the same brokers; empty: the host name",
    ),
    key("registry", "", "URL of a Confluent-compatible schema registry; empty: none"),
    key("registry-user", "", "user name for the registry; empty: no authentication"),
    key(
        "registry-password",
        "",
        "password for the registry; set it in the environment, or registry-password-file",
    ),
    key("registry-password-file", "", "file with the password for the registry"),
    key("registry-timeout-ms", "10000", "time limit of a request to the registry, in milliseconds"),
    key(
        "console",
        "127.0.0.1:8780",
        "address at which `run` serves status page, metrics and health; empty: none; a run with --until-caught-up uses it only if it is set explicitly",
    ),
    key("learned-model", "", "path of the model artifact of learned_v1; empty: none"),
    key(
        "batch-bytes",
        "33554432",
        "maximum total size of the records that a processor reads for one commit, in bytes",
    ),
    key(
        "commit-interval-ms",
        "1000",
        "interval of commits while records keep arriving, in milliseconds; Kafka only",
    ),
    key(
        "max-upstream-wait-ms",
        "2000",
        "maximum time that a processor waits until its upstream processors are idle, in milliseconds",
    ),
    key("replication", "", "replication factor of topics on Kafka; empty: the brokers' default"),
    key(
        "dead-letter-max-consecutive",
        "100",
        "maximum number of consecutive rejected records in a partition; beyond it a processor stops; 0: no limit",
    ),
    key(
        "dead-letter-max-ratio",
        "0.5",
        "maximum share of rejected records among the latest 1000 of a partition, checked from 100 records on; beyond it a processor stops; 1: no limit, not even for a sink batch",
    ),
    key(
        "dlq-header-style",
        "native",
        "header names of dead letters on Kafka: native (dlq.…) or connect (Kafka Connect's)",
    ),
    key("sink-max-records", "10000", "number of records at which a sink batch is closed"),
    key("sink-max-bytes", "6291456", "size at which a sink batch is closed, in bytes"),
    key(
        "sink-max-age-ms",
        "15000",
        "age at which a sink batch is closed, in milliseconds; at least 5000 for BigQuery unless bigquery-endpoint is set",
    ),
    key(
        "sink-reconcile-interval-s",
        "3600",
        "interval at which the warehouse is reconciled with the log, in seconds; 0: never",
    ),
    key("warehouse", "sqlite", "warehouse that the sink writes: sqlite or bigquery"),
    key("bigquery-project", "", "Google Cloud project of the dataset and of the jobs"),
    key("bigquery-dataset", "fastbreak", "name of the dataset; staging tables are in <dataset>_staging"),
    key("bigquery-location", "US", "location of the dataset"),
    key("bigquery-endpoint", "", "URL of an emulator, such as http://127.0.0.1:9050; empty: BigQuery itself"),
    key(
        "bigquery-credentials",
        "",
        "path of a service account's key file, `default` (application default credentials) or `none`; empty: none if an endpoint is set, else default",
    ),
];

/// Words in the names of Kafka client settings whose values are secrets.
const SECRET_WORDS: [&str; 5] = ["pass", "secret", "pem", "oauthbearer.config", "jaas"];

/// True if the value of this Kafka client setting must not be shown.
pub fn is_secret(setting: &str) -> bool {
    SECRET_WORDS.iter().any(|word| setting.contains(word))
}
