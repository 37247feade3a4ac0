//! Observations: what one source said in one fetch, in its own ids and names.
//!
//! An observation is one *list* as one fetch had it (a team's box score, an event's odds, a roster, a report), so presence and
//! absence are read off the same record: a member is present when the list's newest complete fetch had it, and a partial
//! fetch removes nobody.
//!
//! Invariant: lists of members are sorted and without repetition, so equal content is equal bytes.
//! Not here: who a name is, which game a date is; the resolver and the games view decide that.
use crate::{
    ids::{GameId, PlayerId, RawId, Scope},
    raw::{Feed, Source},
    team::{Matchup, Team},
    units::{EasternDate, Line, PlayingTime, Price, Season, Timestamp},
};
use serde::{Deserialize, Serialize};
use serde_avro_derive::BuildSchema;

/// When, from where and by which decoder something was heard. At one fetch time the newer decoder's word stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct Provenance {
    pub fetched_at: Timestamp,
    /// The version of the loader's code.
    pub version: i32,
    pub raw: RawId,
}

/// How far a game is, as its source says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub enum GameStatus {
    Scheduled,
    Live,
    Final,
}

/// The teams and the time of a game: one fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct Fixture {
    pub home: Team,
    pub away: Team,
    pub date: EasternDate,
    pub tip_off: Timestamp,
    /// The source gave no usable tip-off: it is 19:30 Eastern on the game's day.
    pub tip_estimated: bool,
    /// Called off at the time stated, and not yet given another.
    pub called_off: bool,
}

/// How a game went: another fact, known at another time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct GameResult {
    pub status: GameStatus,
    /// Points so far or at the end; `None` while there are none to state.
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

/// A player as a source refers to him.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct PlayerRef {
    /// The name as written.
    pub name: String,
    /// nba.com's id, where the source has it; then nobody needs to be asked.
    pub nba: Option<PlayerId>,
}

/// The counts of one player in one game. Zero minutes is an appearance of no length, not an absence.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema,
)]
#[avro_schema(namespace = "fastbreak")]
pub struct BoxLine {
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
    /// `None`: listed, and said not to have played.
    pub line: Option<BoxLine>,
}

/// One team's box score of one game in one fetch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct BoxScoreObservation {
    pub feed: Feed,
    /// nba.com's id, where the source has it; else the game is found by teams and date.
    pub game: Option<GameId>,
    pub date: EasternDate,
    pub team: Team,
    pub opponent: Team,
    /// The whole list; a partial one removes nobody.
    pub complete: bool,
    pub members: Vec<BoxMember>,
    pub provenance: Provenance,
}

/// One line of a book's ladder for a player's points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct QuoteLine {
    pub line: Line,
    pub over: Option<Price>,
    pub under: Option<Price>,
}

/// One book's ladder for one player, effective at the book's own update.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct Quote {
    pub book: String,
    pub name: String,
    pub updated_at: Timestamp,
    /// Sorted by line.
    pub lines: Vec<QuoteLine>,
}

/// All `player_points` quotes of one event in one fetch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct OddsObservation {
    /// The odds source's event id.
    pub event: String,
    pub home: Team,
    pub away: Team,
    pub commences_at: Timestamp,
    pub date: EasternDate,
    pub complete: bool,
    /// Sorted by book, name, update.
    pub quotes: Vec<Quote>,
    pub provenance: Provenance,
}

/// What an injury report says of a player, from most to least likely to play.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub enum InjuryStatus {
    Available,
    Probable,
    Questionable,
    Doubtful,
    Out,
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

/// One game's part of one injury report, effective at the report's own time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct InjuryObservation {
    pub matchup: Matchup,
    pub date: EasternDate,
    pub reported_at: Timestamp,
    pub complete: bool,
    pub members: Vec<InjuryMember>,
    pub provenance: Provenance,
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

/// Names that a team's resolver partition hears: those it knows players by (with nba.com's id), and those it is asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct NamesObservation {
    pub team: Team,
    pub source: Source,
    /// Who asks, in the text form of [`Scope`]; `None` when these are nba.com's own names, which teach and do not ask.
    pub scope: Option<String>,
    /// The Eastern day of the observation.
    pub date: EasternDate,
    pub season: Season,
    /// Sorted.
    pub names: Vec<PlayerRef>,
    pub provenance: Provenance,
}
impl NamesObservation {
    /// The scope that asks; `None` for names that teach. A text that is no scope cannot have been written by a loader.
    pub fn lookup_scope(&self) -> Option<Scope> {
        self.scope.as_deref().and_then(|scope| scope.parse().ok())
    }
}

/// An operator's word on what a spelling means, written to every team's partition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct LinkObservation {
    pub team: Team,
    pub spelling: String,
    /// `None` takes an earlier link back.
    pub player: Option<PlayerId>,
    pub provenance: Provenance,
}
