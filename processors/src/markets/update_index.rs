//! An index of the update times of the books of one event, which finds the observations with the newest or the oldest usable update.
//!
//! Almost always, a newer observation shows an update that is as new or newer. Such observations are ascending in both fetch time and update
//! time, so a binary search finds those fetched after, and updated before, a tip-off: no derivation iterates over the polls of a night. The
//! exceptions (a cached response with an older update) are in a list of their own, which is short.
//!
//! Invariant: the index follows from the history alone; an index that was extended by an observation equals one that was built with it.
//! Not here: the ladders (`ladder`).
use super::odds_member::{OddsMember, OddsRecord, OddsValue};
use crate::history::{Change, ListHistory, ObservationId};
use schemas::Timestamp;
use std::collections::BTreeMap;

/// Consecutive observations of one request with the same update time of a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpdateRun {
    pub from: ObservationId,
    /// The first observation after these; `None` if there is none.
    pub until: Option<ObservationId>,
    pub updated_at: Timestamp,
}

/// The runs of one book in one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BookUpdates {
    /// Ascending by observation and by update time.
    pub ascending: Vec<UpdateRun>,
    /// The runs whose update is older than one before them, in ascending order of observation.
    pub older: Vec<UpdateRun>,
}
impl BookUpdates {
    fn new(changes: &[Change<OddsValue>]) -> Self {
        let mut updates = BookUpdates::default();
        for change in changes {
            updates.append(change.from, change.value.as_ref());
        }
        updates
    }
    fn append(&mut self, from: ObservationId, value: Option<&OddsValue>) {
        let last_older = self.older.last_mut();
        let is_older_last =
            self.ascending.last().map(|run| run.from) < last_older.as_ref().map(|run| run.from);
        let last = if is_older_last { last_older } else { self.ascending.last_mut() };
        if let Some(last) = last {
            last.until = last.until.or(Some(from));
        }
        let Some(updated_at) = value.and_then(OddsValue::updated_at) else { return };
        let run = UpdateRun { from, until: None, updated_at };
        match self.ascending.last() {
            Some(newest) if updated_at < newest.updated_at => self.older.push(run),
            _ => self.ascending.push(run),
        }
    }
    /// Returns the run that contains an observation which lists the book.
    pub fn run_of(&self, id: ObservationId) -> Option<&UpdateRun> {
        let find = |runs: &[UpdateRun]| runs.partition_point(|run| run.from <= id).checked_sub(1);
        let ascending = find(&self.ascending).map(|index| &self.ascending[index]);
        let older = find(&self.older).map(|index| &self.older[index]);
        ascending.into_iter().chain(older).max_by_key(|run| run.from)
    }
}

/// The runs of all books of an event, by request and book.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpdateIndex(BTreeMap<String, BTreeMap<OddsMember, BookUpdates>>);
impl UpdateIndex {
    pub fn new(history: &ListHistory<OddsMember, OddsValue>) -> Self {
        let mut index = UpdateIndex::default();
        for request in history.requests() {
            let of_request = index.0.entry(request.name().to_owned()).or_default();
            for book in history.keys().filter(|member| member.name.is_none()) {
                let changes = request.changes(book);
                if !changes.is_empty() {
                    of_request.insert(book.clone(), BookUpdates::new(changes));
                }
            }
        }
        index
    }
    /// Adds an observation that is newer than all others of its request.
    pub fn append(&mut self, record: &OddsRecord) {
        let of_request = self.0.entry(record.request.clone()).or_default();
        for (member, value) in record.changes.iter().filter(|(member, _)| member.name.is_none()) {
            of_request.entry(member.clone()).or_default().append(record.id, value.as_ref());
        }
    }
    pub fn updates(&self, request: &str, book: &OddsMember) -> Option<&BookUpdates> {
        self.0.get(request)?.get(book)
    }
}
