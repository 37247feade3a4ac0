//! The exit codes of commands that complete and of commands that fail with an error.
//!
//! Exit codes: 0 success; 1 error, or the result is not balanced; 2 usage error or wrong configuration; 3 differences found, or a status
//! of `lag --fail-on`; 4 precondition failed, not authorized, fenced or DLQ limit exceeded; 5 a server is unreachable.
//! Invariant: the same error has the same exit code in every command.
//! Not here: the texts of errors (`error_chain`).
use crate::{
    app::LearnedModelError, await_done::StillRunning, config::ConfigError, topology::UnknownProcessor,
    usage_error::UsageError,
};
use runtime::RuntimeError;
use schema_registry::{IncompatibleSchemas, RegistryError};
use sinks::{SinkError, WarehouseError};
use std::{io::ErrorKind, process::ExitCode};

/// Outcome of a command that completed without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandOutcome {
    Done,
    /// The command completed, but its result has a problem: counts do not balance, lines were rejected, data is missing or a check failed.
    Unbalanced,
    /// A configuration value is not valid.
    Misconfigured,
    /// The command found differences, for example between the actual and the desired topics, or a status that `lag --fail-on` names.
    Differs,
    /// A precondition is not met; nothing was changed.
    Refused,
    Unreachable,
}
impl CommandOutcome {
    /// Returns the outcome with this exit code.
    pub const fn from_exit_code(exit_code: u8) -> CommandOutcome {
        match exit_code {
            0 => CommandOutcome::Done,
            2 => CommandOutcome::Misconfigured,
            3 => CommandOutcome::Differs,
            4 => CommandOutcome::Refused,
            5 => CommandOutcome::Unreachable,
            _ => CommandOutcome::Unbalanced,
        }
    }
}
impl From<CommandOutcome> for ExitCode {
    fn from(outcome: CommandOutcome) -> ExitCode {
        ExitCode::from(match outcome {
            CommandOutcome::Done => 0,
            CommandOutcome::Unbalanced => 1,
            CommandOutcome::Misconfigured => 2,
            CommandOutcome::Differs => 3,
            CommandOutcome::Refused => 4,
            CommandOutcome::Unreachable => 5,
        })
    }
}

/// Returns the exit code of a command that fails with this error.
pub fn error_exit_code(error: &anyhow::Error) -> u8 {
    if let Some(error) = error.downcast_ref::<RegistryError>() {
        return error.exit_code();
    }
    if let Some(error) = error.downcast_ref::<WarehouseError>() {
        return warehouse_exit_code(error);
    }
    match error.downcast_ref::<SinkError>() {
        Some(SinkError::Warehouse(error)) => return warehouse_exit_code(error),
        Some(SinkError::Runtime(error)) => return runtime_exit_code(error),
        _ => {}
    }
    if error.is::<ConfigError>()
        || error.is::<LearnedModelError>()
        || error.is::<UnknownProcessor>()
        || error.is::<UsageError>()
    {
        return 2;
    }
    if error.is::<IncompatibleSchemas>() {
        return 4;
    }
    if error.is::<StillRunning>() {
        return 5;
    }
    error.downcast_ref::<RuntimeError>().map_or(1, runtime_exit_code)
}

fn warehouse_exit_code(error: &WarehouseError) -> u8 {
    match error {
        WarehouseError::Setting { .. } => 2,
        WarehouseError::Config { .. } => 4,
        WarehouseError::Retry { .. } => 5,
        _ => 1,
    }
}

fn runtime_exit_code(error: &RuntimeError) -> u8 {
    match error {
        RuntimeError::InvalidSetting { .. } => 2,
        RuntimeError::Missing { .. }
        | RuntimeError::Locked { .. }
        | RuntimeError::Fenced { .. }
        | RuntimeError::Precondition { .. }
        | RuntimeError::DlqLimitExceeded { .. } => 4,
        RuntimeError::Unreachable { .. } => 5,
        _ => 1,
    }
}

/// True if the error was caused by a reader such as `head` that closed standard output. The command then ends without an error.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io_error = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    let json_error = || error.downcast_ref::<serde_json::Error>()?.io_error_kind();
    io_error.or_else(json_error) == Some(ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::await_done::await_done_within;
    use sinks::Progress;
    use std::time::Duration;

    #[test]
    fn an_operation_that_is_still_running_at_the_time_limit_has_the_exit_code_of_a_warehouse_that_is_not_ready()
     {
        let after = Duration::from_secs(5);
        let not_ready = WarehouseError::Retry { what: "throttled".into(), after, alert: false };
        let still_running = await_done_within(Duration::ZERO, || {
            Ok::<Progress<()>, WarehouseError>(Progress::Pending("query q1 is still running".into()))
        });
        assert_eq!(error_exit_code(&still_running.unwrap_err()), error_exit_code(&not_ready.into()));
    }
}
