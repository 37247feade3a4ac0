//! The payloads' keys against those of real answers, where these are at hand.
//!
//! Invariant: a simulated object has no key that the real one lacks, and every key that loaders read.
//! Not here: the values.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]
mod common;
use common::{of_feed, small};
use schemas::raw::Feed;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::Command,
};

/// The folder of real answers; says so when there is none.
fn shared(part: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(part);
    let found = path.exists();
    if !found {
        eprintln!("skipped: no real payloads at {}", path.display());
    }
    found.then_some(path)
}

/// Every key with the way to it, lists entered.
fn paths(value: &Value, prefix: &str, to: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let path = format!("{prefix}/{key}");
                paths(value, &path, to);
                to.insert(path);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| paths(item, prefix, to)),
        _ => {}
    }
}

fn simulated(feed: Feed) -> BTreeSet<String> {
    let season = simulator::Season { games_per_team: 4, ..small(1) };
    let mut keys = BTreeSet::new();
    of_feed(&season.events(), feed).iter().for_each(|(_, payload)| paths(payload, "", &mut keys));
    keys
}

fn samples(folder: &str) -> Option<Vec<Value>> {
    let folder = shared("samples")?.join(folder);
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let unpacked = files.map(|file| {
        let unzipped = Command::new("gzip").arg("-dc").arg(&file).output().unwrap();
        serde_json::from_slice(&unzipped.stdout).unwrap()
    });
    Some(unpacked.collect())
}

/// The keys of the real answers of a folder, and whether ours are all of them but those under `left_out`.
fn compare(feed: Feed, folder: &str, left_out: &[&str]) {
    let Some(real) = samples(folder) else { return };
    let mut keys = BTreeSet::new();
    real.iter().for_each(|payload| paths(payload, "", &mut keys));
    let ours = simulated(feed);
    let invented: Vec<_> = ours.difference(&keys).collect();
    assert!(invented.is_empty(), "{feed}: {invented:?}");
    let lacking = keys.difference(&ours);
    let lacking: Vec<_> = lacking.filter(|key| !left_out.iter().any(|left| key.starts_with(left))).collect();
    assert!(lacking.is_empty(), "{feed} lacks {lacking:?}");
}

#[test]
fn event_odds_have_the_real_keys() {
    compare(Feed::OddsapiEventOdds, "odds_api_event_odds", &[]);
}
#[test]
fn injury_reports_have_the_real_keys() {
    compare(Feed::NbacomInjuryReport, "nbac_injury_report", &["/parsing_stats/confidence_distribution"]);
}
#[test]
fn box_scores_have_the_real_keys() {
    compare(Feed::BalldontlieBoxScores, "bdl_box_scores", &[]);
}
#[test]
fn stats_have_the_real_keys() {
    compare(Feed::BalldontlieStats, "bdl_player_box_scores", &["/meta"]);
}
#[test]
fn rosters_have_the_real_keys_but_for_links_pictures_and_contracts() {
    let left_out = [
        "/team/logos/",
        "/team/links/",
        "/team/record/",
        "/team/groups/",
        "/team/franchise/",
        "/team/nextEvent/",
        "/team/athletes/links/",
        "/team/athletes/headshot/",
        "/team/athletes/contract/",
        "/team/athletes/injuries/",
        "/team/athletes/position/",
        "/team/athletes/birthPlace/",
        "/team/athletes/draft",
        "/team/athletes/debutYear",
        "/team/athletes/citizenship",
        "/team/athletes/college",
        "/team/athletes/eventLog/",
        "/team/athletes/teams/",
    ];
    compare(Feed::EspnRoster, "espn_roster_api", &left_out);
}
#[test]
fn player_lists_have_the_real_keys_and_columns() {
    compare(Feed::NbacomPlayerList, "nbac_player_list", &[]);
    let Some(real) = samples("nbac_player_list") else { return };
    let events = small(1).events();
    assert_eq!(
        of_feed(&events, Feed::NbacomPlayerList)[0].1["resultSets"][0]["headers"],
        real[0]["resultSets"][0]["headers"]
    );
}

#[test]
fn schedules_game_logs_and_odds_have_the_keys_of_the_real_seasons() {
    let Some(season) = shared("data/events/2023-24.jsonl.zst") else { return };
    let file = std::fs::File::open(season).unwrap();
    let lines = BufReader::new(zstd::Decoder::new(file).unwrap()).lines();
    let mut kept: Vec<(Feed, Value)> = vec![];
    for line in lines {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let feed = Feed::find(line["source"].as_str().unwrap(), line["feed"].as_str().unwrap()).unwrap();
        if kept.iter().filter(|(f, _)| *f == feed).count() < 3 {
            kept.push((feed, line["payload"].clone()));
        }
        if kept.len() == 9 {
            break;
        }
    }
    for feed in [Feed::NbacomSchedule, Feed::NbacomLeaguegamelog, Feed::OddsapiEventOdds] {
        let mut real = BTreeSet::new();
        kept.iter().filter(|(f, _)| *f == feed).for_each(|(_, payload)| paths(payload, "", &mut real));
        assert_eq!(simulated(feed), real, "{feed}");
    }
    let (_, log) = kept.iter().find(|(feed, _)| *feed == Feed::NbacomLeaguegamelog).unwrap();
    let events = small(1).events();
    let ours = &of_feed(&events, Feed::NbacomLeaguegamelog)[0].1;
    assert_eq!(ours["resultSets"][0]["headers"], log["resultSets"][0]["headers"]);
    let kinds = |log: &Value| -> Vec<BTreeSet<&'static str>> {
        let rows = log["resultSets"][0]["rowSet"].as_array().unwrap();
        let kind = |value: &Value| match value {
            Value::String(_) => "text",
            Value::Number(number) if number.is_f64() => "fraction",
            Value::Number(_) => "whole",
            _ => "null",
        };
        (0..32)
            .map(|column| rows.iter().map(|row| kind(&row[column])).filter(|kind| *kind != "null").collect())
            .collect()
    };
    assert_eq!(kinds(ours), kinds(log));
}

#[test]
fn nobody_in_the_league_is_a_real_player() {
    let Some(players) = shared("data/tables/players.csv") else { return };
    let real = std::fs::read_to_string(players).unwrap();
    let ids: BTreeSet<i64> = real.lines().filter_map(|line| line.split(',').next()?.parse().ok()).collect();
    let names: BTreeSet<&str> = real.lines().filter_map(|line| line.split(',').nth(1)).collect();
    for seed in 0..20 {
        let season = simulator::Season { teams: 30, games_per_team: 1, ..small(seed) };
        let events = season.events();
        let list = &of_feed(&events, Feed::NbacomPlayerList)[0].1;
        for row in list["resultSets"][0]["rowSet"].as_array().unwrap() {
            let name = format!("{} {}", row[2].as_str().unwrap(), row[1].as_str().unwrap());
            assert!(!names.contains(name.as_str()) && !ids.contains(&row[0].as_i64().unwrap()), "{name}");
        }
    }
}
