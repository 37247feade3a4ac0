//! The fetches of a season, with their faults.
//!
//! Invariant: no fact is fetched before it can be known. A fault (simulated defect of a source, see `Faults`) changes only the fetches in
//! which it occurs; at a rate of zero it changes nothing.
//! Not here: the payloads (`feeds`), the games (`play`).
use crate::{
    calendar::{Evening, Game},
    event::ScraperEvent,
    feeds::{self, balldontlie, gamelog, injuries, odds, people, schedule},
    parameters::Season,
    play::Played,
    random::{Decision, Random},
    world::World,
};
use schemas::{
    EasternDate, Team, Timestamp,
    raw::{Feed, FetchOutcome},
};
use serde_json::{Value, json};

/// Times (hour, minute) at which odds are fetched on the day of a game. A season with n snapshots per game uses the first n of them.
const ODDS_CLOCK: [(i8, i8); 6] = [(18, 15), (10, 0), (14, 0), (12, 0), (16, 0), (17, 0)];
/// Hours at which injury reports are fetched on a game day. A season with n reports per day uses the first n of them.
const REPORT_HOURS: [i8; 4] = [17, 11, 13, 15];
/// Milliseconds per minute.
const MINUTE: i64 = 60_000;

/// One fetch, to which `publish` adds faults (a duplicate, a refetch, an earlier empty response).
struct Fetch {
    feed: Feed,
    key: String,
    fetched_at: Timestamp,
    outcome: Option<FetchOutcome>,
    /// The response of the source, as JSON text.
    payload: String,
}

impl Season {
    /// Returns all events of the season, ordered by fetch time.
    pub fn events(&self) -> Vec<ScraperEvent> {
        let world = World::new(self);
        let mut fetches = Fetches { world: &world, fetches: vec![] };
        fetches.add_schedule();
        fetches.add_rosters();
        for (date, games) in &world.days() {
            fetches.add_results(*date, games);
        }
        fetches.add_evenings();
        fetches.add_links();
        let mut events = vec![];
        for fetch in fetches.fetches {
            publish(self, fetch, &mut events);
        }
        events.sort_by_key(|event| event.fetched_at);
        events
    }
}

struct Fetches<'a> {
    world: &'a World<'a>,
    fetches: Vec<Fetch>,
}

impl Fetches<'_> {
    fn add(&mut self, feed: Feed, key: String, fetched_at: Timestamp, payload: impl ToString) {
        let payload = payload.to_string();
        self.fetches.push(Fetch { feed, key, fetched_at, outcome: None, payload });
    }
    /// Adds a fetch of the planned schedule, two weeks before the season begins. For each postponement, adds two more: one that shows the
    /// game as postponed, and one with its new day.
    fn add_schedule(&mut self) {
        let world = self.world;
        let name = world.season.name();
        let announced_at = world.first_day.plus_days(-14).at(12, 0);
        let mut planned: Vec<schedule::Entry<'_>> = world
            .games
            .iter()
            .map(|Played { game, .. }| (game, game.planned(), schedule::GamePhase::Ahead))
            .collect();
        planned.sort_by_key(|(game, date, _)| (*date, game.id));
        let payload = schedule::payload(world.season.year(), announced_at, &planned);
        self.add(Feed::NbacomSchedule, name.clone(), announced_at, payload);
        for Played { game, .. } in &world.games {
            let Some(postponement) = game.postponement else { continue };
            for (fetched_at, date, phase) in [
                (postponement.called_off_at, postponement.planned, schedule::GamePhase::CalledOff),
                (postponement.rescheduled_at, game.date, schedule::GamePhase::Ahead),
            ] {
                let payload = schedule::payload(world.season.year(), fetched_at, &[(game, date, phase)]);
                self.add(Feed::NbacomSchedule, format!("{name}/{}", game.id), fetched_at, payload);
            }
        }
    }
    /// Adds repeated fetches of player lists and rosters, the first of them thirteen days before the season begins.
    fn add_rosters(&mut self) {
        let world = self.world;
        let last = world.games.iter().map(|played| played.game.date).max().unwrap_or(world.first_day);
        let mut date = world.first_day.plus_days(-13);
        while date <= last {
            let list = people::player_list(world, date);
            self.add(Feed::NbacomPlayerList, world.season.name(), date.at(7, 0), list);
            for (index, &team) in world.league.teams.iter().enumerate() {
                let fetched_at = Timestamp(date.at(7, 30).0 + 2_000 * index as i64);
                let roster = people::roster(world, team, date);
                self.add(Feed::EspnRoster, team.code().to_owned(), fetched_at, roster);
            }
            date = date.plus_days(world.season.roster_days.max(1));
        }
    }
    /// Adds the scores and box scores of a day, fetched on the next morning.
    fn add_results(&mut self, date: EasternDate, games: &[Played]) {
        let world = self.world;
        let season = world.season;
        let morning = date.plus_days(1).at(5, 0);
        let finals: Vec<schedule::Entry<'_>> = games
            .iter()
            .map(|played| {
                let score = schedule::GamePhase::Final(played.home.points(), played.away.points());
                (&played.game, date, score)
            })
            .collect();
        let payload = schedule::payload(season.year(), morning, &finals);
        self.add(Feed::NbacomSchedule, format!("{}/{date}", season.name()), morning, payload);
        self.add_box_scores((Feed::NbacomLeaguegamelog, 6), date, games, |games, omitted_team| {
            gamelog::payload(season.year(), date, &world.league, games, omitted_team)
        });
        if season.balldontlie {
            self.add_box_scores((Feed::BalldontlieStats, 7), date, games, |games, omitted_team| {
                balldontlie::stats(world, games, omitted_team)
            });
            self.add_box_scores((Feed::BalldontlieBoxScores, 8), date, games, |games, omitted_team| {
                balldontlie::box_scores(world, games, omitted_team)
            });
        }
    }
    /// Adds one source's box scores of a day, fetched on the next day at the hour (0–23) given with the feed. Depending on the faults that
    /// occur, the box scores are late, lack a team at first, or contain an error that a later fetch corrects.
    fn add_box_scores(
        &mut self,
        (feed, hour): (Feed, i8),
        date: EasternDate,
        games: &[Played],
        payload: impl Fn(&[Played], Option<Team>) -> Value,
    ) {
        let Season { seed, ref faults, .. } = *self.world.season;
        let random_for = |fault: u64| {
            Random::for_decision(seed, Decision::BoxScoreFetch, &[feed as u64, date.0 as u64, fault])
        };
        let mut fetched_at = date.plus_days(1).at(hour, 0);
        let mut late = random_for(0);
        if late.chance(faults.late_box_scores) {
            fetched_at = fetched_at.plus_hours(24 * i64::from(late.between(1, 5)));
        }
        let mut scorer = random_for(1);
        let mut first = games.to_vec();
        for played in &mut first {
            let wrong = scorer.chance(faults.corrected_box_scores).then(|| played.misattributed(&mut scorer));
            if let Some(wrong) = wrong.flatten() {
                *played = wrong;
            }
        }
        let mut missing = random_for(2);
        if missing.chance(faults.missing_teams) {
            let played = &games[missing.below(games.len())];
            let omitted_team = missing.pick(&played.game.teams());
            self.fetches.push(Fetch {
                feed,
                key: date.to_string(),
                fetched_at,
                outcome: Some(FetchOutcome::Partial),
                payload: payload(&first, Some(omitted_team)).to_string(),
            });
            fetched_at = fetched_at.plus_hours(i64::from(missing.between(3, 40)));
        }
        self.add(feed, date.to_string(), fetched_at, payload(&first, None));
        let is_corrected =
            |(first, played): (&Played, &Played)| first.home != played.home || first.away != played.away;
        if first.iter().zip(games).any(is_corrected) {
            self.add(feed, date.to_string(), fetched_at.plus_hours(24), payload(games, None));
        }
    }
    /// Adds odds and injury reports, fetched before the games of each day.
    fn add_evenings(&mut self) {
        let world = self.world;
        let mut evenings: Vec<(&Game, Evening)> = world
            .games
            .iter()
            .flat_map(|Played { game, .. }| game.evenings().into_iter().map(move |evening| (game, evening)))
            .collect();
        evenings.sort_by_key(|(game, evening)| (evening.date, game.id));
        for day in evenings.chunk_by(|a, b| a.1.date == b.1.date) {
            let date = day[0].1.date;
            let mut hours = REPORT_HOURS[..world.season.injury_reports.min(REPORT_HOURS.len())].to_vec();
            hours.sort_unstable();
            for hour in hours {
                let fetched_at = date.at(hour, 35);
                let upcoming: Vec<(&Game, Evening)> =
                    day.iter().copied().filter(|(_, evening)| fetched_at < evening.until).collect();
                if !upcoming.is_empty() {
                    let report = injuries::payload(world, date, hour, &upcoming);
                    self.add(Feed::NbacomInjuryReport, format!("{date}/{hour:02}"), fetched_at, report);
                }
            }
            for (game, evening) in day {
                self.add_odds(game, evening);
            }
        }
    }
    fn add_odds(&mut self, game: &Game, evening: &Evening) {
        let Season { seed, odds_snapshots, ref faults, .. } = *self.world.season;
        if odds_snapshots == 0 {
            return;
        }
        let key = odds::event_id(self.world, game, evening);
        let clock = &ODDS_CLOCK[..odds_snapshots.min(ODDS_CLOCK.len())];
        let mut times: Vec<Timestamp> =
            clock.iter().map(|&(hour, minute)| evening.date.at(hour, minute)).collect();
        times.retain(|&time| time < evening.until);
        if times.is_empty() {
            times.push(evening.until.plus_hours(-1));
        }
        times.sort_unstable();
        for (number, &fetched_at) in times.iter().enumerate() {
            let snapshot = odds::Snapshot { fetched_at, number, points_scored: 0.0 };
            let payload = odds::payload(self.world, game, evening, snapshot);
            self.add(Feed::OddsapiEventOdds, key.clone(), fetched_at, payload);
        }
        let subject = [u64::from(game.id.0), evening.date.0 as u64];
        let is_in_play =
            Random::for_decision(seed, Decision::InPlay, &subject).chance(faults.in_play_updates);
        if is_in_play && evening.until == evening.tip_off {
            let fetched_at = Timestamp(evening.tip_off.0 + 40 * MINUTE);
            let snapshot = odds::Snapshot { fetched_at, number: times.len(), points_scored: 3.0 };
            let payload = odds::payload(self.world, game, evening, snapshot);
            self.add(Feed::OddsapiEventOdds, key, fetched_at, payload);
        }
    }
    /// Adds the operator's links for nicknames, two days into the season.
    fn add_links(&mut self) {
        let links: Vec<Value> = self
            .world
            .nicknamed()
            .into_iter()
            .map(|(player, spelling)| json!({"spelling": spelling, "player_id": player.id.0}))
            .collect();
        if !links.is_empty() {
            let key = format!("{}/nicknames", self.world.season.name());
            let fetched_at = self.world.first_day.plus_days(2).at(10, 0);
            self.add(Feed::OperatorIdentityLinks, key, fetched_at, json!({"links": links}));
        }
    }
}

/// Adds the events of a fetch: the response and, if these faults occur, an earlier empty response, a duplicate and a refetch.
fn publish(season: &Season, fetch: Fetch, events: &mut Vec<ScraperEvent>) {
    let key =
        fetch.key.bytes().fold(0, |hash: u64, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let subject = [fetch.feed as u64, fetch.fetched_at.0 as u64, key];
    let happens = |question, rate| Random::for_decision(season.seed, question, &subject).chance(rate);
    let Fetch { feed, key, fetched_at, outcome, payload } = fetch;
    if happens(Decision::EmptyResponse, season.faults.empty_responses) {
        events.extend(feeds::emptied(feed, &payload).map(|empty| ScraperEvent {
            feed,
            key: key.clone(),
            fetched_at: fetched_at.plus_hours(-1),
            outcome: Some(FetchOutcome::EmptyOk),
            payload: empty,
        }));
    }
    let event = ScraperEvent { feed, key, fetched_at, outcome, payload };
    if happens(Decision::Duplicate, season.faults.duplicates) {
        events.push(event.clone());
    }
    if happens(Decision::Refetch, season.faults.refetches) {
        events.push(ScraperEvent { fetched_at: Timestamp(fetched_at.0 + 10 * MINUTE), ..event.clone() });
    }
    events.push(event);
}
