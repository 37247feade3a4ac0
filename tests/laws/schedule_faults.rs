//! Faults of schedules: wrong and late fetches, games that move or get another opponent, and games that begin before their stated tip-off.
//!
//! Invariant: the same random numbers give the same events. Events are added; the only change of an event of the history is that a later fetch
//! of the schedule lacks a game.
//! Not here: the faults of all feeds (`faults`), the fixture that follows from the statements (`schedule_model`).
use crate::{
    faults::{HOUR, SECOND, copy, retractions},
    random::Random,
};
use schemas::{
    Timestamp,
    raw::{Feed, FetchOutcome, RawEvent},
};
use serde_json::{Value, json};

const MINUTE: i64 = 60 * SECOND;

/// The line, in points, of all quotes that are fetched during a game. No other quote has it.
pub const LINE_IN_PLAY: f64 = 77.5;

/// Adds up to three events for each of `count` faults of schedules, and sorts the history by fetch time.
pub fn with_schedule_faults(mut events: Vec<RawEvent>, count: usize, random: &mut Random) -> Vec<RawEvent> {
    let schedules: Vec<&RawEvent> = events
        .iter()
        .filter(|event| event.feed == Feed::NbacomSchedule && event.retraction.is_none())
        .collect();
    let mut added: Vec<RawEvent> = Vec::new();
    // What is stated of these games since these instants is stated for the last time.
    let mut lasting: Vec<(Value, Timestamp)> = Vec::new();
    for _ in 0..if schedules.is_empty() { 0 } else { count } {
        if random.percent(25) {
            added.extend(game_in_play(&events, &schedules, random));
            continue;
        }
        let Some((game, changed)) = changed_game(random.pick(&schedules), random) else { continue };
        if random.percent(40) {
            lasting.extend(changed.first().map(|changed| (game, changed.fetched_at)));
        }
        if random.percent(25) {
            added.extend(changed.first().map(|wrong| retractions(wrong, random)).unwrap_or_default());
        }
        added.extend(changed);
    }
    if random.percent(20) {
        added.extend(schedules.first().map(|first| retractions(first, random)).unwrap_or_default());
    }
    for (game, since) in &lasting {
        for event in events.iter_mut().filter(|event| event.fetched_at > *since) {
            *event = without_game(event, game).unwrap_or_else(|| event.clone());
        }
    }
    events.extend(added);
    events.sort_by_key(|event| event.fetched_at);
    events
}

/// Returns a fetch of the schedule that lacks a game; `None` if the event is none or has nothing to lack.
fn without_game(event: &RawEvent, game: &Value) -> Option<RawEvent> {
    if event.feed != Feed::NbacomSchedule || event.retraction.is_some() {
        return None;
    }
    let mut payload: Value = serde_json::from_str(&event.payload).ok()?;
    for day in payload.pointer_mut("/leagueSchedule/gameDates")?.as_array_mut()? {
        day.get_mut("games")?.as_array_mut()?.retain(|listed| listed["gameId"] != *game);
    }
    Some(copy(event, event.key.clone(), event.fetched_at.0, event.outcome, &payload))
}

/// The schedule is fetched again, and states something else about one game: a mistake or a change, before or after its tip-off. It may be
/// fetched again as before.
pub fn changed_schedule(event: &RawEvent, random: &mut Random) -> Vec<RawEvent> {
    changed_game(event, random).map(|(_, events)| events).unwrap_or_default()
}

/// As [`changed_schedule`], with the id of the game.
fn changed_game(event: &RawEvent, random: &mut Random) -> Option<(Value, Vec<RawEvent>)> {
    let mut payload: Value = serde_json::from_str(&event.payload).ok()?;
    let games: Vec<Value> = games_of(&payload).cloned().collect();
    let changed = games.get(random.below(games.len()))?;
    let (id, tip_off) = (changed["gameId"].clone(), tip_off(changed)?);
    if random.percent(70) {
        // The fetch is of this game only.
        retain_game(&mut payload, &id);
    }
    let restored = payload.clone();
    let game = games_mut(&mut payload).find(|game| game["gameId"] == id)?;
    for _ in 0..1 + random.below(2) {
        change(game, tip_off, &games, random);
    }
    let key = event.key.clone();
    let at = random.pick(&[event.fetched_at.0, tip_off.0, tip_off.0]);
    let hours = random.pick(&[-72, -24, -2, -1, 0, 0, 1, 5, 24, 72]);
    let at = at + hours * HOUR + random.pick(&[0, 0, -10 * MINUTE, 10 * MINUTE]);
    let mut events = vec![copy(event, key.clone(), at, FetchOutcome::Complete, &payload)];
    if random.percent(40) {
        let at = at + random.pick(&[0, SECOND, HOUR, 3 * HOUR, 30 * HOUR, 240 * HOUR]);
        events.push(copy(event, key, at, FetchOutcome::Complete, &restored));
    }
    Some((id, events))
}

/// Changes what a schedule states about a game. `games` are all games of the schedule.
fn change(game: &mut Value, tip_off: Timestamp, games: &[Value], random: &mut Random) {
    match random.below(10) {
        0 => move_to(game, Timestamp(tip_off.0 + random.pick(&[-48, -24, 24, 48]) * HOUR)),
        1 => move_to(game, Timestamp(tip_off.0 + random.pick(&[-3, -1, 1, 2]) * HOUR)),
        2 | 3 => {
            // To the day of another game of one of the teams, or to the day after it.
            let teams = |game: &Value| {
                ["homeTeam", "awayTeam"].map(|side| game[side]["teamTricode"].as_str().map(str::to_owned))
            };
            let own = teams(game);
            let others = games.iter().filter(|other| teams(other).iter().any(|team| own.contains(team)));
            let tip_offs: Vec<Timestamp> = others.filter_map(self::tip_off).collect();
            if !tip_offs.is_empty() {
                move_to(game, Timestamp(random.pick(&tip_offs).0 + random.pick(&[-2, 0, 1, 24]) * HOUR));
            }
        }
        4 => match random.below(3) {
            0 => game["gameStatusText"] = json!("TBD"),
            1 => game["gameDateTimeUTC"] = json!(tip_off.eastern_date().at(0, 0).to_string()),
            _ => game["gameDateTimeUTC"] = Value::Null,
        },
        5 => game["gameStatusText"] = json!("PPD"),
        6 => game["postponedStatus"] = json!("Y"),
        7 => {
            let other = games[random.below(games.len())]["homeTeam"]["teamTricode"].clone();
            game[random.pick(&["homeTeam", "awayTeam"])]["teamTricode"] = other;
        }
        8 => game["gameStatus"] = json!(random.pick(&[1, 2])),
        _ => {
            game["gameStatus"] = json!(3);
            game["homeTeam"]["score"] = json!(101);
            game["awayTeam"]["score"] = json!(99);
        }
    }
}

/// A game begins before its stated tip-off: the schedule reports it as live, and afterwards odds are fetched.
fn game_in_play(events: &[RawEvent], schedules: &[&RawEvent], random: &mut Random) -> Vec<RawEvent> {
    let odds: Vec<&RawEvent> = events.iter().filter(|event| event.feed == Feed::OddsapiEventOdds).collect();
    if odds.is_empty() {
        return Vec::new();
    }
    let quoted = random.pick(&odds);
    let schedule = random.pick(schedules);
    let (Ok(mut quotes), Ok(mut payload)) =
        (serde_json::from_str::<Value>(&quoted.payload), serde_json::from_str::<Value>(&schedule.payload))
    else {
        return Vec::new();
    };
    let is_quoted = |game: &&Value| {
        let home = &game["homeTeam"];
        let name = format!("{} {}", home["teamCity"].as_str()?, home["teamName"].as_str()?);
        let commences_at: Timestamp = quotes["commence_time"].as_str()?.parse().ok()?;
        (quotes["home_team"] == name && tip_off(game) == Some(commences_at)).then_some(commences_at)
    };
    let found = games_of(&payload).find_map(|game| Some((game["gameId"].clone(), is_quoted(&game)?)));
    let Some((game, stated)) = found else { return Vec::new() };
    retain_game(&mut payload, &game);
    for game in games_mut(&mut payload) {
        game["gameStatus"] = json!(2);
        game["gameStatusText"] = json!("Q1");
    }
    let at = stated.0 - random.pick(&[1, MINUTE, 20 * MINUTE, 3 * HOUR]);
    let live = copy(schedule, schedule.key.clone(), at, FetchOutcome::Complete, &payload);
    let mut added: Vec<RawEvent> = [0, random.pick(&[SECOND, 10 * MINUTE, HOUR])]
        .map(|delay| {
            mark_in_play(&mut quotes, Timestamp(at + delay));
            copy(quoted, quoted.key.clone(), at + delay, FetchOutcome::Complete, &quotes)
        })
        .to_vec();
    if random.percent(20) {
        added.extend(retractions(&live, random));
    }
    added.push(live);
    added
}

/// Changes all quotes to those of a game in play, which the books updated at an instant.
fn mark_in_play(value: &mut Value, updated_at: Timestamp) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match name.as_str() {
                    "point" => *field = json!(LINE_IN_PLAY),
                    "last_update" => *field = json!(updated_at.to_string()),
                    _ => mark_in_play(field, updated_at),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| mark_in_play(item, updated_at)),
        _ => {}
    }
}

fn tip_off(game: &Value) -> Option<Timestamp> {
    game["gameDateTimeUTC"].as_str()?.parse().ok()
}

/// States another tip-off of a game, and its Eastern date.
fn move_to(game: &mut Value, tip_off: Timestamp) {
    game["gameDateTimeUTC"] = json!(tip_off.to_string());
    game["gameDateEst"] = json!(format!("{}T00:00:00Z", tip_off.eastern_date()));
}

/// Returns the games of a schedule.
fn games_of(payload: &Value) -> impl Iterator<Item = &Value> {
    let days = payload.pointer("/leagueSchedule/gameDates").and_then(Value::as_array);
    let games = days.into_iter().flatten().filter_map(|day| day.get("games")?.as_array()).flatten();
    games.filter(|game| game.is_object())
}

fn games_mut(payload: &mut Value) -> impl Iterator<Item = &mut Value> {
    let days = payload.pointer_mut("/leagueSchedule/gameDates").and_then(Value::as_array_mut);
    let games = days.into_iter().flatten().filter_map(|day| day.get_mut("games")?.as_array_mut()).flatten();
    games.filter(|game| game.is_object())
}

/// Removes all games except one from a schedule.
fn retain_game(payload: &mut Value, id: &Value) {
    let Some(days) = payload.pointer_mut("/leagueSchedule/gameDates").and_then(Value::as_array_mut) else {
        return;
    };
    for day in &mut *days {
        if let Some(games) = day.get_mut("games").and_then(Value::as_array_mut) {
            games.retain(|game| game["gameId"] == *id);
        }
    }
    days.retain(|day| day["games"].as_array().is_some_and(|games| !games.is_empty()));
}
