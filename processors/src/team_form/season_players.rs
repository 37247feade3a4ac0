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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use schemas::{
        PlayingTime, Team, Timestamp,
        game::{PlayerWorkload, TeamTotals},
    };

    /// The minutes of each of three players (0 if the player did not appear); `None` without a box score.
    type GameMinutes = Option<[i32; 3]>;

    fn workload(minutes: i32) -> PlayerWorkload {
        PlayerWorkload {
            playing_time: PlayingTime(minutes * 60),
            field_goals_attempted: minutes / 2,
            free_throws_attempted: minutes / 5,
            turnovers: minutes / 10,
        }
    }
    fn revision(game: usize, minutes: &GameMinutes) -> TeamGameRevision {
        let appeared = minutes.iter().flatten().zip(0..).filter(|(minutes, _)| **minutes > 0);
        let tip_off = Timestamp(game as i64 * 86_400_000);
        TeamGameRevision {
            known_at: tip_off,
            opponent: Team::NYK,
            is_home: true,
            date: tip_off.eastern_date(),
            tip_off,
            tip_estimated: false,
            called_off: false,
            score: None,
            totals: minutes.map(|_| TeamTotals::default()),
            appeared: appeared.clone().map(|(_, player)| PlayerId(player)).collect(),
            workloads: appeared.map(|(minutes, _)| workload(*minutes)).collect(),
        }
    }
    /// The model: scans all games of one player for each number.
    fn model(games: &[[i32; 3]], player: usize) -> Option<(i32, Option<i32>, f64, f64)> {
        let appearances: Vec<usize> = (0..games.len()).filter(|game| games[*game][player] > 0).collect();
        let last = *appearances.last()?;
        let is_return = |index: &usize| appearances[*index] - appearances[index - 1] > 5;
        let returned = (1..appearances.len()).rev().find(is_return);
        let mean = |span: f64, value: fn(PlayerWorkload) -> f64| {
            let weight = |index: usize| 0.5f64.powf((appearances.len() - 1 - index) as f64 / span);
            let value = |index: usize| value(workload(games[appearances[index]][player]));
            let (sum, weights) = (0..appearances.len())
                .map(|index| (weight(index) * value(index), weight(index)))
                .fold((0.0, 0.0), |(sum, weights), (value, weight)| (sum + value, weights + weight));
            sum / weights
        };
        let minutes_of = |workload: PlayerWorkload| workload.playing_time.minutes();
        let minutes = (mean(3.0, minutes_of) + mean(8.0, minutes_of)) / 2.0;
        let possessions = mean(20.0, |workload| workload.possessions_used());
        Some((
            (games.len() - 1 - last) as i32,
            returned.map(|index| (appearances.len() - 1 - index) as i32),
            minutes,
            minutes * possessions / mean(20.0, minutes_of),
        ))
    }
    fn game() -> impl Strategy<Value = GameMinutes> {
        let minutes = || prop_oneof![3 => Just(0), 2 => 1..45i32];
        let minutes = (minutes(), minutes(), minutes());
        prop::option::weighted(0.9, minutes.prop_map(|(a, b, c)| [a, b, c]))
    }

    proptest! {
        #[test]
        fn the_players_of_a_season_equal_those_of_a_scan_of_all_games(
            games in prop::collection::vec(game(), 0..40),
        ) {
            let revisions: Vec<TeamGameRevision> =
                games.iter().enumerate().map(|(game, minutes)| revision(game, minutes)).collect();
            let newest_first: Vec<&TeamGameRevision> = revisions.iter().rev().collect();
            let players = season_players(&newest_first);
            let with_box_score: Vec<[i32; 3]> = games.into_iter().flatten().collect();
            prop_assert_eq!(players.is_none(), with_box_score.is_empty());
            let players = players.unwrap_or_default();
            for player in 0..3 {
                let found = players.iter().find(|found| found.player == PlayerId(player as u32));
                let expected = model(&with_box_score, player);
                prop_assert_eq!(found.is_some(), expected.is_some());
                let Some((found, (missed, since, minutes, possessions))) = found.zip(expected) else { continue };
                prop_assert_eq!((found.games_missed, found.appearances_since_return), (missed, since));
                prop_assert!((found.expected_minutes - minutes).abs() < 1e-9);
                prop_assert!((found.expected_possessions - possessions).abs() < 1e-9);
            }
        }
    }
}
