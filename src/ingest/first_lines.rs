//! Decides by the first lines of a file whether it has events at all, so that a binary file does not become thousands of dead letters.
//!
//! A line that is a JSON object shows that the file has events, even if this line is none: an unknown feed or a field that is missing is a
//! defect of one line, not of the file.
//! Invariant: once a file is decided to have events, none of its later lines refuses it.
//! Not here: forms that the first bytes show (`file_form`), parsing of a line (`ingest`).
use schemas::raw::{MAX_EVENT_BYTES, RejectCode};

/// A file with this many lines that are not JSON, before the first JSON object, is refused.
const MAX_LINES: u64 = 100;

/// Error: the first lines of a file are no JSON objects.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("none of its first {lines} lines is a JSON object ({first_reason})")]
pub struct NoEvents {
    lines: u64,
    /// The reason why the first of them is not used.
    first_reason: String,
}

/// What the first lines of a file have shown so far.
#[derive(Debug, Default)]
pub struct FirstLines {
    has_events: bool,
    lines: u64,
    not_json: u64,
    bytes: usize,
    first_reason: String,
}
impl FirstLines {
    /// True if the lines are those of a file with events. Until then, nothing of the file may be stored.
    pub const fn have_shown_events(&self) -> bool {
        self.has_events
    }
    /// Decides that the file has events: a line is one, or the file has ended.
    pub const fn accept(&mut self) {
        self.has_events = true;
    }
    /// Counts a line that is no event.
    ///
    /// # Errors
    /// [`NoEvents`] if the file is refused: at the limit of lines, or if these lines take too much memory.
    pub fn reject(&mut self, line: &[u8], code: RejectCode, reason: &str) -> Result<(), NoEvents> {
        if code != RejectCode::NotJson && line.trim_ascii_start().starts_with(b"{") {
            self.accept();
        }
        if self.has_events {
            return Ok(());
        }
        if self.lines == 0 {
            self.first_reason = reason.to_owned();
        }
        self.lines += 1;
        self.not_json += u64::from(code == RejectCode::NotJson);
        self.bytes += line.len();
        if self.not_json >= MAX_LINES || self.bytes > MAX_EVENT_BYTES {
            return Err(NoEvents { lines: self.lines, first_reason: self.first_reason.clone() });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_file_is_refused_at_its_hundredth_line_that_is_not_json_unless_a_json_object_comes_before(
            lines in prop::collection::vec(prop::sample::select(&["x", "7", "x", "x", "{}"][..]), 0..400),
            objects_from in 0_usize..400,
        ) {
            let mut first_lines = FirstLines::default();
            let is_object = |(n, line): (usize, &&str)| *line == "{}" && n >= objects_from;
            let object = lines.iter().enumerate().position(is_object).unwrap_or(lines.len());
            let not_json: Vec<usize> = (0..lines.len()).filter(|n| lines[*n] == "x").collect();
            let refused = not_json.get(99).copied().filter(|n| *n < object);
            for (n, line) in lines.iter().enumerate() {
                let code = if *line == "x" { RejectCode::NotJson } else { RejectCode::BadEnvelope };
                // Before the first object, a number stands for an object.
                let line = if *line == "{}" && n < objects_from { "8" } else { *line };
                let outcome = first_lines.reject(line.as_bytes(), code, "r");
                prop_assert_eq!(outcome.is_err(), refused == Some(n));
                prop_assert_eq!(first_lines.have_shown_events(), n >= object);
                if outcome.is_err() {
                    break;
                }
            }
        }
    }
    #[test]
    fn long_lines_refuse_a_file_before_they_take_much_memory() {
        let mut first_lines = FirstLines::default();
        let line = vec![0; MAX_EVENT_BYTES / 3];
        let mut outcomes = (0..4).map(|_| first_lines.reject(&line, RejectCode::NotJson, "not UTF-8"));
        assert!(outcomes.by_ref().take(3).all(|outcome| outcome.is_ok()));
        assert_eq!(
            outcomes.next().unwrap().unwrap_err().to_string(),
            "none of its first 4 lines is a JSON object (not UTF-8)"
        );
    }
}
