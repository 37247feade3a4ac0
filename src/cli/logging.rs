//! Log messages on standard error, as text or as JSON.
//!
//! Invariant: control characters in a message are shown escaped.
//! Not here: the filter of log messages (`config`), other text on standard error (`stderr`).
use super::control_characters::{escape, escape_json};
use crate::config::{self, ConfigError, LOG_VARIABLE};
use clap::ValueEnum;
use std::{
    borrow::Cow,
    io::{self, Write},
};

/// Format of log messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    /// One JSON object per line.
    Json,
}

/// Writes log messages to standard error from now on.
///
/// # Errors
/// If the variable with the filter is not valid.
pub fn start(format: LogFormat) -> Result<(), ConfigError> {
    let filter = config::log_filter(std::env::var_os(LOG_VARIABLE).as_deref())?;
    // `tracing` must not report a failed log write: if standard error is closed, writing that report panics.
    let log = tracing_subscriber::fmt().with_env_filter(filter).log_internal_errors(false).with_target(false);
    match format {
        LogFormat::Text => log.with_writer(|| EscapedStderr(escape)).init(),
        LogFormat::Json => log.json().flatten_event(true).with_writer(|| EscapedStderr(escape_json)).init(),
    }
    Ok(())
}

/// Standard error, with control characters replaced by this function.
struct EscapedStderr(fn(&str) -> Cow<'_, str>);
impl Write for EscapedStderr {
    /// `tracing` writes each message with one call.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        io::stderr().lock().write_all((self.0)(&text).as_bytes())?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
