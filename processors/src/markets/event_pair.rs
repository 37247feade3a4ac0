//! Whether an event of the odds source belongs to this pair of teams, as of a cutoff.
//!
//! Invariant: on the issued basis, only fetches and retractions before the cutoff count; an event without a row belongs to this pair, because
//! no fetch stated another one.
//! Not here: which pair each fetch states (`odds_events`), the quotes of an event (`odds`).
use crate::history::Cutoff;
use schemas::{Timestamp, market::OddsEvent};
use std::collections::BTreeMap;

/// Whether an event belongs to this pair of teams.
#[derive(Clone, Copy, Debug)]
pub struct EventPair {
    pub is_of_matchup: bool,
    /// True if it did at the cutoff, or if a fetch from the cutoff on states so. On the issued basis, such a fetch is not used.
    pub is_of_matchup_later: bool,
    /// Since when it has belonged to this pair, or not belonged to it.
    pub known_at: Timestamp,
}
impl EventPair {
    /// The event has always belonged to this pair.
    const ALWAYS: EventPair =
        EventPair { is_of_matchup: true, is_of_matchup_later: true, known_at: Timestamp::DISTANT_PAST };
}

/// The rows of the events for which another pair was stated, too.
#[derive(Debug, Default)]
pub struct EventPairs(BTreeMap<String, OddsEvent>);
impl EventPairs {
    pub fn put(&mut self, id: &str, row: Option<OddsEvent>) {
        match row {
            Some(row) => _ = self.0.insert(id.to_owned(), row),
            None => _ = self.0.remove(id),
        }
    }
    /// True if another pair was stated for an event, too.
    pub fn has_row(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }
    pub fn at(&self, id: &str, cutoff: Cutoff) -> EventPair {
        let Some(row) = self.0.get(id) else { return EventPair::ALWAYS };
        let revisions = cutoff.revisions(&row.revisions, row.revisions_in_retrospect.as_deref());
        let known_count = revisions.partition_point(|revision| cutoff.is_known(revision.known_at));
        let (known, later) = revisions.split_at(known_count);
        let at_cutoff = known.last().map_or(EventPair::ALWAYS, |last| EventPair {
            is_of_matchup: last.is_of_matchup,
            known_at: last.known_at,
            ..EventPair::ALWAYS
        });
        let is_of_matchup_later =
            at_cutoff.is_of_matchup || later.iter().any(|revision| revision.is_of_matchup);
        EventPair { is_of_matchup_later, ..at_cutoff }
    }
    /// Returns the instants at which the pair of an event may change.
    pub fn instants(&self, id: &str) -> impl Iterator<Item = Timestamp> {
        let revisions = self.0.get(id).into_iter().flat_map(|row| &row.revisions);
        revisions.map(|revision| revision.known_at)
    }
    /// True if the newest fetch of an event states this pair of teams.
    pub fn is_of_matchup_now(&self, id: &str) -> bool {
        let last = self.0.get(id).and_then(|row| row.revisions.last());
        last.is_none_or(|last| last.is_of_matchup)
    }
}
