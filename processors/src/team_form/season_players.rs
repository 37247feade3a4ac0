//! The players of a team this season: how many games each has missed, and what is expected of each in a game.
//!
//! Invariant: only games with a box score count, because in the others it is unknown who appeared.
//! Not here: the probability that a player appears, and the sums over teammates (`slate::rotation`).
use crate::ewma::Ewma;
use schemas::{PlayerId, game::TeamGameRevision, team_form::SeasonPlayer};
use std::collections::BTreeMap;

/// A player who missed this number of games or more returns with the next appearance.
const RETURN_AFTER_GAMES: i32 = 5;

/// Derives the players who appeared in a team's past games, which must be in descending order of time, sorted by player; `None` if no game
/// has a box score.
pub fn season_players(past: &[&TeamGameRevision]) -> Option<Vec<SeasonPlayer>> {
    let mut players: BTreeMap<PlayerId, PlayerSoFar> = BTreeMap::new();
    let mut games = 0;
    for revision in past.iter().rev().filter(|revision| revision.totals.is_some()) {
        for (player, workload) in revision.appeared.iter().zip(&revision.workloads) {
            let so_far = players.entry(*player).or_insert_with(|| PlayerSoFar::new(games));
            so_far.add(games, workload.playing_time.minutes(), workload.possessions_used());
        }
        games += 1;
    }
    let players = players.into_iter().map(|(player, so_far)| so_far.season_player(player, games));
    (games > 0).then(|| players.collect())
}

/// A player's appearances for the team so far.
struct PlayerSoFar {
    /// The number of games up to the last appearance.
    last_game: i32,
    appearances_since_return: Option<i32>,
    minutes_3: Ewma,
    minutes_8: Ewma,
    minutes_20: Ewma,
    possessions_20: Ewma,
}
impl PlayerSoFar {
    /// A player whose first appearance is in the game after `games` others. The games before it count as not missed, because the player
    /// may not have belonged to the team.
    fn new(games: i32) -> Self {
        PlayerSoFar {
            last_game: games,
            appearances_since_return: None,
            minutes_3: Ewma::default(),
            minutes_8: Ewma::default(),
            minutes_20: Ewma::default(),
            possessions_20: Ewma::default(),
        }
    }
    fn add(&mut self, games_before: i32, minutes: f64, possessions: f64) {
        let is_return = games_before - self.last_game >= RETURN_AFTER_GAMES;
        self.appearances_since_return =
            if is_return { Some(0) } else { self.appearances_since_return.map(|count| count + 1) };
        self.last_game = games_before + 1;
        self.minutes_3.add(Ewma::DECAY_3, minutes);
        self.minutes_8.add(Ewma::DECAY_8, minutes);
        self.minutes_20.add(Ewma::DECAY_20, minutes);
        self.possessions_20.add(Ewma::DECAY_20, possessions);
    }
    fn season_player(&self, player: PlayerId, games: i32) -> SeasonPlayer {
        let mean = |minutes: Ewma| minutes.mean().unwrap_or_default();
        let expected_minutes = 0.5 * mean(self.minutes_3) + 0.5 * mean(self.minutes_8);
        // An appearance has playing time, so the sum of the minutes is positive.
        let per_minute = self.possessions_20.sum() / self.minutes_20.sum();
        SeasonPlayer {
            player,
            games_missed: games - self.last_game,
            appearances_since_return: self.appearances_since_return,
            expected_minutes,
            expected_possessions: expected_minutes * per_minute,
        }
    }
}
