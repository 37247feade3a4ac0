//! What comes in through `ingest` and cannot be used: files without events, events above the limit, hundreds of error bodies in a row.
//!
//! Invariant: nothing is lost silently, memory is bounded, and the next command that is printed works.
//! Not here: forms of files (`ingest`), records of other programs (`kafka_raw_events`).
use crate::common::{Chance, Fastbreak, text};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

fn write(run: &Fastbreak, name: &str, bytes: &[u8]) -> PathBuf {
    let path = run.folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}
fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}
fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
fn schedule(key: &str, payload: &str) -> String {
    format!(
        r#"{{"source":"nbacom","feed":"schedule","key":"{key}","fetched_at":"2024-01-01T00:00:00Z","payload":{payload}}}"#
    )
}
const NO_GAMES: &str = r#"{"leagueSchedule":{"gameDates":[]}}"#;

#[test]
fn a_file_without_events_is_refused_and_nothing_of_it_is_stored() {
    let mut chance = Chance(5);
    let mut binary: Vec<u8> = (0..300_000).map(|_| chance.below(256) as u8).collect();
    binary[0] = 0x7f;
    let text_file = "a line of text\n".repeat(100);
    for bytes in [binary.as_slice(), text_file.as_bytes()] {
        let run = Fastbreak::new();
        let path = write(&run, "file", bytes);
        let from_file = run.run(&["ingest", text(&path)]);
        let mut child = run
            .command(&["ingest", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The command may end before it has read everything.
        drop(child.stdin.take().unwrap().write_all(bytes));
        let from_input = child.wait_with_output().unwrap();
        for (output, name) in [(from_file, "file"), (from_input, "standard input")] {
            let message = stderr(&output);
            assert_eq!(output.status.code(), Some(1), "{message}");
            for part in [name, "has no events", "nothing of it was stored", "\nnext: "] {
                assert!(message.contains(part), "{message}");
            }
        }
        assert_eq!(run.json(&["dlq", "list"]), json!([]));
    }
}

#[test]
fn lines_of_unknown_feeds_incomplete_events_and_bad_lines_after_an_event_stay_dead_letters() {
    let unknown = |n| {
        format!(
            r#"{{"source":"nbacom","feed":"standings","key":"{n}","fetched_at":"2024-01-01T00:00:00Z","payload":{{}}}}"#
        )
    };
    let incomplete = |n| format!(r#"{{"key":"{n}"}}"#);
    let mut after_an_event = vec![schedule("x", NO_GAMES)];
    after_an_event.extend((0..150).map(|n| format!("bad line {n}")));
    let mut few_bad_lines: Vec<String> = (0..99).map(|n| format!("bad line {n}")).collect();
    few_bad_lines.push(schedule("x", NO_GAMES));
    for (lines, new, dead_letters) in [
        ((0..150).map(unknown).collect(), 0, 150),
        ((0..150).map(incomplete).collect(), 0, 150),
        (after_an_event, 1, 150),
        (few_bad_lines, 1, 99),
        ((0..99).map(|n| format!("bad line {n}")).collect(), 0, 99),
    ] {
        let run = Fastbreak::new();
        let path = run.file("lines.jsonl", &lines);
        let output = run.run(&["ingest", text(&path)]);
        let report = report(&output);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(
            (&report["new"], &report["dead_letters"]),
            (&json!(new), &json!(dead_letters)),
            "{}",
            stderr(&output)
        );
        let list = run.json(&["dlq", "list"]);
        let open: u64 = list.as_array().unwrap().iter().map(|reason| reason["open"].as_u64().unwrap()).sum();
        assert_eq!(open, dead_letters, "{list:#}");
    }
}

#[test]
fn case_50_an_event_above_the_limit_is_refused_with_file_and_line_and_a_large_page_is_one_small_dead_letter()
{
    let run = Fastbreak::new();
    let page = format!("<html>{}</html>", "<p>Service unavailable</p>".repeat(9_000_000 / 26));
    let lines = [
        schedule("before", NO_GAMES),
        schedule("large", &format!(r#"{{"text":"{}"}}"#, "x".repeat(17_500_000))),
        schedule("page", &json!(page).to_string()),
        schedule(&"k".repeat(8_500_000), NO_GAMES),
        schedule("after", NO_GAMES),
    ];
    let path = run.file("events.jsonl", &lines);
    let output = run.run(&["ingest", text(&path)]);
    let (counts, message) = (report(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(1), "{message}");
    for part in ["2 lines are too large", "events.jsonl:2: 1750", "16777216 bytes (16 MiB)", "next: "] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(
        (&counts["new"], &counts["too_large"], &counts["dead_letters"]),
        (&json!(3), &json!(2), &json!(0))
    );
    run.catch_up();
    let shown = run.json(&["dlq", "show", "schedule-loader"]);
    let dead_letter = &shown[0];
    assert_eq!(dead_letter["key"], "page");
    assert!(dead_letter["reason"].as_str().unwrap().chars().count() <= 1001);
    assert_eq!(dead_letter["value"]["payload"], json!(page), "the bytes are complete");
    run.content();
}

/// Returns the peak of the resident memory of a command, in KiB, and its output.
fn peak_memory(run: &Fastbreak, arguments: &[&str]) -> (u64, Output) {
    let mut child = run.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(&status).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        peak = peak.max(kib.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(2));
    }
    (peak, child.wait_with_output().unwrap())
}

#[test]
fn a_small_file_that_unpacks_to_one_huge_line_is_refused_in_bounded_memory() {
    const MIB: usize = 1 << 20;
    const LINE_MIB: usize = 512;
    let run = Fastbreak::new();
    let path = run.folder.path().join("bomb.zst");
    let mut encoder = zstd::Encoder::new(std::fs::File::create(&path).unwrap(), 3).unwrap();
    for _ in 0..LINE_MIB {
        encoder.write_all(&[b'x'; MIB]).unwrap();
    }
    writeln!(encoder, "\n{}", schedule("after", NO_GAMES)).unwrap();
    encoder.finish().unwrap();
    assert!(std::fs::metadata(&path).unwrap().len() < MIB as u64);
    let (peak, output) = peak_memory(&run, &["ingest", text(&path)]);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains(&format!("bomb.zst:1: {} bytes", LINE_MIB * MIB + 1)), "{message}");
    assert_eq!(report(&output)["new"], 1, "the line after it is ingested");
    assert!(0 < peak && peak < 200 << 10, "{peak} KiB");
}

/// Returns the first command after `next: ` in a message.
fn next_command(message: &str) -> Vec<String> {
    let (_, next) = message.rsplit_once("next: ").expect("a next step");
    let command = next.split('`').nth(1).expect("a command");
    command.split(' ').skip(1).map(str::to_owned).collect()
}

#[test]
fn case_14_after_hundreds_of_error_bodies_the_other_processors_catch_up_and_the_next_command_reads_all() {
    let input = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shared/cases/14-hours-of-rate-limit-bodies/input.jsonl");
    let Ok(lines) = std::fs::read_to_string(&input) else {
        eprintln!("skipped: {} does not exist", input.display());
        return;
    };
    let run = Fastbreak::new();
    run.ingest(&lines.lines().map(str::to_owned).collect::<Vec<_>>());
    let stopped = run.run(&["run", "--until-caught-up"]);
    let message = stderr(&stopped);
    assert_eq!(stopped.status.code(), Some(4), "{message}");
    assert!(message.contains("box-score-loader stops"), "{message}");
    let lag = run.json(&["lag"]);
    for processor in lag["processors"].as_array().unwrap() {
        let has_lag = processor["lag_records"] != 0;
        assert_eq!(has_lag, processor["processor"] == "box-score-loader", "{processor:#}");
    }
    let mut command = next_command(&message);
    assert_eq!(command, ["run", "--accept-dead-letters", "box-score-loader"], "{message}");
    command.push("--until-caught-up".to_owned());
    run.json(&command.iter().map(String::as_str).collect::<Vec<_>>());
    let warehouse = Connection::open(run.folder.path().join("warehouse.db")).unwrap();
    for (player, points) in [(1001, 20), (2001, 30)] {
        let sql = "SELECT points FROM player_games WHERE player_id = ? AND game_id = '0022400161'";
        assert_eq!(warehouse.query_row(sql, [player], |row| row.get(0)), Ok(points));
    }
    let list = run.json(&["dlq", "list"]);
    assert_eq!((&list[0]["processor"], &list[0]["open"]), (&json!("box-score-loader"), &json!(150)));
    assert_eq!(list.as_array().unwrap().len(), 1, "equal bodies have one reason: {list:#}");
    run.content();
}
