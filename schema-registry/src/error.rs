//! Errors of the schema registry, with their exit codes.
//!
//! Invariant: an error states the registry, the operation, the cause and the next step; it never contains credentials.
//! Not here: the requests (`http_client`).
use schemas::catalog::BindError;
use std::fmt;

/// An operation on the schema registry that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryError {
    pub url: String,
    /// The operation, as in "reading schema 7".
    pub operation: String,
    pub cause: Cause,
}

/// Cause of a failed operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// No response, or a gateway's error response.
    Unreachable(String),
    /// HTTP status 401 or 403.
    NotAuthorized { status: u16 },
    /// HTTP status 404 with an error code: no such subject, version, schema or compatibility level.
    NotFound { code: u32, message: String },
    /// HTTP status 409: the schema is incompatible at the subject's compatibility level.
    Incompatible(String),
    /// HTTP status 422: the schema (code 42201), version (42202) or compatibility level (42203) is invalid.
    Invalid { code: u32, message: String },
    /// HTTP status 500 to 599 with an error code, such as 50001 (storage), 50002 (timeout) or 50003 (forwarding to the leader).
    ServerError { code: u32, message: String },
    /// The server at this URL is not a schema registry.
    NotRegistry(String),
    /// The HTTP client cannot be created, for example because the system has no trusted certificates.
    NoClient(String),
    /// The registry lacks the newest schemas of these subjects.
    Unregistered { subjects: Vec<String> },
    /// This process cannot use the registry's schema ids.
    NotBound(BindError),
}
impl Cause {
    /// Classifies an error response by status, and by the code and message of its body if it has them.
    pub fn from_response(status: u16, body: Option<(u32, String)>) -> Cause {
        match (status, body) {
            (401 | 403, _) => Cause::NotAuthorized { status },
            (404, Some((code @ 40401..=40499, message))) => Cause::NotFound { code, message },
            (409, Some((_, message))) => Cause::Incompatible(message),
            (422, Some((code, message))) => Cause::Invalid { code, message },
            (500..=599, Some((code, message))) => Cause::ServerError { code, message },
            (502..=504, None) => Cause::Unreachable(format!("a gateway responded with {status}")),
            (300..=399, _) => Cause::NotRegistry(format!(
                "the server responds with a redirect ({status}): configure its target URL"
            )),
            _ => Cause::NotRegistry(format!("unexpected response {status}")),
        }
    }
}

impl RegistryError {
    pub(crate) fn new(url: &str, operation: &str, cause: Cause) -> RegistryError {
        RegistryError { url: url.to_owned(), operation: operation.to_owned(), cause }
    }
    /// Returns the exit code of a command that fails with this error.
    pub fn exit_code(&self) -> u8 {
        match self.cause {
            Cause::Unreachable(_) | Cause::ServerError { .. } => 5,
            Cause::NotAuthorized { .. } | Cause::Incompatible(_) => 4,
            Cause::NotFound { .. } | Cause::Unregistered { .. } => 3,
            Cause::Invalid { .. } | Cause::NotRegistry(_) | Cause::NoClient(_) | Cause::NotBound(_) => 1,
        }
    }
}
impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RegistryError { url, operation, cause } = self;
        write!(f, "the schema registry {url}, {operation}: ")?;
        match cause {
            Cause::Unreachable(reason) => {
                write!(f, "unreachable: {reason}\nnext: run the command again when `curl {url}/subjects` responds")
            }
            Cause::NotAuthorized { status: 401 } => f.write_str(
                "the credentials are not valid (401)\nnext: set registry-user and FASTBREAK_REGISTRY_PASSWORD or \
                 registry-password-file; `fastbreak config show --origin` shows their origin",
            ),
            Cause::NotAuthorized { status } => write!(
                f,
                "registry-user is not authorized ({status})\nnext: ask the registry's administrator for the right to read and \
                 write subjects"
            ),
            Cause::NotFound { code, message } => {
                write!(f, "not found ({code}: {message})\nnext: `fastbreak schemas push`")
            }
            Cause::Incompatible(message) => {
                write!(f, "incompatible with a registered version (409: {message})\nnext: `fastbreak schemas check`")
            }
            Cause::Invalid { code, message } => {
                write!(f, "invalid request ({code}: {message})\nnext: `fastbreak schemas check`")
            }
            Cause::ServerError { code, message } => {
                write!(f, "server error ({code}: {message})\nnext: run the command again when the registry works")
            }
            Cause::NotRegistry(reason) => write!(
                f,
                "no Confluent-compatible API: {reason}\nnext: set `registry` to the base URL of the API, without `/subjects` \
                 (Apicurio: …/apis/ccompat/v7); `fastbreak config show --origin` shows its origin"
            ),
            Cause::NoClient(reason) => write!(
                f,
                "{reason}\nnext: check the trusted certificates of the system (package ca-certificates, SSL_CERT_FILE) and the limit of \
                 open files (`ulimit -n`)"
            ),
            Cause::Unregistered { subjects } => write!(
                f,
                "the newest schema of {} is not registered\nnext: `fastbreak schemas push`, then the same command again",
                subjects.join(", ")
            ),
            Cause::NotBound(reason) => reason.fmt(f),
        }
    }
}
impl std::error::Error for RegistryError {}

/// The error of a push that was refused because a new schema cannot read records of an earlier version.
#[derive(Debug, thiserror::Error)]
#[error(
    "nothing was pushed to {url}, the schemas are incompatible with registered versions: {}\n\
     next: release schemas that can read records of these versions; `fastbreak schemas check` shows each difference",
    reasons.join("; ")
)]
pub struct IncompatibleSchemas {
    pub url: String,
    pub reasons: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_response_has_its_cause_its_exit_code_and_a_next_step() {
        let body = |code| Some((code, "why".to_owned()));
        for (status, body, exit_code, expected) in [
            (401, None, 4, "FASTBREAK_REGISTRY_PASSWORD"),
            (403, body(40301), 4, "not authorized"),
            (404, body(40401), 3, "40401: why"),
            (404, body(40402), 3, "schemas push"),
            (404, None, 1, "…/apis/ccompat/v7"),
            (409, body(409), 4, "schemas check"),
            (422, body(42201), 1, "42201: why"),
            (500, body(50001), 5, "50001: why"),
            (503, None, 5, "curl http://registry/subjects"),
            (302, None, 1, "redirect"),
        ] {
            let error = RegistryError::new("http://registry", "listing", Cause::from_response(status, body));
            let text = error.to_string();
            assert_eq!(error.exit_code(), exit_code, "{text}");
            assert!(text.contains(expected) && text.contains("\nnext: "), "{text}");
            assert!(text.contains("http://registry, listing"), "{text}");
        }
    }
}
