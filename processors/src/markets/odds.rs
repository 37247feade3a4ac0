//! The odds of one event of the odds source, over all its fetches, as a list of ladders.
//!
//! A book's update time is a member of its own: a poll in which only update times move changes one member per book and no ladder. The
//! update time of a ladder is that of its book in the same observation.
//!
//! Invariant: no update time is later than the fetch of its observation. Members belong to the day that their own observation stated, so
//! the ladders of a moved event are absent on its former day from the first complete observation on that states another day.
//! Not here: the choice between the quotes of a player (`ladder`, `quotes`).
use super::{
    main_line,
    odds_member::{Ladder, OddsMember, OddsRecord, OddsValue},
    update_index::UpdateIndex,
};
use crate::history::{Affected, AsOf, Coverage, ListHistory, ObservationId};
use schemas::{
    EasternDate, PlayerId, Timestamp,
    observation::{OddsObservation, Provenance, Quote},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::OnceLock,
};

/// The odds of one event; the odds source calls a game an event.
#[derive(Default)]
pub struct Event {
    pub history: ListHistory<OddsMember, OddsValue>,
    /// Built from `history` at first use; extended by each observation that is newer than all others of its request.
    index: OnceLock<UpdateIndex>,
    /// The names that each book ever quoted on each day; built and extended in the same way.
    book_names: OnceLock<BookNames>,
    /// Set when it is needed; reset if a book quotes another name, or a name refers to other players.
    shared_books: OnceLock<SharedBooks>,
    /// This event as known since each retraction; built at first use, reset by each observation.
    without_retracted: OnceLock<Vec<(Timestamp, Event)>>,
}
/// The indexes are left out, because they follow from the history and the names.
impl fmt::Debug for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.history.fmt(formatter)
    }
}

/// The names whose quotes may differ from before a merge, by day.
pub type Names = BTreeSet<(EasternDate, String)>;

/// The books that list any player under several names, with the days on which they do.
pub type SharedBooks = BTreeSet<(EasternDate, String)>;

type BookNames = BTreeMap<(EasternDate, String), BTreeSet<String>>;

/// The effect of a merge.
pub struct MergedOdds {
    pub touched: Vec<ObservationId>,
    pub names: Names,
    /// If the observation only adds to the history: its earliest update time. No earlier quote is affected.
    pub updated_since: Option<Timestamp>,
}

impl Event {
    /// Merges an observation, or its retraction; `None` if the history does not change. `is_only` states whether no other event has its day.
    pub fn merge(
        &mut self,
        observation: OddsObservation,
        is_only: bool,
        shared_books: &SharedBooks,
    ) -> Option<MergedOdds> {
        let OddsObservation { date, complete, quotes, provenance, incomplete_books, .. } = observation;
        let id = ObservationId { fetched_at: provenance.fetched_at, raw: provenance.raw };
        let incomplete = incomplete_books.into_iter().map(|book| (date, book)).collect();
        let members = members(date, quotes, &provenance);
        let updated_since = members.iter().filter_map(|(_, value)| value.updated_at()).min();
        // A repeated observation may replace names that no other observation lists.
        let mut names = if self.history.contains(id) { self.names() } else { Names::new() };
        let count = self.history.len();
        let merged = self.history.merge(&provenance, Coverage::except(complete, incomplete), members)?;
        self.without_retracted = OnceLock::new();
        let is_appended = merged.touched == [id] && self.history.len() == count + 1;
        match self.history.record(id).filter(|_| is_appended) {
            Some(record) => self.extend_indexes(&record),
            None => self.reset_indexes(),
        }
        let updated_since = match merged.affected {
            Affected::Members(changed) if is_appended => {
                for (date, book) in shared_books {
                    // Of several names of a player, the one that was listed last counts, although its quotes did not change.
                    names.extend(self.names_in(*date, book));
                }
                if !is_only {
                    // Which of several events lists a book last may decide.
                    names.extend(self.names());
                }
                for member in changed {
                    match member.name {
                        Some(name) => _ = names.insert((member.date, name)),
                        None if self.is_only_newer(&member) => {}
                        None => names.extend(self.names_in(member.date, &member.book)),
                    }
                }
                Some(updated_since.unwrap_or(Timestamp::DISTANT_PAST))
            }
            _ => {
                names.extend(self.names());
                None
            }
        };
        Some(MergedOdds { touched: merged.touched, names, updated_since })
    }
    pub fn restore(&mut self, record: OddsRecord) {
        self.history.restore(record);
        self.reset_indexes();
    }
    fn reset_indexes(&mut self) {
        self.index = OnceLock::new();
        self.book_names = OnceLock::new();
        self.shared_books = OnceLock::new();
        self.without_retracted = OnceLock::new();
    }
    /// Returns the event as if the observations that are retracted as of an instant had never been made.
    pub fn known(&self, as_of: AsOf) -> &Event {
        if !self.history.has_retractions() {
            return self;
        }
        let since = self.without_retracted.get_or_init(|| {
            let histories = self.history.without_retracted();
            histories.map(|(at, history)| (at, Event { history, ..Event::default() })).collect()
        });
        let made = since.partition_point(|(at, _)| as_of.counts_retraction_at(*at));
        since[..made].last().map_or(self, |(_, event)| event)
    }
    fn extend_indexes(&mut self, record: &OddsRecord) {
        if let Some(index) = self.index.get_mut() {
            index.append(record);
        }
        let Some(book_names) = self.book_names.get_mut() else { return };
        for OddsMember { date, name, book } in record.changes.iter().map(|(member, _)| member) {
            let Some(name) = name else { continue };
            if book_names.entry((*date, book.clone())).or_default().insert(name.clone()) {
                self.shared_books = OnceLock::new();
            }
        }
    }
    fn book_names(&self) -> &BookNames {
        self.book_names.get_or_init(|| {
            let mut book_names = BookNames::new();
            for OddsMember { date, name, book } in self.history.keys() {
                if let Some(name) = name {
                    book_names.entry((*date, book.clone())).or_default().insert(name.clone());
                }
            }
            book_names
        })
    }
    /// Returns the books that list any player under several names. `candidates` emits every player to whom a name may refer on a day.
    pub fn shared_books(
        &self,
        candidates: impl Fn(EasternDate, &str, &mut dyn FnMut(PlayerId)),
    ) -> &SharedBooks {
        self.shared_books.get_or_init(|| {
            let is_shared = |date: EasternDate, names: &BTreeSet<String>| {
                let mut players = BTreeSet::new();
                names.iter().any(|name| {
                    let mut of_name = BTreeSet::new();
                    candidates(date, name, &mut |player| _ = of_name.insert(player));
                    let is_shared = !players.is_disjoint(&of_name);
                    players.extend(of_name);
                    is_shared
                })
            };
            let shared = self.book_names().iter().filter(|((date, _), names)| is_shared(*date, names));
            shared.map(|(book, _)| book.clone()).collect()
        })
    }
    /// States that a name of this event may refer to other players than before.
    pub fn forget_shared_books(&mut self) {
        self.shared_books = OnceLock::new();
    }
    pub fn index(&self) -> &UpdateIndex {
        self.index.get_or_init(|| UpdateIndex::new(&self.history))
    }
    /// True if a newest update time of a book changes no selected quote by itself. That is so if the update is newer than all updates of
    /// the book before it, the observation before had the newest of those, and the book has neither another key nor another request. A
    /// ladder that did not change is then selected as before: its lines and the time since which it is known are the same in both
    /// observations.
    fn is_only_newer(&self, book: &OddsMember) -> bool {
        let mut requests = self.history.requests().filter(|request| !request.changes(book).is_empty());
        let (Some(request), None) = (requests.next(), requests.next()) else { return false };
        let [.., last] = request.changes(book) else { return false };
        let updates = self.index().updates(request.name(), book);
        let follows_newest = updates.is_some_and(|updates| match updates.ascending.as_slice() {
            [.., before, newest] => newest.from == last.from && before.until == Some(last.from),
            _ => false,
        });
        last.value.is_some() && !main_line::has_several_keys(&book.book) && follows_newest
    }
    /// Returns the names of which any observation lists a ladder.
    pub fn names(&self) -> Names {
        let names = self.history.keys().filter_map(|member| Some((member.date, member.name.clone()?)));
        names.collect()
    }
    /// Returns the names that a book ever quoted for one day of the event.
    fn names_in(&self, date: EasternDate, book: &str) -> impl Iterator<Item = (EasternDate, String)> {
        let names = self.book_names().get(&(date, book.to_owned()));
        names.into_iter().flatten().map(move |name| (date, name.clone()))
    }
    /// Returns the ladders of a name on one day of the event.
    pub fn ladders(&self, date: EasternDate, name: &str) -> BTreeSet<&OddsMember> {
        let first = OddsMember::first_of(date, Some(name));
        let is_in = |member: &&OddsMember| member.date == date && member.name.as_deref() == Some(name);
        self.history.requests().flat_map(|request| request.keys_from(&first).take_while(is_in)).collect()
    }
    /// Returns the names of which any observation lists a ladder on one day of the event.
    pub fn names_on(&self, date: EasternDate) -> BTreeSet<&str> {
        let first = OddsMember::first_of(date, Some(""));
        let mut names = BTreeSet::new();
        for request in self.history.requests() {
            let members = request.keys_from(&first).take_while(|member| member.date == date);
            let mut last = None;
            for name in members.filter_map(|member| member.name.as_deref()) {
                if last != Some(name) {
                    names.insert(name);
                    last = Some(name);
                }
            }
        }
        names
    }
    /// Returns the days that any observation states.
    pub fn dates(&self) -> BTreeSet<EasternDate> {
        self.history.keys().map(|member| member.date).collect()
    }
    /// True if any observation states this day.
    pub fn has_date(&self, date: EasternDate) -> bool {
        let first = OddsMember::first_of(date, None);
        let mut requests = self.history.requests();
        requests.any(|request| request.keys_from(&first).next().is_some_and(|member| member.date == date))
    }
}

/// Returns the members of an observation. If a book quotes a name several times, the newest quote is used.
fn members(date: EasternDate, quotes: Vec<Quote>, provenance: &Provenance) -> Vec<(OddsMember, OddsValue)> {
    let mut books: BTreeMap<String, Timestamp> = BTreeMap::new();
    let mut ladders: BTreeMap<OddsMember, (Timestamp, Ladder)> = BTreeMap::new();
    for Quote { book, name, updated_at, lines, complete } in quotes {
        let updated_at = updated_at.min(provenance.fetched_at);
        let of_book = books.entry(book.clone()).or_insert(updated_at);
        *of_book = updated_at.max(*of_book);
        let ladder = (updated_at, Ladder { lines, complete });
        let stored = ladders.entry(OddsMember { date, name: Some(name), book });
        let stored = stored.or_insert_with(|| ladder.clone());
        if *stored < ladder {
            *stored = ladder;
        }
    }
    let books = books
        .into_iter()
        .map(|(book, updated_at)| (OddsMember { date, name: None, book }, OddsValue::UpdatedAt(updated_at)));
    books
        .chain(ladders.into_iter().map(|(member, (_, ladder))| (member, OddsValue::Ladder(ladder))))
        .collect()
}
