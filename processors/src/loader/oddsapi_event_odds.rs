//! oddsapi/event-odds: the bookmakers' quotes on the points of a game's players, current or as a historical snapshot.
//!
//! Invariant: only the market `player_points` is used. An event is a list of books, each a list of players, each a ladder of lines; a bad part
//! makes the innermost of these lists incomplete to which it belongs. If a payload contains an event several times, all parts are united,
//! unless its time differs. To which pair of teams an event belongs is an observation of its own, also if the event has no quotes. The date of a game is the Eastern day of an instant, so it is not ambiguous.
//! Not here: quotes (`quotes`); the main line of a ladder, and the comparison of update times with the tip-off (the markets view).
use super::{
    cell::Cell,
    dates,
    incomplete::{BadObject, IncompleteLists, ListName},
    json::{parse_payload, parse_row, parse_rows},
    lists::MatchupLookups,
    loaded::{Loaded, Observation, Reject, fetched_at, is_complete, provenance},
    prices::{line, price},
    quotes::{Offer, Offers, Side, Terms},
};
use schemas::{
    observation::{OddsEventObservation, OddsObservation, PlayerRef},
    raw::RawEvent,
    team::{Matchup, Team},
    units::Timestamp,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

#[derive(Deserialize)]
struct Envelope<'a> {
    /// In a historical response, the event or the list of events.
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    /// The source's error message, if it returned no event.
    #[serde(borrow, default)]
    message: Cell<'a>,
}
#[derive(Default, Deserialize)]
#[serde(default)]
struct Event<'a> {
    #[serde(borrow)]
    id: Cell<'a>,
    #[serde(borrow)]
    commence_time: Cell<'a>,
    #[serde(borrow)]
    home_team: Cell<'a>,
    #[serde(borrow)]
    away_team: Cell<'a>,
    #[serde(borrow)]
    bookmakers: Option<Vec<&'a RawValue>>,
}
#[derive(Default, Deserialize)]
#[serde(default)]
struct Bookmaker<'a> {
    #[serde(borrow)]
    key: Cell<'a>,
    #[serde(borrow)]
    last_update: Cell<'a>,
    #[serde(borrow)]
    markets: Option<Vec<&'a RawValue>>,
}
#[derive(Default, Deserialize)]
#[serde(default)]
struct Market<'a> {
    #[serde(borrow)]
    key: Cell<'a>,
    #[serde(borrow)]
    last_update: Cell<'a>,
    #[serde(borrow)]
    outcomes: Option<Vec<&'a RawValue>>,
}
#[derive(Default, Deserialize)]
#[serde(default)]
struct Outcome<'a> {
    #[serde(borrow)]
    name: Cell<'a>,
    #[serde(borrow)]
    description: Cell<'a>,
    #[serde(borrow)]
    price: Cell<'a>,
    #[serde(borrow)]
    point: Cell<'a>,
}

/// Identifies an event: the same game at the same time.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct EventKey {
    id: String,
    matchup: Matchup,
    home: Team,
    commences_at: Timestamp,
}
/// What the books offer for an event, and which of these lists are incomplete.
#[derive(Default)]
struct EventOdds<'a> {
    offers: Offers<'a>,
    incomplete_books: BTreeSet<String>,
    /// True if a book is missing, because it cannot be decoded or the event has no list of books.
    lacks_book: bool,
    /// True if a book has a market other than the points of players: the request may have been for other markets.
    has_other_markets: bool,
    bad_rows: Loaded,
}
/// The events of a payload.
#[derive(Default)]
struct Events<'a> {
    odds: BTreeMap<EventKey, EventOdds<'a>>,
    /// The pairs of teams that the payload states for each event id; `None` is a pair of which one team is not an NBA team.
    pairs: BTreeSet<(String, Option<Matchup>)>,
    incomplete: IncompleteLists,
}

pub fn load(raw: &RawEvent) -> Result<Loaded, Reject> {
    let mut loaded = Loaded::default();
    let mut events = Events::default();
    let content = content(&raw.payload)?;
    if !is_list(content) {
        let event: Event = parse_payload(content)?;
        events.add(event, &mut loaded).map_err(Reject::bad_payload)?;
        events.publish(raw, &mut loaded);
        return Ok(loaded);
    }
    let rows = parse_rows(content)?;
    if rows.is_empty() {
        return Err(Reject::bad_payload("the payload is an empty list, expected at least one event"));
    }
    for row in rows {
        let Err(reason) = parse_row(row).and_then(|event| events.add(event, &mut loaded)) else { continue };
        let event = BadObject::new(row);
        if is_foreign(&event.cell("/home_team"), &event.cell("/away_team")) {
            loaded.rows += 1;
            loaded.rows_out_of_scope += 1;
            continue;
        }
        let event = event.cell("/id").text("id").ok().map(str::to_owned);
        events.incomplete.add(ListName { event, ..ListName::default() });
        loaded.add_bad_row(row, reason);
    }
    events.publish(raw, &mut loaded);
    Ok(loaded)
}

/// Returns the JSON of the event or events in a response, without the envelope of a historical response.
fn content(payload: &str) -> Result<&str, Reject> {
    if is_list(payload) {
        return Ok(payload);
    }
    let envelope: Envelope = parse_payload(payload)?;
    match envelope.message {
        Cell::Absent => Ok(envelope.data.map_or(payload, RawValue::get)),
        message => {
            Err(Reject::bad_payload(format!("the source returned the message {message} instead of an event")))
        }
    }
}

fn is_list(json: &str) -> bool {
    json.trim_ascii_start().starts_with('[')
}

/// True if one of the teams is a known team that is not an NBA team.
fn is_foreign(home: &Cell, away: &Cell) -> bool {
    [home, away].into_iter().any(|cell| cell.team_or_other("") == Ok(None))
}

impl<'a> Events<'a> {
    /// Adds an event. If one of its teams is a known team that is not an NBA team, its rows are only counted, whatever else it contains. Adds nothing if it returns
    /// an error.
    fn add(&mut self, event: Event<'a>, loaded: &mut Loaded) -> Result<(), String> {
        if is_foreign(&event.home_team, &event.away_team) {
            let mut odds = EventOdds::default();
            odds.add_books(event.bookmakers.unwrap_or_default());
            let rows = odds.bad_rows.rows + odds.offers.into_quotes(Timestamp::DISTANT_FUTURE).rows;
            loaded.rows += rows;
            loaded.rows_out_of_scope += rows;
            if let Ok(id) = event.id.text("id") {
                self.pairs.insert((id.to_owned(), None));
            }
            return Ok(());
        }
        let id = event.id.text("id")?.to_owned();
        let commences_at = dates::instant(&event.commence_time, "commence_time")?;
        let (home, away) = (event.home_team.team("home_team")?, event.away_team.team("away_team")?);
        let matchup = Matchup::new(home, away)
            .ok_or_else(|| event.away_team.type_error("away_team", "a team other than the home team"))?;
        self.pairs.insert((id.clone(), Some(matchup)));
        let odds = self.odds.entry(EventKey { id, matchup, home, commences_at }).or_default();
        match event.bookmakers {
            Some(books) => odds.add_books(books),
            None => odds.lacks_book = true,
        }
        Ok(())
    }

    fn publish(self, raw: &RawEvent, loaded: &mut Loaded) {
        let mut lookups = MatchupLookups::default();
        for (EventKey { id, matchup, home, commences_at }, odds) in self.odds {
            let quotes = odds.offers.into_quotes(fetched_at(raw));
            loaded.rows += odds.bad_rows.rows + quotes.rows;
            loaded.rows_repeated += quotes.rows_repeated;
            loaded.bad_rows.extend(odds.bad_rows.bad_rows);
            let name = ListName { event: Some(id.clone()), ..ListName::default() };
            let complete = is_complete(raw) && !odds.lacks_book && !self.incomplete.contains(&name);
            // A response without quotes shows that all quotes were withdrawn, unless it is about other markets.
            if quotes.quotes.is_empty() && (odds.has_other_markets || !complete) {
                continue;
            }
            let date = commences_at.eastern_date();
            for of_book in quotes.quotes.chunk_by(|a, b| a.book == b.book) {
                let names = of_book.iter().map(|quote| PlayerRef { name: quote.name.clone(), nba: None });
                lookups.add(matchup, date, names);
            }
            let [a, b] = matchup.teams();
            loaded.observations.push(Observation::Odds(OddsObservation {
                event: id,
                home,
                away: if a == home { b } else { a },
                commences_at,
                date,
                complete,
                quotes: quotes.quotes,
                provenance: provenance(raw),
                incomplete_books: odds.incomplete_books.into_iter().collect(),
            }));
        }
        let of_pair = |(event, matchup)| OddsEventObservation { event, matchup, provenance: provenance(raw) };
        loaded.observations.extend(self.pairs.into_iter().map(of_pair).map(Observation::OddsEvent));
        loaded.observations.extend(lookups.observations(raw));
    }
}

impl<'a> EventOdds<'a> {
    /// Adds the books of an event. A book that cannot be decoded counts as one bad row.
    fn add_books(&mut self, rows: Vec<&'a RawValue>) {
        for row in rows {
            if let Err(reason) = parse_row(row).and_then(|book| self.add_book(book)) {
                match BadObject::new(row).cell("/key").text("key") {
                    Ok(key) => drop(self.incomplete_books.insert(key.to_owned())),
                    Err(_) => self.lacks_book = true,
                }
                self.bad_rows.add_bad_row(row, reason);
            }
        }
    }

    /// Adds the offers of a book. Each market or outcome that cannot be decoded counts as one bad row.
    fn add_book(&mut self, book: Bookmaker<'a>) -> Result<(), String> {
        let key = book.key.into_text("key")?;
        for row in book.markets.unwrap_or_default() {
            let outcomes = parse_row::<Market>(row).and_then(|market| outcomes_of(&book.last_update, market));
            match outcomes {
                Ok(None) => self.has_other_markets = true,
                Ok(Some((updated_at, outcomes))) => {
                    for row in outcomes {
                        self.add_outcome(key.clone(), updated_at, row);
                    }
                }
                Err(_) if is_other_market(&BadObject::new(row).cell("/key")) => self.has_other_markets = true,
                Err(reason) => {
                    self.incomplete_books.insert(key.clone().into_owned());
                    self.bad_rows.add_bad_row(row, reason);
                }
            }
        }
        Ok(())
    }

    /// Adds an outcome. A bad outcome makes the ladder of its player incomplete, or the book if it names no player.
    fn add_outcome(&mut self, book: Cow<'a, str>, updated_at: Timestamp, row: &'a RawValue) {
        let (name, terms) = match parse_row::<Outcome>(row).and_then(|outcome| terms(outcome)) {
            Ok((name, terms)) => (name, Some(terms)),
            Err(reason) => {
                self.bad_rows.add_bad_row(row, reason);
                match BadObject::new(row).cell("/description").text("description") {
                    Ok(name) => (Cow::Owned(name.to_owned()), None),
                    Err(_) => {
                        self.incomplete_books.insert(book.into_owned());
                        return;
                    }
                }
            }
        };
        self.offers.add(Offer { book, name, terms, updated_at });
    }
}

type Outcomes<'a> = (Timestamp, Vec<&'a RawValue>);

/// Returns the outcomes of a `player_points` market and its update time (that of the book if the market has none); `None` for any other
/// market.
fn outcomes_of<'a>(book_update: &Cell, market: Market<'a>) -> Result<Option<Outcomes<'a>>, String> {
    if is_other_market(&market.key) {
        return Ok(None);
    }
    market.key.text("key")?;
    let last_update = if market.last_update.is_blank() { book_update } else { &market.last_update };
    let updated_at = dates::instant_since_2000(last_update, "last_update")?;
    let outcomes = market.outcomes.ok_or("outcomes: found nothing, expected a list")?;
    Ok(Some((updated_at, outcomes)))
}

/// True if the key is legible and is not that of the market which is used.
fn is_other_market(key: &Cell) -> bool {
    key.text("key").is_ok_and(|key| key != "player_points")
}

/// Decodes an outcome: a player's name and the terms that are offered.
fn terms(outcome: Outcome<'_>) -> Result<(Cow<'_, str>, Terms), String> {
    let side = match outcome.name.text("name")? {
        "Over" => Side::Over,
        "Under" => Side::Under,
        _ => return Err(outcome.name.type_error("name", "Over or Under")),
    };
    let (line, price) = (line(&outcome.point, "point")?, price(&outcome.price, "price")?);
    Ok((outcome.description.into_text("description")?, Terms { line, side, price }))
}
