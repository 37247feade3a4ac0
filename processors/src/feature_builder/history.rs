//! A player's earlier appearances as of a cutoff. The features must access earlier games only through this type.
//!
//! Invariant: the game of every appearance ended before the cutoff and, on the issued basis, its box score was known before the cutoff.
//! No method gives access to a game after the cutoff.
//! Not here: the features computed from the appearances (`vector`).
use crate::history::Cutoff;
use schemas::{
    GameId, Matchup, Season, Timestamp,
    features::{Comparable, DefenseTier, Streak},
    game::{PlayerGame, PlayerGameRevision},
    observation::BoxScoreStats,
    team_form::SlateEntry,
};
use std::collections::BTreeMap;

/// The row of a game, and the revision of it as of a cutoff.
type RevisionAsOf<'a> = (&'a PlayerGame, &'a PlayerGameRevision);

/// A game in which the player had playing time.
#[derive(Clone, Copy)]
pub struct Appearance<'a> {
    pub game: GameId,
    pub revision: &'a PlayerGameRevision,
    pub stats: &'a BoxScoreStats,
}
impl<'a> Appearance<'a> {
    /// Returns the appearance that a revision states; `None` if the player did not play, or if the game had not ended before the cutoff.
    fn of((row, revision): RevisionAsOf<'a>, cutoff: Cutoff) -> Option<Self> {
        let stats = revision.stats.as_ref()?;
        let is_past = cutoff.is_past(revision.effective_at()) && stats.playing_time.0 > 0;
        is_past.then_some(Appearance { game: row.game, revision, stats })
    }
    pub fn points(&self) -> f64 {
        f64::from(self.stats.points)
    }
    pub fn minutes(&self) -> f64 {
        self.stats.playing_time.minutes()
    }
    fn order(&self) -> (Timestamp, GameId) {
        (self.revision.tip_off, self.game)
    }
}

/// A player's appearances before a game.
pub struct History<'a> {
    /// Appearances in the season of the game, oldest first, without the final of the cup.
    pub season: Vec<Appearance<'a>>,
    /// Appearances against either of the game's two teams in the three years before the game, oldest first, without the final of the cup.
    pub versus: Vec<Appearance<'a>>,
    /// The latest appearance before the cutoff, in any season and for any team.
    pub latest: Option<Appearance<'a>>,
    /// The first instant at which all of these appearances were known, and that the player did not appear in the other games with a box
    /// score of the player; `DISTANT_PAST` if there are none.
    pub known_at: Timestamp,
}

/// Appearances against either of the two teams of a game are used if they are at most this many days older than the game.
const VERSUS_DAYS: i32 = 3 * 365;

impl<'a> History<'a> {
    /// Selects the player's appearances before the game of a slate entry.
    pub fn before(
        seasons: &'a BTreeMap<Season, BTreeMap<(GameId, Matchup), PlayerGame>>,
        entry: &SlateEntry,
        cutoff: Cutoff,
    ) -> Self {
        let opponents = [entry.home, entry.away];
        let mut known_at = Timestamp::DISTANT_PAST;
        let mut as_of = |row: &'a PlayerGame| -> Option<Appearance<'a>> {
            let in_retrospect = row.revisions_in_retrospect.as_deref();
            let revision = (row.game != entry.game)
                .then(|| cutoff.as_of(&row.revisions, in_retrospect, |revision| revision.known_at))??;
            // If no revision so far states that the game ended before the cutoff, it never was an appearance.
            let until = |other: &&PlayerGameRevision| other.known_at <= revision.known_at;
            let mut so_far = cutoff.revisions(&row.revisions, in_retrospect).iter().take_while(until);
            if so_far.any(|other| cutoff.is_past(other.effective_at())) {
                known_at = known_at.max(revision.known_at);
            }
            Appearance::of((row, revision), cutoff)
        };
        let games_of = |season: Season| seasons.get(&season).into_iter().flat_map(|games| games.values());
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
            .range(..=season_of_game)
            .rev()
            .find_map(|(_, games)| games.values().filter_map(&mut as_of).max_by_key(Appearance::order));
        History { season, versus, latest, known_at }
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
    /// appearance for which the defensive rating of the opponent is not known.
    pub fn comparables(&self, mut def_rating: impl FnMut(&Appearance<'a>) -> Option<f64>) -> Vec<Comparable> {
        let mut sum = 0.0;
        let mut comparables = Vec::with_capacity(self.season.len());
        for (index, appearance) in self.season.iter().enumerate() {
            if let Some(previous) = index.checked_sub(1)
                && let Some(rating) = def_rating(appearance)
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
