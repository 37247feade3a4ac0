//! The documents that are made from the table of keys: the example of a configuration file, and the tables of a page.
//!
//! Invariant: the example without the `#` in front of its keys is a valid file, and sets every key to its default value.
//! Not here: writing the file (`cli::init`), the page itself (`docs/configuration.md`).
use super::{key::Key, keys::KEYS};
use toml::Value;

/// Longest line of a comment in the example file.
const COLUMNS: usize = 110;

const HEADER: &str = "\
# Configuration of Fastbreak
#
# Fastbreak reads this file if it is named fastbreak.toml and is in the current folder, or if --config names it. Environment variables
# override the file, and flags override both. `fastbreak config show --origin` shows all values in effect.
#
# Every key is commented out and has its default value. To set a key, remove the `#` in front of it.
";

const KAFKA: &str = "
# ---- Kafka client ----

# Settings of the Kafka client, under librdkafka's names in quotes. The environment variable of a setting is FASTBREAK_KAFKA_ and its
# name, in upper case with underscores instead of dots. The suffix `.file` on the name of a secret means that the value is the path of a
# file with the secret. Example:
#
#   \"security.protocol\" = \"SASL_PLAINTEXT\"
#   \"sasl.mechanism\" = \"SCRAM-SHA-256\"
#   \"sasl.username\" = \"fastbreak\"
#   \"sasl.password.file\" = \"/run/secrets/kafka\"
#[kafka]
";

/// Returns an example of a configuration file, in which every key is commented out and has its default value.
pub fn example_file() -> String {
    let mut text = HEADER.to_owned();
    let mut previous_group = None;
    for key in KEYS {
        if previous_group != Some(key.group) {
            text.push_str(&format!("\n# ---- {} ----\n", key.group.title()));
            previous_group = Some(key.group);
        }
        text.push('\n');
        text.push_str(&comment(key.meaning));
        let flag = key.flag.map_or_else(String::new, |_| format!("; flag: --{}", key.name));
        text.push_str(&comment(&format!("Value: {}", key.describe())));
        text.push_str(&comment(&format!("Environment: {}{flag}", key.variable())));
        text.push_str(&format!("#{} = {}\n", key.name, toml_value(key.default)));
    }
    text.push_str(KAFKA);
    text
}

/// Returns the Markdown tables of all keys, with one heading per group.
pub fn key_tables() -> String {
    let mut text = String::new();
    let mut previous_group = None;
    for key in KEYS {
        if previous_group != Some(key.group) {
            text.push_str(&format!("\n## {}\n\n", key.group.title()));
            text.push_str("| key | value | default | meaning |\n| --- | --- | --- | --- |\n");
            previous_group = Some(key.group);
        }
        let default = if key.default.is_empty() { "empty".to_owned() } else { format!("`{}`", key.default) };
        text.push_str(&format!(
            "| {} | {} | {default} | {} |\n",
            name_in_table(key),
            key.describe(),
            key.meaning
        ));
    }
    text
}

/// Returns the name of a key with its flag, and with its environment variable if that is not derived from the name.
fn name_in_table(key: &Key) -> String {
    let flag = key.flag.map_or_else(String::new, |_| format!(", `--{}`", key.name));
    let variable = key.own_variable().map_or_else(String::new, |variable| format!(", `{variable}`"));
    format!("`{}`{flag}{variable}", key.name)
}

/// Returns a text as a value in TOML: numbers and booleans as they are, other texts in quotes.
fn toml_value(text: &str) -> String {
    let is_bare = text.parse::<f64>().is_ok() || text.parse::<bool>().is_ok();
    if is_bare { text.to_owned() } else { Value::String(text.to_owned()).to_string() }
}

/// Returns a text as comment lines.
fn comment(text: &str) -> String {
    let mut lines = vec!["#".to_owned()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= COLUMNS => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("# {word}")),
        }
    }
    lines.join("\n") + "\n"
}
