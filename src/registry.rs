//! A schema registry, where one is configured: which subjects it must have, and the ids it gives to records.
//!
//! Subjects are named after topics, `<topic>-value`. The embedded default needs no registry: ids then derive from the schemas' texts.
//! Invariant: nothing is read or written before every event's id is known; what is missing stops the start, with the command that
//! registers it.
//! Not here: the files of schemas and the binding of ids (crate `schemas`).
mod client;
mod config;
mod error;
pub mod plan;

pub use client::{Client, Level, Registered, Verdict};
pub use config::{RegistryConfig, Secret};
pub use error::{Cause, RegistryError};

use crate::{ingest, topology};
use anyhow::{Context, Result};
use processors::predictor::Predictor;
use runtime::engine::dlq_topic;
use schemas::{
    Event,
    catalog::{Binding, Entry},
    raw::DeadLetter,
};
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// What the registry calls the records of one topic.
pub struct Subject {
    pub name: String,
    pub entry: Entry,
}
impl Subject {
    fn for_topic(topic: &str, event: &str) -> Option<Subject> {
        Some(Subject { name: format!("{topic}-value"), entry: Entry::find(event)? })
    }
    /// The text that records are written by.
    pub fn newest(&self) -> &'static str {
        self.entry.released.last().copied().unwrap_or_default()
    }
}

/// The subjects of all topics, those of dead letters too.
pub fn subjects() -> Vec<Subject> {
    let nodes = topology::topology(Predictor::new(None));
    let rejecting =
        nodes.iter().filter(|node| node.kind().has_dlq()).map(|node| node.name()).chain([topology::SINK]);
    let dead_letters = rejecting.map(dlq_topic).chain([ingest::DEAD_LETTERS.to_owned()]);
    let known = topics::ALL.iter().filter_map(|topic| Subject::for_topic(topic.name, topic.event));
    known.chain(dead_letters.filter_map(|topic| Subject::for_topic(&topic, DeadLetter::NAME))).collect()
}

/// Schemas that should be registered.
#[derive(Debug, thiserror::Error)]
#[error(
    "the schema registry {url} lacks the newest schema of {}; next: `fastbreak schemas push`, then the same again",
    subjects.join(", ")
)]
pub struct Unregistered {
    pub url: String,
    pub subjects: Vec<String>,
}

/// The ids of every event's newest schema, those of its first topic first.
fn ids(client: &Client) -> Result<BTreeMap<&'static str, Vec<u32>>> {
    let (mut ids, mut missing) = (BTreeMap::<&'static str, Vec<u32>>::new(), Vec::new());
    for subject in subjects() {
        match client.find(&subject.name, subject.newest())? {
            Some(found) => {
                let ids = ids.entry(subject.entry.name).or_default();
                if !ids.contains(&found.id) {
                    ids.push(found.id);
                }
            }
            None => missing.push(subject.name),
        }
    }
    match missing.is_empty() {
        true => Ok(ids),
        false => Err(Unregistered { url: client.url().to_owned(), subjects: missing }.into()),
    }
}

/// Makes this process read and write with the ids of the configured registry, if there is one; the first call counts.
///
/// # Errors
/// When the registry does not answer, lacks a schema, or another one was bound before.
pub fn bind(config: &RegistryConfig) -> Result<()> {
    static BOUND: Mutex<Option<String>> = Mutex::new(None);
    let Some(client) = Client::from_config(config) else { return Ok(()) };
    let mut bound = BOUND.lock().unwrap_or_else(PoisonError::into_inner);
    if bound.as_deref() == Some(client.url()) {
        return Ok(());
    }
    let (url, ids) = (client.url().to_owned(), ids(&client)?);
    let fetch = Box::new(move |id| client.text(id).map_err(|error| error.to_string()));
    schemas::catalog::bind(Binding { ids, fetch }).with_context(|| format!("the schema registry {url}"))?;
    *bound = Some(url);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_has_a_subject_and_no_two_subjects_are_equal() {
        let subjects = subjects();
        for entry in schemas::catalog::entries() {
            assert!(subjects.iter().any(|subject| subject.entry.name == entry.name), "{}", entry.name);
        }
        let mut names: Vec<&str> = subjects.iter().map(|subject| subject.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), subjects.len());
        assert!(names.contains(&"ingest.dlq-value") && names.contains(&"predictor.dlq-value"), "{names:?}");
    }
}
