//! The fixture and the result of one game over all fetches of the schedule.
//!
//! Invariant: `fixture_at` and `score_at` use only the observations that their argument selects.
//! Not here: box scores (`box_list`), other games of the same teams (`facts`).
use super::box_list::id_of;
use crate::history::{AsOf, FactHistory, ObservationId, ObservationRecord};
use schemas::{
    EasternDate, Timestamp,
    observation::{Fixture, GameObservation, GameResult, GameStatus, Provenance},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The observations of one game.
#[derive(Debug, Default)]
pub struct GameFacts {
    pub fixture: FactHistory<Fixture>,
    pub result: FactHistory<GameResult>,
    /// Every day for which an observation scheduled the game.
    dates: BTreeSet<EasternDate>,
}

/// What the changelog retains of one observation of a game. The results are the changes that begin at it; all else is equal in both
/// histories.
#[derive(Debug, Serialize, Deserialize)]
pub struct GameRecord {
    fixture: ObservationRecord<(), Fixture, ()>,
    results: Vec<((), Option<GameResult>)>,
}
impl GameRecord {
    /// Returns the fixtures that begin at this observation.
    pub fn fixtures(&self) -> impl Iterator<Item = &Fixture> {
        self.fixture.changes.iter().filter_map(|(_, fixture)| fixture.as_ref())
    }
}

/// Which facts a merge changed, at any instant.
#[derive(Default)]
pub struct ChangedFacts {
    pub fixture: bool,
    /// The final score.
    pub score: bool,
    /// The result as known now.
    pub newest_result: bool,
}

/// The final points of both teams, home first.
pub type FinalPoints = (i32, i32);

impl GameFacts {
    /// Merges an observation, or its retraction. Returns the observations whose records may have changed; `None` if nothing changes.
    pub fn merge(&mut self, observation: &GameObservation) -> Option<(Vec<ObservationId>, ChangedFacts)> {
        let GameObservation { fixture, result, provenance, .. } = observation;
        let (fixtures, scores, newest) = (self.fixtures(), self.scores(), self.newest_result(AsOf::LATEST));
        let by_fixture = self.fixture.merge(provenance, *fixture);
        let by_result = self.result.merge(provenance, *result);
        if by_fixture.is_none() && by_result.is_none() {
            return None;
        }
        self.dates = self.fixture.values().map(|fixture| fixture.date).collect();
        let touched: BTreeSet<ObservationId> = by_fixture.into_iter().chain(by_result).flatten().collect();
        let has_retractions = self.has_retractions();
        let changed = ChangedFacts {
            fixture: has_retractions || fixtures != self.fixtures(),
            score: has_retractions || scores != self.scores(),
            newest_result: has_retractions || newest != self.newest_result(AsOf::LATEST),
        };
        Some((touched.into_iter().collect(), changed))
    }
    pub fn record(&self, id: ObservationId) -> Option<GameRecord> {
        let results = self.result.record(id)?.changes;
        Some(GameRecord { fixture: self.fixture.record(id)?, results })
    }
    /// True if an observation with this provenance was merged.
    pub fn contains(&self, provenance: &Provenance) -> bool {
        self.fixture.record(id_of(provenance)).is_some()
    }
    pub fn restore(&mut self, record: GameRecord) {
        let GameRecord { fixture, results } = record;
        self.dates.extend(fixture.changes.iter().filter_map(|(_, fixture)| Some(fixture.as_ref()?.date)));
        self.result.restore(ObservationRecord {
            id: fixture.id,
            request: String::new(),
            version: fixture.version,
            outcome: fixture.outcome,
            coverage: fixture.coverage.clone(),
            changes: results,
            retractions: fixture.retractions.clone(),
        });
        self.fixture.restore(fixture);
    }
    pub fn dates(&self) -> impl Iterator<Item = EasternDate> {
        self.dates.iter().copied()
    }
    pub fn has_retractions(&self) -> bool {
        self.fixture.has_retractions() || self.result.has_retractions()
    }
    /// Returns the days for which the game was scheduled by the observations that `as_of` selects, latest first.
    pub fn dates_at(&self, as_of: AsOf) -> Vec<EasternDate> {
        let dates: BTreeSet<EasternDate> =
            self.fixture.runs(as_of).iter().map(|run| run.value.date).collect();
        dates.into_iter().rev().collect()
    }
    /// Returns the fixture (schedule entry) as of an instant. It is the newest version that was fetched before the tip-off that it states
    /// or, if there is none, the first version.
    pub fn fixture_at(&self, as_of: AsOf) -> Option<&Fixture> {
        let runs = self.fixture.runs(as_of);
        let before_tip_off = runs.iter().rev().find(|run| run.since < run.value.tip_off);
        before_tip_off.or_else(|| runs.first()).map(|run| run.value)
    }
    /// Returns the last fixture that was known at or before an instant. It differs from `fixture_at` if all observations known at the
    /// instant had been retracted by then.
    pub fn last_fixture_at(&self, as_of: AsOf) -> Option<&Fixture> {
        let fixture = self.fixture_at(as_of);
        if fixture.is_some() || as_of.is_in_retrospect() || !self.fixture.has_retractions() {
            return fixture;
        }
        let instants = self.fixture_instants();
        let earlier = instants.into_iter().rev().filter(|instant| *instant <= as_of.until);
        earlier.map(AsOf::known_at).find_map(|as_of| self.fixture_at(as_of))
    }
    /// Returns when all observations of the fixture had been retracted; `None` while the game stands.
    pub fn retracted_at(&self) -> Option<Timestamp> {
        if !self.fixture.has_retractions() || self.fixture_at(AsOf::LATEST).is_some() {
            return None;
        }
        let instants = self.fixture_instants().into_iter().rev();
        instants.take_while(|instant| self.fixture_at(AsOf::known_at(*instant)).is_none()).last()
    }
    /// Selects what the row of the game shows: everything or, if the game no longer stands, what was known while it did.
    pub fn as_of_row(&self) -> AsOf {
        self.retracted_at().map_or(AsOf::LATEST, |at| AsOf::known_at(Timestamp(at.0 - 1)))
    }
    pub fn newest_result(&self, as_of: AsOf) -> Option<GameResult> {
        self.result.newest(as_of).map(|run| *run.value)
    }
    /// Returns the final points as of an instant; `None` while the newest result is not final.
    pub fn score_at(&self, as_of: AsOf) -> Option<FinalPoints> {
        self.newest_result(as_of).as_ref().and_then(final_points)
    }
    /// Emits every instant at which the final points may change.
    pub fn score_instants(&self, emit: &mut dyn FnMut(Timestamp)) {
        if self.result.has_retractions() {
            self.result.instants(emit);
        } else {
            self.scores().into_iter().for_each(|(instant, _)| emit(instant));
        }
    }
    /// Returns every instant at which the fixture may change, in ascending order.
    pub fn fixture_instants(&self) -> BTreeSet<Timestamp> {
        let mut instants = BTreeSet::new();
        self.fixture.instants(&mut |instant| _ = instants.insert(instant));
        instants
    }
    fn fixtures(&self) -> Vec<(Timestamp, Fixture)> {
        self.fixture.runs(AsOf::LATEST).into_iter().map(|run| (run.since, *run.value)).collect()
    }
    /// Returns the final points and since when they are known, oldest first.
    fn scores(&self) -> Vec<(Timestamp, Option<FinalPoints>)> {
        let mut scores: Vec<(Timestamp, Option<FinalPoints>)> = Vec::new();
        for run in self.result.runs(AsOf::LATEST) {
            let points = final_points(run.value);
            if scores.last().and_then(|(_, last)| *last) != points {
                scores.push((run.since, points));
            }
        }
        scores
    }
}

fn final_points(result: &GameResult) -> Option<FinalPoints> {
    let points = (result.home_points?, result.away_points?);
    (result.status == GameStatus::Final).then_some(points)
}
