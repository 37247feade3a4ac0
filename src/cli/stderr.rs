//! Lines of text on standard error.
//!
//! Invariant: writing to a closed standard error does not fail the command.
//! Not here: results, which go to standard output (`output`).
use super::control_characters::escape;
use std::io::Write;

/// Writes one line to standard error.
pub fn eprint_line(text: &str) {
    // A failed write to standard error cannot be reported anywhere else.
    drop(writeln!(std::io::stderr().lock(), "{}", escape(text)));
}
