//! The games of one player by season, and the career through each season, which is computed once and not for each row.
//!
//! The career through a season (`CareerThrough`) is the same for all rows whose cutoff is after all that became known about the season.
//! Other rows, such as those of games before a late correction, compute it from the games.
//!
//! Invariant: a career as of a cutoff depends only on what the cutoff and its basis select, whether it was computed before or not.
//! Not here: what a career consists of (`career`), the appearances of the season of the game (`history`).
use super::{
    appearance::{Appearance, appearance_as_of},
    career::Career,
};
use crate::history::{Cutoff, Known};
use schemas::{GameId, Matchup, Season, Timestamp, features::Basis, game::PlayerGame};
use std::{collections::BTreeMap, fmt, sync::OnceLock};

/// The games of one player, by season.
#[derive(Debug, Default)]
pub struct Seasons(BTreeMap<Season, SeasonGames>);

#[derive(Default)]
struct SeasonGames {
    games: BTreeMap<(GameId, Matchup), PlayerGame>,
    /// The career through this season; empty until a row needs it, and again after a game of this season or of an earlier one changed.
    through: OnceLock<CareerThrough>,
}

/// Omits what follows from the games.
impl fmt::Debug for SeasonGames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.games.fmt(f)
    }
}

/// A career that is derived from the last revision of every game.
#[derive(Clone, Copy, Debug)]
struct CareerThrough {
    career: Career,
    /// When the last of these revisions became known.
    known_at: Timestamp,
    /// When the last revision of a game with several ones became known: after a cutoff, the retrospective basis selects an earlier one.
    known_at_of_several: Timestamp,
    /// The latest effective time in any revision.
    effective_at: Timestamp,
    /// True if any game has revisions without retracted observations, which the retrospective basis uses.
    has_retractions: bool,
}
impl CareerThrough {
    /// Before the first season.
    fn nothing() -> CareerThrough {
        CareerThrough {
            career: Career::default(),
            known_at: Timestamp::DISTANT_PAST,
            known_at_of_several: Timestamp::DISTANT_PAST,
            effective_at: Timestamp::DISTANT_PAST,
            has_retractions: false,
        }
    }
    /// Adds the games of the next season.
    fn with(mut self, season: &SeasonGames) -> Self {
        let mut appearances = Vec::with_capacity(season.games.len());
        for row in season.games.values().filter(|row| row.game.counts_in_averages()) {
            let Some(last) = row.revisions.last() else { continue };
            self.known_at = self.known_at.max(last.known_at);
            if row.revisions.len() > 1 {
                self.known_at_of_several = self.known_at_of_several.max(last.known_at);
            }
            let effective_at = row.revisions.iter().map(|revision| revision.effective_at()).max();
            self.effective_at = effective_at.into_iter().fold(self.effective_at, Timestamp::max);
            self.has_retractions |= row.revisions_in_retrospect.is_some();
            appearances.extend(Appearance::stated_by(row, last));
        }
        appearances.sort_unstable_by_key(Appearance::order);
        self.career = appearances.iter().fold(self.career, Career::with);
        self
    }
    /// True if a cutoff selects the last revision of every game.
    fn is_selected_by(&self, cutoff: Cutoff) -> bool {
        let is_known = match cutoff.basis() {
            Basis::Issued => cutoff.is_known(self.known_at),
            Basis::Retrospective => !self.has_retractions && cutoff.is_known(self.known_at_of_several),
        };
        is_known && cutoff.is_past(self.effective_at)
    }
}

impl Seasons {
    /// Replaces the row of a game (`None` deletes it) and returns the old row.
    pub fn put(&mut self, key: (GameId, Matchup), row: Option<PlayerGame>) -> Option<PlayerGame> {
        let season = key.0.season();
        for later in self.0.range_mut(season..).map(|(_, later)| later) {
            later.through.take();
        }
        let games = &mut self.0.entry(season).or_default().games;
        let old = match row {
            Some(row) => games.insert(key, row),
            None => games.remove(&key),
        };
        if games.is_empty() {
            self.0.remove(&season);
        }
        old
    }
    pub fn game(&self, game: GameId, matchup: Matchup) -> Option<&PlayerGame> {
        self.0.get(&game.season())?.games.get(&(game, matchup))
    }
    pub fn games_of(&self, season: Season) -> impl Iterator<Item = &PlayerGame> {
        self.0.get(&season).into_iter().flat_map(|season| season.games.values())
    }
    /// Returns the games of each season up to the given one, latest season first.
    pub fn latest_first(&self, season: Season) -> impl Iterator<Item = impl Iterator<Item = &PlayerGame>> {
        self.0.range(..=season).rev().map(|(_, season)| season.games.values())
    }
    /// Returns the career through all seasons before the given one, as of a cutoff, and when it became known.
    pub fn career_before(&self, season: Season, cutoff: Cutoff) -> Known<Career> {
        let mut through = CareerThrough::nothing();
        for season in self.0.range(..season).map(|(_, season)| season) {
            through = *season.through.get_or_init(|| through.with(season));
        }
        if through.is_selected_by(cutoff) {
            return Known { content: through.career, known_at: through.known_at };
        }
        let mut known = Known { content: Career::default(), known_at: Timestamp::DISTANT_PAST };
        for season in self.0.range(..season).map(|(_, season)| season) {
            let games = season.games.values().filter(|row| row.game.counts_in_averages());
            let as_of = games.filter_map(|row| appearance_as_of(row, cutoff, &mut known.known_at));
            let mut appearances: Vec<Appearance<'_>> = as_of.collect();
            appearances.sort_unstable_by_key(Appearance::order);
            known.content = appearances.iter().fold(known.content, Career::with);
        }
        known
    }
}
