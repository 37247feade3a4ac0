//! The view of odds events, keyed by the odds source's event id: decides to which pair of teams an event belonged at each instant.
//!
//! The source uses an id again, and a wrong response may state a wrong pair. A fetch states a pair until a newer fetch states another one,
//! whatever was requested; of several pairs at one instant, the greatest counts. The view publishes a row for each pair that was stated for
//! an event, partitioned by the pair, so that the markets of a pair learn that an event is no longer theirs.
//!
//! Invariant: an event for which a single pair was ever stated has no row. A row at an instant uses only observations fetched at or before
//! it and retractions made at or before it, except in retrospect.
//! Not here: the quotes of an event (`markets`), the pair of an nba.com game (`fixtures`).
#[cfg(test)]
mod laws;

use crate::{
    history::{AsOf, FactHistory, ObservationRecord, Revised, revise},
    materialized_view::{Effects, MaterializedView, StateChange},
};
use schemas::{
    Matchup, MatchupEventId,
    market::{OddsEvent, OddsEventRevision},
    observation::OddsEventObservation,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fmt, str::FromStr};

/// The source's id of an event. Its text contains no '|', which separates the parts of a changelog key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey(String);
impl fmt::Display for EventKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.replace('%', "%25").replace('|', "%7C"))
    }
}
impl FromStr for EventKey {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Ok(EventKey(text.replace("%7C", "|").replace("%25", "%")))
    }
}

/// The pair of teams that a fetch states for an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum StatedPair {
    /// One of the teams is not an NBA team.
    Other,
    Of(Matchup),
}

/// The pairs of teams that were stated for an event.
#[derive(Debug, Default)]
pub struct Tables {
    event: Option<String>,
    pairs: FactHistory<StatedPair>,
}
impl Tables {
    /// Returns the pairs that have a row.
    fn matchups(&self) -> Vec<Matchup> {
        let pairs: BTreeSet<StatedPair> = self.pairs.values().copied().collect();
        let count = pairs.len();
        let matchup = |pair| match pair {
            StatedPair::Of(matchup) if count > 1 => Some(matchup),
            _ => None,
        };
        pairs.into_iter().filter_map(matchup).collect()
    }
}

/// What the changelog retains of one observation.
#[derive(Debug, Serialize, Deserialize)]
pub struct Retained {
    event: String,
    record: ObservationRecord<(), StatedPair, ()>,
}

/// The view of odds events.
pub struct OddsEvents;
impl MaterializedView for OddsEvents {
    const NAME: &'static str = "odds-events";
    type Key = EventKey;
    type Tables = Tables;
    type Retained = Retained;
    type In = OddsEventObservation;
    type OutputKey = MatchupEventId;
    type Out = OddsEvent;

    fn key(&self, input: &OddsEventObservation) -> Option<EventKey> {
        Some(EventKey(input.event.clone()))
    }
    fn key_of(&self, output_key: &MatchupEventId) -> EventKey {
        EventKey(output_key.event.clone())
    }
    fn apply(
        &self,
        tables: &mut Tables,
        input: OddsEventObservation,
        effects: &mut Effects<'_, MatchupEventId, Retained>,
    ) -> StateChange {
        let OddsEventObservation { event, matchup, provenance } = input;
        tables.event = Some(event.clone());
        let before = tables.matchups();
        let pair = matchup.map_or(StatedPair::Other, StatedPair::Of);
        let Some(touched) = tables.pairs.merge(&provenance, pair) else { return StateChange::Unchanged };
        for id in touched {
            if let Some(record) = tables.pairs.record(id) {
                let retained = Retained { event: event.clone(), record };
                (effects.retain)(format!("{}/{}", id.fetched_at.0, id.raw), retained);
            }
        }
        for matchup in before.into_iter().chain(tables.matchups()) {
            (effects.invalidate)(MatchupEventId { matchup, event: event.clone() });
        }
        StateChange::Stored
    }
    fn restore(&self, tables: &mut Tables, Retained { event, record }: Retained) {
        tables.event = Some(event);
        tables.pairs.restore(record);
    }
    fn all_keys(&self, tables: &Tables, emit: &mut dyn FnMut(MatchupEventId)) {
        let Some(event) = &tables.event else { return };
        for matchup in tables.matchups() {
            emit(MatchupEventId { matchup, event: event.clone() });
        }
    }
    fn derive(&self, tables: &Tables, output_key: &MatchupEventId) -> Option<OddsEvent> {
        let MatchupEventId { matchup, event } = output_key;
        if !tables.matchups().contains(matchup) {
            return None;
        }
        let mut instants = Vec::new();
        tables.pairs.instants(&mut |instant| instants.push(instant));
        let revision_at = |as_of: AsOf| {
            let newest = tables.pairs.newest(as_of)?;
            Some(OddsEventRevision {
                known_at: as_of.until,
                is_of_matchup: *newest.value == StatedPair::Of(*matchup),
            })
        };
        let Revised { revisions, in_retrospect } =
            revise(instants, tables.pairs.has_retractions(), revision_at, |a, b| {
                a.is_of_matchup == b.is_of_matchup
            });
        let event = event.clone();
        Some(OddsEvent { matchup: *matchup, event, revisions, revisions_in_retrospect: in_retrospect })
    }
}
