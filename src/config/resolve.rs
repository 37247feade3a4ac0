//! Resolves the configuration: flags override the environment, and the environment overrides the configuration file.
//!
//! Invariant: a value that is not valid, and a combination of values that is not, are errors that state their origin.
//! Not here: the keys (`keys`), reading a source (`file`, `environment`).
use super::{
    environment::{self, Environment},
    error::ConfigError,
    file::{self, DEFAULT_FILE},
    kafka,
    key::Key,
    keys::{
        BIGQUERY_ENDPOINT, CONSOLE, Config, KEYS, REGISTRY_PASSWORD, REGISTRY_PASSWORD_FILE, REGISTRY_USER,
        SINK_MAX_AGE_MS, build, shown,
    },
    origin::Origin,
    secret::Secret,
    values::{Setting, SettingName, SourcedText, Values},
    warehouse_kind::WarehouseKind,
};
use std::{path::Path, time::Duration};

/// One line of `config show`.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub key: String,
    /// The value in effect; `***` for a secret.
    pub value: String,
    pub meaning: &'static str,
    pub origin: Origin,
}

impl Config {
    /// Resolves all values. Reads `file` or, if that is `None`, [`DEFAULT_FILE`] if it exists. `flags` are the values of the command line,
    /// by the name of the key.
    ///
    /// # Errors
    /// If a file cannot be read, a key or variable is unknown, or a value is not valid.
    pub fn resolve(
        file: Option<&Path>,
        environment: &Environment,
        flags: &[(&'static str, String)],
    ) -> Result<Config, ConfigError> {
        let mut values = Values::defaults(KEYS);
        let default_file = Path::new(DEFAULT_FILE);
        if let Some(path) = file.or_else(|| default_file.exists().then_some(default_file)) {
            values.add(file::read(path)?)?;
        }
        values.add(environment::read(environment)?)?;
        values.add(flag_settings(flags))?;
        Config::from_values(values)
    }
    /// Returns the configuration in which every key has its default value.
    ///
    /// # Errors
    /// If the host name cannot be used as the name of the instance.
    pub fn defaults() -> Result<Config, ConfigError> {
        Config::from_values(Values::defaults(KEYS))
    }
    fn from_values(values: Values) -> Result<Config, ConfigError> {
        let mut config = build(&values)?;
        config.origins = values.origins();
        config.read_registry_password(&values)?;
        config.check_registry_credentials()?;
        config.bigquery.set_default_credentials();
        config.check_batch_age()?;
        for (setting, SourcedText { text, origin }) in kafka::read_secrets(values.kafka)? {
            config.kafka_origins.insert(setting.clone(), origin);
            config.kafka.insert(setting, text);
        }
        Ok(config)
    }
    /// Reads the password of the registry from its file, if it is set there. The file is not read if no registry is configured.
    fn read_registry_password(&mut self, values: &Values) -> Result<(), ConfigError> {
        if self.registry.url.is_none() {
            return Ok(());
        }
        let secret = Secret {
            names: (REGISTRY_PASSWORD.name, REGISTRY_PASSWORD_FILE.name),
            value: values.non_empty(&REGISTRY_PASSWORD).cloned(),
            file: values.non_empty(&REGISTRY_PASSWORD_FILE).cloned(),
        };
        if let Some(SourcedText { text, origin }) = secret.read()? {
            self.registry.password = Some(schema_registry::Secret::new(text));
            self.origins.insert(REGISTRY_PASSWORD.name, origin);
        }
        Ok(())
    }
    fn check_registry_credentials(&self) -> Result<(), ConfigError> {
        let (user, password) = (&self.registry.user, &self.registry.password);
        let passwords = format!("{} or {}", REGISTRY_PASSWORD.name, REGISTRY_PASSWORD_FILE.name);
        let (present, absent) = match (self.registry.url.is_some(), user.is_some(), password.is_some()) {
            (true, true, false) => (&REGISTRY_USER, passwords),
            (true, false, true) => (&REGISTRY_PASSWORD, REGISTRY_USER.name.to_owned()),
            _ => return Ok(()),
        };
        Err(ConfigError::Incomplete { present: present.name, origin: self.origin(present), absent })
    }
    fn check_batch_age(&self) -> Result<(), ConfigError> {
        if self.warehouse != WarehouseKind::BigQuery {
            return Ok(());
        }
        self.bigquery.check_batch_age(self.sink_max_age()).map_err(|min_ms| ConfigError::InvalidValue {
            setting: format!("{} = '{}'", SINK_MAX_AGE_MS.name, self.sink_max_age().as_millis()),
            origin: self.origin(&SINK_MAX_AGE_MS),
            reason: "too low for BigQuery's limit of DML statements per table".into(),
            next: format!("set it to {min_ms} or more, or set {} to an emulator", BIGQUERY_ENDPOINT.name),
        })
    }
    /// Returns the age at which a sink batch is closed.
    pub fn sink_max_age(&self) -> Duration {
        self.sink_max_age.unwrap_or(match self.warehouse {
            WarehouseKind::Sqlite => Duration::from_secs(1),
            WarehouseKind::BigQuery => Duration::from_secs(15),
        })
    }
    /// Returns the origin of a key's value.
    pub fn origin(&self, key: &Key) -> Origin {
        self.origins.get(key.name).cloned().unwrap_or(Origin::Default)
    }
    /// True if the address of the console is set explicitly.
    pub fn is_console_set(&self) -> bool {
        self.origin(&CONSOLE) != Origin::Default
    }
    /// Returns all values in effect.
    pub fn entries(&self) -> Vec<Entry> {
        let own = shown(self).map(|(key, value)| Entry {
            key: key.name.to_owned(),
            value,
            meaning: key.meaning,
            origin: self.origin(key),
        });
        let kafka = self.kafka.iter().map(|(setting, value)| Entry {
            key: format!("kafka.{setting}"),
            value: if kafka::is_secret(setting) { "***".to_owned() } else { value.clone() },
            meaning: "A setting of the Kafka client.",
            origin: self.kafka_origins.get(setting).cloned().unwrap_or(Origin::Default),
        });
        let masked = |entry: Entry| Entry { value: kafka::mask_urls(&entry.value), ..entry };
        own.chain(kafka).map(masked).collect()
    }
}

fn flag_settings(flags: &[(&'static str, String)]) -> Vec<Setting> {
    let setting = |key: &&'static Key| {
        let (name, text) = flags.iter().find(|(name, _)| *name == key.name)?;
        let value = SourcedText { text: text.clone(), origin: Origin::Flag(name) };
        Some(Setting { name: SettingName::Key(key), value })
    };
    KEYS.iter().filter_map(setting).collect()
}
