//! `CallEnd`: early end of a call to the warehouse, for the operator `?`.
//!
//! Invariant: `Pending` is not a failure: no counter, alert or backoff counts it. `into_progress` separates it from the errors before a call
//! returns to the caller of the warehouse.
//! Not here: reasons why a job did not succeed that do not end the call (`job::Stop`).
use crate::{progress::Progress, warehouse::WarehouseError};

/// Reason why a call ends without its result.
#[derive(Debug)]
pub enum CallEnd<E = WarehouseError> {
    /// A job, query or search is still running after the time limit of one call. Contains a description of it.
    Pending(String),
    /// The call failed.
    Error(E),
}
impl<E> From<E> for CallEnd<E> {
    fn from(error: E) -> CallEnd<E> {
        CallEnd::Error(error)
    }
}
impl<E> CallEnd<E> {
    /// Converts the error, if the call failed.
    pub fn map_error<F>(self, convert: impl FnOnce(E) -> F) -> CallEnd<F> {
        match self {
            CallEnd::Pending(what) => CallEnd::Pending(what),
            CallEnd::Error(error) => CallEnd::Error(convert(error)),
        }
    }
}

/// Converts the result of a call for the caller of the warehouse.
pub fn into_progress<T, E>(result: Result<T, CallEnd<E>>) -> Result<Progress<T>, E> {
    match result {
        Ok(result) => Ok(Progress::Done(result)),
        Err(CallEnd::Pending(what)) => Ok(Progress::Pending(what)),
        Err(CallEnd::Error(error)) => Err(error),
    }
}
