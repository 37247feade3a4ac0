//! Configuration: one struct of typed values. Flags override the environment, and the environment overrides the configuration file.
//!
//! Invariant: an unknown key of the file and a value that does not parse are errors that state their origin.
//! Not here: the list of all keys (`keys`), parsing of the configuration file (`file`).
mod bigquery;
mod file;
mod header_style;
mod keys;
mod origin;
#[cfg(test)]
mod tests;
mod warehouse_kind;

pub use bigquery::BigQueryOptions;
pub use header_style::HeaderStyle;
pub use origin::Origin;
pub use warehouse_kind::WarehouseKind;

use anyhow::{Context, Result, bail};
use file::FileKey;
use keys::{KEYS, is_secret};
use runtime::engine::DlqLimits;
use schema_registry::RegistryConfig;
use std::{
    collections::BTreeMap,
    fmt::Display,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

/// All configuration values.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Folder of `log.db` and `warehouse.db`.
    pub data: PathBuf,
    /// Bootstrap servers of Kafka; `None` for the embedded log.
    pub brokers: Option<String>,
    /// Name of this process, unique among all processes on the same brokers. If a process starts under the name of another one,
    /// it takes over the other's group memberships and fences the other's transactions.
    pub instance: String,
    /// Settings of the Kafka client. The keys are librdkafka's names, such as `security.protocol`.
    pub kafka: BTreeMap<String, String>,
    pub registry: RegistryConfig,
    /// Address at which `run` serves status page, metrics and health.
    pub console: Option<SocketAddr>,
    /// Path of the model artifact of `learned_v1`.
    pub learned_model: Option<PathBuf>,
    /// Maximum total size of the records that a processor reads for one commit.
    pub batch_bytes: usize,
    /// Interval between two commits of a processor while records keep arriving. Used only with Kafka.
    pub commit_interval: Duration,
    /// Maximum time that a processor waits until its upstream processors are idle.
    pub max_upstream_wait: Duration,
    /// Replication factor of topics on Kafka; `None` for the brokers' default.
    pub replication: Option<u16>,
    pub dlq_limits: DlqLimits,
    pub dlq_header_style: HeaderStyle,
    pub sink_max_records: usize,
    pub sink_max_bytes: usize,
    pub sink_max_age: Duration,
    /// Interval at which the warehouse is reconciled with the log; zero: never.
    pub sink_reconcile_interval: Duration,
    pub warehouse: WarehouseKind,
    pub bigquery: BigQueryOptions,
    origins: BTreeMap<&'static str, Origin>,
    kafka_origins: BTreeMap<String, Origin>,
}

/// One line of `config show`.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub key: String,
    /// The value in effect; `***` for a secret.
    pub value: String,
    pub meaning: &'static str,
    pub origin: Origin,
}

/// Prefix of the environment variables of Kafka client settings. In the rest of the variable's name, each underscore stands for a dot.
const KAFKA_PREFIX: &str = "FASTBREAK_KAFKA_";
/// The configuration file that is read if `--config` is not set and this file exists.
pub const DEFAULT_FILE: &str = "fastbreak.toml";

/// The values of all keys and of Kafka client settings, each as text with its origin.
struct Values {
    own: BTreeMap<&'static str, (String, Origin)>,
    kafka: BTreeMap<String, (String, Origin)>,
}
impl Values {
    fn defaults() -> Values {
        let own = KEYS.iter().map(|key| (key.name, (key.default.to_owned(), Origin::Default))).collect();
        Values { own, kafka: BTreeMap::new() }
    }
    fn add_file(&mut self, path: &Path) -> Result<()> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("reading the configuration {}", path.display()))?;
        for (key, value) in file::parse(path, &text)? {
            let value = (value, Origin::File(path.to_owned()));
            match key {
                FileKey::Own(key) => _ = self.own.insert(key, value),
                FileKey::Kafka(setting) => _ = self.kafka.insert(setting, value),
            }
        }
        Ok(())
    }
    fn add_environment(&mut self, environment: &BTreeMap<String, String>) {
        for key in KEYS {
            let variable = key.environment_variable();
            if let Some(value) = environment.get(&variable) {
                self.own.insert(key.name, (value.clone(), Origin::Environment(variable)));
            }
        }
        for (variable, value) in environment {
            if let Some(setting) = variable.strip_prefix(KAFKA_PREFIX) {
                let setting = match setting.to_lowercase().replace('_', ".") {
                    // `log_level` is the only setting of librdkafka with an underscore in its name.
                    setting if setting == "log.level" => "log_level".to_owned(),
                    setting => setting,
                };
                self.kafka.insert(setting, (value.clone(), Origin::Environment(variable.clone())));
            }
        }
    }
    fn add_flags(&mut self, flags: &[(&'static str, String)]) {
        for (name, value) in flags {
            self.own.insert(name, (value.clone(), Origin::Flag(name)));
        }
    }
    fn text(&self, key: &str) -> &str {
        self.own.get(key).map_or("", |(text, _)| text)
    }
    /// Parses the value of a key.
    fn parse<T: FromStr<Err: Display>>(&self, key: &str) -> Result<T> {
        let (text, origin) = self.own.get(key).cloned().unwrap_or((String::new(), Origin::Default));
        text.parse().map_err(|error| {
            anyhow::anyhow!("{key} = '{text}' ({origin}): {error}\nnext: correct the value of this key")
        })
    }
    /// Parses the value of a key; `None` if it is empty.
    fn parse_optional<T: FromStr<Err: Display>>(&self, key: &str) -> Result<Option<T>> {
        if self.text(key).is_empty() { Ok(None) } else { self.parse(key).map(Some) }
    }
    fn parse_milliseconds(&self, key: &str) -> Result<Duration> {
        Ok(Duration::from_millis(self.parse(key)?))
    }
}

impl Config {
    /// Resolves all values. Reads `file` or, if that is `None`, [`DEFAULT_FILE`] if it exists. `flags` are the values of the command line,
    /// by key.
    ///
    /// # Errors
    /// If a file cannot be read, a key of the file is unknown or a value does not parse.
    pub fn resolve(
        file: Option<&Path>,
        environment: &BTreeMap<String, String>,
        flags: &[(&'static str, String)],
    ) -> Result<Config> {
        let mut values = Values::defaults();
        let default_file = Path::new(DEFAULT_FILE);
        if let Some(path) = file.or_else(|| default_file.exists().then_some(default_file)) {
            values.add_file(path)?;
        }
        values.add_environment(environment);
        values.add_flags(flags);
        let mut config = Config::parse(&values)?;
        let backoff = sinks::retry::Backoff::from_environment(|name| environment.get(name).cloned());
        config.bigquery.backoff = backoff.map_err(anyhow::Error::msg)?;
        config.check_batch_age()?;
        for (name, ..) in config.bigquery.backoff.settings() {
            if environment.contains_key(name) {
                config.origins.insert(name, Origin::Environment(name.to_owned()));
            }
        }
        for (setting, (value, origin)) in values.kafka {
            let (setting, value) = file::read_secret(setting, value, &origin)?;
            config.kafka_origins.insert(setting.clone(), origin);
            config.kafka.insert(setting, value);
        }
        Ok(config)
    }
    fn parse(values: &Values) -> Result<Config> {
        let registry_timeout = values.parse_milliseconds("registry-timeout-ms")?;
        Ok(Config {
            data: values.parse("data")?,
            brokers: values.parse_optional("brokers")?,
            instance: values.parse_optional("instance")?.unwrap_or_else(host_name),
            kafka: BTreeMap::new(),
            registry: RegistryConfig::parse(|key| values.text(key).to_owned(), registry_timeout)?,
            console: values.parse_optional("console")?,
            learned_model: values.parse_optional("learned-model")?,
            batch_bytes: values.parse("batch-bytes")?,
            commit_interval: values.parse_milliseconds("commit-interval-ms")?,
            max_upstream_wait: values.parse_milliseconds("max-upstream-wait-ms")?,
            replication: values.parse_optional("replication")?,
            dlq_limits: DlqLimits {
                consecutive: values.parse("dead-letter-max-consecutive")?,
                ratio: values.parse("dead-letter-max-ratio")?,
            },
            dlq_header_style: values.parse("dlq-header-style")?,
            sink_max_records: values.parse("sink-max-records")?,
            sink_max_bytes: values.parse("sink-max-bytes")?,
            sink_max_age: values.parse_milliseconds("sink-max-age-ms")?,
            sink_reconcile_interval: Duration::from_secs(values.parse("sink-reconcile-interval-s")?),
            warehouse: values.parse("warehouse")?,
            bigquery: BigQueryOptions::from_values(|key| values.text(key).to_owned()),
            kafka_origins: BTreeMap::new(),
            origins: values.own.iter().map(|(key, (_, origin))| (*key, origin.clone())).collect(),
        })
    }
    fn check_batch_age(&self) -> Result<()> {
        let is_bigquery = self.warehouse == WarehouseKind::BigQuery;
        if is_bigquery && let Err(reason) = self.bigquery.check_batch_age(self.sink_max_age) {
            let (age, origin) = (self.sink_max_age.as_millis(), self.origin("sink-max-age-ms"));
            bail!("sink-max-age-ms = '{age}' ({origin}): {reason}");
        }
        Ok(())
    }
    fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or(Origin::Default)
    }
    /// True if the address of the console is set explicitly.
    pub fn is_console_set(&self) -> bool {
        self.origin("console") != Origin::Default
    }
    /// Returns all values in effect.
    pub fn entries(&self) -> Vec<Entry> {
        let own = KEYS.iter().map(|key| Entry {
            key: key.name.to_owned(),
            value: self.value(key.name),
            meaning: key.meaning,
            origin: self.origin(key.name),
        });
        let backoff = self.bigquery.backoff.settings().into_iter();
        let backoff = backoff.map(|(name, value, meaning)| Entry {
            key: name.to_owned(),
            value,
            meaning,
            origin: self.origin(name),
        });
        let kafka = self.kafka.iter().map(|(setting, value)| Entry {
            key: format!("kafka.{setting}"),
            value: if is_secret(setting) { "***".to_owned() } else { value.clone() },
            meaning: "a setting of the Kafka client",
            origin: self.kafka_origins.get(setting).cloned().unwrap_or(Origin::Default),
        });
        own.chain(backoff).chain(kafka).collect()
    }
    /// Returns the value of a key as text.
    fn value(&self, key: &str) -> String {
        fn optional(value: Option<impl ToString>) -> String {
            value.map_or_else(String::new, |value| value.to_string())
        }
        match key {
            "data" => self.data.display().to_string(),
            "brokers" => optional(self.brokers.as_ref()),
            "instance" => self.instance.clone(),
            "commit-interval-ms" => self.commit_interval.as_millis().to_string(),
            "console" => optional(self.console),
            "learned-model" => optional(self.learned_model.as_ref().map(|path| path.display())),
            "batch-bytes" => self.batch_bytes.to_string(),
            "max-upstream-wait-ms" => self.max_upstream_wait.as_millis().to_string(),
            "replication" => optional(self.replication),
            "dead-letter-max-consecutive" => self.dlq_limits.consecutive.to_string(),
            "dead-letter-max-ratio" => self.dlq_limits.ratio.to_string(),
            "dlq-header-style" => self.dlq_header_style.name().to_owned(),
            "sink-max-records" => self.sink_max_records.to_string(),
            "sink-max-bytes" => self.sink_max_bytes.to_string(),
            "sink-max-age-ms" => self.sink_max_age.as_millis().to_string(),
            "sink-reconcile-interval-s" => self.sink_reconcile_interval.as_secs().to_string(),
            "warehouse" => self.warehouse.name().to_owned(),
            key if key.starts_with("registry") => self.registry.shown(key),
            key => self.bigquery.entry(key),
        }
    }
}

/// Returns the host name, which is the default instance name.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "host".to_owned() } else { name.to_owned() }
}
