//! `config show`: the value of every key, and its origin.
//!
//! Invariant: secrets are shown as `***`.
//! Not here: the list of all keys (`config::keys`).
use super::{
    outcome::CommandOutcome,
    output::{self, Output},
};
use crate::config::{Config, Entry, Origin};
use anyhow::Result;
use serde::Serialize;

#[derive(Serialize)]
struct EntryReport {
    key: String,
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<Origin>,
    meaning: &'static str,
}

pub fn config(config: &Config, with_origin: bool, output: Output) -> Result<CommandOutcome> {
    let to_report = |Entry { key, value, meaning, origin }| EntryReport {
        key,
        value,
        origin: with_origin.then_some(origin),
        meaning,
    };
    let entries: Vec<EntryReport> = config.entries().into_iter().map(to_report).collect();
    output::print(output, &entries, |entries| {
        let rows = entries.iter().map(|entry| {
            let origin = entry.origin.as_ref().map_or_else(String::new, ToString::to_string);
            [entry.key.clone(), entry.value.clone(), origin, entry.meaning.to_owned()]
        });
        output::table(["key", "value", if with_origin { "origin" } else { "" }, "meaning"], rows)
    })?;
    Ok(CommandOutcome::Done)
}
