//! What a schema registry answers when it does not do as it is asked.
//!
//! Invariant: an error says what was done where, why it failed, and what to run next; it never holds credentials.
//! Not here: the requests (`client`).
use std::fmt;

/// A request that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryError {
    /// The registry's address.
    pub url: String,
    /// What was asked of it.
    pub doing: String,
    pub cause: Cause,
}

/// Why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// No answer, or one that a gateway gave in its stead.
    Unreachable(String),
    /// 401 and 403.
    Denied { status: u16 },
    /// 404: a subject, version, schema or level that is not there, by its code.
    Absent { code: u32, message: String },
    /// 409: the subject's level forbids the schema.
    Incompatible(String),
    /// 422: 42201 schema, 42202 version, 42203 level.
    Invalid { code: u32, message: String },
    /// 50001 to 50003: its store, its time, the leader it forwards to.
    Failing { code: u32, message: String },
    /// Something else listens there.
    NotRegistry(String),
}
impl Cause {
    /// By the status, and the code and message of the answer where it has them.
    pub fn from_response(status: u16, refusal: Option<(u32, String)>) -> Cause {
        match (status, refusal) {
            (401 | 403, _) => Cause::Denied { status },
            (404, Some((code @ 40401..=40499, message))) => Cause::Absent { code, message },
            (409, Some((_, message))) => Cause::Incompatible(message),
            (422, Some((code, message))) => Cause::Invalid { code, message },
            (500..=599, Some((code, message))) => Cause::Failing { code, message },
            (502..=504, None) => Cause::Unreachable(format!("a gateway answered {status}")),
            (300..=399, _) => Cause::NotRegistry(format!("it redirects ({status}): configure where to")),
            _ => Cause::NotRegistry(format!("it answered {status}")),
        }
    }
}

impl RegistryError {
    /// The exit code of a verb that this ends.
    pub fn exit(&self) -> u8 {
        match self.cause {
            Cause::Unreachable(_) | Cause::Failing { .. } => 5,
            Cause::Denied { .. } | Cause::Incompatible(_) => 4,
            Cause::Absent { .. } => 3,
            Cause::Invalid { .. } | Cause::NotRegistry(_) => 1,
        }
    }
}
impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RegistryError { url, doing, cause } = self;
        write!(f, "the schema registry {url}, {doing}: ")?;
        match cause {
            Cause::Unreachable(reason) => {
                write!(f, "not reachable: {reason}; nothing was lost, start again when it answers: `curl {url}/subjects`")
            }
            Cause::Denied { status: 401 } => f.write_str(
                "it does not know these credentials (401); set registry-user and FASTBREAK_REGISTRY_PASSWORD or \
                 registry-password-file, next: `fastbreak config show --origin`",
            ),
            Cause::Denied { status } => {
                write!(f, "registry-user may not do this ({status}); ask whoever runs it for the right to read and write subjects")
            }
            Cause::Absent { code, message } => write!(f, "not there ({code}: {message}); next: `fastbreak schemas push`"),
            Cause::Incompatible(message) => {
                write!(f, "incompatible with what is registered (409: {message}); next: `fastbreak schemas check`")
            }
            Cause::Invalid { code, message } => {
                write!(f, "it refuses the request ({code}: {message}); next: `fastbreak schemas check`")
            }
            Cause::Failing { code, message } => {
                write!(f, "it fails ({code}: {message}); nothing was lost, start again when it is well")
            }
            Cause::NotRegistry(reason) => write!(
                f,
                "no Confluent-compatible API: {reason}; the address is that below which `/subjects` is (Apicurio: \
                 …/apis/ccompat/v7), next: `fastbreak config show --origin`"
            ),
        }
    }
}
impl std::error::Error for RegistryError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_has_its_cause_its_exit_code_and_a_next_step() {
        let refusal = |code| Some((code, "why".to_owned()));
        for (status, refusal, exit, says) in [
            (401, None, 4, "FASTBREAK_REGISTRY_PASSWORD"),
            (403, refusal(40301), 4, "may not do this"),
            (404, refusal(40401), 3, "40401: why"),
            (404, refusal(40402), 3, "schemas push"),
            (404, None, 1, "…/apis/ccompat/v7"),
            (409, refusal(409), 4, "schemas check"),
            (422, refusal(42201), 1, "42201: why"),
            (500, refusal(50001), 5, "50001: why"),
            (503, None, 5, "curl http://registry/subjects"),
            (302, None, 1, "redirects"),
        ] {
            let cause = Cause::from_response(status, refusal);
            let error = RegistryError { url: "http://registry".into(), doing: "looking".into(), cause };
            let text = error.to_string();
            assert_eq!(error.exit(), exit, "{text}");
            assert!(text.contains(says) && text.contains("http://registry, looking"), "{text}");
        }
    }
}
