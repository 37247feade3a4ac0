//! Where the log is: the embedded file, unless brokers are configured.
//!
//! Invariant: every verb opens the log here, so what works on one log works on the other.
//! Not here: the logs themselves (crate `runtime`).
use crate::config::Config;
use anyhow::Result;
use runtime::{Storage, embedded::EmbeddedLog};

/// Opens the configured log.
pub fn open(config: &Config) -> Result<Box<dyn Storage>> {
    Ok(Box::new(EmbeddedLog::open(&config.data)?))
}
