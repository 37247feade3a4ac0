//! When what is fetched, and what goes wrong with it.
//!
//! Invariant: nothing is fetched before it can be known. A fault decides about its own fetches and moves no others; at a rate
//! of zero it leaves no trace.
//! Not here: the answers themselves (`feeds`), the games (`play`).
use crate::{
    ScraperEvent, Season,
    calendar::{Evening, Game},
    feeds::{self, balldontlie, gamelog, injuries, odds, people, schedule},
    play::Played,
    random::{Question, Random},
    world::World,
};
use schemas::{
    EasternDate, Team, Timestamp,
    raw::{Feed, FetchOutcome},
};
use serde_json::{Value, json};

/// Hours and minutes at which odds are fetched on a game's day, the most useful first; so are the hours of injury reports.
const ODDS_CLOCK: [(i8, i8); 6] = [(18, 15), (10, 0), (14, 0), (12, 0), (16, 0), (17, 0)];
const REPORT_HOURS: [i8; 4] = [17, 11, 13, 15];
const MINUTE: i64 = 60_000;

/// An answer before it is written down.
struct Fetch {
    feed: Feed,
    key: String,
    fetched_at: Timestamp,
    outcome: Option<FetchOutcome>,
    /// JSON text.
    payload: String,
}

/// Every event of a season, ordered by fetch time.
pub(crate) fn events(season: &Season) -> Vec<ScraperEvent> {
    let world = World::new(season);
    let mut fetches = Fetches { world: &world, made: vec![] };
    fetches.schedule();
    fetches.people();
    for (date, games) in &world.days() {
        fetches.results(*date, games);
    }
    fetches.evenings();
    fetches.links();
    let mut events = vec![];
    for fetch in fetches.made {
        with_repetitions(season, fetch, &mut events);
    }
    events.sort_by_key(|event| event.fetched_at);
    events
}

struct Fetches<'a> {
    world: &'a World<'a>,
    made: Vec<Fetch>,
}

impl Fetches<'_> {
    fn add(&mut self, feed: Feed, key: String, fetched_at: Timestamp, payload: impl ToString) {
        let payload = payload.to_string();
        self.made.push(Fetch { feed, key, fetched_at, outcome: None, payload });
    }
    /// The season as planned, a fortnight before it; and what changes about single games.
    fn schedule(&mut self) {
        let world = self.world;
        let name = world.season.name();
        let announced_at = world.first_day.plus_days(-14).at(12, 0);
        let mut planned: Vec<schedule::Entry<'_>> = world
            .games
            .iter()
            .map(|Played { game, .. }| (game, game.planned(), schedule::Stage::Ahead))
            .collect();
        planned.sort_by_key(|(game, date, _)| (*date, game.id));
        let payload = schedule::payload(world.season.year(), announced_at, &planned);
        self.add(Feed::NbacomSchedule, name.clone(), announced_at, payload);
        for Played { game, .. } in &world.games {
            let Some(postponement) = game.postponement else { continue };
            for (at, date, stage) in [
                (postponement.called_off_at, postponement.planned, schedule::Stage::CalledOff),
                (postponement.redated_at, game.date, schedule::Stage::Ahead),
            ] {
                let payload = schedule::payload(world.season.year(), at, &[(game, date, stage)]);
                self.add(Feed::NbacomSchedule, format!("{name}/{}", game.id), at, payload);
            }
        }
    }
    /// Player list and rosters, from thirteen days before the season on.
    fn people(&mut self) {
        let world = self.world;
        let last = world.games.iter().map(|played| played.game.date).max().unwrap_or(world.first_day);
        let mut date = world.first_day.plus_days(-13);
        while date <= last {
            let list = people::player_list(world, date);
            self.add(Feed::NbacomPlayerList, world.season.name(), date.at(7, 0), list);
            for (place, &team) in world.league.teams.iter().enumerate() {
                let fetched_at = Timestamp(date.at(7, 30).0 + 2_000 * place as i64);
                self.add(
                    Feed::EspnRoster,
                    team.code().to_owned(),
                    fetched_at,
                    people::roster(world, team, date),
                );
            }
            date = date.plus_days(world.season.roster_days.max(1));
        }
    }
    /// The morning after: scores and box scores.
    fn results(&mut self, date: EasternDate, games: &[Played]) {
        let world = self.world;
        let season = world.season;
        let morning = date.plus_days(1).at(5, 0);
        let finals: Vec<schedule::Entry<'_>> = games
            .iter()
            .map(|played| {
                let score = schedule::Stage::Final(played.home.points(), played.away.points());
                (&played.game, date, score)
            })
            .collect();
        let payload = schedule::payload(season.year(), morning, &finals);
        self.add(Feed::NbacomSchedule, format!("{}/{date}", season.name()), morning, payload);
        self.box_scores((Feed::NbacomLeaguegamelog, 6), date, games, |games, without| {
            gamelog::payload(season.year(), date, &world.league, games, without)
        });
        if season.balldontlie {
            self.box_scores((Feed::BalldontlieStats, 7), date, games, |games, without| {
                balldontlie::stats(world, games, without)
            });
            self.box_scores((Feed::BalldontlieBoxScores, 8), date, games, |games, without| {
                balldontlie::box_scores(world, games, without)
            });
        }
    }
    /// One source's box scores of a day, due at an hour of the next: late, lacking a team at first, or wrong until they are corrected.
    fn box_scores(
        &mut self,
        (feed, hour): (Feed, i8),
        date: EasternDate,
        games: &[Played],
        answer: impl Fn(&[Played], Option<Team>) -> Value,
    ) {
        let Season { seed, ref faults, .. } = *self.world.season;
        let stream = |fault: u64| {
            Random::for_question(seed, Question::BoxScoreFetch, &[feed as u64, date.0 as u64, fault])
        };
        let mut fetched_at = date.plus_days(1).at(hour, 0);
        let mut late = stream(0);
        if late.chance(faults.late_box_scores) {
            fetched_at = fetched_at.plus_hours(24 * i64::from(late.between(1, 5)));
        }
        let mut scorer = stream(1);
        let mut first = games.to_vec();
        for played in &mut first {
            let wrong = scorer.chance(faults.corrected_box_scores).then(|| played.misattributed(&mut scorer));
            if let Some(wrong) = wrong.flatten() {
                *played = wrong;
            }
        }
        let mut missing = stream(2);
        if missing.chance(faults.missing_teams) {
            let played = &games[missing.below(games.len())];
            let without = missing.pick(&played.game.teams());
            self.made.push(Fetch {
                feed,
                key: date.to_string(),
                fetched_at,
                outcome: Some(FetchOutcome::Partial),
                payload: answer(&first, Some(without)).to_string(),
            });
            fetched_at = fetched_at.plus_hours(i64::from(missing.between(3, 40)));
        }
        self.add(feed, date.to_string(), fetched_at, answer(&first, None));
        if first.iter().zip(games).any(|(first, truth)| first.home != truth.home || first.away != truth.away)
        {
            self.add(feed, date.to_string(), fetched_at.plus_hours(24), answer(games, None));
        }
    }
    /// What is fetched ahead of the games of a day: odds and injury reports.
    fn evenings(&mut self) {
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
                let ahead: Vec<(&Game, Evening)> =
                    day.iter().copied().filter(|(_, evening)| fetched_at < evening.until).collect();
                if !ahead.is_empty() {
                    let report = injuries::payload(world, date, hour, &ahead);
                    self.add(Feed::NbacomInjuryReport, format!("{date}/{hour:02}"), fetched_at, report);
                }
            }
            day.iter().for_each(|(game, evening)| self.odds(game, evening));
        }
    }
    fn odds(&mut self, game: &Game, evening: &Evening) {
        let Season { seed, odds_snapshots, ref faults, .. } = *self.world.season;
        if odds_snapshots == 0 {
            return;
        }
        let key = odds::event_id(self.world, game, evening);
        let clock = &ODDS_CLOCK[..odds_snapshots.min(ODDS_CLOCK.len())];
        let mut times: Vec<Timestamp> =
            clock.iter().map(|&(hour, minute)| evening.date.at(hour, minute)).collect();
        times.retain(|&at| at < evening.until);
        if times.is_empty() {
            times.push(evening.until.plus_hours(-1));
        }
        times.sort_unstable();
        for (number, &fetched_at) in times.iter().enumerate() {
            let snapshot = odds::Snapshot { fetched_at, number, played_off: 0.0 };
            let payload = odds::payload(self.world, game, evening, snapshot);
            self.add(Feed::OddsapiEventOdds, key.clone(), fetched_at, payload);
        }
        let about = [u64::from(game.id.0), evening.date.0 as u64];
        let in_play = Random::for_question(seed, Question::InPlay, &about).chance(faults.in_play_updates);
        if in_play && evening.until == evening.tip_off {
            let fetched_at = Timestamp(evening.tip_off.0 + 40 * MINUTE);
            let snapshot = odds::Snapshot { fetched_at, number: times.len(), played_off: 3.0 };
            let payload = odds::payload(self.world, game, evening, snapshot);
            self.add(Feed::OddsapiEventOdds, key, fetched_at, payload);
        }
    }
    /// After two days an operator tells who the nicknames are.
    fn links(&mut self) {
        let links: Vec<Value> = self
            .world
            .nicknamed()
            .into_iter()
            .map(|(player, spelling)| json!({"spelling": spelling, "player_id": player.id.0}))
            .collect();
        if !links.is_empty() {
            let key = format!("{}/nicknames", self.world.season.name());
            let sent_at = self.world.first_day.plus_days(2).at(10, 0);
            self.add(Feed::OperatorIdentityLinks, key, sent_at, json!({"links": links}));
        }
    }
}

/// Writes a fetch down, with the empty answer before it and its repetitions after it.
fn with_repetitions(season: &Season, fetch: Fetch, events: &mut Vec<ScraperEvent>) {
    let key =
        fetch.key.bytes().fold(0, |hash: u64, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let about = [fetch.feed as u64, fetch.fetched_at.0 as u64, key];
    let happens = |question, rate| Random::for_question(season.seed, question, &about).chance(rate);
    let Fetch { feed, key, fetched_at, outcome, payload } = fetch;
    if happens(Question::EmptyAnswer, season.faults.empty_answers) {
        events.extend(feeds::emptied(feed, &payload).map(|empty| ScraperEvent {
            feed,
            key: key.clone(),
            fetched_at: fetched_at.plus_hours(-1),
            outcome: Some(FetchOutcome::EmptyOk),
            payload: empty,
        }));
    }
    let event = ScraperEvent { feed, key, fetched_at, outcome, payload };
    if happens(Question::Duplicate, season.faults.duplicates) {
        events.push(event.clone());
    }
    if happens(Question::Refetch, season.faults.refetches) {
        events.push(ScraperEvent { fetched_at: Timestamp(fetched_at.0 + 10 * MINUTE), ..event.clone() });
    }
    events.push(event);
}
