//! oddsapi/event-odds: the quotes of several bookmakers on the points of one game's players.
//!
//! Invariant: a book's line changes from one snapshot to the next only if the fault `line_moves` occurs. BetRivers and Unibet share a price
//! feed. No `last_update` is later than the fetch.
//! Not here: the spellings of names (`names`).
use crate::{
    calendar::{Evening, Game},
    league::Player,
    play::defense_factor,
    random::{Decision, Random},
    world::{Speller, World},
};
use schemas::{EasternDate, Team, Timestamp};
use serde::Serialize;

/// The key, the title and the number of the price feed of each book. Books with the same number quote the same lines and prices.
pub(crate) const BOOKS: [(&str, &str, u64); 10] = [
    ("draftkings", "DraftKings", 0),
    ("bovada", "Bovada", 1),
    ("betrivers", "BetRivers", 2),
    ("unibet_us", "Unibet", 2),
    ("fanduel", "FanDuel", 3),
    ("betmgm", "BetMGM", 4),
    ("williamhill_us", "Caesars", 5),
    ("betonlineag", "BetOnline.ag", 6),
    ("mybookieag", "MyBookie.ag", 7),
    ("pointsbetus", "PointsBet (US)", 8),
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
/// A book with its market on the points of the players.
#[derive(Serialize)]
pub(crate) struct Bookmaker {
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
/// The price of one side of one line on a player.
#[derive(Clone, Serialize)]
pub(crate) struct Outcome {
    pub name: &'static str,
    pub description: String,
    pub price: i32,
    pub point: f64,
}
impl Bookmaker {
    /// `book` is an index of `BOOKS`.
    pub fn new(book: usize, last_update: Timestamp, outcomes: Vec<Outcome>) -> Bookmaker {
        let (key, title, _) = BOOKS[book];
        let last_update = last_update.to_string();
        Bookmaker { key, title, markets: [Market { key: "player_points", last_update, outcomes }] }
    }
}

/// One fetch of the odds for a game.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Snapshot {
    pub fetched_at: Timestamp,
    /// Number of earlier snapshots of the same game.
    pub number: usize,
    /// Number of points that is subtracted from every line; more than 0 only if the game is already in progress.
    pub points_scored: f64,
    /// Number of days by which the event is listed later than its game; negative if earlier.
    pub days_moved: i32,
}

/// Returns the-odds-api's id of a game on a day. A rescheduled game gets another id.
pub(crate) fn event_id(world: &World<'_>, game: &Game, evening: &Evening) -> String {
    let subject = [u64::from(game.id.0), evening.date.0 as u64];
    let mut random = Random::for_decision(world.season.seed, Decision::OddsEvent, &subject);
    format!("{:016x}{:016x}", random.next(), random.next())
}

pub(crate) fn payload(world: &World<'_>, game: &Game, evening: &Evening, snapshot: Snapshot) -> String {
    let [home, away] = game.teams();
    let quoted: Vec<(&Player, f64)> = [(home, away), (away, home)]
        .into_iter()
        .flat_map(|(team, opponent)| expected_points(world, team, opponent, evening.date, 8))
        .collect();
    let books = BOOKS.iter().enumerate().take(world.season.books);
    let bookmakers = books.map(|(book, &(_, _, feed))| {
        let subject = [u64::from(game.id.0), evening.date.0 as u64, feed, snapshot.number as u64];
        let age = Random::for_decision(world.season.seed, Decision::Quote, &subject).between(20, 150);
        let mut outcomes = vec![];
        for &(player, expected) in &quoted {
            let spelling = world.spelling(player, Speller::Book(book)).joined();
            for ladder_line in ladder(world, player, expected, &subject) {
                let point = (ladder_line.line - snapshot.points_scored).max(0.5);
                for (name, price) in [("Over", Some(ladder_line.over)), ("Under", ladder_line.under)] {
                    let description = spelling.clone();
                    outcomes.extend(price.map(|price| Outcome { name, description, price, point }));
                }
            }
        }
        Bookmaker::new(book, Timestamp(snapshot.fetched_at.0 - 1000 * i64::from(age)), outcomes)
    });
    let commences_at = game.tip_off_on(evening.date.plus_days(snapshot.days_moved));
    event(event_id(world, game, evening), game, commences_at, bookmakers.collect())
}

/// Returns the payload with an event.
pub(crate) fn event(id: String, game: &Game, commences_at: Timestamp, bookmakers: Vec<Bookmaker>) -> String {
    let event = Event {
        id,
        sport_key: "basketball_nba",
        sport_title: "NBA",
        commence_time: commences_at.to_string(),
        home_team: full_name(game.home),
        away_team: full_name(game.away),
        bookmakers,
    };
    // Serialization cannot fail, since all fields are text and finite numbers.
    serde_json::to_string(&event).unwrap_or_default()
}

struct LadderLine {
    line: f64,
    over: i32,
    under: Option<i32>,
}

/// Returns one book's lines on a player: no line if the book does not quote the player, several lines if its price feed has line ladders.
/// `subject` consists of the game id, the day, the number of the price feed, and the number of the snapshot.
fn ladder(world: &World<'_>, player: &Player, expected: f64, subject: &[u64; 4]) -> Vec<LadderLine> {
    let [game, day, feed, snapshot] = *subject;
    let subject = [game, day, feed, player.index as u64, 1];
    let mut random = Random::for_decision(world.season.seed, Decision::Quote, &subject);
    let is_quoted = random.chance(0.85);
    let estimate = expected + 0.8 * random.normal();
    let is_one_sided = random.chance(world.season.faults.one_sided_quotes);
    let mut middle = estimate.floor() + 0.5;
    for _ in 0..snapshot {
        if random.chance(world.season.faults.line_moves) {
            middle += random.pick(&[-1.0, -1.0, -0.5, 0.5, 1.0, 1.0]);
        }
    }
    let offsets = if feed == 2 && expected > 12.0 { -2..=2 } else { 0..=0 };
    let ladder_lines = offsets.map(|offset| {
        let line = (middle + f64::from(offset)).max(0.5);
        let margin = (estimate - line) / 6.0;
        let over = (0.5 + 0.4 * margin / (1.0 + margin.abs())).clamp(0.1, 0.9);
        let under = (!is_one_sided).then(|| american_price(1.0 - over));
        LadderLine { line, over: american_price(over), under }
    });
    // If `middle` were 3 or lower, several lines of a ladder could be equal, because no line is below half a point.
    if is_quoted && middle > 3.0 { ladder_lines.collect() } else { vec![] }
}

/// Returns the American price of an outcome with this probability. The book's margin is 4.5 percent; prices are multiples of five.
pub(crate) fn american_price(probability: f64) -> i32 {
    let break_even = probability * 1.045;
    let price = if break_even >= 0.5 {
        -100.0 * break_even / (1.0 - break_even)
    } else {
        100.0 * (1.0 - break_even) / break_even
    };
    (price / 5.0).round() as i32 * 5
}

/// Returns the best available players of a team, with their expected points. The minutes of absent players are distributed over all
/// available players.
pub(crate) fn expected_points<'a>(
    world: &'a World<'_>,
    team: Team,
    opponent: Team,
    date: EasternDate,
    count: usize,
) -> Vec<(&'a Player, f64)> {
    let available = world.league.squad(team, date).available;
    let total = 48.0 * available.len().min(5) as f64;
    let scale = total / available.iter().map(|player| player.minutes).sum::<f64>();
    let scoring = defense_factor(world.season, opponent);
    let points = |player: &Player| (player.minutes * scale).min(48.0) * player.points_per_minute() * scoring;
    available.into_iter().take(count).map(|player| (player, points(player))).collect()
}

/// Returns a team's full name in the-odds-api, which writes "Los Angeles" for both teams of the city.
fn full_name(team: Team) -> String {
    match team {
        Team::LAC => "Los Angeles Clippers".to_owned(),
        other => format!("{} {}", other.city(), other.name()),
    }
}
