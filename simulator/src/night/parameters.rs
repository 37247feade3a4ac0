//! The parameters of a night of polling.
//!
//! Invariant: without faults of its season, a night has none.
//! Not here: the simulation (`night::polls`).
use crate::parameters::Season;

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
    /// Returns the minutes from the first poll to a game's tip-off. Tip-offs are a multiple of five minutes after the first poll.
    pub(crate) fn tip_off(&self, game: usize) -> i32 {
        let (first, last) = self.tip_off_minutes;
        let intervals = (self.games as i32 - 1).max(1);
        (first + (last - first) * game as i32 / intervals) / 5 * 5
    }
}
