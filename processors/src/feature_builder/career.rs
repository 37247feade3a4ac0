//! What a player's appearances in all seasons add up to: exponentially weighted averages, shooting percentages, the level of the minutes.
//!
//! Appearances are added in order of time. At the start of a season, everything from earlier seasons loses weight, once even if the player
//! missed seasons in between.
//!
//! Invariant: the state depends only on the appearances added and their order. It is one pass: no appearance is read twice.
//! Not here: which appearances were known before a cutoff (`seasons`, `history`), the features (`player_form`).
use super::appearance::Appearance;
use crate::ewma::Ewma;
use schemas::{EasternDate, Season, Team, game::possessions_used, observation::BoxScoreStats};

/// At the start of a season, the weight of all earlier appearances in the averages is multiplied by this.
const SEASON_WEIGHT: f64 = 0.4;
/// At the start of a season, all earlier shots are multiplied by this.
const SEASON_SHOTS: f64 = 0.85;
/// With each appearance, all earlier shots are multiplied by this.
const SHOTS_PER_APPEARANCE: f64 = 0.998;
/// Points and minutes that a rate per minute has in addition to those of the player: 30 minutes of a player with 0.4 points per minute.
const PRIOR_MINUTES: f64 = 30.0;
const PRIOR_POINTS: f64 = 0.4 * PRIOR_MINUTES;

/// The averages with one span.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Averages {
    pub points: Ewma,
    pub luck_free_points: Ewma,
    pub minutes: Ewma,
    pub possessions_used: Ewma,
}
impl Averages {
    fn add(&mut self, decay: f64, game: &CareerGame) {
        self.points.add(decay, game.points);
        self.luck_free_points.add(decay, game.luck_free_points);
        self.minutes.add(decay, game.minutes);
        self.possessions_used.add(decay, game.possessions_used);
    }
    fn scale(&mut self, factor: f64) {
        for ewma in
            [&mut self.points, &mut self.luck_free_points, &mut self.minutes, &mut self.possessions_used]
        {
            ewma.scale(factor);
        }
    }
    /// Returns points per minute, drawn to 0.4 as if the player had played 30 more minutes with it.
    pub fn points_per_minute(&self) -> f64 {
        (self.points.sum() + PRIOR_POINTS) / (self.minutes.sum() + PRIOR_MINUTES)
    }
    /// Returns luck-free points per minute, drawn to 0.4 as if the player had played 30 more minutes with it.
    pub fn luck_free_points_per_minute(&self) -> f64 {
        (self.luck_free_points.sum() + PRIOR_POINTS) / (self.minutes.sum() + PRIOR_MINUTES)
    }
}

/// The numbers of one appearance that enter the averages.
struct CareerGame {
    points: f64,
    luck_free_points: f64,
    minutes: f64,
    possessions_used: f64,
}

/// Shots of one kind, with a prior: shots of an average player.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Shots {
    made: f64,
    attempted: f64,
    prior_share: f64,
    prior_attempts: f64,
}
impl Shots {
    const fn with_prior(prior_share: f64, prior_attempts: f64) -> Self {
        Shots { made: 0.0, attempted: 0.0, prior_share, prior_attempts }
    }
    fn add(&mut self, made: i32, attempted: i32) {
        self.made = self.made * SHOTS_PER_APPEARANCE + f64::from(made);
        self.attempted = self.attempted * SHOTS_PER_APPEARANCE + f64::from(attempted);
    }
    fn scale(&mut self, factor: f64) {
        self.made *= factor;
        self.attempted *= factor;
    }
    fn share_made(&self) -> f64 {
        (self.made + self.prior_share * self.prior_attempts) / (self.attempted + self.prior_attempts)
    }
}

/// The level of the minutes, as a Kalman filter estimates it: a level that changes by a variance of 2.5 per appearance and 0.15 per day (at
/// most 30 days), and minutes that differ from it by a variance of 36.
#[derive(Clone, Copy, Debug, PartialEq)]
struct MinutesLevel {
    mean: f64,
    variance: f64,
}
impl MinutesLevel {
    const NOISE: f64 = 36.0;
    const VARIANCE_PER_APPEARANCE: f64 = 2.5;
    const VARIANCE_PER_DAY: f64 = 0.15;
    const MAX_DAYS: i32 = 30;
    /// The days before the first appearance.
    const FIRST_DAYS: i32 = 10;
    const VARIANCE_PER_SEASON: f64 = 40.0;

    fn add(&mut self, minutes: f64, days: i32) {
        let added =
            Self::VARIANCE_PER_APPEARANCE + f64::from(days.min(Self::MAX_DAYS)) * Self::VARIANCE_PER_DAY;
        let variance = self.variance + added;
        let gain = variance / (variance + Self::NOISE);
        self.mean += gain * (minutes - self.mean);
        self.variance = (1.0 - gain) * variance;
    }
}

/// The latest appearance, as far as the next one is compared with it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Latest {
    season: Season,
    date: EasternDate,
    team: Team,
}

/// A player's career up to an instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Career {
    /// The averages with the spans 3, 8, 20 and 60.
    averages: [Averages; 4],
    threes: Shots,
    twos: Shots,
    free_throws: Shots,
    minutes_level: MinutesLevel,
    latest: Option<Latest>,
    /// Number of consecutive latest appearances for the team of the latest one.
    appearances_with_team: i32,
    /// Points and minutes in the season of the latest appearance.
    season_points: f64,
    season_minutes: f64,
    ppm_previous_season: Option<f64>,
}
impl Default for Career {
    fn default() -> Self {
        Career {
            averages: [Averages::default(); 4],
            threes: Shots::with_prior(0.355, 150.0),
            twos: Shots::with_prior(0.52, 120.0),
            free_throws: Shots::with_prior(0.76, 30.0),
            minutes_level: MinutesLevel { mean: 12.0, variance: 120.0 },
            latest: None,
            appearances_with_team: 0,
            season_points: 0.0,
            season_minutes: 0.0,
            ppm_previous_season: None,
        }
    }
}
impl Career {
    /// Returns the career at the start of a season, or during it.
    pub fn in_season(mut self, season: Season) -> Self {
        let Some(latest) = self.latest.filter(|latest| latest.season != season) else { return self };
        self.averages.iter_mut().for_each(|averages| averages.scale(SEASON_WEIGHT));
        for shots in [&mut self.threes, &mut self.twos, &mut self.free_throws] {
            shots.scale(SEASON_SHOTS);
        }
        self.minutes_level.variance += MinutesLevel::VARIANCE_PER_SEASON;
        self.ppm_previous_season = Some(self.season_points / self.season_minutes);
        (self.season_points, self.season_minutes) = (0.0, 0.0);
        self.latest = Some(Latest { season, ..latest });
        self
    }
    /// Adds the next appearance.
    pub fn with(self, appearance: &Appearance<'_>) -> Self {
        let season = appearance.game.season();
        let mut career = self.in_season(season);
        let game = career.game(appearance.stats);
        let decays = [Ewma::DECAY_3, Ewma::DECAY_8, Ewma::DECAY_20, Ewma::DECAY_60];
        for (averages, decay) in career.averages.iter_mut().zip(decays) {
            averages.add(decay, &game);
        }
        let BoxScoreStats { threes_made, threes_attempted, .. } = *appearance.stats;
        career.threes.add(threes_made, threes_attempted);
        let BoxScoreStats { field_goals_made, field_goals_attempted, .. } = *appearance.stats;
        career.twos.add(field_goals_made - threes_made, field_goals_attempted - threes_attempted);
        let BoxScoreStats { free_throws_made, free_throws_attempted, .. } = *appearance.stats;
        career.free_throws.add(free_throws_made, free_throws_attempted);
        let date = appearance.revision.date;
        let days = career.latest.map_or(MinutesLevel::FIRST_DAYS, |latest| date.0 - latest.date.0);
        career.minutes_level.add(game.minutes, days);
        let team = appearance.revision.team;
        let is_same_team = career.latest.is_some_and(|latest| latest.team == team);
        career.appearances_with_team = if is_same_team { career.appearances_with_team + 1 } else { 1 };
        career.season_points += game.points;
        career.season_minutes += game.minutes;
        career.latest = Some(Latest { season, date, team });
        career
    }
    /// Returns the numbers of an appearance. Luck-free points are the points that the player's attempts give with the player's percentages
    /// before this game.
    fn game(&self, stats: &BoxScoreStats) -> CareerGame {
        let twos_attempted = f64::from(stats.field_goals_attempted - stats.threes_attempted);
        CareerGame {
            points: f64::from(stats.points),
            luck_free_points: 3.0 * self.threes.share_made() * f64::from(stats.threes_attempted)
                + 2.0 * self.twos.share_made() * twos_attempted
                + self.free_throws.share_made() * f64::from(stats.free_throws_attempted),
            minutes: stats.playing_time.minutes(),
            possessions_used: possessions_used(
                stats.field_goals_attempted,
                stats.free_throws_attempted,
                stats.turnovers,
            ),
        }
    }
    /// Returns the averages with the spans 3, 8, 20 and 60; `None` if the player has not appeared in any season.
    pub fn averages(&self) -> Option<&[Averages; 4]> {
        self.latest.map(|_| &self.averages)
    }
    /// Returns the minutes that the player is expected to play if he appears: the mean of the averages with the spans 3 and 8.
    pub fn expected_minutes(&self) -> Option<f64> {
        let [averages_3, averages_8, ..] = &self.averages;
        Some(0.5 * averages_3.minutes.mean()? + 0.5 * averages_8.minutes.mean()?)
    }
    /// Returns the level of the minutes; `None` if the player has not appeared in any season.
    pub fn minutes_level(&self) -> Option<f64> {
        self.latest.map(|_| self.minutes_level.mean)
    }
    /// Returns points / minutes in the last season before that of the latest appearance (or of `in_season`) in which the player appeared.
    pub const fn ppm_previous_season(&self) -> Option<f64> {
        self.ppm_previous_season
    }
    /// Returns the number of consecutive latest appearances for a team; 0 if the latest appearance was for another one.
    pub fn appearances_with(&self, team: Team) -> i32 {
        let is_latest = self.latest.is_some_and(|latest| latest.team == team);
        if is_latest { self.appearances_with_team } else { 0 }
    }
}
