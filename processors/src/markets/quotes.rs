//! The quotes of one event, and the selection of each book's quotes at a cutoff.
//!
//! Invariant: a quote whose book updated it at or after tip-off is never selected. On the issued basis, a quote that was fetched at or
//! after tip-off is not selected either.
//! Not here: the game of an event, and the player to whom a name refers (`facts`); the choice of a line (`main_line`).
use super::main_line;
use crate::fact_history::{Cutoff, FactHistory, HistoryEntry};
use schemas::{EasternDate, Timestamp, features::Basis, observation::Quote};
use std::collections::{BTreeMap, BTreeSet};

/// The quotes from one fetch of an event, grouped by name, and the day of the event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventQuotes {
    pub date: EasternDate,
    pub by_name: Vec<(String, Vec<Quote>)>,
}
impl EventQuotes {
    pub fn new(date: EasternDate, quotes: Vec<Quote>) -> Self {
        let mut by_name: BTreeMap<String, Vec<Quote>> = BTreeMap::new();
        for quote in quotes {
            by_name.entry(quote.name.clone()).or_default().push(quote);
        }
        EventQuotes { date, by_name: by_name.into_iter().collect() }
    }
    /// Returns the quotes for a name that the book updated before the cutoff.
    fn before(&self, name: &str, cutoff: Cutoff) -> impl Iterator<Item = &Quote> {
        let index = self.by_name.binary_search_by(|(candidate, _)| candidate.as_str().cmp(name));
        let quotes: &[Quote] = index.map_or(&[], |index| &self.by_name[index].1);
        quotes.iter().filter(move |quote| cutoff.is_past(quote.updated_at))
    }
}

/// The odds of one event; the odds source calls a game an event.
#[derive(Debug, Default)]
pub struct Event {
    pub quotes: FactHistory<EventQuotes>,
    /// Every name ever quoted, with the day for which it is looked up.
    pub names: BTreeSet<(String, EasternDate)>,
}
impl Event {
    pub fn dates(&self) -> impl Iterator<Item = EasternDate> {
        self.quotes.entries().iter().map(|entry| entry.content.date)
    }
}

/// One book's selected quote, and when it became known.
#[derive(Clone, Copy)]
pub struct BookQuote<'a> {
    pub quote: &'a Quote,
    pub known_at: Timestamp,
}

/// The selected quotes for one name.
pub struct BookQuotes<'a> {
    /// The newest quote of each book that is present (see `select`).
    pub newest: Vec<BookQuote<'a>>,
    /// Each book's oldest quote that has a main line, even if the book is no longer present.
    pub opening: Vec<BookQuote<'a>>,
}
impl<'a> BookQuotes<'a> {
    /// Selects the quotes for a name at a cutoff from the entries of one event.
    ///
    /// A book is present if it quotes the name in the last complete entry before the cutoff or in a later entry. On the issued basis, only
    /// entries before the cutoff are used. On the retrospective basis, entries from the cutoff on are used, too: they add quotes, but never
    /// replace a quote of the same book and update time that was known before the cutoff.
    pub fn select(entries: &[&'a HistoryEntry<EventQuotes>], name: &str, cutoff: Cutoff) -> Self {
        let (known, late) =
            entries.split_at(entries.partition_point(|entry| cutoff.is_known(entry.fetched_at)));
        let last_complete = known.iter().rposition(|entry| entry.complete).unwrap_or(0);
        let mut selected: BTreeMap<(&str, Timestamp, &str), BookQuote<'a>> = BTreeMap::new();
        let mut present: BTreeSet<&str> = BTreeSet::new();
        for (index, entry) in known.iter().enumerate() {
            for quote in entry.content.before(name, cutoff) {
                let book = main_line::book(&quote.book);
                if index >= last_complete {
                    present.insert(book);
                }
                let book_quote = BookQuote { quote, known_at: entry.fetched_at };
                let stored = selected.entry((book, quote.updated_at, &quote.book)).or_insert(book_quote);
                if stored.quote != quote {
                    *stored = book_quote;
                }
            }
        }
        if cutoff.basis() == Basis::Retrospective {
            for entry in late {
                for quote in entry.content.before(name, cutoff) {
                    let book = main_line::book(&quote.book);
                    present.insert(book);
                    let book_quote = BookQuote { quote, known_at: entry.fetched_at };
                    selected.entry((book, quote.updated_at, &quote.book)).or_insert(book_quote);
                }
            }
        }
        Self::by_book(selected, &present)
    }
    fn by_book(
        selected: BTreeMap<(&'a str, Timestamp, &'a str), BookQuote<'a>>,
        present: &BTreeSet<&str>,
    ) -> Self {
        let mut newest: BTreeMap<&str, BookQuote<'a>> = BTreeMap::new();
        let mut opening: BTreeMap<&str, BookQuote<'a>> = BTreeMap::new();
        // `selected` is ordered by book, update time and the source's key of the book. If a book has two keys with the same update time,
        // the first key is used.
        for ((book, ..), book_quote) in selected {
            if main_line::for_ladder(&book_quote.quote.lines).is_some() {
                opening.entry(book).or_insert(book_quote);
            }
            let updated_at = book_quote.quote.updated_at;
            if present.contains(book)
                && newest.get(book).is_none_or(|stored| stored.quote.updated_at < updated_at)
            {
                newest.insert(book, book_quote);
            }
        }
        BookQuotes { newest: newest.into_values().collect(), opening: opening.into_values().collect() }
    }
}
