//! `train` and `backtest` on two invented seasons: what they write and refuse, and that the predictor predicts with the artifact.
//!
//! Invariant: every test has its own copy of the data folder.
//! Not here: the accuracy on recorded seasons (`docs/training.md` says how to measure it), hostile artifacts (`processors::predictor`).
use crate::{
    common::Fastbreak,
    support::{fastbreak, printed, processed, run, state},
};
use rusqlite::Connection;
use serde_json::Value;
use std::{os::unix::fs::PermissionsExt, path::Path, sync::LazyLock};

/// A folder with the log and the warehouse of two seasons, of which each test has a copy.
static TWO_SEASONS: LazyLock<Fastbreak> = LazyLock::new(|| {
    let season = |seed, year| {
        let mut season = simulator::Season::new(seed, year);
        (season.teams, season.games_per_team, season.injury_reports) = (12, 26, 0);
        season.events()
    };
    let events = [season(11, 2022), season(12, 2023)].concat();
    Fastbreak::straight(&events.iter().map(simulator::ScraperEvent::to_jsonl).collect::<Vec<_>>())
});

fn two_seasons() -> Fastbreak {
    let copy = Fastbreak::new();
    for name in ["log.db", "warehouse.db"] {
        std::fs::copy(TWO_SEASONS.folder.path().join(name), copy.folder.path().join(name)).unwrap();
    }
    copy
}
/// Runs `train` with this file; returns exit code and text.
fn train(data: &Path, season: &str, file: &Path, more: &[&str]) -> (Option<i32>, String) {
    let mut command = fastbreak(data, &["train", "--through", season, "--out"]);
    command.arg(file).args(more);
    run(command)
}
fn learned(grades: &Value) -> &Value {
    grades["rows"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["system"] == "learned_v1" && !row["n"].is_null())
        .unwrap()
}

#[test]
fn a_trained_model_is_one_file_that_is_replaced_only_on_request_and_predicts_later_games() {
    let log = two_seasons();
    let (data, other) = (log.folder.path(), tempfile::tempdir().unwrap());
    let file = other.path().join("model.json");
    let before = state(data);
    let (code, text) = train(data, "2022-23", &file, &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("in-sample") && text.contains("too few games of earlier seasons"), "{text}");
    assert_eq!(state(data), before, "training changed the data folder");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777 & !0o640, 0);

    let first = std::fs::read(&file).unwrap();
    let (code, text) = train(data, "2023-24", &file, &[]);
    assert!(code == Some(4) && text.contains("--overwrite"), "{text}");
    assert_eq!(std::fs::read(&file).unwrap(), first);
    assert_eq!(train(data, "2022-23", &file, &["--overwrite"]).0, Some(0));
    assert!(std::fs::read(&file).unwrap() == first, "the same training gave another file");
    assert_eq!(std::fs::read_dir(other.path()).unwrap().count(), 1);

    let mut catch_up = log.command(&["run", "--until-caught-up"]);
    let output = catch_up.env("FASTBREAK_LEARNED_MODEL", &file).output().unwrap();
    assert!(output.status.success(), "{}", printed(&output));
    let graded = learned(&log.json(&["grade", "--season", "2023-24"])).clone();
    // The audit before a backtest expects the predictor of the configuration.
    let mut backtest = log.command(&["backtest", "--from", "2023-24", "--to", "2023-24"]);
    let output = backtest.env("FASTBREAK_LEARNED_MODEL", &file).output().unwrap();
    assert!(output.status.success(), "{}", printed(&output));
    let backtest: Value = serde_json::from_slice(&output.stdout).unwrap();
    let season = &backtest["seasons"][0];
    assert_eq!(season["n"], graded["n"]);
    let difference = season["mae"].as_f64().unwrap() - graded["mae"].as_f64().unwrap();
    assert!(difference.abs() < 1e-9, "{season:#} {graded:#}");
}

#[test]
fn a_report_measures_the_last_season_with_a_model_of_the_earlier_one() {
    let log = two_seasons();
    let report = log.json(&["train", "--through", "2023-24"]);
    assert_eq!(report["training"]["seasons"], serde_json::json!(["2022-23", "2023-24"]));
    assert!(report["file"].is_null());
    let counts = ["rows", "issued", "retrospective"].map(|name| report["training"][name].as_u64().unwrap());
    assert_eq!(counts[0], counts[1] + counts[2]);
    let backtest = log.json(&["backtest", "--from", "2023-24", "--to", "2023-24"]);
    let season = &backtest["seasons"][0];
    for name in ["n", "mae", "bias", "blend_mae"] {
        assert_eq!(report["out_of_sample"][name], season[name], "{name}");
    }
    let coverage = season["coverage_80"].as_f64().unwrap();
    assert!((0.6..0.95).contains(&coverage), "{coverage}");
    assert!(season["lines"]["log_loss"].as_f64().unwrap() > 0.0, "{season:#}");
}

#[test]
fn too_little_to_train_on_and_wrong_ranges_are_refused() {
    let log = processed();
    let data = log.folder.path();
    for arguments in
        [["train", "--through", "2023-24"].as_slice(), &["backtest", "--from", "2023-24", "--to", "2023-24"]]
    {
        let (code, text) = run(fastbreak(data, arguments));
        assert!(code == Some(4) && text.contains("1000 that a training needs"), "{text}");
    }
    let (code, text) = run(fastbreak(data, &["backtest", "--from", "2023-24", "--to", "2022-23"]));
    assert!(code == Some(2) && text.contains("next: "), "{text}");
}

#[test]
fn a_warehouse_that_differs_from_the_log_is_not_trained_on() {
    let log = processed();
    let data = log.folder.path();
    let edit = "UPDATE player_games_rows SET points = points + 1
         WHERE (game_id, player_id, matchup) = (SELECT game_id, player_id, matchup FROM player_games LIMIT 1)";
    let db = Connection::open(data.join("warehouse.db")).unwrap();
    let changed = db.execute(edit, []).unwrap();
    drop(db);
    assert_eq!(changed, 1);
    let (code, text) = run(fastbreak(data, &["train", "--through", "2023-24"]));
    assert!(code == Some(4) && text.contains("the audit does not balance"), "{text}");
}
