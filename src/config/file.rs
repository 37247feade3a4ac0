//! The configuration's file, and the files that it names for secrets.
//!
//! Invariant: what is not known is an error with its line; no line of the file is shown, as it may hold a secret.
//! Not here: what beats a value of the file.
use super::{KEYS, Origin, is_secret};
use anyhow::{Context, Result, bail};
use std::path::Path;

/// Who a key of the file belongs to.
pub(super) enum Key {
    Own(&'static str),
    Kafka(String),
}

/// The keys of a file; an unknown one is an error with its place.
pub(super) fn read(path: &Path, text: &str) -> Result<Vec<(Key, String)>> {
    // Without the line itself, which TOML's error would show: it may hold a password.
    let table: toml::Table = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        anyhow::anyhow!("{}:{line}: not TOML: {}", path.display(), error.message())
    })?;
    let mut found = Vec::new();
    for (key, value) in table {
        let line =
            text.lines().position(|line| line.trim_start().starts_with(&key)).map_or(0, |line| line + 1);
        let place = format!("{}:{line}", path.display());
        if let (toml::Value::Table(settings), "kafka") = (&value, key.as_str()) {
            for (setting, value) in settings {
                let value = match value {
                    toml::Value::String(text) => text.clone(),
                    toml::Value::Table(_) => {
                        bail!("{place}: [kafka] has '{setting}' in parts; write \"{setting}.…\" in quotes")
                    }
                    other => other.to_string(),
                };
                found.push((Key::Kafka(setting.clone()), value));
            }
            continue;
        }
        let Some((known, ..)) = KEYS.iter().find(|(known, ..)| *known == key) else {
            let keys: Vec<&str> = KEYS.iter().map(|(key, ..)| *key).collect();
            bail!("{place}: unknown key '{key}'; the keys are {}", keys.join(", "));
        };
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            other => bail!("{place}: {key} is a string or a whole number, not {}", other.type_str()),
        };
        found.push((Key::Own(known), text));
    }
    Ok(found)
}

/// A setting `KEY.file` is `KEY` with what the file has.
pub(super) fn secret(key: String, value: String, origin: &Origin) -> Result<(String, String)> {
    let Some(base) = key.strip_suffix(".file").filter(|base| is_secret(base)) else {
        return Ok((key, value));
    };
    let text = std::fs::read_to_string(&value)
        .with_context(|| format!("reading the secret {base} from {value} (kafka.{key}, {origin})"))?;
    Ok((base.to_owned(), text.trim_end().to_owned()))
}
