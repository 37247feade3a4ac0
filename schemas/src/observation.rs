//! Observations: one game or one list as one fetch of one source reported it, with the source's own ids and names.
//!
//! A list is a team's box score, the odds of a game, a roster or an injury report; its members are players or quotes. One record contains
//! all members that a fetch returned: a member that is not in a complete fetch is absent. A partial fetch can add members but not remove
//! any.
//!
//! Invariant: members are sorted and unique, so equal content has equal bytes.
//! Not here: which player a name refers to, and which game a date refers to (the name resolver, the games view).
use crate::{
    feed::{Feed, Source},
    ids::{GameId, PlayerId, RawId, Scope},
    named_enum::named_enum,
    raw::FetchOutcome,
    team::{Matchup, Team},
    units::{EasternDate, Line, PlayingTime, Price, Season, Timestamp},
};
use serde::{Deserialize, Serialize};
use serde_avro_derive::BuildSchema;

/// The provenance of an observation: the raw event that contains it, what was requested and when, and the version of the loader that read
/// it. Of two observations of the same raw event, the one from the newer loader version is used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct Provenance {
    /// The fetch time of the raw event; for the observation of a retraction, that of the retracted event.
    pub fetched_at: Timestamp,
    /// The version of the loader's code.
    pub version: i32,
    /// The id of the raw event; for the observation of a retraction, that of the retracted event.
    pub raw: RawId,
    /// The request key of the fetch. Observations of different requests are parts of the same list. Empty in records of the first schema
    /// version.
    #[serde(default)]
    pub request: String,
    /// The outcome of the fetch. Of two raw events with the same id, the one with the better outcome is used.
    #[serde(default)]
    pub outcome: FetchOutcome,
    /// Present if a raw event retracts this observation, or undoes an earlier retraction. All other fields are then those of the retracted
    /// observation, so it reaches the same keys.
    #[serde(default)]
    pub retraction: Option<Retraction>,
}

/// States that an observation counts as never made, or that an earlier retraction of it is undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct Retraction {
    /// When the retraction was made. What was derived as of an earlier instant does not change.
    pub at: Timestamp,
    /// True if an earlier retraction is undone. Of several retractions of one raw event, the newest one counts.
    pub is_undone: bool,
}

/// The progress of a game as its source reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub enum GameStatus {
    Scheduled,
    Live,
    Final,
}
named_enum! {
    GameStatus {
        Scheduled = "scheduled",
        Live = "live",
        Final = "final",
    }
}

/// A fixture: the teams and the time of a game in the schedule. It is a fact separate from the result, with its own history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct Fixture {
    pub home: Team,
    pub away: Team,
    pub date: EasternDate,
    pub tip_off: Timestamp,
    /// True if the source has no usable tip-off; `tip_off` is then 19:30 Eastern on the game's day.
    pub tip_estimated: bool,
    /// True if the game was canceled or postponed and has no new time yet.
    pub called_off: bool,
}

/// The status and score of a game. It is a fact separate from the fixture, because it becomes known at a different time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct GameResult {
    pub status: GameStatus,
    /// Points scored so far, or the final points; `None` before the game starts.
    pub home_points: Option<i32>,
    pub away_points: Option<i32>,
}

/// One game in one fetch of nba.com's schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct GameObservation {
    pub game: GameId,
    pub fixture: Fixture,
    pub result: GameResult,
    pub provenance: Provenance,
}

/// States that nba.com has a final box score of a game on a date, in one fetch of its game log or box score.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct FinalBoxScoreObservation {
    pub game: GameId,
    pub date: EasternDate,
    pub provenance: Provenance,
}

/// A source's reference to a player.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct PlayerRef {
    /// The name as the source wrote it.
    pub name: String,
    /// nba.com's id of the player; `None` if the source does not have it. Only then is the name looked up.
    pub nba: Option<PlayerId>,
}

/// The box-score statistics of one player in one game. A playing time of zero is an appearance, not an absence.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema,
)]
#[avro_schema(namespace = "fastbreak")]
pub struct BoxScoreStats {
    pub playing_time: PlayingTime,
    pub points: i32,
    pub field_goals_made: i32,
    pub field_goals_attempted: i32,
    pub threes_made: i32,
    pub threes_attempted: i32,
    pub free_throws_made: i32,
    pub free_throws_attempted: i32,
    pub offensive_rebounds: i32,
    pub defensive_rebounds: i32,
    pub assists: i32,
    pub steals: i32,
    pub blocks: i32,
    pub turnovers: i32,
    pub fouls: i32,
    pub plus_minus: Option<i32>,
}

/// A player in a box score.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct BoxMember {
    pub player: PlayerRef,
    /// `None` if the player is listed as not having played.
    pub stats: Option<BoxScoreStats>,
}

/// One team's box score of one game in one fetch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct BoxScoreObservation {
    pub feed: Feed,
    /// nba.com's id of the game; `None` if the source does not have it. The game is then found by teams and date.
    pub game: Option<GameId>,
    pub date: EasternDate,
    pub team: Team,
    pub opponent: Team,
    /// True if the fetch contains the complete box score. Otherwise a player who is not in `members` may still have appeared.
    pub complete: bool,
    pub members: Vec<BoxMember>,
    pub provenance: Provenance,
    /// False if the game was not over when its source reported this box score, so the statistics are not final.
    #[serde(default = "yes")]
    pub is_final: bool,
}

/// One line of a book's line ladder for a player's points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct QuoteLine {
    pub line: Line,
    pub over: Option<Price>,
    pub under: Option<Price>,
}

/// One book's line ladder (one or more lines with their prices) for one player, effective at the time of the book's own update.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct Quote {
    pub book: String,
    pub name: String,
    /// Never later than the fetch.
    pub updated_at: Timestamp,
    /// Sorted by line. Empty if all outcomes of this player that the book lists are bad rows.
    pub lines: Vec<QuoteLine>,
    /// False if an outcome of this player is a bad row: a line that is not in `lines` may still be offered.
    #[serde(default = "yes")]
    pub complete: bool,
}

/// All `player_points` quotes for one game in one fetch: a list of books, each of which is a list of players.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct OddsObservation {
    /// The odds source's own id of the game. The source calls a game an event.
    pub event: String,
    pub home: Team,
    pub away: Team,
    pub commences_at: Timestamp,
    pub date: EasternDate,
    /// True if the list of books is complete, and the list of players of each book that is not in `incomplete_books`.
    pub complete: bool,
    /// Sorted by book, name and update time.
    pub quotes: Vec<Quote>,
    pub provenance: Provenance,
    /// The books whose list of players is incomplete because of a bad row; sorted.
    #[serde(default)]
    pub incomplete_books: Vec<String>,
}

/// States to which pair of teams an event of the odds source belongs, in one fetch, whatever quotes the fetch contains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct OddsEventObservation {
    /// The odds source's own id of the game.
    pub event: String,
    /// `None` if one of the teams is a known team that is not an NBA team.
    pub matchup: Option<Matchup>,
    pub provenance: Provenance,
}

/// The status of a player on an injury report, from most to least likely to play.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub enum InjuryStatus {
    Available,
    Probable,
    Questionable,
    Doubtful,
    Out,
}
named_enum! {
    InjuryStatus {
        Available = "available",
        Probable = "probable",
        Questionable = "questionable",
        Doubtful = "doubtful",
        Out = "out",
    }
}

/// A player on an injury report.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct InjuryMember {
    pub team: Team,
    pub name: String,
    pub status: InjuryStatus,
    pub reason: String,
}

/// The entries of one injury report for one game, effective at the report's own time. Each team of the game has its own list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct InjuryObservation {
    pub matchup: Matchup,
    pub date: EasternDate,
    /// Never later than the fetch.
    pub reported_at: Timestamp,
    /// True if the list of each team that is not in `incomplete_teams` is complete.
    pub complete: bool,
    pub members: Vec<InjuryMember>,
    pub provenance: Provenance,
    /// The teams whose list is incomplete because of a bad row; sorted.
    #[serde(default)]
    pub incomplete_teams: Vec<Team>,
    /// The teams that have not submitted their list yet, as the report states; sorted. The report shows nothing about their players.
    #[serde(default)]
    pub not_submitted: Vec<Team>,
}

/// A player on a roster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct RosterMember {
    pub player: PlayerRef,
    pub born: Option<EasternDate>,
}

/// One team's roster in one fetch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct RosterObservation {
    pub feed: Feed,
    pub team: Team,
    pub date: EasternDate,
    pub complete: bool,
    pub members: Vec<RosterMember>,
    pub provenance: Provenance,
}

/// Names for one team's name lookup. They are the known names of the team's players (with nba.com's ids), names to look up, or the ids of all
/// players in a payload of nba.com, whatever their team.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct NamesObservation {
    pub team: Team,
    pub source: Source,
    /// The text form of the lookup scope, a [`Scope`]; `None` if `names` are known names, which nba.com reported with its player ids.
    pub scope: Option<String>,
    /// The Eastern day of the observation.
    pub date: EasternDate,
    pub season: Season,
    /// Sorted.
    pub names: Vec<PlayerRef>,
    pub provenance: Provenance,
    /// The feed; `None` in records of the first schema version.
    #[serde(default)]
    pub feed: Option<Feed>,
    /// True if `names` are players of any team, without their names. Such a record is published to every team, which shows that these ids
    /// exist.
    #[serde(default)]
    pub of_league: bool,
    /// Those of the names to look up whose suffix matters: a list of the payload also contains the same name with another suffix, or without
    /// one. Sorted.
    #[serde(default)]
    pub suffix_matters: Vec<String>,
}
impl NamesObservation {
    /// Returns the lookup scope; `None` for known names. An invalid scope text also gives `None`, but no loader writes such a text.
    pub fn lookup_scope(&self) -> Option<Scope> {
        self.scope.as_deref().and_then(|scope| scope.parse().ok())
    }
}

/// An operator's link: states which player a spelling refers to, or that it refers to nobody. Each link is published once per team, so that
/// every team's name lookup has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct LinkObservation {
    pub team: Team,
    pub spelling: String,
    /// `None` revokes the earlier link with the same limits, unless `is_nobody`.
    pub player: Option<PlayerId>,
    pub provenance: Provenance,
    /// True if the spelling refers to nobody; `player` is then `None`.
    #[serde(default)]
    pub is_nobody: bool,
    /// The link applies only to names that the source lists for this team or, if the source names no team, to games of this team.
    #[serde(default)]
    pub only_team: Option<Team>,
    /// The link applies only to names of this source.
    #[serde(default)]
    pub only_source: Option<Source>,
    /// The link applies only to names of this Eastern day and later ones.
    #[serde(default)]
    pub only_from: Option<EasternDate>,
}

/// The default of a flag that records of the first schema version lack.
const fn yes() -> bool {
    true
}
