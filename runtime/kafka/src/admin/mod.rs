//! Administration of topics, consumer groups and rights.
//!
//! Invariant: nothing is created, altered or deleted that a plan entry, a purge or a discarded namespace does not name.
//! Not here: the plan (crate `topics`).
mod acl_checks;
mod connection;
mod facade;
mod topic_alterations;

pub use facade::Admin;
