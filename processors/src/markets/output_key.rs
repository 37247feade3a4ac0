//! The keys of the markets view's output.
//!
//! Invariant: each key contains its matchup, from whose tables its row is derived.
//! Not here: the rows (`schemas::market`).
use schemas::{CandidateId, EasternDate, Matchup, MatchupGameDateId, Timestamp};

/// The key of an output row. Two variants have no row and only report parked items (inputs that need a game or a player that is not known
/// yet): `Event` (the odds that a source lists for one event, its word for a game) and `Report` (one injury report).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutputKey {
    Market(CandidateId),
    Availability(CandidateId),
    QuotedPlayers(MatchupGameDateId),
    Event(Matchup, String),
    Report(Matchup, EasternDate, Timestamp),
}
impl OutputKey {
    pub const fn matchup(&self) -> Matchup {
        match self {
            OutputKey::QuotedPlayers(id) => id.matchup,
            OutputKey::Market(id) | OutputKey::Availability(id) => id.matchup,
            OutputKey::Event(matchup, _) | OutputKey::Report(matchup, ..) => *matchup,
        }
    }
}
