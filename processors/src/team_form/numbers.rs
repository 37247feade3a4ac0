//! The averages of a team over its past games.
//!
//! Possessions = FGA + 0.44 FTA + TOV − OREB, of the team alone; pace = possessions · 48 / (team minutes / 5), where the team minutes are
//! rounded to the nearest 240 + 25 k for k overtimes; offensive rating = 100 · points / possessions; defensive rating = 100 · opponents'
//! points / own possessions.
//!
//! Invariant: the mean of the last n games is the mean of all games if there are fewer than n.
//! Not here: the selection of past games (`team_form`).
use schemas::{EasternDate, game::TeamGameRevision, team_form::FormNumbers};

/// Computes the averages from a team's past games, newest first, before a game on `date`.
pub fn form_numbers(past: &[&TeamGameRevision], date: EasternDate) -> FormNumbers {
    let numbers: Vec<GameNumbers> =
        past.iter().filter_map(|revision| GameNumbers::from_revision(revision)).collect();
    let newest = |window: usize| numbers.iter().take(window);
    let scores = past.iter().filter_map(|revision| revision.score);
    let (won, decided) = scores.fold((0.0, 0.0), |(won, decided), score| {
        (won + f64::from(score.own > score.opponent), decided + 1.0)
    });
    FormNumbers {
        games: past.len() as i32,
        pace_10: mean(newest(10).map(|game| game.pace)),
        pace_15: mean(newest(15).map(|game| game.pace)),
        off_rating_10: mean(newest(10).map(|game| game.off_rating)),
        def_rating_15: mean(newest(15).filter_map(|game| game.def_rating)),
        win_share: (decided > 0.0).then(|| won / decided),
        rest_days: past.first().map(|revision| (date.0 - revision.date.0 - 1).max(0)),
    }
}

struct GameNumbers {
    pace: f64,
    off_rating: f64,
    def_rating: Option<f64>,
}
impl GameNumbers {
    /// Computes the numbers of a game; `None` without a box score or without possessions.
    fn from_revision(revision: &TeamGameRevision) -> Option<Self> {
        let totals = revision.totals?;
        let possessions = f64::from(totals.field_goals_attempted)
            + 0.44 * f64::from(totals.free_throws_attempted)
            + f64::from(totals.turnovers)
            - f64::from(totals.offensive_rebounds);
        let overtimes = ((totals.playing_time.minutes() - 240.0) / 25.0).round().max(0.0);
        let minutes = 240.0 + 25.0 * overtimes;
        let rating = |points: i32| 100.0 * f64::from(points) / possessions;
        (possessions > 0.0).then(|| GameNumbers {
            pace: possessions * 48.0 / (minutes / 5.0),
            off_rating: rating(totals.points),
            def_rating: revision.score.map(|score| rating(score.opponent)),
        })
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
    (count > 0.0).then(|| sum / count)
}
