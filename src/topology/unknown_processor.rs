//! The error for a name that no processor has.
//!
//! Invariant: its text lists the names that can be used instead.
//! Not here: the names (`descriptors`), the exit code (`cli::outcome`).

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
