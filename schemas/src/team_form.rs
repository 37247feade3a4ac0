//! The form of teams before a game, and the candidates for that game: the players who may appear in it.
//!
//! A row contains `issued`, computed from what was known by tip-off, and `retrospective`, which also uses facts that became known later.
//! If `issued` is present and `retrospective` is `None`, the two are equal.
//!
//! Invariant: every number is computed from games of the same season that ended before this game's tip-off.
//! Not here: the numbers of single players (`features`).
use crate::{
    fixture::DateEnd,
    ids::{GameId, PlayerId},
    team::Team,
    units::{EasternDate, Timestamp},
};
use serde::{Deserialize, Serialize};
use serde_avro_derive::BuildSchema;

/// A team's averages before a game; an average is `None` if the team has no earlier game in the season.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct FormNumbers {
    /// Number of the team's games in the season before this game.
    pub games: i32,
    /// Possessions per 48 minutes, mean of the last 10 games.
    pub pace_10: Option<f64>,
    /// Possessions per 48 minutes, mean of the last 15 games.
    pub pace_15: Option<f64>,
    /// Points per 100 own possessions, mean of the last 10 games.
    pub off_rating_10: Option<f64>,
    /// Opponents' points per 100 own possessions, mean of the last 15 games.
    pub def_rating_15: Option<f64>,
    /// Share of the team's earlier games in the season that it won, 0–1.
    pub win_share: Option<f64>,
    /// Number of full days since the team's last game; 0 if that game was on the day before.
    pub rest_days: Option<i32>,
}

/// A player who appeared in the team's recent games.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct RecentPlayer {
    pub player: PlayerId,
    /// Tip-off of the player's last appearance in these recent games of the team.
    pub last_game: Timestamp,
}

/// A player on the team's roster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct RosteredPlayer {
    pub player: PlayerId,
    pub born: Option<EasternDate>,
}

/// A player who has appeared for the team this season, as of the team's last game with a box score. Expected values are those of a game in
/// which the player appears, from the player's games for the team this season.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct SeasonPlayer {
    pub player: PlayerId,
    /// Number of the team's games since the player's last appearance; 0 if the player appeared in the last one.
    pub games_missed: i32,
    /// Number of appearances after the player's last return; `None` if there was no return. A return is an appearance after at least
    /// five games that the player missed.
    pub appearances_since_return: Option<i32>,
    pub expected_minutes: f64,
    /// Expected possessions that the player ends: FGA + 0.44 · FTA + TOV.
    pub expected_possessions: f64,
}

/// What a team's games this season state about a candidate and the candidate's teammates, as of the last game with a box score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct Rotation {
    /// As in [`SeasonPlayer`]; `None` if the candidate has not appeared for the team this season.
    pub games_missed: Option<i32>,
    /// As in [`SeasonPlayer`].
    pub appearances_since_return: Option<i32>,
    /// Expected minutes of the regular teammates, each multiplied by the probability that the teammate appears.
    pub minutes_available: f64,
    /// Expected minutes of the regular teammates, each multiplied by the probability that the teammate does not appear.
    pub minutes_absent: f64,
    /// Expected possessions of the regular teammates, each multiplied by the probability that the teammate does not appear.
    pub possessions_absent: f64,
}

/// The form of a team: averages, recent players and roster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct Form {
    pub known_at: Timestamp,
    pub numbers: FormNumbers,
    /// The players who appeared in the team's last 10 games of the season, sorted by player.
    pub recent: Vec<RecentPlayer>,
    /// The players on the team's roster, sorted by player.
    pub roster: Vec<RosteredPlayer>,
    /// The players who have appeared for the team this season, sorted by player; `None` before the first box score, and in records of
    /// earlier versions.
    #[serde(default)]
    pub season_players: Option<Vec<SeasonPlayer>>,
}

/// One row of team form: one team before one game on one date.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct TeamForm {
    pub game: GameId,
    #[serde(default)]
    pub date: EasternDate,
    pub team: Team,
    pub opponent: Team,
    /// When the date became open (team form view), so that this row was derived.
    #[serde(default)]
    pub opened_at: Timestamp,
    pub issued: Option<Form>,
    pub retrospective: Option<Form>,
}

/// The evidence that a player may appear for one of the two teams of a game: recent appearances for this team, or a roster entry. Which
/// team the player belongs to is decided from all teams (feature builder).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct SideEvidence {
    pub team: Team,
    /// Tip-off of the player's last appearance in the team's last 10 games; `None` if the player appeared in none of them.
    pub last_game: Option<Timestamp>,
    /// True if a roster or player list lists the player for this team.
    #[serde(default)]
    pub is_rostered: bool,
    pub born: Option<EasternDate>,
}

/// The evidence that a player is a candidate for a game, and the form of both teams.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct Candidacy {
    pub known_at: Timestamp,
    /// The evidence for each team, sorted by team; empty if the only evidence is that a book quotes the player.
    pub sides: Vec<SideEvidence>,
    /// True if at least one book quotes the player for this game.
    pub quoted: bool,
    pub home: FormNumbers,
    pub away: FormNumbers,
    /// The teams of the game that have reported on the availability of their players, sorted. A player of such a team who is in no
    /// injury report is available; about the players of another team, nothing is known.
    #[serde(default)]
    pub teams_reported: Vec<Team>,
    /// The candidate and the candidate's teammates in the home team, if the candidate is on it; `None` if the team has no box score this
    /// season, and in records of earlier versions.
    #[serde(default)]
    pub home_rotation: Option<Rotation>,
    /// As `home_rotation`, for the away team.
    #[serde(default)]
    pub away_rotation: Option<Rotation>,
}

/// One row of the slate: one candidate (a player who may appear) for one game on one date.
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
    /// When the forms of both teams were open, so that this row was derived. It may be later than the tip-off.
    #[serde(default)]
    pub opened_at: Timestamp,
    pub issued: Option<Candidacy>,
    /// `None` if it equals `issued`, or if the date of the game no longer stands.
    pub retrospective: Option<Candidacy>,
    /// `None` while the date of the game stands with these teams. Otherwise only what was issued is left, and is void.
    #[serde(default)]
    pub end: Option<DateEnd>,
}
