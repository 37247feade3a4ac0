//! The cost of paged box scores that are fetched again and again; run it with `--ignored --nocapture`.
//!
//! Invariant: contains no assertion about time.
//! Not here: the rules of the view (`tests`).
#![expect(clippy::disallowed_methods, reason = "prints how long the view takes")]

use super::*;
use schemas::{
    EasternDate, Team, Timestamp,
    fixture::FixtureRevision,
    observation::{BoxMember, BoxScoreStats, Fixture, PlayerRef},
    raw::Feed,
};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

const PAGES: u32 = 2;
const PLAYERS_PER_PAGE: u32 = 8;

/// The observations of one fetch: each page lists other players of the home team.
fn fetch(game: GameId, date: EasternDate, at: Timestamp) -> Vec<In> {
    let page = |page: u32| {
        let player = |index: u32| PlayerId(page * PLAYERS_PER_PAGE + index + 1);
        let members = (0..PLAYERS_PER_PAGE).map(|index| BoxMember {
            player: PlayerRef { name: format!("Player {index}"), nba: Some(player(index)) },
            stats: Some(BoxScoreStats { points: 10, ..BoxScoreStats::default() }),
        });
        let mut provenance = crate::view_test_driver::provenance(at);
        provenance.request = format!("page={page}");
        provenance.raw.0 += i64::from(page);
        In::BoxScore(BoxScoreObservation {
            is_final: true,
            feed: Feed::NbacomLeaguegamelog,
            game: Some(game),
            date,
            team: Team::BOS,
            opponent: Team::NYK,
            complete: true,
            members: members.collect(),
            provenance,
        })
    };
    (0..PAGES).map(page).collect()
}

/// Fetches the pages `fetches` times, `step` milliseconds apart, and derives what each fetch invalidates. Returns the total time, and the
/// time to derive all rows at the end.
fn measure(fetches: i64, step: i64) -> (Duration, Duration, usize) {
    let game = GameId(22_400_100);
    let date = "2025-01-10".parse::<EasternDate>().unwrap();
    let fixture = Fixture {
        home: Team::BOS,
        away: Team::NYK,
        date,
        tip_off: date.at(19, 30),
        tip_estimated: false,
        called_off: false,
    };
    let Some(matchup) = Matchup::new(Team::BOS, Team::NYK) else { return Default::default() };
    let row = GameFixtures {
        matchup,
        game,
        revisions: vec![FixtureRevision { known_at: date.at(9, 0), fixture: Some(fixture) }],
        revisions_in_retrospect: None,
        scores: Vec::new(),
        scores_in_retrospect: None,
        result: None,
        dates: Vec::new(),
        scheduled_dates: None,
    };
    let mut inputs = vec![In::Fixtures(MatchupGameId { matchup, game }, Some(row))];
    for index in 0..fetches {
        inputs.extend(fetch(game, date, Timestamp(date.at(23, 0).0 + index * step)));
    }
    let mut tables = Tables::default();
    let mut derived = 0;
    let start = Instant::now();
    for input in inputs {
        let mut keys = BTreeSet::new();
        let mut effects = Effects { invalidate: &mut |key| _ = keys.insert(key), retain: &mut |_, _| {} };
        Games.apply(&mut tables, input, &mut effects);
        for key in keys {
            derived += usize::from(Games.derive(&tables, &key).is_some());
            Games.parked(&tables, &key);
        }
    }
    let total = start.elapsed();
    let mut keys = BTreeSet::new();
    Games.all_keys(&tables, &mut |key| _ = keys.insert(key));
    let start = Instant::now();
    for key in keys {
        Games.derive(&tables, &key);
    }
    (total, start.elapsed(), derived)
}

#[test]
#[ignore = "prints times"]
fn prints_the_time_of_box_scores_in_pages_that_are_fetched_many_times() {
    for step in [Timestamp::HOUR / 60, 2 * Timestamp::HOUR] {
        for fetches in [75, 150, 300, 600] {
            let (total, batch, derived) = measure(fetches, step);
            println!(
                "{fetches} fetches, {} minutes apart: {total:.1?} in total ({derived} rows derived), {batch:.1?} for all rows at the end",
                step * 60 / Timestamp::HOUR,
            );
        }
    }
}
