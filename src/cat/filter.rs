//! Which records of a topic are shown.
//!
//! Invariant: a record without a timestamp is of no time, so no instant hides it.
//! Not here: the partitions that are read (`topic`).
use super::topic::ShownTopic;
use crate::usage_error::UsageError;
use runtime::StoredRecord;
use schemas::Timestamp;

/// Which records are shown.
#[derive(Clone, Debug, Default)]
pub struct RecordFilter {
    /// The key, or its first parts up to a `/`; within a changelog key, also one of the parts between `|`.
    pub key: Option<String>,
    pub partition: Option<i32>,
    /// Records from this instant on.
    pub from: Option<Timestamp>,
    /// Records before this instant.
    pub to: Option<Timestamp>,
    pub limit: Option<u64>,
}

impl RecordFilter {
    /// Checks that the two instants do not contradict each other.
    ///
    /// # Errors
    /// [`UsageError`] if no record can be between them.
    pub(super) fn check(&self) -> Result<(), UsageError> {
        match (self.from, self.to) {
            (Some(from), Some(to)) if from >= to => Err(UsageError::new(
                format!("no record is from {from} on and before {to}"),
                "give --to a later time than --from",
            )),
            _ => Ok(()),
        }
    }
    /// True if every record of the partitions matches.
    pub(super) fn shows_all(&self) -> bool {
        self.key.is_none() && self.from.is_none() && self.to.is_none()
    }
    pub(super) fn matches(&self, topic: &ShownTopic, record: &StoredRecord) -> bool {
        let is_key = self.key.as_ref().is_none_or(|key| topic.has_key(&record.key, key));
        let time = record.timestamp;
        let is_from = self.from.is_none_or(|from| time.is_none_or(|time| time >= from));
        is_key && is_from && self.to.is_none_or(|to| time.is_none_or(|time| time < to))
    }
}
