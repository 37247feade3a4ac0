//! Moving a member's positions past the markers of transactions, and past what was aborted.
//!
//! Nobody is handed these, so a position that moves with records alone stays before them. Where they were the last of a partition, the
//! retention takes them as it takes records, and a position before what is left looks like records that were lost.
//! Invariant: a position moves past what was handed out only once that is committed.
//! Not here: the one marker of a commit that ended well, which is no reason to commit again (`storage`).
use super::KafkaMember;
use crate::log::{Commit, RuntimeError, TopicPartition};
use std::collections::BTreeMap;

/// Offsets behind a position that are no news: its own record's marker.
const OWN_CONTROL_RECORD: i64 = 1;

/// What of the client's positions is to be committed, given what is, and where those records end that were handed out.
fn moved(
    consumed_offsets: &[(TopicPartition, i64)],
    committed: &BTreeMap<TopicPartition, i64>,
    delivered_offsets: &BTreeMap<TopicPartition, i64>,
) -> BTreeMap<TopicPartition, i64> {
    let committed_at = |at: &TopicPartition| committed.get(at).copied().unwrap_or(0);
    let is_moved = |(at, next): &&(TopicPartition, i64)| {
        delivered_offsets.get(at).is_none_or(|end| *end <= committed_at(at))
            && *next > committed_at(at) + OWN_CONTROL_RECORD
    };
    consumed_offsets.iter().filter(is_moved).copied().collect()
}

impl KafkaMember {
    /// Commits where the client is, once it has nothing more to hand out.
    pub(super) fn commit_past_control_records(
        &mut self,
        consumed_offsets: &[(TopicPartition, i64)],
    ) -> Result<(), RuntimeError> {
        let next = moved(consumed_offsets, &self.committed, &self.delivered_offsets);
        if next.is_empty() {
            return Ok(());
        }
        tracing::debug!(processor = self.subscription.name, ?next, "passing what holds no records");
        match crate::Log::commit(
            self,
            Commit { group: self.subscription.group.clone(), next, ..Commit::default() },
        ) {
            // What is held is handed out once more, as after any commit.
            Err(RuntimeError::Aborted { reason, .. }) => {
                tracing::debug!(processor = self.subscription.name, reason, "not passed");
                Ok(())
            }
            done => done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_passes_what_is_no_record_and_never_what_is_not_committed() {
        let at = |partition| ("core.games.v1", partition);
        let committed = BTreeMap::from([(at(0), 5), (at(1), 5), (at(2), 5), (at(3), 5)]);
        // Of partition 1 a record was handed out that is in nobody's commit yet.
        let delivered_offsets = BTreeMap::from([(at(0), 5), (at(1), 6), (at(2), 5)]);
        let consumed_offsets = [(at(0), 9), (at(1), 9), (at(2), 6), (at(3), 4), (at(4), 2), (at(5), 1)];
        assert_eq!(
            moved(&consumed_offsets, &committed, &delivered_offsets),
            BTreeMap::from([(at(0), 9), (at(4), 2)]),
            "not 1, not 2's own marker, never back"
        );
    }
}
