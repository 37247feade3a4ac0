//! oddsapi/event-odds: what the books offer on the points of a game's players, now or as a historical snapshot.
//!
//! Invariant: of all markets only `player_points` is read; a side quoted twice at one line and update keeps the greater
//! price, whichever came last. Two lines are two lines, however near.
//! Not here: which line of a ladder is the main one, and whether it came before tip-off.
use super::{
    Loaded, Observation, Reject,
    cell::Cell,
    dates,
    lists::lookup_in_matchup,
    open,
    prices::{line, price},
    provenance, read,
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
    /// An event or a list of them; a historical answer has it.
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    /// The source's words when it has no event to give.
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

/// One side of one line, in the order in which quotes are built.
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
    let answer = answer(&raw.payload)?;
    if !is_list(answer) {
        let event: Event = open(answer)?;
        take(raw, event, &mut loaded).map_err(Reject::bad_payload)?;
        return Ok(loaded);
    }
    let events: Vec<&RawValue> = open(answer)?;
    if events.is_empty() {
        return Err(Reject::bad_payload("found no event"));
    }
    for row in events {
        if let Err(reason) = read(row).and_then(|event| take(raw, event, &mut loaded)) {
            loaded.bad(row, reason);
        }
    }
    Ok(loaded)
}

/// The event or events of an answer, out of the historical envelope where there is one.
fn answer(payload: &str) -> Result<&str, Reject> {
    if is_list(payload) {
        return Ok(payload);
    }
    let envelope: Envelope = open(payload)?;
    match envelope.message {
        Cell::Absent => Ok(envelope.data.map_or(payload, RawValue::get)),
        message => Err(Reject::bad_payload(format!("the source answers {message}"))),
    }
}

fn is_list(json: &str) -> bool {
    json.trim_ascii_start().starts_with('[')
}

/// Adds one event to what is loaded, or says why it is none and adds nothing.
fn take(raw: &RawEvent, event: Event, loaded: &mut Loaded) -> Result<(), String> {
    let id = event.id.text("id")?.to_owned();
    let commences_at = dates::instant(&event.commence_time, "commence_time")?;
    let home = Team::from_source_name(event.home_team.text("home_team")?);
    let away = Team::from_source_name(event.away_team.text("away_team")?);
    if home.is_some() && home == away {
        return Err(event.away_team.type_error("away_team", "another team than at home"));
    }
    let mut found = Loaded::default();
    let mut offers = Vec::new();
    for row in event.bookmakers.unwrap_or_default() {
        if let Err(reason) = read(row).and_then(|book| collect(book, &mut offers, &mut found)) {
            found.bad(row, reason);
        }
    }
    let quotes = quotes(offers);
    loaded.rows += found.rows + quotes.len() as u64;
    let (Some(home), Some(away)) = (home, away) else {
        loaded.rows_out_of_scope += found.rows + quotes.len() as u64;
        return Ok(());
    };
    let complete = found.is_complete(raw);
    loaded.bad_rows.append(&mut found.bad_rows);
    // Without the market there is no list: other markets may have been asked for.
    if quotes.is_empty() {
        return Ok(());
    }
    let date = commences_at.eastern_date();
    let mut names: Vec<_> = quotes.iter().map(|q| PlayerRef { name: q.name.clone(), nba: None }).collect();
    names.dedup();
    let provenance = provenance(raw);
    loaded.observations.push(Observation::Odds(OddsObservation {
        event: id,
        home,
        away,
        commences_at,
        date,
        complete,
        quotes,
        provenance,
    }));
    if let Some(matchup) = Matchup::new(home, away) {
        loaded.observations.extend(lookup_in_matchup(raw, matchup, date.into(), names));
    }
    Ok(())
}

/// Collects a book's offers; bad markets and outcomes are counted as rows of their own.
fn collect<'a>(book: Bookmaker<'a>, offers: &mut Vec<Offer<'a>>, found: &mut Loaded) -> Result<(), String> {
    let key = book.key.into_text("key")?;
    for row in book.markets.unwrap_or_default() {
        let outcomes = read::<Market>(row).and_then(|market| outcomes_of(&book.last_update, market));
        match outcomes {
            Ok(None) => {}
            Ok(Some((updated_at, outcomes))) => {
                for row in outcomes {
                    match read::<Outcome>(row).and_then(|outcome| offer(&key, updated_at, outcome)) {
                        Ok(offer) => offers.push(offer),
                        Err(reason) => found.bad(row, reason),
                    }
                }
            }
            Err(reason) => found.bad(row, reason),
        }
    }
    Ok(())
}

type Outcomes<'a> = (Timestamp, Vec<&'a RawValue>);

/// The outcomes of a `player_points` market at its own update, else at its book's; `None` for another market.
fn outcomes_of<'a>(book_update: &Cell, market: Market<'a>) -> Result<Option<Outcomes<'a>>, String> {
    if market.key.text("key")? != "player_points" {
        return Ok(None);
    }
    let updated = if market.last_update.is_blank() { book_update } else { &market.last_update };
    let updated_at = dates::instant(updated, "last_update")?;
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

fn quotes(mut offers: Vec<Offer>) -> Vec<Quote> {
    offers.sort_unstable();
    let mut quotes: Vec<Quote> = Vec::new();
    for Offer { book, name, updated_at, line, side, price } in offers {
        let begun = |q: &Quote| (&*q.book, &*q.name, q.updated_at) == (&*book, &*name, updated_at);
        if !quotes.last().is_some_and(begun) {
            let (book, name) = (book.into_owned(), name.into_owned());
            quotes.push(Quote { book, name, updated_at, lines: Vec::new() });
        }
        let Some(Quote { lines, .. }) = quotes.last_mut() else { continue };
        if lines.last().is_none_or(|last| last.line != line) {
            lines.push(QuoteLine { line, over: None, under: None });
        }
        let Some(last) = lines.last_mut() else { continue };
        // In this order the greater price of a repeated side comes last.
        match side {
            Side::Over => last.over = Some(price),
            Side::Under => last.under = Some(price),
        }
    }
    quotes
}
