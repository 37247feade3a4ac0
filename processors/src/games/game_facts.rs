//! The fixture and the final points of one game between the two teams of the view, as of an instant.
//!
//! Invariant: every function with an argument `as_of` uses only the revisions that this argument selects.
//! Not here: which statement of the schedule counts (`fixtures`), box scores (`box_list`), other games of the same teams (`facts`).
use crate::history::AsOf;
use schemas::{
    EasternDate, Timestamp,
    fixture::{FinalPoints, FixtureRevision, GameFixtures},
    observation::Fixture,
};
use std::collections::BTreeSet;

/// The row of one game.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GameFacts(pub GameFixtures);
impl GameFacts {
    fn revisions(&self) -> impl DoubleEndedIterator<Item = &FixtureRevision> {
        self.0.revisions.iter().chain(self.0.revisions_in_retrospect.iter().flatten())
    }
    /// Returns every day for which the game was scheduled at any time.
    pub fn dates(&self) -> BTreeSet<EasternDate> {
        let scheduled = self.0.scheduled_dates.iter().flatten().flat_map(|scheduled| &scheduled.dates);
        let of_revisions = self.revisions().filter_map(|revision| Some(revision.fixture?.date));
        of_revisions.chain(scheduled.copied()).collect()
    }
    /// Returns the days for which the game had been scheduled by an instant, latest first. A day that only retracted observations stated does
    /// not count.
    pub fn dates_at(&self, as_of: AsOf) -> Vec<EasternDate> {
        if let Some(scheduled) = self.0.scheduled_dates.as_ref().filter(|_| !as_of.is_in_retrospect()) {
            let known_count = scheduled.partition_point(|dates| dates.known_at <= as_of.until);
            let known = scheduled[..known_count].last();
            return known.map_or_else(Vec::new, |known| known.dates.iter().rev().copied().collect());
        }
        let revisions = self.of(as_of).iter().take_while(|revision| revision.known_at <= as_of.until);
        let dates: BTreeSet<EasternDate> =
            revisions.filter_map(|revision| Some(revision.fixture?.date)).collect();
        dates.into_iter().rev().collect()
    }
    fn of(&self, as_of: AsOf) -> &[FixtureRevision] {
        let in_retrospect = self.0.revisions_in_retrospect.as_ref().filter(|_| as_of.is_in_retrospect());
        in_retrospect.unwrap_or(&self.0.revisions)
    }
    /// Returns the fixture (schedule entry) as of an instant; `None` if the game did not have these teams.
    pub fn fixture_at(&self, as_of: AsOf) -> Option<&Fixture> {
        let GameFixtures { revisions, revisions_in_retrospect, .. } = &self.0;
        let in_retrospect = revisions_in_retrospect.as_deref();
        as_of.last_of(revisions, in_retrospect, |revision| revision.known_at)?.fixture.as_ref()
    }
    /// Returns the last fixture that was known at or before an instant. It differs from `fixture_at` if the game does not have these teams.
    pub fn last_fixture_at(&self, as_of: AsOf) -> Option<&Fixture> {
        let known = self.of(as_of).iter().take_while(|revision| revision.known_at <= as_of.until);
        known.filter_map(|revision| revision.fixture.as_ref()).last()
    }
    /// Returns the final points as of an instant; `None` while the newest result is not final.
    pub fn score_at(&self, as_of: AsOf) -> Option<FinalPoints> {
        let GameFixtures { scores, scores_in_retrospect, .. } = &self.0;
        as_of.last_of(scores, scores_in_retrospect.as_deref(), |score| score.known_at)?.points
    }
    pub fn has_retractions(&self) -> bool {
        let GameFixtures { revisions_in_retrospect, scores_in_retrospect, scheduled_dates, .. } = &self.0;
        revisions_in_retrospect.is_some() || scores_in_retrospect.is_some() || scheduled_dates.is_some()
    }
    /// Returns every instant at which the fixture, or the days for which the game had been scheduled, may change.
    pub fn fixture_instants(&self) -> impl Iterator<Item = Timestamp> {
        let scheduled = self.0.scheduled_dates.iter().flatten().map(|dates| dates.known_at);
        self.revisions().map(|revision| revision.known_at).chain(scheduled)
    }
    /// Returns every instant at which the final points may change.
    pub fn score_instants(&self) -> impl Iterator<Item = Timestamp> {
        let scores = self.0.scores.iter().chain(self.0.scores_in_retrospect.iter().flatten());
        scores.map(|score| score.known_at)
    }
    /// True if the fixtures of two rows are equal at every instant.
    pub fn has_same_fixtures(&self, other: &GameFacts) -> bool {
        let fixtures = |GameFacts(row): &GameFacts| {
            let revisions = (row.revisions.clone(), row.revisions_in_retrospect.clone());
            (revisions, row.dates.clone(), row.scheduled_dates.clone())
        };
        fixtures(self) == fixtures(other)
    }
    /// True if the final points of two rows are equal at every instant.
    pub fn has_same_scores(&self, other: &GameFacts) -> bool {
        let scores = |GameFacts(row): &GameFacts| (row.scores.clone(), row.scores_in_retrospect.clone());
        scores(self) == scores(other)
    }
}
