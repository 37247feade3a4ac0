//! What a team's games state about a candidate and the teammates: the games that the candidate missed, and the expected minutes and
//! possessions of the regular teammates who will probably appear or not.
//!
//! Invariant: the candidate is in none of the sums over the teammates.
//! Not here: what is expected of each player (`team_form::season_players`).
use schemas::{
    PlayerId,
    team_form::{Form, Rotation, SeasonPlayer},
};

/// A teammate with at least these expected minutes is a regular.
const REGULAR_MINUTES: f64 = 10.0;
/// Of the players who are out for many games, some no longer belong to the team. From this number of missed games on, each further game
/// multiplies the part of a player who does not appear by [`FORGOTTEN_PER_GAME`].
const FORGOTTEN_AFTER_GAMES: i32 = 15;
const FORGOTTEN_PER_GAME: f64 = 0.9;

/// Derives the rotation of a candidate in a team; `None` if the team has no box score this season.
pub fn rotation(form: &Form, candidate: PlayerId) -> Option<Rotation> {
    let players = form.season_players.as_ref()?;
    let own =
        players.binary_search_by_key(&candidate, |player| player.player).ok().map(|index| players[index]);
    let mut rotation = Rotation {
        games_missed: own.map(|player| player.games_missed),
        appearances_since_return: own.and_then(|player| player.appearances_since_return),
        minutes_available: 0.0,
        minutes_absent: 0.0,
        possessions_absent: 0.0,
    };
    let is_regular_teammate =
        |other: &&SeasonPlayer| other.player != candidate && other.expected_minutes >= REGULAR_MINUTES;
    for teammate in players.iter().filter(is_regular_teammate) {
        let appears = probability_of_appearance(teammate.games_missed);
        let absent = (1.0 - appears) * share_not_forgotten(teammate.games_missed);
        rotation.minutes_available += teammate.expected_minutes * appears;
        rotation.minutes_absent += teammate.expected_minutes * absent;
        rotation.possessions_absent += teammate.expected_possessions * absent;
    }
    Some(rotation)
}

/// Returns the share of regular players who appear in the next game of the team after they missed this number of its games: measured over
/// the seasons 2018-19 to 2023-24.
const fn probability_of_appearance(games_missed: i32) -> f64 {
    match games_missed {
        0 => 0.93,
        1 => 0.42,
        2 => 0.30,
        3 => 0.22,
        4..=9 => 0.12,
        _ => 0.05,
    }
}

fn share_not_forgotten(games_missed: i32) -> f64 {
    (FORGOTTEN_AFTER_GAMES..games_missed).fold(1.0, |share, _| share * FORGOTTEN_PER_GAME)
}
