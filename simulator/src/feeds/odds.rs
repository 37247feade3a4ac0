//! oddsapi/event-odds: what several books offer on the points of one game's players.
//!
//! Invariant: a book's line stands from one snapshot to the next unless it moves. BetRivers and Unibet are one feed. No
//! update is later than the fetch.
//! Not here: who may be quoted under which name.
use crate::{
    calendar::{Evening, Game},
    league::Player,
    play::leakiness,
    random::{Question, Random},
    world::{Speller, World},
};
use schemas::{EasternDate, Team, Timestamp};
use serde::Serialize;

/// Key, title, and the feed that its lines come from.
const BOOKS: [(&str, &str, u64); 8] = [
    ("draftkings", "DraftKings", 0),
    ("bovada", "Bovada", 1),
    ("betrivers", "BetRivers", 2),
    ("unibet_us", "Unibet", 2),
    ("fanduel", "FanDuel", 3),
    ("betmgm", "BetMGM", 4),
    ("williamhill_us", "Caesars", 5),
    ("betonlineag", "BetOnline.ag", 6),
];

#[derive(Serialize)]
struct Event {
    id: String,
    sport_key: &'static str,
    sport_title: &'static str,
    commence_time: String,
    home_team: String,
    away_team: String,
    bookmakers: Vec<Bookmaker>,
}
#[derive(Serialize)]
struct Bookmaker {
    key: &'static str,
    title: &'static str,
    markets: [Market; 1],
}
#[derive(Serialize)]
struct Market {
    key: &'static str,
    last_update: String,
    outcomes: Vec<Outcome>,
}
#[derive(Serialize)]
struct Outcome {
    name: &'static str,
    description: String,
    price: i32,
    point: f64,
}

/// What one fetch of an event's odds finds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Snapshot {
    pub fetched_at: Timestamp,
    /// How many were taken before it.
    pub number: usize,
    /// Points already off the lines because the game is on.
    pub played_off: f64,
}

/// The-odds-api's id of a game on a day: another day is another event.
pub(crate) fn event_id(world: &World<'_>, game: &Game, evening: &Evening) -> String {
    let about = [u64::from(game.id.0), evening.date.0 as u64];
    let mut random = Random::for_question(world.season.seed, Question::OddsEvent, &about);
    format!("{:016x}{:016x}", random.next(), random.next())
}

pub(crate) fn payload(world: &World<'_>, game: &Game, evening: &Evening, snapshot: Snapshot) -> String {
    let [home, away] = game.teams();
    let quoted: Vec<(&Player, f64)> = [(home, away), (away, home)]
        .into_iter()
        .flat_map(|(team, opponent)| expected_points(world, team, opponent, evening.date))
        .collect();
    let books = BOOKS.iter().enumerate().take(world.season.books);
    let bookmakers = books.map(|(book, &(key, title, feed))| {
        let about = [u64::from(game.id.0), evening.date.0 as u64, feed, snapshot.number as u64];
        let age = Random::for_question(world.season.seed, Question::Quote, &about).between(20, 150);
        let mut outcomes = vec![];
        for &(player, expected) in &quoted {
            let spelling = world.spelling(player, Speller::Book(book)).joined();
            for ladder_line in ladder(world, player, expected, &about) {
                let point = (ladder_line.line - snapshot.played_off).max(0.5);
                for (name, price) in [("Over", Some(ladder_line.over)), ("Under", ladder_line.under)] {
                    let description = spelling.clone();
                    outcomes.extend(price.map(|price| Outcome { name, description, price, point }));
                }
            }
        }
        let last_update = Timestamp(snapshot.fetched_at.0 - 1000 * i64::from(age)).to_string();
        Bookmaker { key, title, markets: [Market { key: "player_points", last_update, outcomes }] }
    });
    let event = Event {
        id: event_id(world, game, evening),
        sport_key: "basketball_nba",
        sport_title: "NBA",
        commence_time: evening.tip_off.to_string(),
        home_team: full_name(home),
        away_team: full_name(away),
        bookmakers: bookmakers.collect(),
    };
    // Nothing in it can fail to be written as JSON.
    serde_json::to_string(&event).unwrap_or_default()
}

struct LadderLine {
    line: f64,
    over: i32,
    under: Option<i32>,
}

/// One book's lines on a player: empty when it offers none, several around the middle from the feed that has ladders.
/// `about` is game, day, feed and snapshot.
fn ladder(world: &World<'_>, player: &Player, expected: f64, about: &[u64; 4]) -> Vec<LadderLine> {
    let [game, day, feed, snapshot] = *about;
    let about = [game, day, feed, player.index as u64, 1];
    let mut random = Random::for_question(world.season.seed, Question::Quote, &about);
    let offered = random.chance(0.85);
    let opinion = expected + 0.8 * random.normal();
    let one_sided = random.chance(world.season.faults.one_sided_quotes);
    let mut middle = opinion.floor() + 0.5;
    for _ in 0..snapshot {
        if random.chance(world.season.faults.line_moves) {
            middle += random.pick(&[-1.0, -1.0, -0.5, 0.5, 1.0, 1.0]);
        }
    }
    let steps = if feed == 2 && expected > 12.0 { -2..=2 } else { 0..=0 };
    let ladder_lines = steps.map(|step| {
        let line = (middle + f64::from(step)).max(0.5);
        let lean = (opinion - line) / 6.0;
        let over = (0.5 + 0.4 * lean / (1.0 + lean.abs())).clamp(0.1, 0.9);
        LadderLine { line, over: american(over), under: (!one_sided).then(|| american(1.0 - over)) }
    });
    // Below a point and a half the ladder_lines would fall on one another.
    if offered && middle > 3.0 { ladder_lines.collect() } else { vec![] }
}

/// The price of an outcome in American odds, with a margin of 4.5 % and in steps of five.
fn american(probability: f64) -> i32 {
    let break_even = probability * 1.045;
    let written = if break_even >= 0.5 {
        -100.0 * break_even / (1.0 - break_even)
    } else {
        100.0 * (1.0 - break_even) / break_even
    };
    (written / 5.0).round() as i32 * 5
}

/// The eight best who can play, with the points to be expected of them: the minutes of the absent are shared out.
fn expected_points<'a>(
    world: &'a World<'_>,
    team: Team,
    opponent: Team,
    date: EasternDate,
) -> Vec<(&'a Player, f64)> {
    let available = world.league.squad(team, date).available;
    let total = 48.0 * available.len().min(5) as f64;
    let scale = total / available.iter().map(|player| player.minutes).sum::<f64>();
    let scoring = leakiness(world.season, opponent);
    let points = |player: &Player| (player.minutes * scale).min(48.0) * player.points_per_minute() * scoring;
    available.into_iter().take(8).map(|player| (player, points(player))).collect()
}

/// the-odds-api writes out Los Angeles for both of its teams.
fn full_name(team: Team) -> String {
    match team {
        Team::LAC => "Los Angeles Clippers".to_owned(),
        other => format!("{} {}", other.city(), other.name()),
    }
}
