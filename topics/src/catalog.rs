//! The catalog: one typed table of all topics, with the name, record key, event type, partition count and policy of each; and the function
//! that computes a record's partition.
//!
//! Invariant: topics that one processor joins are co-partitioned: they have the same partition count and partitioner. The part of a
//! record's key before the first '/' determines its partition.
//! Not here: changelogs and dead-letter queues, whose names are derived from the processors' names (`src/topology` of the binary).
use schemas::{
    Event,
    features::Features,
    fixture::GameFixtures,
    game::{Game, PlayerGame, TeamGame},
    identity::Names,
    market::{Availability, Market, OddsEvent, QuotedPlayers},
    membership::{Membership, TeamMember},
    observation::{
        BoxScoreObservation, FinalBoxScoreObservation, GameObservation, InjuryObservation, LinkObservation,
        NamesObservation, OddsEventObservation, OddsObservation, RosterObservation,
    },
    ops::{LedgerEntry, LogId, SinkBatchPlanned},
    prediction::Prediction,
    raw::{Feed, RawEvent},
    team_form::{SlateEntry, TeamForm},
};
use std::marker::PhantomData;

/// The partition count of all co-partitioned topics.
pub const PARTITIONS: i32 = 6;

/// The retention policy of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Records are never deleted. Used for raw events, because everything else can be derived from them again, and for the ledger, because
    /// it shows what became of every record.
    Keep,
    /// Records are deleted by age. Used for streams, whose records are not needed after all processors have read them.
    Delete,
    /// The topic is compacted: only the newest record of each key is kept. Used for tables.
    Compact,
}
impl Policy {
    pub const fn name(self) -> &'static str {
        match self {
            Policy::Keep => "keep",
            Policy::Delete => "delete",
            Policy::Compact => "compact",
        }
    }
}

/// A topic without the type of its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicInfo {
    pub name: &'static str,
    /// The format of the record key, for example `player/game`.
    pub key: &'static str,
    /// The name of the event's schema.
    pub event: &'static str,
    pub partitions: i32,
    pub policy: Policy,
}

/// A topic of events of one type.
pub struct Topic<E> {
    pub info: TopicInfo,
    event: PhantomData<fn() -> E>,
}
impl<E: Event> Topic<E> {
    const fn new(name: &'static str, key: &'static str, partitions: i32, policy: Policy) -> Self {
        Topic { info: TopicInfo { name, key, event: E::NAME, partitions, policy }, event: PhantomData }
    }
}

macro_rules! topics {
    ($($name:ident: $event:ty = $text:literal, $key:literal, $partitions:expr, $policy:ident;)+) => {
        $(#[doc = concat!("`", $text, "`, keyed by ", $key, ".")]
        pub const $name: Topic<$event> = Topic::new($text, $key, $partitions, Policy::$policy);)+
        /// All topics of the catalog, in the order of the data flow.
        pub const ALL: &[TopicInfo] = &[$($name.info),+];
    };
}
topics! {
    RAW_BOX_SCORES: RawEvent = "raw.box-scores.v1", "request", PARTITIONS, Keep;
    RAW_SCHEDULES: RawEvent = "raw.schedules.v1", "request", PARTITIONS, Keep;
    RAW_ODDS: RawEvent = "raw.odds.v1", "request", PARTITIONS, Keep;
    RAW_ROSTERS: RawEvent = "raw.rosters.v1", "request", PARTITIONS, Keep;
    GAME_OBSERVATIONS: GameObservation = "core.game-observations.v2", "game", PARTITIONS, Delete;
    FINAL_BOX_SCORE_OBSERVATIONS: FinalBoxScoreObservation = "core.final-box-score-observations.v1", "game", PARTITIONS, Delete;
    BOX_SCORE_OBSERVATIONS: BoxScoreObservation = "core.box-score-observations.v1", "matchup", PARTITIONS, Delete;
    ODDS_OBSERVATIONS: OddsObservation = "core.odds-observations.v1", "matchup", PARTITIONS, Delete;
    ODDS_EVENT_OBSERVATIONS: OddsEventObservation = "core.odds-event-observations.v1", "event", PARTITIONS, Delete;
    INJURY_OBSERVATIONS: InjuryObservation = "core.injury-observations.v1", "matchup", PARTITIONS, Delete;
    ROSTER_OBSERVATIONS: RosterObservation = "core.roster-observations.v1", "team", PARTITIONS, Delete;
    NAME_OBSERVATIONS: NamesObservation = "core.name-observations.v1", "team", PARTITIONS, Delete;
    IDENTITY_LINKS: LinkObservation = "core.identity-links.v1", "team", PARTITIONS, Delete;
    NAMES: Names = "core.names.v1", "scope/team/source/date", PARTITIONS, Compact;
    MEMBERSHIPS: Membership = "core.memberships.v1", "player/team", PARTITIONS, Compact;
    TEAM_MEMBERS: TeamMember = "core.team-members.v1", "team/player", PARTITIONS, Compact;
    FIXTURES: GameFixtures = "core.fixtures.v1", "matchup/game", PARTITIONS, Compact;
    ODDS_EVENTS: OddsEvent = "core.odds-events.v1", "matchup/event", PARTITIONS, Compact;
    GAMES: Game = "core.games.v1", "matchup/game", PARTITIONS, Compact;
    TEAM_GAMES: TeamGame = "core.team-games.v2", "team/game/matchup", PARTITIONS, Compact;
    PLAYER_GAMES: PlayerGame = "core.player-games.v2", "player/game/matchup", PARTITIONS, Compact;
    MARKETS: Market = "core.markets.v2", "player/game/date/matchup", PARTITIONS, Compact;
    AVAILABILITY: Availability = "core.availability.v2", "player/game/date/matchup", PARTITIONS, Compact;
    QUOTED_PLAYERS: QuotedPlayers = "core.quoted-players.v2", "matchup/game/date", PARTITIONS, Compact;
    TEAM_FORMS: TeamForm = "ml.team-forms.v2", "matchup/game/date/team", PARTITIONS, Compact;
    SLATE_ENTRIES: SlateEntry = "ml.slate-entries.v2", "player/game/date/matchup", PARTITIONS, Compact;
    FEATURES: Features = "ml.features.v2", "player/game/date", PARTITIONS, Compact;
    PREDICTIONS: Prediction = "ml.predictions.v2", "player/game/date", PARTITIONS, Compact;
    LEDGER: LedgerEntry = "ops.ledger.v1", "processor", 1, Keep;
    SINK_BATCHES: SinkBatchPlanned = "ops.sink-batches.v1", "sink", 1, Compact;
    LOG_IDS: LogId = "ops.log-ids.v1", "log", 1, Keep;
}

/// Returns the raw topic of a feed. The match is exhaustive, so a feed without a topic does not compile.
pub const fn raw_topic(feed: Feed) -> &'static Topic<RawEvent> {
    match feed {
        Feed::NbacomLeaguegamelog
        | Feed::NbacomBoxscore
        | Feed::NbacomGamebook
        | Feed::BalldontlieStats
        | Feed::BalldontlieBoxScores
        | Feed::BalldontlieLiveBoxScores
        | Feed::EspnSummary
        | Feed::EspnBoxscore => &RAW_BOX_SCORES,
        Feed::NbacomSchedule => &RAW_SCHEDULES,
        Feed::OddsapiEventOdds => &RAW_ODDS,
        Feed::NbacomPlayerList
        | Feed::NbacomInjuryReport
        | Feed::EspnRoster
        | Feed::OperatorIdentityLinks => &RAW_ROSTERS,
    }
}

/// True if the topic with this logical name contains raw events. Other programs may produce to raw topics, and a replay reads the same raw
/// topics as the live topology.
pub fn is_raw(topic: &str) -> bool {
    topic.starts_with("raw.")
}

/// Returns the partition of a record key: the FNV-1a hash of the part before the first '/', modulo the partition count.
pub fn partition_of(key: &str, partitions: i32) -> i32 {
    let partition_key = key.split('/').next().unwrap_or(key);
    let hash = partition_key
        .bytes()
        .fold(0x811c_9dc5u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (hash % partitions.max(1) as u32) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_layer_plural_noun_and_version_and_unique() {
        let mut names: Vec<&str> = ALL.iter().map(|topic| topic.name).collect();
        for name in &names {
            let parts: Vec<&str> = name.split('.').collect();
            assert!(matches!(parts[..], ["raw" | "core" | "ml" | "ops", _, "v1" | "v2"]), "{name}");
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }
    #[test]
    fn rows_of_one_player_share_a_partition_and_keys_use_all_partitions() {
        assert_eq!(partition_of("203999/0022300061", 6), partition_of("203999", 6));
        let used: std::collections::BTreeSet<i32> =
            (0..100).map(|key| partition_of(&key.to_string(), 6)).collect();
        assert_eq!(used, (0..6).collect());
    }
    #[test]
    fn the_partition_of_a_key_never_changes() {
        assert_eq!([partition_of("BOS-NYK", 6), partition_of("203999", 6), partition_of("", 6)], [0, 1, 1]);
    }
}
