//! Settings of the Kafka client: their names in the environment, which of them are secrets, and secrets that are read from files.
//!
//! Invariant: the value of a secret is not shown.
//! Not here: which settings exist and which values they may have (librdkafka), settings that are reserved (crate `runtime-kafka`).
use super::{error::ConfigError, secret::Secret, values::SourcedText};
use std::collections::BTreeMap;

/// Words in the names of Kafka client settings whose values are secrets.
const SECRET_WORDS: [&str; 6] = ["pass", "secret", "pem", "oauthbearer.config", "jaas", "kinit"];
/// Suffix of a setting whose value is the path of a file; the file contains the actual value.
const FILE_SUFFIX: &str = ".file";

/// True if the value of this setting must not be shown.
pub(super) fn is_secret(setting: &str) -> bool {
    SECRET_WORDS.iter().any(|word| setting.contains(word))
}

/// Replaces what may be a secret in a URL: the credentials before its host, and its query.
pub(super) fn mask_urls(text: &str) -> String {
    let (mut masked, mut rest) = (String::new(), text);
    while let Some(start) = rest.find("://") {
        let (scheme, after) = rest.split_at(start + "://".len());
        let end = after.find(|c: char| c.is_whitespace() || ",;\"'".contains(c)).unwrap_or(after.len());
        let url = &after[..end];
        // A password may contain an `@`.
        let (credentials, location) = url.split_at(url.rfind('@').unwrap_or(0));
        let (location, query) = location.split_at(location.find('?').unwrap_or(location.len()));
        masked += scheme;
        masked += if credentials.is_empty() { "" } else { "***" };
        masked += location;
        masked += if query.is_empty() { "" } else { "?***" };
        rest = &after[end..];
    }
    masked + rest
}

/// Returns the setting of an environment variable. `name` is the part of the variable after `FASTBREAK_KAFKA_`, in which each underscore
/// stands for a dot.
pub(super) fn setting_of_variable(name: &str) -> String {
    match name.to_lowercase().replace('_', ".") {
        // `log_level` is the only setting of librdkafka with an underscore in its name.
        setting if setting == "log.level" => "log_level".to_owned(),
        setting => setting,
    }
}

/// Replaces each setting `NAME.file` by `NAME` with the content of the file, if `NAME` is a secret.
///
/// # Errors
/// If a file cannot be read, or a source sets both `NAME` and `NAME.file`.
pub(super) fn read_secrets(
    settings: BTreeMap<String, SourcedText>,
) -> Result<BTreeMap<String, SourcedText>, ConfigError> {
    let (files, mut values): (BTreeMap<_, _>, BTreeMap<_, _>) =
        settings.into_iter().partition(|(setting, _)| secret_of_file(setting).is_some());
    for (setting, file) in files {
        let Some(name) = secret_of_file(&setting) else { continue };
        let secret = Secret {
            names: (&format!("kafka.{name}"), &format!("kafka.{setting}")),
            value: values.remove(name),
            file: Some(file),
        };
        if let Some(value) = secret.read()? {
            values.insert(name.to_owned(), value);
        }
    }
    Ok(values)
}

/// Returns the secret whose file a setting names; `None` if the setting names no such file.
fn secret_of_file(setting: &str) -> Option<&str> {
    setting.strip_suffix(FILE_SUFFIX).filter(|name| is_secret(name))
}
