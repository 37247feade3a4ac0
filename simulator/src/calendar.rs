//! The calendar: who meets whom, where, on which day, at what time.
//!
//! Invariant: no team plays twice a day, or on three days in a row unless a postponed game is made up. A game keeps its id
//! when it is re-dated.
//! Not here: who wins.
use crate::{
    Season,
    random::{Question, Random},
};
use jiff::civil;
use schemas::{EasternDate, GameId, Team, Timestamp};
use std::collections::HashSet;

/// A game called off on the day it was planned for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Postponement {
    pub planned: EasternDate,
    pub called_off_at: Timestamp,
    pub redated_at: Timestamp,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Game {
    pub id: GameId,
    pub home: Team,
    pub away: Team,
    /// The day on which it is played.
    pub date: EasternDate,
    /// Hour and minute of its tip-off in New York.
    pub clock: (i8, i8),
    pub neutral: bool,
    pub postponement: Option<Postponement>,
}

/// A day on which a game was to be played, and until when that was believed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evening {
    pub date: EasternDate,
    pub tip_off: Timestamp,
    /// The tip-off, or the moment it was called off.
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
    /// The day first planned: what the season's schedule says before the season.
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

/// The first Tuesday from 21 October on.
pub(crate) fn first_day(start_year: i16) -> EasternDate {
    let earliest = civil::date(start_year, 10, 21);
    let to_tuesday = (1 - earliest.weekday().to_monday_zero_offset()).rem_euclid(7);
    EasternDate::from_civil(earliest).plus_days(i32::from(to_tuesday))
}

/// Six days from the Friday on or after 13 February.
fn all_star_break(start_year: i16) -> std::ops::Range<EasternDate> {
    let earliest = civil::date(start_year + 1, 2, 13);
    let to_friday = (4 - earliest.weekday().to_monday_zero_offset()).rem_euclid(7);
    let friday = EasternDate::from_civil(earliest).plus_days(i32::from(to_friday));
    friday..friday.plus_days(6)
}

/// Days on which each team plays.
type Busy = HashSet<(Team, EasternDate)>;

/// The games in the order of their ids, which is that of the days first planned.
pub(crate) fn games(season: &Season, teams: &[Team]) -> Vec<Game> {
    let mut busy = Busy::new();
    let mut games = plan(season, pairings(season, teams), &mut busy);
    let pause = all_star_break(season.start_year);
    for game in &mut games {
        let mut random = Random::for_question(season.seed, Question::Postponement, &[u64::from(game.id.0)]);
        if !random.chance(season.faults.postponements) {
            continue;
        }
        let planned = game.date;
        let mut date = planned.plus_days(random.between(7, 20));
        while pause.contains(&date) || game.teams().iter().any(|&team| busy.contains(&(team, date))) {
            date = date.plus_days(1);
        }
        busy.extend(game.teams().map(|team| (team, date)));
        game.date = date;
        game.postponement = Some(Postponement {
            planned,
            called_off_at: game.tip_off_on(planned).plus_hours(-3),
            redated_at: planned.plus_days(random.between(2, 5)).at(12, 0),
        });
    }
    games
}

/// Rounds of a round robin (circle method) until everybody has his games; who is at home alternates from one to the next.
fn pairings(season: &Season, teams: &[Team]) -> Vec<[Team; 2]> {
    let mut random = Random::for_question(season.seed, Question::Rounds, &[]);
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
        this_round.iter().flatten().for_each(|&team| played[team as usize] += 1);
        random.shuffle(&mut this_round);
        pairings.extend(this_round);
        order[1..].rotate_right(1);
    }
    pairings
}

/// Days for the pairings, in about their order: each team plays three to four times a week.
fn plan(season: &Season, mut pairings: Vec<[Team; 2]>, busy: &mut Busy) -> Vec<Game> {
    const WEEKDAY: [f64; 7] = [1.1, 0.9, 1.3, 0.5, 1.4, 1.1, 0.8];
    let pause = all_star_break(season.start_year);
    let mut games = vec![];
    let mut date = first_day(season.start_year);
    while !pairings.is_empty() {
        let mut random = Random::for_question(season.seed, Question::Days, &[date.0 as u64]);
        let weekday = date.civil().weekday().to_monday_zero_offset() as usize;
        let wanted = random.round(season.teams as f64 / 4.0 * WEEKDAY[weekday]) as usize;
        let free = |team: Team, busy: &Busy| {
            let on = |days| busy.contains(&(team, date.plus_days(days)));
            !(on(0) || on(-1) && on(-2))
        };
        let mut today = vec![];
        while !pause.contains(&date) && today.len() < wanted {
            let Some(next) = pairings.iter().position(|pair| pair.iter().all(|&team| free(team, busy)))
            else {
                break;
            };
            let pair = pairings.remove(next);
            busy.extend(pair.map(|team| (team, date)));
            today.push(pair);
        }
        for [home, away] in today {
            let id = GameId(id_base(season) + games.len() as u32 + 1);
            let about = [u64::from(id.0)];
            let clock =
                clock(&mut Random::for_question(season.seed, Question::TipOff, &about), home, weekday);
            let neutral = Random::for_question(season.seed, Question::Site, &about).chance(1.0 / 250.0);
            games.push(Game { id, home, away, date, clock, neutral, postponement: None });
        }
        date = date.plus_days(1);
    }
    games
}

/// `00 2 YY 00000`.
fn id_base(season: &Season) -> u32 {
    20_000_000 + 100_000 * u32::from(season.start_year.rem_euclid(100).unsigned_abs())
}

/// Evening in the home team's arena, as the clock in New York shows it; now and then a Sunday matinée.
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
