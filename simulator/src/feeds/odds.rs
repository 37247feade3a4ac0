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
use schemas::{Instant, Team};
use serde_json::{Value, json};

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

/// What one fetch of an event's odds finds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Snapshot {
    pub fetched_at: Instant,
    /// How many were taken before it.
    pub number: usize,
    /// Points already off the lines because the game is on.
    pub played_off: f64,
}

/// The-odds-api's id of a game on a day: another day is another event.
pub(crate) fn event_id(world: &World<'_>, game: &Game, evening: &Evening) -> String {
    let about = [u64::from(game.id.0), evening.date.0 as u64];
    let mut random = Random::of(world.season.seed, Question::OddsEvent, &about);
    format!("{:016x}{:016x}", random.next(), random.next())
}

pub(crate) fn payload(world: &World<'_>, game: &Game, evening: &Evening, snapshot: Snapshot) -> Value {
    let quoted: Vec<(&Player, f64)> = game
        .teams()
        .into_iter()
        .flat_map(|team| {
            let opponent = if team == game.home { game.away } else { game.home };
            let players = world.league.squad(team, evening.date).available.into_iter().take(8);
            players.map(move |player| (player, expected_points(world, player, opponent)))
        })
        .collect();
    let books = BOOKS.iter().enumerate().take(world.season.books).map(|(book, &(key, title, feed))| {
        let about = [u64::from(game.id.0), evening.date.0 as u64, feed, snapshot.number as u64];
        let age = Random::of(world.season.seed, Question::Quote, &about).between(20, 150);
        let outcomes = quoted.iter().flat_map(|&(player, expected)| {
            let name = world.spelling(player, Speller::Book(book)).joined();
            ladder(world, player, expected, &about).into_iter().flat_map(move |rung| {
                let line = (rung.line - snapshot.played_off).max(0.5);
                let over = json!({"name": "Over", "description": name, "price": rung.over, "point": line});
                let under = rung.under.map(
                    |price| json!({"name": "Under", "description": name, "price": price, "point": line}),
                );
                [Some(over), under].into_iter().flatten()
            })
        });
        json!({
            "key": key, "title": title,
            "markets": [{
                "key": "player_points",
                "last_update": Instant(snapshot.fetched_at.0 - 1000 * i64::from(age)).to_string(),
                "outcomes": outcomes.collect::<Vec<_>>(),
            }],
        })
    });
    json!({
        "id": event_id(world, game, evening),
        "sport_key": "basketball_nba",
        "sport_title": "NBA",
        "commence_time": evening.tip_off.to_string(),
        "home_team": full_name(game.home),
        "away_team": full_name(game.away),
        "bookmakers": books.collect::<Vec<_>>(),
    })
}

struct Rung {
    line: f64,
    over: i32,
    under: Option<i32>,
}

/// One book's lines on a player: empty when it offers none, several around the middle from the feed that has ladders.
/// `about` is game, day, feed and snapshot.
fn ladder(world: &World<'_>, player: &Player, expected: f64, about: &[u64; 4]) -> Vec<Rung> {
    let [game, day, feed, snapshot] = *about;
    let about = [game, day, feed, player.index as u64, 1];
    let mut random = Random::of(world.season.seed, Question::Quote, &about);
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
    let rungs = steps.map(|step| {
        let line = (middle + f64::from(step)).max(0.5);
        let lean = (opinion - line) / 6.0;
        let over = (0.5 + 0.4 * lean / (1.0 + lean.abs())).clamp(0.1, 0.9);
        Rung { line, over: american(over), under: (!one_sided).then(|| american(1.0 - over)) }
    });
    // Below a point and a half the rungs would fall on one another.
    if offered && middle > 3.0 { rungs.collect() } else { vec![] }
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

fn expected_points(world: &World<'_>, player: &Player, opponent: Team) -> f64 {
    player.minutes * player.points_per_minute() * leakiness(world.season, opponent)
}

/// the-odds-api writes out Los Angeles for both of its teams.
fn full_name(team: Team) -> String {
    match team {
        Team::LAC => "Los Angeles Clippers".to_owned(),
        other => format!("{} {}", other.city(), other.name()),
    }
}
