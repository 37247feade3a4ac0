//! A partition of a topic by its logical name, and offsets in it.
//!
//! The logical name is the one in the catalog (`core.games.v1`) or one derived from a processor's name (`games.changelog`). On the brokers,
//! the topic may have a physical name, with the namespace of a replay as prefix. Partitions by physical name have a different type
//! (`PhysicalPartition` of crate `runtime-kafka`), so that a replay cannot address a live topic by mistake.
//!
//! Invariant: `TopicPartition` is `Copy`. Values are compared by the text of the topic name and then by the partition number.
//! Not here: how many partitions a topic has (`TopicInfo`).
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Mutex, PoisonError},
};

/// Number of a record in its partition: ascending, never reused, not dense. A *next* offset is one past the last record that was read or
/// written. The difference of two offsets is a record count only if no record between them was compacted and none is a control record.
pub type Offset = i64;

/// One offset per partition.
pub type Offsets = BTreeMap<TopicPartition, Offset>;

/// One partition of one topic, by the topic's logical name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    pub topic: &'static str,
    pub partition: i32,
}

impl TopicPartition {
    pub const fn new(topic: &'static str, partition: i32) -> Self {
        TopicPartition { topic, partition }
    }
    /// Creates the partition of a topic whose name is not known at compile time.
    pub fn from_name(topic: &str, partition: i32) -> Self {
        TopicPartition { topic: intern(topic), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

/// Returns the same text with a static lifetime. Each distinct name is stored once and never freed. This uses little memory, because there
/// are few names: those in the catalog, those derived from processors' names, and those on the command line.
pub fn intern(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    if let Some(topic) = crate::catalog::ALL.iter().find(|topic| topic.name == name) {
        return topic.name;
    }
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return known;
    }
    let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(name);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_stored_once_and_a_catalog_name_is_the_catalogs() {
        assert!(std::ptr::eq(intern("games.changelog"), intern(&String::from("games.changelog"))));
        assert!(std::ptr::eq(intern("core.games.v1"), intern(&String::from("core.games.v1"))));
    }
    #[test]
    fn a_topic_partition_is_written_topic_slash_partition() {
        assert_eq!(TopicPartition::from_name("core.games.v1", 3).to_string(), "core.games.v1/3");
    }
}
