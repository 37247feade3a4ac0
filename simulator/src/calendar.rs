//! The calendar: the games of a season with their teams, site, day and time.
//!
//! Invariant: no team plays twice on a day, nor on three consecutive days unless one of the games was postponed. A rescheduled game
//! keeps its id.
//! Not here: the results (`play`).
use crate::{
    parameters::Season,
    random::{Decision, Random},
};
use jiff::civil;
use schemas::{EasternDate, GameId, Team, Timestamp};
use std::collections::HashSet;

/// The postponement of a game: it was called off on its planned day and rescheduled to a later day.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Postponement {
    pub planned: EasternDate,
    pub called_off_at: Timestamp,
    pub rescheduled_at: Timestamp,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Game {
    pub id: GameId,
    pub home: Team,
    pub away: Team,
    /// The day on which the game is played.
    pub date: EasternDate,
    /// Hour and minute of the tip-off in New York time.
    pub clock: (i8, i8),
    pub is_neutral: bool,
    pub postponement: Option<Postponement>,
}

/// A day for which a game was scheduled. A postponed game has two: the planned day, and the day on which it is played.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evening {
    pub date: EasternDate,
    pub tip_off: Timestamp,
    /// The end of fetches for the game on this day: its tip-off, or the time at which it was called off.
    pub until: Timestamp,
}

impl Game {
    pub fn teams(&self) -> [Team; 2] {
        [self.home, self.away]
    }
    pub fn tip_off(&self) -> Timestamp {
        self.tip_off_on(self.date)
    }
    pub fn tip_off_on(&self, date: EasternDate) -> Timestamp {
        date.at(self.clock.0, self.clock.1)
    }
    /// Returns the day of the game in the schedule that was published before the season.
    pub fn planned(&self) -> EasternDate {
        self.postponement.map_or(self.date, |postponement| postponement.planned)
    }
    pub fn evenings(&self) -> Vec<Evening> {
        let called_off = self.postponement.map(|postponement| Evening {
            date: postponement.planned,
            tip_off: self.tip_off_on(postponement.planned),
            until: postponement.called_off_at,
        });
        let tip_off = self.tip_off();
        called_off.into_iter().chain([Evening { date: self.date, tip_off, until: tip_off }]).collect()
    }
}

/// Returns the first day of a season: the first Tuesday on or after October 21.
pub(crate) fn first_day(start_year: i16) -> EasternDate {
    let earliest = civil::date(start_year, 10, 21);
    let to_tuesday = (1 - earliest.weekday().to_monday_zero_offset()).rem_euclid(7);
    EasternDate::from_civil(earliest).plus_days(i32::from(to_tuesday))
}

/// Returns the days without games: six days from the first Friday on or after February 13.
fn all_star_break(start_year: i16) -> std::ops::Range<EasternDate> {
    let earliest = civil::date(start_year + 1, 2, 13);
    let to_friday = (4 - earliest.weekday().to_monday_zero_offset()).rem_euclid(7);
    let friday = EasternDate::from_civil(earliest).plus_days(i32::from(to_friday));
    friday..friday.plus_days(6)
}

/// The days on which each team plays.
type GameDays = HashSet<(Team, EasternDate)>;

/// Returns the games of the season, ordered by id. Ids ascend with the planned days.
pub(crate) fn games(season: &Season, teams: &[Team]) -> Vec<Game> {
    let mut game_days = GameDays::new();
    let mut games = plan(season, pairings(season, teams), &mut game_days);
    let all_star_break = all_star_break(season.start_year);
    for game in &mut games {
        let mut random = Random::for_decision(season.seed, Decision::Postponement, &[u64::from(game.id.0)]);
        if !random.chance(season.faults.postponements) {
            continue;
        }
        let planned = game.date;
        let mut date = planned.plus_days(random.between(7, 20));
        while all_star_break.contains(&date)
            || game.teams().iter().any(|&team| game_days.contains(&(team, date)))
        {
            date = date.plus_days(1);
        }
        game_days.extend(game.teams().map(|team| (team, date)));
        game.date = date;
        game.postponement = Some(Postponement {
            planned,
            called_off_at: game.tip_off_on(planned).plus_hours(-3),
            rescheduled_at: planned.plus_days(random.between(2, 5)).at(12, 0),
        });
    }
    games
}

/// Pairs the teams by the circle method of round-robin tournaments, until every team has its number of games. After all teams have met
/// once, the next cycle begins with the same pairings, including which team is at home.
fn pairings(season: &Season, teams: &[Team]) -> Vec<[Team; 2]> {
    let mut random = Random::for_decision(season.seed, Decision::Rounds, &[]);
    let mut order: Vec<Option<Team>> = teams.iter().copied().map(Some).collect();
    random.shuffle(&mut order);
    if order.len() % 2 == 1 {
        order.push(None);
    }
    let size = order.len();
    let mut pairings = vec![];
    let mut played = vec![0usize; Team::ALL.len()];
    for round in 0.. {
        let cycle = round / (size - 1);
        let mut this_round: Vec<[Team; 2]> = (0..size / 2)
            .filter_map(|i| order[i].zip(order[size - 1 - i]).map(|(a, b)| (i, a, b)))
            .map(|(i, a, b)| if (i + round + cycle).is_multiple_of(2) { [a, b] } else { [b, a] })
            .filter(|pair| pair.iter().all(|&team| played[team as usize] < season.games_per_team))
            .collect();
        if teams.iter().filter(|&&team| played[team as usize] < season.games_per_team).count() < 2 {
            break;
        }
        for &team in this_round.iter().flatten() {
            played[team as usize] += 1;
        }
        random.shuffle(&mut this_round);
        pairings.extend(this_round);
        order[1..].rotate_right(1);
    }
    pairings
}

/// Assigns days to the pairings, roughly in their order: each team plays three to four times a week.
fn plan(season: &Season, mut pairings: Vec<[Team; 2]>, game_days: &mut GameDays) -> Vec<Game> {
    const WEEKDAY_FACTORS: [f64; 7] = [1.1, 0.9, 1.3, 0.5, 1.4, 1.1, 0.8];
    let all_star_break = all_star_break(season.start_year);
    let mut games = vec![];
    let mut date = first_day(season.start_year);
    while !pairings.is_empty() {
        let mut random = Random::for_decision(season.seed, Decision::Days, &[date.0 as u64]);
        let weekday = date.civil().weekday().to_monday_zero_offset() as usize;
        let target = random.round(season.teams as f64 / 4.0 * WEEKDAY_FACTORS[weekday]) as usize;
        let is_free = |team: Team, game_days: &GameDays| {
            let plays = |days| game_days.contains(&(team, date.plus_days(days)));
            !(plays(0) || plays(-1) && plays(-2))
        };
        let mut today = vec![];
        while !all_star_break.contains(&date) && today.len() < target {
            let is_possible = |pair: &[Team; 2]| pair.iter().all(|&team| is_free(team, game_days));
            let Some(next) = pairings.iter().position(is_possible) else { break };
            let pair = pairings.remove(next);
            game_days.extend(pair.map(|team| (team, date)));
            today.push(pair);
        }
        for [home, away] in today {
            let id = GameId(id_base(season) + games.len() as u32 + 1);
            let subject = [u64::from(id.0)];
            let clock =
                clock(&mut Random::for_decision(season.seed, Decision::TipOff, &subject), home, weekday);
            let is_neutral = Random::for_decision(season.seed, Decision::Site, &subject).chance(1.0 / 250.0);
            games.push(Game { id, home, away, date, clock, is_neutral, postponement: None });
        }
        date = date.plus_days(1);
    }
    games
}

/// Returns the number to which a game's sequence number (from 1) is added to get its id. Written as a game id, it is `00 2 YY 00000`.
fn id_base(season: &Season) -> u32 {
    20_000_000 + 100_000 * u32::from(season.start_year.rem_euclid(100).unsigned_abs())
}

/// Draws a tip-off in New York time. It is in the evening in the home team's time zone; on Sundays, it is sometimes in the afternoon.
fn clock(random: &mut Random, home: Team, weekday: usize) -> (i8, i8) {
    use Team::*;
    if weekday == 6 && random.chance(0.3) {
        return random.pick(&[(13, 0), (15, 30)]);
    }
    match home {
        GSW | LAC | LAL | PHX | POR | SAC => random.pick(&[(22, 0), (22, 0), (22, 30)]),
        DEN | UTA => random.pick(&[(21, 0), (21, 30)]),
        CHI | DAL | HOU | MEM | MIL | MIN | NOP | OKC | SAS => random.pick(&[(20, 0), (20, 0), (20, 30)]),
        _ => random.pick(&[(19, 0), (19, 30), (19, 30)]),
    }
}
