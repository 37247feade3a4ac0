//! Quotes: the ladders of lines that the books offer, built from their single offers.
//!
//! Invariant: a book has one quote per player, whose lines are sorted. Of several offers for the same line, those of the newest update are
//! used, and of these the greatest price of each side, whatever their order. Different lines are never merged.
//! Not here: the notation of the source (`oddsapi_event_odds`).
use schemas::{
    observation::{Quote, QuoteLine},
    units::{Line, Price, Timestamp},
};
use std::{borrow::Cow, collections::BTreeSet};

/// One side of a line with its price.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Terms {
    pub line: Line,
    pub side: Side,
    pub price: Price,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Over,
    Under,
}

/// A book's offer for a player. The order of the fields matters: before quotes are built, offers are sorted by book and name.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offer<'a> {
    pub book: Cow<'a, str>,
    pub name: Cow<'a, str>,
    /// When the book updated the offer, as it states.
    pub updated_at: Timestamp,
    /// `None` if the terms are not legible.
    pub terms: Option<Terms>,
}

/// The offers of all books for a game.
#[derive(Debug, Default)]
pub struct Offers<'a>(Vec<Offer<'a>>);

/// The quotes of a game, with the number of their rows. A row is one update of a book for a player with at least one line.
#[derive(Debug, Default)]
pub struct Quotes {
    pub quotes: Vec<Quote>,
    pub rows: u64,
    /// Rows that are earlier updates of the same quote.
    pub rows_repeated: u64,
}

impl<'a> Offers<'a> {
    pub fn add(&mut self, offer: Offer<'a>) {
        self.0.push(offer);
    }

    /// Groups the offers into quotes. An update time that is later than the fetch counts as the time of the fetch.
    pub fn into_quotes(self, fetched_at: Timestamp) -> Quotes {
        let Offers(mut offers) = self;
        offers.sort_unstable();
        let mut result = Quotes::default();
        for of_quote in offers.chunk_by(|a, b| (&a.book, &a.name) == (&b.book, &b.name)) {
            result.add(of_quote, fetched_at);
        }
        result
    }
}

impl Quotes {
    /// Adds the quote that consists of these offers, which are sorted by update time.
    fn add(&mut self, offers: &[Offer], fetched_at: Timestamp) {
        let [.., newest] = offers else { return };
        let mut terms: Vec<(&Terms, Timestamp)> =
            offers.iter().filter_map(|offer| Some((offer.terms.as_ref()?, offer.updated_at))).collect();
        let updates: BTreeSet<Timestamp> = terms.iter().map(|(_, updated_at)| *updated_at).collect();
        self.rows += updates.len() as u64;
        self.rows_repeated += updates.len().saturating_sub(1) as u64;
        terms.sort_unstable_by_key(|(terms, updated_at)| (terms.line, *updated_at, terms.side, terms.price));
        let mut lines = Vec::new();
        for of_line in terms.chunk_by(|(a, _), (b, _)| a.line == b.line) {
            let Some((Terms { line, .. }, newest)) = of_line.last() else { continue };
            let mut quoted = QuoteLine { line: *line, over: None, under: None };
            for (terms, _) in of_line.iter().filter(|(_, updated_at)| updated_at == newest) {
                // If a side has several prices, the greatest comes last, because the terms are sorted, and replaces the others.
                match terms.side {
                    Side::Over => quoted.over = Some(terms.price),
                    Side::Under => quoted.under = Some(terms.price),
                }
            }
            lines.push(quoted);
        }
        self.quotes.push(Quote {
            book: newest.book.clone().into_owned(),
            name: newest.name.clone().into_owned(),
            updated_at: newest.updated_at.min(fetched_at),
            lines,
            complete: offers.iter().all(|offer| offer.terms.is_some()),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(updated_at: i64, line: i32, side: Side, price: f64) -> Offer<'static> {
        let terms = Terms { line: Line(line), side, price: Price::new(price).unwrap() };
        let (book, name) = (Cow::Borrowed("draftkings"), Cow::Borrowed("Ann Archer"));
        Offer { book, name, updated_at: Timestamp(updated_at), terms: Some(terms) }
    }
    fn quotes(offers: Vec<Offer>) -> Quotes {
        Offers(offers).into_quotes(Timestamp(100))
    }

    #[test]
    fn of_several_updates_the_newest_is_used_for_each_line_and_none_is_lost() {
        let offers = || {
            vec![
                offer(20, 2450, Side::Over, -110.0),
                offer(10, 2450, Side::Over, 105.0),
                offer(10, 2450, Side::Under, -130.0),
                offer(10, 2550, Side::Under, -105.0),
            ]
        };
        let result = quotes(offers());
        let [quote] = result.quotes.as_slice() else { panic!("not exactly one quote") };
        let lines: Vec<_> =
            quote.lines.iter().map(|quoted| (quoted.line.0, quoted.over, quoted.under)).collect();
        assert_eq!(lines, [(2450, Price::new(-110.0), None), (2550, None, Price::new(-105.0))]);
        assert_eq!((quote.updated_at, result.rows, result.rows_repeated), (Timestamp(20), 2, 1));
        let mut reversed = offers();
        reversed.reverse();
        assert_eq!(quotes(reversed).quotes, result.quotes);
    }
    #[test]
    fn an_update_later_than_the_fetch_counts_as_the_fetch_but_remains_the_newest() {
        let result = quotes(vec![offer(300, 2450, Side::Over, -110.0), offer(200, 2450, Side::Over, 105.0)]);
        assert_eq!(result.quotes[0].updated_at, Timestamp(100));
        assert_eq!(result.quotes[0].lines[0].over, Price::new(-110.0));
    }
    #[test]
    fn an_illegible_offer_makes_a_quote_incomplete_and_is_no_row_of_it() {
        let illegible = || Offer { terms: None, ..offer(10, 0, Side::Over, 100.0) };
        let result = quotes(vec![illegible()]);
        assert!(!result.quotes[0].complete && result.quotes[0].lines.is_empty() && result.rows == 0);
        let result = quotes(vec![illegible(), offer(10, 2450, Side::Over, -110.0)]);
        assert!(!result.quotes[0].complete && result.quotes[0].lines.len() == 1 && result.rows == 1);
        assert!(quotes(vec![offer(10, 2450, Side::Over, -110.0)]).quotes[0].complete);
    }
}
