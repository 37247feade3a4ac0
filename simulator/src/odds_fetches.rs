//! The fetches of the odds of a season's games, with the faults that concern an odds event: moved, listed twice, stated to be another pair's
//! before tip-off, used again after tip-off, or requested for a second region for some time only.
//!
//! Invariant: without faults, each event is listed for one day, in one request.
//! Not here: the quotes (`feeds::odds`), the odds of a night (`night`).
use crate::{
    calendar::{Evening, Game},
    feeds::odds::{self, Snapshot},
    fetches::Fetches,
    parameters::Season,
    publish::{MINUTE, split},
    random::{Decision, Random},
};
use schemas::{Timestamp, raw::Feed};
use serde_json::{Value, json};

/// Times (hour, minute) at which odds are fetched on the day of a game. A season with n snapshots per game uses the first n of them.
const ODDS_CLOCK: [(i8, i8); 6] = [(18, 15), (10, 0), (14, 0), (12, 0), (16, 0), (17, 0)];

impl Fetches<'_> {
    pub fn add_odds(&mut self, game: &Game, evening: &Evening) {
        let Season { odds_snapshots, ref faults, .. } = *self.world.season;
        if odds_snapshots == 0 {
            return;
        }
        let key = odds::event_id(self.world, game, evening);
        let clock = &ODDS_CLOCK[..odds_snapshots.min(ODDS_CLOCK.len())];
        let mut times: Vec<Timestamp> =
            clock.iter().map(|&(hour, minute)| evening.date.at(hour, minute)).collect();
        times.retain(|&time| time < evening.until);
        if times.is_empty() {
            times.push(evening.until.plus_hours(-1));
        }
        times.sort_unstable();
        let mut moved = self.random(Decision::MovedEvent, game, evening);
        if moved.chance(faults.moved_events) {
            let fetched_at = times[0].plus_hours(-i64::from(moved.between(1, 20)));
            let days_moved = moved.pick(&[-1, 1]);
            let snapshot = Snapshot { fetched_at, number: 0, points_scored: 0.0, days_moved };
            let payload = odds::payload(self.world, game, evening, snapshot);
            self.add(Feed::OddsapiEventOdds, key.clone(), fetched_at, payload);
        }
        self.add_wrong_pair(game, evening, &key, &times);
        // The number of snapshots for which a second region is requested too; 0 if there is no second region.
        let mut dropped = self.random(Decision::DroppedRegion, game, evening);
        let has_second_region = times.len() > 1 && dropped.chance(faults.dropped_regions);
        let requests = if has_second_region { 1 + dropped.below(times.len() - 1) } else { 0 };
        for (number, &fetched_at) in times.iter().enumerate() {
            let snapshot = Snapshot { fetched_at, number, points_scored: 0.0, days_moved: 0 };
            let payload = odds::payload(self.world, game, evening, snapshot);
            match split(Feed::OddsapiEventOdds, &payload).filter(|_| has_second_region) {
                Some([first, second]) => {
                    self.add(Feed::OddsapiEventOdds, format!("{key}/us"), fetched_at, first);
                    if number < requests {
                        self.add(Feed::OddsapiEventOdds, format!("{key}/eu"), fetched_at, second);
                    }
                }
                None => {
                    let payload = self.repeated(game, evening, snapshot).unwrap_or(payload);
                    self.add(Feed::OddsapiEventOdds, key.clone(), fetched_at, payload);
                }
            }
        }
        if evening.until == evening.tip_off {
            self.add_odds_after_tip_off(game, evening, &key, times.len());
        }
    }
    fn random(&self, decision: Decision, game: &Game, evening: &Evening) -> Random {
        let subject = [u64::from(game.id.0), evening.date.0 as u64];
        Random::for_decision(self.world.season.seed, decision, &subject)
    }
    /// Returns the payload of a snapshot that lists the event twice, if this fault occurs: a list of the event as it is and of the event as
    /// another snapshot, or for another day. The order of the two is random.
    fn repeated(&self, game: &Game, evening: &Evening, snapshot: Snapshot) -> Option<String> {
        let subject = [u64::from(game.id.0), snapshot.fetched_at.0 as u64];
        let mut random = Random::for_decision(self.world.season.seed, Decision::RepeatedEvent, &subject);
        if !random.chance(self.world.season.faults.repeated_events) {
            return None;
        }
        let days_moved = random.pick(&[0, 0, -1, 1]);
        let other = Snapshot { number: snapshot.number + 1, points_scored: 1.0, days_moved, ..snapshot };
        let mut payloads =
            [snapshot, other].map(|snapshot| odds::payload(self.world, game, evening, snapshot));
        random.shuffle(&mut payloads);
        Some(format!("[{},{}]", payloads[0], payloads[1]))
    }
    /// Adds a fetch which states that the event belongs to another pair of teams, if this fault occurs and there is such a game.
    fn add_wrong_pair(&mut self, game: &Game, evening: &Evening, key: &str, times: &[Timestamp]) {
        let mut random = self.random(Decision::WrongPair, game, evening);
        if !random.chance(self.world.season.faults.wrong_pairs) {
            return;
        }
        // The fetch is the first one, or follows one of the others.
        let fetched_at = match random.below(times.len() + 1).checked_sub(1) {
            None => times[0].plus_hours(-i64::from(random.between(1, 20))),
            Some(index) => Timestamp(times[index].0 + MINUTE * i64::from(random.between(1, 40))),
        };
        let is_other = |other: &&Game| {
            other.date >= evening.date && !other.teams().iter().all(|team| game.teams().contains(team))
        };
        let games = self.world.games.iter().map(|played| &played.game).filter(is_other);
        let Some(other) = games.min_by_key(|other| other.date).copied() else { return };
        if fetched_at < evening.until {
            self.add_under_id(
                key,
                &other,
                Snapshot { fetched_at, number: 0, points_scored: 0.0, days_moved: 0 },
            );
        }
    }
    /// Adds a fetch of a game's odds under the id of another event.
    fn add_under_id(&mut self, key: &str, game: &Game, snapshot: Snapshot) {
        let evening = Evening { date: game.date, tip_off: game.tip_off(), until: game.tip_off() };
        let payload = odds::payload(self.world, game, &evening, snapshot);
        let payload = with_event_id(&payload, key);
        self.add(Feed::OddsapiEventOdds, key.to_owned(), snapshot.fetched_at, payload);
    }
    /// Adds the odds that are fetched after tip-off, if these faults occur: those of the game in progress, and those of another game under
    /// the same event id.
    fn add_odds_after_tip_off(&mut self, game: &Game, evening: &Evening, key: &str, number: usize) {
        let faults = &self.world.season.faults;
        if self.random(Decision::InPlay, game, evening).chance(faults.in_play_updates) {
            let fetched_at = Timestamp(evening.tip_off.0 + 40 * MINUTE);
            let snapshot = Snapshot { fetched_at, number, points_scored: 3.0, days_moved: 0 };
            let payload = odds::payload(self.world, game, evening, snapshot);
            self.add(Feed::OddsapiEventOdds, key.to_owned(), fetched_at, payload);
        }
        let mut reused = self.random(Decision::ReusedEvent, game, evening);
        if reused.chance(self.world.season.faults.reused_events) {
            let fetched_at = Timestamp(evening.tip_off.0 + MINUTE * i64::from(reused.between(60, 800)));
            let is_later = |other: &&Game| {
                other.date > evening.date && other.teams().iter().any(|team| game.teams().contains(team))
            };
            let games = self.world.games.iter().map(|played| &played.game);
            let next = games.filter(is_later).min_by_key(|other| other.date).copied();
            // The last game of both teams: the event is used for the same game on another day.
            let (next, days_moved) = next.map_or((*game, 2), |next| (next, 0));
            let snapshot = Snapshot { fetched_at, number: 0, points_scored: 0.0, days_moved };
            self.add_under_id(key, &next, snapshot);
        }
    }
}

/// Returns an event under another event id.
fn with_event_id(payload: &str, id: &str) -> Value {
    // The payload is JSON, because it was serialized.
    let mut event: Value = serde_json::from_str(payload).unwrap_or_default();
    event["id"] = json!(id);
    event
}
