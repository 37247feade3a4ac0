//! A player's earlier games, as believed at a cut-off: the only way to read them.
//!
//! Invariant: every appearance in it ended before the cut-off, and on the issued basis was heard by then. There is deliberately no
//! way to reach a game past the cut.
//! Not here: the features computed from it (vector).
use crate::fact_history::Cutoff;
use schemas::{
    GameId, Season, Timestamp,
    features::{Comparable, DefenseTier, Streak},
    game::{PlayerGame, PlayerGameRevision},
    observation::BoxLine,
    team_form::SlateEntry,
};
use std::collections::BTreeMap;

/// A game in which he played: minutes > 0.
#[derive(Clone, Copy)]
pub struct Appearance<'a> {
    pub game: GameId,
    pub revision: &'a PlayerGameRevision,
    pub line: &'a BoxLine,
}

/// His appearances before a game.
pub struct History<'a> {
    /// Of the same season, oldest first.
    pub season: Vec<Appearance<'a>>,
    /// Against the same opponents in the three years before, oldest first.
    pub versus: Vec<Appearance<'a>>,
    /// The last of all, whatever the season and team.
    pub latest: Option<Appearance<'a>>,
    /// The greatest among the revisions used.
    pub known_at: Timestamp,
}

/// How far back games against an opponent are counted, in days: three years.
const VERSUS_DAYS: i32 = 3 * 365;

impl<'a> History<'a> {
    pub fn before(
        seasons: &'a BTreeMap<Season, BTreeMap<GameId, PlayerGame>>,
        entry: &SlateEntry,
        cut: Cutoff,
    ) -> Self {
        let season = entry.game.season();
        let believed = |row: &'a PlayerGame| -> Option<Appearance<'a>> {
            let revision = cut.as_of(&row.revisions, |revision| revision.known_at)?;
            let line = revision.line.as_ref()?;
            let counts =
                cut.is_past(revision.effective_at()) && line.playing_time.0 > 0 && row.game != entry.game;
            counts.then_some(Appearance { game: row.game, revision, line })
        };
        let in_season = |season: Season| seasons.get(&season).into_iter().flat_map(|games| games.values());
        let in_order = |appearance: &Appearance<'a>| (appearance.revision.tip_off, appearance.game);
        let mut of_season: Vec<Appearance<'a>> = in_season(season).filter_map(believed).collect();
        of_season.sort_unstable_by_key(in_order);
        let meets = |a: &Appearance<'a>| [entry.home, entry.away].contains(&a.revision.opponent);
        let recent = |a: &Appearance<'a>| entry.date.0 - a.revision.date.0 <= VERSUS_DAYS;
        let earlier = (1..=3).flat_map(|back| in_season(Season(season.0 - back)));
        let pairs = earlier.filter(|row| {
            row.revisions.iter().any(|revision| [entry.home, entry.away].contains(&revision.opponent))
        });
        let mut versus: Vec<Appearance<'a>> = pairs
            .filter_map(believed)
            .chain(of_season.iter().copied())
            .filter(|a| meets(a) && recent(a))
            .collect();
        versus.sort_unstable_by_key(in_order);
        let latest = of_season.last().copied().or_else(|| {
            let before = seasons.range(..season).rev();
            before.filter_map(|(_, games)| games.values().filter_map(believed).max_by_key(in_order)).next()
        });
        let used = of_season.iter().chain(&versus).chain(&latest).map(|a| a.revision.known_at);
        let known_at = used.max().unwrap_or(Timestamp::DISTANT_PAST);
        History { season: of_season, versus, latest, known_at }
    }
    /// The season's last `n` appearances, newest first.
    pub fn last(&self, n: usize) -> impl Iterator<Item = &Appearance<'a>> {
        self.season.iter().rev().take(n)
    }
    pub fn mean_points(&self, n: usize) -> Option<f64> {
        mean(self.last(n).map(|a| f64::from(a.line.points)))
    }
    pub fn mean_minutes(&self, n: usize) -> Option<f64> {
        mean(self.last(n).map(|a| a.line.playing_time.minutes()))
    }
    /// The season's appearances with what they were made in; one without an earlier appearance or a known opponent's rating has no
    /// circumstances to compare.
    pub fn comparables(&self, mut def_rating: impl FnMut(&Appearance<'a>) -> Option<f64>) -> Vec<Comparable> {
        let points = |a: &Appearance<'a>| f64::from(a.line.points);
        let mut sum = 0.0;
        let mut comparables = Vec::with_capacity(self.season.len());
        for (i, appearance) in self.season.iter().enumerate() {
            if let Some(before) = i.checked_sub(1)
                && let Some(rating) = def_rating(appearance)
            {
                let last_5 = mean(self.season[i.saturating_sub(5)..i].iter().map(points)).unwrap_or_default();
                comparables.push(Comparable {
                    game: appearance.game,
                    points: appearance.line.points,
                    tier: DefenseTier::from_def_rating(rating),
                    rest_days: (appearance.revision.date.0 - self.season[before].revision.date.0 - 1).max(0),
                    is_home: appearance.revision.is_home,
                    streak: Streak::from_averages(last_5, sum / i as f64),
                });
            }
            sum += points(appearance);
        }
        comparables
    }
}

pub fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (n, sum) = values.fold((0.0, 0.0), |(n, sum), value| (n + 1.0, sum + value));
    (n > 0.0).then(|| sum / n)
}
