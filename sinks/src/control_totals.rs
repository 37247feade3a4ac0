//! What the live rows of a game rest on: enough to see whether a warehouse holds what its log says, without comparing rows.
//!
//! A row carries the offset of the newest record of its key. So a warehouse that has missed a record, or has a row too many, differs
//! from the log in how many live rows a game has or in the sum of their offsets.
//!
//! Invariant: a game with a key whose newest record has not been written, not read yet or rejected, is not held against the warehouse.
//! Not here: reading the log; what is done about a difference.
use crate::record::{SinkTopic, TopicPartitionOffset};
use rustc_hash::FxHashMap;
use schemas::{GameId, PlayerGameId};
use std::collections::{BTreeMap, BTreeSet};

/// The live rows of one input and game.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ControlTotals {
    /// Rows that stand for a key each; the predictions of one record count as one.
    pub rows: u64,
    /// The sum of the offsets of the records that they rest on.
    pub offsets: i64,
}

/// By input and game; a game without live rows is not there.
pub type ControlTotalsByGame = BTreeMap<(SinkTopic, GameId), ControlTotals>;

/// The newest record of each key of one input, as the log is read.
pub struct LatestByKey {
    input: SinkTopic,
    /// Per key the newest offset, and whether a row is made of that record. `None`: it is not to be compared.
    records: FxHashMap<PlayerGameId, (i64, Option<bool>)>,
}
impl LatestByKey {
    pub fn new(input: SinkTopic) -> LatestByKey {
        LatestByKey { input, records: FxHashMap::default() }
    }
    /// The next record of a partition, in the order of the log. `is_live`: whether a row is made of it, `None` when the warehouse need
    /// not have it.
    pub fn push(&mut self, key: PlayerGameId, offset: i64, is_live: Option<bool>) {
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
                None => _ = in_flight.insert(game),
            }
        }
    }
}

/// A game of which the warehouse does not hold what the log says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TotalsMismatch {
    pub input: SinkTopic,
    pub game: GameId,
    pub log: ControlTotals,
    pub warehouse: ControlTotals,
}

/// What became of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Games compared, once per input.
    pub games: usize,
    /// Games with records that the sink has not read yet, or has rejected.
    pub in_flight: usize,
    pub mismatches: Vec<TotalsMismatch>,
}
impl Comparison {
    /// Of the log's newest records with what a warehouse had before the log was read.
    pub fn new(newest: &[LatestByKey], warehouse: &ControlTotalsByGame) -> Comparison {
        let (mut log, mut in_flight) = (ControlTotalsByGame::new(), BTreeSet::new());
        newest.iter().for_each(|newest| newest.add(&mut log, &mut in_flight));
        let games: BTreeSet<_> = log.keys().chain(warehouse.keys()).copied().collect();
        let mut comparison = Comparison { in_flight: in_flight.len(), ..Comparison::default() };
        for game in games.difference(&in_flight) {
            comparison.games += 1;
            let of = |side: &ControlTotalsByGame| side.get(game).copied().unwrap_or_default();
            let mismatch =
                TotalsMismatch { input: game.0, game: game.1, log: of(&log), warehouse: of(warehouse) };
            if mismatch.log != mismatch.warehouse {
                comparison.mismatches.push(mismatch);
            }
        }
        comparison
    }
}

/// Whether the warehouse may lack a record: the sink has not committed having read it, or no row could be made of it.
pub fn is_in_flight(at: TopicPartitionOffset, next: i64, rejected: &BTreeSet<TopicPartitionOffset>) -> bool {
    at.offset >= next || rejected.contains(&at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::PlayerId;

    fn key(player: u32, game: u32) -> PlayerGameId {
        PlayerGameId { player: PlayerId(player), game: GameId(22_300_000 + game) }
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
            "an older record stands there"
        );
        assert_eq!(wrong(&Comparison::new(&log, &warehouse(&[(1, 1, 13)]))), [1]);
        assert_eq!(wrong(&Comparison::new(&log, &warehouse(&[]))), [1], "a game that is not there at all");
    }
    #[test]
    fn a_row_that_the_log_has_not_is_a_difference() {
        let log = log(&[(1, 1, 3, Some(true)), (1, 1, 4, Some(false))]);
        assert_eq!(wrong(&Comparison::new(&log, &warehouse(&[]))), [0u32; 0]);
        assert_eq!(wrong(&Comparison::new(&log, &warehouse(&[(1, 1, 3), (2, 1, 1)]))), [1, 2]);
    }
    #[test]
    fn a_game_with_a_record_that_was_not_written_is_not_compared() {
        let log = log(&[(1, 1, 3, Some(true)), (2, 1, 8, None), (1, 2, 4, Some(true))]);
        let comparison = Comparison::new(&log, &warehouse(&[(1, 5, 5), (2, 1, 5)]));
        assert_eq!((comparison.games, comparison.in_flight, wrong(&comparison)), (1, 1, vec![2]));
    }
    #[test]
    fn what_is_unread_or_rejected_is_open() {
        let at = |offset| TopicPartitionOffset { input: SinkTopic::Features, partition: 0, offset };
        let rejected = BTreeSet::from([at(4)]);
        assert_eq!(
            [3, 4, 5, 7, 8].map(|n| is_in_flight(at(n), 7, &rejected)),
            [false, true, false, true, true]
        );
    }
}
