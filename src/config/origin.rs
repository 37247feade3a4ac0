//! The origin of a configuration value.
//!
//! Invariant: the text of an origin names the file, environment variable or flag.
//! Not here: precedence of origins (`config`).
use serde::Serialize;
use std::{fmt, path::PathBuf};

/// Source of a configuration value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub enum Origin {
    Default,
    File(PathBuf),
    Environment(String),
    Flag(&'static str),
}
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path) => write!(f, "file {}", path.display()),
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
