//! Links of histories: an operator links spellings of the history to players or to nobody, with limits, and withdraws links.
//!
//! Invariant: the same random numbers give the same events; no event of the history is changed, links are only added.
//! Not here: the links for nicknames, which the simulator publishes; retractions of links (`faults`).
use crate::random::Random;
use schemas::{
    Team, Timestamp,
    raw::{Feed, FetchOutcome, RawEvent, Source},
};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

const DAY_MS: i64 = 86_400_000;
/// An id that no fetch of nba.com lists.
const UNKNOWN_PLAYER: i64 = 9_999_999;

/// Adds the events of up to eight links of a few spellings, at any time from a day before the first fetch to a week after the last.
pub fn with_links(mut events: Vec<RawEvent>, random: &mut Random) -> Vec<RawEvent> {
    let mut found = Found::default();
    for event in &events {
        if let Ok(payload) = serde_json::from_str(&event.payload) {
            found.collect(&payload);
        }
    }
    let (Some(first), Some(last)) = (events.first(), events.last()) else { return events };
    let (first, last) = (first.fetched_at.0 - DAY_MS, last.fetched_at.0 + 7 * DAY_MS);
    let all_spellings: Vec<String> = found.spellings.into_iter().collect();
    let players: Vec<i64> = found.players.into_iter().collect();
    let teams: Vec<Team> = found.teams.into_iter().collect();
    if all_spellings.is_empty() || players.is_empty() {
        return events;
    }
    let spellings: Vec<&String> =
        (0..1 + random.below(3)).map(|_| &all_spellings[random.below(all_spellings.len())]).collect();
    let at = |random: &mut Random| Timestamp(first + random.below((last - first) as usize) as i64);
    // A few limits occur several times, so that links are replaced and withdrawn.
    let limits: Vec<Map<String, Value>> = (0..2).map(|_| limits(at(random), &teams, random)).collect();
    for number in 0..1 + random.below(8) {
        let mut link =
            if random.percent(30) { Map::new() } else { limits[random.below(limits.len())].clone() };
        link.insert("spelling".into(), json!(spellings[random.below(spellings.len())]));
        match random.below(10) {
            0..5 => _ = link.insert("player_id".into(), json!(players[random.below(players.len())])),
            5 => _ = link.insert("player_id".into(), json!(UNKNOWN_PLAYER)),
            6..8 => _ = link.insert("player_id".into(), Value::Null),
            _ => _ = link.insert("nobody".into(), json!(true)),
        }
        let payload = json!({"links": [link]}).to_string();
        let (feed, key) = (Feed::OperatorIdentityLinks, format!("link {number}"));
        events.push(RawEvent::new(feed, key, at(random), FetchOutcome::Complete, payload));
    }
    events.sort_by_key(|event| event.fetched_at);
    events
}

fn limits(at: Timestamp, teams: &[Team], random: &mut Random) -> Map<String, Value> {
    let mut limits = Map::new();
    if random.percent(40) && !teams.is_empty() {
        limits.insert("team".into(), json!(random.pick(teams).to_string()));
    }
    if random.percent(30) {
        let sources = [Source::Nbacom, Source::Balldontlie, Source::Espn, Source::Oddsapi];
        limits.insert("source".into(), json!(random.pick(&sources).to_string()));
    }
    if random.percent(30) {
        limits.insert("from".into(), json!(at.eastern_date().to_string()));
    }
    limits
}

/// The names that books, rosters and reports contain, and the players and teams that nba.com's game log lists.
#[derive(Default)]
struct Found {
    spellings: BTreeSet<String>,
    players: BTreeSet<i64>,
    teams: BTreeSet<Team>,
}
impl Found {
    fn collect(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => {
                for field in ["description", "fullName", "player"] {
                    self.spellings.extend(fields.get(field).and_then(Value::as_str).map(str::to_owned));
                }
                let headers = fields.get("headers").and_then(Value::as_array).cloned().unwrap_or_default();
                let column = |name: &str| headers.iter().position(|header| header == name);
                let (player, team) = (column("PLAYER_ID"), column("TEAM_ABBREVIATION"));
                for row in fields.get("rowSet").and_then(Value::as_array).into_iter().flatten() {
                    self.players.extend(player.and_then(|column| row.get(column)?.as_i64()));
                    let team = team.and_then(|column| Team::from_source_name(row.get(column)?.as_str()?));
                    self.teams.extend(team);
                }
                fields.values().for_each(|field| self.collect(field));
            }
            Value::Array(items) => items.iter().for_each(|item| self.collect(item)),
            _ => {}
        }
    }
}
