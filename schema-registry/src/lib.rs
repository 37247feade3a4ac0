//! The schema registry, if one is configured: its subjects, and the schema ids that records carry.
//!
//! Subjects are named `<topic>-value`. Without a registry, schema ids are derived from the texts of the schemas.
//! Invariant: no record is read or written before the schema id of every event is known; a missing schema is an error that shows the
//! command to register it.
//! Not here: the topics that have subjects (`src/registry.rs` of the binary), the schema files and the binding of ids (crate `schemas`).
mod bind;
mod client;
mod config;
mod error;
mod http_client;
pub mod plan;
mod subject;

pub use bind::bind;
pub use client::{Client, Level, Registered, Verdict};
pub use config::{ConfigError, RegistryConfig, Secret};
pub use error::{Cause, IncompatibleSchemas, RegistryError};
pub use subject::Subject;
