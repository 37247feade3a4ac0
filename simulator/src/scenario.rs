//! Two predefined seasons: the game day of the demo, and tiny random histories for property tests.
//!
//! Invariant: [`GameDay::before`] contains no fact about the games of the slate (the games of the demo's day) that is effective after the
//! tip-off of its game.
//! Not here: the construction of a season (`fetches`).
use crate::{
    event::ScraperEvent,
    parameters::{Faults, Season},
    random::{Decision, Random},
    world::World,
};
use schemas::{EasternDate, GameId, Timestamp};

/// A game day some weeks into a season. Its events are divided into those before and those after `now`, a time shortly before the first
/// tip-off.
#[derive(Clone, Debug)]
pub struct GameDay {
    /// The day of the slate.
    pub date: EasternDate,
    /// The games of the slate.
    pub games: Vec<GameId>,
    /// The time that separates the events of `before` and `after`: 18:30 in New York, which is before the first tip-off.
    pub now: Timestamp,
    /// The events fetched by `now`: all earlier days of the season, and the rosters, injury reports and odds for this day's games.
    pub before: Vec<ScraperEvent>,
    /// The events fetched after `now` and until noon of the next day: the last odds of the late games, scores and box scores.
    pub after: Vec<ScraperEvent>,
}

/// Generates a season of fourteen teams and returns the day with the most games. Considers only days before which every team has played at
/// least fifteen games, and on which no game starts before 19:00.
pub fn game_day(seed: u64) -> GameDay {
    let season = Season {
        teams: 14,
        games_per_team: 22,
        trades: 1,
        faults: Faults {
            duplicates: 0.01,
            late_box_scores: 0.03,
            corrected_box_scores: 0.03,
            missing_teams: 0.03,
            name_variants: 0.08,
            dnps: 0.04,
            postponements: 0.02,
            line_moves: 0.15,
            one_sided_quotes: 0.01,
            empty_responses: 0.01,
            ..Faults::default()
        },
        ..Season::new(seed, 2024)
    };
    let world = World::new(&season);
    let mut date = world.first_day;
    let mut max_games = 0;
    let mut games_played = vec![0; schemas::Team::ALL.len()];
    for (day, games) in world.days() {
        let has_history = world.league.teams.iter().all(|&team| games_played[team as usize] >= 15);
        let is_evening = games.iter().all(|played| played.game.clock >= (19, 0));
        if has_history && is_evening && games.len() > max_games {
            (date, max_games) = (day, games.len());
        }
        for team in games.iter().flat_map(|played| played.game.teams()) {
            games_played[team as usize] += 1;
        }
    }
    let on_slate = world.games.iter().filter(|played| played.game.date == date);
    let games = on_slate.map(|played| played.game.id).collect();
    let now = date.at(18, 30);
    let (before, mut after): (Vec<_>, Vec<_>) =
        season.events().into_iter().partition(|event| event.fetched_at <= now);
    after.retain(|event| event.fetched_at <= date.plus_days(1).at(12, 0));
    GameDay { date, games, now, before, after }
}

/// Generates a season of two to four teams with few games and random rates of faults, small enough for thousands of test cases.
pub fn tiny(seed: u64) -> Vec<ScraperEvent> {
    let mut random = Random::for_decision(seed, Decision::Tiny, &[]);
    let teams = 2 + random.below(3);
    let games = 4 + random.below(5);
    let mut rate = || if random.chance(0.5) { 0.0 } else { 0.6 * random.share() };
    let faults = Faults {
        duplicates: rate() * 0.3,
        refetches: rate() * 0.3,
        late_box_scores: rate(),
        corrected_box_scores: rate(),
        missing_teams: rate(),
        name_variants: rate(),
        dnps: rate(),
        postponements: rate(),
        line_moves: rate(),
        one_sided_quotes: rate(),
        in_play_updates: rate(),
        empty_responses: rate() * 0.3,
        ..Faults::default()
    };
    let faults = with_faults_of_fetches(seed, faults);
    Season {
        teams,
        games_per_team: (2 * games / teams).max(1),
        players_per_team: 3 + random.below(3),
        roster_days: 10 + random.between(0, 20),
        odds_snapshots: 1 + random.below(2),
        books: random.pick(&[1, 1, 1, 2, 3]),
        injury_reports: random.below(2),
        balldontlie: random.chance(0.3),
        trades: random.below(2),
        namesakes: random.pick(&[0, 0, 1, 2, 3]),
        faults,
        ..Season::new(seed, 2020 + random.below(6) as i16)
    }
    .events()
}

/// Adds random rates of the faults that concern what a fetch is: its outcome, request, parts and rows.
fn with_faults_of_fetches(seed: u64, faults: Faults) -> Faults {
    let mut random = Random::for_decision(seed, Decision::Tiny, &[1]);
    let mut rate = |greatest: f64| if random.chance(0.6) { 0.0 } else { greatest * random.share() };
    Faults {
        other_outcomes: rate(0.2),
        shared_instants: rate(0.6),
        dropped_regions: rate(0.6),
        moved_events: rate(0.5),
        repeated_events: rate(0.5),
        reused_events: rate(0.5),
        broken_rows: rate(0.3),
        live_box_scores: rate(0.6),
        unsubmitted_reports: rate(0.5),
        wrong_pairs: rate(0.5),
        ..faults
    }
}
