//! The loaders: from a raw payload to what its source said, in its own ids and names. Decoding only.
//!
//! Invariant: a payload that opens is applied; each bad row in it is kept with its bytes and a reason, and no other row suffers.
//! rows found = rows emitted + bad + out of scope. No input panics.
//! Not here: who a name is, which game a date is.
use schemas::{
    raw::{RawEvent, RejectCode},
    sighting::{
        BoxScoreSighting, GameSighting, InjurySighting, LinkSighting, NamesSighting, OddsSighting,
        RosterSighting,
    },
};

/// The version of the decoders; raised when any of them decodes something differently.
pub const VERSION: i32 = 1;

/// What a loader publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sighting {
    Game(GameSighting),
    BoxScore(BoxScoreSighting),
    Odds(OddsSighting),
    Injury(InjurySighting),
    Roster(RosterSighting),
    Names(NamesSighting),
    Link(LinkSighting),
}

/// A whole payload that can never be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    pub code: RejectCode,
    pub reason: String,
}

/// A row that can never be used, in a payload whose other rows can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    pub reason: String,
    /// The row as JSON.
    pub value: String,
}

/// What a payload gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    pub sightings: Vec<Sighting>,
    pub bad_rows: Vec<BadRow>,
    /// Rows found in the payload: games, box lines, quotes (book and player), report records, roster members, links.
    pub rows: u64,
    /// Rows that belong to no game of the season: preseason, all-star, non-NBA opponents.
    pub rows_out_of_scope: u64,
}

/// Decodes one raw event by its feed.
pub fn load(_raw: &RawEvent) -> Result<Loaded, Reject> {
    Ok(Loaded::default())
}
