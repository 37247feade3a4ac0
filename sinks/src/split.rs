//! Splits a batch that is too large for the warehouse into two halves.
//!
//! Each half is an ordinary batch with its own plan and id. If a partition is in both halves, the first half has its lower offsets, so
//! committed offsets only increase while the halves are written one after the other.
//!
//! Invariant: every record of the batch is in exactly one half, and no range of one half overlaps a range of the other.
//! Not here: detecting that a batch is too large (`warehouse`), reading its records again (the sink task).
use crate::{
    record::Record,
    window::{Batch, CloseReason},
};

/// Splits the records of a batch into two halves, in the order in which they must be written. `records` must include superseded records.
/// If there is only one record, returns one batch; if there is no record, returns no batch.
pub fn split(mut records: Vec<Record>) -> impl DoubleEndedIterator<Item = Batch> {
    records.sort_unstable_by_key(|record| record.coordinates);
    let second = records.split_off(records.len() / 2);
    let batch = |half| Batch::from_records(half).map(|batch| Batch { reason: CloseReason::Split, ..batch });
    [records, second].into_iter().filter_map(batch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RecordChange, RowKey, SinkTopic, TopicPartitionOffset, window::Ranges};
    use proptest::prelude::*;
    use schemas::{EasternDate, GameId, PlayerGameDateId, PlayerId, PlayerMatchupGameId, Team};
    use std::collections::BTreeMap;

    /// Records of two inputs with three partitions each, with offset gaps, in any order.
    fn records() -> impl Strategy<Value = Vec<Record>> {
        let read = prop::collection::vec((0..2usize, 0..3i32, 0..4u32, 1..3i64), 0..80);
        let records = read.prop_map(|read| {
            let mut ends = BTreeMap::<(SinkTopic, i32), i64>::new();
            let record = |(input, partition, player, gap): (usize, i32, u32, i64)| {
                let input = [SinkTopic::Features, SinkTopic::PlayerGames][input];
                let offset = ends.entry((input, partition)).or_default();
                *offset += gap;
                // All records of a key are in one partition.
                let (player, game) = (PlayerId(player * 3 + partition as u32), GameId(22_300_061));
                let date = EasternDate(19_700);
                let matchup = schemas::Matchup::new(Team::BOS, Team::NYK).unwrap();
                let change = match input {
                    SinkTopic::Features => {
                        RecordChange::Features(PlayerGameDateId { player, game, date }, None)
                    }
                    _ => RecordChange::PlayerGame(PlayerMatchupGameId { player, game, matchup }, None),
                };
                Record { coordinates: TopicPartitionOffset { input, partition, offset: *offset }, change }
            };
            read.into_iter().map(record).collect::<Vec<_>>()
        });
        records.prop_shuffle()
    }
    fn contains(ranges: &Ranges, coordinates: TopicPartitionOffset) -> bool {
        ranges
            .get(&(coordinates.input, coordinates.partition))
            .is_some_and(|range| range.contains(coordinates.offset))
    }
    fn newest<'a>(batches: impl Iterator<Item = &'a Batch>) -> BTreeMap<(SinkTopic, RowKey), i64> {
        let records = batches.flat_map(|batch| &batch.records);
        records
            .map(|record| ((record.coordinates.input, record.change.key()), record.coordinates.offset))
            .collect()
    }

    proptest! {
        #[test]
        fn every_record_is_in_one_half_and_the_ranges_do_not_overlap(records in records()) {
            let whole = Batch::from_records(records.clone());
            let halves: Vec<Batch> = split(records.clone()).collect();
            let read: Vec<usize> = halves.iter().map(Batch::read).collect();
            prop_assert_eq!(read.iter().sum::<usize>(), records.len());
            prop_assert_eq!(halves.len(), records.len().min(2));
            prop_assert!(read.windows(2).all(|pair| pair[1] - pair[0] < 2), "{:?}", read);
            prop_assert_eq!(newest(halves.iter()), newest(whole.iter()));
            for Record { coordinates, .. } in &records {
                let containing = halves.iter().filter(|half| contains(&half.ranges, *coordinates)).count();
                prop_assert_eq!(containing, 1, "{}", coordinates);
            }
            for half in &halves {
                prop_assert_eq!(half.reason, CloseReason::Split);
                let ranges = &whole.as_ref().unwrap().ranges;
                for (key, range) in &half.ranges {
                    prop_assert!(ranges[key].first <= range.first && range.end <= ranges[key].end);
                }
            }
            if let [first, second] = &halves[..] {
                for (key, range) in &second.ranges {
                    prop_assert!(first.ranges.get(key).is_none_or(|before| before.end <= range.first));
                }
            }
        }
    }
}
