//! The configuration file, and the files with secrets to which it refers.
//!
//! Invariant: an unknown key is an error with its line number; no error quotes a line of the file, because it may contain a secret.
//! Not here: precedence over other origins (`config`).
use super::{
    keys::{KEYS, is_secret},
    origin::Origin,
};
use anyhow::{Context, Result, bail};
use std::path::Path;

/// Suffix of a Kafka client setting whose value is the path of a file; the file contains the actual value.
const FILE_SUFFIX: &str = ".file";

/// A key of the configuration file: one of Fastbreak's own keys, or a setting of the Kafka client.
pub(super) enum FileKey {
    Own(&'static str),
    /// A setting of the Kafka client, by its name in librdkafka.
    Kafka(String),
}

/// Parses the text of a configuration file.
///
/// # Errors
/// If it is not TOML, a key is unknown or a value has the wrong type.
pub(super) fn parse(path: &Path, text: &str) -> Result<Vec<(FileKey, String)>> {
    // The full text of a TOML error quotes the line, which may contain a password: use only its message.
    let table: toml::Table = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        anyhow::anyhow!("{}:{line}: not TOML: {}", path.display(), error.message())
    })?;
    let mut values = Vec::new();
    for (name, value) in table {
        let line =
            text.lines().position(|line| line.trim_start().starts_with(&name)).map_or(0, |line| line + 1);
        let location = format!("{}:{line}", path.display());
        if let (toml::Value::Table(settings), "kafka") = (&value, name.as_str()) {
            for (setting, value) in settings {
                values.push((FileKey::Kafka(setting.clone()), kafka_value(&location, setting, value)?));
            }
            continue;
        }
        let Some(key) = KEYS.iter().find(|key| key.name == name) else {
            let names: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
            bail!("{location}: unknown key '{name}'; the keys are {}", names.join(", "));
        };
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            other => bail!("{location}: {name} must be a string or an integer, not {}", other.type_str()),
        };
        values.push((FileKey::Own(key.name), text));
    }
    Ok(values)
}

fn kafka_value(location: &str, setting: &str, value: &toml::Value) -> Result<String> {
    Ok(match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Table(_) => {
            bail!(
                "{location}: '{setting}' in [kafka] is a table; next: write the setting as \"{setting}.…\" in quotes"
            )
        }
        other => other.to_string(),
    })
}

/// Replaces a setting `NAME.file` by `NAME` with the content of the file, if `NAME` is a secret.
///
/// # Errors
/// If the file cannot be read.
pub(super) fn read_secret(setting: String, value: String, origin: &Origin) -> Result<(String, String)> {
    let Some(name) = setting.strip_suffix(FILE_SUFFIX).filter(|name| is_secret(name)) else {
        return Ok((setting, value));
    };
    let text = std::fs::read_to_string(&value)
        .with_context(|| format!("reading the secret {name} from {value} (kafka.{setting}, {origin})"))?;
    Ok((name.to_owned(), text.trim_end().to_owned()))
}
