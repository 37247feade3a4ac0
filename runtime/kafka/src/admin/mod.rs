//! Administration of topics, consumer groups and rights.
//!
//! Invariant: only what a plan entry, a purge or a discarded namespace specifies is created, altered or deleted.
//! Not here: the computation of a topic plan (crate `topics`).
mod acl_checks;
mod connection;
mod facade;
mod topic_alterations;

pub use facade::Admin;
