//! Tests properties that every season without faults must have.
//!
//! Invariant: the tests read only the published payloads, as a loader does.
//! Not here: faults (`faults`), the real payload shapes (`shapes`).
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]
mod common;
use common::{games, instant, list, of_feed, quotes, rows, small};
use schemas::{EasternDate, GameId, Team, Timestamp, raw::Feed};
use serde_json::Value;
use simulator::{Season, game_day, tiny};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

fn bytes(season: &Season) -> String {
    season.events().iter().map(|event| event.to_jsonl() + "\n").collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_gives_others() {
    assert_eq!(bytes(&small(1)), bytes(&small(1)));
    assert_ne!(bytes(&small(1)), bytes(&small(2)));
    assert_eq!(tiny(5), tiny(5));
    assert_ne!(tiny(5), tiny(6));
}

#[test]
fn events_are_ordered_by_fetch_time_and_each_line_equals_its_raw_event() {
    let events = small(3).events();
    assert!(events.is_sorted_by_key(|event| event.fetched_at));
    for event in &events {
        let line: Value = serde_json::from_str(&event.to_jsonl()).unwrap();
        let text = |field: &str| line[field].as_str().unwrap();
        let raw = event.to_raw();
        assert_eq!(Feed::find(text("source"), text("feed")), Some(raw.feed));
        assert_eq!((text("key"), instant(&line["fetched_at"])), (raw.key.as_str(), raw.fetched_at));
        assert_eq!(line["payload"], serde_json::from_str::<Value>(&raw.payload).unwrap());
        assert_eq!(line.get("outcome"), None);
    }
}

#[test]
fn every_simulated_feed_is_fetched() {
    let events = small(3).events();
    let feeds: BTreeSet<Feed> = events.iter().map(|event| event.feed).collect();
    let others = [
        Feed::OperatorIdentityLinks,
        Feed::NbacomBoxscore,
        Feed::NbacomGamebook,
        Feed::EspnBoxscore,
        Feed::EspnSummary,
        Feed::BalldontlieLiveBoxScores,
    ];
    let simulated: BTreeSet<Feed> = Feed::ALL.into_iter().filter(|feed| !others.contains(feed)).collect();
    assert_eq!(feeds, simulated);
}

#[test]
fn a_complete_season_has_1230_games_in_the_real_months_and_no_team_plays_twice_a_day() {
    let season = Season { odds_snapshots: 0, injury_reports: 0, balldontlie: false, ..Season::new(7, 2024) };
    let events = season.events();
    let schedules = of_feed(&events, Feed::NbacomSchedule);
    let planned = games(&schedules[0].1);
    assert_eq!(planned.len(), 1230);
    let mut days: BTreeMap<Team, Vec<EasternDate>> = BTreeMap::new();
    for game in &planned {
        let id: GameId = game["gameId"].as_str().unwrap().parse().unwrap();
        assert!(id.is_in_scope() && id.season() == schemas::Season(2024));
        let date: EasternDate = game["gameDateEst"].as_str().unwrap()[..10].parse().unwrap();
        assert_eq!(instant(&game["gameDateTimeUTC"]).eastern_date(), date);
        for side in ["homeTeam", "awayTeam"] {
            let team = game[side]["teamTricode"].as_str().unwrap().parse().unwrap();
            days.entry(team).or_default().push(date);
        }
    }
    let mut back_to_backs = 0;
    for (team, days) in &days {
        assert_eq!(days.len(), 82, "{team}");
        assert!(days.windows(2).all(|pair| pair[0] < pair[1]), "{team} plays twice on the same day");
        back_to_backs += days.windows(2).filter(|pair| pair[1].0 - pair[0].0 == 1).count();
    }
    assert!((200..1200).contains(&back_to_backs), "{back_to_backs}");
    let last_day = days.values().map(|days| *days.last().unwrap()).max().unwrap();
    let [april, may] = [(4, 1), (5, 5)].map(|(month, day)| EasternDate::from_ymd(2025, month, day).unwrap());
    assert!((april..may).contains(&last_day), "{last_day}");
}

#[test]
fn scores_and_box_scores_agree_to_the_point() {
    let events = small(4).events();
    let mut points: HashMap<(String, String), i64> = HashMap::new();
    let mut minutes: HashMap<(String, String), i64> = HashMap::new();
    for (_, log) in of_feed(&events, Feed::NbacomLeaguegamelog) {
        for row in rows(&log) {
            let count = |header: &str| row[header].as_i64().unwrap();
            let key = (
                row["GAME_ID"].as_str().unwrap().to_owned(),
                row["TEAM_ABBREVIATION"].as_str().unwrap().to_owned(),
            );
            *points.entry(key.clone()).or_default() += count("PTS");
            *minutes.entry(key).or_default() += count("MIN");
            assert_eq!(count("PTS"), 2 * count("FGM") + count("FG3M") + count("FTM"));
            assert!(
                count("FGM") <= count("FGA")
                    && count("FG3M") <= count("FG3A")
                    && count("FTM") <= count("FTA")
            );
        }
    }
    assert!(minutes.values().all(|total| [240, 265, 290].contains(total)), "{minutes:?}");
    let mut finals = 0;
    for (_, schedule) in of_feed(&events, Feed::NbacomSchedule) {
        for game in games(&schedule).into_iter().filter(|game| game["gameStatus"] == 3) {
            let score = |side: &str| {
                let team = game[side]["teamTricode"].as_str().unwrap().to_owned();
                let id = game["gameId"].as_str().unwrap().to_owned();
                assert_eq!(game[side]["score"].as_i64().unwrap(), points[&(id, team)]);
                game[side]["score"].as_i64().unwrap()
            };
            assert_ne!(score("homeTeam"), score("awayTeam"));
            finals += 1;
        }
    }
    assert_eq!(finals, 36);
}

#[test]
fn both_feeds_of_balldontlie_have_the_points_of_nba_com() {
    let events = small(4).events();
    let total = |feed, count: &dyn Fn(&Value) -> i64| -> i64 {
        of_feed(&events, feed).iter().map(|(_, payload)| count(payload)).sum()
    };
    let sum = |rows: &[Value]| rows.iter().map(|row| row["pts"].as_i64().unwrap()).sum::<i64>();
    let log = total(Feed::NbacomLeaguegamelog, &|log| {
        rows(log).iter().map(|row| row["PTS"].as_i64().unwrap()).sum()
    });
    let stats = total(Feed::BalldontlieStats, &|stats| sum(list(stats, "/data")));
    let nested = total(Feed::BalldontlieBoxScores, &|boxes| {
        let games = list(boxes, "/data").iter();
        games
            .map(|game| sum(list(game, "/home_team/players")) + sum(list(game, "/visitor_team/players")))
            .sum()
    });
    let by_quarter = total(Feed::BalldontlieBoxScores, &|boxes| {
        let periods = ["home_q1", "home_q2", "home_q3", "home_q4", "home_ot1", "home_ot2"];
        let game =
            |game: &Value| periods.iter().map(|period| game[*period].as_i64().unwrap_or(0)).sum::<i64>();
        list(boxes, "/data").iter().map(game).sum()
    });
    let at_home = total(Feed::BalldontlieBoxScores, &|boxes| {
        list(boxes, "/data").iter().map(|game| game["home_team_score"].as_i64().unwrap()).sum()
    });
    assert_eq!((stats, nested, by_quarter), (log, log, at_home));
}

#[test]
fn no_fact_of_a_game_is_fetched_before_it_can_be_known() {
    let events = small(5).events();
    for (event, schedule) in of_feed(&events, Feed::NbacomSchedule) {
        for game in games(&schedule) {
            let tip_off = instant(&game["gameDateTimeUTC"]);
            if game["gameStatus"] == 3 {
                assert!(tip_off.plus_hours(3) <= event.fetched_at);
            } else {
                assert!(event.fetched_at < tip_off && game["homeTeam"]["score"] == 0);
            }
        }
    }
    for feed in [Feed::NbacomLeaguegamelog, Feed::BalldontlieStats, Feed::BalldontlieBoxScores] {
        for (event, _) in of_feed(&events, feed) {
            let date: EasternDate = event.key.parse().unwrap();
            assert!(date.plus_days(1).at(3, 0) < event.fetched_at);
        }
    }
    for (event, odds) in of_feed(&events, Feed::OddsapiEventOdds) {
        assert!(event.fetched_at < instant(&odds["commence_time"]));
        for book in list(&odds, "/bookmakers") {
            assert!(instant(&book["markets"][0]["last_update"]) < event.fetched_at);
        }
    }
}

#[test]
fn a_player_who_is_out_in_the_last_report_has_no_box_score_that_day() {
    let events = small(6).events();
    let mut last: HashMap<(String, String), String> = HashMap::new();
    for (_, report) in of_feed(&events, Feed::NbacomInjuryReport) {
        for record in list(&report, "/records") {
            let text = |field: &str| record[field].as_str().unwrap().to_owned();
            let (last_name, first) =
                text("player").split_once(", ").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
            let [month, day, year] =
                text("date").split('/').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap();
            last.insert((format!("{year}-{month}-{day}"), format!("{first} {last_name}")), text("status"));
        }
    }
    let out: HashSet<_> = last.iter().filter(|(_, status)| *status == "Out").map(|(key, _)| key).collect();
    assert!(out.len() > 10, "{}", out.len());
    for (event, log) in of_feed(&events, Feed::NbacomLeaguegamelog) {
        for row in rows(&log) {
            let key = (event.key.clone(), row["PLAYER_NAME"].as_str().unwrap().to_owned());
            assert!(!out.contains(&key), "{key:?} is reported as out but played");
        }
    }
}

#[test]
fn lines_are_constant_over_the_day_and_near_the_points_scored() {
    let events = Season { games_per_team: 40, ..small(7) }.events();
    let mut lines_by_fetch: HashMap<_, Vec<String>> = HashMap::new();
    let mut errors = vec![];
    let mut scored = HashMap::new();
    for (event, log) in of_feed(&events, Feed::NbacomLeaguegamelog) {
        for row in rows(&log) {
            let name = row["PLAYER_NAME"].as_str().unwrap().to_owned();
            scored.insert((event.key.clone(), name), row["PTS"].as_f64().unwrap());
        }
    }
    for (event, book, fetched_at, player, line, side) in quotes(&events) {
        if let Some(points) = scored.get(&(fetched_at.eastern_date().to_string(), player.clone()))
            && book == "draftkings"
            && side == "Over"
        {
            errors.push(line - points);
        }
        let lines = lines_by_fetch.entry((event, book, fetched_at)).or_default();
        lines.push(format!("{player} {side} {line}"));
    }
    let mut versions: HashMap<_, HashSet<Vec<String>>> = HashMap::new();
    for ((event, book, _), lines) in lines_by_fetch {
        versions.entry((event, book)).or_default().insert(lines);
    }
    assert!(versions.values().all(|versions| versions.len() == 1));
    let count = errors.len() as f64;
    let bias = errors.iter().sum::<f64>() / count;
    let mae = errors.iter().map(|error| error.abs()).sum::<f64>() / count;
    assert!(count > 1000.0 && bias.abs() < 1.0 && (3.5..7.0).contains(&mae), "{count} {bias} {mae}");
}

#[test]
fn traded_players_appear_for_both_teams() {
    let teams_by_player = |trades| {
        let events = Season { trades, games_per_team: 30, ..small(8) }.events();
        let mut teams: HashMap<i64, HashSet<String>> = HashMap::new();
        for (_, log) in of_feed(&events, Feed::NbacomLeaguegamelog) {
            for row in rows(&log) {
                let team = row["TEAM_ABBREVIATION"].as_str().unwrap().to_owned();
                teams.entry(row["PLAYER_ID"].as_i64().unwrap()).or_default().insert(team);
            }
        }
        teams.values().filter(|teams| teams.len() == 2).count()
    };
    assert_eq!(teams_by_player(0), 0);
    assert_eq!(teams_by_player(2), 4);
}

#[test]
fn the_game_day_ends_before_its_games_with_history_rosters_reports_and_odds() {
    for seed in 0..5 {
        let day = game_day(seed);
        assert!(day.games.len() >= 3, "{} games", day.games.len());
        assert!(day.before.iter().all(|event| event.fetched_at <= day.now));
        assert!(day.after.iter().all(|event| event.fetched_at > day.now));
        let today = |feed, events| -> usize {
            let fetched: Vec<_> = of_feed(events, feed);
            fetched.iter().filter(|(event, _)| event.fetched_at.eastern_date() == day.date).count()
        };
        assert!(today(Feed::OddsapiEventOdds, &day.before) >= 3 * day.games.len());
        assert!(today(Feed::NbacomInjuryReport, &day.before) >= 2);
        let finals = |events| -> HashSet<String> {
            let schedules: Vec<(_, Value)> = of_feed(events, Feed::NbacomSchedule);
            let games = schedules.iter().flat_map(|(_, schedule)| games(schedule));
            let done = games.filter(|game| game["gameStatus"] == 3);
            done.map(|game| game["gameId"].as_str().unwrap().to_owned()).collect()
        };
        let slate: HashSet<String> = day.games.iter().map(GameId::to_string).collect();
        assert!(finals(&day.before).is_disjoint(&slate) && finals(&day.after).is_superset(&slate));
        assert!(finals(&day.before).len() >= 14 * 15 / 2);
    }
}

#[test]
fn tiny_histories_are_small_ordered_and_varied() {
    let mut outcomes = HashSet::new();
    let mut sizes = vec![];
    for seed in 0..300 {
        let events = tiny(seed);
        assert!(events.is_sorted_by_key(|event| event.fetched_at));
        sizes.push(events.len());
        outcomes.extend(events.iter().map(|event| (event.feed, event.outcome)));
        assert!(events.iter().all(|event| event.fetched_at > Timestamp(0)));
    }
    assert!(
        sizes.iter().all(|size| (15..160).contains(size)),
        "{:?}",
        (sizes.iter().min(), sizes.iter().max())
    );
    assert!(outcomes.len() > 15, "{outcomes:?}");
}
