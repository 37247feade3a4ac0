//! The names of the headers of dead letters on Kafka.
//!
//! Invariant: every value has a name of its own.
//! Not here: the headers themselves (crate `runtime-kafka`).

/// Naming scheme of the headers of a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderStyle {
    /// Fastbreak's own header names, `dlq.…`.
    Native,
    /// The header names of Kafka Connect, `__connect.errors.…`.
    Connect,
}
impl HeaderStyle {
    pub const ALL: [HeaderStyle; 2] = [HeaderStyle::Native, HeaderStyle::Connect];
    pub const fn name(self) -> &'static str {
        match self {
            HeaderStyle::Native => "native",
            HeaderStyle::Connect => "connect",
        }
    }
}
