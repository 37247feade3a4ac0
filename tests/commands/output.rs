//! What commands write to standard output and standard error: control characters, a device that is full, a terminal.
//!
//! Invariant: no byte that a terminal interprets reaches it, whatever the sources reported.
//! Not here: secrets (`secrets`).
use crate::{
    common::{Fastbreak, season},
    support::{fastbreak, run},
};
use std::{collections::BTreeSet, fs::File, process::Command};

const KEY: &str = r"\u001b]0;owned\u0007\u009b31m\u202e";

fn event() -> String {
    format!(
        r#"{{"source":"nbacom","feed":"schedule","key":"k{KEY}","fetched_at":"2024-01-01T00:00:00Z","payload":{{"a":"{KEY}"}}}}"#
    )
}
fn assert_no_control_characters(text: &str) {
    let found = text.chars().find(|c| (c.is_control() && *c != '\n' && *c != '\t') || *c == '\u{202e}');
    assert_eq!(found, None, "{text:?}");
}

#[test]
fn control_characters_are_shown_escaped_in_tables_json_messages_and_errors() {
    let data = Fastbreak::new();
    data.ingest(&[event()]);
    data.catch_up();
    let folder = data.folder.path();
    let id = fastbreak::ingest::parse(&event()).unwrap().id.to_string();
    let reason = "why\u{1b}[2J";
    for format in ["table", "json"] {
        let (code, text) = run(fastbreak(folder, &["--output", format, "retract", &id, "--reason", reason]));
        assert_eq!(code, Some(4), "{text}");
        assert!(text.contains("owned"), "the key is shown: {text}");
        assert_no_control_characters(&text);
        let (_, text) = run(fastbreak(folder, &["--output", format, "dlq", "show", "schedule-loader"]));
        assert!(text.contains("owned"), "the value is shown: {text}");
        assert_no_control_characters(&text);
    }
    for arguments in [
        &["dlq", "show", "x\u{1b}[31m"][..],
        &["status", "\u{1b}[31m"],
        &["explain", "\u{1b}[31m", "2024-01-01"],
        &["--config", "\u{1b}[31m", "lag"],
    ] {
        let (code, text) = run(fastbreak(folder, arguments));
        assert_eq!(code, Some(2), "{text}");
        assert_no_control_characters(&text);
    }
    let json = fastbreak(folder, &["--output", "json", "retract", &id, "--reason", reason]).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let key = report["events"][0]["key"].as_str().unwrap();
    assert_eq!(key, "k\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}", "JSON has the characters as they were");
}

#[test]
fn an_error_of_standard_output_says_what_was_not_written_and_why() {
    let Ok(full) = File::options().write(true).open("/dev/full") else { return };
    let data = Fastbreak::new();
    data.ingest(&[event()]);
    let mut command = fastbreak(data.folder.path(), &["lag"]);
    let output = command.stdout(full).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("standard output") && message.contains("No space left"), "{message}");
}

/// Runs a command of the binary on a terminal of 100 columns; returns what the terminal shows, without control sequences.
fn on_terminal(data: &Fastbreak, arguments: &str) -> String {
    let binary = env!("CARGO_BIN_EXE_fastbreak");
    let command = format!("stty cols 100; '{binary}' --data '{}' {arguments}", data.folder.path().display());
    // `script` of util-linux runs a command on a pseudo terminal.
    let output = Command::new("script").args(["-qec", &command, "/dev/null"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let parts = text.split("\u{1b}[").enumerate().map(|(index, part)| match index {
        0 => part,
        _ => part.trim_start_matches(|c: char| c.is_ascii_digit() || ";?".contains(c)).get(1..).unwrap_or(""),
    });
    parts.collect::<String>().replace('\r', "\n")
}

#[test]
fn on_a_terminal_a_run_and_a_replay_show_a_bar_and_tables_have_no_line_between_rows() {
    let data = Fastbreak::new();
    data.ingest(&season());
    let shown_percentages = |text: &str| -> BTreeSet<u32> {
        let of_line = |line: &str| line.split_once(" %  ")?.0.split_whitespace().last()?.parse().ok();
        text.lines().filter_map(of_line).collect()
    };
    for arguments in
        ["run --until-caught-up", "replay run --from 2020-01-01 --to 2030-01-01 --namespace terminal"]
    {
        let text = on_terminal(&data, arguments);
        let percentages = shown_percentages(&text);
        assert!(!percentages.is_empty(), "no percentage: {text}");
        assert!(percentages.iter().all(|percent| *percent <= 100), "{text}");
        assert!(text.contains('█'), "{text}");
    }
    let table = on_terminal(&data, "topics list");
    let lines = table.lines().filter(|line| line.contains("──")).count();
    assert_eq!(lines, 1, "one line below the header, none between the rows: {table}");
}
