//! A night of polling: after a season, many games on one evening, with feeds that a scraper polls every few seconds or minutes.
//!
//! Invariant: the events depend only on the parameters. No fact is fetched before it can be known.
//! Not here: the season before the night (`fetches`), the polls (`night::polls`), the changes of the odds (`night::odds`).
mod odds;
mod polls;

use crate::{
    calendar::Game,
    event::ScraperEvent,
    parameters::Season,
    play::{self, Played},
    random::{Decision, Random},
    world::World,
};
use schemas::{GameId, Timestamp};
use std::convert::Infallible;

/// The parameters of a night.
#[derive(Clone, Debug, PartialEq)]
pub struct Night {
    /// The season before the night. It has the teams, the players and the books of the night; the night is two days after its last game.
    /// Its faults occur in the events of the night too.
    pub season: Season,
    /// Number of games, at most half the number of teams.
    pub games: usize,
    /// Hour and minute in New York at which the polls begin.
    pub starts_at: (i8, i8),
    /// Minutes during which odds are polled.
    pub minutes: i32,
    /// Minutes from the first poll to the first tip-off and to the last. No tip-off may be after midnight.
    pub tip_off_minutes: (i32, i32),
    /// Minutes from tip-off to the end of a game.
    pub game_minutes: i32,
    /// Seconds from one poll of a game's odds to the next; more than the number of games.
    pub odds_seconds: i32,
    /// Seconds from one poll of the live box scores to the next.
    pub box_score_seconds: i32,
    /// Minutes from one injury report to the next; a divisor of 60.
    pub report_minutes: i32,
    /// Minutes from one poll of the schedule to the next.
    pub schedule_minutes: i32,
    /// Number of players per team whose points are quoted.
    pub quoted_players: usize,
    /// Mean minutes from one change of a book's quote on a player to the next.
    pub change_minutes: f64,
    /// Share of the changes that move the line, 0–1; the others move the price only.
    pub line_share: f64,
    /// Factor by which quotes change more often after tip-off.
    pub in_play_factor: f64,
    /// Seconds after which a book states a new `last_update`, even if none of its quotes has changed.
    pub update_seconds: i32,
    /// Mean hours from one withdrawal of a quote to the next. A withdrawn quote is offered again after some minutes.
    pub withdrawal_hours: f64,
    /// Number of regions, 1 or 2. Two regions are two requests with the same fetch time, each with a part of the books.
    pub regions: usize,
}

impl Night {
    /// Returns a night of eleven games: odds of ten books every 30 seconds for twelve hours, live box scores every 30 seconds, injury
    /// reports every 15 minutes, the schedule every 10 minutes.
    pub const fn new(seed: u64, start_year: i16) -> Night {
        Night {
            season: Season { teams: 22, games_per_team: 12, books: 10, ..Season::new(seed, start_year) },
            games: 11,
            starts_at: (10, 0),
            minutes: 12 * 60,
            tip_off_minutes: (540, 700),
            game_minutes: 150,
            odds_seconds: 30,
            box_score_seconds: 30,
            report_minutes: 15,
            schedule_minutes: 10,
            quoted_players: 11,
            change_minutes: 5.0,
            line_share: 0.2,
            in_play_factor: 3.0,
            update_seconds: 60,
            withdrawal_hours: 4.0,
            regions: 1,
        }
    }
    /// Returns a night for tests: two short games of four teams, and odds for 40 minutes.
    pub const fn small(seed: u64, start_year: i16) -> Night {
        let night = Night::new(seed, start_year);
        Night {
            season: Season { teams: 4, games_per_team: 6, ..night.season },
            games: 2,
            starts_at: (18, 30),
            minutes: 40,
            tip_off_minutes: (15, 20),
            game_minutes: 22,
            withdrawal_hours: 1.0,
            ..night
        }
    }
    /// Returns the events of the season before the night, ordered by fetch time.
    pub fn season_events(&self) -> Vec<ScraperEvent> {
        self.season.events()
    }
    /// Returns all events of the night, ordered by fetch time. A night of the default size has about a gigabyte.
    pub fn events(&self) -> Vec<ScraperEvent> {
        let mut events = vec![];
        let pushed: Result<(), Infallible> = self.try_for_each(|event| {
            events.push(event);
            Ok(())
        });
        match pushed {
            Ok(()) => events.sort_by_key(|event| event.fetched_at),
            Err(never) => match never {},
        }
        events
    }
    /// Calls a function with each event of the night, one after the other, until it returns an error. The events are ordered by fetch time
    /// if the season has no faults.
    pub fn try_for_each<E>(&self, publish: impl FnMut(ScraperEvent) -> Result<(), E>) -> Result<(), E> {
        let world = World::new(&self.season);
        polls::Polls::new(self, &world).publish(publish)
    }
    /// Returns the games of the night as they are played, ordered by tip-off.
    fn played(&self, world: &World<'_>) -> Vec<Played> {
        let season_games = || world.games.iter().map(|played| played.game);
        let date = season_games().map(|game| game.date).max().unwrap_or(world.first_day).plus_days(2);
        let last_id = season_games().map(|game| game.id.0).max().unwrap_or_default();
        let mut teams = world.league.teams.clone();
        Random::for_decision(self.season.seed, Decision::Night, &[]).shuffle(&mut teams);
        let pairs = teams.chunks_exact(2).take(self.games).enumerate();
        let games = pairs.map(|(index, pair)| {
            let minutes =
                60 * i32::from(self.starts_at.0) + i32::from(self.starts_at.1) + self.tip_off(index);
            let clock = ((minutes / 60) as i8, (minutes % 60) as i8);
            let id = GameId(last_id + 1 + index as u32);
            let [home, away] = [pair[0], pair[1]];
            let game = Game { id, home, away, date, clock, is_neutral: false, postponement: None };
            play::play(&self.season, &world.league, &game)
        });
        games.collect()
    }
    /// Returns the minutes from the first poll to a game's tip-off. Tip-offs are a multiple of five minutes after the first poll.
    fn tip_off(&self, game: usize) -> i32 {
        let (first, last) = self.tip_off_minutes;
        let intervals = (self.games as i32 - 1).max(1);
        (first + (last - first) * game as i32 / intervals) / 5 * 5
    }
}

/// Returns the time a number of seconds later.
fn plus_seconds(time: Timestamp, seconds: i32) -> Timestamp {
    Timestamp(time.0 + 1000 * i64::from(seconds))
}
