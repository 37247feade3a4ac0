//! Errors of the runtime: why a processor stops, and why a commit did not happen.
//!
//! Invariant: a [`RuntimeError`] ends the process or the command, and its message says what to do next; the program recovers only from
//! [`CommitError::Aborted`], by reprocessing from the committed offsets.
//! Not here: the defect of a single record, which becomes a dead letter; errors of a warehouse (crate `sinks`).
use crate::record_batch::CorruptBatch;

/// Why a processor must stop. A restart resumes from the last commit.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    #[error("{processor} cannot read topic {topic}/{partition} at offset {offset}: {reason}")]
    Undecodable { processor: String, topic: String, partition: i32, offset: i64, reason: String },
    #[error("{processor} cannot encode a record for {topic}: {reason}")]
    Unencodable { processor: String, topic: String, reason: String },
    #[error(transparent)]
    CorruptBatch(#[from] CorruptBatch),
    #[error("the log {path}: {reason}\nnext: {next}")]
    Storage { path: String, reason: String, next: String },
    /// A command that reads a log, or adds to it, found none.
    #[error("there is no log at {path}\nnext: {next}")]
    Missing { path: String, next: String },
    /// Another process holds the run lock of an embedded log.
    #[error("the log {path}: {holder} runs processors on it\nnext: {next}")]
    Locked { path: String, holder: String, next: String },
    #[error("{processor} was fenced: {reason}\nnext: {next}")]
    Fenced { processor: String, reason: String, next: String },
    #[error("the brokers {brokers} are not reachable: {reason}\nnext: {next}")]
    Unreachable { brokers: String, reason: String, next: String },
    #[error("{what} is refused: {reason}\nnext: {next}")]
    Precondition { what: String, reason: String, next: String },
    /// A setting of the Kafka client or of the warehouse that does not exist or has a wrong value.
    #[error("{setting} is not valid: {reason}\nnext: {next}")]
    InvalidSetting { setting: String, reason: String, next: String },
    /// The commit of a command was aborted or unconfirmed, and is not retried any more.
    #[error(
        "the commit of {writer} is unconfirmed: {reason}\nnext: run the same command again; it repeats nothing that is durable"
    )]
    Unconfirmed { writer: String, reason: String },
    #[error(
        "{processor} stops at {at}: {limit}; defect of the last unusable record: {sample}\n\
         nothing of this micro-batch is committed, so nothing is lost\n\
         next: if the loader or the settings have a defect, mend it and start again; otherwise \
         `fastbreak run --accept-dead-letters {processor}` makes dead letters of all unusable records that are in the log when it starts \
         (the limits are dead-letter-max-consecutive and dead-letter-max-ratio)"
    )]
    DlqLimitExceeded { processor: String, at: String, limit: String, sample: String },
    #[error("the sink: {0}")]
    Warehouse(String),
}

/// Why a commit did not return success.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The transaction was aborted, or the brokers did not answer. Without an answer, the commit is either completely durable or not at
    /// all. Which of the two is known only after the next `init_transactions`.
    #[error("the commit was aborted: {reason}")]
    Aborted { reason: String },
    #[error(transparent)]
    Fatal(#[from] RuntimeError),
}

impl CommitError {
    /// Creates the error of an aborted commit, with this reason.
    pub fn aborted(reason: impl Into<String>) -> Self {
        CommitError::Aborted { reason: reason.into() }
    }
    /// Converts the error for a writer that does not retry an aborted commit.
    pub fn without_retry(self, writer: &str) -> RuntimeError {
        match self {
            CommitError::Aborted { reason } => {
                RuntimeError::Unconfirmed { writer: writer.to_owned(), reason }
            }
            CommitError::Fatal(error) => error,
        }
    }
}
