//! Tests the simulated night of polling.
//!
//! Invariant: the tests read only the published payloads, as a loader does. They use the small night.
//! Not here: the season before the night (`season`), the payload shapes of single events (`shapes`).
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]
mod common;
use common::{games, instant, list, of_feed};
use schemas::{
    EasternDate, Timestamp,
    raw::{Feed, FetchOutcome},
};
use serde_json::Value;
use simulator::{Faults, Night, ScraperEvent, Season};
use std::collections::{BTreeMap, BTreeSet, HashMap};

fn night() -> Vec<ScraperEvent> {
    Night::small(3, 2024).events()
}

#[test]
fn the_same_parameters_give_the_same_night_and_another_seed_another() {
    let bytes = |seed| -> Vec<String> {
        Night::small(seed, 2024).events().iter().map(ScraperEvent::to_jsonl).collect()
    };
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
}

#[test]
fn a_night_is_ordered_and_later_than_the_season_before_it() {
    let night = Night::small(3, 2024);
    let mut polled = vec![];
    night
        .try_for_each(|event| {
            polled.push(event);
            Ok::<(), ()>(())
        })
        .unwrap();
    assert!(polled.is_sorted_by_key(|event| event.fetched_at));
    assert_eq!(polled, night.events());
    assert!(night.season_events().last().unwrap().fetched_at < polled[0].fetched_at);
    let feeds: BTreeSet<Feed> = polled.iter().map(|event| event.feed).collect();
    assert_eq!(feeds.len(), 6, "{feeds:?}");
    let stopped =
        night.try_for_each(|event| if event.feed == Feed::OddsapiEventOdds { Err(1) } else { Ok(()) });
    assert_eq!(stopped, Err(1));
}

#[test]
fn each_feed_is_polled_at_its_interval_under_one_key() {
    let events = night();
    let seconds_between = |feed, key: &str| -> Vec<i64> {
        let polls: Vec<i64> = events
            .iter()
            .filter(|event| event.feed == feed && event.key == key)
            .map(|event| event.fetched_at.0)
            .collect();
        polls.windows(2).map(|pair| (pair[1] - pair[0]) / 1000).collect()
    };
    let keys = |feed| -> BTreeSet<&str> {
        events.iter().filter(|event| event.feed == feed).map(|event| event.key.as_str()).collect()
    };
    for (feed, requests, interval) in [
        (Feed::OddsapiEventOdds, 2, 30),
        (Feed::BalldontlieBoxScores, 1, 30),
        (Feed::NbacomInjuryReport, 1, 15 * 60),
        (Feed::NbacomSchedule, 1, 10 * 60),
    ] {
        let keys = keys(feed);
        assert_eq!(keys.len(), requests);
        for key in keys {
            let seconds = seconds_between(feed, key);
            assert!(
                !seconds.is_empty() && seconds.iter().all(|seconds| *seconds == interval),
                "{feed} {seconds:?}"
            );
        }
    }
    assert_eq!(of_feed(&events, Feed::OddsapiEventOdds).len(), 2 * 80);
    assert_eq!(
        (of_feed(&events, Feed::NbacomPlayerList).len(), of_feed(&events, Feed::EspnRoster).len()),
        (1, 4)
    );
}

/// The offers of one payload: for each book its `last_update`, and its lines and prices by player and side.
type OffersByBook = BTreeMap<String, (Timestamp, BTreeMap<String, Vec<String>>)>;

fn offers_by_book(odds: &Value) -> OffersByBook {
    let book = |book: &Value| {
        let mut offers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for outcome in list(book, "/markets/0/outcomes") {
            let text = format!("{} {} {}", outcome["name"], outcome["point"], outcome["price"]);
            offers.entry(outcome["description"].to_string()).or_default().push(text);
        }
        (book["key"].as_str().unwrap().to_owned(), (instant(&book["markets"][0]["last_update"]), offers))
    };
    list(odds, "/bookmakers").iter().map(book).collect()
}

#[test]
fn quotes_change_every_few_minutes_and_move_the_update_time_of_their_book() {
    let events = night();
    let mut last: HashMap<String, (Timestamp, OffersByBook)> = HashMap::new();
    let (mut pairs, mut changes, mut unchanged_updates, mut withdrawn, mut same_update) = (0, 0, 0, 0, 0);
    for (event, odds) in of_feed(&events, Feed::OddsapiEventOdds) {
        let now = offers_by_book(&odds);
        // Only before tip-off: afterwards quotes change more often.
        let is_before = event.fetched_at < instant(&odds["commence_time"]);
        if let Some((_, before)) = last.get(&event.key).filter(|_| is_before) {
            for (book, (update, offers)) in &now {
                let (update_before, offers_before) = &before[book];
                assert!(update_before <= update && *update < event.fetched_at);
                assert!(
                    offers == offers_before || update_before < update,
                    "{book} changed without an update"
                );
                assert!(
                    event.fetched_at.0 - update.0 <= 120_000,
                    "{book} has not been updated for two minutes"
                );
                unchanged_updates += usize::from(offers == offers_before && update_before < update);
                same_update += usize::from(update_before == update);
                pairs += offers_before.len();
                changes +=
                    offers_before.iter().filter(|(name, offer)| offers.get(*name) != Some(offer)).count();
                withdrawn += offers_before.keys().filter(|name| !offers.contains_key(*name)).count();
            }
        }
        last.insert(event.key.clone(), (event.fetched_at, now));
    }
    // A quote changes every five minutes on average: in one of ten polls.
    let share = changes as f64 / pairs as f64;
    assert!((0.07..0.13).contains(&share), "{share}");
    assert!(
        unchanged_updates > 10 && same_update > 10 && withdrawn > 20,
        "{unchanged_updates} {same_update} {withdrawn}"
    );
}

#[test]
fn quotes_are_in_play_after_tip_off_until_the_game_is_suspended() {
    let events = night();
    let mut polls: BTreeMap<String, Vec<(bool, bool, Option<FetchOutcome>)>> = BTreeMap::new();
    for (event, odds) in of_feed(&events, Feed::OddsapiEventOdds) {
        let is_in_play = event.fetched_at >= instant(&odds["commence_time"]);
        let has_quotes = !list(&odds, "/bookmakers").is_empty();
        polls.entry(event.key.clone()).or_default().push((is_in_play, has_quotes, event.outcome));
    }
    for polls in polls.values() {
        let count = |is_in_play, has_quotes| {
            polls.iter().filter(|poll| (poll.0, poll.1) == (is_in_play, has_quotes)).count()
        };
        assert!(count(false, true) >= 30 && count(true, true) >= 30);
        assert_eq!(count(false, false), 0);
        let is_consistent = |poll: &(bool, bool, Option<FetchOutcome>)| {
            poll.2 == if poll.1 { None } else { Some(FetchOutcome::EmptyOk) }
        };
        assert!(polls.iter().all(is_consistent));
        // Once the game is suspended, it is not offered again.
        assert!(polls.is_sorted_by_key(|poll| !poll.1));
    }
    assert!(polls.values().flatten().any(|poll| !poll.1), "no game was suspended");
}

#[test]
fn two_regions_are_two_requests_at_one_instant_with_different_books() {
    let events = Night { regions: 2, ..Night::small(3, 2024) }.events();
    let mut by_instant: BTreeMap<(String, Timestamp), Vec<(String, OffersByBook)>> = BTreeMap::new();
    for (event, odds) in of_feed(&events, Feed::OddsapiEventOdds) {
        let (id, region) = event.key.split_once('/').unwrap();
        let requests = by_instant.entry((id.to_owned(), event.fetched_at)).or_default();
        requests.push((region.to_owned(), offers_by_book(&odds)));
    }
    assert_eq!(by_instant.len(), 160);
    for requests in by_instant.values() {
        let [(us, first), (us2, second)] = requests.as_slice() else { panic!("{} requests", requests.len()) };
        assert_eq!((us.as_str(), us2.as_str()), ("us", "us2"));
        assert!(first.keys().all(|book| !second.contains_key(book)));
        assert!([0, 10].contains(&(first.len() + second.len())));
    }
}

#[test]
fn live_box_scores_grow_until_they_are_final() {
    let events = night();
    let mut progress: BTreeMap<i64, Vec<(String, i64)>> = BTreeMap::new();
    for (event, payload) in of_feed(&events, Feed::BalldontlieBoxScores) {
        assert_eq!(instant(&payload["timestamp"]), event.fetched_at);
        for game in list(&payload, "/liveBoxes") {
            let points = |side: &str| game[format!("{side}_team_score")].as_i64().unwrap();
            let quarters = |side: &str| -> i64 {
                (1..=4).filter_map(|quarter| game[format!("{side}_q{quarter}")].as_i64()).sum::<i64>()
                    + (1..=3)
                        .filter_map(|overtime| game[format!("{side}_ot{overtime}")].as_i64())
                        .sum::<i64>()
            };
            for (side, team) in [("home", "home_team"), ("visitor", "visitor_team")] {
                let players = list(&game[team], "/players");
                let of_players: i64 = players.iter().map(|row| row["pts"].as_i64().unwrap()).sum();
                assert!(players.len() > 5);
                assert_eq!((of_players, quarters(side)), (points(side), points(side)));
            }
            let status = game["status"].as_str().unwrap().to_owned();
            progress.entry(game["id"].as_i64().unwrap()).or_default().push((status, points("home")));
        }
    }
    assert_eq!(progress.len(), 2);
    for polls in progress.values() {
        assert!(polls.is_sorted_by_key(|(_, points)| *points));
        let mut statuses: Vec<&str> = polls.iter().map(|(status, _)| status.as_str()).collect();
        statuses.dedup();
        assert_eq!(statuses, ["1st Qtr", "2nd Qtr", "3rd Qtr", "4th Qtr", "Final"]);
    }
}

#[test]
fn reports_state_their_minute_and_schedules_the_phases_of_the_games() {
    let events = night();
    let reports = of_feed(&events, Feed::NbacomInjuryReport);
    let times: Vec<String> = reports
        .iter()
        .map(|(_, report)| {
            let text = |field: &str| report["metadata"][field].as_str().unwrap();
            format!("{}:{} {} {}", text("hour"), text("minute"), text("period"), text("hour24"))
        })
        .collect();
    assert_eq!(times, ["06:30 PM 18", "06:45 PM 18"]);
    for (event, report) in &reports {
        let text = report["metadata"]["gamedate"].as_str().unwrap();
        let number = |range: std::ops::Range<usize>| text[range].parse::<i16>().unwrap();
        let date = EasternDate::from_ymd(number(0..4), number(4..6) as i8, number(6..8) as i8).unwrap();
        let minute = report["metadata"]["minute"].as_str().unwrap().parse().unwrap();
        assert!(date.at(18, minute) < event.fetched_at);
    }
    let mut statuses: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for (event, schedule) in of_feed(&events, Feed::NbacomSchedule) {
        assert_eq!(games(&schedule).len(), 4 * 6 / 2 + 2);
        for game in games(&schedule) {
            let status = game["gameStatus"].as_i64().unwrap();
            assert_eq!(status == 1, event.fetched_at <= instant(&game["gameDateTimeUTC"]));
            statuses.entry(game["gameId"].to_string()).or_default().push(status);
        }
    }
    let of_night = statuses.values().filter(|statuses| statuses[0] == 1);
    let of_night: Vec<_> =
        of_night.map(|statuses| statuses.iter().copied().collect::<BTreeSet<i64>>()).collect();
    assert_eq!(of_night, [BTreeSet::from([1, 2, 3]), BTreeSet::from([1, 2, 3])]);
}

#[test]
fn a_full_night_has_eleven_games_with_about_200_quotes_each() {
    let night = Night::new(3, 2024);
    let mut payloads = vec![];
    let mut polls = 0;
    let stopped = night.try_for_each(|event| {
        polls += 1;
        if event.feed == Feed::OddsapiEventOdds {
            payloads.push(event.payload);
        }
        if payloads.len() == 110 { Err(()) } else { Ok(()) }
    });
    assert_eq!(stopped, Err(()));
    let odds: Vec<Value> = payloads.iter().map(|payload| serde_json::from_str(payload).unwrap()).collect();
    let pairs: BTreeSet<String> = odds.iter().map(|odds| odds["id"].to_string()).collect();
    let tip_offs: BTreeSet<&str> = odds.iter().map(|odds| odds["commence_time"].as_str().unwrap()).collect();
    assert!(pairs.len() == 11 && tip_offs.len() > 3);
    let quotes: usize =
        odds.iter().flat_map(|odds| offers_by_book(odds).into_values()).map(|(_, offers)| offers.len()).sum();
    let bytes: usize = payloads.iter().map(String::len).sum();
    let (quotes, bytes) = (quotes / odds.len(), bytes / odds.len());
    assert!(
        (180..220).contains(&quotes) && (50_000..70_000).contains(&bytes),
        "{quotes} quotes, {bytes} bytes"
    );
}

#[test]
fn the_faults_of_the_season_occur_in_the_night_too() {
    let small = Night::small(3, 2024);
    let season = Season {
        faults: Faults { other_outcomes: 0.5, broken_rows: 0.5, ..Faults::default() },
        ..small.season
    };
    let events = Night { season, ..small }.events();
    assert!(events.len() > night().len() + 50 && events.is_sorted_by_key(|event| event.fetched_at));
}
