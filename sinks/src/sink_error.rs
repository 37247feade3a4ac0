//! Errors of the sink task. The variant of an error determines how the task reacts.
//!
//! Invariant: an aborted commit and a stop are variants of their own, so the task decides by the variant, never by the text.
//! Not here: the errors of a warehouse, which are classified by who must act (`warehouse`).
use crate::{record::TopicPartitionOffset, warehouse::WarehouseError};
use runtime::{CommitError, RuntimeError, record_batch::CorruptBatch};
use schemas::wire::WireError;

/// Why the sink task did not complete an operation.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// A commit was aborted: the log delivers the records again from the committed offsets.
    #[error("the commit was aborted: {reason}")]
    CommitAborted { reason: String },
    /// The process stopped while the sink waited for the warehouse. Contains the reason for the wait. A batch that was to be written is
    /// planned in the log, so the next start writes it.
    #[error("{0}")]
    Stopped(String),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error(transparent)]
    Warehouse(#[from] WarehouseError),
    /// A record or a batch plan in the log cannot be used.
    #[error("{what}: {reason}")]
    Undecodable { what: String, reason: String },
}

impl SinkError {
    /// Creates the error for a record that cannot be used.
    pub fn of_record(coordinates: TopicPartitionOffset, reason: impl ToString) -> SinkError {
        SinkError::Undecodable { what: format!("the record {coordinates}"), reason: reason.to_string() }
    }
    /// Converts the error for the supervisor. What an operator must resolve becomes `InvalidSetting` or `Precondition`. `warehouse` is the path
    /// or the dataset of the warehouse.
    pub fn into_runtime_error(self, warehouse: &str) -> RuntimeError {
        match self {
            SinkError::Runtime(error) => error,
            SinkError::Warehouse(WarehouseError::Setting { setting, reason, next }) => {
                RuntimeError::InvalidSetting { setting, reason, next }
            }
            SinkError::Warehouse(WarehouseError::Config { what, next }) => {
                RuntimeError::Precondition { what: "the sink".into(), reason: what, next }
            }
            SinkError::Warehouse(error) => RuntimeError::Warehouse(format!("{warehouse}: {error}")),
            error => RuntimeError::Warehouse(error.to_string()),
        }
    }
}
impl From<CommitError> for SinkError {
    fn from(error: CommitError) -> SinkError {
        match error {
            CommitError::Aborted { reason } => SinkError::CommitAborted { reason },
            CommitError::Fatal(error) => SinkError::Runtime(error),
        }
    }
}
impl From<CorruptBatch> for SinkError {
    fn from(error: CorruptBatch) -> SinkError {
        SinkError::Runtime(error.into())
    }
}
impl From<WireError> for SinkError {
    fn from(error: WireError) -> SinkError {
        SinkError::Undecodable {
            what: "an event that the sink reads or writes".into(),
            reason: error.to_string(),
        }
    }
}
