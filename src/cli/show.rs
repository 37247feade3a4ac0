//! `config show`: every value, and where it came from.
use super::{CommandOutcome, Output, output};
use crate::config::{Config, Origin};
use anyhow::Result;
use serde::Serialize;

#[derive(Serialize)]
struct Entry {
    key: String,
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<Origin>,
    meaning: &'static str,
}

pub fn config(config: &Config, origin: bool, output: Output) -> Result<CommandOutcome> {
    let entries: Vec<Entry> = config
        .entries()
        .into_iter()
        .map(|(key, value, meaning, from)| Entry { key, value, origin: origin.then_some(from), meaning })
        .collect();
    output::print(output, &entries, |entries| {
        let rows = entries.iter().map(|entry| {
            let origin = entry.origin.as_ref().map_or_else(String::new, ToString::to_string);
            [entry.key.clone(), entry.value.clone(), origin, entry.meaning.to_owned()]
        });
        output::table(["key", "value", if origin { "origin" } else { "" }, "meaning"], rows)
    })?;
    Ok(CommandOutcome::Done)
}
