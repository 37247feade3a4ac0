//! The result of loading a raw event: observations, bad rows and counts.
//!
//! Invariant: rows found = rows emitted + repeated + bad + out of scope. A retraction has no bad rows: they became dead letters when the
//! retracted event was loaded, and count as out of scope when it is retracted.
//! Not here: decoding (the file of each feed).
use schemas::{
    observation::{
        BoxScoreObservation, FinalBoxScoreObservation, GameObservation, InjuryObservation, LinkObservation,
        NamesObservation, OddsEventObservation, OddsObservation, Provenance, Retraction, RosterObservation,
    },
    raw::{FetchOutcome, RawEvent, RejectCode},
    units::Timestamp,
};
use serde_json::value::RawValue;

/// The version of the loaders. Raise it in every change that decodes a payload differently.
pub const VERSION: i32 = 4;

/// An output of a loader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observation {
    Game(GameObservation),
    BoxScore(BoxScoreObservation),
    FinalBoxScore(FinalBoxScoreObservation),
    Odds(OddsObservation),
    OddsEvent(OddsEventObservation),
    Injury(InjuryObservation),
    Roster(RosterObservation),
    Names(NamesObservation),
    Link(LinkObservation),
}

/// A payload that can never be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    pub code: RejectCode,
    pub reason: String,
}
impl Reject {
    pub(super) fn bad_payload(reason: impl Into<String>) -> Reject {
        Reject { code: RejectCode::BadPayload, reason: reason.into() }
    }
}

/// A row that can never be used, in a payload whose other rows can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    pub reason: String,
    /// The row as JSON.
    pub value: String,
}

/// The decoded content of a payload, with the number of its rows by outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    pub observations: Vec<Observation>,
    pub bad_rows: Vec<BadRow>,
    /// Rows found in the payload: games, players of box scores, quotes (book, player and update), report records (also those of a team that
    /// has not submitted its list), roster members, links. A part that is too broken to be split into rows (a game without its teams, an
    /// outcome without its price) counts as one bad row.
    pub rows: u64,
    /// Rows that are not facts of the season: preseason, all-star, known non-NBA teams, players without a team, and box scores of games
    /// that have not started. In a retraction also the bad rows.
    pub rows_out_of_scope: u64,
    /// Rows dropped because another row of the payload is for the same member of the same list. Which one is published depends on their
    /// content, so their order does not matter.
    pub rows_repeated: u64,
}
impl Loaded {
    /// Returns the number of rows published in observations. Each row is counted once: name lookups, known names and the thirty
    /// copies of a link are derived from rows that are already counted.
    pub fn rows_emitted(&self) -> u64 {
        self.rows - self.rows_out_of_scope - self.rows_repeated - self.bad_rows.len() as u64
    }

    /// Counts a row by its outcome and returns the decoded fact; `Ok(None)` means that the row is out of scope.
    pub(super) fn count_row<T>(&mut self, row: &RawValue, decoded: Result<Option<T>, String>) -> Option<T> {
        match decoded {
            Ok(fact) => {
                self.rows += 1;
                self.rows_out_of_scope += u64::from(fact.is_none());
                fact
            }
            Err(reason) => {
                self.add_bad_row(row, reason);
                None
            }
        }
    }

    /// Counts rows that are not facts of the season.
    pub(super) fn count_out_of_scope(&mut self, rows: usize) {
        self.rows += rows as u64;
        self.rows_out_of_scope += rows as u64;
    }

    pub(super) fn add_bad_row(&mut self, row: &RawValue, reason: String) {
        self.rows += 1;
        self.bad_rows.push(BadRow { reason, value: row.get().to_owned() });
    }

    /// Counts the bad rows as out of scope, because they became dead letters when the retracted event was loaded.
    pub(super) fn without_dead_letters(mut self) -> Loaded {
        self.rows_out_of_scope += self.bad_rows.len() as u64;
        self.bad_rows.clear();
        self
    }
}

/// True if the fetch is complete, so that a list without a bad row is complete.
pub(super) fn is_complete(raw: &RawEvent) -> bool {
    raw.outcome == FetchOutcome::Complete
}

/// Returns the time of the fetch that is loaded or retracted.
pub(super) fn fetched_at(raw: &RawEvent) -> Timestamp {
    raw.retraction.as_ref().map_or(raw.fetched_at, |order| order.target_fetched_at)
}

/// Returns the provenance that all observations of a raw event have.
pub(super) fn provenance(raw: &RawEvent) -> Provenance {
    let retraction = raw.retraction.as_ref();
    Provenance {
        fetched_at: fetched_at(raw),
        version: VERSION,
        raw: retraction.map_or(raw.id, |order| order.target),
        request: raw.key.clone(),
        outcome: raw.outcome,
        retraction: retraction.map(|order| Retraction { at: raw.fetched_at, is_undone: order.undo }),
    }
}
