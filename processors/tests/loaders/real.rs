//! Tests of the loaders with real payloads, which are not part of the repository.
//!
//! Invariant: every payload of a known feed decodes without a reject and without a bad row.
//! Not here: the payloads themselves.
use crate::payloads::{box_scores, members, odds};
use processors::loader::{Loaded, Reject, load};
use schemas::raw::{Feed, FetchOutcome, RawEvent};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

fn shared(folder: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(folder);
    if !path.is_dir() {
        eprintln!("skipped: no real payloads at {}", path.display());
        return None;
    }
    Some(path)
}
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Samples: a folder, or a folder and the beginning of the names of its files; feed, rows found, out of scope, members published.
const SAMPLES: [(&str, Feed, u64, u64, u64); 20] = [
    ("nbac_schedule_cdn", Feed::NbacomSchedule, 13, 13, 0),
    ("nbac_player_boxscore", Feed::NbacomLeaguegamelog, 157, 0, 157),
    ("nbac_player_list", Feed::NbacomPlayerList, 594, 0, 594),
    ("nbac_injury_report", Feed::NbacomInjuryReport, 14, 0, 14),
    ("bdl_player_box_scores", Feed::BalldontlieStats, 30, 0, 30),
    ("bdl_box_scores", Feed::BalldontlieBoxScores, 731, 0, 731),
    ("bdl_box_scores", Feed::BalldontlieLiveBoxScores, 731, 0, 731),
    ("bdl_live_box_scores", Feed::BalldontlieLiveBoxScores, 0, 0, 0),
    ("espn_roster_api", Feed::EspnRoster, 17, 0, 17),
    ("odds_api_event_odds", Feed::OddsapiEventOdds, 273, 0, 273),
    ("odds_api_historical_game_lines", Feed::OddsapiEventOdds, 0, 0, 0),
    ("oddsa_player_props_his", Feed::OddsapiEventOdds, 0, 0, 0),
    ("oddsa_game_lines_his", Feed::OddsapiEventOdds, 0, 0, 0),
    ("nba_cdn_boxscore", Feed::NbacomBoxscore, 34, 0, 34),
    ("stats_nba_com_v3/boxscoretraditional", Feed::NbacomBoxscore, 29, 0, 29),
    ("stats_nba_com_v3/nadavbarak14_boxscoretraditional", Feed::NbacomBoxscore, 24, 0, 24),
    ("nbac_team_boxscore", Feed::NbacomBoxscore, 75, 0, 75),
    ("nbac_gamebook_pdf", Feed::NbacomGamebook, 66, 0, 66),
    ("espn_game_boxscore", Feed::EspnBoxscore, 75, 0, 75),
    ("espn_summary", Feed::EspnSummary, 24, 0, 24),
];

/// Returns the payloads of a folder of samples.
fn payloads(path: &Path) -> Vec<String> {
    let payload = |file: PathBuf| {
        let mut payload = String::new();
        flate2::read::GzDecoder::new(File::open(&file).unwrap()).read_to_string(&mut payload).unwrap();
        payload
    };
    if path.is_dir() {
        return files(path).into_iter().map(payload).collect();
    }
    let begins = |file: &PathBuf| file.to_str().unwrap().starts_with(path.to_str().unwrap());
    files(path.parent().unwrap()).into_iter().filter(begins).map(payload).collect()
}
/// Returns all samples; empty if they are not available.
pub fn samples() -> Vec<(Feed, String)> {
    let Some(samples) = shared("samples") else { return Vec::new() };
    let of_folder = |(folder, feed, ..): &(&str, Feed, u64, u64, u64)| {
        payloads(&samples.join(folder)).into_iter().map(|payload| (*feed, payload)).collect::<Vec<_>>()
    };
    SAMPLES.iter().flat_map(of_folder).collect()
}
/// Loads a sample. Its request key states the date of a game, because not every layout of a box score does.
fn load_sample(feed: Feed, payload: String) -> Result<Loaded, Reject> {
    let fetched_at = "2025-07-01T12:00:00Z".parse().unwrap();
    load(&RawEvent::new(feed, "2025-01-15".to_owned(), fetched_at, FetchOutcome::Complete, payload))
}
/// Returns what the loaders read from all samples; empty if they are not available.
pub fn loaded_samples() -> Vec<(Feed, Loaded)> {
    samples().into_iter().map(|(feed, payload)| (feed, load_sample(feed, payload).unwrap())).collect()
}

#[test]
fn every_sample_decodes_without_reject_and_bad_row() {
    let Some(samples) = shared("samples") else { return };
    for (folder, feed, rows, out_of_scope, emitted) in SAMPLES {
        let mut sum = (0, 0, 0);
        for payload in payloads(&samples.join(folder)) {
            let loaded = load_sample(feed, payload).unwrap_or_else(|reject| panic!("{folder}: {reject:?}"));
            assert_eq!(loaded.bad_rows, [], "{folder}");
            sum.0 += loaded.rows;
            sum.1 += loaded.rows_out_of_scope;
            sum.2 += members(&loaded);
        }
        assert_eq!(sum, (rows, out_of_scope, emitted), "{folder}");
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    source: &'a str,
    feed: &'a str,
    key: String,
    fetched_at: &'a str,
    #[serde(borrow)]
    payload: &'a RawValue,
}

/// Returns the raw events of all available seasons.
pub fn seasons() -> Vec<RawEvent> {
    let Some(folder) = shared("data/events") else { return Vec::new() };
    let mut events = Vec::new();
    for file in files(&folder) {
        let lines = zstd::decode_all(File::open(&file).unwrap()).unwrap();
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let Envelope { source, feed, key, fetched_at, payload } = serde_json::from_slice(line).unwrap();
            let feed = Feed::find(source, feed).unwrap();
            let fetched_at = fetched_at.parse().unwrap();
            let payload = payload.get().to_owned();
            events.push(RawEvent::new(feed, key, fetched_at, FetchOutcome::Complete, payload));
        }
    }
    events
}

#[test]
fn seven_seasons_decode_without_reject_and_bad_row() {
    let events = seasons();
    if events.is_empty() {
        return;
    }
    let (mut games, mut appearances, mut lists, mut quotes, mut prices, mut estimated) = (0, 0, 0, 0, 0, 0);
    for raw in &events {
        let loaded: Loaded = load(raw).unwrap_or_else(|reject| panic!("{}: {reject:?}", raw.key));
        assert_eq!((&loaded.bad_rows[..], loaded.rows_out_of_scope, loaded.rows_repeated), (&[][..], 0, 0));
        assert_eq!(loaded.rows, members(&loaded));
        match raw.feed {
            Feed::NbacomSchedule => games += loaded.rows,
            Feed::NbacomLeaguegamelog => appearances += loaded.rows,
            _ => quotes += loaded.rows,
        }
        for game in crate::payloads::games(&loaded) {
            estimated += u32::from(game.fixture.tip_estimated);
        }
        lists += box_scores(&loaded).len();
        assert!(box_scores(&loaded).iter().all(|list| list.complete && list.is_final), "{}", raw.key);
        for line in odds(&loaded).iter().flat_map(|event| &event.quotes).flat_map(|quote| &quote.lines) {
            prices += u32::from(line.over.is_some()) + u32::from(line.under.is_some());
        }
    }
    assert_eq!((games, appearances, lists, quotes), (16_580, 176_189, 16_578, 37_351));
    assert_eq!((prices, estimated), (152_653, 4));
}
