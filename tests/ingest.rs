//! Ingests files of every form with the binary: which are read, which are refused, and which lines become dead letters.
//!
//! Invariant: the exit code is not 0 if anything of a file is not in the log.
//! Not here: redriving the lines (`dead_letters`), appending to Kafka (`kafka`).
#![allow(clippy::print_stderr, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod common;
use common::{Fastbreak, text};
use flate2::{Compression, write::GzEncoder};
use schemas::raw::{FetchOutcome, RejectCode};
use serde_json::{Value, json};
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

/// Returns an event; different numbers give different events.
fn event(number: usize) -> String {
    event_with(number, "2024-01-01T00:00:00Z", "complete")
}
fn event_with(number: usize, fetched_at: &str, outcome: &str) -> String {
    let payload = r#"{"links":[{"spelling":"Moe Wagner","player_id":1629021}]}"#;
    format!(
        r#"{{"source":"operator","feed":"identity-links","key":"{number}","fetched_at":"{fetched_at}","outcome":"{outcome}","payload":{payload}}}"#
    )
}
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}
fn utf_16(text: &str) -> Vec<u8> {
    "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

fn utf_16_without_mark(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

fn write(run: &Fastbreak, name: &str, bytes: &[u8]) -> PathBuf {
    let path = run.folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}
fn ingest(run: &Fastbreak, path: &Path) -> Output {
    run.run(&["ingest", text(path)])
}
fn ingest_standard_input(run: &Fastbreak, bytes: &[u8]) -> Output {
    let mut child = run
        .command(&["ingest", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    child.wait_with_output().unwrap()
}
fn counts(output: &Output) -> [u64; 3] {
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    ["new", "known", "dead_letters"].map(|key| report[key].as_u64().unwrap())
}
fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
fn dead_letters(run: &Fastbreak) -> Vec<Value> {
    run.json(&["dlq", "show", "ingest"]).as_array().unwrap().clone()
}
/// Returns the input of a case that a public bug report describes; `None` if the cases are not there.
fn case(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/cases").join(name).join("input.jsonl");
    if !path.exists() {
        eprintln!("{} does not exist, so the case is skipped", path.display());
        return None;
    }
    Some(path)
}

#[test]
fn plain_gzip_and_zstd_lines_are_read_from_files_of_any_name_and_from_standard_input() {
    let lines = format!("{}\r\n\r\n{}\n", event(1), event(2));
    let marked = format!("\u{feff}{lines}");
    let forms = [
        lines.as_bytes().to_vec(),
        marked.clone().into_bytes(),
        gzip(lines.as_bytes()),
        gzip(marked.as_bytes()),
        [gzip(event(1).as_bytes()), gzip(format!("\n{}", event(2)).as_bytes())].concat(),
        zstd(lines.as_bytes()),
    ];
    for (n, form) in forms.iter().enumerate() {
        let run = Fastbreak::new();
        let output = ingest(&run, &write(&run, "events", form));
        assert_eq!(
            (output.status.code(), counts(&output)),
            (Some(0), [2, 0, 0]),
            "form {n}: {}",
            stderr(&output)
        );
        let output = ingest_standard_input(&run, form);
        assert_eq!(
            (output.status.code(), counts(&output)),
            (Some(0), [0, 2, 0]),
            "form {n}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn other_forms_are_refused_as_a_whole_in_one_sentence_with_the_command_to_run() {
    let pretty = "{\n  \"source\": \"operator\",\n  \"feed\": \"identity-links\"\n}\n".repeat(20);
    let array = format!("[\n{},\n{}\n]\n", event(1), event(2));
    for (bytes, of_file, of_input) in [
        (utf_16(&event(1)), "iconv -f UTF-16 -t UTF-8 FILE", "iconv -f UTF-16 -t UTF-8"),
        (utf_16_without_mark(&event(1)), "iconv -f UTF-16BE -t UTF-8 FILE", "iconv -f UTF-16BE -t UTF-8"),
        (gzip(&utf_16(&event(1))), "zcat FILE | iconv -f UTF-16 -t UTF-8", "zcat | iconv -f UTF-16 -t UTF-8"),
        (pretty.clone().into_bytes(), "jq -c . FILE", "jq -c ."),
        (gzip(pretty.as_bytes()), "zcat FILE | jq -c .", "zcat | jq -c ."),
        (array.clone().into_bytes(), "jq -c '.[]' FILE", "jq -c '.[]'"),
        (zstd(array.as_bytes()), "zstd -dc FILE | jq -c '.[]'", "zstd -dc | jq -c '.[]'"),
        (gzip(&gzip(event(1).as_bytes())), "zcat FILE", "zcat"),
        (gzip(&zstd(event(1).as_bytes())), "zcat FILE", "zcat"),
        (zstd(&gzip(event(1).as_bytes())), "zstd -dc FILE", "zstd -dc"),
        (b"PK\x03\x04rest".to_vec(), "unzip -p FILE", "funzip"),
    ] {
        let run = Fastbreak::new();
        let path = write(&run, "events.json", &bytes);
        let of_file = of_file.replace("FILE", text(&path));
        for (output, command) in
            [(ingest(&run, &path), of_file.as_str()), (ingest_standard_input(&run, &bytes), of_input)]
        {
            let message = stderr(&output);
            assert_eq!(output.status.code(), Some(1), "{message}");
            assert!(message.contains(&format!("next: `{command} | fastbreak ingest -`")), "{message}");
            assert_eq!(message.lines().count(), 2, "{message}");
            assert!(output.stdout.is_empty());
        }
        assert_eq!(dead_letters(&run), Vec::<Value>::new());
        assert_eq!(counts(&ingest_standard_input(&run, event(1).as_bytes())), [1, 0, 0]);
    }
}

#[test]
fn the_path_in_the_command_to_run_is_one_word_of_a_shell() {
    let run = Fastbreak::new();
    let path = write(&run, "Ann's events.json", format!("[{}]", event(1)).as_bytes());
    let message = stderr(&ingest(&run, &path));
    let quoted = format!("'{}'", text(&path).replace('\'', r"'\''"));
    assert!(message.contains(&format!("next: `jq -c '.[]' {quoted} | fastbreak ingest -`")), "{message}");
}

#[test]
fn an_error_in_one_of_several_files_says_which_of_them_are_in_the_log() {
    let run = Fastbreak::new();
    let paths = [
        write(&run, "first", event(1).as_bytes()),
        write(&run, "second", format!("[{}]", event(2)).as_bytes()),
        write(&run, "third", event(3).as_bytes()),
    ];
    let [first, second, third] = paths.each_ref().map(|path| text(path));
    let output = run.run(&["ingest", first, second, third]);
    let message = stderr(&output);
    assert_eq!((output.status.code(), message.lines().count()), (Some(1), 2), "{message}");
    let stored = format!("files in the log: {first}; files not read: {third}: {second} is a JSON array");
    assert!(message.contains(&stored), "{message}");
    let missing = run.folder.path().join("missing");
    let message = stderr(&run.run(&["ingest", text(&missing), third]));
    assert!(message.contains(&format!("files in the log: none; files not read: {third}")), "{message}");
    assert_eq!(counts(&run.run(&["ingest", first, third])), [1, 1, 0]);
}

#[test]
fn a_file_that_holds_only_a_byte_order_mark_is_empty() {
    let run = Fastbreak::new();
    for bytes in ["\u{feff}", "\u{feff}\n", "\u{feff}\r\n\r\n", ""] {
        for form in [bytes.as_bytes().to_vec(), gzip(bytes.as_bytes())] {
            let output = ingest(&run, &write(&run, "events", &form));
            assert_eq!((output.status.code(), counts(&output)), (Some(0), [0, 0, 0]), "{bytes:?}");
        }
    }
}

#[test]
fn the_reason_of_a_dead_letter_names_the_field_and_what_is_expected() {
    let with = |field: &str, value: &str| {
        let mut line: Value = serde_json::from_str(&event(1)).unwrap();
        line[field] = serde_json::from_str(value).unwrap();
        line.to_string()
    };
    let without = |field: &str| {
        let mut line: Value = serde_json::from_str(&event(1)).unwrap();
        line.as_object_mut().unwrap().remove(field);
        line.to_string()
    };
    let names = r#""complete", "empty-ok", "partial", "no-data-yet", "postponed", "failed""#;
    let outcome = |found: &str| format!("outcome: found {found}, expected one of {names}");
    for (line, reason) in [
        (with("outcome", "null"), outcome("null")),
        (with("outcome", "\"done\""), outcome("\"done\"")),
        (with("outcome", "{\"complete\":null}"), outcome("{\"complete\":null}")),
        (with("key", "null"), "key: found null, expected a text".to_owned()),
        (with("source", "[]"), "source: found a list, expected a text".to_owned()),
        (without("key"), "key: found nothing, expected a value".to_owned()),
        (without("payload"), "payload: found nothing, expected a value".to_owned()),
        ("17".to_owned(), "found 17, expected an object".to_owned()),
        ("null".to_owned(), "found null, expected an object".to_owned()),
        (r#"["operator"]"#.to_owned(), "found a list, expected an object".to_owned()),
        (
            r#"["operator","identity-links","k","2024-01-01T00:00:00Z",null,{}]"#.to_owned(),
            "found a list, expected an object".to_owned(),
        ),
        (
            with("fetched_at", "\"9999-12-31T23:30:00-05:00\""),
            "fetched_at: '9999-12-31T23:30:00-05:00' is not from -009999-01-02T01:59:59Z to 9999-12-30T22:00:00.999999999Z"
                .to_owned(),
        ),
        (with("fetched_at", "\"soon\""), "fetched_at: 'soon' is not an RFC 3339 timestamp".to_owned()),
    ] {
        let found = fastbreak::ingest::parse(&line).unwrap_err();
        assert_eq!(found, (RejectCode::BadEnvelope, reason), "{line}");
    }
    let without_outcome = fastbreak::ingest::parse(&without("outcome")).unwrap();
    assert_eq!(without_outcome.outcome, FetchOutcome::Complete);
}

#[test]
fn the_lines_before_the_end_of_a_truncated_file_are_stored_and_the_error_says_so() {
    let lines: Vec<String> = (0..2000).map(event).collect();
    let bytes = lines.join("\n").into_bytes();
    for compressed in [gzip(&bytes), zstd(&bytes)] {
        let run = Fastbreak::new();
        let truncated = write(&run, "events.compressed", &compressed[..compressed.len() - 20]);
        let output = ingest(&run, &truncated);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{message}");
        let (_, rest) = message.split_once("the events of its ").unwrap_or_else(|| panic!("{message}"));
        let stored: u64 = rest.split_once(' ').unwrap().0.parse().unwrap();
        assert!(stored > 0);
        let output = ingest(&run, &write(&run, "events.complete", &compressed));
        assert_eq!(counts(&output), [2000 - stored, stored, 0]);
    }
}

#[test]
fn a_line_that_is_not_json_is_a_dead_letter_and_one_line_on_standard_error_names_it() {
    let run = Fastbreak::new();
    let nan = event(2).replace("1629021", "NaN");
    let path = write(&run, "input.jsonl", [event(1), nan, event(3)].join("\n").as_bytes());
    let output = ingest(&run, &path);
    assert_eq!((output.status.code(), counts(&output)), (Some(1), [2, 0, 1]));
    let message = stderr(&output);
    assert!(
        message.contains("1 line is a dead letter") && message.contains("input.jsonl:2: not_json"),
        "{message}"
    );
    assert_eq!(message.lines().count(), 1, "{message}");
    assert_eq!(dead_letters(&run)[0]["origin_offset"], 2);
}

#[test]
fn a_fetch_of_the_future_or_before_2000_is_refused_with_file_line_and_reason() {
    let run = Fastbreak::new();
    let lines = [
        event(1),
        event_with(2, "9998-01-01T00:00:00Z", "complete"),
        event_with(3, "1999-12-31T23:59:59Z", "complete"),
        event_with(4, "2000-01-01T00:00:00Z", "complete"),
    ];
    let path = write(&run, "input.jsonl", lines.join("\n").as_bytes());
    let output = ingest(&run, &path);
    assert_eq!((output.status.code(), counts(&output)), (Some(1), [2, 0, 2]));
    assert!(stderr(&output).contains("input.jsonl:2: bad_envelope: fetched_at: 9998"), "{}", stderr(&output));
    let found = dead_letters(&run);
    let lines: Vec<_> = found
        .iter()
        .map(|dead_letter| (&dead_letter["code"], dead_letter["origin_offset"].as_i64()))
        .collect();
    assert_eq!(lines, [(&json!("bad_envelope"), Some(2)), (&json!("bad_envelope"), Some(3))]);
    assert!(found[1]["reason"].as_str().unwrap().contains("before 2000-01-01"));
    // A redrive checks the time as well.
    assert_eq!(run.json(&["dlq", "redrive", "ingest"])["still_rejected"], 2);
}

#[test]
fn the_same_bytes_with_a_better_outcome_are_appended_again_and_with_no_better_one_are_known() {
    let run = Fastbreak::new();
    let with = |outcome: &str| event_with(1, "2024-01-01T00:00:00Z", outcome);
    let ingested = |outcomes: &[&str]| {
        let lines: Vec<String> = outcomes.iter().map(|outcome| with(outcome)).collect();
        counts(&ingest_standard_input(&run, lines.join("\n").as_bytes()))
    };
    assert_eq!(ingested(&["postponed", "failed", "no-data-yet", "no-data-yet"]), [2, 2, 0]);
    assert_eq!(ingested(&["empty-ok"]), [1, 0, 0]);
    assert_eq!(ingested(&["failed", "empty-ok"]), [0, 2, 0]);
    assert_eq!(ingested(&["complete", "partial"]), [1, 1, 0]);
    run.catch_up();
    run.content();
}

#[test]
fn a_line_becomes_a_retraction_only_of_the_event_with_its_own_content() {
    let run = Fastbreak::new();
    run.ingest(&[event(1)]);
    let parse = |line: &str| fastbreak::ingest::parse(line).unwrap();
    let (one, two) = (parse(&event(1)), parse(&event(2)));
    let with = |line: &str, target: &str| {
        let fields = format!(
            r#"{{"target":"{target}","target_fetched_at":"{}","undo":false,"reason":"x"}},"payload""#,
            one.fetched_at
        );
        line.replace("\"payload\"", &format!(r#""retraction":{fields}"#))
    };
    let refused = [
        with(&event(2), &one.id.to_string()),
        with(&event(1), &two.id.to_string()),
        with(&event(1), "no id"),
        event(1).replace("\"payload\"", r#""retraction":{"target":"1"},"payload""#),
        event(1).replace("\"payload\"", r#""payload_text":"{}","payload""#),
    ];
    assert_eq!(counts(&ingest_standard_input(&run, refused.join("\n").as_bytes())), [0, 0, 5]);
    run.catch_up();
    assert_eq!(run.json(&["audit"])["retracted"], json!([]));
    let retraction = with(&event(1), &one.id.to_string());
    assert_eq!(counts(&ingest_standard_input(&run, retraction.as_bytes())), [1, 0, 0]);
    run.catch_up();
    assert_eq!(run.json(&["audit"])["retracted"][0]["raw"], one.id.to_string());
}

#[test]
fn case_12_nan_in_json() {
    let Some(path) = case("12-nan-in-json") else { return };
    let run = Fastbreak::new();
    let output = ingest(&run, &path);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output).lines().count(), 1);
    run.catch_up();
    let found = dead_letters(&run);
    assert_eq!(
        (found.len(), &found[0]["code"], &found[0]["origin_offset"]),
        (1, &json!("not_json"), &json!(2))
    );
    assert_eq!(query(&run, "SELECT count(*) FROM player_games"), ["30"]);
}

#[test]
fn case_30_a_clock_that_runs_ahead() {
    let Some(path) = case("30-a-clock-that-runs-ahead") else { return };
    let run = Fastbreak::new();
    let output = ingest(&run, &path);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("2027"), "{}", stderr(&output));
    run.catch_up();
    let dates = query(&run, "SELECT DISTINCT game_date FROM player_slate ORDER BY 1");
    assert!(
        !dates.contains(&"2025-04-08".to_owned()) && dates.contains(&"2025-03-20".to_owned()),
        "{dates:?}"
    );
    let points =
        "SELECT points FROM player_games WHERE player_name LIKE 'Ann%' ORDER BY game_date DESC LIMIT 1";
    assert_eq!(query(&run, points), ["35"]);
}

/// Returns the first column of a query on the warehouse, as text.
fn query(run: &Fastbreak, sql: &str) -> Vec<String> {
    let db = rusqlite::Connection::open(run.folder.path().join("warehouse.db")).unwrap();
    let mut statement = db.prepare(sql).unwrap();
    let text = |row: &rusqlite::Row<'_>| {
        Ok(match row.get_ref(0)? {
            rusqlite::types::ValueRef::Integer(number) => number.to_string(),
            other => other.as_str()?.to_owned(),
        })
    };
    statement.query_map([], text).unwrap().map(Result::unwrap).collect()
}
