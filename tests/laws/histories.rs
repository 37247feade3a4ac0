//! Generates histories of raw events, and changes their order, fetch times and content.
//!
//! Invariant: the same seed gives the same events.
//! Not here: the simulation of the seasons (crate `simulator`).
use crate::{
    faults::with_faults, links::with_links, random::Random, schedule_faults::with_schedule_faults,
    schedule_payloads, trades::with_trades,
};
use schemas::{
    GameId, Timestamp,
    raw::{Feed, FetchOutcome, RawEvent},
};
use serde_json::Value;
use simulator::{Faults, ScraperEvent, Season};
use std::collections::BTreeSet;

/// Generates a tiny season. With some seeds, box scores of nba.com are missing, two responses to one request have the same fetch time,
/// a copy of an event has a truncated payload, or the history has the links of [`with_links`], the trades of [`with_trades`], or the faults of
/// [`with_schedule_faults`] or [`with_faults`].
pub fn tiny_season(seed: u64) -> Vec<RawEvent> {
    let mut events: Vec<RawEvent> = simulator::tiny(seed).iter().map(ScraperEvent::to_raw).collect();
    let mut random = Random::new(seed ^ 0x6761_7262);
    if random.percent(20) {
        events = with_cup_final(&events, &mut random);
    }
    if random.percent(30) {
        // Removes half of nba.com's box scores, so that only other sources have them.
        events.retain(|event| event.feed != Feed::NbacomLeaguegamelog || random.percent(50));
    }
    if random.percent(40) {
        let second_responses: Vec<RawEvent> = events
            .iter()
            .filter_map(|event| with_other_stats(event, event.fetched_at, &mut random))
            .collect();
        events.extend(second_responses.into_iter().take(3));
    }
    if random.percent(25) {
        let event = events[random.below(events.len())].clone();
        let half = event.payload.len() / 2;
        let end = (0..=half).rev().find(|index| event.payload.is_char_boundary(*index)).unwrap();
        let fetched_at = Timestamp(event.fetched_at.0 + 1);
        let payload = event.payload[..end].to_owned();
        events.push(RawEvent::new(event.feed, event.key, fetched_at, event.outcome, payload));
        events.sort_by_key(|event| event.fetched_at);
    }
    if random.percent(50) {
        events = with_links(events, &mut random);
    }
    if random.percent(50) {
        events = with_trades(events, &mut random);
    }
    if random.percent(60) {
        let count = 1 + random.below(4);
        events = with_schedule_faults(events, count, &mut random);
    }
    if random.percent(70) {
        let count = 1 + random.below(6);
        events = with_faults(events, count, |_| true, &mut random);
    }
    events
}

/// Generates a season that is long enough for players to be eligible in many games: three or four teams with 8 to 11 games each, and
/// every fault of the simulator at the same rate, which may be zero. Some of the seasons also have the links of [`with_links`], the trades of
/// [`with_trades`], and the faults of [`with_schedule_faults`] and [`with_faults`]; most have namesakes.
pub fn season_with_faults(seed: u64) -> Vec<RawEvent> {
    let mut random = Random::new(seed);
    let rate = random.pick(&[0.0, 0.1, 0.3]);
    let faults = Faults::all(rate);
    let (trades, namesakes) = (seed as usize % 2, random.below(4));
    let mut events = season(seed, faults, trades, namesakes);
    events.sort_by_key(|event| event.fetched_at);
    if random.percent(20) {
        events = with_cup_final(&events, &mut random);
    }
    if random.percent(50) {
        events = with_links(events, &mut random);
    }
    if random.percent(60) {
        let count = 1 + random.below(6);
        events = with_schedule_faults(events, count, &mut random);
    }
    if random.percent(50) {
        events = with_trades(events, &mut random);
    }
    if random.percent(50) {
        return events;
    }
    let count = 1 + random.below(20);
    with_faults(events, count, |_| true, &mut random)
}

/// True if the event may change the date and the tip-off of a game.
pub fn states_game_dates(event: &RawEvent) -> bool {
    event.feed == Feed::NbacomSchedule
}

/// Generates a season of the same size as [`season_with_faults`], but without faults and trades. Trades are left out because a roster is
/// valid only from its fetch on: in a history that was fetched late, a player is a candidate of the team for which he last appeared.
pub fn season_without_faults(seed: u64) -> Vec<RawEvent> {
    season(seed, Faults::default(), 0, 0)
}

fn season(seed: u64, faults: Faults, trades: usize, namesakes: usize) -> Vec<RawEvent> {
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
        namesakes,
        faults,
        ..Season::new(seed, 2020 + random.below(6) as i16)
    };
    season.events().iter().map(ScraperEvent::to_raw).collect()
}

/// Makes a game the final of the cup: gives it another id in all payloads.
fn with_cup_final(events: &[RawEvent], random: &mut Random) -> Vec<RawEvent> {
    let ids: BTreeSet<GameId> =
        events.iter().flat_map(schedule_payloads::statements).map(|(game, _)| game).collect();
    let ids: Vec<GameId> = ids.into_iter().collect();
    let Some(id) = ids.get(random.below(ids.len())).map(GameId::to_string) else { return events.to_vec() };
    let final_id = id.replacen("002", "006", 1);
    let renamed = |event: &RawEvent| {
        let payload = event.payload.replace(&id, &final_id);
        RawEvent::new(event.feed, event.key.clone(), event.fetched_at, event.outcome, payload)
    };
    events.iter().map(renamed).collect()
}

/// Returns the events in random order, about a third of them twice.
pub fn shuffled(events: &[RawEvent], random: &mut Random) -> Vec<RawEvent> {
    let mut shuffled = events.to_vec();
    let duplicates = events.iter().filter(|_| random.percent(33)).cloned().collect::<Vec<_>>();
    shuffled.extend(duplicates);
    random.shuffle(&mut shuffled);
    shuffled
}

/// Returns a copy of the event with another fetch time; if it is a retraction, one of the same event that is made at this time.
pub fn fetched_at(event: &RawEvent, fetched_at: Timestamp) -> RawEvent {
    let fetched =
        |time| RawEvent::new(event.feed, event.key.clone(), time, event.outcome, event.payload.clone());
    match &event.retraction {
        Some(order) => {
            fetched(order.target_fetched_at).retracted(fetched_at, order.undo, order.reason.clone())
        }
        None => fetched(fetched_at),
    }
}

pub fn is_box_score(feed: Feed) -> bool {
    matches!(feed, Feed::NbacomLeaguegamelog | Feed::BalldontlieStats | Feed::BalldontlieBoxScores)
}

/// Returns a copy of a box score in which some players have more points or minutes; `None` if the event is not a box score, or no
/// player was changed.
pub fn with_other_stats(event: &RawEvent, fetched_at: Timestamp, random: &mut Random) -> Option<RawEvent> {
    if !is_box_score(event.feed) || event.retraction.is_some() {
        return None;
    }
    let mut payload: Value = serde_json::from_str(&event.payload).ok()?;
    let mut is_changed = false;
    change_stats(&mut payload, random, &mut is_changed);
    let payload = payload.to_string();
    let event = RawEvent::new(event.feed, event.key.clone(), fetched_at, FetchOutcome::Complete, payload);
    is_changed.then_some(event)
}

fn change_stats(value: &mut Value, random: &mut Random, is_changed: &mut bool) {
    match value {
        Value::Object(fields) => {
            let headers = fields.get("headers").and_then(Value::as_array).cloned();
            let column = |name: &str| headers.iter().flatten().position(|header| header == name);
            let (points, minutes) = (column("PTS"), column("MIN"));
            for row in fields.get_mut("rowSet").and_then(Value::as_array_mut).into_iter().flatten() {
                for column in [points, minutes].into_iter().flatten() {
                    if random.percent(40) {
                        add(&mut row[column], 1 + random.below(9) as i64, is_changed);
                    }
                }
            }
            if let Some(points) = fields.get_mut("pts").filter(|_| random.percent(40)) {
                add(points, 1 + random.below(9) as i64, is_changed);
            }
            for value in fields.values_mut() {
                change_stats(value, random, is_changed);
            }
        }
        Value::Array(items) => {
            for item in items {
                change_stats(item, random, is_changed);
            }
        }
        _ => {}
    }
}

fn add(value: &mut Value, summand: i64, is_changed: &mut bool) {
    if let Some(number) = value.as_i64() {
        *value = Value::from(number + summand);
        *is_changed = true;
    }
}
