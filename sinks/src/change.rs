//! What the sink reads: a record of one of three table topics, decoded.
//!
//! Invariant: a key lives in one partition of its topic, so among the records of a key the higher offset is the newer.
//! Not here: bytes and schemas; the runtime decodes.
use schemas::{EasternDate, PlayerGameId, features::Features, game::PlayerGame, prediction::Prediction};
use std::{fmt, str::FromStr};

/// The table topics that the sink reads, all keyed by player and game.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Input {
    Predictions,
    Features,
    PlayerGames,
}
impl Input {
    pub const ALL: [Input; 3] = [Input::Predictions, Input::Features, Input::PlayerGames];
    /// The topic's name.
    pub const fn topic(self) -> &'static str {
        match self {
            Input::Predictions => "ml.predictions.v1",
            Input::Features => "ml.features.v1",
            Input::PlayerGames => "core.player-games.v1",
        }
    }
}
impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.topic())
    }
}
impl FromStr for Input {
    type Err = String;
    fn from_str(topic: &str) -> Result<Self, String> {
        Input::ALL
            .into_iter()
            .find(|input| input.topic() == topic)
            .ok_or_else(|| format!("the sink reads no topic '{topic}'"))
    }
}

/// Where a record stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    pub input: Input,
    pub partition: i32,
    pub offset: i64,
}
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.input, self.partition, self.offset)
    }
}

/// What a record says of a player's game; `None` is a tombstone.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    Prediction(PlayerGameId, Option<Prediction>),
    Features(PlayerGameId, Option<Features>),
    PlayerGame(PlayerGameId, Option<PlayerGame>),
}
impl Change {
    pub const fn input(&self) -> Input {
        match self {
            Change::Prediction(..) => Input::Predictions,
            Change::Features(..) => Input::Features,
            Change::PlayerGame(..) => Input::PlayerGames,
        }
    }
    pub const fn id(&self) -> PlayerGameId {
        match self {
            Change::Prediction(id, _) | Change::Features(id, _) | Change::PlayerGame(id, _) => *id,
        }
    }
    /// The Eastern day of the game, as its row has it; a tombstone has none.
    pub fn date(&self) -> Option<EasternDate> {
        match self {
            Change::Prediction(_, event) => event.as_ref().map(|event| event.date),
            Change::Features(_, event) => event.as_ref().map(|event| event.date),
            Change::PlayerGame(_, event) => event.as_ref()?.steps.last().map(|step| step.date),
        }
    }
    /// That there is no such row.
    pub const fn tombstone(&self) -> Change {
        match self {
            Change::Prediction(id, _) => Change::Prediction(*id, None),
            Change::Features(id, _) => Change::Features(*id, None),
            Change::PlayerGame(id, _) => Change::PlayerGame(*id, None),
        }
    }
}

/// One record as the sink sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub at: Position,
    pub change: Change,
}
