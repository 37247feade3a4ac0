//! The consumer groups that store the committed offsets of redrives.
//!
//! Invariant: every dead letter belongs to exactly one group.
//! Not here: the dead letters of a group (`pending`), redriving them (`append`).
use schemas::raw::{DeadLetter, RejectCode};

/// A dead letter that was redriven this many times is redriven again only with `--force`.
pub const MAX_REDRIVES: i32 = 3;
/// Prefix of the consumer groups that store the committed offsets of redrives.
pub const REDRIVE_GROUP_PREFIX: &str = "dlq-redrive";

/// Identifies the dead letters that share committed offsets: all have the same reject code, and either all or none were redriven
/// [`MAX_REDRIVES`] times.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RedriveGroup {
    pub code: RejectCode,
    pub is_forced: bool,
}

impl RedriveGroup {
    pub fn for_dead_letter(dead_letter: &DeadLetter) -> RedriveGroup {
        RedriveGroup { code: dead_letter.code, is_forced: dead_letter.redrive_count >= MAX_REDRIVES }
    }
    pub fn group_id(self) -> String {
        format!("{REDRIVE_GROUP_PREFIX}.{}{}", self.code, if self.is_forced { ".forced" } else { "" })
    }
}
