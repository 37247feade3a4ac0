//! Fixtures: which teams play a game, and on which date, as it was known at each instant.
//!
//! One view decides this for each game id from all fetches of the schedule, and publishes one row for each pair of teams that any fetch
//! stated for the game. A *date* of a game is one US Eastern day for which the game was scheduled with these teams. A game that is moved to
//! another day has two dates; each is predicted by itself.
//!
//! Invariant: revisions are in strictly ascending order of `known_at`, and adjacent ones differ in content. Of all pairs and dates of a game,
//! at most one stands at any instant.
//! Not here: what one fetch states (`observation`), the statistics of a game (`game`).
use crate::{
    ids::GameId,
    named_enum::named_enum,
    observation::{Fixture, GameResult},
    team::{Matchup, Team},
    units::{EasternDate, Timestamp},
};
use serde::{Deserialize, Serialize};
use serde_avro_derive::BuildSchema;

/// The reason why a date of a game no longer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub enum VoidReason {
    /// The game was canceled or postponed and has no new date yet.
    CalledOff,
    /// The game has another date.
    Moved,
    /// The game has another pair of teams.
    OpponentChanged,
    /// Every observation of the game was retracted.
    Retracted,
}
named_enum! {
    VoidReason {
        CalledOff = "called_off",
        Moved = "moved",
        OpponentChanged = "opponent_changed",
        Retracted = "retracted",
    }
}

/// Since when and why a date of a game no longer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct DateEnd {
    pub at: Timestamp,
    pub reason: VoidReason,
    /// The teams that play the game on the same date now; `None` unless only the opponent changed.
    pub teams: Option<Matchup>,
}
impl DateEnd {
    /// Returns when and why the rows of a team are void; `None` if the team still plays the game on this date.
    pub fn voided(&self, team: Option<Team>) -> Option<Voided> {
        let still_plays =
            self.teams.is_some_and(|matchup| team.is_some_and(|team| matchup.teams().contains(&team)));
        (!still_plays).then_some(Voided { at: self.at, reason: self.reason })
    }
}

/// States that an issued row is void: its game, its date or its team no longer stands. All other content of the row stays as issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct Voided {
    /// When it became known that the row is void.
    pub at: Timestamp,
    pub reason: VoidReason,
}

/// Whether a date of a game stands, from an instant on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct StandingRevision {
    pub known_at: Timestamp,
    pub stands: bool,
}

/// One date of a game between two teams.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct GameDate {
    pub date: EasternDate,
    pub home: Team,
    pub away: Team,
    /// The as-of cutoff of all predictions for this date.
    pub tip_off: Timestamp,
    pub tip_estimated: bool,
    /// When the fixture of this date became known: the one that stood at the cutoff or, if none did, the newest one.
    pub known_at: Timestamp,
    /// True if the date stood at its cutoff, as it was known then. Only such a date has issued rows.
    pub stood_at_cutoff: bool,
    /// `None` if the date stands now. If it stood at its cutoff and does not stand now, its issued rows are void.
    pub end: Option<DateEnd>,
    /// Since when the date has stood, and not stood.
    pub standing: Vec<StandingRevision>,
}
impl GameDate {
    pub const fn stands(&self) -> bool {
        self.end.is_none()
    }
    /// True if the date has rows: those that were issued, and those that are derived because the date stands.
    pub const fn has_rows(&self) -> bool {
        self.stood_at_cutoff || self.stands()
    }
}

/// The fixture of a game from an instant on; `None` if the game does not have this pair of teams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct FixtureRevision {
    pub known_at: Timestamp,
    /// Its tip-off is the as-of cutoff of its date, as it was known at `known_at`.
    pub fixture: Option<Fixture>,
}

/// The final points of a game.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct FinalPoints {
    pub home: i32,
    pub away: i32,
}

/// The final points of a game from an instant on; `None` if they are not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct ScoreRevision {
    pub known_at: Timestamp,
    pub points: Option<FinalPoints>,
}

/// The dates for which a game had been scheduled with a pair of teams, from an instant on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct ScheduledDates {
    pub known_at: Timestamp,
    /// Sorted.
    pub dates: Vec<EasternDate>,
}

/// Everything that is known about the fixture and the result of one game with one pair of teams.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct GameFixtures {
    pub matchup: Matchup,
    pub game: GameId,
    pub revisions: Vec<FixtureRevision>,
    /// The revisions without retracted observations; `None` if nothing was retracted.
    pub revisions_in_retrospect: Option<Vec<FixtureRevision>>,
    pub scores: Vec<ScoreRevision>,
    /// The scores without retracted observations; `None` if nothing was retracted.
    pub scores_in_retrospect: Option<Vec<ScoreRevision>>,
    /// The newest result; `None` if the game does not have this pair of teams.
    pub result: Option<GameResult>,
    /// Sorted by date.
    pub dates: Vec<GameDate>,
    /// The dates for which the game had been scheduled by each instant: a date that only observations stated which are retracted by then does
    /// not count. `None` if they always are the dates of all revisions up to the instant.
    pub scheduled_dates: Option<Vec<ScheduledDates>>,
}
