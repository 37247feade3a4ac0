//! A player's earlier appearances as of a cutoff. The features must access earlier games only through this type.
//!
//! Invariant: the game of every appearance ended before the cutoff and, on the issued basis, its box score was known before the cutoff.
//! No method gives access to a game after the cutoff.
//! Not here: the features computed from the appearances (`vector`).
use super::{
    appearance::{Appearance, appearance_as_of},
    career::Career,
    seasons::Seasons,
};
use crate::history::{Cutoff, Known};
use schemas::{
    Season, Timestamp,
    features::{Comparable, DefenseTier, Streak},
    game::PlayerGame,
    team_form::SlateEntry,
};

/// A player's appearances before a game.
pub struct History<'a> {
    /// Appearances in the season of the game, oldest first, without the final of the cup.
    pub season: Vec<Appearance<'a>>,
    /// Appearances against either of the game's two teams in the three years before the game, oldest first, without the final of the cup.
    pub versus: Vec<Appearance<'a>>,
    /// The latest appearance before the cutoff, in any season and for any team.
    pub latest: Option<Appearance<'a>>,
    /// What the appearances of all seasons add up to, without the finals of the cup, and when those of earlier seasons became known.
    pub career: Known<Career>,
    /// The first instant at which all of these appearances were known, and that the player did not appear in the other games with a box
    /// score of the player; `DISTANT_PAST` if there are none.
    pub known_at: Timestamp,
}

/// Appearances against either of the two teams of a game are used if they are at most this many days older than the game.
const VERSUS_DAYS: i32 = 3 * 365;

impl<'a> History<'a> {
    /// Selects the player's appearances before the game of a slate entry.
    pub fn before(seasons: &'a Seasons, entry: &SlateEntry, cutoff: Cutoff) -> Self {
        let opponents = [entry.home, entry.away];
        let mut known_at = Timestamp::DISTANT_PAST;
        let mut as_of = |row: &'a PlayerGame| -> Option<Appearance<'a>> {
            (row.game != entry.game).then(|| appearance_as_of(row, cutoff, &mut known_at))?
        };
        let games_of = |season: Season| seasons.games_of(season);
        let season_of_game = entry.game.season();
        let counts = |row: &&'a PlayerGame| row.game.counts_in_averages();
        let mut season: Vec<Appearance<'a>> =
            games_of(season_of_game).filter(counts).filter_map(&mut as_of).collect();
        season.sort_unstable_by_key(Appearance::order);
        let is_versus = |appearance: &Appearance<'a>| {
            opponents.contains(&appearance.revision.opponent)
                && entry.date.0 - appearance.revision.date.0 <= VERSUS_DAYS
        };
        let earlier_games = (1..=3).flat_map(|years| games_of(Season(season_of_game.0 - years)));
        let earlier_versus = earlier_games
            .filter(counts)
            .filter(|row| {
                let revisions = cutoff.revisions(&row.revisions, row.revisions_in_retrospect.as_deref());
                revisions.iter().any(|revision| opponents.contains(&revision.opponent))
            })
            .filter_map(&mut as_of);
        let earlier_versus: Vec<Appearance<'a>> = earlier_versus.collect();
        let mut versus: Vec<Appearance<'a>> =
            earlier_versus.into_iter().chain(season.iter().copied()).filter(is_versus).collect();
        versus.sort_unstable_by_key(Appearance::order);
        let latest = seasons
            .latest_first(season_of_game)
            .find_map(|games| games.filter_map(&mut as_of).max_by_key(Appearance::order));
        let earlier = seasons.career_before(season_of_game, cutoff);
        let career = season.iter().fold(earlier.content, Career::with).in_season(season_of_game);
        History { season, versus, latest, career: Known { content: career, ..earlier }, known_at }
    }
    /// Returns the last `count` appearances of the season, newest first.
    pub fn last(&self, count: usize) -> impl Iterator<Item = &Appearance<'a>> {
        self.season.iter().rev().take(count)
    }
    pub fn mean_points(&self, count: usize) -> Option<f64> {
        mean(self.last(count).map(Appearance::points))
    }
    pub fn mean_minutes(&self, count: usize) -> Option<f64> {
        mean(self.last(count).map(Appearance::minutes))
    }
    /// Returns the season's appearances as [`Comparable`]s. Omits the first appearance, which has no rest days and no streak, and every
    /// appearance for which the defensive rating of the opponent is not known. `def_rating` takes the index of the appearance.
    pub fn comparables(&self, def_rating: impl Fn(usize) -> Option<f64>) -> Vec<Comparable> {
        let mut sum = 0.0;
        let mut comparables = Vec::with_capacity(self.season.len());
        for (index, appearance) in self.season.iter().enumerate() {
            if let Some(previous) = index.checked_sub(1)
                && let Some(rating) = def_rating(index)
            {
                let last_5 = self.season[index.saturating_sub(5)..index].iter().map(Appearance::points);
                let last_5 = mean(last_5).unwrap_or_default();
                let previous_date = self.season[previous].revision.date;
                comparables.push(Comparable {
                    game: appearance.game,
                    points: appearance.stats.points,
                    tier: DefenseTier::from_def_rating(rating),
                    rest_days: (appearance.revision.date.0 - previous_date.0 - 1).max(0),
                    is_home: appearance.revision.is_home,
                    streak: Streak::from_averages(last_5, sum / index as f64),
                });
            }
            sum += appearance.points();
        }
        comparables
    }
}

pub fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
    (count > 0.0).then(|| sum / count)
}
