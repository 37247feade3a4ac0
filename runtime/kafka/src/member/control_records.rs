//! Moves committed offsets past control records and aborted records.
//!
//! Control records and aborted records are never delivered, so a committed offset that advances only with delivered records would stay
//! below them. If they are at the end of a partition and retention deletes them, the committed offset is below the log start offset. This
//! looks as if unread records had been lost.
//! Invariant: an offset moves past delivered records only once these records are committed.
//! Not here: the one control record that every commit appends. Committed offsets are not moved past it (`restore` handles its deletion).
use topics::{Offset, Offsets, TopicPartition};

/// If the consumer's position is only this far past the committed offset, it is not committed: the consumer has passed only the control
/// record of the last commit.
const OWN_CONTROL_RECORD: Offset = 1;

/// Returns the offsets to commit, given the consumer's position, the committed offsets, and the offsets after the delivered records.
pub fn offsets_past_control_records(
    consumed_offsets: &Offsets,
    committed: &Offsets,
    delivered: &Offsets,
) -> Offsets {
    let is_moved = |(partition, next): &(&TopicPartition, &Offset)| {
        let committed = committed.get(partition).copied().unwrap_or(0);
        delivered.get(partition).is_none_or(|end| *end <= committed)
            && **next > committed + OWN_CONTROL_RECORD
    };
    consumed_offsets.iter().filter(is_moved).map(|(partition, next)| (*partition, *next)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(offsets: &[(i32, Offset)]) -> Offsets {
        let offset =
            |(partition, offset): &(i32, Offset)| (TopicPartition::new("core.games.v1", *partition), *offset);
        offsets.iter().map(offset).collect()
    }

    #[test]
    fn an_offset_moves_past_control_records_and_never_past_uncommitted_records() {
        let committed = offsets(&[(0, 5), (1, 5), (2, 5), (3, 5)]);
        // A record of partition 1 was delivered and is not committed yet.
        let delivered = offsets(&[(0, 5), (1, 6), (2, 5)]);
        let consumed_offsets = offsets(&[(0, 9), (1, 9), (2, 6), (3, 4), (4, 2), (5, 1)]);
        assert_eq!(
            offsets_past_control_records(&consumed_offsets, &committed, &delivered),
            offsets(&[(0, 9), (4, 2)]),
            "partition 1 has an uncommitted record, partition 2 only the control record of its last commit; no offset moves back"
        );
    }
}
