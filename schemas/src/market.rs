//! What is offered and reported about players before a game.
//!
//! Each row carries what was known by the game's tip-off (`issued`) and, where it differs, what became known too late
//! (`retrospective`): the same content when that is `None` and `issued` is not.
//! Invariant: nothing effective at or after tip-off is in either.
//! Not here: single quotes; the raw topics keep those.
use crate::{
    ids::{GameId, PlayerId},
    observation::InjuryStatus,
    team::Matchup,
    units::{Line, Timestamp},
};
use serde::{Deserialize, Serialize};
use serde_avro_derive::BuildSchema;

/// The market's view of one player's points in one game.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct MarketView {
    pub known_at: Timestamp,
    /// The lower median of the books' main lines.
    pub main: Line,
    /// The same over the books' first known quotes.
    pub opening: Line,
    /// Mean no-vig probability of going over, 0–1, of the books whose main line this is.
    pub no_vig_over: f64,
    /// How many books have a main line.
    pub books: i32,
}

/// The points market of one player in one game.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct Market {
    pub player: PlayerId,
    pub game: GameId,
    pub issued: Option<MarketView>,
    pub retrospective: Option<MarketView>,
}

/// What the newest report said of a player.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct AvailabilityView {
    pub known_at: Timestamp,
    pub reported_at: Timestamp,
    pub status: InjuryStatus,
    pub reason: String,
}

/// Whether a player is expected to play in a game.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct Availability {
    pub player: PlayerId,
    pub game: GameId,
    pub issued: Option<AvailabilityView>,
    pub retrospective: Option<AvailabilityView>,
}

/// A player quoted by at least one book, and since when that was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct QuotedPlayer {
    pub player: PlayerId,
    pub known_at: Timestamp,
}

/// Who is quoted in a game, and whether an injury report covers it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct QuotedPlayers {
    pub matchup: Matchup,
    pub game: GameId,
    /// Known by tip-off, sorted by player.
    pub issued: Vec<QuotedPlayer>,
    /// Known at all, sorted by player.
    pub retrospective: Vec<QuotedPlayer>,
    /// Since when a report on this game was known, by tip-off.
    pub reported_issued: Option<Timestamp>,
    /// The same, whenever heard.
    pub reported_retrospective: Option<Timestamp>,
}
