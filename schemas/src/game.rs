//! Games, and the statistics of teams and players in them.
//!
//! A derived fact row is a list of *revisions*. Each change of its content adds a revision: the new content with the time at which it
//! became known. A prediction uses the last revision of each row that was known before the as-of cutoff.
//!
//! Invariant: revisions are in strictly ascending order of `known_at`, and adjacent ones differ in content.
//! Not here: the state of teams and players before a game (`team_form`).
use crate::{
    feed::Feed,
    fixture::GameDate,
    ids::{GameId, PlayerId, RawId},
    observation::{BoxScoreStats, GameStatus},
    team::{Matchup, Team},
    units::{EasternDate, PlayingTime, Timestamp},
};
use serde::{Deserialize, Serialize};
use serde_avro_derive::BuildSchema;

/// A game according to its last fixture with these teams (its schedule entry: teams and time) and its result. Processors use this row to
/// assign quotes, injury reports and team forms to the game.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct Game {
    pub game: GameId,
    pub home: Team,
    pub away: Team,
    pub date: EasternDate,
    /// The as-of cutoff of the date.
    pub tip_off: Timestamp,
    pub tip_estimated: bool,
    /// True if the game was canceled or postponed, or does not have these teams.
    pub called_off: bool,
    /// When the fixture in this row became known.
    pub known_at: Timestamp,
    pub status: GameStatus,
    pub home_points: Option<i32>,
    pub away_points: Option<i32>,
    /// Number of players who appeared (`*_players`) and sum of their points (`*_box_points`) for each team, from the newest box scores. The
    /// command `slate` uses these numbers to check that the box scores are complete.
    pub home_players: i32,
    pub away_players: i32,
    pub home_box_points: i32,
    pub away_box_points: i32,
    /// All dates for which the game has been scheduled with these teams, sorted by date. A game in another source is found by its teams
    /// and one of these dates.
    #[serde(default)]
    pub dates: Vec<GameDate>,
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

/// One revision of the row of a team in a game.
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
    /// The final score; `None` while it is not known.
    pub score: Option<Score>,
    /// The sums over the team's players; `None` before the first box score became known.
    pub totals: Option<TeamTotals>,
    /// The players whose playing time was more than zero, sorted.
    pub appeared: Vec<PlayerId>,
    /// What each of the players in `appeared` did, in the same order; empty in records of earlier versions.
    #[serde(default)]
    pub workloads: Vec<PlayerWorkload>,
}
/// What a player did in a game of the team, as far as it concerns the teammates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct PlayerWorkload {
    pub playing_time: PlayingTime,
    pub field_goals_attempted: i32,
    pub free_throws_attempted: i32,
    pub turnovers: i32,
}
impl PlayerWorkload {
    /// Returns the possessions that the player ended ([`possessions_used`]).
    pub fn possessions_used(&self) -> f64 {
        possessions_used(self.field_goals_attempted, self.free_throws_attempted, self.turnovers)
    }
}
/// Returns the possessions that a player ended by a shot, by free throws or by a turnover: FGA + 0.44 · FTA + TOV. The factor is the share of
/// free throws that end a possession (basketball-reference.com/about/glossary.html).
pub fn possessions_used(field_goals_attempted: i32, free_throws_attempted: i32, turnovers: i32) -> f64 {
    f64::from(field_goals_attempted) + 0.44 * f64::from(free_throws_attempted) + f64::from(turnovers)
}
/// The final score of one team.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct Score {
    pub own: i32,
    pub opponent: i32,
}

/// The row of one team in one game with one opponent: all its revisions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct TeamGame {
    pub game: GameId,
    pub team: Team,
    #[serde(default)]
    pub matchup: Matchup,
    pub revisions: Vec<TeamGameRevision>,
    /// The revisions without retracted observations; `None` if nothing was retracted.
    #[serde(default)]
    pub revisions_in_retrospect: Option<Vec<TeamGameRevision>>,
    /// As in [`Game`].
    #[serde(default)]
    pub dates: Vec<GameDate>,
}

/// One revision of the row of a player in a game.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct PlayerGameRevision {
    pub known_at: Timestamp,
    /// The raw event that reported this content first.
    pub raw: RawId,
    /// The feed that reported the statistics. If several feeds report the player, the feed with the highest precedence is used.
    pub feed: Feed,
    pub name: String,
    pub team: Team,
    pub opponent: Team,
    pub is_home: bool,
    pub date: EasternDate,
    pub tip_off: Timestamp,
    /// `None` if a corrected box score shows that the player did not play.
    pub stats: Option<BoxScoreStats>,
}
impl PlayerGameRevision {
    /// Returns the effective time of the box score: four hours after tip-off.
    pub fn effective_at(&self) -> Timestamp {
        effective_at(self.tip_off)
    }
}
impl TeamGameRevision {
    /// Returns the effective time of the box score: four hours after tip-off.
    pub fn effective_at(&self) -> Timestamp {
        effective_at(self.tip_off)
    }
}
/// Returns the effective time of a box score: four hours after the scheduled tip-off of the game.
pub const fn effective_at(tip_off: Timestamp) -> Timestamp {
    tip_off.plus_hours(4)
}

/// The row of one player in one game of one pair of teams: all its revisions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct PlayerGame {
    pub player: PlayerId,
    pub game: GameId,
    pub revisions: Vec<PlayerGameRevision>,
    /// The revisions without retracted observations; `None` if nothing was retracted.
    #[serde(default)]
    pub revisions_in_retrospect: Option<Vec<PlayerGameRevision>>,
    // After the revisions, because readers of earlier versions expect that the type of a team is defined there.
    #[serde(default)]
    pub matchup: Matchup,
}
