//! The catalog of all events: their released `.avsc` files, the keys of their rows, and the offline compatibility check. [`bind`] sets the
//! schema ids that a schema registry assigned.
//!
//! Invariant: compatibility is BACKWARD_TRANSITIVE: each schema version reads every record of all earlier released versions, because logs
//! are reprocessed from offset 0.
//! Not here: the ids of one event's schemas (`schema_ids`), the client of a schema registry (crate `schema-registry`).
use crate::{
    features::Features,
    fixture::GameFixtures,
    game::{Game, PlayerGame, TeamGame},
    identity::Names,
    ids::{
        CandidateId, MatchupEventId, MatchupGameDateId, MatchupGameId, MembershipId, NamesId,
        PlayerGameDateId, PlayerMatchupGameId, TeamFormId, TeamGameId, TeamMemberId,
    },
    market::{Availability, Market, OddsEvent, QuotedPlayers},
    membership::{Membership, TeamMember},
    observation::{
        BoxScoreObservation, FinalBoxScoreObservation, GameObservation, InjuryObservation, LinkObservation,
        NamesObservation, OddsEventObservation, OddsObservation, RosterObservation,
    },
    ops::{LedgerEntry, LogId, SinkBatchPlanned},
    prediction::Prediction,
    public_json::to_json,
    raw::{DeadLetter, RawEvent},
    team::Matchup,
    team_form::{SlateEntry, TeamForm},
    wire::{self, Event, WireError},
};
use std::sync::LazyLock;

pub use crate::{
    compatibility::can_read,
    framing::{frame, id_of, unframe},
    schema_ids::{Binding, Schemas},
};

/// One event of the catalog, without its Rust type.
pub struct Entry {
    pub name: &'static str,
    /// The texts of the released schema versions, oldest first.
    pub released: &'static [&'static str],
    /// Derives a schema text from the Rust type. The tests compare it with the newest released text.
    pub derived: fn() -> Result<String, String>,
    pub schemas: fn() -> &'static Schemas,
    /// Decodes a framed record, and returns the public JSON form of its event.
    pub decode_to_json: fn(&[u8]) -> Result<serde_json::Value, WireError>,
}
impl Entry {
    /// Returns the entry of the event with this name.
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
        /// Returns one entry for each event of the catalog.
        pub fn entries() -> Vec<Entry> {
            vec![$(Entry {
                name: <$event as Event>::NAME,
                released: <$event as Event>::RELEASED,
                derived: derived::<$event>,
                schemas: <$event as Event>::schemas,
                decode_to_json: |record| wire::decode::<$event>(record).map(|event| to_json(&event)),
            }),+]
        }
    };
}
/// The matchup of rows of former topics, which lack their matchup.
const FIRST_MATCHUP: &str = r#"{"first": "ATL", "second": "BOS"}"#;
events! {
    RawEvent = "raw-event" [1, 2, 3] with [("RawEvent.retraction", "null")];
    DeadLetter = "dead-letter" [1];
    GameObservation = "game-observation" [1, 2] with [("Provenance.request", "\"\""), ("Provenance.outcome", "\"Complete\""), ("Provenance.retraction", "null")];
    BoxScoreObservation = "box-score-observation" [1, 2, 3] with [("Provenance.request", "\"\""), ("Provenance.outcome", "\"Complete\""), ("Provenance.retraction", "null"), ("BoxScoreObservation.is_final", "true")];
    FinalBoxScoreObservation = "final-box-score-observation" [1];
    OddsObservation = "odds-observation" [1, 2] with [("Provenance.request", "\"\""), ("Provenance.outcome", "\"Complete\""), ("Provenance.retraction", "null"), ("OddsObservation.incomplete_books", "[]"), ("Quote.complete", "true")];
    OddsEventObservation = "odds-event-observation" [1];
    InjuryObservation = "injury-observation" [1, 2] with [("Provenance.request", "\"\""), ("Provenance.outcome", "\"Complete\""), ("Provenance.retraction", "null"), ("InjuryObservation.incomplete_teams", "[]"), ("InjuryObservation.not_submitted", "[]")];
    RosterObservation = "roster-observation" [1, 2, 3] with [("Provenance.request", "\"\""), ("Provenance.outcome", "\"Complete\""), ("Provenance.retraction", "null")];
    NamesObservation = "names-observation" [1, 2, 3, 4] with [("Provenance.request", "\"\""), ("Provenance.outcome", "\"Complete\""), ("Provenance.retraction", "null"), ("NamesObservation.feed", "null"), ("NamesObservation.of_league", "false"), ("NamesObservation.suffix_matters", "[]")];
    LinkObservation = "link-observation" [1, 2, 3] with [("Provenance.request", "\"\""), ("Provenance.outcome", "\"Complete\""), ("Provenance.retraction", "null"), ("LinkObservation.is_nobody", "false"), ("LinkObservation.only_team", "null"), ("LinkObservation.only_source", "null"), ("LinkObservation.only_from", "null")];
    Names = "names" [1, 2, 3] with [("NameMatch.revisions_in_retrospect", "null"), ("NameRevision.operator_link", "null")];
    Membership = "membership" [1, 2];
    TeamMember = "team-member" [1, 2];
    GameFixtures = "game-fixtures" [1, 2] with [("GameFixtures.scheduled_dates", "null")];
    OddsEvent = "odds-event" [1];
    Game = "game" [1, 2, 3] with [("Game.dates", "[]")];
    TeamGame = "team-game" [1, 2, 3, 4] with [("TeamGameRevision.workloads", "[]"), ("TeamGame.revisions_in_retrospect", "null"), ("TeamGame.matchup", FIRST_MATCHUP), ("TeamGame.dates", "[]")];
    PlayerGame = "player-game" [1, 2, 3, 4] with [("PlayerGame.revisions_in_retrospect", "null"), ("PlayerGame.matchup", FIRST_MATCHUP)];
    Market = "market" [1, 2] with [("Market.date", "0"), ("Market.matchup", FIRST_MATCHUP), ("Market.issued_absent_since", "null"), ("Market.retrospective_absent_since", "null")];
    Availability = "availability" [1, 2] with [("Availability.date", "0"), ("Availability.matchup", FIRST_MATCHUP), ("Availability.issued_absent_since", "null"), ("Availability.retrospective_absent_since", "null")];
    QuotedPlayers = "quoted-players" [1, 2, 3] with [("QuotedPlayers.date", "0"), ("QuotedPlayer.is_quoted", "true"), ("TeamReported.has_reported", "true"), ("QuotedPlayers.teams_reported_issued", "[]"), ("QuotedPlayers.teams_reported_retrospective", "[]")];
    TeamForm = "team-form" [1, 2, 3, 4] with [("Form.season_players", "null"), ("TeamForm.date", "0"), ("TeamForm.opened_at", "0")];
    SlateEntry = "slate-entry" [1, 2, 3, 4, 5] with [("Candidacy.home_rotation", "null"), ("Candidacy.away_rotation", "null"), ("SideEvidence.is_rostered", "false"), ("Candidacy.teams_reported", "[]"), ("SlateEntry.opened_at", "0"), ("SlateEntry.end", "null")];
    Features = "features" [1, 2, 3, 4] with [("Features.voided", "null")];
    Prediction = "prediction" [1, 2, 3] with [("Prediction.voided", "null")];
    LedgerEntry = "ledger-entry" [1];
    LogId = "log-id" [1];
    SinkBatchPlanned = "sink-batch-planned" [1, 2] with [("SinkBatchPlanned.states_predecessor", "false"), ("SinkBatchPlanned.predecessor", "null")];
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
    Names => NamesId, row, Some(NamesId { scope: row.scope.parse().ok()?, team: row.team, source: row.source, date: row.date });
    Membership => MembershipId, row, Some(MembershipId { player: row.player, team: row.team });
    TeamMember => TeamMemberId, row, Some(TeamMemberId { team: row.team, player: row.player });
    GameFixtures => MatchupGameId, row, Some(MatchupGameId { matchup: row.matchup, game: row.game });
    OddsEvent => MatchupEventId, row, Some(MatchupEventId { matchup: row.matchup, event: row.event.clone() });
    Game => MatchupGameId, row, Some(MatchupGameId { matchup: Matchup::new(row.home, row.away)?, game: row.game });
    TeamGame => TeamGameId, row, Some(TeamGameId { team: row.team, game: row.game, matchup: row.matchup });
    PlayerGame => PlayerMatchupGameId, row, Some(PlayerMatchupGameId { player: row.player, game: row.game, matchup: row.matchup });
    Market => CandidateId, row, Some(CandidateId { player: row.player, game: row.game, date: row.date, matchup: row.matchup });
    Availability => CandidateId, row, Some(CandidateId { player: row.player, game: row.game, date: row.date, matchup: row.matchup });
    QuotedPlayers => MatchupGameDateId, row, Some(MatchupGameDateId { matchup: row.matchup, game: row.game, date: row.date });
    TeamForm => TeamFormId, row, {
        let matchup = Matchup::new(row.team, row.opponent)?;
        Some(TeamFormId { matchup, game: row.game, date: row.date, team: row.team })
    };
    SlateEntry => CandidateId, row, {
        let matchup = Matchup::new(row.home, row.away)?;
        Some(CandidateId { player: row.player, game: row.game, date: row.date, matchup })
    };
    Features => PlayerGameDateId, row, Some(PlayerGameDateId { player: row.player, game: row.game, date: row.date });
    Prediction => PlayerGameDateId, row, Some(PlayerGameDateId { player: row.player, game: row.game, date: row.date });
}

/// The reason why [`bind`] rejects the ids of a schema registry.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum BindError {
    #[error(
        "{event}: the schema registry has no id for the schema of this event; next: `fastbreak schemas push`"
    )]
    Missing { event: &'static str },
    #[error(
        "{event}: the registry's id {id} equals the id of an older schema of this event, so a record with it could \
         have either schema; register the schema in a different registry or context"
    )]
    Ambiguous { event: &'static str, id: u32 },
    #[error(
        "cannot use the registry's schema ids: this process already uses the ids of a registry, or has already read or written \
         a record"
    )]
    Late,
}

/// Makes this process read and write records with the ids of a schema registry. Call it once, before the first record is read or written.
///
/// # Errors
/// If an event has no id, an id could refer to two schemas, ids are already bound, or a record was already read or written.
pub fn bind(binding: Binding) -> Result<(), BindError> {
    // `DeadLetter` is excluded: on Kafka, a dead letter is the original record with headers and not an Avro record. So its schema has no
    // subject in the registry and keeps the id derived from its text.
    for entry in entries().into_iter().filter(|entry| entry.name != DeadLetter::NAME) {
        let event = entry.name;
        let ids = binding.ids.get(event).filter(|ids| !ids.is_empty()).ok_or(BindError::Missing { event })?;
        let older = entry.released.split_last().map_or(&[][..], |(_, older)| older);
        if let Some(id) = ids.iter().find(|id| older.iter().any(|text| id_of(text) == **id)) {
            return Err(BindError::Ambiguous { event, id: *id });
        }
    }
    if binding.activate() { Ok(()) } else { Err(BindError::Late) }
}

/// Derives the schema text of an event from its Rust type, with the defaults of the fields that earlier versions lack.
///
/// # Errors
/// If the type has no Avro schema or a default is not JSON.
pub fn derived<E: Event>() -> Result<String, String> {
    let text = serde_json::to_string(&E::schema_mut()).map_err(|error| error.to_string())?;
    let mut schema: serde_json::Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    set_defaults(&mut schema, E::DEFAULTS).map_err(|error| error.to_string())?;
    serde_json::to_string_pretty(&schema).map(|text| text + "\n").map_err(|error| error.to_string())
}

/// Sets the defaults of the fields of a schema, each of which is named as `Record.field`, in all records that the schema contains.
fn set_defaults(schema: &mut serde_json::Value, defaults: &[(&str, &str)]) -> serde_json::Result<()> {
    let name = schema["name"].as_str().unwrap_or_default();
    let record = name.rsplit('.').next().unwrap_or(name).to_owned();
    let is_field = |name: &str, field: &serde_json::Value| {
        name.split_once('.').is_some_and(|(owner, name)| owner == record && field["name"] == name)
    };
    for field in schema.get_mut("fields").and_then(|fields| fields.as_array_mut()).into_iter().flatten() {
        if let Some((_, default)) = defaults.iter().find(|(name, _)| is_field(name, field)) {
            field["default"] = serde_json::from_str(default)?;
        }
    }
    let children = match schema {
        serde_json::Value::Object(members) => members.values_mut().collect::<Vec<_>>(),
        serde_json::Value::Array(items) => items.iter_mut().collect(),
        _ => Vec::new(),
    };
    children.into_iter().try_for_each(|child| set_defaults(child, defaults))
}

/// Checks the schemas of all events and returns every problem, each as one sentence.
pub fn check() -> Vec<String> {
    entries().iter().flat_map(problems).collect()
}

/// Checks one event: its newest released schema must match its Rust type, and each version must read all earlier ones.
pub fn problems(entry: &Entry) -> Vec<String> {
    let mut problems = Vec::new();
    match (entry.derived)() {
        Ok(text) if entry.released.last().is_some_and(|released| released.trim() == text.trim()) => {}
        Ok(_) => problems.push(format!(
            "{}: the Rust type differs from its newest released schema; release a new schema version as avro/{}.v{}.avsc",
            entry.name,
            entry.name,
            entry.released.len() + 1
        )),
        Err(reason) => problems.push(format!("{}: {reason}", entry.name)),
    }
    for (newer, reader) in entry.released.iter().enumerate() {
        for (older, writer) in entry.released[..newer].iter().enumerate() {
            if let Err(reason) = can_read(reader, writer) {
                let (newer, older) = (newer + 1, older + 1);
                problems.push(format!("{}: v{newer} cannot read v{older}: {reason}", entry.name));
            }
        }
    }
    problems
}
