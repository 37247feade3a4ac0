//! Names of the topics that belong to one processor.
//!
//! Invariant: both names are derived from the processor's name alone.
//! Not here: the catalog of all other topics (crate `topics`).
use topics::intern;

/// Returns the name of a materialized view's changelog topic.
pub fn changelog_topic(processor: &str) -> &'static str {
    intern(&format!("{processor}.changelog"))
}

/// Returns the name of a processor's dead-letter queue.
pub fn dlq_topic(processor: &str) -> &'static str {
    intern(&format!("{processor}.dlq"))
}
