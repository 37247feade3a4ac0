//! The reports on schemas and subjects.
//!
//! Invariant: an event or subject without a problem has an empty list or text of problems.
//! Not here: determining the state of a subject (`schema_registry::plan`), tables (`cli::schemas`).
use serde::Serialize;

/// The released schemas of all events and, if a registry is configured, the subjects in it.
#[derive(Serialize)]
pub struct SchemaReport {
    pub events: Vec<EventReport>,
    /// URL of the registry; `None` if none is configured.
    pub registry: Option<String>,
    pub subjects: Vec<SubjectReport>,
}
impl SchemaReport {
    /// True if every schema can read its earlier versions and every subject is registered.
    pub fn is_valid(&self) -> bool {
        let is_compatible = self.events.iter().all(|event| event.problems.is_empty());
        is_compatible && self.subjects.iter().all(|subject| subject.state == SubjectStatus::Registered)
    }
}
/// Report on the released schemas of one event.
#[derive(Serialize)]
pub struct EventReport {
    pub event: &'static str,
    pub versions: usize,
    /// Fields in which the newest version differs from the one before it.
    pub changes: Vec<String>,
    pub problems: Vec<String>,
}
/// State of a subject in the registry or, after a push, the result of the push.
#[derive(Serialize)]
pub struct SubjectReport {
    pub subject: String,
    pub event: &'static str,
    pub id: Option<u32>,
    pub state: SubjectStatus,
    pub reason: String,
}
/// Whether the schemas of a subject are registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectStatus {
    Registered,
    Missing,
    Pushed,
    Breaking,
}

/// The subjects after a push or, in a dry run, before it.
pub struct PushReport {
    /// URL of the registry.
    pub registry: String,
    pub subjects: Vec<SubjectReport>,
}
impl PushReport {
    /// True if the schemas of any subject are not registered.
    pub fn has_missing(&self) -> bool {
        self.subjects.iter().any(|subject| subject.state == SubjectStatus::Missing)
    }
}
