//! The schema registry, if one is configured: its subjects, and the schema ids that records carry.
//!
//! Subjects are named `<topic>-value`. Without a registry, schema ids are derived from the texts of the schemas.
//! Invariant: no record is read or written before the schema id of every event is known; a missing schema is an error that shows the
//! command to register it.
//! Not here: the schema files and the binding of ids (crate `schemas`).
mod client;
mod config;
mod error;
pub mod plan;

pub use client::{Client, Level, Registered, Verdict};
pub use config::{RegistryConfig, Secret};
pub use error::{Cause, IncompatibleSchemas, RegistryError, Unregistered};

use anyhow::{Context, Result};
use schemas::catalog::{Binding, Entry};
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// A registry subject: the schema of the records of one topic.
pub struct Subject {
    pub name: String,
    pub entry: Entry,
}
impl Subject {
    fn for_topic(topic: &str, event: &str) -> Option<Subject> {
        Some(Subject { name: format!("{topic}-value"), entry: Entry::find(event)? })
    }
    /// Returns the newest schema, with which records are written.
    pub fn newest(&self) -> &'static str {
        self.entry.released.last().copied().unwrap_or_default()
    }
}

/// Returns the subjects of the topics in the catalog. Dead-letter queues have no subject: on Kafka the value of a dead letter
/// consists of the original bytes, and everything else is in headers.
pub fn subjects() -> Vec<Subject> {
    topics::ALL.iter().filter_map(|topic| Subject::for_topic(topic.name, topic.event)).collect()
}

/// Reads the registry's ids of the newest schema of every event type. An event type in several topics has a subject for each topic, so its
/// schema may have several ids; the id for the topic that is first in the catalog comes first.
fn schema_ids(client: &Client) -> Result<BTreeMap<&'static str, Vec<u32>>> {
    let (mut ids, mut missing) = (BTreeMap::<&'static str, Vec<u32>>::new(), Vec::new());
    for subject in subjects() {
        match client.find(&subject.name, subject.newest())? {
            Some(registered) => {
                let ids = ids.entry(subject.entry.name).or_default();
                if !ids.contains(&registered.id) {
                    ids.push(registered.id);
                }
            }
            None => missing.push(subject.name),
        }
    }
    if missing.is_empty() {
        Ok(ids)
    } else {
        Err(Unregistered { url: client.url().to_owned(), subjects: missing }.into())
    }
}

/// Makes this process use the schema ids of the configured registry, if there is one. Repeated calls with the same registry
/// have no effect.
///
/// # Errors
/// If the registry is unreachable, a schema is missing in it, or this process is bound to another registry.
pub fn bind(config: &RegistryConfig) -> Result<()> {
    static BOUND_URL: Mutex<Option<String>> = Mutex::new(None);
    let Some(client) = Client::from_config(config) else { return Ok(()) };
    let mut bound_url = BOUND_URL.lock().unwrap_or_else(PoisonError::into_inner);
    if bound_url.as_deref() == Some(client.url()) {
        return Ok(());
    }
    let (url, ids) = (client.url().to_owned(), schema_ids(&client)?);
    let fetch = Box::new(move |id| client.schema_text(id).map_err(|error| error.to_string()));
    schemas::catalog::bind(Binding { ids, fetch }).with_context(|| format!("the schema registry {url}"))?;
    *bound_url = Some(url);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::{Event, raw::DeadLetter};

    #[test]
    fn every_event_but_the_dead_letter_has_a_subject_and_subject_names_are_unique() {
        let subjects = subjects();
        for entry in schemas::catalog::entries().iter().filter(|entry| entry.name != DeadLetter::NAME) {
            assert!(subjects.iter().any(|subject| subject.entry.name == entry.name), "{}", entry.name);
        }
        let mut names: Vec<&str> = subjects.iter().map(|subject| subject.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), subjects.len());
        assert!(names.iter().all(|name| !name.contains("dlq")), "{names:?}");
    }
}
