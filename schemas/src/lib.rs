//! The events: what flows through the topics, as serde types and Avro schemas. Every crate may read this one; it reads none.
//!
//! Invariant: the `.avsc` files in `avro/` are the released contract. A type that no longer matches its newest file fails the
//! tests, and so does a schema that cannot read one of its predecessors.
//! Not here: topic names (crate `topics`), behaviour (crate `processors`).
pub mod catalog;
pub mod features;
mod foreign_schema;
pub mod game;
pub mod identity;
pub mod ids;
pub mod market;
pub mod observation;
pub mod ops;
pub mod prediction;
pub mod raw;
pub mod schema_ids;
pub mod team;
pub mod team_form;
pub mod units;
pub mod wire;

pub use ids::{GameId, MatchupGameId, NamesId, PlayerGameId, PlayerId, RawId, Scope, TeamFormId, TeamGameId};
pub use team::{Matchup, Team};
pub use units::{EasternDate, Line, PlayingTime, Price, Season, Timestamp};
pub use wire::{Event, Row, WireError};
