//! The keys of the markets view's output.
//!
//! Invariant: each key contains its matchup, from whose tables its row is derived.
//! Not here: the rows (`schemas::market`).
use schemas::{EasternDate, Matchup, MatchupGameId, PlayerGameId, Timestamp};

/// The key of an output row. Two variants have no row, but may have parked items: `Event` (the odds that a source lists for one event) and
/// `Report` (one injury report).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutputKey {
    Market(PlayerGameId, Matchup),
    Availability(PlayerGameId, Matchup),
    QuotedPlayers(MatchupGameId),
    Event(Matchup, String),
    Report(Matchup, EasternDate, Timestamp),
}
impl OutputKey {
    pub const fn matchup(&self) -> Matchup {
        match self {
            OutputKey::QuotedPlayers(id) => id.matchup,
            OutputKey::Market(_, matchup)
            | OutputKey::Availability(_, matchup)
            | OutputKey::Event(matchup, _)
            | OutputKey::Report(matchup, ..) => *matchup,
        }
    }
}
