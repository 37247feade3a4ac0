//! A batch that is too large for the warehouse, as two that are smaller.
//!
//! Each half is a batch like any other, with a plan and an id of its own. The first holds what comes first of every partition, so that
//! positions only go forward while the halves are written one after the other.
//! Invariant: the halves hold what the whole holds, each record once, and no range of one meets a range of the other.
//! Not here: when a batch is too large (a warehouse says so), reading its records again (the sink's loop).
use crate::{
    record::Record,
    window::{Batch, CloseReason},
};

/// The halves of a batch of which these are all records, folded ones too, in the order in which they are to be written. One record, or
/// none, makes one half, or none.
pub fn split(mut records: Vec<Record>) -> impl DoubleEndedIterator<Item = Batch> {
    records.sort_unstable_by_key(|record| record.at);
    let second = records.split_off(records.len() / 2);
    let batch = |half| Batch::from_records(half).map(|batch| Batch { reason: CloseReason::Split, ..batch });
    [records, second].into_iter().filter_map(batch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RecordChange, SinkTopic, TopicPartitionOffset, window::Ranges};
    use proptest::prelude::*;
    use schemas::{GameId, PlayerGameId, PlayerId};
    use std::collections::BTreeMap;

    /// Records of three partitions of two inputs, with gaps between their offsets, in any order.
    fn records() -> impl Strategy<Value = Vec<Record>> {
        let read = prop::collection::vec((0..2usize, 0..3i32, 0..4u32, 1..3i64), 0..80);
        let placed = read.prop_map(|read| {
            let mut ends = BTreeMap::<(SinkTopic, i32), i64>::new();
            let place = |(input, partition, player, gap): (usize, i32, u32, i64)| {
                let input = [SinkTopic::Features, SinkTopic::PlayerGames][input];
                let offset = ends.entry((input, partition)).or_default();
                *offset += gap;
                // A key lives in one partition.
                let id = PlayerGameId {
                    player: PlayerId(player * 3 + partition as u32),
                    game: GameId(22_300_061),
                };
                let change = match input {
                    SinkTopic::Features => RecordChange::Features(id, None),
                    _ => RecordChange::PlayerGame(id, None),
                };
                Record { at: TopicPartitionOffset { input, partition, offset: *offset }, change }
            };
            read.into_iter().map(place).collect::<Vec<_>>()
        });
        placed.prop_shuffle()
    }
    fn holds(ranges: &Ranges, at: TopicPartitionOffset) -> bool {
        ranges.get(&(at.input, at.partition)).is_some_and(|range| range.contains(at.offset))
    }
    fn newest<'a>(batches: impl Iterator<Item = &'a Batch>) -> BTreeMap<(SinkTopic, PlayerGameId), i64> {
        let records = batches.flat_map(|batch| &batch.records);
        records.map(|record| ((record.at.input, record.change.id()), record.at.offset)).collect()
    }

    proptest! {
        #[test]
        fn the_halves_of_a_batch_are_the_whole_and_share_nothing(records in records()) {
            let whole = Batch::from_records(records.clone());
            let halves: Vec<Batch> = split(records.clone()).collect();
            let read: Vec<usize> = halves.iter().map(Batch::read).collect();
            prop_assert_eq!(read.iter().sum::<usize>(), records.len());
            prop_assert_eq!(halves.len(), records.len().min(2));
            prop_assert!(read.windows(2).all(|pair| pair[1] - pair[0] < 2), "{:?}", read);
            prop_assert_eq!(newest(halves.iter()), newest(whole.iter()));
            for Record { at, .. } in &records {
                let holding = halves.iter().filter(|half| holds(&half.ranges, *at)).count();
                prop_assert_eq!(holding, 1, "{}", at);
            }
            for half in &halves {
                prop_assert_eq!(half.reason, CloseReason::Split);
                let of_whole = &whole.as_ref().unwrap().ranges;
                for (at, range) in &half.ranges {
                    prop_assert!(of_whole[at].first <= range.first && range.end <= of_whole[at].end);
                }
            }
            if let [first, second] = &halves[..] {
                for (at, range) in &second.ranges {
                    prop_assert!(first.ranges.get(at).is_none_or(|before| before.end <= range.first));
                }
            }
        }
    }
}
