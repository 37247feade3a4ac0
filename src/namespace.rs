//! The namespace of a replay: prefix of its topics and consumer groups, and name of its folder.
//!
//! Invariant: no name of a live topic or consumer group begins with a namespace and a dot.
//! Not here: the replay itself (`replay`), physical names on Kafka (crate `runtime-kafka`).
use crate::topology::topic_specs::reserved_prefixes;
use std::{fmt, str::FromStr};

/// Name of a replay: 1 to 40 characters of `a-z`, `0-9` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Namespace(String);
impl Namespace {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl FromStr for Namespace {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !(1..=40).contains(&text.len()) || !text.chars().all(is_allowed) {
            return Err(format!(
                "'{text}' is not a valid namespace; it must have 1 to 40 characters of a-z, 0-9 and -"
            ));
        }
        // The names of a namespace's topics and groups begin with the namespace and a dot. Names of live topics such as `raw.…` and
        // `games.changelog` also begin with a word and a dot, so these words are reserved.
        if reserved_prefixes().contains(text) {
            return Err(format!(
                "'{text}' is reserved: names of live topics or consumer groups begin with it"
            ));
        }
        Ok(Namespace(text.to_owned()))
    }
}
impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
