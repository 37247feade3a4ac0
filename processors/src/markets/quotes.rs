//! The selection of each book's quotes of a player at a cutoff, from all events, requests and names under which the book quotes the player.
//!
//! Invariant: each book is selected at most once, whatever quotes it; the selection depends on the content alone.
//! Not here: the history of one ladder (`ladder`), the game of an event and the player of a name (`facts`), the choice of a line
//! (`main_line`).
use super::{
    event_pair::EventPair,
    ladder::{LadderHistory, LadderQuote},
    main_line,
    odds::Event,
};
use crate::history::Cutoff;
use schemas::{EasternDate, Timestamp};
use std::collections::{BTreeMap, btree_map::Entry};

/// The newest ladder of one name in one event, with the source's key of the book.
#[derive(Clone)]
struct NewestLadder<'a> {
    event: &'a Event,
    key: &'a str,
    quote: LadderQuote<'a>,
}
impl NewestLadder<'_> {
    /// Returns since when this ladder is preferred to another one of its book, as far as update times decide.
    fn preferred_since(&self, other: &Self) -> Timestamp {
        let updated_at = other.quote.updated_at;
        if main_line::for_ladder(&self.quote.lines) == main_line::for_ladder(&other.quote.lines) {
            Timestamp::DISTANT_PAST
        } else if self.quote.updated_at > updated_at {
            self.quote.updated_after(updated_at, false)
        } else if self.key != other.key {
            self.quote.updated_after(updated_at, true)
        } else if !std::ptr::eq(self.event, other.event) {
            self.quote.listed_in.fetched_at
        } else {
            // The history of the event decides which of its ladders is listed last.
            Timestamp::DISTANT_PAST
        }
    }
}

/// The quotes of one player as of a cutoff: the ladders of all keys of all books.
pub struct PlayerQuotes<'a> {
    cutoff: Cutoff,
    /// When the newest ladder was added, changed or withdrawn; `None` if no book has quoted the player.
    changed_at: Option<Timestamp>,
    /// The newest ladder of each key that is present.
    newest: Vec<NewestLadder<'a>>,
    /// The oldest ladder of each key that has a main line, even if the key is no longer present.
    opening: Vec<(&'a str, LadderQuote<'a>)>,
}
impl<'a> PlayerQuotes<'a> {
    pub const fn new(cutoff: Cutoff) -> Self {
        PlayerQuotes { cutoff, changed_at: None, newest: Vec::new(), opening: Vec::new() }
    }
    /// Adds the quotes of a name on one day of an event. A ladder is present if its list shows it at the cutoff. On the retrospective basis
    /// it is also present if a later fetch lists it with an update before the cutoff. `name_known_at` is when the name became known to be the
    /// player's, and `pair` states whether the event belonged to the pair of teams.
    pub fn add(
        &mut self,
        (event, pair): (&'a Event, EventPair),
        date: EasternDate,
        name: &str,
        name_known_at: Timestamp,
    ) {
        let cutoff = self.cutoff;
        let event = event.known(cutoff.known());
        for member in event.ladders(date, name) {
            let changed_at = event.history.known_since(member, cutoff.known());
            let is_known = pair.is_of_matchup && event.history.member(member, cutoff.known()).is_some();
            let changed_at = changed_at.map(|changed_at| changed_at.max(name_known_at).max(pair.known_at));
            let histories: Vec<_> = LadderHistory::of(event, member, cutoff).collect();
            let is_listed_later = || histories.iter().any(LadderHistory::is_listed_later);
            if is_known || pair.is_of_matchup_later && is_listed_later() {
                for mut quote in histories.iter().filter_map(LadderHistory::newest) {
                    quote.known_at = quote.known_at.max(changed_at.unwrap_or(name_known_at));
                    self.changed_at = self.changed_at.max(Some(quote.known_at));
                    self.newest.push(NewestLadder { event, key: &member.book, quote });
                }
            }
            self.changed_at = self.changed_at.max(changed_at);
            for mut quote in histories.iter().filter_map(LadderHistory::opening) {
                quote.known_at = quote.known_at.max(name_known_at);
                self.opening.push((&member.book, quote));
            }
        }
    }
    /// Returns when the newest ladder was added, changed or withdrawn; `None` if no book has quoted the player.
    pub const fn changed_at(&self) -> Option<Timestamp> {
        self.changed_at
    }
    /// Returns since when at least one of the ladders that are present is known; `None` if none is present.
    pub fn quoted_since(&self) -> Option<Timestamp> {
        self.newest.iter().map(|ladder| ladder.quote.known_at).min()
    }
    /// Returns the newest ladder of each book. If several keys of a book have the same update time, the first key is used.
    pub fn newest(&self) -> Vec<LadderQuote<'a>> {
        let mut sorted = self.newest.clone();
        sorted.sort_by(|a, b| {
            let by_update = || a.quote.updated_at.cmp(&b.quote.updated_at);
            let by_preference = || LadderQuote::by_preference(&a.quote, &b.quote);
            a.key.cmp(b.key).then_with(by_update).then_with(by_preference)
        });
        let mut by_book: BTreeMap<&str, Vec<NewestLadder<'a>>> = BTreeMap::new();
        for ladder in sorted {
            by_book.entry(main_line::book(ladder.key)).or_default().push(ladder);
        }
        by_book.into_values().filter_map(|ladders| selected(&ladders)).collect()
    }
    /// Returns the oldest ladder of each book that has a main line; of several keys with the same update time, that of the first key.
    pub fn opening(&self) -> Vec<LadderQuote<'a>> {
        let mut by_book: BTreeMap<&str, LadderQuote<'a>> = BTreeMap::new();
        let mut opening = self.opening.clone();
        opening
            .sort_by(|(a_key, a), (b_key, b)| a_key.cmp(b_key).then_with(|| LadderQuote::by_opening(a, b)));
        for (key, quote) in opening {
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

/// Selects the ladder of a book with the newest update; of several ones, the first. It is known since all that it is preferred to are.
fn selected<'a>(ladders: &[NewestLadder<'a>]) -> Option<LadderQuote<'a>> {
    // Of several greatest elements, `max_by_key` returns the last one.
    let selected = ladders.iter().rev().max_by_key(|ladder| ladder.quote.updated_at)?;
    let known_at =
        ladders.iter().map(|other| other.quote.known_at.max(selected.preferred_since(other))).max()?;
    let mut quote = selected.quote.clone();
    quote.known_at = known_at;
    Some(quote)
}
