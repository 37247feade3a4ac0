//! The error for a name that no processor has.
//!
//! Invariant: its text lists the names that can be used instead.
//! Not here: the names (`descriptors`), the exit code (`cli::outcome`).
use super::descriptors::dlq_owners;

/// The error for a name that no processor has.
#[derive(Debug, thiserror::Error)]
#[error("there is no processor '{name}'\nnext: use one of {}", names.join(", "))]
pub struct UnknownProcessor {
    name: String,
    names: Vec<String>,
}
impl UnknownProcessor {
    /// Creates the error for the unknown `name`; `names` are the names that can be used instead.
    pub fn new(name: &str, names: &[&str]) -> UnknownProcessor {
        UnknownProcessor {
            name: name.to_owned(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
        }
    }
}

/// Checks that a name is that of ingest, a processor or the sink, and so has a dead-letter topic.
///
/// # Errors
/// [`UnknownProcessor`] with the names that exist.
pub fn ensure_dlq_owner(name: &str) -> Result<(), UnknownProcessor> {
    let owners = dlq_owners();
    if owners.contains(&name) { Ok(()) } else { Err(UnknownProcessor::new(name, &owners)) }
}
