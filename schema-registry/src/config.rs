//! Configuration of the schema registry: URL, credentials, request timeout.
//!
//! Invariant: a password is shown as `***`.
//! Not here: parsing of the values (`config` of the binary), requests (`http_client`).
use std::{fmt, path::PathBuf, time::Duration};

/// A text that is sent in requests, but never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);
impl Secret {
    pub fn new(text: String) -> Secret {
        Secret(text)
    }
    /// Returns the text itself, which is needed to send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The configured schema registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryConfig {
    /// Base URL, to which `/subjects` is appended, without a trailing slash; `None` if no registry is configured.
    pub url: Option<String>,
    pub user: Option<String>,
    pub password: Option<Secret>,
    /// File from which the password was read, if it is configured.
    pub password_file: Option<PathBuf>,
    /// Time limit of one request, including its response.
    pub timeout: Duration,
}
