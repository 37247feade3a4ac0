//! The owner of a partition: the process to which it is assigned.
//!
//! Invariant: it is what the log states about the process at the time of the sample.
//! Not here: how a log determines it (`runtime-embedded`, `runtime-kafka`).
use serde::Serialize;
use std::fmt;

/// The process to which a partition of a processor is assigned.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub enum Owner {
    /// A member of a consumer group on Kafka: its member id, its client id and the host that it connects from.
    Member { member: String, client: String, host: String },
    /// The process that holds the run lock of an embedded log: its process id, and since when it runs.
    Process { process: u32, since: String },
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Owner::Member { client, host, .. } => write!(f, "{client} on {host}"),
            Owner::Process { process, since } => write!(f, "process {process} since {since}"),
        }
    }
}
