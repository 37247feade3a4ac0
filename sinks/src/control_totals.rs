//! Control totals per game: the number of live (not deleted) rows and the sum of their offsets. They show whether a warehouse matches its
//! log, without a comparison of rows.
//!
//! A row carries the offset of the newest record of its key. A warehouse that lacks a record or has a row too many therefore differs from
//! the log in the number of live rows of a game or in the sum of their offsets.
//!
//! Invariant: a game is in flight, never a mismatch, if the newest record of one of its keys is not yet read, not yet written, or rejected.
//! Not here: reading the log, and reacting to a mismatch (the reconciler).
use crate::record::{RowKey, SinkTopic, TopicPartitionOffset};
use rustc_hash::FxHashMap;
use schemas::GameId;
use std::collections::{BTreeMap, BTreeSet};

/// Control totals of one input topic and game.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ControlTotals {
    /// Number of keys with a live row; all predictions of a record count as one row.
    pub rows: u64,
    /// Sum of the offsets of the newest records of these keys.
    pub offsets: i64,
}

/// Control totals by input topic and game; a game without live rows has no entry.
pub type ControlTotalsByGame = BTreeMap<(SinkTopic, GameId), ControlTotals>;

/// The newest record of each key of one input topic, collected while the log is read.
pub struct LatestByKey {
    input: SinkTopic,
    /// For each key, the offset of its newest record, and true if this record gives a live row. `None` if the warehouse may lack the
    /// record.
    records: FxHashMap<RowKey, (i64, Option<bool>)>,
}
impl LatestByKey {
    pub fn new(input: SinkTopic) -> LatestByKey {
        LatestByKey { input, records: FxHashMap::default() }
    }
    /// Adds the next record of a partition, in the order of the log. `is_live` is true if the record gives a live row, and `None` if the
    /// warehouse may lack the record.
    pub fn push(&mut self, key: RowKey, offset: i64, is_live: Option<bool>) {
        self.records.insert(key, (offset, is_live));
    }
    fn add(&self, log: &mut ControlTotalsByGame, in_flight: &mut BTreeSet<(SinkTopic, GameId)>) {
        for (key, (offset, is_live)) in &self.records {
            let game = (self.input, key.game);
            match is_live {
                Some(true) => {
                    let totals = log.entry(game).or_default();
                    totals.rows += 1;
                    totals.offsets += offset;
                }
                Some(false) => {}
                None => {
                    in_flight.insert(game);
                }
            }
        }
    }
}

/// A game whose control totals in the log and in the warehouse differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TotalsMismatch {
    pub input: SinkTopic,
    pub game: GameId,
    pub log: ControlTotals,
    pub warehouse: ControlTotals,
}

/// Result of comparing the control totals of a warehouse with those of its log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Number of games compared, counted per input topic.
    pub games: usize,
    /// Number of games with records that the sink has not read yet or has rejected, counted per input topic.
    pub in_flight: usize,
    pub mismatches: Vec<TotalsMismatch>,
}
impl Comparison {
    /// Compares the newest records of the log with the control totals of a warehouse, which must have been read before the log.
    pub fn new(newest: &[LatestByKey], warehouse: &ControlTotalsByGame) -> Comparison {
        let (mut log, mut in_flight) = (ControlTotalsByGame::new(), BTreeSet::new());
        for latest in newest {
            latest.add(&mut log, &mut in_flight);
        }
        let games: BTreeSet<_> = log.keys().chain(warehouse.keys()).copied().collect();
        let mut comparison = Comparison { in_flight: in_flight.len(), ..Comparison::default() };
        for game in games.difference(&in_flight) {
            comparison.games += 1;
            let totals = |side: &ControlTotalsByGame| side.get(game).copied().unwrap_or_default();
            let mismatch = TotalsMismatch {
                input: game.0,
                game: game.1,
                log: totals(&log),
                warehouse: totals(warehouse),
            };
            if mismatch.log != mismatch.warehouse {
                comparison.mismatches.push(mismatch);
            }
        }
        comparison
    }
}

/// True if the warehouse may lack the record: its offset is equal to or higher than the committed offset `next`, or it was rejected.
pub fn is_in_flight(
    coordinates: TopicPartitionOffset,
    next: i64,
    rejected: &BTreeSet<TopicPartitionOffset>,
) -> bool {
    coordinates.offset >= next || rejected.contains(&coordinates)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::KeyPart;
    use schemas::{EasternDate, PlayerId};

    fn key(player: u32, game: u32) -> RowKey {
        let part = KeyPart::Date(EasternDate(19_000));
        RowKey { player: PlayerId(player), game: GameId(22_300_000 + game), part }
    }
    fn log(records: &[(u32, u32, i64, Option<bool>)]) -> [LatestByKey; 1] {
        let mut newest = LatestByKey::new(SinkTopic::Features);
        for (player, game, offset, is_live) in records {
            newest.push(key(*player, *game), *offset, *is_live);
        }
        [newest]
    }
    fn warehouse(games: &[(u32, u64, i64)]) -> ControlTotalsByGame {
        let totals = |(game, rows, offsets): &(u32, u64, i64)| {
            ((SinkTopic::Features, key(0, *game).game), ControlTotals { rows: *rows, offsets: *offsets })
        };
        games.iter().map(totals).collect()
    }
    fn wrong(comparison: &Comparison) -> Vec<u32> {
        comparison.mismatches.iter().map(|mismatch| mismatch.game.0 - 22_300_000).collect()
    }

    #[test]
    fn the_newest_record_of_each_key_counts() {
        let log = log(&[(1, 1, 3, Some(true)), (2, 1, 4, Some(true)), (1, 1, 9, Some(true))]);
        assert_eq!(
            Comparison::new(&log, &warehouse(&[(1, 2, 13)])),
            Comparison { games: 1, ..Comparison::default() }
        );
        assert_eq!(
            wrong(&Comparison::new(&log, &warehouse(&[(1, 2, 7)]))),
            [1],
            "the warehouse has an older record"
        );
        assert_eq!(wrong(&Comparison::new(&log, &warehouse(&[(1, 1, 13)]))), [1]);
        assert_eq!(
            wrong(&Comparison::new(&log, &warehouse(&[]))),
            [1],
            "the warehouse has no row of the game"
        );
    }
    #[test]
    fn a_row_without_a_record_in_the_log_is_a_mismatch() {
        let log = log(&[(1, 1, 3, Some(true)), (1, 1, 4, Some(false))]);
        assert_eq!(wrong(&Comparison::new(&log, &warehouse(&[]))), [0u32; 0]);
        assert_eq!(wrong(&Comparison::new(&log, &warehouse(&[(1, 1, 3), (2, 1, 1)]))), [1, 2]);
    }
    #[test]
    fn a_game_with_a_record_in_flight_is_not_compared() {
        let log = log(&[(1, 1, 3, Some(true)), (2, 1, 8, None), (1, 2, 4, Some(true))]);
        let comparison = Comparison::new(&log, &warehouse(&[(1, 5, 5), (2, 1, 5)]));
        assert_eq!((comparison.games, comparison.in_flight, wrong(&comparison)), (1, 1, vec![2]));
    }
    #[test]
    fn unread_and_rejected_records_are_in_flight() {
        let at = |offset| TopicPartitionOffset { input: SinkTopic::Features, partition: 0, offset };
        let rejected = BTreeSet::from([at(4)]);
        assert_eq!(
            [3, 4, 5, 7, 8].map(|n| is_in_flight(at(n), 7, &rejected)),
            [false, true, false, true, true]
        );
    }
}
