//! The table of configuration keys. File keys, environment variables, global flags, `config show`, `config init` and the table in
//! `docs/configuration.md` are made from it, and so is the struct [`Config`].
//!
//! The comment on a key is its meaning, which operators read.
//! Invariant: every key is in this table once.
//! Not here: the macro (`table`), the types of values (`kind`), keys of the Kafka client, which have librdkafka's names (`kafka`).
use super::{
    bigquery::BigQueryOptions,
    error::ConfigError,
    header_style::HeaderStyle,
    key::{Group, Key},
    kind::{
        Address, Choice, HostList, HostNames, KeyFile, Kind, Name, NameOrHostName, Optional, OrEmpty, Path,
        Ratio, SecretText, Switch, Text, Url, bytes, count, milliseconds, seconds,
    },
    origin::Origin,
    table::config_keys,
    values::Values,
    warehouse_kind::WarehouseKind,
};
use runtime::engine::DlqLimits;
use schema_registry::{RegistryConfig, Secret};
use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

/// The longest configurable duration, one day.
const DAY_MS: u64 = 86_400_000;
/// The largest configurable size, one tebibyte.
const TEBIBYTE: u64 = 1 << 40;
const MAX_COUNT: u64 = u32::MAX as u64;
/// Largest replication factor of Kafka's protocol.
const MAX_REPLICATION: u64 = i16::MAX as u64;

config_keys! {
    /// All configuration values.
    pub struct Config {
        /// Settings of the Kafka client. The keys are librdkafka's names, such as `security.protocol`.
        pub kafka: BTreeMap<String, String>,
        pub(super) kafka_origins: BTreeMap<String, Origin>,
        pub(super) origins: BTreeMap<&'static str, Origin>,
    }

    Log {
        /// Folder of `log.db` and `warehouse.db`.
        #[key(DATA = "data", default = ".fastbreak", flag = "DIR")]
        data: PathBuf => Path,
        /// Bootstrap servers of Kafka, as `host:port` separated by commas; empty: the embedded log.
        #[key(BROKERS = "brokers", default = "", flag = "LIST")]
        brokers: Option<String> => Optional(HostList),
        /// Name of this process, unique among all processes on the same brokers; empty: the host name. If a process starts under the
        /// name of another one, it takes over the other's partitions and fences its transactions.
        #[key(INSTANCE = "instance", default = "", flag = "NAME")]
        instance: String => NameOrHostName(Name { other: "._-", max_length: 200 }),
        /// Replication factor of topics on Kafka; empty: the brokers' default.
        #[key(REPLICATION = "replication", default = "")]
        replication: Option<u16> => Optional(count(1..=MAX_REPLICATION)),
    }

    Registry in registry: RegistryConfig {
        /// URL of a Confluent-compatible schema registry; empty: none, schema ids are derived from the schemas.
        #[key(REGISTRY = "registry", default = "", flag = "URL")]
        url: Option<String> => Optional(Url),
        /// User name for the registry; empty: no authentication.
        #[key(REGISTRY_USER = "registry-user", default = "")]
        user: Option<String> => Optional(Text),
        /// Password for the registry.
        #[key(REGISTRY_PASSWORD = "registry-password", default = "", secret = true)]
        password: Option<Secret> => Optional(SecretText),
        /// File with the password for the registry.
        #[key(REGISTRY_PASSWORD_FILE = "registry-password-file", default = "")]
        password_file: Option<PathBuf> => Optional(Path),
        /// Time limit of a request to the registry.
        #[key(REGISTRY_TIMEOUT_MS = "registry-timeout-ms", default = "10000")]
        timeout: Duration => milliseconds(1..=DAY_MS),
    }

    Console {
        /// Address at which `run` serves status page, metrics and health; empty: none. A run with `--until-caught-up` uses it only if it
        /// is set explicitly.
        #[key(CONSOLE = "console", default = "127.0.0.1:8780")]
        console: Option<SocketAddr> => Optional(Address),
        /// Host names, besides IP addresses and `localhost`, under which the page may be requested, for example behind a proxy. Metrics
        /// and health may be requested under any name.
        #[key(CONSOLE_HOSTS = "console-hosts", default = "")]
        console_hosts: Vec<String> => HostNames,
    }

    Processors {
        /// Path of the model artifact of `learned_v1`; empty: none.
        #[key(LEARNED_MODEL = "learned-model", default = "")]
        learned_model: Option<PathBuf> => Optional(Path),
        /// Maximum total size of the records that a processor reads for one commit.
        #[key(BATCH_BYTES = "batch-bytes", default = "33554432")]
        batch_bytes: usize => bytes(1..=TEBIBYTE),
        /// Interval of commits while records keep arriving; Kafka only.
        #[key(COMMIT_INTERVAL_MS = "commit-interval-ms", default = "1000")]
        commit_interval: Duration => milliseconds(1..=DAY_MS),
        /// Maximum time that a processor waits until its upstream processors are idle.
        #[key(MAX_UPSTREAM_WAIT_MS = "max-upstream-wait-ms", default = "2000")]
        max_upstream_wait: Duration => milliseconds(0..=DAY_MS),
    }

    /// The dead letters at which a processor stops.
    DeadLetters in dlq_limits: DlqLimits {
        /// Maximum number of consecutive rejected records in a partition, beyond which a processor stops; 0: no limit.
        #[key(DEAD_LETTER_MAX_CONSECUTIVE = "dead-letter-max-consecutive", default = "100")]
        consecutive: u32 => count(0..=MAX_COUNT),
        /// Maximum share of rejected records among the latest 1000 of a partition, beyond which a processor stops; checked from 100
        /// records on; 1: no limit, not even for a sink batch.
        #[key(DEAD_LETTER_MAX_RATIO = "dead-letter-max-ratio", default = "0.5")]
        ratio: f64 => Ratio,
    }
    DeadLetters {
        /// Header names of dead letters on Kafka: `native` (`dlq.…`) or `connect` (Kafka Connect's).
        #[key(DLQ_HEADER_STYLE = "dlq-header-style", default = "native")]
        dlq_header_style: HeaderStyle => Choice { values: &HeaderStyle::ALL, name: HeaderStyle::name },
    }

    Sink {
        /// Warehouse that the sink writes.
        #[key(WAREHOUSE = "warehouse", default = "sqlite", flag = "KIND")]
        warehouse: WarehouseKind => Choice { values: &WarehouseKind::ALL, name: WarehouseKind::name },
        /// Number of records at which a sink batch is closed.
        #[key(SINK_MAX_RECORDS = "sink-max-records", default = "10000")]
        sink_max_records: usize => count(1..=MAX_COUNT),
        /// Size at which a sink batch is closed.
        #[key(SINK_MAX_BYTES = "sink-max-bytes", default = "6291456")]
        sink_max_bytes: usize => bytes(1..=TEBIBYTE),
        /// Age at which a sink batch is closed; empty: 1000 for SQLite, 15000 for BigQuery. At least 5000 for BigQuery unless
        /// `bigquery-endpoint` is set.
        #[key(SINK_MAX_AGE_MS = "sink-max-age-ms", default = "")]
        sink_max_age: Option<Duration> => Optional(milliseconds(0..=DAY_MS)),
        /// Interval at which the warehouse is reconciled with the log; 0: never.
        #[key(SINK_RECONCILE_INTERVAL_S = "sink-reconcile-interval-s", default = "3600")]
        sink_reconcile_interval: Duration => seconds(0..=31_536_000),
    }

    BigQuery in bigquery: BigQueryOptions {
        /// Google Cloud project of the dataset and of the jobs.
        #[key(BIGQUERY_PROJECT = "bigquery-project", default = "")]
        project: String => OrEmpty(Name { other: "-.:", max_length: 100 }),
        /// Name of the dataset; staging tables are in `<dataset>_staging`.
        #[key(BIGQUERY_DATASET = "bigquery-dataset", default = "fastbreak")]
        dataset: String => Name { other: "_", max_length: 900 },
        /// Location of the dataset.
        #[key(BIGQUERY_LOCATION = "bigquery-location", default = "US")]
        location: String => Name { other: "-", max_length: 100 },
        /// URL of an emulator, such as `http://127.0.0.1:9050`; empty: BigQuery itself.
        #[key(BIGQUERY_ENDPOINT = "bigquery-endpoint", default = "")]
        endpoint: Option<String> => Optional(Url),
        /// Path of a service account's key file, `default` (application default credentials) or `none`; empty: `none` if an endpoint is
        /// set, else `default`.
        #[key(BIGQUERY_CREDENTIALS = "bigquery-credentials", default = "")]
        credentials: String => OrEmpty(KeyFile),
        /// If true, the pauses between attempts of a write grow exponentially.
        #[key(DML_BACKOFF_ENABLED = "dml-backoff-enabled", default = "true", variable = "SELF_HEALING_DML_BACKOFF_ENABLED")]
        is_backoff_enabled: bool => Switch,
        /// Number of consecutive failed attempts of a write that raise no alert. The number of attempts is not limited.
        #[key(DML_MAX_RETRIES = "dml-max-retries", default = "3", variable = "SELF_HEALING_DML_MAX_RETRIES")]
        max_retries: u32 => count(0..=MAX_COUNT),
        /// If true, repeated failures of a write raise an alert.
        #[key(ALERT_ON_DML_LIMIT = "alert-on-dml-limit", default = "true", variable = "SELF_HEALING_ALERT_ON_DML_LIMIT")]
        is_alerting: bool => Switch,
    }
}
