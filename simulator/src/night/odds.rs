//! The odds of one game of a night: the quotes of all books, which change from poll to poll.
//!
//! Invariant: a book's `last_update` never moves backward, and it moves in each poll in which one of its quotes has changed. BetRivers and
//! Unibet share a price feed, but not their `last_update`.
//! Not here: the times of the polls (`night::polls`), the shape of the payload (`feeds::odds`).
use super::parameters::Night;
use crate::{
    calendar::{Evening, Game},
    feeds::odds::{self, BOOKS, Bookmaker, Outcome, american_price, expected_points},
    publish::MINUTE,
    random::{Decision, Random},
    world::{Speller, World},
};
use schemas::Timestamp;

/// The number of the price feed that has line ladders.
const LADDER_FEED: usize = 2;
/// Share of the players whom a price feed quotes.
const QUOTED_SHARE: f64 = 0.93;
/// Lowest and highest middle of a ladder.
const LINES: (f64, f64) = (3.5, 45.5);

/// A price feed's quote on one player.
#[derive(Clone, Debug)]
struct PlayerQuote {
    /// The line; in a ladder, the middle line.
    line: f64,
    /// The expected points according to the feed. The price follows from the difference to the line.
    estimate: f64,
    is_offered: bool,
    withdrawn_until: Option<Timestamp>,
}

/// What a book stated in its last update.
#[derive(Clone, Copy, Debug)]
struct BookUpdate {
    last_update: Timestamp,
    /// The time of the next update, if no quote changes before.
    next_update: Timestamp,
}

/// Probabilities that a quote changes from one poll to the next.
struct Rates {
    change: f64,
    withdrawal: f64,
    /// Share of the changes that move the line.
    line_share: f64,
}

/// The odds of one game.
pub(super) struct GameOdds {
    event: String,
    game: Game,
    /// The time after which no book quotes the game any more.
    suspended_at: Timestamp,
    /// The quotes by price feed, and for each by player.
    feeds: Vec<Vec<PlayerQuote>>,
    updates: Vec<BookUpdate>,
    /// How each book spells the name of each player.
    spellings: Vec<Vec<String>>,
    random: Random,
}

impl GameOdds {
    pub fn new(night: &Night, world: &World<'_>, game: &Game, starts_at: Timestamp) -> GameOdds {
        let evening = Evening { date: game.date, tip_off: game.tip_off(), until: game.tip_off() };
        let mut random = Random::for_decision(night.season.seed, Decision::Night, &[u64::from(game.id.0)]);
        let players: Vec<_> = [(game.home, game.away), (game.away, game.home)]
            .into_iter()
            .flat_map(|(team, opponent)| {
                expected_points(world, team, opponent, game.date, night.quoted_players)
            })
            .collect();
        let books = night.season.books.min(BOOKS.len());
        let feed_count = BOOKS[..books].iter().map(|(_, _, feed)| *feed as usize + 1).max().unwrap_or(0);
        let mut quote = |expected: f64| {
            let estimate = (expected + 0.8 * random.normal()).clamp(LINES.0, LINES.1);
            let line = estimate.floor() + 0.5;
            let is_offered = random.chance(QUOTED_SHARE);
            PlayerQuote { line: line.clamp(LINES.0, LINES.1), estimate, is_offered, withdrawn_until: None }
        };
        let feeds =
            (0..feed_count).map(|_| players.iter().map(|(_, expected)| quote(*expected)).collect()).collect();
        let spelling = |book| players.iter().map(move |(player, _)| (*player, book));
        let spellings = (0..books)
            .map(|book| {
                spelling(book)
                    .map(|(player, book)| world.spelling(player, Speller::Book(book)).joined())
                    .collect()
            })
            .collect();
        // Games are suspended in the last sixth.
        let length = MINUTE * i64::from(night.game_minutes);
        let suspended_at =
            Timestamp(game.tip_off().0 + length - (length as f64 / 6.0 * random.share()) as i64);
        let update = BookUpdate { last_update: Timestamp(starts_at.0 - MINUTE), next_update: starts_at };
        let event = odds::event_id(world, game, &evening);
        GameOdds { event, game: *game, suspended_at, feeds, updates: vec![update; books], spellings, random }
    }
    /// Returns the key and the payload of each request of a poll, and whether it has no quotes. Polls must be in the order of time.
    pub fn poll(&mut self, night: &Night, fetched_at: Timestamp) -> Vec<(String, String, bool)> {
        let is_suspended = fetched_at >= self.suspended_at;
        let books = if is_suspended { 0 } else { self.updates.len() };
        if !is_suspended {
            self.advance(night, fetched_at);
        }
        let payload = |books: std::ops::Range<usize>| {
            let bookmakers = books.filter_map(|book| self.bookmaker(book)).collect();
            odds::event(self.event.clone(), &self.game, self.game.tip_off(), bookmakers)
        };
        match night.regions {
            ..=1 => vec![(self.event.clone(), payload(0..books), is_suspended)],
            _ => {
                let first = books * 2 / 3;
                let request =
                    |region, books| (format!("{}/{region}", self.event), payload(books), is_suspended);
                vec![request("us", 0..first), request("us2", first..books)]
            }
        }
    }
    /// Changes the quotes and update times as they change between the previous poll and this one.
    fn advance(&mut self, night: &Night, now: Timestamp) {
        let seconds = f64::from(night.odds_seconds);
        let factor = if now >= self.game.tip_off() { night.in_play_factor } else { 1.0 };
        let rates = Rates {
            change: factor * seconds / (60.0 * night.change_minutes),
            withdrawal: seconds / (3600.0 * night.withdrawal_hours),
            line_share: night.line_share,
        };
        let random = &mut self.random;
        let changed: Vec<bool> = self
            .feeds
            .iter_mut()
            .map(|quotes| {
                let mut is_changed = false;
                for quote in quotes.iter_mut().filter(|quote| quote.is_offered) {
                    is_changed |= quote.advance(now, random, &rates);
                }
                is_changed
            })
            .collect();
        for (update, (_, _, feed)) in self.updates.iter_mut().zip(&BOOKS) {
            if changed[*feed as usize] || update.next_update <= now {
                let age = self.random.between(1, (night.odds_seconds - 1).max(1));
                update.last_update = Timestamp(now.0 - 1000 * i64::from(age)).max(update.last_update);
                let next = night.update_seconds * self.random.between(75, 125) / 100;
                update.next_update = Timestamp(now.0 + 1000 * i64::from(next));
            }
        }
    }
    /// Returns a book with its quotes; `None` if it has none.
    fn bookmaker(&self, book: usize) -> Option<Bookmaker> {
        let feed = BOOKS[book].2 as usize;
        let mut outcomes = vec![];
        for (quote, name) in self.feeds[feed].iter().zip(&self.spellings[book]) {
            if !quote.is_offered || quote.withdrawn_until.is_some() {
                continue;
            }
            let offsets = if feed == LADDER_FEED { -2..=2 } else { 0..=0 };
            for offset in offsets {
                let point = quote.line + f64::from(offset);
                let margin = (quote.estimate - point) / 6.0;
                let over = (0.5 + 0.4 * margin / (1.0 + margin.abs())).clamp(0.1, 0.9);
                for (side, probability) in [("Over", over), ("Under", 1.0 - over)] {
                    let price = american_price(probability);
                    outcomes.push(Outcome { name: side, description: name.clone(), price, point });
                }
            }
        }
        (!outcomes.is_empty()).then(|| Bookmaker::new(book, self.updates[book].last_update, outcomes))
    }
}

impl PlayerQuote {
    /// Changes or withdraws the quote, or offers it again. Returns true if it differs from before.
    fn advance(&mut self, now: Timestamp, random: &mut Random, rates: &Rates) -> bool {
        if let Some(until) = self.withdrawn_until {
            let is_offered_again = until <= now;
            self.withdrawn_until = Some(until).filter(|_| !is_offered_again);
            return is_offered_again;
        }
        if random.chance(rates.withdrawal) {
            self.withdrawn_until = Some(Timestamp(now.0 + MINUTE * i64::from(random.between(2, 15))));
            return true;
        }
        if !random.chance(rates.change) {
            return false;
        }
        if random.chance(rates.line_share) {
            let line = self.line + random.pick(&[-1.0, -0.5, 0.5, 1.0]);
            self.line = line.clamp(LINES.0, LINES.1);
            self.estimate = self.line + 0.8 * random.normal();
        } else {
            self.estimate = self.line + (self.estimate - self.line) * 0.7 + 0.6 * random.normal();
        }
        true
    }
}
