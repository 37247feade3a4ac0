//! The schemas of all events: the released `.avsc` files and the offline compatibility check.
//!
//! Invariant: BACKWARD_TRANSITIVE: each schema reads everything that any of its released predecessors wrote, since logs are
//! replayed from the start.
//! Not here: the ids of schemas (`schema_ids`), a registry's client (`src/registry` of the root).
use crate::{
    features::Features,
    game::{Game, PlayerGame, TeamGame},
    identity::Names,
    ids::{MatchupGameId, NamesId, PlayerGameId, TeamFormId, TeamGameId},
    market::{Availability, Market, QuotedPlayers},
    observation::{
        BoxScoreObservation, GameObservation, InjuryObservation, LinkObservation, NamesObservation,
        OddsObservation, RosterObservation,
    },
    ops::{LedgerEntry, LogId, SinkBatchPlanned},
    prediction::Prediction,
    raw::{DeadLetter, RawEvent},
    team::Matchup,
    team_form::{SlateEntry, TeamForm},
    wire::Event,
};
use std::sync::LazyLock;

pub use crate::schema_ids::{BindError, Binding, Schemas, bind, frame, id_of, unframe};

/// An event's schema as a check sees it.
pub struct Entry {
    pub name: &'static str,
    pub released: &'static [&'static str],
    /// The schema that the type has now.
    pub derived: fn() -> Result<String, String>,
    pub schemas: fn() -> &'static Schemas,
}
impl Entry {
    /// The entry of an event, by its name.
    pub fn find(name: &str) -> Option<Entry> {
        entries().into_iter().find(|entry| entry.name == name)
    }
}

macro_rules! events {
    ($($event:ty = $name:literal [$($version:literal),+] $(with $defaults:tt)?;)+) => {
        $(impl Event for $event {
            const NAME: &'static str = $name;
            const RELEASED: &'static [&'static str] =
                &[$(include_str!(concat!("../avro/", $name, ".v", $version, ".avsc"))),+];
            $(const DEFAULTS: &'static [(&'static str, &'static str)] = &$defaults;)?
            fn schemas() -> &'static Schemas {
                static SCHEMAS: LazyLock<Schemas> =
                    LazyLock::new(|| Schemas::parse($name, <$event as Event>::RELEASED));
                &SCHEMAS
            }
        })+
        /// Every event there is.
        pub fn entries() -> Vec<Entry> {
            vec![$(Entry {
                name: <$event as Event>::NAME,
                released: <$event as Event>::RELEASED,
                derived: derived::<$event>,
                schemas: <$event as Event>::schemas,
            }),+]
        }
    };
}
events! {
    RawEvent = "raw-event" [1];
    DeadLetter = "dead-letter" [1];
    GameObservation = "game-observation" [1];
    BoxScoreObservation = "box-score-observation" [1];
    OddsObservation = "odds-observation" [1];
    InjuryObservation = "injury-observation" [1];
    RosterObservation = "roster-observation" [1];
    NamesObservation = "names-observation" [1];
    LinkObservation = "link-observation" [1];
    Names = "names" [1];
    Game = "game" [1];
    TeamGame = "team-game" [1];
    PlayerGame = "player-game" [1];
    Market = "market" [1];
    Availability = "availability" [1];
    QuotedPlayers = "quoted-players" [1];
    TeamForm = "team-form" [1];
    SlateEntry = "slate-entry" [1];
    Features = "features" [1];
    Prediction = "prediction" [1];
    LedgerEntry = "ledger-entry" [1];
    LogId = "log-id" [1];
    SinkBatchPlanned = "sink-batch-planned" [1];
}

macro_rules! rows {
    ($($event:ty => $id:ty, $row:ident, $value:expr;)+) => {
        $(impl crate::wire::Row for $event {
            type Id = $id;
            fn row_id(&self) -> Option<$id> {
                let $row = self;
                $value
            }
        })+
    };
}
rows! {
    Names => NamesId, r, Some(NamesId { scope: r.scope.parse().ok()?, team: r.team, source: r.source, date: r.date });
    Game => MatchupGameId, r, Some(MatchupGameId { matchup: Matchup::new(r.home, r.away)?, game: r.game });
    TeamGame => TeamGameId, r, Some(TeamGameId { team: r.team, game: r.game });
    PlayerGame => PlayerGameId, r, Some(PlayerGameId { player: r.player, game: r.game });
    Market => PlayerGameId, r, Some(PlayerGameId { player: r.player, game: r.game });
    Availability => PlayerGameId, r, Some(PlayerGameId { player: r.player, game: r.game });
    QuotedPlayers => MatchupGameId, r, Some(MatchupGameId { matchup: r.matchup, game: r.game });
    TeamForm => TeamFormId, r, {
        Some(TeamFormId { matchup: Matchup::new(r.team, r.opponent)?, game: r.game, team: r.team })
    };
    SlateEntry => PlayerGameId, r, Some(PlayerGameId { player: r.player, game: r.game });
    Features => PlayerGameId, r, Some(PlayerGameId { player: r.player, game: r.game });
    Prediction => PlayerGameId, r, Some(PlayerGameId { player: r.player, game: r.game });
}

/// The schema text of the present Rust type, with the defaults of the fields that earlier versions lack.
pub fn derived<E: Event>() -> Result<String, String> {
    let text = serde_json::to_string(&E::schema_mut()).map_err(|e| e.to_string())?;
    let mut value: serde_json::Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    for field in value["fields"].as_array_mut().into_iter().flatten() {
        if let Some((_, default)) = E::DEFAULTS.iter().find(|(name, _)| field["name"] == *name) {
            field["default"] = serde_json::from_str(default).map_err(|e| e.to_string())?;
        }
    }
    serde_json::to_string_pretty(&value).map(|text| text + "\n").map_err(|e| e.to_string())
}

/// Whether `reader` reads all that `writer` wrote; the reason when not.
pub fn can_read(reader: &str, writer: &str) -> Result<(), String> {
    let parse = |text| apache_avro::Schema::parse_str(text).map_err(|e| e.to_string());
    apache_avro::schema_compatibility::SchemaCompatibility::can_read(&parse(writer)?, &parse(reader)?)
        .map(|_| ())
        .map_err(|e| e.to_string())
}

/// Everything wrong with the schemas.
pub fn check() -> Vec<String> {
    entries().iter().flat_map(wrong).collect()
}

/// What is wrong with an event's: a type without a released schema of its present shape, a version that cannot read an earlier one.
pub fn wrong(entry: &Entry) -> Vec<String> {
    let mut wrong = Vec::new();
    match (entry.derived)() {
        Ok(now) if entry.released.last().is_some_and(|released| released.trim() == now.trim()) => {}
        Ok(_) => wrong.push(format!(
            "{}: the type has changed; release its schema as avro/{}.v{}.avsc",
            entry.name,
            entry.name,
            entry.released.len() + 1
        )),
        Err(reason) => wrong.push(format!("{}: {reason}", entry.name)),
    }
    for (newer, reader) in entry.released.iter().enumerate() {
        for (older, writer) in entry.released[..newer].iter().enumerate() {
            if let Err(reason) = can_read(reader, writer) {
                let (newer, older) = (newer + 1, older + 1);
                wrong.push(format!("{}: v{newer} cannot read v{older}: {reason}", entry.name));
            }
        }
    }
    wrong
}
