//! The games view: joins all observations of a game, even if sources give it different ids, dates or home teams.
//!
//! A game is identified by nba.com's game id; box scores of other sources are matched by teams and Eastern date. The view derives games,
//! team games and player games from fixtures (schedule entries), results, box scores and name matches. A box score counts as
//! parked until its fixture and the players of all its names are known; parked records are saved, not rejected.
//!
//! A player's statistics come from the first of these feeds that lists the player: nba.com's game log, balldontlie's stats, balldontlie's
//! box scores. Each revision records which feed was used.
//!
//! Invariant: the content of a row at an instant uses only observations fetched at or before it, so an observation fetched later adds
//! revisions and changes no earlier one.
//! Not here: name matching (`name_resolver`; its result is an input here), the form of a team (`team_form`) and the features of a player
//! (`feature_builder`) before a game.
mod facts;
#[cfg(test)]
mod tests;

use crate::materialized_view::{Effects, MaterializedView, ParkedItem, StateChange};
pub use facts::Tables;
use schemas::{
    GameId, Matchup, MatchupGameId, NamesId, PlayerGameId, PlayerId, Scope, TeamGameId,
    game::{Game, PlayerGame, TeamGame},
    identity::Names,
    observation::{BoxScoreObservation, GameObservation},
};

/// An input of the games view.
#[derive(Clone, Debug)]
pub enum In {
    Game(GameObservation),
    BoxScore(BoxScoreObservation),
    Names(NamesId, Option<Names>),
}
/// The key of an output row. The variant `List` (one team's box score in one feed) has no row; it only reports parked items.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutputKey {
    Game(MatchupGameId),
    TeamGame(TeamGameId, Matchup),
    PlayerGame(PlayerGameId, Matchup),
    List(Matchup, facts::ListId),
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
    type Retained = ();
    type In = In;
    type OutputKey = OutputKey;
    type Out = Out;

    fn key(&self, input: &In) -> Option<Matchup> {
        match input {
            In::Game(observation) => Matchup::new(observation.fixture.home, observation.fixture.away),
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
            OutputKey::TeamGame(_, matchup)
            | OutputKey::PlayerGame(_, matchup)
            | OutputKey::List(matchup, _) => *matchup,
        }
    }
    fn apply(&self, tables: &mut Tables, input: In, effects: &mut Effects<'_, OutputKey, ()>) -> StateChange {
        let invalidate = &mut *effects.invalidate;
        let Some(matchup) = self.key(&input) else { return StateChange::Unchanged };
        match input {
            In::Game(observation) => apply_game(tables, matchup, &observation, invalidate),
            In::BoxScore(observation) => apply_box_score(tables, matchup, observation, invalidate),
            In::Names(id, row) => {
                let lists: Vec<_> = tables.lists_with_lookup(id.source, id.date).cloned().collect();
                let games: Vec<GameId> = lists.iter().flat_map(|list| tables.games_of(list)).collect();
                // Emits the keys both before and after the change, because the row may add players to a game or remove them.
                emit_games(tables, matchup, &games, invalidate);
                tables.put_names(id, row);
                emit_games(tables, matchup, &games, invalidate);
                for list in lists {
                    invalidate(OutputKey::List(matchup, list));
                }
                StateChange::RowReplaced
            }
        }
    }
    fn restore(&self, _tables: &mut Tables, (): ()) {}
    fn all_keys(&self, tables: &Tables, emit: &mut dyn FnMut(OutputKey)) {
        let Some(matchup) = tables.matchup() else { return };
        for game in tables.game_ids() {
            emit_game(tables, matchup, game, emit);
        }
        for list in tables.lists() {
            emit(OutputKey::List(matchup, list.clone()));
        }
    }
    fn derive(&self, tables: &Tables, output_key: &OutputKey) -> Option<Out> {
        match output_key {
            OutputKey::Game(id) => tables.game(id.game).map(Out::Game),
            OutputKey::TeamGame(id, _) => tables.team_game(id.game, id.team).map(Out::TeamGame),
            OutputKey::PlayerGame(id, _) => tables.player_game(id.game, id.player).map(Out::PlayerGame),
            OutputKey::List(..) => None,
        }
    }
    fn parked(&self, tables: &Tables, output_key: &OutputKey) -> (u32, Vec<ParkedItem>) {
        match output_key {
            OutputKey::List(matchup, list) => tables.parked(*matchup, list),
            _ => (0, Vec::new()),
        }
    }
}

fn apply_game(
    tables: &mut Tables,
    matchup: Matchup,
    observation: &GameObservation,
    invalidate: &mut dyn FnMut(OutputKey),
) -> StateChange {
    let GameObservation { game, fixture, provenance, .. } = observation;
    // Emits the keys both before and after the change, because box scores may move from one game to another.
    emit_games(tables, matchup, &tables.games_near(*game, fixture.date), invalidate);
    // Two observations may have the same fetch time, and both may be needed: one for its fixture, the other for its result. So the retained
    // id contains the raw id.
    let retained_id = format!("{game}/{}/{}", provenance.fetched_at.0, provenance.raw);
    if !tables.merge_game(observation) {
        return StateChange::Unchanged;
    }
    emit_games(tables, matchup, &tables.games_near(*game, fixture.date), invalidate);
    for list in tables.lists() {
        invalidate(OutputKey::List(matchup, list.clone()));
    }
    StateChange::Retained(retained_id)
}

fn apply_box_score(
    tables: &mut Tables,
    matchup: Matchup,
    observation: BoxScoreObservation,
    invalidate: &mut dyn FnMut(OutputKey),
) -> StateChange {
    let list = facts::ListId::for_box_score(&observation);
    let games = tables.games_of(&list);
    emit_games(tables, matchup, &games, invalidate);
    let retained_id = format!("{list}/{}", observation.provenance.fetched_at.0);
    if !tables.merge_box_score(list.clone(), observation) {
        return StateChange::Unchanged;
    }
    emit_games(tables, matchup, &games, invalidate);
    invalidate(OutputKey::List(matchup, list));
    StateChange::Retained(retained_id)
}

fn emit_games(tables: &Tables, matchup: Matchup, games: &[GameId], emit: &mut dyn FnMut(OutputKey)) {
    for game in games {
        emit_game(tables, matchup, *game, emit);
    }
}

/// Emits the keys of all output rows of a game.
fn emit_game(tables: &Tables, matchup: Matchup, game: GameId, emit: &mut dyn FnMut(OutputKey)) {
    emit(OutputKey::Game(MatchupGameId { matchup, game }));
    for team in matchup.teams() {
        emit(OutputKey::TeamGame(TeamGameId { team, game }, matchup));
    }
    let mut players: Vec<PlayerId> = tables.players_of(game);
    players.sort_unstable();
    players.dedup();
    for player in players {
        emit(OutputKey::PlayerGame(PlayerGameId { player, game }, matchup));
    }
}
