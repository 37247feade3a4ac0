//! The games view: joins all observations of a game, even if sources give it different ids or home teams.
//!
//! A game is identified by nba.com's game id; box scores of other sources are matched by teams and Eastern date. The view derives games,
//! team games and player games from the fixtures of the pair of teams, box scores and name matches. A box score counts as
//! parked until its fixture and the players of all its names are known, and the game is over; parked records are saved, not rejected.
//!
//! A player's statistics come from the first feed in an order of precedence that lists the player (`precedence`). Each revision records
//! which feed was used.
//!
//! Invariant: the content of a row at an instant uses only observations fetched at or before it and retractions made at or before it, so a
//! later observation adds revisions and changes no earlier one, except in retrospect, where a retracted observation was never made. The
//! work of a repeated fetch does not depend on the number of fetches before it.
//! Not here: which game has these teams and on which date (`fixtures`), name matching (`name_resolver`; its result is an input here), the
//! form of a team (`team_form`) and the features of a player (`feature_builder`) before a game.
#[cfg(test)]
mod bench;
mod box_list;
mod facts;
mod game_facts;
mod parked;
mod precedence;
mod rows;
#[cfg(test)]
mod tests;

use crate::{
    history::{Affected, Coverage, ListChange},
    materialized_view::{Effects, MaterializedView, ParkedItem, StateChange},
};
pub use box_list::ListId;
use box_list::{BoxKey, id_of, lines};
pub use facts::{Retained, Tables};
use game_facts::GameFacts;
pub use precedence::PRECEDENCE;
use schemas::{
    GameId, Matchup, MatchupGameId, NamesId, PlayerId, PlayerMatchupGameId, Scope, TeamGameId,
    fixture::GameFixtures,
    game::{Game, PlayerGame, TeamGame},
    identity::Names,
    observation::BoxScoreObservation,
};
use std::collections::BTreeSet;

/// An input of the games view.
#[derive(Clone, Debug)]
pub enum In {
    Fixtures(MatchupGameId, Option<GameFixtures>),
    BoxScore(BoxScoreObservation),
    Names(NamesId, Option<Names>),
}
/// The key of an output row. The variant `List` (one team's box score in one feed) has no row; it only reports parked items.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutputKey {
    Game(MatchupGameId),
    TeamGame(TeamGameId),
    PlayerGame(PlayerMatchupGameId),
    List(Matchup, ListId),
}
/// An output row.
#[derive(Clone, Debug)]
pub enum Out {
    Game(Game),
    TeamGame(TeamGame),
    PlayerGame(PlayerGame),
}

/// The games view.
pub struct Games;
impl MaterializedView for Games {
    const NAME: &'static str = "games";
    type Key = Matchup;
    type Tables = Tables;
    type Retained = Retained;
    type In = In;
    type OutputKey = OutputKey;
    type Out = Out;

    fn key(&self, input: &In) -> Option<Matchup> {
        match input {
            In::Fixtures(id, _) => Some(id.matchup),
            In::BoxScore(observation) => Matchup::new(observation.team, observation.opponent),
            In::Names(id, _) => match id.scope {
                Scope::Matchup(matchup) => Some(matchup),
                Scope::Team(_) => None,
            },
        }
    }
    fn key_of(&self, output_key: &OutputKey) -> Matchup {
        match output_key {
            OutputKey::Game(id) => id.matchup,
            OutputKey::TeamGame(id) => id.matchup,
            OutputKey::PlayerGame(id) => id.matchup,
            OutputKey::List(matchup, _) => *matchup,
        }
    }
    fn apply(
        &self,
        tables: &mut Tables,
        input: In,
        effects: &mut Effects<'_, OutputKey, Retained>,
    ) -> StateChange {
        let Some(matchup) = self.key(&input) else { return StateChange::Unchanged };
        match input {
            In::Fixtures(id, row) => {
                put_fixtures(tables, id, row.map(GameFacts), effects.invalidate);
                StateChange::RowReplaced
            }
            In::BoxScore(observation) if observation.is_final => {
                apply_box_score(tables, matchup, observation, effects)
            }
            In::BoxScore(observation) => apply_live_box_score(tables, matchup, observation, effects),
            In::Names(id, row) => {
                let lists = tables.lists_with_lookup(id.source, id.date);
                let games: BTreeSet<GameId> = lists.iter().flat_map(|list| tables.games_of(list)).collect();
                // Emits the keys both before and after the change, because the row may add players to a game or remove them.
                emit_games(tables, matchup, &games, effects.invalidate);
                tables.put_names(id, row);
                emit_games(tables, matchup, &games, effects.invalidate);
                for list in lists {
                    (effects.invalidate)(OutputKey::List(matchup, list));
                }
                StateChange::RowReplaced
            }
        }
    }
    /// A former version retained what the schedule states about a game; now, the view `fixtures` does.
    fn is_formerly_retained(id: &str) -> bool {
        id.starts_with("game/")
    }
    fn restore(&self, tables: &mut Tables, retained: Retained) {
        tables.restore(retained);
    }
    fn all_keys(&self, tables: &Tables, emit: &mut dyn FnMut(OutputKey)) {
        let Some(matchup) = tables.matchup() else { return };
        for game in tables.game_ids() {
            emit_game(tables, matchup, game, emit);
        }
        for list in tables.lists() {
            emit(OutputKey::List(matchup, list));
        }
    }
    fn derive(&self, tables: &Tables, output_key: &OutputKey) -> Option<Out> {
        match output_key {
            OutputKey::Game(id) => rows::game(tables, id.game).map(Out::Game),
            OutputKey::TeamGame(id) => rows::team_game(tables, id.game, id.team).map(Out::TeamGame),
            OutputKey::PlayerGame(id) => rows::player_game(tables, id.game, id.player).map(Out::PlayerGame),
            OutputKey::List(..) => None,
        }
    }
    fn parked(&self, tables: &Tables, output_key: &OutputKey) -> (u32, Vec<ParkedItem>) {
        match output_key {
            OutputKey::List(matchup, list) => parked::parked(tables, *matchup, list),
            _ => (0, Vec::new()),
        }
    }
}

/// Replaces the fixtures of a game.
fn put_fixtures(
    tables: &mut Tables,
    MatchupGameId { matchup, game }: MatchupGameId,
    row: Option<GameFacts>,
    emit: &mut dyn FnMut(OutputKey),
) {
    let old = tables.facts(game).cloned();
    if old == row {
        return;
    }
    let has_same_fixtures = matches!((&old, &row), (Some(old), Some(row)) if old.has_same_fixtures(row));
    let has_same_scores = matches!((&old, &row), (Some(old), Some(row)) if old.has_same_scores(row));
    // Box lists may move from one game to another. The keys before the change are emitted too, because the game may lose players.
    let emit_near = |tables: &Tables, emit: &mut dyn FnMut(OutputKey)| {
        if !has_same_fixtures {
            emit_games(tables, matchup, &tables.games_near(game), emit);
            emit_lists(tables, matchup, game, emit);
        }
    };
    emit_near(tables, emit);
    tables.put_fixtures(matchup, game, row);
    emit_near(tables, emit);
    emit(OutputKey::Game(MatchupGameId { matchup, game }));
    if !has_same_scores {
        for team in matchup.teams() {
            emit(OutputKey::TeamGame(TeamGameId { team, game, matchup }));
        }
    }
}

fn apply_box_score(
    tables: &mut Tables,
    matchup: Matchup,
    observation: BoxScoreObservation,
    effects: &mut Effects<'_, OutputKey, Retained>,
) -> StateChange {
    let id = ListId::of(&observation);
    let was_live = tables.list_mut(&observation).end_live(&observation.provenance);
    if was_live && let Some(live) = tables.list(&id).and_then(|list| list.live.clone()) {
        (effects.retain)(live_id(&id), Retained::Live { matchup, list: id, live });
    }
    let is_merged = merge_final(tables, matchup, observation, effects);
    (effects.invalidate)(OutputKey::List(matchup, id));
    if is_merged || was_live { StateChange::Stored } else { StateChange::Unchanged }
}

/// Merges a box score of a game that is not over.
fn apply_live_box_score(
    tables: &mut Tables,
    matchup: Matchup,
    observation: BoxScoreObservation,
    effects: &mut Effects<'_, OutputKey, Retained>,
) -> StateChange {
    let (id, provenance) = (ListId::of(&observation), observation.provenance.clone());
    let final_version = tables.list(&id).and_then(|list| list.final_version(&provenance));
    if final_version.is_some_and(|version| version >= provenance.version) {
        return StateChange::Unchanged;
    }
    let is_live_changed = tables.list_mut(&observation).merge_live(&provenance);
    if is_live_changed && let Some(live) = tables.list(&id).and_then(|list| list.live.clone()) {
        (effects.retain)(live_id(&id), Retained::Live { matchup, list: id, live });
    }
    // An older loader version read this observation as final. It no longer shows anything about the final box score.
    let is_final_changed = final_version.is_some() && {
        let silent = BoxScoreObservation { complete: false, members: Vec::new(), ..observation };
        merge_final(tables, matchup, silent, effects)
    };
    (effects.invalidate)(OutputKey::List(matchup, id));
    if is_live_changed || is_final_changed { StateChange::Stored } else { StateChange::Unchanged }
}

/// The id of the only record that the changelog retains of a live list.
fn live_id(list: &ListId) -> String {
    format!("live/{list}")
}

/// Merges an observation into the final box score of its list, and invalidates the rows of the affected players; returns true if the
/// history changed.
fn merge_final(
    tables: &mut Tables,
    matchup: Matchup,
    observation: BoxScoreObservation,
    effects: &mut Effects<'_, OutputKey, Retained>,
) -> bool {
    let id = ListId::of(&observation);
    let games: BTreeSet<GameId> = tables.games_of(&id).into_iter().collect();
    let list = tables.list_mut(&observation);
    let BoxScoreObservation { provenance, complete, members, .. } = observation;
    if list.history.record(id_of(&provenance)).is_some() {
        // A newer loader version may read other players.
        emit_games(tables, matchup, &games, effects.invalidate);
    }
    let Some(list) = tables.list_of_mut(&id) else { return false };
    let merged = list.history.merge(&provenance, Coverage::of(complete), lines(members));
    let Some(ListChange { touched, affected }) = merged else { return false };
    for observation in touched {
        if let Some(record) = list.history.record(observation) {
            let retained_id = format!("list/{id}/{}/{}", observation.fetched_at.0, observation.raw);
            (effects.retain)(retained_id, Retained::List { matchup, list: id, record });
        }
    }
    for game in games {
        // A live list waits for a final one of any feed.
        for live in tables.live_lists_of(game, id.team) {
            (effects.invalidate)(OutputKey::List(matchup, live));
        }
        match &affected {
            Affected::Members(keys) if !Tables::has_several_dates(&tables.lists_of(game, id.team)) => {
                emit_members(tables, game, &id, keys, effects.invalidate);
            }
            _ => emit_game(tables, matchup, game, effects.invalidate),
        }
    }
    true
}

/// Emits the keys of the output rows of a game that members of one of its lists can change.
fn emit_members(
    tables: &Tables,
    game: GameId,
    list: &ListId,
    keys: &[BoxKey],
    emit: &mut dyn FnMut(OutputKey),
) {
    let Some(matchup) = tables.matchup().filter(|_| !keys.is_empty()) else { return };
    emit(OutputKey::Game(MatchupGameId { matchup, game }));
    emit(OutputKey::TeamGame(TeamGameId { team: list.team, game, matchup }));
    for key in keys {
        tables.candidates(list, key, &mut |player| {
            emit(OutputKey::PlayerGame(PlayerMatchupGameId { player, game, matchup }));
        });
    }
}

/// Emits the lists that may belong to a game.
fn emit_lists(tables: &Tables, matchup: Matchup, game: GameId, emit: &mut dyn FnMut(OutputKey)) {
    for list in tables.lists_near(game) {
        emit(OutputKey::List(matchup, list));
    }
}

fn emit_games(tables: &Tables, matchup: Matchup, games: &BTreeSet<GameId>, emit: &mut dyn FnMut(OutputKey)) {
    for game in games {
        emit_game(tables, matchup, *game, emit);
    }
}

/// Emits the keys of all output rows of a game.
fn emit_game(tables: &Tables, matchup: Matchup, game: GameId, emit: &mut dyn FnMut(OutputKey)) {
    emit(OutputKey::Game(MatchupGameId { matchup, game }));
    for team in matchup.teams() {
        emit(OutputKey::TeamGame(TeamGameId { team, game, matchup }));
    }
    let players: BTreeSet<PlayerId> = tables.players_of(game);
    for player in players {
        emit(OutputKey::PlayerGame(PlayerMatchupGameId { player, game, matchup }));
    }
}
