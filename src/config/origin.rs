//! The origin of a configuration value.
//!
//! Invariant: the text of an origin names the line of the file, the environment variable or the flag.
//! Not here: the order in which sources are read (`resolve`).
use serde::Serialize;
use std::{fmt, path::PathBuf};

/// Source of a configuration value. A source overrides the sources before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub enum Origin {
    Default,
    /// A line of the configuration file, counted from 1.
    File {
        path: PathBuf,
        line: usize,
    },
    /// An environment variable.
    Environment(String),
    /// A global flag, without its dashes.
    Flag(&'static str),
}
impl Origin {
    /// Returns the precedence of the source: a source overrides those with a lower one.
    pub(super) const fn precedence(&self) -> u8 {
        match self {
            Origin::Default => 0,
            Origin::File { .. } => 1,
            Origin::Environment(_) => 2,
            Origin::Flag(_) => 3,
        }
    }
}
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, line } => write!(f, "file {}:{line}", path.display()),
            Origin::Environment(name) => write!(f, "environment {name}"),
            Origin::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}
impl From<Origin> for String {
    fn from(origin: Origin) -> String {
        origin.to_string()
    }
}
