//! The environment variables that configure Fastbreak.
//!
//! Invariant: a variable that begins with `FASTBREAK_` sets a key or a Kafka client setting, or is listed here, or is an error.
//! Not here: the variables of keys (`key`), precedence over other sources (`values`).
use super::{
    error::ConfigError,
    kafka,
    keys::KEYS,
    origin::Origin,
    values::{Setting, SettingName, SourcedText},
};
use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

/// Environment variables with their values.
pub type Environment = BTreeMap<OsString, OsString>;

/// Prefix of all variables of Fastbreak, except those of keys with a variable of their own.
const PREFIX: &str = "FASTBREAK_";
/// What the variable of a Kafka client setting has after the prefix. In the rest of its name, each underscore stands for a dot.
const KAFKA_PREFIX: &str = "KAFKA_";
/// The variable with the filter of log messages, which is no key: it is read before the configuration.
pub const LOG_VARIABLE: &str = "FASTBREAK_LOG";
const DEFAULT_LOG_FILTER: &str = "warn";

/// Reads the environment.
///
/// # Errors
/// If a variable of Fastbreak is unknown or not UTF-8.
pub(super) fn read(environment: &Environment) -> Result<Vec<Setting>, ConfigError> {
    let mut settings = Vec::new();
    for (variable, value) in environment {
        let shown = variable.to_string_lossy();
        if let Some(name) = setting_name(variable)? {
            let text = value.to_str().ok_or_else(|| ConfigError::NotUtf8 { variable: shown.to_string() })?;
            let origin = Origin::Environment(shown.into_owned());
            settings.push(Setting { name, value: SourcedText { text: text.to_owned(), origin } });
        }
    }
    Ok(settings)
}

/// Returns the filter of log messages for the value of [`LOG_VARIABLE`].
///
/// # Errors
/// If the value is no filter.
pub fn log_filter(value: Option<&OsStr>) -> Result<EnvFilter, ConfigError> {
    let Some(value) = value else { return Ok(EnvFilter::new(DEFAULT_LOG_FILTER)) };
    let text = value.to_str().ok_or_else(|| ConfigError::NotUtf8 { variable: LOG_VARIABLE.to_owned() })?;
    let invalid = |reason| ConfigError::InvalidValue {
        setting: format!("{LOG_VARIABLE} = '{text}'"),
        origin: Origin::Environment(LOG_VARIABLE.to_owned()),
        reason,
        next: "set it to error, warn, info, debug or trace, or unset it".into(),
    };
    // The filter would accept a misspelled level as the name of a crate, and show no message at all.
    let is_level = |part: &str| part.is_empty() || part.parse::<LevelFilter>().is_ok();
    if let Some(part) = text.split(',').map(str::trim).find(|part| !part.contains('=') && !is_level(part)) {
        return Err(invalid(format!("'{part}' is no level")));
    }
    EnvFilter::try_new(text).map_err(|error| invalid(error.to_string()))
}

/// Returns what a variable sets; `None` if it is no variable of Fastbreak.
fn setting_name(variable: &OsStr) -> Result<Option<SettingName>, ConfigError> {
    let Some(text) = variable.to_str() else {
        // The prefix is ASCII, so it is the same in the lossy text.
        let text = variable.to_string_lossy();
        return if text.starts_with(PREFIX) {
            Err(ConfigError::NotUtf8 { variable: text.into_owned() })
        } else {
            Ok(None)
        };
    };
    if let Some(key) = KEYS.iter().find(|key| key.variable() == text) {
        return Ok(Some(SettingName::Key(key)));
    }
    let Some(name) = text.strip_prefix(PREFIX) else { return Ok(None) };
    if text == LOG_VARIABLE || is_service_variable(text) {
        return Ok(None);
    }
    match name.strip_prefix(KAFKA_PREFIX) {
        Some(setting) if !setting.is_empty() => {
            Ok(Some(SettingName::Kafka(kafka::setting_of_variable(setting))))
        }
        _ => Err(ConfigError::unknown_variable(text, name, KEYS)),
    }
}

/// True if Kubernetes sets a variable of this form for a service whose name begins with `fastbreak` or `fastbreak-`: it sets
/// `…_SERVICE_HOST`, `…_SERVICE_PORT`, `…_SERVICE_PORT_<NAME>`, and the variables of Docker links, which are `…_PORT`,
/// `…_PORT_<NUMBER>_<PROTOCOL>` and those with `_PROTO`, `_PORT` and `_ADDR` at the end. No setting of librdkafka has such a name.
fn is_service_variable(variable: &str) -> bool {
    let is_port_of_link = |rest: &str| {
        let mut parts = rest.split('_');
        let is_number = parts.next().is_some_and(|part| part.parse::<u16>().is_ok());
        let is_protocol = parts.next().is_some_and(|part| ["TCP", "UDP", "SCTP"].contains(&part));
        let is_end = parts.next().is_none_or(|part| ["PROTO", "PORT", "ADDR"].contains(&part));
        is_number && is_protocol && is_end && parts.next().is_none()
    };
    variable.ends_with("_SERVICE_HOST")
        || variable.ends_with("_PORT")
        || variable.contains("_SERVICE_PORT_")
        || variable.rsplit_once("_PORT_").is_some_and(|(_, rest)| is_port_of_link(rest))
}
