//! One appearance of a player: a game in which the player had playing time, as of a cutoff.
//!
//! Invariant: the game of an appearance as of a cutoff ended before it and, on the issued basis, its box score was known before it.
//! Not here: the selection of the games (`history`, `seasons`).
use crate::history::Cutoff;
use schemas::{
    GameId, Timestamp,
    game::{PlayerGame, PlayerGameRevision},
    observation::BoxScoreStats,
};

/// A game in which the player had playing time.
#[derive(Clone, Copy)]
pub struct Appearance<'a> {
    pub game: GameId,
    pub revision: &'a PlayerGameRevision,
    pub stats: &'a BoxScoreStats,
}
impl<'a> Appearance<'a> {
    /// Returns the appearance that a revision of a row states; `None` if the player did not play.
    pub fn stated_by(row: &PlayerGame, revision: &'a PlayerGameRevision) -> Option<Self> {
        let stats = revision.stats.as_ref().filter(|stats| stats.playing_time.0 > 0)?;
        Some(Appearance { game: row.game, revision, stats })
    }
    pub fn points(&self) -> f64 {
        f64::from(self.stats.points)
    }
    pub fn minutes(&self) -> f64 {
        self.stats.playing_time.minutes()
    }
    pub fn order(&self) -> (Timestamp, GameId) {
        (self.revision.tip_off, self.game)
    }
}

/// Returns the appearance in a game as of a cutoff; `None` if the player did not play, or if the game had not ended before the cutoff.
/// Raises `known_at` to the time at which this became known.
pub fn appearance_as_of<'a>(
    row: &'a PlayerGame,
    cutoff: Cutoff,
    known_at: &mut Timestamp,
) -> Option<Appearance<'a>> {
    let in_retrospect = row.revisions_in_retrospect.as_deref();
    let revision = cutoff.as_of(&row.revisions, in_retrospect, |revision| revision.known_at)?;
    // If no revision so far states that the game ended before the cutoff, it never was an appearance.
    let until = |other: &&PlayerGameRevision| other.known_at <= revision.known_at;
    let mut so_far = cutoff.revisions(&row.revisions, in_retrospect).iter().take_while(until);
    if so_far.any(|other| cutoff.is_past(other.effective_at())) {
        *known_at = (*known_at).max(revision.known_at);
    }
    Appearance::stated_by(row, revision).filter(|_| cutoff.is_past(revision.effective_at()))
}
