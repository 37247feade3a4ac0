//! Games, and what teams and players did in them.
//!
//! A derived fact row is its *steps*: one wherever its content changed as its inputs became known. To predict what starts at a
//! cut, believe each row's last step before the cut.
//!
//! Invariant: steps are in strictly ascending order of `known_at`, and neighbours differ.
//! Not here: anything about a game that is still to be predicted from them; that is form and slate.
use crate::{
    ids::{GameId, PlayerId, RawId},
    observation::{BoxLine, GameStatus},
    raw::Feed,
    team::Team,
    units::{EasternDate, PlayingTime, Timestamp},
};
use serde::{Deserialize, Serialize};
use serde_avro_derive::BuildSchema;

/// A game, as of its own tip-off: where quotes, reports and both teams' forms find it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct Game {
    pub game: GameId,
    pub home: Team,
    pub away: Team,
    pub date: EasternDate,
    /// The cut of everything that is predicted about this game.
    pub tip_off: Timestamp,
    pub tip_estimated: bool,
    pub called_off: bool,
    /// Since when the fixture that stands was known.
    pub known_at: Timestamp,
    pub status: GameStatus,
    pub home_points: Option<i32>,
    pub away_points: Option<i32>,
    /// Completeness: the players who appeared and their points, per side, as last heard.
    pub home_players: i32,
    pub away_players: i32,
    pub home_box_points: i32,
    pub away_box_points: i32,
    /// The days it was known to be on, in the order of `known_at`: what dates of other sources are matched with.
    pub days: Vec<GameDay>,
}

/// The Eastern day of a game, as known from an instant on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct GameDay {
    pub known_at: Timestamp,
    pub date: EasternDate,
}

/// Sums over the players of one team in one game.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema,
)]
#[avro_schema(namespace = "fastbreak")]
pub struct TeamTotals {
    pub playing_time: PlayingTime,
    pub points: i32,
    pub field_goals_attempted: i32,
    pub free_throws_attempted: i32,
    pub turnovers: i32,
    pub offensive_rebounds: i32,
}

/// A team's game as it was known from an instant on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct TeamGameRevision {
    pub known_at: Timestamp,
    pub opponent: Team,
    pub is_home: bool,
    pub date: EasternDate,
    pub tip_off: Timestamp,
    pub tip_estimated: bool,
    pub called_off: bool,
    /// The final score, own points first.
    pub score: Option<Score>,
    /// What the own players' lines sum to; `None` before any was heard.
    pub totals: Option<TeamTotals>,
    /// Who appeared with playing time, sorted.
    pub appeared: Vec<PlayerId>,
}
/// A final score, seen from one team.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct Score {
    pub own: i32,
    pub opponent: i32,
}

/// One game of one team.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct TeamGame {
    pub game: GameId,
    pub team: Team,
    pub revisions: Vec<TeamGameRevision>,
}

/// A player's game as it was known from an instant on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct PlayerGameRevision {
    pub known_at: Timestamp,
    /// The raw event that first said so.
    pub raw: RawId,
    /// Whose word it is, by precedence.
    pub feed: Feed,
    pub name: String,
    pub team: Team,
    pub opponent: Team,
    pub is_home: bool,
    pub date: EasternDate,
    pub tip_off: Timestamp,
    /// `None`: said not to have played after all.
    pub line: Option<BoxLine>,
}
impl PlayerGameRevision {
    /// When a box score became true: four hours after tip-off.
    pub fn effective_at(&self) -> Timestamp {
        effective_at(self.tip_off)
    }
}
impl TeamGameRevision {
    pub fn effective_at(&self) -> Timestamp {
        effective_at(self.tip_off)
    }
}
/// A box score is effective at its fixture's tip-off and four hours.
pub const fn effective_at(tip_off: Timestamp) -> Timestamp {
    tip_off.plus_hours(4)
}

/// One player in one game.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct PlayerGame {
    pub player: PlayerId,
    pub game: GameId,
    pub revisions: Vec<PlayerGameRevision>,
}
