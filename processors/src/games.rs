//! Games: the view in which everything about a game meets, whatever id, date or home side a source gave it.
//!
//! A game is nba.com's game id; other sources' box scores are matched by teams and Eastern date. From fixtures, results, box
//! scores and names it publishes games, team games and player games.
//!
//! Precedence of box scores, per player: nba.com's game log, balldontlie's stats, balldontlie's box scores; the feed chosen is
//! recorded in the revision.
//! Invariant: a content "as known at" an instant reads nothing heard after it, so its revisions can only be added to, never moved.
//! Not here: what a name means (the teams' answers are an input), anything about games still to be played.
mod facts;
#[cfg(test)]
mod tests;

use crate::materialized_view::{MaterializedView, ParkedItem, StateChange};
pub use facts::Tables;
use schemas::{
    GameId, Matchup, MatchupGameId, NamesId, PlayerGameId, PlayerId, Scope, Team, TeamGameId, Timestamp,
    game::{Game, PlayerGame, TeamGame},
    identity::Names,
    observation::{BoxScoreObservation, GameObservation},
};

/// What the view reads.
#[derive(Clone, Debug)]
pub enum In {
    Game(GameObservation),
    BoxScore(BoxScoreObservation),
    Names(NamesId, Option<Names>),
}
/// The rows it publishes, and one pseudo row per box score list, which is never published but may wait.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutputKey {
    Game(MatchupGameId),
    TeamGame(TeamGameId, Matchup),
    PlayerGame(PlayerGameId, Matchup),
    List(Matchup, facts::ListId),
}
/// Its output rows.
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
    type In = In;
    type OutputKey = OutputKey;
    type Out = Out;

    fn key(&self, input: &In) -> Option<Matchup> {
        match input {
            In::Game(s) => Matchup::new(s.fixture.home, s.fixture.away),
            In::BoxScore(s) => Matchup::new(s.team, s.opponent),
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
    fn apply(&self, tables: &mut Tables, input: In, invalidate: &mut dyn FnMut(OutputKey)) -> StateChange {
        let Some(matchup) = self.key(&input) else { return StateChange::Unchanged };
        let mut affect = |tables: &Tables, game: GameId| keys_of_game(tables, matchup, game, invalidate);
        match input {
            In::Game(s) => {
                let near: Vec<GameId> = tables.near(s.game, s.fixture.date);
                near.iter().for_each(|game| affect(tables, *game));
                // Fixture and result are two facts: of two answers at one instant each may give one.
                let retained_id = format!("{}/{}/{}", s.game, s.provenance.fetched_at.0, s.provenance.raw);
                if !tables.merge_game(&s) {
                    return StateChange::Unchanged;
                }
                tables.near(s.game, s.fixture.date).iter().for_each(|game| affect(tables, *game));
                let lists: Vec<_> =
                    tables.lists().map(|list| OutputKey::List(matchup, list.clone())).collect();
                lists.into_iter().for_each(invalidate);
                StateChange::Retained(retained_id)
            }
            In::BoxScore(s) => {
                let list = facts::ListId::for_box_score(&s);
                let games = tables.games_of(&list);
                games.iter().for_each(|game| affect(tables, *game));
                let retained_id = format!("{list}/{}", s.provenance.fetched_at.0);
                if !tables.merge_box_score(list.clone(), s) {
                    return StateChange::Unchanged;
                }
                games.iter().for_each(|game| affect(tables, *game));
                invalidate(OutputKey::List(matchup, list));
                StateChange::Retained(retained_id)
            }
            In::Names(id, row) => {
                let lists: Vec<_> = tables.lists_asking(id.source, id.date).cloned().collect();
                let games: Vec<GameId> = lists.iter().flat_map(|list| tables.games_of(list)).collect();
                games.iter().for_each(|game| affect(tables, *game));
                tables.put_names(id, row);
                games.iter().for_each(|game| affect(tables, *game));
                lists.into_iter().for_each(|list| invalidate(OutputKey::List(matchup, list)));
                StateChange::RowReplaced
            }
        }
    }
    fn all_keys(&self, tables: &Tables, emit: &mut dyn FnMut(OutputKey)) {
        let Some(matchup) = tables.matchup() else { return };
        tables.game_ids().for_each(|game| keys_of_game(tables, matchup, game, emit));
        tables.lists().for_each(|list| emit(OutputKey::List(matchup, list.clone())));
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

fn keys_of_game(tables: &Tables, matchup: Matchup, game: GameId, invalidate: &mut dyn FnMut(OutputKey)) {
    invalidate(OutputKey::Game(MatchupGameId { matchup, game }));
    let teams: [Team; 2] = matchup.teams();
    teams.into_iter().for_each(|team| invalidate(OutputKey::TeamGame(TeamGameId { team, game }, matchup)));
    let mut players: Vec<PlayerId> = tables.players_of(game);
    players.sort_unstable();
    players.dedup();
    players
        .into_iter()
        .for_each(|player| invalidate(OutputKey::PlayerGame(PlayerGameId { player, game }, matchup)));
}

/// What is known in the end.
const LATEST_KNOWN: Timestamp = Timestamp::DISTANT_FUTURE;
