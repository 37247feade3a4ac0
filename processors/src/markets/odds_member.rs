//! The members of the list of an event's odds, and their values.
//!
//! Invariant: a book and the ladders in it have different keys, so a change of the book's update time changes no ladder.
//! Not here: the list (`odds`).
use crate::history::{Member, ObservationRecord};
use schemas::{EasternDate, Timestamp, observation::QuoteLine};
use serde::{Deserialize, Serialize};

/// A member of an event's odds: a book, or the ladder of one name in it. The order of the fields matters: the ladders of a name are adjacent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OddsMember {
    /// The day of the event, as the observation stated it.
    pub date: EasternDate,
    /// `None` if the member is the book itself.
    pub name: Option<String>,
    /// The source's key of the book.
    pub book: String,
}
impl OddsMember {
    pub fn of_book(date: EasternDate, book: &str) -> Self {
        OddsMember { date, name: None, book: book.into() }
    }
    /// Returns the smallest member of a name.
    pub fn first_of(date: EasternDate, name: Option<&str>) -> Self {
        OddsMember { date, name: name.map(Into::into), book: String::new() }
    }
}
impl Member for OddsMember {
    type Sublist = (EasternDate, String);
    fn sublist(&self) -> Self::Sublist {
        (self.date, self.book.clone())
    }
}

/// The lines of a ladder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ladder {
    pub lines: Vec<QuoteLine>,
    /// False if the ladder may have more lines than these.
    pub complete: bool,
}

/// The value of an [`OddsMember`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum OddsValue {
    /// The update time of a book: the newest one of its quotes.
    UpdatedAt(Timestamp),
    Ladder(Ladder),
}
impl OddsValue {
    pub const fn updated_at(&self) -> Option<Timestamp> {
        match self {
            OddsValue::UpdatedAt(updated_at) => Some(*updated_at),
            OddsValue::Ladder(_) => None,
        }
    }
    pub const fn ladder(&self) -> Option<&Ladder> {
        match self {
            OddsValue::Ladder(ladder) => Some(ladder),
            OddsValue::UpdatedAt(_) => None,
        }
    }
}

/// What the changelog retains of one observation of an event.
pub type OddsRecord = ObservationRecord<OddsMember, OddsValue, (EasternDate, String)>;
