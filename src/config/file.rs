//! The configuration file.
//!
//! Invariant: an unknown key is an error with its line number; no error quotes a line of the file, because it may contain a secret.
//! Not here: precedence over other sources (`values`), files with secrets (`secret`).
use super::{
    error::ConfigError,
    keys::KEYS,
    origin::Origin,
    values::{Setting, SettingName, SourcedText},
};
use serde::Deserialize;
use std::path::Path;
use toml::{
    Spanned, Value,
    de::{DeTable, DeValue, ValueDeserializer},
};

/// The configuration file that is read if `--config` is not set and this file exists.
pub const DEFAULT_FILE: &str = "fastbreak.toml";
/// The table of Kafka client settings.
const KAFKA_TABLE: &str = "kafka";

/// Reads a configuration file.
///
/// # Errors
/// If it cannot be read or is not TOML, a key is unknown or a value has the wrong type.
pub(super) fn read(path: &Path) -> Result<Vec<Setting>, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|reason| ConfigError::UnreadableFile { path: path.to_owned(), reason })?;
    parse(path, &text)
}

/// Parses the text of a configuration file.
fn parse(path: &Path, text: &str) -> Result<Vec<Setting>, ConfigError> {
    let file = File { path, text };
    let table = DeTable::parse(text).map_err(|error| file.not_toml(&error))?.into_inner();
    let mut entries: Vec<_> = table.into_iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    let mut settings = Vec::new();
    for (name, value) in entries {
        let line = file.line(name.span().start);
        if name.get_ref() == KAFKA_TABLE {
            settings.extend(file.kafka_settings(line, value)?);
            continue;
        }
        let Some(key) = KEYS.iter().find(|key| key.name == name.get_ref()) else {
            return Err(ConfigError::unknown_key(path, line, name.get_ref(), KEYS));
        };
        let value = file.text(line, name.get_ref(), value)?;
        settings.push(Setting { name: SettingName::Key(key), value });
    }
    Ok(settings)
}

/// A configuration file that is being parsed.
struct File<'a> {
    path: &'a Path,
    text: &'a str,
}
impl File<'_> {
    /// Returns the number of the line that contains this byte of the text.
    fn line(&self, offset: usize) -> usize {
        1 + self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
    }
    /// Converts an error of the parser. Its full text quotes the line, which may contain a password: only its message is used.
    fn not_toml(&self, error: &toml::de::Error) -> ConfigError {
        let line = error.span().map_or(1, |span| self.line(span.start));
        ConfigError::NotToml { path: self.path.to_owned(), line, reason: error.message().to_owned() }
    }
    /// Parses the table of Kafka client settings.
    fn kafka_settings(&self, line: usize, table: Spanned<DeValue<'_>>) -> Result<Vec<Setting>, ConfigError> {
        let found = table.get_ref().type_str();
        let DeValue::Table(table) = table.into_inner() else {
            return Err(self.wrong_type(line, KAFKA_TABLE, "a table", found));
        };
        let setting = |(name, value): (Spanned<_>, _)| {
            let line = self.line(name.span().start);
            let name: String = std::borrow::Cow::into_owned(name.into_inner());
            if KEYS.iter().any(|key| key.name == name) {
                return Err(ConfigError::key_in_kafka_table(self.path, line, &name));
            }
            let value = self.text(line, &name, value)?;
            Ok(Setting { name: SettingName::Kafka(name), value })
        };
        table.into_iter().map(setting).collect()
    }
    /// Returns a value as text.
    fn text(&self, line: usize, name: &str, value: Spanned<DeValue<'_>>) -> Result<SourcedText, ConfigError> {
        let value =
            Value::deserialize(ValueDeserializer::from(value)).map_err(|error| self.not_toml(&error))?;
        let text = match value {
            Value::String(text) => text,
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Boolean(value) => value.to_string(),
            other => {
                return Err(self.wrong_type(
                    line,
                    name,
                    "a text, a number or true or false",
                    other.type_str(),
                ));
            }
        };
        Ok(SourcedText { text, origin: Origin::File { path: self.path.to_owned(), line } })
    }
    fn wrong_type(
        &self,
        line: usize,
        name: &str,
        expected: &'static str,
        found: &'static str,
    ) -> ConfigError {
        let next = if found == "table" {
            "write a name with dots in quotes; settings of the Kafka client belong in the table [kafka]"
        } else {
            "correct this value; `fastbreak config init -` prints an example"
        };
        ConfigError::WrongType {
            path: self.path.to_owned(),
            line,
            name: name.to_owned(),
            expected,
            found,
            next: next.to_owned(),
        }
    }
}
