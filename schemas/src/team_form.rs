//! How teams come into a game, and who may play in it.
//!
//! Rows carry `issued` (known by tip-off) and, where it differs, `retrospective`; `retrospective` is `None` when it equals `issued`.
//! Invariant: a number here was computed from games of the same season that ended before this game's tip-off.
//! Not here: single players' numbers; the feature builder has those.
use crate::{
    ids::{GameId, PlayerId},
    team::Team,
    units::{EasternDate, Timestamp},
};
use serde::{Deserialize, Serialize};
use serde_avro_derive::BuildSchema;

/// A team's numbers before a game; `None` where there is no game to compute one from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct FormNumbers {
    /// Games of the season before this one.
    pub games: i32,
    /// Possessions per 48 minutes, mean of the last 10 games.
    pub pace_10: Option<f64>,
    /// The same over the last 15.
    pub pace_15: Option<f64>,
    /// Points per 100 own possessions, mean of the last 10 games.
    pub off_rating_10: Option<f64>,
    /// Opponents' points per 100 own possessions, mean of the last 15 games.
    pub def_rating_15: Option<f64>,
    /// Share of games won, 0–1.
    pub win_share: Option<f64>,
    /// Full days off since the last game: 0 is a back-to-back.
    pub rest_days: Option<i32>,
}

/// A player of the team's recent games.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct RecentPlayer {
    pub player: PlayerId,
    /// Tip-off of the last of them in which he appeared.
    pub last_game: Timestamp,
}

/// A player on the team's roster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct RosteredPlayer {
    pub player: PlayerId,
    /// The newest fetch before tip-off that had him.
    pub since: Timestamp,
    pub born: Option<EasternDate>,
}

/// A team before a game.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct Form {
    pub known_at: Timestamp,
    pub numbers: FormNumbers,
    /// Who appeared in the team's last 10 games of the season, sorted by player.
    pub recent: Vec<RecentPlayer>,
    /// Sorted by player.
    pub roster: Vec<RosteredPlayer>,
}

/// A team's form before one game.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct TeamForm {
    pub game: GameId,
    pub team: Team,
    pub opponent: Team,
    pub issued: Option<Form>,
    pub retrospective: Option<Form>,
}

/// Why a player may play for one of the two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct SideEvidence {
    pub team: Team,
    /// Tip-off of the last of the team's last 10 games in which he appeared.
    pub last_game: Option<Timestamp>,
    /// The newest roster fetch before tip-off that had him.
    pub rostered: Option<Timestamp>,
    pub born: Option<EasternDate>,
}

/// What makes a player a candidate for a game, with what both teams bring.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct Candidacy {
    pub known_at: Timestamp,
    /// Sorted by team; empty when he is only quoted.
    pub sides: Vec<SideEvidence>,
    pub quoted: bool,
    /// An injury report covers the game, so who is not on it is available.
    pub reported: bool,
    pub home: FormNumbers,
    pub away: FormNumbers,
}

/// A candidate for a game.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct SlateEntry {
    pub player: PlayerId,
    pub game: GameId,
    pub home: Team,
    pub away: Team,
    pub date: EasternDate,
    pub tip_off: Timestamp,
    pub tip_estimated: bool,
    pub issued: Option<Candidacy>,
    pub retrospective: Option<Candidacy>,
}
