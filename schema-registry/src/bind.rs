//! Makes this process use the schema ids of the configured registry.
//!
//! Invariant: a process uses the ids of at most one registry, and requests them once.
//! Not here: which ids an event may have (`schemas::catalog::bind`), registering schemas (`plan`).
use crate::{
    client::Client,
    config::RegistryConfig,
    error::{Cause, RegistryError},
    subject::Subject,
};
use schemas::catalog::Binding;
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

const READ_IDS: &str = "reading the schema ids";

/// Makes this process use the registry's schema ids of these subjects, if a registry is configured. Repeated calls with the same registry
/// have no effect.
///
/// # Errors
/// If the registry is unreachable, a schema is missing in it, or this process is bound to another registry.
pub fn bind(config: &RegistryConfig, subjects: &[Subject]) -> Result<(), RegistryError> {
    static BOUND_URL: Mutex<Option<String>> = Mutex::new(None);
    let mut bound_url = BOUND_URL.lock().unwrap_or_else(PoisonError::into_inner);
    if *bound_url == config.url {
        return Ok(());
    }
    let Some(client) = Client::from_config(config)? else { return Ok(()) };
    let (url, ids) = (client.url().to_owned(), schema_ids(&client, subjects)?);
    let fetch = Box::new(move |id| client.schema_text(id).map_err(|error| error.to_string()));
    schemas::catalog::bind(Binding { ids, fetch })
        .map_err(|reason| RegistryError::new(&url, READ_IDS, Cause::NotBound(reason)))?;
    *bound_url = Some(url);
    Ok(())
}

/// Reads the registry's ids of the newest schema of every event type. An event type in several topics has a subject for each topic, so its
/// schema may have several ids; the id for the topic that is first in the catalog comes first.
fn schema_ids(
    client: &Client,
    subjects: &[Subject],
) -> Result<BTreeMap<&'static str, Vec<u32>>, RegistryError> {
    let (mut ids, mut missing) = (BTreeMap::<&'static str, Vec<u32>>::new(), Vec::new());
    for subject in subjects {
        match client.find(&subject.name, subject.newest())? {
            Some(registered) => {
                let ids = ids.entry(subject.entry.name).or_default();
                if !ids.contains(&registered.id) {
                    ids.push(registered.id);
                }
            }
            None => missing.push(subject.name.clone()),
        }
    }
    if missing.is_empty() {
        Ok(ids)
    } else {
        Err(RegistryError::new(client.url(), READ_IDS, Cause::Unregistered { subjects: missing }))
    }
}
