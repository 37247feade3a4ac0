//! The fetches of a season, with their faults.
//!
//! Invariant: no fact is fetched before it can be known. A fault (simulated defect of a source, see `Faults`) changes only the fetches in
//! which it occurs; at a rate of zero it changes nothing.
//! Not here: the fetches of odds (`odds_fetches`), the faults of single events (`publish`), the payloads (`feeds`).
use crate::{
    calendar::{Evening, Game},
    event::ScraperEvent,
    feeds::{balldontlie, gamelog, injuries, people, schedule},
    parameters::Season,
    play::Played,
    publish::{Fetch, MINUTE, publish},
    random::{Decision, Random},
    world::World,
};
use schemas::{
    EasternDate, Team, Timestamp,
    raw::{Feed, FetchOutcome},
};
use serde_json::{Value, json};

/// Milliseconds from tip-off to the end of a game.
const GAME_LENGTH: i64 = 150 * MINUTE;
/// Hours at which injury reports are fetched on a game day. A season with n reports per day uses the first n of them.
const REPORT_HOURS: [i8; 4] = [17, 11, 13, 15];

impl Season {
    /// Returns all events of the season, ordered by fetch time.
    pub fn events(&self) -> Vec<ScraperEvent> {
        self.events_of(&World::new(self))
    }
    /// Returns the events of the season whose facts have been generated.
    pub(crate) fn events_of(&self, world: &World<'_>) -> Vec<ScraperEvent> {
        let mut fetches = Fetches { world, fetches: vec![] };
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

/// The fetches of one season, in the order in which they were added.
pub(crate) struct Fetches<'a> {
    pub world: &'a World<'a>,
    fetches: Vec<Fetch>,
}

impl Fetches<'_> {
    pub fn add(&mut self, feed: Feed, key: String, fetched_at: Timestamp, payload: impl ToString) {
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
        self.add_live_box_scores(Feed::NbacomLeaguegamelog, date, games, |_, games| {
            gamelog::payload(season.year(), date, &world.league, games, None)
        });
        if season.balldontlie {
            self.add_live_box_scores(Feed::BalldontlieBoxScores, date, games, |fetched_at, games| {
                balldontlie::live_boxes(world, fetched_at, 0, games)
            });
            self.add_live_box_scores(Feed::BalldontlieStats, date, games, |_, games| {
                balldontlie::stats(world, games, None)
            });
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
    /// Adds one source's box scores of the games in progress some time after the first tip-off of a day, if this fault occurs.
    fn add_live_box_scores(
        &mut self,
        feed: Feed,
        date: EasternDate,
        games: &[Played],
        payload: impl Fn(Timestamp, &[Played]) -> Value,
    ) {
        let Season { seed, ref faults, .. } = *self.world.season;
        let subject = [feed as u64, date.0 as u64];
        let mut random = Random::for_decision(seed, Decision::LiveBoxScore, &subject);
        let Some(first) = games.iter().map(|played| played.game.tip_off()).min() else { return };
        if random.chance(faults.live_box_scores) {
            let fetched_at = Timestamp(first.0 + MINUTE * i64::from(random.between(20, 140)));
            let live: Vec<Played> =
                games.iter().filter_map(|played| played.at(fetched_at, GAME_LENGTH)).collect();
            let is_live_feed = feed == Feed::BalldontlieBoxScores;
            let key = if is_live_feed { "live".to_owned() } else { date.to_string() };
            self.add(feed, key, fetched_at, payload(fetched_at, &live));
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
                    let not_submitted = world.season.faults.unsubmitted_reports;
                    let report = injuries::Report { date, hour, minute: None, not_submitted };
                    let report = injuries::payload(world, report, &upcoming);
                    self.add(Feed::NbacomInjuryReport, format!("{date}/{hour:02}"), fetched_at, report);
                }
            }
            for (game, evening) in day {
                self.add_odds(game, evening);
            }
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
