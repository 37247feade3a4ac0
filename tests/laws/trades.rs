//! Trades of histories: a player leaves one roster and is on another one, on any day, also between two tip-offs.
//!
//! Invariant: the same random numbers give the same events; no event of the history is changed, events are only added.
//! Not here: the trades in the middle of a season, which the simulator generates.
use crate::{
    faults::{HOUR, SECOND, copy},
    random::Random,
};
use schemas::raw::{Feed, FetchOutcome, RawEvent};
use serde_json::Value;

/// Adds a trade: two rosters are fetched again, and a player of the first team is on that of the second. Sorts the history by fetch time.
pub fn with_trade(mut events: Vec<RawEvent>, random: &mut Random) -> Vec<RawEvent> {
    let added = trade(&events, random).unwrap_or_default();
    events.extend(added);
    events.sort_by_key(|event| event.fetched_at);
    events
}

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
