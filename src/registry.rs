//! The subjects of the schema registry: one for each topic of the catalog.
//!
//! Invariant: every event but the dead letter has a subject.
//! Not here: requests to the registry, and the changes that a push makes (crate `schema-registry`).
use schema_registry::Subject;

/// Returns the subjects of the topics in the catalog. Dead-letter queues have no subject: on Kafka the value of a dead letter
/// consists of the original bytes, and everything else is in headers.
pub fn subjects() -> Vec<Subject> {
    topics::ALL.iter().filter_map(|topic| Subject::for_topic(topic.name, topic.event)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::{Event, raw::DeadLetter};

    #[test]
    fn every_event_but_the_dead_letter_has_a_subject_and_subject_names_are_unique() {
        let subjects = subjects();
        for entry in schemas::catalog::entries().iter().filter(|entry| entry.name != DeadLetter::NAME) {
            assert!(subjects.iter().any(|subject| subject.entry.name == entry.name), "{}", entry.name);
        }
        let mut names: Vec<&str> = subjects.iter().map(|subject| subject.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), subjects.len());
        assert!(names.iter().all(|name| !name.contains("dlq")), "{names:?}");
    }
}
