//! Lines of text on standard error.
//!
//! Invariant: a closed standard error is not an error.
//! Not here: results, which go to standard output (`cli::output`).
use std::io::Write;

/// Writes one line to standard error.
pub fn eprint_line(text: &str) {
    // A failure of standard error cannot be reported elsewhere.
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}
