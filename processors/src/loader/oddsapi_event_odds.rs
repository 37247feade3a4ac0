//! oddsapi/event-odds: the bookmakers' quotes on the points of a game's players, current or as a historical snapshot.
//!
//! Invariant: only the market `player_points` is used; of several prices for the same side, line and update, the greatest is used, whatever
//! their order. Different lines are never merged.
//! Not here: the main line of a ladder, and the comparison of update times with the tip-off (the markets view).
use super::{
    cell::Cell,
    dates,
    json::{parse_payload, parse_row},
    lists::lookup_in_matchup,
    loaded::{Loaded, Observation, Reject, provenance},
    prices::{line, price},
};
use schemas::{
    observation::{OddsObservation, PlayerRef, Quote, QuoteLine},
    raw::RawEvent,
    team::{Matchup, Team},
    units::{Line, Price, Timestamp},
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

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

/// A book's price of one side (over or under) of one line. The order of the fields matters: before quotes are built, offers are sorted by
/// these fields in this order.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Offer<'a> {
    book: Cow<'a, str>,
    name: Cow<'a, str>,
    updated_at: Timestamp,
    line: Line,
    side: Side,
    price: Price,
}
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Over,
    Under,
}

pub fn load(raw: &RawEvent) -> Result<Loaded, Reject> {
    let mut loaded = Loaded::default();
    let content = content(&raw.payload)?;
    if !is_list(content) {
        let event: Event = parse_payload(content)?;
        add_event(raw, event, &mut loaded).map_err(Reject::bad_payload)?;
        return Ok(loaded);
    }
    let events: Vec<&RawValue> = parse_payload(content)?;
    if events.is_empty() {
        return Err(Reject::bad_payload("the payload is an empty list, expected at least one event"));
    }
    for row in events {
        if let Err(reason) = parse_row(row).and_then(|event| add_event(raw, event, &mut loaded)) {
            loaded.add_bad_row(row, reason);
        }
    }
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

/// Adds the quotes and rows of one event to `loaded`; adds nothing if it returns an error.
fn add_event(raw: &RawEvent, event: Event, loaded: &mut Loaded) -> Result<(), String> {
    let id = event.id.text("id")?.to_owned();
    let commences_at = dates::instant(&event.commence_time, "commence_time")?;
    let home = Team::from_source_name(event.home_team.text("home_team")?);
    let away = Team::from_source_name(event.away_team.text("away_team")?);
    if home.is_some() && home == away {
        return Err(event.away_team.type_error("away_team", "a team other than the home team"));
    }
    let mut of_event = Loaded::default();
    let mut offers = Vec::new();
    for row in event.bookmakers.unwrap_or_default() {
        if let Err(reason) = parse_row(row).and_then(|book| collect_offers(book, &mut offers, &mut of_event))
        {
            of_event.add_bad_row(row, reason);
        }
    }
    let quotes = quotes(offers);
    loaded.rows += of_event.rows + quotes.len() as u64;
    let (Some(home), Some(away)) = (home, away) else {
        loaded.rows_out_of_scope += of_event.rows + quotes.len() as u64;
        return Ok(());
    };
    let complete = of_event.is_complete(raw);
    loaded.bad_rows.append(&mut of_event.bad_rows);
    // A response without `player_points` quotes is not published as an empty list: the scraper may have requested other markets.
    if quotes.is_empty() {
        return Ok(());
    }
    let date = commences_at.eastern_date();
    let names = quotes.iter().map(|quote| PlayerRef { name: quote.name.clone(), nba: None });
    let mut names: Vec<_> = names.collect();
    names.dedup();
    loaded.observations.push(Observation::Odds(OddsObservation {
        event: id,
        home,
        away,
        commences_at,
        date,
        complete,
        quotes,
        provenance: provenance(raw),
        incomplete_books: Vec::new(),
    }));
    if let Some(matchup) = Matchup::new(home, away) {
        loaded.observations.extend(lookup_in_matchup(raw, matchup, date.into(), names));
    }
    Ok(())
}

/// Collects a book's offers. Each market or outcome that cannot be decoded counts as one bad row.
fn collect_offers<'a>(
    book: Bookmaker<'a>,
    offers: &mut Vec<Offer<'a>>,
    of_event: &mut Loaded,
) -> Result<(), String> {
    let key = book.key.into_text("key")?;
    for row in book.markets.unwrap_or_default() {
        let outcomes = parse_row::<Market>(row).and_then(|market| outcomes_of(&book.last_update, market));
        match outcomes {
            Ok(None) => {}
            Ok(Some((updated_at, outcomes))) => {
                for row in outcomes {
                    match parse_row::<Outcome>(row).and_then(|outcome| offer(&key, updated_at, outcome)) {
                        Ok(offer) => offers.push(offer),
                        Err(reason) => of_event.add_bad_row(row, reason),
                    }
                }
            }
            Err(reason) => of_event.add_bad_row(row, reason),
        }
    }
    Ok(())
}

type Outcomes<'a> = (Timestamp, Vec<&'a RawValue>);

/// Returns the outcomes of a `player_points` market and its update time (that of the book if the market has none); `None` for any other
/// market.
fn outcomes_of<'a>(book_update: &Cell, market: Market<'a>) -> Result<Option<Outcomes<'a>>, String> {
    if market.key.text("key")? != "player_points" {
        return Ok(None);
    }
    let last_update = if market.last_update.is_blank() { book_update } else { &market.last_update };
    let updated_at = dates::instant(last_update, "last_update")?;
    let outcomes = market.outcomes.ok_or("outcomes: found nothing, expected a list")?;
    Ok(Some((updated_at, outcomes)))
}

fn offer<'a>(book: &Cow<'a, str>, updated_at: Timestamp, outcome: Outcome<'a>) -> Result<Offer<'a>, String> {
    let side = match outcome.name.text("name")? {
        "Over" => Side::Over,
        "Under" => Side::Under,
        _ => return Err(outcome.name.type_error("name", "Over or Under")),
    };
    Ok(Offer {
        book: book.clone(),
        name: outcome.description.into_text("description")?,
        updated_at,
        line: line(&outcome.point, "point")?,
        side,
        price: price(&outcome.price, "price")?,
    })
}

/// Groups offers into quotes by book, name and update time, and within a quote by line.
fn quotes(mut offers: Vec<Offer>) -> Vec<Quote> {
    offers.sort_unstable();
    let mut quotes: Vec<Quote> = Vec::new();
    for Offer { book, name, updated_at, line, side, price } in offers {
        let is_same_quote =
            |quote: &Quote| (&*quote.book, &*quote.name, quote.updated_at) == (&*book, &*name, updated_at);
        if !quotes.last().is_some_and(is_same_quote) {
            let (book, name) = (book.into_owned(), name.into_owned());
            quotes.push(Quote { book, name, updated_at, lines: Vec::new(), complete: true });
        }
        let Some(Quote { lines, .. }) = quotes.last_mut() else { continue };
        if lines.last().is_none_or(|last| last.line != line) {
            lines.push(QuoteLine { line, over: None, under: None });
        }
        let Some(last) = lines.last_mut() else { continue };
        // If a side has several prices, the greatest comes last, because the offers are sorted, and replaces the others.
        match side {
            Side::Over => last.over = Some(price),
            Side::Under => last.under = Some(price),
        }
    }
    quotes
}
