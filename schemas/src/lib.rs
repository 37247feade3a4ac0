//! The events: what flows through the topics, as serde types and Avro schemas. Every crate may read this one; it reads none.
//!
//! Invariant: the `.avsc` files in `avro/` are the released contract. A type that no longer matches its newest file fails the
//! tests, and so does a schema that cannot read one of its predecessors.
//! Not here: topic names (crate `topics`), behaviour (crate `processors`).
pub mod features;
pub mod form;
pub mod game;
pub mod identity;
pub mod ids;
pub mod market;
pub mod ops;
mod other;
pub mod prediction;
pub mod raw;
pub mod registry;
pub mod sighting;
pub mod team;
pub mod units;
pub mod versions;
pub mod wire;

pub use ids::{GameId, MatchupGameId, NamesId, PlayerGameId, PlayerId, RawId, Scope, TeamFormId, TeamGameId};
pub use team::{Matchup, Team};
pub use units::{EasternDate, Instant, Line, PlayingTime, Price, Season};
pub use wire::{Event, Row, WireError};
