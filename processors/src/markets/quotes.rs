//! The selection of each book's quotes of a player at a cutoff, from all events, requests and names under which the book quotes the player.
//!
//! Invariant: each book is selected at most once, whatever quotes it; the selection depends on the content alone.
//! Not here: the history of one ladder (`ladder`), the game of an event and the player of a name (`facts`), the choice of a line
//! (`main_line`).
use super::{
    ladder::{LadderHistory, LadderQuote},
    main_line,
    odds::Event,
};
use crate::history::Cutoff;
use schemas::EasternDate;
use std::collections::{BTreeMap, btree_map::Entry};

/// The quotes of one player: the ladders of all keys of all books.
#[derive(Default)]
pub struct PlayerQuotes<'a> {
    /// The newest ladder of each key that is present, with the source's key of the book.
    newest: Vec<(&'a str, LadderQuote<'a>)>,
    /// The oldest ladder of each key that has a main line, even if the key is no longer present.
    opening: Vec<(&'a str, LadderQuote<'a>)>,
}
impl<'a> PlayerQuotes<'a> {
    /// Adds the quotes of a name on one day of an event. A ladder is present if its list shows it at the cutoff. On the retrospective basis
    /// it is also present if a later fetch lists it with an update before the cutoff. Returns the number of present ladders.
    pub fn add(&mut self, event: &'a Event, date: EasternDate, name: &str, cutoff: Cutoff) -> usize {
        let count = self.newest.len();
        for member in event.ladders(date, name) {
            let is_known = event.history.member(member, cutoff.known()).is_some();
            let histories: Vec<_> = LadderHistory::of(event, member, cutoff).collect();
            if is_known || histories.iter().any(LadderHistory::is_listed_later) {
                let newest = histories.iter().filter_map(LadderHistory::newest);
                self.newest.extend(newest.map(|quote| (member.book.as_str(), quote)));
            }
            let opening = histories.iter().filter_map(LadderHistory::opening);
            self.opening.extend(opening.map(|quote| (member.book.as_str(), quote)));
        }
        self.newest.len() - count
    }
    /// Returns the newest ladder of each book. If several keys of a book have the same update time, the first key is used.
    pub fn newest(self) -> Vec<LadderQuote<'a>> {
        let mut by_book: BTreeMap<&str, LadderQuote<'a>> = BTreeMap::new();
        for (key, quote) in sorted(self.newest) {
            match by_book.entry(main_line::book(key)) {
                Entry::Vacant(entry) => _ = entry.insert(quote),
                Entry::Occupied(mut stored) if stored.get().updated_at < quote.updated_at => {
                    stored.insert(quote);
                }
                Entry::Occupied(_) => {}
            }
        }
        by_book.into_values().collect()
    }
    /// Returns the oldest ladder of each book that has a main line; of several keys with the same update time, that of the first key.
    pub fn opening(&self) -> Vec<LadderQuote<'a>> {
        let mut by_book: BTreeMap<&str, LadderQuote<'a>> = BTreeMap::new();
        for (key, quote) in sorted(self.opening.clone()) {
            match by_book.entry(main_line::book(key)) {
                Entry::Vacant(entry) => _ = entry.insert(quote),
                Entry::Occupied(mut stored) if quote.updated_at < stored.get().updated_at => {
                    stored.insert(quote);
                }
                Entry::Occupied(_) => {}
            }
        }
        by_book.into_values().collect()
    }
}

/// Sorts quotes by key and update time.
fn sorted<'a>(mut quotes: Vec<(&'a str, LadderQuote<'a>)>) -> Vec<(&'a str, LadderQuote<'a>)> {
    quotes.sort_by(|(a_key, a), (b_key, b)| {
        let by_update = || a.updated_at.cmp(&b.updated_at);
        a_key.cmp(b_key).then_with(by_update).then_with(|| LadderQuote::by_preference(a, b))
    });
    quotes
}
