//! The values of keys and of Kafka client settings as text, each with its origin; a later source overrides the sources before it.
//!
//! Invariant: a source cannot set the same name twice.
//! Not here: reading the sources (`file`, `environment`), the types of values (`kind`).
use super::{error::ConfigError, key::Key, kind::Kind, origin::Origin};
use std::collections::{BTreeMap, btree_map::Entry};

/// What a source sets: a key, or a setting of the Kafka client.
pub(super) enum SettingName {
    Key(&'static Key),
    /// A setting of the Kafka client, by its name in librdkafka.
    Kafka(String),
}

/// A value as text, with its origin.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SourcedText {
    pub text: String,
    pub origin: Origin,
}

/// One entry of a source.
pub(super) struct Setting {
    pub name: SettingName,
    pub value: SourcedText,
}

/// The values of all keys, and of the Kafka client settings that are set.
pub(super) struct Values {
    /// By the name of the key.
    own: BTreeMap<&'static str, SourcedText>,
    /// By the name of the setting in librdkafka.
    pub kafka: BTreeMap<String, SourcedText>,
}
impl Values {
    /// Returns the default values of these keys.
    pub fn defaults(keys: &[&'static Key]) -> Values {
        let default = |key: &&'static Key| {
            (key.name, SourcedText { text: key.default.to_owned(), origin: Origin::Default })
        };
        Values { own: keys.iter().map(default).collect(), kafka: BTreeMap::new() }
    }
    /// Adds the settings of the next source.
    ///
    /// # Errors
    /// If the source sets a name twice.
    pub fn add(&mut self, settings: Vec<Setting>) -> Result<(), ConfigError> {
        for Setting { name, value } in settings {
            match name {
                SettingName::Key(key) => override_value(self.own.entry(key.name), key.name, value)?,
                SettingName::Kafka(name) => {
                    override_value(self.kafka.entry(name.clone()), &format!("kafka.{name}"), value)?;
                }
            }
        }
        Ok(())
    }
    /// Returns the text of a key; `None` if it is empty.
    pub fn non_empty(&self, key: &Key) -> Option<&SourcedText> {
        self.own.get(key.name).filter(|value| !value.text.is_empty())
    }
    /// Parses the value of a key.
    ///
    /// # Errors
    /// If it is not a valid value.
    pub fn parse<T>(&self, key: &Key, kind: &impl Kind<T>) -> Result<T, ConfigError> {
        let (text, origin) =
            self.own.get(key.name).map_or(("", Origin::Default), |value| (&value.text, value.origin.clone()));
        kind.parse(text).map_err(|reason| ConfigError::invalid_value(key, text, origin, reason))
    }
    /// Returns the origins of all keys, by the name of the key.
    pub fn origins(&self) -> BTreeMap<&'static str, Origin> {
        self.own.iter().map(|(name, value)| (*name, value.origin.clone())).collect()
    }
}

fn override_value<K: Ord>(
    entry: Entry<'_, K, SourcedText>,
    name: &str,
    value: SourcedText,
) -> Result<(), ConfigError> {
    match entry {
        Entry::Vacant(entry) => _ = entry.insert(value),
        Entry::Occupied(entry) if entry.get().origin.precedence() == value.origin.precedence() => {
            return Err(ConfigError::set_twice(name, &entry.get().origin, name, &value.origin));
        }
        Entry::Occupied(mut entry) => _ = entry.insert(value),
    }
    Ok(())
}
