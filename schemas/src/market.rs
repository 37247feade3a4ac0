//! The betting market of a player before a game, and the player's availability by injury reports.
//!
//! A row contains what was known by tip-off (`issued`) and, if it differs, the content that includes facts known only later
//! (`retrospective`). If `issued` is present and `retrospective` is `None`, the two are equal.
//!
//! Invariant: neither `issued` nor `retrospective` contains a fact that was effective at or after tip-off.
//! Not here: the quotes of each book (`observation`).
use crate::{
    ids::{GameId, PlayerId},
    observation::InjuryStatus,
    team::{Matchup, Team},
    units::{Line, Timestamp},
};
use serde::{Deserialize, Serialize};
use serde_avro_derive::BuildSchema;

/// The points market of one player in one game, combined from all bookmakers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct MarketView {
    pub known_at: Timestamp,
    /// The lower median of the bookmakers' main lines.
    pub main: Line,
    /// The opening line: the lower median of the main lines in each bookmaker's first known quote.
    pub opening: Line,
    /// Mean no-vig probability of over, 0–1, among the bookmakers whose main line equals `main`.
    pub no_vig_over: f64,
    /// Number of bookmakers with a main line.
    pub books: i32,
}

/// One row of the points market: one player in one game.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct Market {
    pub player: PlayerId,
    pub game: GameId,
    pub issued: Option<MarketView>,
    pub retrospective: Option<MarketView>,
}

/// A player's entry in the newest injury report on a game.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct AvailabilityView {
    pub known_at: Timestamp,
    pub reported_at: Timestamp,
    pub status: InjuryStatus,
    pub reason: String,
}

/// One row of availability: the newest injury report's entry on one player for one game.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct Availability {
    pub player: PlayerId,
    pub game: GameId,
    pub issued: Option<AvailabilityView>,
    pub retrospective: Option<AvailabilityView>,
}

/// A player quoted by at least one book. `known_at` is when the first of the books' newest quotes of this player became known, or when the
/// name in the quote was resolved to the player, whichever is later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct QuotedPlayer {
    pub player: PlayerId,
    pub known_at: Timestamp,
}

/// A team that an injury report has listed a player of, and when the first such report became known. Before that, nothing is known about
/// the availability of its players for the game.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct TeamReported {
    pub team: Team,
    pub known_at: Timestamp,
}

/// The players whom at least one book quotes for one game, and the teams that have reported on the availability of their players.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct QuotedPlayers {
    pub matchup: Matchup,
    pub game: GameId,
    /// The players whose first quote was known by tip-off, sorted by player.
    pub issued: Vec<QuotedPlayer>,
    /// The players whose first quote is known now, even if it became known after tip-off; sorted by player.
    pub retrospective: Vec<QuotedPlayer>,
    /// The teams that had reported by tip-off, sorted by team.
    #[serde(default)]
    pub teams_reported_issued: Vec<TeamReported>,
    /// The teams that have reported, even if that became known after tip-off; sorted by team.
    #[serde(default)]
    pub teams_reported_retrospective: Vec<TeamReported>,
}
