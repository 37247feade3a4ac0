//! Waiting of commands for the warehouse: a call is repeated while its operation is still running, up to a time limit.
//!
//! Invariant: after the time limit no call is repeated; the error says what is still running.
//! Not here: the sink task, which waits without a time limit (`sinks::task`).
use anyhow::Result;
use sinks::Progress;
use std::time::{Duration, Instant};

/// Time limit of all calls for one operation.
const TIME_LIMIT: Duration = Duration::from_secs(120);

/// An operation of the warehouse was still running at the time limit of a command.
#[derive(Debug, thiserror::Error)]
#[error(
    "the warehouse is not ready: after {} s, {what}\nnext: run the command again; if the operation is still running then, look it up in the job history of the BigQuery project",
    waited.as_secs()
)]
pub struct StillRunning {
    /// What is still running.
    what: String,
    waited: Duration,
}

/// Repeats a call until its operation is done.
///
/// # Errors
/// The failure of the call, or `StillRunning` after the time limit.
pub fn await_done<T, E: Into<anyhow::Error>>(call: impl FnMut() -> Result<Progress<T>, E>) -> Result<T> {
    await_done_within(TIME_LIMIT, call)
}
/// Like [`await_done`], with this time limit.
pub fn await_done_within<T, E: Into<anyhow::Error>>(
    limit: Duration,
    mut call: impl FnMut() -> Result<Progress<T>, E>,
) -> Result<T> {
    let started = Instant::now();
    loop {
        match call().map_err(Into::into)? {
            Progress::Done(result) => return Ok(result),
            Progress::Pending(what) if started.elapsed() >= limit => {
                return Err(StillRunning { what, waited: started.elapsed() }.into());
            }
            Progress::Pending(what) => tracing::info!(reason = what, "waiting for the warehouse"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sinks::WarehouseError;

    fn running() -> Result<Progress<u8>, WarehouseError> {
        Ok(Progress::Pending("query q1 is still running".into()))
    }

    #[test]
    fn a_call_is_repeated_until_its_operation_is_done() {
        let mut calls = 0;
        let result = await_done(|| {
            calls += 1;
            if calls < 4 { running() } else { Ok(Progress::Done(7)) }
        });
        assert_eq!((result.unwrap(), calls), (7, 4));
    }
    #[test]
    fn at_the_time_limit_the_error_says_what_is_still_running_and_what_to_do() {
        let mut calls = 0;
        let result = await_done_within(Duration::ZERO, || {
            calls += 1;
            running()
        });
        let text = result.unwrap_err().to_string();
        assert!(text.contains("query q1 is still running") && text.contains("\nnext: "), "{text}");
        assert_eq!(calls, 1);
    }
    #[test]
    fn a_failure_is_not_repeated() {
        let mut calls = 0;
        let result: Result<()> = await_done(|| {
            calls += 1;
            let (what, next) = ("the table is missing".into(), "create it".into());
            Err(WarehouseError::Config { what, next })
        });
        assert!(matches!(result.unwrap_err().downcast(), Ok(WarehouseError::Config { .. })));
        assert_eq!(calls, 1);
    }
}
