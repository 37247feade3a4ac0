//! `Progress`: result of a call that did not fail: its operation is done, or it is still running.
//!
//! Invariant: an operation that is still running is never an error: nothing failed, and the next call with equal arguments continues the
//! operation.
//! Not here: failures (`warehouse::WarehouseError`); repeating a call (`task::retrying_warehouse`).

/// Progress of an operation that may take longer than one call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "the operation may still be running"]
pub enum Progress<T> {
    /// The operation is done. Contains its result.
    Done(T),
    /// The operation is still running. Contains a description of what is still running, for logs and messages.
    Pending(String),
}
impl<T> Progress<T> {
    /// Returns the result, if the operation is done.
    pub fn done(self) -> Option<T> {
        match self {
            Progress::Done(result) => Some(result),
            Progress::Pending(_) => None,
        }
    }
}
