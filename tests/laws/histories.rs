//! Histories of raw events, and what may be done to them.
//!
//! Invariant: the same seed gives the same events.
//! Not here: the season behind them (the simulator).
use crate::random::Random;
use schemas::{
    Timestamp,
    raw::{Feed, FetchOutcome, RawEvent},
};
use serde_json::Value;
use simulator::{Faults, ScraperEvent, Season};

/// A tiny season by the time of the fetch; some without some of nba.com's box scores, with two answers at one instant, or with a
/// payload cut short.
pub fn tiny(seed: u64) -> Vec<RawEvent> {
    let mut events: Vec<RawEvent> = simulator::tiny(seed).iter().map(ScraperEvent::to_raw).collect();
    let mut random = Random::new(seed ^ 0x6761_7262);
    if random.percent(30) {
        // Games of which nba.com has no box score, only others.
        events.retain(|event| event.feed != Feed::NbacomLeaguegamelog || random.percent(50));
    }
    if random.percent(40) {
        // Two answers to one question at one instant.
        let twins: Vec<RawEvent> =
            events.iter().filter_map(|event| corrected(event, event.fetched_at, &mut random)).collect();
        events.extend(twins.into_iter().take(3));
    }
    if random.percent(25) {
        let broken = events[random.below(events.len())].clone();
        let len = broken.payload.len() / 2;
        let cut = (0..=len).rev().find(|at| broken.payload.is_char_boundary(*at)).unwrap();
        let at = Timestamp(broken.fetched_at.0 + 1);
        let payload = broken.payload[..cut].to_owned();
        events.push(RawEvent::new(broken.feed, broken.key, at, broken.outcome, payload));
        events.sort_by_key(|event| event.fetched_at);
    }
    events
}

/// Long enough for players to be eligible for a while: three or four teams, ten games each, with every fault.
pub fn longer(seed: u64) -> Vec<RawEvent> {
    let rate = Random::new(seed).pick(&[0.0, 0.1, 0.3]);
    season(seed, Faults::all(rate), seed as usize % 2)
}

/// The same with everything fetched as it should be, and nobody traded: rosters are true from their fetch on, so retrospectively a
/// player is a candidate of the team he last appeared for.
pub fn faultless(seed: u64) -> Vec<RawEvent> {
    season(seed, Faults::default(), 0)
}

fn season(seed: u64, faults: Faults, trades: usize) -> Vec<RawEvent> {
    let mut random = Random::new(seed ^ 0x6c6f_6e67);
    let season = Season {
        teams: 3 + random.below(2),
        games_per_team: 8 + random.below(4),
        players_per_team: 3 + random.below(3),
        roster_days: 9,
        odds_snapshots: 1 + random.below(2),
        books: 1 + random.below(2),
        injury_reports: random.below(2),
        balldontlie: random.percent(40),
        trades,
        faults,
        ..Season::new(seed, 2020 + random.below(6) as i16)
    };
    season.events().iter().map(ScraperEvent::to_raw).collect()
}

/// In any order, a third of them twice.
pub fn shuffled(events: &[RawEvent], random: &mut Random) -> Vec<RawEvent> {
    let mut some = events.to_vec();
    let twice = events.iter().filter(|_| random.percent(33)).cloned().collect::<Vec<_>>();
    some.extend(twice);
    random.shuffle(&mut some);
    some
}

/// The same answer, fetched at another time.
pub fn fetched(event: &RawEvent, at: Timestamp) -> RawEvent {
    RawEvent::new(event.feed, event.key.clone(), at, event.outcome, event.payload.clone())
}

pub fn is_box_score(feed: Feed) -> bool {
    matches!(feed, Feed::NbacomLeaguegamelog | Feed::BalldontlieStats | Feed::BalldontlieBoxScores)
}

/// A box score in which some players have other points than they had, and a minute more or less; `None` for what is none.
pub fn corrected(event: &RawEvent, at: Timestamp, random: &mut Random) -> Option<RawEvent> {
    if !is_box_score(event.feed) {
        return None;
    }
    let mut payload: Value = serde_json::from_str(&event.payload).ok()?;
    let mut changed = false;
    correct(&mut payload, random, &mut changed);
    let event = RawEvent::new(event.feed, event.key.clone(), at, FetchOutcome::Complete, payload.to_string());
    changed.then_some(event)
}

fn correct(value: &mut Value, random: &mut Random, changed: &mut bool) {
    match value {
        Value::Object(fields) => {
            let columns = fields.get("headers").and_then(Value::as_array).cloned();
            let at = |name: &str| columns.iter().flatten().position(|column| column == name);
            let (points, minutes) = (at("PTS"), at("MIN"));
            for row in fields.get_mut("rowSet").and_then(Value::as_array_mut).into_iter().flatten() {
                for column in [points, minutes].into_iter().flatten() {
                    if random.percent(40) {
                        add(&mut row[column], 1 + random.below(9) as i64, changed);
                    }
                }
            }
            if let Some(points) = fields.get_mut("pts").filter(|_| random.percent(40)) {
                add(points, 1 + random.below(9) as i64, changed);
            }
            fields.values_mut().for_each(|value| correct(value, random, changed));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| correct(item, random, changed)),
        _ => {}
    }
}

fn add(value: &mut Value, more: i64, changed: &mut bool) {
    if let Some(number) = value.as_i64() {
        *value = Value::from(number + more);
        *changed = true;
    }
}
