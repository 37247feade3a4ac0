//! Configuration: one struct of typed values. Flags override the environment, and the environment overrides the configuration file.
//!
//! Invariant: the keys, their fields, environment variables, flags and documents are made from one table (`keys`).
//! Not here: the use of the values.
mod bigquery;
mod documents;
mod environment;
mod error;
mod file;
mod header_style;
mod kafka;
mod key;
pub mod keys;
mod kind;
mod origin;
mod resolve;
mod secret;
mod table;
#[cfg(test)]
mod tests;
mod values;
mod warehouse_kind;

pub use bigquery::BigQueryOptions;
pub use documents::{example_file, key_tables};
pub use environment::{Environment, LOG_VARIABLE, log_filter};
pub use error::ConfigError;
pub use file::DEFAULT_FILE;
pub use header_style::HeaderStyle;
pub use key::{Group, Key};
pub use keys::Config;
pub use origin::Origin;
pub use resolve::Entry;
pub use warehouse_kind::WarehouseKind;
