//! A naive model of the schedule: reads from the raw events which fixture of each game stands at each instant, and the cutoff of each date.
//!
//! It follows the sentences of docs/fixtures.md one by one and computes everything from scratch at every instant.
//! Invariant: it uses no code of the processors, only the types of ids, teams, dates and times.
//! Not here: how the payloads are read (`schedule_payloads`), the comparison with the rows (`fixtures`).
use crate::schedule_payloads::{self, Statement};
use schemas::{
    EasternDate, GameId, Matchup, RawId, Team, Timestamp,
    raw::{FetchOutcome, RawEvent},
};
use std::collections::{BTreeMap, BTreeSet};

/// An instant after all events.
pub const NOW: Timestamp = Timestamp::DISTANT_FUTURE;

/// One fetch, with the instants at which an operator retracted it (true) or undid this (false).
#[derive(Clone)]
struct Fetch {
    fetched_at: Timestamp,
    retractions: BTreeSet<(Timestamp, bool)>,
}
impl Fetch {
    fn counts_at(&self, at: Timestamp) -> bool {
        // At one instant, a retraction counts rather than its undoing.
        let newest = self.retractions.iter().rfind(|(time, _)| *time <= at);
        self.fetched_at <= at && !newest.is_some_and(|(_, is_retracted)| *is_retracted)
    }
}

/// What all fetches state about one game.
#[derive(Default)]
pub struct GameModel {
    statements: Vec<(Fetch, Statement)>,
    /// The dates of nba.com's final box scores.
    final_dates: Vec<(Fetch, EasternDate)>,
}

/// Returns the model of each game.
pub fn games(raw_events: &[RawEvent]) -> BTreeMap<GameId, GameModel> {
    let mut fetches: BTreeMap<RawId, (Fetch, &RawEvent)> = BTreeMap::new();
    // A failed fetch has no content, nor has its retraction.
    for event in raw_events.iter().filter(|event| event.outcome != FetchOutcome::Failed) {
        let (id, fetched_at) = match &event.retraction {
            Some(order) => (order.target, order.target_fetched_at),
            None => (event.id, event.fetched_at),
        };
        let first = || (Fetch { fetched_at, retractions: BTreeSet::new() }, event);
        let (fetch, _) = fetches.entry(id).or_insert_with(first);
        fetch.retractions.extend(event.retraction.as_ref().map(|order| (event.fetched_at, !order.undo)));
    }
    let mut games: BTreeMap<GameId, GameModel> = BTreeMap::new();
    for (fetch, event) in fetches.values() {
        for (game, statement) in schedule_payloads::statements(event) {
            games.entry(game).or_default().statements.push((fetch.clone(), statement));
        }
        for (game, date) in schedule_payloads::final_box_scores(event) {
            games.entry(game).or_default().final_dates.push((fetch.clone(), date));
        }
    }
    games
}

impl GameModel {
    /// Returns the statements known at an instant, oldest first; of those of one fetch time, the greatest.
    fn known(&self, at: Timestamp) -> Vec<(Timestamp, Statement)> {
        let mut by_time: BTreeMap<Timestamp, Statement> = BTreeMap::new();
        for (fetch, statement) in self.statements.iter().filter(|(fetch, _)| fetch.counts_at(at)) {
            let stored = by_time.entry(fetch.fetched_at).or_insert(*statement);
            *stored = (*stored).max(*statement);
        }
        by_time.into_iter().collect()
    }
    /// True if a final box score of the date was fetched before an instant. Of several with one fetch time, that of the latest date counts.
    fn has_final_box_score(&self, date: EasternDate, before: Timestamp, at: Timestamp) -> bool {
        let mut by_time: BTreeMap<Timestamp, EasternDate> = BTreeMap::new();
        for (fetch, date) in self.final_dates.iter().filter(|(fetch, _)| fetch.counts_at(at)) {
            let stored = by_time.entry(fetch.fetched_at).or_insert(*date);
            *stored = (*stored).max(*date);
        }
        by_time.into_iter().any(|(fetched_at, of)| fetched_at < before && of == date)
    }
    /// Returns the statement that stands at an instant: the newest, or the one by which the game was over.
    pub fn standing(&self, at: Timestamp) -> Option<Statement> {
        let known = self.known(at);
        for (index, (_, statement)) in known.iter().enumerate() {
            let next = known.get(index + 1).map_or(at, |(next, _)| *next);
            let is_over = statement.is_final() || self.has_final_box_score(statement.date, next, at);
            if is_over && !statement.is_called_off {
                return Some(*statement);
            }
        }
        known.last().map(|(_, statement)| *statement)
    }
    /// Returns the pair of teams that plays on a date, as known at an instant.
    pub fn pair_on(&self, date: EasternDate, at: Timestamp) -> Option<Matchup> {
        let standing =
            self.standing(at).filter(|standing| standing.date == date && !standing.is_called_off)?;
        Matchup::new(standing.home, standing.away)
    }
    /// True if a team plays on a date, as known at an instant. If no team is given, true if the pair of teams does.
    pub fn plays(&self, (pair, team): (Matchup, Option<Team>), date: EasternDate, at: Timestamp) -> bool {
        self.pair_on(date, at)
            .is_some_and(|playing| team.map_or(playing == pair, |team| playing.teams().contains(&team)))
    }
    /// Returns the cutoff of a date and whether it is estimated; `None` if no statement about the date counts.
    pub fn cutoff(&self, date: EasternDate) -> Option<(Timestamp, bool)> {
        let mut cutoff: Option<(Timestamp, bool)> = None;
        for instant in self.instants() {
            if cutoff.is_some_and(|(at, _)| at <= instant) {
                break;
            }
            let known = self.known(instant).into_iter();
            let of_date: Vec<(Timestamp, Statement)> =
                known.filter(|(_, statement)| statement.date == date).collect();
            let stated = of_date.iter().rev().find(|(_, statement)| !statement.is_tip_off_estimated);
            let newest = stated.or(of_date.last());
            cutoff = newest.map(|(_, statement)| (statement.tip_off, statement.is_tip_off_estimated));
            let started = of_date.iter().find(|(_, statement)| statement.has_started());
            if let Some((since, _)) = started
                && cutoff.is_some_and(|(at, _)| since < &at)
            {
                cutoff = Some((*since, false));
            }
        }
        cutoff
    }
    /// Returns every instant at which what is known about the game may change.
    pub fn instants(&self) -> BTreeSet<Timestamp> {
        let fetches = self.statements.iter().map(|(fetch, _)| fetch);
        let fetches = fetches.chain(self.final_dates.iter().map(|(fetch, _)| fetch));
        fetches
            .flat_map(|fetch| {
                fetch.retractions.iter().map(|(time, _)| *time).chain(std::iter::once(fetch.fetched_at))
            })
            .collect()
    }
    /// Returns every date and pair of teams that any statement names.
    pub fn dates(&self) -> BTreeSet<(Matchup, EasternDate)> {
        let statements = self.statements.iter();
        let pair =
            |statement: &Statement| Some((Matchup::new(statement.home, statement.away)?, statement.date));
        statements.filter_map(|(_, statement)| pair(statement)).collect()
    }
    /// Returns every instant that a statement names as a tip-off, and the fetch times of statements that the game has started.
    pub fn possible_cutoffs(&self) -> impl Iterator<Item = Timestamp> {
        self.statements.iter().flat_map(|(fetch, statement)| {
            let started = statement.has_started().then_some(fetch.fetched_at);
            [Some(statement.tip_off), started].into_iter().flatten()
        })
    }
}
