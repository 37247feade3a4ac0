//! Names of the topics that belong to one processor.
//!
//! Invariant: both derive from the processor's name alone.
//! Not here: the catalog of all other topics (crate `topics`).
use topics::intern;

/// The changelog topic of a materialized view.
pub fn changelog_topic(processor: &str) -> &'static str {
    intern(&format!("{processor}.changelog"))
}

/// The dead-letter queue of a processor.
pub fn dlq_topic(processor: &str) -> &'static str {
    intern(&format!("{processor}.dlq"))
}
