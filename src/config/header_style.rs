//! The names of the headers of dead letters on Kafka.
//!
//! Invariant: parsing the `name` of a value returns the same value.
//! Not here: the headers themselves (crate `runtime-kafka`).
use std::str::FromStr;

/// Naming scheme of the headers of a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderStyle {
    /// Fastbreak's own header names, `dlq.…`.
    Native,
    /// The header names of Kafka Connect, `__connect.errors.…`.
    Connect,
}
impl HeaderStyle {
    pub const fn name(self) -> &'static str {
        match self {
            HeaderStyle::Native => "native",
            HeaderStyle::Connect => "connect",
        }
    }
}
impl FromStr for HeaderStyle {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let styles = [HeaderStyle::Native, HeaderStyle::Connect];
        styles.into_iter().find(|style| style.name() == text).ok_or("must be native or connect")
    }
}
