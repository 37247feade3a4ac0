//! The binding of this process to the configured schema registry, if there is one.
//!
//! Invariant: the schema ids are requested from the registry at most once per process, and only by a command that opens the log.
//! Not here: the requests and the subjects (`registry`).
use crate::registry::{self, Client, RegistryConfig};
use anyhow::Result;
use std::sync::{Mutex, PoisonError};

/// The configured registry, and whether this process uses its schema ids.
pub(super) struct RegistryBinding {
    config: RegistryConfig,
    is_bound: Mutex<bool>,
}
impl RegistryBinding {
    pub(super) fn new(config: RegistryConfig) -> RegistryBinding {
        RegistryBinding { config, is_bound: Mutex::new(false) }
    }
    /// Returns the URL of the registry; `None` if none is configured.
    pub(super) fn url(&self) -> Option<&str> {
        self.config.url.as_deref()
    }
    /// Returns a client of the registry; `None` if none is configured.
    pub(super) fn client(&self) -> Option<Client> {
        Client::from_config(&self.config)
    }
    /// Makes this process use the schema ids of the registry, if there is one. Only the first successful call makes requests.
    pub(super) fn bind(&self) -> Result<()> {
        let mut is_bound = self.is_bound.lock().unwrap_or_else(PoisonError::into_inner);
        if !*is_bound {
            registry::bind(&self.config)?;
            *is_bound = true;
        }
        Ok(())
    }
}
