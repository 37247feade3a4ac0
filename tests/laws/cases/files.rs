//! Trouble cases of the command `ingest`: lines, clocks and forms of files.
//!
//! Invariant: what cannot be ingested is refused by name, and the exit code shows it.
//! Not here: the content of payloads (`box_scores`, `odds_and_reports`).
use super::input_of;
use crate::common::{Fastbreak, text};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::{io::Write, path::Path, process::Output};

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Ingests a file whose line with this number is refused, and processes the other lines; returns the dead letter of the line.
fn ingest_with_refused_line(run: &Fastbreak, input: &Path, line: u64) -> Value {
    let output = run.run(&["ingest", text(input)]);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(message.contains("dead letter") && message.contains("input.jsonl"), "{message}");
    let counts: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(counts["dead_letters"], 1, "{counts}");
    run.catch_up();
    let dead_letters = run.json(&["dlq", "show", "ingest"]);
    let dead_letters = dead_letters.as_array().unwrap();
    assert_eq!(dead_letters.len(), 1, "{dead_letters:#?}");
    assert_eq!(dead_letters[0]["origin_offset"], line, "{dead_letters:#?}");
    assert!(dead_letters[0]["origin"].as_str().unwrap().ends_with("input.jsonl"), "{dead_letters:#?}");
    dead_letters[0].clone()
}

/// Returns the integers that a query of the warehouse returns, one per row.
fn query(run: &Fastbreak, sql: &str) -> Vec<i64> {
    let warehouse = Connection::open(run.folder.path().join("warehouse.db")).unwrap();
    let mut statement = warehouse.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn case_12_a_line_with_nan_is_a_dead_letter_and_the_other_lines_are_ingested() {
    let Some(input) = input_of("12") else { return };
    let run = Fastbreak::new();
    let dead_letter = ingest_with_refused_line(&run, &input, 2);
    assert_eq!(dead_letter["code"], "not_json", "{dead_letter:#}");
    assert_eq!(query(&run, "SELECT count(*) FROM player_games"), [30]);
}

#[test]
fn case_30_an_event_whose_clock_is_a_year_ahead_is_refused() {
    let Some(input) = input_of("30") else { return };
    let run = Fastbreak::new();
    let dead_letter = ingest_with_refused_line(&run, &input, 8);
    assert!(dead_letter["reason"].as_str().unwrap().contains("fetched_at"), "{dead_letter:#}");
    let points = "SELECT points FROM player_games WHERE player_id = 1001 AND game_id = '0022400161'";
    assert_eq!(query(&run, points), [35]);
    let slate =
        |date: &str| query(&run, &format!("SELECT count(*) FROM player_slate WHERE game_date = '{date}'"))[0];
    assert_eq!(slate("2025-04-08"), 0);
    assert!(slate("2025-03-20") > 0, "the second of the next two games is not open");
}

/// Two events of the feed `nbacom/schedule` without games.
fn two_events() -> [Value; 2] {
    ["2023-24", "2024-25"].map(|season| {
        json!({"source": "nbacom", "feed": "schedule", "key": season, "fetched_at": "2024-11-01T12:00:00Z",
               "payload": {"leagueSchedule": {"seasonYear": season, "gameDates": []}}})
    })
}

/// Ingests a file with these bytes; returns the output and, if standard output is JSON, the counts.
fn ingest_bytes(run: &Fastbreak, name: &str, bytes: &[u8]) -> (Output, Option<Value>) {
    let path = run.folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let output = run.run(&["ingest", text(&path)]);
    let counts = serde_json::from_slice(&output.stdout).ok();
    (output, counts)
}

#[test]
fn case_43_a_file_with_a_byte_order_mark_or_with_carriage_returns_is_read() {
    let lines = two_events().map(|event| event.to_string());
    let forms = [
        ("mark.jsonl", format!("\u{feff}{}\n", lines.join("\n"))),
        ("returns.jsonl", format!("{}\r\n", lines.join("\r\n"))),
        ("both.jsonl", format!("\u{feff}{}\r\n", lines.join("\r\n"))),
    ];
    for (name, file) in forms {
        let run = Fastbreak::new();
        let (output, counts) = ingest_bytes(&run, name, file.as_bytes());
        assert!(output.status.success(), "{name}: {}", stderr(&output));
        let counts = counts.unwrap();
        assert_eq!((&counts["new"], &counts["dead_letters"]), (&json!(2), &json!(0)), "{name}: {counts}");
    }
}

#[test]
fn case_43_a_file_in_another_form_is_read_or_refused_as_a_whole_in_one_sentence() {
    let events = two_events();
    let lines = events.iter().map(|event| format!("{event}\n")).collect::<String>();
    let pretty = events.iter().map(|event| format!("{event:#}\n")).collect::<String>();
    let utf_16 = |bytes: fn(u16) -> [u8; 2]| {
        "\u{feff}".encode_utf16().chain(lines.encode_utf16()).flat_map(bytes).collect::<Vec<u8>>()
    };
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(lines.as_bytes()).unwrap();
    let forms = [
        ("gzip.jsonl", gzip.finish().unwrap()),
        ("little_endian.jsonl", utf_16(u16::to_le_bytes)),
        ("big_endian.jsonl", utf_16(u16::to_be_bytes)),
        ("pretty.jsonl", pretty.into_bytes()),
        ("array.json", json!(events).to_string().into_bytes()),
        ("pretty_array.json", format!("{:#}", json!(events)).into_bytes()),
    ];
    for (name, bytes) in forms {
        let run = Fastbreak::new();
        let (output, counts) = ingest_bytes(&run, name, &bytes);
        let message = stderr(&output);
        let dead_letters = run.run(&["dlq", "show", "ingest"]);
        let dead_letters: Value = serde_json::from_slice(&dead_letters.stdout).unwrap_or(json!([]));
        assert_eq!(dead_letters, json!([]), "{name}: a line is a dead letter");
        if output.status.success() {
            assert_eq!(counts.unwrap()["new"], 2, "{name}");
        } else {
            // One sentence, and the command that reads the file.
            assert_eq!(
                message.lines().filter(|line| line.starts_with("error")).count(),
                1,
                "{name}: {message}"
            );
            assert!(message.trim().lines().count() <= 2, "{name}: {message}");
            assert!(message.contains(name), "{name}: the message does not name the file: {message}");
        }
    }
}
