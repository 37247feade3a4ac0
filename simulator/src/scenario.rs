//! Two seasons ready for use: the game day of the demo, and tiny random histories for law tests.
//!
//! Invariant: of the game day's slate nothing is known before [`GameDay::after`] begins but what precedes a tip-off.
//! Not here: how a season is made.
use crate::{
    Faults, ScraperEvent, Season,
    random::{Question, Random},
    world::World,
};
use schemas::{EasternDate, GameId, Timestamp};

/// A league some weeks into its season, on an evening before its games.
#[derive(Clone, Debug)]
pub struct GameDay {
    /// The day of the slate.
    pub date: EasternDate,
    /// The games of the slate.
    pub games: Vec<GameId>,
    /// 18:30 in New York, before the first tip-off: what parts the two streams.
    pub now: Timestamp,
    /// Everything fetched by `now`: history, rosters, injury reports and odds of the evening.
    pub before: Vec<ScraperEvent>,
    /// What follows until the next noon: the late games' last odds, scores and box scores.
    pub after: Vec<ScraperEvent>,
}

/// Fourteen teams with at least fifteen games each behind them, and the fullest evening after that.
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
            empty_answers: 0.01,
            ..Faults::default()
        },
        ..Season::new(seed, 2024)
    };
    let world = World::new(&season);
    let mut date = world.first_day;
    let mut most = 0;
    let mut played = vec![0; schemas::Team::ALL.len()];
    for (day, games) in world.days() {
        let enough = world.league.teams.iter().all(|&team| played[team as usize] >= 15);
        let evening = games.iter().all(|played| played.game.clock >= (19, 0));
        if enough && evening && games.len() > most {
            (date, most) = (day, games.len());
        }
        games.iter().flat_map(|played| played.game.teams()).for_each(|team| played[team as usize] += 1);
    }
    let on_slate = world.games.iter().filter(|played| played.game.date == date);
    let games = on_slate.map(|played| played.game.id).collect();
    let now = date.at(18, 30);
    let (before, mut after): (Vec<_>, Vec<_>) =
        season.events().into_iter().partition(|event| event.fetched_at <= now);
    after.retain(|event| event.fetched_at <= date.plus_days(1).at(12, 0));
    GameDay { date, games, now, before, after }
}

/// Two to four teams, a handful of games, and any mixture of faults: small enough for thousands of cases.
pub fn tiny(seed: u64) -> Vec<ScraperEvent> {
    let mut random = Random::for_question(seed, Question::Tiny, &[]);
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
        empty_answers: rate() * 0.3,
    };
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
        faults,
        ..Season::new(seed, 2020 + random.below(6) as i16)
    }
    .events()
}
