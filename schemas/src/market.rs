//! The betting market of a player before a game, and the player's availability by injury reports.
//!
//! A row contains what was known by tip-off (`issued`) and, if it differs, the content that includes facts known only later
//! (`retrospective`). A row also states that its content ended: no book quotes the player any more, or a player who was on an injury report
//! is available again.
//!
//! Invariant: neither `issued` nor `retrospective` contains a fact that was effective at or after tip-off.
//! Not here: the quotes of each book (`observation`).
use crate::{
    features::Basis,
    ids::{GameId, PlayerId},
    observation::InjuryStatus,
    team::{Matchup, Team},
    units::{EasternDate, Line, Timestamp},
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

/// One row of the points market: one player in one game on one date.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct Market {
    pub player: PlayerId,
    pub game: GameId,
    #[serde(default)]
    pub date: EasternDate,
    #[serde(default)]
    pub matchup: Matchup,
    pub issued: Option<MarketView>,
    pub retrospective: Option<MarketView>,
    /// If there is no market, when the last change of the player's quotes became known; `None` if no book ever quoted the player.
    #[serde(default)]
    pub issued_absent_since: Option<Timestamp>,
    /// The same in retrospect. If it and `retrospective` are `None`, the issued content is also that in retrospect.
    #[serde(default)]
    pub retrospective_absent_since: Option<Timestamp>,
}
impl Market {
    /// Returns the content on a basis, and when it, or its absence, became known.
    pub fn on(&self, basis: Basis) -> (Option<&MarketView>, Option<Timestamp>) {
        let issued = (self.issued.as_ref(), self.issued_absent_since);
        let retrospective = (self.retrospective.as_ref(), self.retrospective_absent_since);
        let (view, ended_at) = on_basis(basis, issued, retrospective);
        (view, view.map(|view| view.known_at).or(ended_at))
    }
}

/// Content, or since when there is none.
type ViewOrEnd<'a, V> = (Option<&'a V>, Option<Timestamp>);

/// Returns the content on a basis. If the content in retrospect states nothing, the issued content is also that in retrospect.
const fn on_basis<'a, V>(
    basis: Basis,
    issued: ViewOrEnd<'a, V>,
    retrospective: ViewOrEnd<'a, V>,
) -> ViewOrEnd<'a, V> {
    match (basis, retrospective) {
        (Basis::Retrospective, (Some(view), _)) => (Some(view), None),
        (Basis::Retrospective, (None, Some(ended_at))) => (None, Some(ended_at)),
        _ => issued,
    }
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

/// One row of availability: the newest injury report's entry on one player for one game on one date.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct Availability {
    pub player: PlayerId,
    pub game: GameId,
    #[serde(default)]
    pub date: EasternDate,
    #[serde(default)]
    pub matchup: Matchup,
    pub issued: Option<AvailabilityView>,
    pub retrospective: Option<AvailabilityView>,
    /// If the player is available again, when this became known; `None` if no injury report ever listed the player.
    #[serde(default)]
    pub issued_absent_since: Option<Timestamp>,
    /// The same in retrospect. If it and `retrospective` are `None`, the issued content is also that in retrospect.
    #[serde(default)]
    pub retrospective_absent_since: Option<Timestamp>,
}
impl Availability {
    /// Returns the content on a basis, and when it, or its absence, became known.
    pub fn on(&self, basis: Basis) -> (Option<&AvailabilityView>, Option<Timestamp>) {
        let issued = (self.issued.as_ref(), self.issued_absent_since);
        let retrospective = (self.retrospective.as_ref(), self.retrospective_absent_since);
        let (view, ended_at) = on_basis(basis, issued, retrospective);
        (view, view.map(|view| view.known_at).or(ended_at))
    }
}

/// Whether an event of the odds source belongs to a pair of teams, from an instant on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct OddsEventRevision {
    pub known_at: Timestamp,
    pub is_of_matchup: bool,
}

/// An event of the odds source for which several pairs of teams were stated, and since when it has belonged to one of them, and not belonged
/// to it. An event without a row has belonged to a single pair.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct OddsEvent {
    pub matchup: Matchup,
    pub event: String,
    pub revisions: Vec<OddsEventRevision>,
    /// The revisions without retracted observations; `None` if they are the same.
    pub revisions_in_retrospect: Option<Vec<OddsEventRevision>>,
}

/// A player whom at least one book quotes or has quoted. `known_at` is when the first of the books' newest quotes of this player became
/// known, or when the name in the quote was resolved to the player, whichever is later; if no book quotes the player any more, it is when
/// this became known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct QuotedPlayer {
    pub player: PlayerId,
    pub known_at: Timestamp,
    #[serde(default = "yes")]
    pub is_quoted: bool,
}

/// A team that an injury report has listed a player of, and when the first such report became known. Before that, nothing is known about
/// the availability of its players for the game. If all such reports were retracted, `known_at` is when this became known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct TeamReported {
    pub team: Team,
    pub known_at: Timestamp,
    #[serde(default = "yes")]
    pub has_reported: bool,
}

/// The default of a field that earlier schema versions lack.
const fn yes() -> bool {
    true
}

/// The players whom at least one book quotes or has quoted for one game on one date, and the teams that have reported on the availability of
/// their players.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct QuotedPlayers {
    pub matchup: Matchup,
    pub game: GameId,
    #[serde(default)]
    pub date: EasternDate,
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
