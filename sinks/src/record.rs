//! Input of the sink: a decoded record of one of three table topics.
//!
//! Invariant: all records of a key are in one partition of their topic, so the record with the higher offset is the newer one.
//! Not here: decoding records from bytes (`task::decode`).
use schemas::{
    EasternDate, GameId, Matchup, PlayerGameDateId, PlayerId, PlayerMatchupGameId, features::Features,
    game::PlayerGame, prediction::Prediction,
};
use std::{fmt, str::FromStr};
use topics::TopicInfo;

/// The table topics that the sink reads, all keyed by player, game, and the date or the pair of teams of the game.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SinkTopic {
    Predictions,
    Features,
    PlayerGames,
}
impl SinkTopic {
    pub const ALL: [SinkTopic; 3] = [SinkTopic::Predictions, SinkTopic::Features, SinkTopic::PlayerGames];
    /// Returns the topic as the catalog describes it.
    pub const fn info(self) -> TopicInfo {
        match self {
            SinkTopic::Predictions => topics::PREDICTIONS.info,
            SinkTopic::Features => topics::FEATURES.info,
            SinkTopic::PlayerGames => topics::PLAYER_GAMES.info,
        }
    }
    /// Returns the logical name of the topic.
    pub const fn topic(self) -> &'static str {
        self.info().name
    }
}
impl fmt::Display for SinkTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.topic())
    }
}
impl FromStr for SinkTopic {
    type Err = String;
    fn from_str(topic: &str) -> Result<Self, String> {
        SinkTopic::ALL
            .into_iter()
            .find(|input| input.topic() == topic)
            .ok_or_else(|| format!("'{topic}' is not an input topic of the sink"))
    }
}

/// Coordinates of a record in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartitionOffset {
    pub input: SinkTopic,
    pub partition: i32,
    pub offset: i64,
}
impl fmt::Display for TopicPartitionOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.input, self.partition, self.offset)
    }
}

/// The last part of the key of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyPart {
    /// Rows of a candidate: the date of the game.
    Date(EasternDate),
    /// Rows of `player_games`: the teams of the game.
    Matchup(Matchup),
}
impl fmt::Display for KeyPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyPart::Date(date) => date.fmt(f),
            KeyPart::Matchup(matchup) => matchup.fmt(f),
        }
    }
}

/// The key of a record, and of the rows that it gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    pub game: GameId,
    pub player: PlayerId,
    pub part: KeyPart,
}
impl RowKey {
    /// Parses the key of a record of a topic.
    ///
    /// # Errors
    /// The text has not the form of the topic's keys.
    pub fn parse(input: SinkTopic, key: &str) -> Result<RowKey, String> {
        Ok(match input {
            SinkTopic::Predictions | SinkTopic::Features => key.parse::<PlayerGameDateId>()?.into(),
            SinkTopic::PlayerGames => key.parse::<PlayerMatchupGameId>()?.into(),
        })
    }
}
impl fmt::Display for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.player, self.game, self.part)
    }
}
impl From<PlayerGameDateId> for RowKey {
    fn from(id: PlayerGameDateId) -> Self {
        RowKey { game: id.game, player: id.player, part: KeyPart::Date(id.date) }
    }
}
impl From<PlayerMatchupGameId> for RowKey {
    fn from(id: PlayerMatchupGameId) -> Self {
        RowKey { game: id.game, player: id.player, part: KeyPart::Matchup(id.matchup) }
    }
}

/// Key and event of a record; a record without an event is a tombstone.
#[derive(Clone, Debug, PartialEq)]
pub enum RecordChange {
    Prediction(PlayerGameDateId, Option<Prediction>),
    Features(PlayerGameDateId, Option<Features>),
    PlayerGame(PlayerMatchupGameId, Option<PlayerGame>),
}
impl RecordChange {
    pub const fn input(&self) -> SinkTopic {
        match self {
            RecordChange::Prediction(..) => SinkTopic::Predictions,
            RecordChange::Features(..) => SinkTopic::Features,
            RecordChange::PlayerGame(..) => SinkTopic::PlayerGames,
        }
    }
    pub fn key(&self) -> RowKey {
        match self {
            RecordChange::Prediction(id, _) | RecordChange::Features(id, _) => (*id).into(),
            RecordChange::PlayerGame(id, _) => (*id).into(),
        }
    }
    /// Returns the Eastern day of the game, which is `game_date` in its row; `None` for a tombstone.
    pub fn date(&self) -> Option<EasternDate> {
        match self {
            RecordChange::Prediction(_, event) => event.as_ref().map(|event| event.date),
            RecordChange::Features(_, event) => event.as_ref().map(|event| event.date),
            RecordChange::PlayerGame(_, event) => {
                event.as_ref()?.revisions.last().map(|revision| revision.date)
            }
        }
    }
    /// Returns a tombstone with the same key.
    pub const fn tombstone(&self) -> RecordChange {
        match self {
            RecordChange::Prediction(id, _) => RecordChange::Prediction(*id, None),
            RecordChange::Features(id, _) => RecordChange::Features(*id, None),
            RecordChange::PlayerGame(id, _) => RecordChange::PlayerGame(*id, None),
        }
    }
}

/// A record and its coordinates.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub coordinates: TopicPartitionOffset,
    pub change: RecordChange,
}
