//! Configuration: one strict struct, from a file, the environment and flags, in that order; each value knows where it came from.
//!
//! Invariant: an unknown key, or a value that does not parse, is an error that names its place; nothing is ignored.
//! Not here: what the values do; the file (`file`).
mod file;

use crate::registry::RegistryConfig;
use crate::warehouse::{BigQueryOptions, WarehouseKind};
use anyhow::{Context, Result, bail};
use runtime::engine::DlqLimits;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub enum Origin {
    Default,
    File(PathBuf),
    Environment(String),
    Flag(&'static str),
}
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path) => write!(f, "file {}", path.display()),
            Origin::Environment(name) => write!(f, "environment {name}"),
            Origin::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}
impl From<Origin> for String {
    fn from(origin: Origin) -> String {
        origin.to_string()
    }
}

/// Under which names a dead letter on Kafka says what is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderStyle {
    /// `dlq.…`.
    Native,
    /// Those of Kafka Connect, `__connect.errors.…`.
    Connect,
}
impl HeaderStyle {
    pub const fn name(self) -> &'static str {
        match self {
            HeaderStyle::Native => "native",
            HeaderStyle::Connect => "connect",
        }
    }
}
impl std::str::FromStr for HeaderStyle {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [HeaderStyle::Native, HeaderStyle::Connect];
        all.into_iter().find(|style| style.name() == text).ok_or("it is native or connect")
    }
}

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The folder of `log.db` and `warehouse.db`.
    pub data: PathBuf,
    /// Kafka's bootstrap servers; none means the embedded log.
    pub brokers: Option<String>,
    /// Names this process among those that share the brokers: its transactions and its group membership go on under it.
    pub instance: String,
    /// Settings of the Kafka client, by librdkafka's names.
    pub kafka: BTreeMap<String, String>,
    /// The schema registry, if any; without one the schemas' ids derive from their texts.
    pub registry: RegistryConfig,
    /// Where page, metrics and health are served while `run` is up.
    pub console: Option<SocketAddr>,
    /// The artifact of `learned_v1`.
    pub learned_model: Option<PathBuf>,
    /// Bytes that a processor reads at most for one commit.
    pub batch_bytes: usize,
    /// After how long a batch is committed while records keep coming. On Kafka.
    pub commit_interval: Duration,
    /// How long a processor waits for those upstream of it to run dry.
    pub max_upstream_wait: Duration,
    /// Replicas of each topic on Kafka; none means the brokers' default.
    pub replication: Option<u16>,
    /// When a processor stops for rejecting too much.
    pub dlq_limits: DlqLimits,
    pub dlq_header_style: HeaderStyle,
    pub sink_max_records: usize,
    pub sink_max_bytes: usize,
    pub sink_max_age: Duration,
    /// How often the sink holds the warehouse against the log; never when zero.
    pub sink_reconcile_interval: Duration,
    /// Where the sink writes.
    pub warehouse: WarehouseKind,
    pub bigquery: BigQueryOptions,
    origins: BTreeMap<&'static str, Origin>,
    kafka_origins: BTreeMap<String, Origin>,
}

/// The keys: name, meaning, default.
pub const KEYS: &[(&str, &str, &str)] = &[
    ("data", "folder of log.db and warehouse.db", ".fastbreak"),
    ("brokers", "Kafka's bootstrap servers, host:port with commas; empty: the embedded log", ""),
    ("instance", "names this process among those that share the brokers; empty: the host's name", ""),
    ("registry", "address of a Confluent-compatible schema registry; empty: none", ""),
    ("registry-user", "whom the registry knows this process as; empty: nobody", ""),
    ("registry-password", "the registry's password; rather in the environment or a file of its own", ""),
    ("registry-password-file", "the file that has the registry's password", ""),
    ("registry-timeout-ms", "milliseconds for one request to the registry", "10000"),
    (
        "console",
        "address of page, metrics and health while `run` is up; empty: none; with --until-caught-up only when set",
        "127.0.0.1:8780",
    ),
    ("learned-model", "path of the artifact of learned_v1; empty: none", ""),
    ("batch-bytes", "bytes that a processor reads at most for one commit", "33554432"),
    (
        "commit-interval-ms",
        "milliseconds after which a batch is committed while records keep coming; on Kafka",
        "1000",
    ),
    ("max-upstream-wait-ms", "milliseconds that a processor waits for those upstream of it", "2000"),
    ("replication", "replicas of each topic on Kafka; empty: what the brokers have as default", ""),
    (
        "dead-letter-max-consecutive",
        "unusable records in a row, of one partition, after which a processor stops; 0: no limit",
        "100",
    ),
    (
        "dead-letter-max-ratio",
        "share of unusable records among a partition's newest 1000 (at least 100) at which a processor stops; 1: no limit, for a batch of the sink neither",
        "0.5",
    ),
    ("dlq-header-style", "how dead letters on Kafka say what is wrong: native or connect", "native"),
    ("sink-max-records", "records that close a batch of the sink", "10000"),
    ("sink-max-bytes", "bytes that close a batch of the sink", "6291456"),
    (
        "sink-max-age-ms",
        "milliseconds after which a batch of the sink closes; on Google's own BigQuery 5000 or more",
        "15000",
    ),
    (
        "sink-reconcile-interval-s",
        "seconds after which the sink holds the warehouse against the log again; 0: never",
        "3600",
    ),
    ("warehouse", "where the sink writes: sqlite or bigquery", "sqlite"),
    ("bigquery-project", "the project of the dataset and of the jobs", ""),
    ("bigquery-dataset", "the dataset; <dataset>_staging is made beside it", "fastbreak"),
    ("bigquery-location", "where the dataset is", "US"),
    ("bigquery-endpoint", "an emulator's address, e.g. http://127.0.0.1:9050; empty: Google's own", ""),
    (
        "bigquery-credentials",
        "a service account's key file, default (application default) or none; empty: default, none for an endpoint",
        "",
    ),
];
/// Keys of the file's `[kafka]` table and `FASTBREAK_KAFKA_…` go to the Kafka client by librdkafka's names, dots as underscores.
const KAFKA: &str = "FASTBREAK_KAFKA_";
/// Looked for in the working folder when no file is named.
pub const DEFAULT_FILE: &str = "fastbreak.toml";

impl Config {
    /// Resolves all values. `file` is read when named, or when the default one is there; `flags` hold what the command line gave.
    pub fn resolve(
        file: Option<&Path>,
        environment: &BTreeMap<String, String>,
        flags: &[(&'static str, String)],
    ) -> Result<Config> {
        let mut values: BTreeMap<&'static str, (String, Origin)> =
            KEYS.iter().map(|(key, _, default)| (*key, ((*default).to_owned(), Origin::Default))).collect();
        let mut client: BTreeMap<String, (String, Origin)> = BTreeMap::new();
        let default = Path::new(DEFAULT_FILE);
        if let Some(path) = file.or_else(|| default.exists().then_some(default)) {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("reading the configuration {}", path.display()))?;
            for (key, value) in file::read(path, &text)? {
                match key {
                    file::Key::Own(key) => _ = values.insert(key, (value, Origin::File(path.to_owned()))),
                    file::Key::Kafka(key) => _ = client.insert(key, (value, Origin::File(path.to_owned()))),
                }
            }
        }
        for (key, ..) in KEYS.iter().copied() {
            let name = format!("FASTBREAK_{}", key.to_uppercase().replace('-', "_"));
            if let Some(value) = environment.get(&name) {
                values.insert(key, (value.clone(), Origin::Environment(name)));
            }
        }
        for (name, value) in environment {
            if let Some(key) = name.strip_prefix(KAFKA) {
                // The one setting of librdkafka's that is written so itself.
                let key = match key.to_lowercase().replace('_', ".") {
                    key if key == "log.level" => "log_level".to_owned(),
                    key => key,
                };
                client.insert(key, (value.clone(), Origin::Environment(name.clone())));
            }
        }
        for (key, value) in flags {
            let flag = KEYS.iter().find(|(name, ..)| name == key).map_or("", |(name, ..)| *name);
            values.insert(flag, (value.clone(), Origin::Flag(flag)));
        }
        let mut config = Config::parse(&values)?;
        let backoff = sinks::retry::Backoff::from_environment(|name| environment.get(name).cloned());
        config.bigquery.backoff = backoff.map_err(anyhow::Error::msg)?;
        if config.warehouse == WarehouseKind::BigQuery
            && let (Err(why), Some((text, origin))) =
                (config.bigquery.check_batch_age(config.sink_max_age), values.get("sink-max-age-ms"))
        {
            bail!("sink-max-age-ms = '{text}' ({origin}): {why}");
        }
        for (name, ..) in config.bigquery.backoff.settings() {
            if environment.contains_key(name) {
                config.origins.insert(name, Origin::Environment(name.to_owned()));
            }
        }
        for (key, (value, origin)) in client {
            let (key, value) = file::secret(key, value, &origin)?;
            config.kafka_origins.insert(key.clone(), origin);
            config.kafka.insert(key, value);
        }
        Ok(config)
    }
    fn parse(values: &BTreeMap<&'static str, (String, Origin)>) -> Result<Config> {
        fn number<T: std::str::FromStr<Err: fmt::Display>>(
            (text, origin): &(String, Origin),
            key: &str,
        ) -> Result<T> {
            text.parse().map_err(|error| {
                anyhow::anyhow!(
                    "{key} = '{text}' ({origin}): {error}; `fastbreak config show` lists the keys"
                )
            })
        }
        let value = |key: &str| values.get(key).cloned().unwrap_or((String::new(), Origin::Default));
        let some = |key: &str| Some(value(key)).filter(|(text, _)| !text.is_empty());
        Ok(Config {
            data: value("data").0.into(),
            brokers: some("brokers").map(|(text, _)| text),
            instance: some("instance").map_or_else(host, |(text, _)| text),
            kafka: BTreeMap::new(),
            registry: RegistryConfig::parse(
                |key| value(key).0,
                Duration::from_millis(number(&value("registry-timeout-ms"), "registry-timeout-ms")?),
            )?,
            console: some("console").map(|value| number(&value, "console")).transpose()?,
            learned_model: some("learned-model").map(|(text, _)| text.into()),
            batch_bytes: number(&value("batch-bytes"), "batch-bytes")?,
            commit_interval: Duration::from_millis(number(
                &value("commit-interval-ms"),
                "commit-interval-ms",
            )?),
            max_upstream_wait: Duration::from_millis(number(
                &value("max-upstream-wait-ms"),
                "max-upstream-wait-ms",
            )?),
            replication: some("replication").map(|value| number(&value, "replication")).transpose()?,
            dlq_limits: DlqLimits {
                consecutive: number(&value("dead-letter-max-consecutive"), "dead-letter-max-consecutive")?,
                ratio: number(&value("dead-letter-max-ratio"), "dead-letter-max-ratio")?,
            },
            dlq_header_style: number(&value("dlq-header-style"), "dlq-header-style")?,
            sink_max_records: number(&value("sink-max-records"), "sink-max-records")?,
            sink_max_bytes: number(&value("sink-max-bytes"), "sink-max-bytes")?,
            sink_max_age: Duration::from_millis(number(&value("sink-max-age-ms"), "sink-max-age-ms")?),
            sink_reconcile_interval: Duration::from_secs(number(
                &value("sink-reconcile-interval-s"),
                "sink-reconcile-interval-s",
            )?),
            warehouse: number(&value("warehouse"), "warehouse")?,
            bigquery: BigQueryOptions::from_values(|key| value(key).0),
            kafka_origins: BTreeMap::new(),
            origins: values.iter().map(|(key, (_, origin))| (*key, origin.clone())).collect(),
        })
    }
    fn is_set(&self, key: &str) -> bool {
        self.origins.get(key).is_some_and(|origin| *origin != Origin::Default)
    }
    /// Whether somebody set where the console is.
    pub fn is_console_set(&self) -> bool {
        self.is_set("console")
    }
    /// Key, value, meaning and origin of everything, as it is.
    pub fn entries(&self) -> Vec<(String, String, &'static str, Origin)> {
        let path = |path: &Option<PathBuf>| {
            path.as_ref().map_or_else(String::new, |path| path.display().to_string())
        };
        let value = |key: &str| match key {
            key if key.starts_with("registry") => self.registry.shown(key),
            "data" => self.data.display().to_string(),
            "brokers" => self.brokers.clone().unwrap_or_default(),
            "instance" => self.instance.clone(),
            "commit-interval-ms" => self.commit_interval.as_millis().to_string(),
            "console" => self.console.map_or_else(String::new, |address| address.to_string()),
            "learned-model" => path(&self.learned_model),
            "batch-bytes" => self.batch_bytes.to_string(),
            "max-upstream-wait-ms" => self.max_upstream_wait.as_millis().to_string(),
            "replication" => self.replication.map_or_else(String::new, |n| n.to_string()),
            "dead-letter-max-consecutive" => self.dlq_limits.consecutive.to_string(),
            "dead-letter-max-ratio" => self.dlq_limits.ratio.to_string(),
            "dlq-header-style" => self.dlq_header_style.name().to_owned(),
            "sink-max-records" => self.sink_max_records.to_string(),
            "sink-max-bytes" => self.sink_max_bytes.to_string(),
            "sink-reconcile-interval-s" => self.sink_reconcile_interval.as_secs().to_string(),
            "warehouse" => self.warehouse.name().to_owned(),
            key if key.starts_with("bigquery-") => self.bigquery.entry(key),
            _ => self.sink_max_age.as_millis().to_string(),
        };
        let origin = |key: &str| self.origins.get(key).cloned().unwrap_or(Origin::Default);
        let own = KEYS.iter().map(|(key, meaning, _)| ((*key).to_owned(), value(key), *meaning, origin(key)));
        let client = self.kafka.iter().map(|(key, value)| {
            let shown = if is_secret(key) { "***" } else { value };
            let origin = self.kafka_origins.get(key).cloned().unwrap_or(Origin::Default);
            (format!("kafka.{key}"), shown.to_owned(), "a setting of the Kafka client", origin)
        });
        let backoff = self.bigquery.backoff.settings().into_iter();
        let backoff = backoff.map(|(name, value, meaning)| (name.to_owned(), value, meaning, origin(name)));
        own.chain(backoff).chain(client).collect()
    }
}

/// Whether a setting of the Kafka client must not be shown.
pub fn is_secret(key: &str) -> bool {
    ["pass", "secret", "pem", "oauthbearer.config", "jaas"].iter().any(|word| key.contains(word))
}

/// The host's name, which tells apart processes that were given no name.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "host".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str, environment: &[(&str, &str)], flags: &[(&'static str, String)]) -> Result<Config> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f.toml");
        std::fs::write(&file, text).unwrap();
        let environment =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Config::resolve(Some(&file), &environment, flags)
    }
    #[test]
    fn flags_beat_the_environment_which_beats_the_file() {
        let config =
            resolve("data = 'a'\nbatch-bytes = 5\n", &[("FASTBREAK_DATA", "b")], &[("data", "c".into())])
                .unwrap();
        assert_eq!((config.data.to_str(), config.batch_bytes), (Some("c"), 5));
        let origin =
            |key: &str| config.entries().into_iter().find(|entry| entry.0 == key).unwrap().3.to_string();
        assert_eq!(origin("data"), "flag data");
        assert!(origin("batch-bytes").starts_with("file "));
        assert_eq!(origin("console"), "default");
    }
    #[test]
    fn backoff_settings_of_the_sink_are_shown_with_their_origin() {
        let config = resolve("", &[("SELF_HEALING_DML_MAX_RETRIES", "7")], &[]).unwrap();
        let shown = |key: &str| {
            let (_, value, _, origin) = config.entries().into_iter().find(|entry| entry.0 == key).unwrap();
            (value, origin.to_string())
        };
        let given = "environment SELF_HEALING_DML_MAX_RETRIES".to_owned();
        assert_eq!(shown("SELF_HEALING_DML_MAX_RETRIES"), ("7".to_owned(), given));
        let usual = ("true".to_owned(), "default".to_owned());
        assert_eq!(shown("SELF_HEALING_DML_BACKOFF_ENABLED"), usual);
        assert_eq!(shown("SELF_HEALING_ALERT_ON_DML_LIMIT"), usual);
    }
    #[test]
    fn the_console_listens_where_it_is_configured() {
        let console = |text: &str| resolve(text, &[], &[]).map(|config| config.console.map(|a| a.port()));
        assert_eq!(console("").unwrap(), Some(8780));
        assert_eq!(console("console = ''").unwrap(), None);
        assert_eq!(console("console = '127.0.0.1:8'").unwrap(), Some(8));
        assert!(console("health = '127.0.0.1:9'").is_err());
    }
    #[test]
    fn settings_of_the_kafka_client_pass_through_and_secrets_are_not_shown() {
        let file = "[kafka]\n\"sasl.username\" = 'someone'\n\"sasl.password\" = 'from the file'\n";
        let config = resolve(file, &[("FASTBREAK_KAFKA_SASL_PASSWORD", "hush")], &[]).unwrap();
        assert_eq!(config.kafka["sasl.username"], "someone");
        assert_eq!(config.kafka["sasl.password"], "hush");
        let shown = config.entries().into_iter().find(|entry| entry.0 == "kafka.sasl.password").unwrap();
        assert_eq!(
            (shown.1.as_str(), shown.3.to_string().as_str()),
            ("***", "environment FASTBREAK_KAFKA_SASL_PASSWORD")
        );
    }
    #[test]
    fn a_secret_is_read_from_a_file_that_is_named_instead() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "hush\n").unwrap();
        let path = secret.display().to_string();
        let config = resolve("", &[("FASTBREAK_KAFKA_SASL_PASSWORD_FILE", &path)], &[]).unwrap();
        assert_eq!(config.kafka["sasl.password"], "hush");
        let error = resolve("", &[("FASTBREAK_KAFKA_SASL_PASSWORD_FILE", "/nowhere")], &[]).unwrap_err();
        assert!(format!("{error:#}").contains("reading the secret sasl.password from /nowhere"), "{error:#}");
    }
    #[test]
    fn a_registrys_password_is_shown_in_no_value_and_no_error() {
        let file = "registry = 'http://host'\nregistry-user = 'someone'\n";
        let config = resolve(file, &[("FASTBREAK_REGISTRY_PASSWORD", "hush")], &[]).unwrap();
        assert_eq!(config.registry.password.as_ref().map(|password| password.reveal()), Some("hush"));
        let shown = config.entries().into_iter().find(|entry| entry.0 == "registry-password").unwrap();
        assert_eq!(
            (shown.1.as_str(), shown.3.to_string().as_str()),
            ("***", "environment FASTBREAK_REGISTRY_PASSWORD")
        );
        assert!(!format!("{config:?}").contains("hush"));
        let error = format!("{:#}", resolve("a = 1\nregistry-password = 'hush\n", &[], &[]).unwrap_err());
        assert!(error.contains("f.toml:2: not TOML") && !error.contains("hush"), "{error}");
    }
    #[test]
    fn a_batch_on_googles_own_bigquery_is_five_seconds_old_at_least() {
        let aged = |warehouse: &str, ms: &str, endpoint: &str| {
            let file = format!(
                "warehouse = '{warehouse}'\nsink-max-age-ms = {ms}\nbigquery-endpoint = '{endpoint}'"
            );
            resolve(&file, &[], &[]).map(|_| ()).map_err(|error| error.to_string())
        };
        let refused = aged("bigquery", "4999", "").unwrap_err();
        assert!(
            refused.starts_with("sink-max-age-ms = '4999' (file ") && refused.contains("5000"),
            "{refused}"
        );
        let local = "http://127.0.0.1:9050";
        let taken = [("bigquery", "5000", ""), ("bigquery", "0", local), ("sqlite", "0", "")];
        taken.into_iter().for_each(|(warehouse, ms, endpoint)| aged(warehouse, ms, endpoint).unwrap());
    }
    #[test]
    fn an_unknown_key_is_an_error_with_its_place() {
        let error = resolve("data = 'a'\nbrokerz = 'x'\n", &[], &[]).unwrap_err().to_string();
        assert!(error.contains("f.toml:2: unknown key 'brokerz'"), "{error}");
    }
    #[test]
    fn a_value_that_does_not_parse_names_its_origin() {
        let error = resolve("", &[("FASTBREAK_MAX_UPSTREAM_WAIT_MS", "soon")], &[]).unwrap_err().to_string();
        assert!(
            error.contains("max-upstream-wait-ms = 'soon' (environment FASTBREAK_MAX_UPSTREAM_WAIT_MS)"),
            "{error}"
        );
    }
}
