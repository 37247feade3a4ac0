//! The fixtures view, keyed by game id: decides which teams play a game, and on which date, as it was known at each instant.
//!
//! It is the only writer of these decisions. It publishes a row for each pair of teams that any fetch of the schedule stated for the game,
//! partitioned by the pair, so that the views of a pair learn that a game is theirs, and that it no longer is.
//!
//! Invariant: a row at an instant uses only observations fetched at or before it and retractions made at or before it, except in retrospect.
//! Not here: the statistics of a game (`games`).
mod facts;
#[cfg(test)]
mod laws;
mod rows;
mod standing;
mod statement;

use crate::materialized_view::{Effects, MaterializedView, StateChange};
pub use facts::{GameFacts, Retained};
use schemas::{
    GameId, MatchupGameId,
    fixture::GameFixtures,
    observation::{FinalBoxScoreObservation, GameObservation},
};
use serde::{Deserialize, Serialize};

/// An input of the fixtures view.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum In {
    Game(GameObservation),
    FinalBoxScore(FinalBoxScoreObservation),
}

/// The observations of a game, and its id.
#[derive(Debug, Default)]
pub struct Tables {
    facts: GameFacts,
    game: Option<GameId>,
}

/// The fixtures view.
pub struct Fixtures;
impl MaterializedView for Fixtures {
    const NAME: &'static str = "fixtures";
    type Key = GameId;
    type Tables = Tables;
    type Retained = Retained;
    type In = In;
    type OutputKey = MatchupGameId;
    type Out = GameFixtures;

    fn key(&self, input: &In) -> Option<GameId> {
        Some(match input {
            In::Game(observation) => observation.game,
            In::FinalBoxScore(observation) => observation.game,
        })
    }
    fn key_of(&self, output_key: &MatchupGameId) -> GameId {
        output_key.game
    }
    fn apply(
        &self,
        tables: &mut Tables,
        input: In,
        effects: &mut Effects<'_, MatchupGameId, Retained>,
    ) -> StateChange {
        let Some(game) = self.key(&input) else { return StateChange::Unchanged };
        tables.game = Some(game);
        let before = tables.facts.matchups();
        let facts = &mut tables.facts;
        let (touched, kind) = match &input {
            In::Game(observation) => (facts.merge_statement(observation), "schedule"),
            In::FinalBoxScore(observation) => (facts.merge_final_box_score(observation), "box"),
        };
        let Some(touched) = touched else { return StateChange::Unchanged };
        for id in touched {
            let record = match &input {
                In::Game(_) => facts.statement_record(game, id),
                In::FinalBoxScore(_) => facts.final_box_score_record(game, id),
            };
            if let Some(record) = record {
                (effects.retain)(format!("{kind}/{}/{}", id.fetched_at.0, id.raw), record);
            }
        }
        for matchup in before.into_iter().chain(tables.facts.matchups()) {
            (effects.invalidate)(MatchupGameId { matchup, game });
        }
        StateChange::Stored
    }
    fn restore(&self, tables: &mut Tables, retained: Retained) {
        tables.game = Some(retained.game());
        tables.facts.restore(retained);
    }
    fn all_keys(&self, tables: &Tables, emit: &mut dyn FnMut(MatchupGameId)) {
        let Some(game) = tables.game else { return };
        for matchup in tables.facts.matchups() {
            emit(MatchupGameId { matchup, game });
        }
    }
    fn derive(&self, tables: &Tables, output_key: &MatchupGameId) -> Option<GameFixtures> {
        rows::fixtures(&tables.facts, output_key.game, output_key.matchup)
    }
}
