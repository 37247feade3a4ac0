//! Compares the keys of simulated payloads with the keys of real payloads, where these are available.
//!
//! Invariant: a simulated object has no key that the real one lacks, and it has every key that loaders read. A test whose real payloads are
//! missing is skipped and prints the missing path.
//! Not here: the values (`season`).
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

/// Returns the path of real payloads; prints the path and returns `None` if it does not exist.
fn shared(part: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(part);
    let exists = path.exists();
    if !exists {
        eprintln!("skipped: no real payloads at {}", path.display());
    }
    exists.then_some(path)
}

/// Adds the path of every key in a JSON value to `paths`. Elements of a list have the path of the list, without an index.
fn add_paths(value: &Value, prefix: &str, paths: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let path = format!("{prefix}/{key}");
                add_paths(value, &path, paths);
                paths.insert(path);
            }
        }
        Value::Array(items) => {
            for item in items {
                add_paths(item, prefix, paths);
            }
        }
        _ => {}
    }
}

fn simulated(feed: Feed) -> BTreeSet<String> {
    let season = simulator::Season { games_per_team: 4, ..small(1) };
    let mut keys = BTreeSet::new();
    for (_, payload) in of_feed(&season.events(), feed) {
        add_paths(&payload, "", &mut keys);
    }
    keys
}

fn samples(folder: &str) -> Option<Vec<Value>> {
    let folder = shared("samples")?.join(folder);
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let payloads = files.map(|file| {
        let unzipped = Command::new("gzip").arg("-dc").arg(&file).output().unwrap();
        serde_json::from_slice(&unzipped.stdout).unwrap()
    });
    Some(payloads.collect())
}

/// Asserts that simulated and real payloads have the same keys, except those under `omitted`.
fn assert_same_keys(feed: Feed, folder: &str, omitted: &[&str]) {
    let Some(samples) = samples(folder) else { return };
    let mut real_keys = BTreeSet::new();
    for payload in &samples {
        add_paths(payload, "", &mut real_keys);
    }
    let simulated_keys = simulated(feed);
    let invented: Vec<_> = simulated_keys.difference(&real_keys).collect();
    assert!(
        invented.is_empty(),
        "the simulated payloads of {feed} have keys that the real payloads lack: {invented:?}"
    );
    let missing = real_keys.difference(&simulated_keys);
    let missing: Vec<_> =
        missing.filter(|key| !omitted.iter().any(|prefix| key.starts_with(prefix))).collect();
    assert!(missing.is_empty(), "{feed} lacks {missing:?}");
}

#[test]
fn event_odds_have_the_real_keys() {
    assert_same_keys(Feed::OddsapiEventOdds, "odds_api_event_odds", &[]);
}
#[test]
fn injury_reports_have_the_real_keys() {
    assert_same_keys(
        Feed::NbacomInjuryReport,
        "nbac_injury_report",
        &["/parsing_stats/confidence_distribution"],
    );
}
#[test]
fn box_scores_have_the_real_keys() {
    assert_same_keys(Feed::BalldontlieBoxScores, "bdl_box_scores", &[]);
}
#[test]
fn stats_have_the_real_keys() {
    assert_same_keys(Feed::BalldontlieStats, "bdl_player_box_scores", &["/meta"]);
}
#[test]
fn rosters_have_the_real_keys_except_links_pictures_and_contracts() {
    let omitted = [
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
    assert_same_keys(Feed::EspnRoster, "espn_roster_api", &omitted);
}
#[test]
fn player_lists_have_the_real_keys_and_columns() {
    assert_same_keys(Feed::NbacomPlayerList, "nbac_player_list", &[]);
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
    let mut samples: Vec<(Feed, Value)> = vec![];
    for line in lines {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let feed = Feed::find(line["source"].as_str().unwrap(), line["feed"].as_str().unwrap()).unwrap();
        if samples.iter().filter(|(sample_feed, _)| *sample_feed == feed).count() < 3 {
            samples.push((feed, line["payload"].clone()));
        }
        if samples.len() == 9 {
            break;
        }
    }
    for feed in [Feed::NbacomSchedule, Feed::NbacomLeaguegamelog, Feed::OddsapiEventOdds] {
        let mut real_keys = BTreeSet::new();
        for (_, payload) in samples.iter().filter(|(sample_feed, _)| *sample_feed == feed) {
            add_paths(payload, "", &mut real_keys);
        }
        assert_eq!(simulated(feed), real_keys, "{feed}");
    }
    let (_, log) = samples.iter().find(|(feed, _)| *feed == Feed::NbacomLeaguegamelog).unwrap();
    let events = small(1).events();
    let simulated_log = &of_feed(&events, Feed::NbacomLeaguegamelog)[0].1;
    assert_eq!(simulated_log["resultSets"][0]["headers"], log["resultSets"][0]["headers"]);
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
    assert_eq!(kinds(simulated_log), kinds(log));
}

#[test]
fn no_simulated_player_has_the_name_or_id_of_a_real_one() {
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
