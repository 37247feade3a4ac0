//! Lag, metrics and audits of the binary, read from another process before, while and after processors run.
//!
//! Invariant: the output of `lag`, the console, the metrics and `audit` is consistent with the log, its ledger and the warehouse.
//! Not here: the assessment of lag (crate `runtime`), the HTTP service (crate `console`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod common;
use common::{Fastbreak, season};
use schemas::raw::{Feed, RawEvent};
use serde_json::Value;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
    time::Duration,
};

/// Requests a path over HTTP; returns the body of the response, or `None` if there is no response.
fn get(addr: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(addr).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
}
/// Polls until `poll` returns a value; panics after a minute.
fn wait_for<T>(event: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    for _ in 0..1200 {
        if let Some(value) = poll() {
            return value;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{event} did not happen within a minute")
}
fn processors(report: &Value) -> &Vec<Value> {
    report["processors"].as_array().expect("processors")
}

#[test]
fn lag_counts_unread_records_and_reports_stopped_processors() {
    let run = Fastbreak::new();
    let lines = season();
    let (half, rest) = lines.split_at(lines.len() / 2);
    run.ingest(half);
    run.catch_up();
    let report = run.json(&["lag"]);
    assert_eq!(processors(&report).len(), 15);
    for processor in processors(&report) {
        assert_eq!(
            (&processor["lag_records"], &processor["lag_seconds"]),
            (&0.into(), &0.0.into()),
            "{processor:#}"
        );
        assert_eq!(processor["status"], "stopped");
        assert!(
            processor["partitions"].as_array().unwrap().iter().all(|partition| partition["owner"].is_null())
        );
    }
    let new = run.ingest(rest)["new"].as_i64().unwrap();
    let report = run.json(&["lag"]);
    let is_loader = |processor: &&Value| processor["processor"].as_str().unwrap().ends_with("-loader");
    let loaders = processors(&report).iter().filter(is_loader);
    let behind: i64 = loaders.clone().map(|processor| processor["lag_records"].as_i64().unwrap()).sum();
    assert_eq!(behind, new, "each new raw event must be unread by exactly one loader");
    for processor in loaders.filter(|processor| processor["lag_records"] != 0) {
        assert!(processor["lag_seconds"].as_f64().unwrap() > 0.0, "{processor:#}");
        assert!(processor["reason"].as_str().unwrap().contains("no process runs it"));
    }
    run.catch_up();
    assert!(processors(&run.json(&["lag"])).iter().all(|processor| processor["lag_records"] == 0));
}

#[test]
fn only_selects_processors_and_fail_on_exits_with_3_for_a_status() {
    let run = Fastbreak::new();
    run.ingest(&season()[..40]);
    let names = |arguments: &[&str]| -> Vec<String> {
        let report = run.json(&[&["lag"], arguments].concat());
        processors(&report).iter().map(|p| p["processor"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&["--only", "markets,games"]), ["games", "markets"]);
    assert_eq!(names(&["--only", "stopped"]).len(), 15);
    assert_eq!(names(&["--only", "losing_data", "--only", "slate"]), ["slate"]);
    for (arguments, code) in [
        (&["--fail-on", "stopped"][..], 3),
        (&["--fail-on", "stalled,losing-data"], 0),
        (&["--fail-on", "ok,stopped", "--only", "games"], 3),
        (&["--fail-on", "stopped", "--only", "stalled"], 0),
        (&["--watch", "--fail-on", "stopped"], 3),
        (&["--fail-on", "late"], 2),
        (&["--only", "gamez"], 2),
    ] {
        let output = run.run(&[&["lag"], arguments].concat());
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {message}");
        assert_eq!(
            code == 3,
            message.contains("games is stopped: no process runs it"),
            "{arguments:?}: {message}"
        );
        assert!(code != 2 || message.contains("falling_behind"), "{message}");
    }
}

#[test]
fn the_newest_event_of_each_feed_has_an_age_and_a_retraction_is_no_event() {
    let run = Fastbreak::new();
    let lines = season();
    let events: Vec<RawEvent> = lines.iter().filter_map(|line| fastbreak::ingest::parse(line).ok()).collect();
    run.ingest(&lines);
    let report = run.json(&["lag"]);
    let feeds = report["feeds"].as_array().unwrap();
    assert_eq!(feeds.len(), Feed::ALL.len());
    let mut found = 0;
    for (feed, shown) in Feed::ALL.into_iter().zip(feeds) {
        assert_eq!(shown["feed"], feed.to_string());
        let newest = events.iter().filter(|event| event.feed == feed).map(|event| event.fetched_at).max();
        if shown["last_fetched_at"] != Value::Null {
            assert_eq!(
                shown["last_fetched_at"].as_str().unwrap().parse(),
                newest.ok_or(String::new()),
                "{feed}"
            );
            assert!(shown["age_seconds"].as_i64().unwrap() > 0);
            found += 1;
        }
    }
    assert!(found >= 4, "{feeds:#?}");
    let newest =
        events.iter().filter(|event| event.feed == Feed::NbacomSchedule).max_by_key(|event| event.fetched_at);
    let id = newest.unwrap().id.to_string();
    run.json(&["retract", &id, "--reason", "test", "--yes"]);
    let after = &run.json(&["lag"])["feeds"][0];
    assert_eq!(after["last_fetched_at"], feeds[0]["last_fetched_at"]);
}

#[test]
fn a_running_process_shows_its_lag_and_counts_committed_records() {
    let run = Fastbreak::new();
    let lines = season();
    run.ingest(&lines);
    let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut child = run.command(&["run"]).env("FASTBREAK_CONSOLE", addr.to_string()).spawn().unwrap();
    let status = wait_for("catching up of every processor", || {
        let status: Value = serde_json::from_str(&get(addr, "/processors")?).ok()?;
        let is_caught_up = |processor: &Value| {
            processor["lag_records"] == 0 && (processor["status"] == "ok" || processor["status"] == "idle")
        };
        let processors = status["processors"].as_array()?;
        (processors.len() == 15 && processors.iter().all(is_caught_up)).then_some(status)
    });
    assert_eq!(status["error"], Value::Null);
    // The command `lag` runs in another process, and must see that a process runs the processors.
    let report = run.json(&["lag"]);
    assert!(processors(&report).iter().all(|processor| processor["status"] != "stopped"), "{report:#}");
    for partition in
        processors(&report).iter().flat_map(|processor| processor["partitions"].as_array().unwrap())
    {
        assert_eq!(partition["owner"]["process"], child.id(), "{partition}");
        assert!(partition["owner"]["since"].as_str().unwrap().ends_with('Z'), "{partition}");
    }
    let text = get(addr, "/metrics").unwrap();
    let value = |name: &str, labels: &str| -> f64 {
        let line = text.lines().find(|line| line.starts_with(&format!("{name}{{{labels}}}")));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
            .unwrap_or_else(|| panic!("{name} {labels} in\n{text}"))
    };
    let audit = run.json(&["audit"]);
    for processor in processors(&audit) {
        let name = processor["processor"].as_str().unwrap();
        let read = value("fastbreak_records_read_total", &format!("processor=\"{name}\""));
        assert_eq!(read, processor["read"].as_f64().unwrap(), "{name}");
        let records = |outcome| {
            value("fastbreak_records_by_outcome", &format!("processor=\"{name}\",outcome=\"{outcome}\""))
        };
        let outcomes = ["applied", "unchanged", "parked", "rejected"];
        assert_eq!(outcomes.into_iter().map(records).sum::<f64>(), read, "{name}");
    }
    let health: Value = serde_json::from_str(&get(addr, "/healthz?verbose").unwrap()).unwrap();
    let checks: Vec<&str> =
        health["checks"].as_array().unwrap().iter().map(|check| check["name"].as_str().unwrap()).collect();
    assert_eq!(health["ok"], true, "{health:#}");
    assert_eq!((checks.len(), checks[14], checks[15]), (16, "windowed-sink", "sink-lag"));
    assert!(value("fastbreak_sink_rows_total", "processor=\"windowed-sink\"") > 0.0);
    assert_eq!(value("fastbreak_sink_batches_in_flight", "processor=\"windowed-sink\""), 0.0);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(processors(&run.json(&["lag"])).iter().all(|processor| processor["status"] == "stopped"));
}

#[test]
fn a_row_lost_in_the_warehouse_is_found_and_a_rebuild_restores_it() {
    let run = Fastbreak::new();
    run.ingest(&season());
    run.catch_up();
    let content = run.content();
    let reconciliation = run.json(&["audit"])["reconciliation"].clone();
    let (skipped, mismatches) = (&reconciliation["skipped"], &reconciliation["mismatches"]);
    assert_eq!((skipped, mismatches), (&Value::Null, &serde_json::json!([])));
    assert!(
        reconciliation["games"].as_u64().unwrap() > 0 && reconciliation["in_flight"] == 0,
        "{reconciliation:#}"
    );

    let db = rusqlite::Connection::open(run.folder.path().join("warehouse.db")).unwrap();
    let lost = "SELECT game_id FROM player_games ORDER BY game_id LIMIT 1";
    let game: String = db.query_row(lost, [], |row| row.get(0)).unwrap();
    db.execute("DELETE FROM player_games_rows WHERE game_id = ?1 AND player_id = (SELECT MIN(player_id) FROM player_games WHERE game_id = ?1)", [&game]).unwrap();
    let output = run.run(&["audit"]);
    assert_eq!(output.status.code(), Some(1));
    let audit: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mismatches = audit["reconciliation"]["mismatches"].as_array().unwrap();
    assert_eq!((mismatches.len(), &mismatches[0]["game"]), (1, &Value::from(game.clone())));
    let rows = |side: &str| mismatches[0][side].as_u64().unwrap();
    assert_eq!(rows("rows_in_log"), rows("rows_in_warehouse") + 1);

    // `run` reports the mismatch in its metrics; `run --until-caught-up` reports it by its exit code.
    let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut running = run.command(&["run"]);
    running.env("FASTBREAK_CONSOLE", addr.to_string()).env("FASTBREAK_SINK_RECONCILE_INTERVAL_S", "1");
    let mut child = running.spawn().unwrap();
    wait_for("the reconciliation of the sink", || {
        let text = get(addr, "/metrics")?;
        text.contains("fastbreak_sink_mismatched_games{processor=\"windowed-sink\"} 1").then_some(())
    });
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    assert!(child.wait().unwrap().success(), "`run` must exit with 0 although it found a mismatch");
    let output = run.run(&["run", "--until-caught-up"]);
    assert!(!output.status.success());
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains(&game) && message.contains("fastbreak sink rebuild"), "{message}");

    run.json(&["sink", "rebuild", "--yes"]);
    let audit = run.run(&["audit"]);
    let report: Value = serde_json::from_slice(&audit.stdout).unwrap();
    let rebuilding = &report["reconciliation"]["skipped"];
    assert!(rebuilding.as_str().unwrap().contains("from the start"), "{rebuilding}");
    // Nothing continues the rebuild, so the audit must not pass.
    assert_eq!((audit.status.code(), &report["balanced"]), (Some(1), &false.into()));
    assert!(report["problems"][0].as_str().unwrap().contains("`fastbreak run` completes it"), "{report:#}");
    run.catch_up();
    assert_eq!(run.content(), content);
}
