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
/// multiplies the part of a player who does not appear by [`FADE_PER_GAME`].
const FADES_AFTER_GAMES: i32 = 15;
const FADE_PER_GAME: f64 = 0.9;

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
        let absent = (1.0 - appears) * share_not_faded(teammate.games_missed);
        rotation.minutes_available += teammate.expected_minutes * appears;
        rotation.minutes_absent += teammate.expected_minutes * absent;
        rotation.possessions_absent += teammate.expected_possessions * absent;
    }
    Some(rotation)
}

/// Returns the probability that a regular appears in the next game of the team after missing this number of its games: about the share of
/// those who did in the seasons 2018-19 to 2023-24.
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

fn share_not_faded(games_missed: i32) -> f64 {
    (FADES_AFTER_GAMES..games_missed).fold(1.0, |share, _| share * FADE_PER_GAME)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use schemas::{Timestamp, team_form::FormNumbers};

    fn form(season_players: Option<Vec<SeasonPlayer>>) -> Form {
        Form {
            known_at: Timestamp(0),
            numbers: FormNumbers::default(),
            recent: Vec::new(),
            roster: Vec::new(),
            season_players,
        }
    }
    fn player() -> impl Strategy<Value = (i32, f64, f64)> {
        (0..40i32, 0.0..40.0f64, 0.0..25.0f64)
    }
    fn season_players(players: &[(i32, f64, f64)]) -> Vec<SeasonPlayer> {
        let season_player =
            |(player, (games_missed, minutes, possessions)): (u32, &(i32, f64, f64))| SeasonPlayer {
                player: PlayerId(player),
                games_missed: *games_missed,
                appearances_since_return: Some(3),
                expected_minutes: *minutes,
                expected_possessions: *possessions,
            };
        (0..).zip(players).map(season_player).collect()
    }

    proptest! {
        #[test]
        fn the_candidate_is_no_teammate_and_a_teammate_is_available_or_absent_or_faded(
            players in prop::collection::vec(player(), 0..20),
            candidate in 0..25usize,
        ) {
            let with = rotation(&form(Some(season_players(&players))), PlayerId(candidate as u32)).unwrap();
            let teammates = || players.iter().enumerate().filter(|(index, _)| *index != candidate).map(|(_, player)| player);
            let regulars = || teammates().filter(|(_, minutes, _)| *minutes >= 10.0);
            let faded: f64 = regulars()
                .map(|(missed, minutes, _)| minutes * 0.95 * (1.0 - 0.9f64.powi((missed - 15).max(0))))
                .sum();
            let minutes: f64 = regulars().map(|(_, minutes, _)| minutes).sum();
            prop_assert!((with.minutes_available + with.minutes_absent + faded - minutes).abs() < 1e-9);
            let possessions: f64 = regulars().map(|(_, _, possessions)| possessions).sum();
            prop_assert!(with.possessions_absent <= possessions + 1e-9);
            prop_assert_eq!(with.games_missed, players.get(candidate).map(|player| player.0));
            prop_assert_eq!(with.appearances_since_return, players.get(candidate).map(|_| 3));
        }
    }

    #[test]
    fn a_regular_who_missed_one_game_is_available_with_his_probability() {
        let players = season_players(&[(0, 30.0, 20.0), (1, 30.0, 20.0), (0, 9.9, 5.0), (20, 20.0, 10.0)]);
        let rotation = rotation(&form(Some(players)), PlayerId(0)).unwrap();
        let faded = 0.9f64.powi(5);
        assert_eq!(rotation.minutes_available, 30.0 * 0.42 + 20.0 * 0.05);
        assert!((rotation.minutes_absent - (30.0 * 0.58 + 20.0 * 0.95 * faded)).abs() < 1e-9);
        assert!((rotation.possessions_absent - (20.0 * 0.58 + 10.0 * 0.95 * faded)).abs() < 1e-9);
    }
    #[test]
    fn a_team_without_a_box_score_has_no_rotation() {
        assert_eq!(rotation(&form(None), PlayerId(0)), None);
    }
}
