//! A season that never was: seeded, deterministic, in the payload shapes of the sources, with faults on request.
//!
//! It serves the demo and the tests. Nothing in it is copied from a source: players, ids, scores and lines are invented.
//! Invariant: the same [`Season`] gives the same bytes, on any machine, in any year. No clock, no environment, no files.
//! Not here: what to make of the events.
mod calendar;
mod event;
mod feeds;
mod league;
mod names;
mod play;
mod random;
mod scenario;
mod season;
mod world;

pub use event::ScraperEvent;
pub use scenario::{GameDay, game_day, tiny};

/// What goes wrong, each as a share of the occasions on which it can, 0–1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// Events published a second time, byte for byte.
    pub duplicates: f64,
    /// Answers fetched once more ten minutes later, unchanged.
    pub refetches: f64,
    /// Days whose box scores one source has one to five days late.
    pub late_box_scores: f64,
    /// Games of which a basket is credited to the wrong team-mate until a refetch a day later. Team totals stand.
    pub corrected_box_scores: f64,
    /// Days whose box scores come without one team at first, said to be partial.
    pub missing_teams: f64,
    /// Names that balldontlie, ESPN or a book spells in its own way: without suffix or accents, last name first, with an
    /// initial, or by a nickname, of which an operator tells two days into the season.
    pub name_variants: f64,
    /// Healthy reserves who are not played: "00" at balldontlie, no row at nba.com.
    pub dnps: f64,
    /// Games called off three hours before tip-off, re-dated some days later under the same id, then played.
    pub postponements: f64,
    /// Lines that a book moves from one snapshot to the next.
    pub line_moves: f64,
    /// Quotes without an Under.
    pub one_sided_quotes: f64,
    /// Games whose odds are fetched again 40 minutes after tip-off.
    pub in_play_updates: f64,
    /// Answers that an hour before were empty, and said to be so by right.
    pub empty_answers: f64,
}
impl Faults {
    /// Everything goes wrong as often as this.
    pub const fn all(rate: f64) -> Faults {
        Faults {
            duplicates: rate,
            refetches: rate,
            late_box_scores: rate,
            corrected_box_scores: rate,
            missing_teams: rate,
            name_variants: rate,
            dnps: rate,
            postponements: rate,
            line_moves: rate,
            one_sided_quotes: rate,
            in_play_updates: rate,
            empty_answers: rate,
        }
    }
}

/// A regular season to be simulated.
#[derive(Clone, Debug, PartialEq)]
pub struct Season {
    pub seed: u64,
    /// 2000–2045.
    pub start_year: i16,
    /// 2–30; fewer than thirty are drawn.
    pub teams: usize,
    /// With an odd number of teams somebody may get one less.
    pub games_per_team: usize,
    /// 1–15.
    pub players_per_team: usize,
    /// Days from one fetch of the player list and the rosters to the next.
    pub roster_days: i32,
    /// Fetches of a game's odds before it, 0–6.
    pub odds_snapshots: usize,
    /// Books that quote, 0–8; from the third on with ladders of lines.
    pub books: usize,
    /// Injury reports fetched on a game day, 0–4.
    pub injury_reports: usize,
    /// Whether balldontlie is fetched too.
    pub balldontlie: bool,
    /// Pairs of teams that swap two players half-way.
    pub trades: usize,
    pub faults: Faults,
}
impl Season {
    /// Thirty teams, 82 games each, every feed, no faults.
    pub const fn new(seed: u64, start_year: i16) -> Season {
        Season {
            seed,
            start_year,
            teams: 30,
            games_per_team: 82,
            players_per_team: 13,
            roster_days: 7,
            odds_snapshots: 3,
            books: 6,
            injury_reports: 2,
            balldontlie: true,
            trades: 0,
            faults: Faults::all(0.0),
        }
    }
    /// Every event of the season, ordered by the time of its fetch.
    pub fn events(&self) -> Vec<ScraperEvent> {
        season::events(self)
    }
    const fn year(&self) -> schemas::Season {
        schemas::Season(self.start_year)
    }
    /// "2024-25".
    fn name(&self) -> String {
        self.year().to_string()
    }
}
