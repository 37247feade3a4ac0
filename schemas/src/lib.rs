//! The events that the topics contain, as serde types and Avro schemas. Every crate of the workspace may depend on this one; it depends on
//! none of them.
//!
//! Invariant: the `.avsc` files in `avro/` are the released contract. The tests fail if a type differs from its newest file, or if a schema
//! cannot read the records of an earlier version.
//! Not here: topic names (crate `topics`), behavior (crate `processors`).
pub mod catalog;
mod compatibility;
pub mod features;
mod feed;
pub mod fixture;
mod foreign_schema;
mod framing;
pub mod game;
pub mod identity;
pub mod ids;
pub mod market;
pub mod membership;
mod named_enum;
pub mod observation;
pub mod ops;
pub mod prediction;
pub mod public_json;
pub mod raw;
mod schema_ids;
pub mod team;
pub mod team_form;
pub mod units;
pub mod wire;
mod wire_error;

pub use ids::{
    CandidateId, GameId, MatchupEventId, MatchupGameDateId, MatchupGameId, MembershipId, NamesId,
    PlayerGameDateId, PlayerId, PlayerMatchupGameId, RawId, Scope, TeamFormId, TeamGameId, TeamMemberId,
};
pub use team::{Matchup, Team};
pub use units::{EasternDate, Line, PlayingTime, Price, Season, Timestamp};
pub use wire::{Event, Row, WireError};
