//! Errors of the configuration.
//!
//! Invariant: an error states what is wrong, where it is set, why it is refused, and what to do next; it never contains a secret, and it
//! never quotes a line of the configuration file, which may contain one.
//! Not here: the exit code (`cli::outcome`), errors of the Kafka client, which checks its settings itself (crate `runtime-kafka`).
use super::{key::Key, origin::Origin};
use std::path::{Path, PathBuf};

/// Why the configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("reading the configuration {}: {reason}\nnext: name a readable file with --config", path.display())]
    UnreadableFile { path: PathBuf, reason: std::io::Error },
    #[error("{}:{line}: not TOML: {reason}\nnext: correct this line; `fastbreak config init -` prints an example", path.display())]
    NotToml { path: PathBuf, line: usize, reason: String },
    /// A key or an environment variable that does not exist.
    #[error("{location}: unknown {what} '{name}'\nnext: {next}")]
    Unknown { location: String, what: &'static str, name: String, next: String },
    #[error("{}:{line}: {name} must be {expected}, not {found}\nnext: {next}", path.display())]
    WrongType {
        path: PathBuf,
        line: usize,
        name: String,
        expected: &'static str,
        found: &'static str,
        next: String,
    },
    #[error("the environment variable {variable} is not UTF-8\nnext: set it to a text in UTF-8, or unset it")]
    NotUtf8 { variable: String },
    #[error("{setting} ({origin}): {reason}\nnext: {next}")]
    InvalidValue { setting: String, origin: Origin, reason: String, next: String },
    #[error("{settings}: only one of them may be set\nnext: remove one of the two")]
    SetTwice { settings: String },
    #[error(
        "reading the secret {name} from {path} ({setting}, {origin}): {reason}\nnext: correct the path, or make the file readable"
    )]
    UnreadableSecret { name: String, path: String, setting: String, origin: Origin, reason: std::io::Error },
    #[error("{present} is set ({origin}), but {absent} is not\nnext: set {absent}, too, or unset {present}")]
    Incomplete { present: &'static str, origin: Origin, absent: String },
}

impl ConfigError {
    /// Creates the error for a value that is not valid. The text of a secret is left out, and so is a text that may contain one: a URL with
    /// credentials before its `@`, or the JSON of a key file.
    pub(super) fn invalid_value(key: &Key, text: &str, origin: Origin, reason: String) -> ConfigError {
        let is_shown = !key.is_secret && !text.contains(['@', '{']);
        let setting = format!("{} = '{}'", key.name, if is_shown { text } else { "***" });
        let next = match (&origin, key.default) {
            (Origin::Default, _) => format!("set {} (environment variable {})", key.name, key.variable()),
            (_, "") => format!("correct the value, or remove it; by default, {} is empty", key.name),
            (_, default) => format!("correct the value, or remove it; the default is {default}"),
        };
        ConfigError::InvalidValue { setting, origin, reason, next }
    }
    /// Creates the error for two settings of the same source that exclude each other.
    pub(super) fn set_twice(
        first: &str,
        first_origin: &Origin,
        second: &str,
        second_origin: &Origin,
    ) -> ConfigError {
        ConfigError::SetTwice { settings: format!("{first} ({first_origin}) and {second} ({second_origin})") }
    }
    /// Creates the error for a key of the file that does not exist. `keys` are all keys.
    pub(super) fn unknown_key(path: &Path, line: usize, name: &str, keys: &[&Key]) -> ConfigError {
        let next = match nearest(name, keys) {
            Some(key) => format!("write {}, or remove this line", key.name),
            None => {
                let names: Vec<&str> = keys.iter().map(|key| key.name).collect();
                format!(
                    "remove this line; the keys are {}; settings of the Kafka client belong in the table [kafka]",
                    names.join(", ")
                )
            }
        };
        let location = format!("{}:{line}", path.display());
        ConfigError::Unknown { location, what: "key", name: name.to_owned(), next }
    }
    /// Creates the error for a key of Fastbreak in the table of Kafka client settings.
    pub(super) fn key_in_kafka_table(path: &Path, line: usize, name: &str) -> ConfigError {
        ConfigError::Unknown {
            location: format!("{}:{line}", path.display()),
            what: "setting of the Kafka client",
            name: name.to_owned(),
            next: format!("{name} is a key of Fastbreak: move this line above [kafka]"),
        }
    }
    /// Creates the error for an environment variable that belongs to no key. `name` is its name without the prefix, `keys` are all keys.
    pub(super) fn unknown_variable(variable: &str, name: &str, keys: &[&Key]) -> ConfigError {
        let next = match nearest(&name.to_lowercase().replace('_', "-"), keys) {
            Some(key) => format!("set {} instead, or unset {variable}", key.variable()),
            None => {
                let variables: Vec<String> = keys.iter().map(|key| key.variable()).collect();
                format!("unset {variable}; the variables are {}", variables.join(", "))
            }
        };
        let (location, what) = ("environment".to_owned(), "variable");
        ConfigError::Unknown { location, what, name: variable.to_owned(), next }
    }
}

/// Returns the key whose name is most similar, if at most a third of the characters differ.
fn nearest<'a>(name: &str, keys: &[&'a Key]) -> Option<&'a Key> {
    let scored = keys.iter().map(|key| (strsim::osa_distance(name, key.name), *key));
    let nearest = scored.min_by_key(|(distance, _)| *distance);
    nearest.filter(|(distance, _)| distance * 3 <= name.len()).map(|(_, key)| key)
}
