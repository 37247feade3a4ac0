//! The polls of a night: which feed is fetched at which time, with which payload.
//!
//! Invariant: each feed is polled at a constant interval. The key of a request is the same all night.
//! Not here: the quotes (`night::odds`), the payloads of the other feeds (`feeds`).
use super::{odds::GameOdds, parameters::Night};
use crate::{
    calendar::{Evening, Game},
    event::ScraperEvent,
    feeds::{balldontlie, injuries, people, schedule},
    play::{self, Played},
    publish::{Fetch, MINUTE, publish},
    random::{Decision, Random},
    world::World,
};
use schemas::{
    GameId, Team, Timestamp,
    raw::{Feed, FetchOutcome},
};
use serde_json::Value;

/// Minutes from the time of an injury report to its fetch.
const REPORT_DELAY: i64 = 3;
/// Minutes for which the live box scores list a game after its end.
const FINAL_MINUTES: i64 = 10;

/// One poll. The order of the variants is that of polls at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Poll {
    PlayerList,
    Roster(Team),
    Schedule,
    /// The report of this hour and minute.
    Report(i8, i8),
    BoxScores,
    /// The odds of the game with this index.
    Odds(usize),
}

pub(super) struct Polls<'a> {
    night: &'a Night,
    world: &'a World<'a>,
    played: Vec<Played>,
    odds: Vec<GameOdds>,
    starts_at: Timestamp,
}

impl<'a> Polls<'a> {
    pub fn new(night: &'a Night, world: &'a World<'a>) -> Polls<'a> {
        let played = played(night, world);
        let date = played.first().map_or(world.first_day, |played| played.game.date);
        let starts_at = date.at(night.starts_at.0, night.starts_at.1);
        let odds = played.iter().map(|played| GameOdds::new(night, world, &played.game, starts_at)).collect();
        Polls { night, world, played, odds, starts_at }
    }
    pub fn publish<E>(
        mut self,
        mut publish_event: impl FnMut(ScraperEvent) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut events = vec![];
        for (number, (fetched_at, poll)) in self.polls().into_iter().enumerate() {
            for fetch in self.fetches(fetched_at, poll, number) {
                publish(&self.night.season, fetch, &mut events);
            }
            events.drain(..).try_for_each(&mut publish_event)?;
        }
        Ok(())
    }
    fn length(&self) -> i64 {
        MINUTE * i64::from(self.night.game_minutes)
    }
    /// Returns the times of all polls, in order.
    fn polls(&self) -> Vec<(Timestamp, Poll)> {
        let tip_offs = || self.played.iter().map(|played| played.game.tip_off());
        let first = tip_offs().min().unwrap_or(self.starts_at);
        let last = tip_offs().max().unwrap_or(self.starts_at);
        let ended_at = Timestamp(last.0 + self.length() + FINAL_MINUTES * MINUTE);
        let every = |from: Timestamp, until: Timestamp, seconds: i32| {
            (0..)
                .map(move |number| plus_seconds(from, number * seconds))
                .take_while(move |time| *time < until)
        };
        let Night { odds_seconds, box_score_seconds, report_minutes, schedule_minutes, .. } = *self.night;
        let mut polls = vec![(self.starts_at, Poll::PlayerList)];
        polls.extend(self.world.league.teams.iter().map(|&team| (self.starts_at, Poll::Roster(team))));
        polls.extend(
            every(self.starts_at, ended_at, 60 * schedule_minutes).map(|time| (time, Poll::Schedule)),
        );
        for reported_at in every(self.starts_at, last, 60 * report_minutes) {
            let minute = (reported_at.0 - self.starts_at.0) / MINUTE;
            let minute = 60 * i64::from(self.night.starts_at.0) + i64::from(self.night.starts_at.1) + minute;
            let poll = Poll::Report((minute / 60) as i8, (minute % 60) as i8);
            polls.push((Timestamp(reported_at.0 + REPORT_DELAY * MINUTE), poll));
        }
        polls.extend(every(first, ended_at, box_score_seconds).map(|time| (time, Poll::BoxScores)));
        let odds_end = plus_seconds(self.starts_at, 60 * self.night.minutes);
        for time in every(self.starts_at, odds_end, odds_seconds) {
            // The scraper fetches the games of a poll one after the other, one in each second.
            polls
                .extend((0..self.odds.len()).map(|game| (plus_seconds(time, game as i32), Poll::Odds(game))));
        }
        polls.sort_unstable();
        polls
    }
    fn fetches(&mut self, fetched_at: Timestamp, poll: Poll, number: usize) -> Vec<Fetch> {
        let season = &self.night.season;
        let fetch = |feed, key: String, payload: Value| {
            vec![Fetch { feed, key, fetched_at, outcome: None, payload: payload.to_string() }]
        };
        let date = self.starts_at.eastern_date();
        match poll {
            Poll::PlayerList => {
                fetch(Feed::NbacomPlayerList, season.name(), people::player_list(self.world, date))
            }
            Poll::Roster(team) => {
                fetch(Feed::EspnRoster, team.code().to_owned(), people::roster(self.world, team, date))
            }
            Poll::Schedule => fetch(Feed::NbacomSchedule, season.name(), self.schedule(fetched_at)),
            Poll::Report(hour, minute) => {
                let report = injuries::Report {
                    date,
                    hour,
                    minute: Some(minute),
                    not_submitted: season.faults.unsubmitted_reports,
                };
                let evening = |game: &Game| Evening { date, tip_off: game.tip_off(), until: game.tip_off() };
                let games = self.played.iter().map(|played| &played.game);
                let upcoming: Vec<(&Game, Evening)> = games
                    .filter(|game| fetched_at < game.tip_off())
                    .map(|game| (game, evening(game)))
                    .collect();
                if upcoming.is_empty() {
                    return vec![];
                }
                let payload = injuries::payload(self.world, report, &upcoming);
                fetch(Feed::NbacomInjuryReport, date.to_string(), payload)
            }
            Poll::BoxScores => {
                let end = |game: &Game| game.tip_off().0 + self.length() + FINAL_MINUTES * MINUTE;
                let is_listed = |played: &&Played| fetched_at.0 < end(&played.game);
                let listed = self.played.iter().filter(is_listed);
                let games: Vec<Played> =
                    listed.filter_map(|played| played.at(fetched_at, self.length())).collect();
                let payload = balldontlie::live_boxes(self.world, fetched_at, number, &games);
                fetch(Feed::BalldontlieBoxScores, "live".to_owned(), payload)
            }
            Poll::Odds(game) => {
                let is_fetched = |(key, payload, is_empty)| Fetch {
                    feed: Feed::OddsapiEventOdds,
                    key,
                    fetched_at,
                    outcome: if is_empty { Some(FetchOutcome::EmptyOk) } else { None },
                    payload,
                };
                self.odds[game].poll(self.night, fetched_at).into_iter().map(is_fetched).collect()
            }
        }
    }
    /// Returns the schedule of all games of the season and of the night.
    fn schedule(&self, fetched_at: Timestamp) -> Value {
        let phase = |played: &Played| {
            let Some(live) = played.at(fetched_at, self.length()) else { return schedule::GamePhase::Ahead };
            let (home, away) = (live.home.points(), live.away.points());
            match live.quarter() {
                Some(quarter) => schedule::GamePhase::Live(quarter, home, away),
                None => schedule::GamePhase::Final(home, away),
            }
        };
        let games = self.world.games.iter().chain(&self.played);
        let mut entries: Vec<schedule::Entry<'_>> =
            games.map(|played| (&played.game, played.game.date, phase(played))).collect();
        entries.sort_by_key(|(game, date, _)| (*date, game.id));
        schedule::payload(self.night.season.year(), fetched_at, &entries)
    }
}

/// Returns the games of the night as they are played, ordered by tip-off.
fn played(night: &Night, world: &World<'_>) -> Vec<Played> {
    let season_games = || world.games.iter().map(|played| played.game);
    let date = season_games().map(|game| game.date).max().unwrap_or(world.first_day).plus_days(2);
    let last_id = season_games().map(|game| game.id.0).max().unwrap_or_default();
    let mut teams = world.league.teams.clone();
    Random::for_decision(night.season.seed, Decision::Night, &[]).shuffle(&mut teams);
    let pairs = teams.chunks_exact(2).take(night.games).enumerate();
    let games = pairs.map(|(index, pair)| {
        let minutes = 60 * i32::from(night.starts_at.0) + i32::from(night.starts_at.1) + night.tip_off(index);
        let clock = ((minutes / 60) as i8, (minutes % 60) as i8);
        let id = GameId(last_id + 1 + index as u32);
        let [home, away] = [pair[0], pair[1]];
        let game = Game { id, home, away, date, clock, is_neutral: false, postponement: None };
        play::play(&night.season, &world.league, &game)
    });
    games.collect()
}

/// Returns the time a number of seconds later.
fn plus_seconds(time: Timestamp, seconds: i32) -> Timestamp {
    Timestamp(time.0 + 1000 * i64::from(seconds))
}
