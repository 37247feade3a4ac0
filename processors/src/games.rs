//! Games: the view in which everything about a game meets, whatever id, date or home side a source gave it.
//!
//! A game is nba.com's game id; other sources' box scores are matched by teams and Eastern date. From fixtures, results, box
//! scores and names it publishes games, team games and player games.
//!
//! Precedence of box scores, per player: nba.com's game log, balldontlie's stats, balldontlie's box scores; the feed chosen is
//! recorded in the step.
//! Invariant: a content "as known at" an instant reads nothing heard after it, so its steps can only be added to, never moved.
//! Not here: what a name means (the teams' answers are an input), anything about games still to be played.
mod facts;
#[cfg(test)]
mod tests;

use crate::view::{Merged, View, Waiting};
pub use facts::Tables;
use schemas::{
    GameId, Instant, Matchup, MatchupGameId, NamesId, PlayerGameId, PlayerId, Scope, Team, TeamGameId,
    game::{Game, PlayerGame, TeamGame},
    identity::Names,
    sighting::{BoxScoreSighting, GameSighting},
};

/// What the view reads.
#[derive(Clone, Debug)]
pub enum In {
    Game(GameSighting),
    BoxScore(BoxScoreSighting),
    Names(NamesId, Option<Names>),
}
/// The rows it publishes, and one pseudo row per box score list, which is never published but may wait.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
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
impl View for Games {
    const NAME: &'static str = "games";
    type Key = Matchup;
    type Tables = Tables;
    type In = In;
    type Slot = Slot;
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
    fn key_of(&self, slot: &Slot) -> Matchup {
        match slot {
            Slot::Game(id) => id.matchup,
            Slot::TeamGame(_, matchup) | Slot::PlayerGame(_, matchup) | Slot::List(matchup, _) => *matchup,
        }
    }
    fn apply(&self, tables: &mut Tables, input: In, reached: &mut dyn FnMut(Slot)) -> Merged {
        let Some(matchup) = self.key(&input) else { return Merged::Unchanged };
        let mut reach = |tables: &Tables, game: GameId| slots_of(tables, matchup, game, reached);
        match input {
            In::Game(s) => {
                let near: Vec<GameId> = tables.near(s.game, s.fixture.date);
                near.iter().for_each(|game| reach(tables, *game));
                // Fixture and result are two facts: of two answers at one instant each may give one.
                let kept = format!("{}/{}/{}", s.game, s.heard.fetched_at.0, s.heard.raw);
                if !tables.merge_game(&s) {
                    return Merged::Unchanged;
                }
                tables.near(s.game, s.fixture.date).iter().for_each(|game| reach(tables, *game));
                let lists: Vec<_> = tables.lists().map(|list| Slot::List(matchup, list.clone())).collect();
                lists.into_iter().for_each(reached);
                Merged::Kept(kept)
            }
            In::BoxScore(s) => {
                let list = facts::ListId::of(&s);
                let games = tables.games_of(&list);
                games.iter().for_each(|game| reach(tables, *game));
                let kept = format!("{list}/{}", s.heard.fetched_at.0);
                if !tables.merge_box_score(list.clone(), s) {
                    return Merged::Unchanged;
                }
                games.iter().for_each(|game| reach(tables, *game));
                reached(Slot::List(matchup, list));
                Merged::Kept(kept)
            }
            In::Names(id, row) => {
                let lists: Vec<_> = tables.lists_asking(id.source, id.date).cloned().collect();
                let games: Vec<GameId> = lists.iter().flat_map(|list| tables.games_of(list)).collect();
                games.iter().for_each(|game| reach(tables, *game));
                tables.put_names(id, row);
                games.iter().for_each(|game| reach(tables, *game));
                lists.into_iter().for_each(|list| reached(Slot::List(matchup, list)));
                Merged::Row
            }
        }
    }
    fn slots(&self, tables: &Tables, known: &mut dyn FnMut(Slot)) {
        let Some(matchup) = tables.matchup() else { return };
        tables.game_ids().for_each(|game| slots_of(tables, matchup, game, known));
        tables.lists().for_each(|list| known(Slot::List(matchup, list.clone())));
    }
    fn derive(&self, tables: &Tables, slot: &Slot) -> Option<Out> {
        match slot {
            Slot::Game(id) => tables.game(id.game).map(Out::Game),
            Slot::TeamGame(id, _) => tables.team_game(id.game, id.team).map(Out::TeamGame),
            Slot::PlayerGame(id, _) => tables.player_game(id.game, id.player).map(Out::PlayerGame),
            Slot::List(..) => None,
        }
    }
    fn waiting(&self, tables: &Tables, slot: &Slot) -> (u32, Vec<Waiting>) {
        match slot {
            Slot::List(matchup, list) => tables.waiting(*matchup, list),
            _ => (0, Vec::new()),
        }
    }
}

fn slots_of(tables: &Tables, matchup: Matchup, game: GameId, reached: &mut dyn FnMut(Slot)) {
    reached(Slot::Game(MatchupGameId { matchup, game }));
    let teams: [Team; 2] = matchup.teams();
    teams.into_iter().for_each(|team| reached(Slot::TeamGame(TeamGameId { team, game }, matchup)));
    let mut players: Vec<PlayerId> = tables.players_of(game);
    players.sort_unstable();
    players.dedup();
    players.into_iter().for_each(|player| reached(Slot::PlayerGame(PlayerGameId { player, game }, matchup)));
}

/// What is known in the end.
const IN_THE_END: Instant = Instant::NEVER;
