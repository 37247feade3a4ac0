//! What commands write to standard output and standard error: control characters, and a device that is full.
//!
//! Invariant: no byte that a terminal interprets reaches it, whatever the sources reported.
//! Not here: secrets (`secrets`).
use crate::{
    common::Fastbreak,
    support::{fastbreak, run},
};
use std::fs::File;

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
