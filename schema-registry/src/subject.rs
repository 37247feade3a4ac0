//! A subject of the registry: the schema of the records of one topic.
//!
//! Invariant: a subject is named `<topic>-value`, as Confluent's clients name it by default.
//! Not here: the state of a subject in the registry (`plan`).
use schemas::catalog::Entry;

/// A registry subject: the schema of the records of one topic.
pub struct Subject {
    pub name: String,
    pub entry: Entry,
}
impl Subject {
    /// Creates the subject of a topic whose records are events with this name; `None` if the catalog has no such event.
    pub fn for_topic(topic: &str, event: &str) -> Option<Subject> {
        Some(Subject { name: format!("{topic}-value"), entry: Entry::find(event)? })
    }
    /// Returns the newest schema, with which records are written.
    pub fn newest(&self) -> &'static str {
        self.entry.released.last().copied().unwrap_or_default()
    }
}
