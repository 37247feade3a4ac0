//! Trades of histories: a player list or a roster lists a player for another team, mostly around the tip-offs of a date; the list may be
//! stale or wrong, so two lists may state different teams for one player. Or a player leaves one roster and is on another one, on any day.
//!
//! Invariant: the same random numbers give the same events; no event of the history is changed, lists are only added.
//! Not here: the trades of the simulator, after which the players appear for their new teams (crate `simulator`).
use crate::{
    faults::{HOUR, SECOND, copy},
    random::Random,
};
use schemas::{
    Timestamp,
    raw::{Feed, FetchOutcome, RawEvent},
};
use serde_json::Value;
use std::collections::BTreeSet;

const MINUTE: i64 = 60_000;

/// Adds up to six lists, each of which states another team for one or two players, and in half of the histories a player who leaves one roster
/// and is on another one. Sorts the history by fetch time.
pub fn with_trades(mut events: Vec<RawEvent>, random: &mut Random) -> Vec<RawEvent> {
    let mut tip_offs = BTreeSet::new();
    for event in events.iter().filter(|event| event.feed == Feed::NbacomSchedule) {
        if let Ok(payload) = serde_json::from_str(&event.payload) {
            find_tip_offs(&payload, &mut tip_offs);
        }
    }
    let tip_offs: Vec<Timestamp> = tip_offs.into_iter().collect();
    if tip_offs.is_empty() {
        return events;
    }
    let mut added = Vec::new();
    for _ in 0..1 + random.below(6) {
        let minutes = random.pick(&[-600, -60, -1, 0, 1, 10, 30, 60, 90, 150]);
        let at = Timestamp(random.pick(&tip_offs).0 + minutes * MINUTE);
        let lists = events.iter().filter(|event| event.retraction.is_none() && event.fetched_at < at);
        let of_feed = |feed: Feed| lists.clone().filter(move |event| event.feed == feed);
        added.extend(match random.percent(60) {
            true => {
                of_feed(Feed::NbacomPlayerList).next_back().and_then(|list| other_teams(list, at, random))
            }
            false => {
                let rosters: Vec<&RawEvent> = of_feed(Feed::EspnRoster).collect();
                longer_roster(&rosters, at, random)
            }
        });
    }
    if random.percent(50) {
        added.extend(trade(&events, random).unwrap_or_default());
    }
    events.extend(added);
    events.sort_by_key(|event| event.fetched_at);
    events
}

/// The player list, in which one or two players have the team of another player.
fn other_teams(list: &RawEvent, at: Timestamp, random: &mut Random) -> Option<RawEvent> {
    let mut payload: Value = serde_json::from_str(&list.payload).ok()?;
    let table = payload.pointer_mut("/resultSets/0")?;
    let column = table["headers"].as_array()?.iter().position(|header| header == "TEAM_ABBREVIATION")?;
    let rows = table["rowSet"].as_array_mut().filter(|rows| !rows.is_empty())?;
    for _ in 0..1 + random.below(2) {
        let team = rows[random.below(rows.len())].get(column)?.clone();
        let index = random.below(rows.len());
        *rows[index].get_mut(column)? = team;
    }
    Some(copy(list, list.key.clone(), at.0, FetchOutcome::Complete, &payload))
}

/// A roster that also lists a player of another roster.
fn longer_roster(rosters: &[&RawEvent], at: Timestamp, random: &mut Random) -> Option<RawEvent> {
    if rosters.is_empty() {
        return None;
    }
    let [roster, other] = [random.pick(rosters), random.pick(rosters)];
    let mut payload: Value = serde_json::from_str(&roster.payload).ok()?;
    let other: Value = serde_json::from_str(&other.payload).ok()?;
    let joined = other.pointer("/team/athletes")?.as_array().filter(|athletes| !athletes.is_empty())?;
    let joined = joined[random.below(joined.len())].clone();
    payload.pointer_mut("/team/athletes")?.as_array_mut()?.push(joined);
    Some(copy(roster, roster.key.clone(), at.0, FetchOutcome::Complete, &payload))
}

fn find_tip_offs(value: &Value, tip_offs: &mut BTreeSet<Timestamp>) {
    match value {
        Value::Object(fields) => {
            let tip_off = fields.get("gameDateTimeUTC").and_then(Value::as_str);
            tip_offs.extend(tip_off.and_then(|text| text.parse::<Timestamp>().ok()));
            fields.values().for_each(|field| find_tip_offs(field, tip_offs));
        }
        Value::Array(items) => items.iter().for_each(|item| find_tip_offs(item, tip_offs)),
        _ => {}
    }
}

/// Two rosters that are fetched again; a player of the first team is on that of the second.
fn trade(events: &[RawEvent], random: &mut Random) -> Option<Vec<RawEvent>> {
    let is_roster = |event: &&RawEvent| event.feed == Feed::EspnRoster && event.retraction.is_none();
    let rosters: Vec<&RawEvent> = events.iter().filter(is_roster).collect();
    let from = *rosters.get(random.below(rosters.len()))?;
    let others: Vec<&RawEvent> = rosters.into_iter().filter(|event| event.key != from.key).collect();
    let to = *others.get(random.below(others.len()))?;
    let [mut left, mut joined]: [Value; 2] =
        [serde_json::from_str(&from.payload).ok()?, serde_json::from_str(&to.payload).ok()?];
    let players = left.pointer_mut("/team/athletes")?.as_array_mut()?;
    if players.is_empty() {
        return None;
    }
    let player = players.remove(random.below(players.len()));
    joined.pointer_mut("/team/athletes")?.as_array_mut()?.push(player);
    // Most events are fetched on the day of a game.
    let at = events[random.below(events.len())].fetched_at.0;
    let joined_at = at + random.pick(&[0, SECOND, -3 * HOUR, 3 * HOUR, 24 * HOUR]);
    Some(vec![
        copy(from, from.key.clone(), at, FetchOutcome::Complete, &left),
        copy(to, to.key.clone(), joined_at, FetchOutcome::Complete, &joined),
    ])
}
