//! The topics whose records can be shown: those of the catalog, the changelogs and the dead-letter queues.
//!
//! Invariant: the topics are those that must exist (`topology::topic_specs`); a name that is none of them is a usage error with the most
//! similar names.
//! Not here: decoding the records (`record`).
use crate::{app::App, topology::topic_specs::TopicContent, usage_error::UsageError};
use schemas::catalog::Entry;
use serde::Serialize;
use topics::{Offsets, TopicPartition, intern, is_raw, partition_of};

/// The greatest number of similar names that an error states.
const MAX_SIMILAR: usize = 3;
/// The greatest number of characters by which a similar name differs.
const MAX_DIFFERENCES: usize = 4;

/// A topic, for an operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TopicDescription {
    pub topic: String,
    /// The format of the record key.
    pub key: &'static str,
    /// The name of the event; `changelog` for a changelog, which has several kinds of records.
    pub event: &'static str,
    pub partitions: i32,
    pub cleanup_policy: String,
}

/// Returns all topics, in the order of the data flow; changelogs and dead-letter queues come last.
pub fn topic_descriptions(app: &App) -> Vec<TopicDescription> {
    let description = |spec: &topics::spec::TopicSpec| {
        let (key, event) = match TopicContent::of(&spec.name) {
            TopicContent::Events(info) => (info.key, info.event),
            TopicContent::Changelog => ("kind|view key|id", "changelog"),
            TopicContent::DeadLetters => ("of the rejected record", "dead-letter"),
        };
        let cleanup_policy = spec.settings.get("cleanup.policy").cloned().unwrap_or_default();
        TopicDescription { topic: spec.name.clone(), key, event, partitions: spec.partitions, cleanup_policy }
    };
    app.topic_specs().iter().map(description).collect()
}

/// How the values of a topic are decoded.
pub(super) enum ValueFormat {
    Events(Entry),
    Changelog,
    DeadLetters(Entry),
}

/// A topic whose records are shown.
pub(super) struct ShownTopic {
    pub name: &'static str,
    pub format: ValueFormat,
    partitions: i32,
}

impl ShownTopic {
    /// Finds a topic by its name.
    ///
    /// # Errors
    /// [`UsageError`] if there is none.
    pub fn find(app: &App, name: &str) -> Result<ShownTopic, UsageError> {
        let spec = app.topic_specs().iter().find(|spec| spec.name == name);
        let entry = |event: &str| Entry::find(event).ok_or_else(|| unknown_topic(app, name));
        let spec = spec.ok_or_else(|| unknown_topic(app, name))?;
        let format = match TopicContent::of(name) {
            TopicContent::Events(info) => ValueFormat::Events(entry(info.event)?),
            TopicContent::Changelog => ValueFormat::Changelog,
            TopicContent::DeadLetters => ValueFormat::DeadLetters(entry("dead-letter")?),
        };
        Ok(ShownTopic { name: intern(name), format, partitions: spec.partitions })
    }
    /// Returns the name of the event; `None` for a changelog, which has several kinds of records.
    pub fn event(&self) -> Option<&'static str> {
        match &self.format {
            ValueFormat::Events(entry) | ValueFormat::DeadLetters(entry) => Some(entry.name),
            ValueFormat::Changelog => None,
        }
    }
    /// True if a record key is this key, or begins with it before a `/`.
    pub fn has_key(&self, record_key: &str, key: &str) -> bool {
        let is_key =
            |part: &str| part.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        is_key(record_key)
            || matches!(self.format, ValueFormat::Changelog) && record_key.split('|').any(is_key)
    }
    /// Returns the partitions that may have records of a partition number and with a key, if these are given. Only in topics that no other
    /// program writes does a key determine its partition.
    ///
    /// # Errors
    /// [`UsageError`] if the partition does not exist.
    pub fn partitions(
        &self,
        (partition, key): (Option<i32>, Option<&str>),
        end_offsets: &Offsets,
    ) -> Result<Vec<TopicPartition>, UsageError> {
        let number_of = |partition: &TopicPartition| partition.partition + 1;
        let count = end_offsets.keys().map(number_of).max().unwrap_or(0).max(self.partitions);
        let is_keyed =
            matches!(self.format, ValueFormat::Events(_)) && !is_raw(self.name) && count == self.partitions;
        let numbers = match (partition, key) {
            (Some(partition), _) if !(0..count).contains(&partition) => {
                return Err(UsageError::new(
                    format!("topic {} has no partition {partition}", self.name),
                    format!("use one from 0 to {}", count - 1),
                ));
            }
            (Some(partition), _) => vec![partition],
            (None, Some(key)) if is_keyed => vec![partition_of(key, count)],
            (None, _) => (0..count).collect(),
        };
        Ok(numbers.into_iter().map(|partition| TopicPartition::new(self.name, partition)).collect())
    }
}

fn unknown_topic(app: &App, name: &str) -> UsageError {
    let names: Vec<&str> = app.topic_specs().iter().map(|spec| spec.name.as_str()).collect();
    let similar = similar_names(name, &names);
    let hint =
        if similar.is_empty() { String::new() } else { format!("; did you mean {}?", similar.join(", ")) };
    UsageError::new(format!("there is no topic '{name}'{hint}"), "`fastbreak topics list` lists the topics")
}

/// Returns the names that contain a name, or that differ from it in a few characters, the most similar first.
fn similar_names<'a>(name: &str, names: &[&'a str]) -> Vec<&'a str> {
    let name = name.to_lowercase();
    let rank = |candidate: &&'a str| {
        let differences = strsim::levenshtein(&name, candidate);
        let is_part = name.len() > 2 && candidate.contains(&name);
        (is_part || differences <= MAX_DIFFERENCES).then_some((differences, *candidate))
    };
    let mut similar: Vec<(usize, &str)> = names.iter().filter_map(rank).collect();
    similar.sort_unstable();
    similar.into_iter().take(MAX_SIMILAR).map(|(_, candidate)| candidate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similar_names_contain_the_name_or_differ_in_few_characters() {
        let names = ["core.games.v1", "core.team-games.v2", "core.names.v1", "odds-loader.dlq"];
        assert_eq!(similar_names("core.gamse.v1", &names), ["core.games.v1", "core.names.v1"]);
        assert_eq!(similar_names("Games", &names), ["core.games.v1", "core.team-games.v2"]);
        assert_eq!(similar_names("odds-loader.dql", &names), ["odds-loader.dlq"]);
        assert_eq!(similar_names("something else", &names), Vec::<&str>::new());
    }
    #[test]
    fn a_key_matches_with_its_first_parts_and_in_a_changelog_with_one_of_its_parts() {
        let topic = |format| ShownTopic { name: "t", format, partitions: 6 };
        let changelog = topic(ValueFormat::Changelog);
        for (record_key, key, is_match) in [
            ("1/2/3", "1", true),
            ("1/2/3", "1/2/3", true),
            ("1/2/3", "2", false),
            ("12/3", "1", false),
            ("published|core.games.v1|BOS-NYK|BOS-NYK/5", "BOS-NYK", true),
            ("published|core.games.v1|BOS-NYK|BOS-NYK/5", "published|core.games.v1|BOS-NYK|BOS-NYK/5", true),
            ("published|core.games.v1|BOS-NYK|BOS-NYK/5", "NYK", false),
        ] {
            assert_eq!(changelog.has_key(record_key, key), is_match, "{record_key} {key}");
        }
        let events = topic(ValueFormat::DeadLetters(Entry::find("dead-letter").unwrap()));
        assert!(!events.has_key("a|b", "b"));
    }
}
