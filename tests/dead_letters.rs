//! Lists, shows, redrives and purges dead letters on the embedded log with the binary.
//!
//! Invariant: record accounting balances after each step.
//! Not here: dead letters on Kafka (`kafka_topics`), dead letters of the sink (`sink/commits`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod common;
use common::{Fastbreak, text};
use runtime::{Commit, LogWriter};
use runtime_embedded::EmbeddedLog;
use schemas::raw::{DeadLetter, RejectCode};
use serde_json::{Value, json};
use topics::TopicPartition;

/// Ingests events that become dead letters of `ingest`, `schedule-loader` and `roster-loader`, two of each.
fn ingest_rejected_events(run: &Fastbreak) {
    let links = r#"{"links":[{"spelling":"Moe Wagner"},{"spelling":"Moe Wagner","player_id":1629021},{"spelling":7}]}"#;
    let event = |feed: &str, key: &str, payload: &str| {
        format!(r#"{{{feed},"key":"{key}","fetched_at":"2024-01-01T00:00:00Z","payload":{payload}}}"#)
    };
    let schedule = r#""source":"nbacom","feed":"schedule""#;
    let lines = [
        "not json".to_owned(),
        event(r#""source":"nbacom","feed":"standings""#, "x", "{}"),
        event(schedule, "x", r#"{"a":1}"#),
        event(schedule, "y", r#"{"a":2}"#),
        event(r#""source":"operator","feed":"identity-links""#, "z", links),
    ];
    let path = run.file("rejected.jsonl", &lines);
    assert_eq!(run.run(&["ingest", text(&path)]).status.code(), Some(1));
    run.catch_up();
}
/// Returns the number of dead letters of a processor, and the largest redrive count among them.
fn count(run: &Fastbreak, processor: &str) -> (u64, i64) {
    let list = run.json(&["dlq", "list"]);
    let counts = list.as_array().unwrap().iter().filter(|count| count["processor"] == processor);
    counts.fold((0, 0), |(n, redrive_count), c| {
        (n + c["dead_letters"].as_u64().unwrap(), redrive_count.max(c["max_redrive_count"].as_i64().unwrap()))
    })
}
/// Returns three numbers from the output of a redrive: dead letters, records, and dead letters that are still rejected.
fn redriven(report: &Value) -> (u64, u64, u64) {
    let number = |key: &str| report[key].as_u64().unwrap();
    (number("dead_letters"), number("records"), number("still_rejected"))
}

#[test]
fn show_prints_origin_reason_and_value() {
    let run = Fastbreak::new();
    ingest_rejected_events(&run);
    let dead_letters = run.json(&["dlq", "show", "schedule-loader", "--limit", "1"]);
    assert_eq!(dead_letters.as_array().unwrap().len(), 1);
    let dead_letter = &dead_letters[0];
    assert_eq!(
        (&dead_letter["code"], &dead_letter["origin"]),
        (&json!("bad_payload"), &json!("raw.schedules.v1"))
    );
    assert_eq!(
        dead_letter["value"]["feed"], "nbacom/schedule",
        "the value must be the record as it was read"
    );
    assert!(dead_letter["value"]["payload"]["a"].is_number());
    let rows = run.json(&["dlq", "show", "roster-loader", "--code", "bad_row"]);
    assert_eq!(rows[0]["key"], "z");
    assert_eq!(rows[1]["value"], json!({"spelling": 7}), "the value must be the row as it was read");
    let line = run.json(&["dlq", "show", "ingest", "--code", "not_json"]);
    assert_eq!((&line[0]["value"], &line[0]["origin_offset"]), (&json!("not json\n"), &json!(1)));
    let unknown = run.run(&["dlq", "show", "oracle"]);
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("schedule-loader"));
}

#[test]
fn a_dry_run_changes_nothing_and_a_redrive_is_not_repeated() {
    let run = Fastbreak::new();
    ingest_rejected_events(&run);
    let dry = run.json(&["dlq", "redrive", "schedule-loader", "--dry-run"]);
    assert_eq!(
        (dry["dead_letters"].as_u64(), dry["reasons"][0]["dead_letters"].as_u64()),
        (Some(2), Some(2))
    );
    assert_eq!(redriven(&run.json(&["dlq", "redrive", "schedule-loader"])), (2, 2, 0));
    assert_eq!(redriven(&run.json(&["dlq", "redrive", "schedule-loader"])), (0, 0, 0));
    run.catch_up();
    assert_eq!(
        count(&run, "schedule-loader"),
        (4, 1),
        "the same loader must reject the redriven records again"
    );
    assert_eq!(
        redriven(&run.json(&["dlq", "redrive", "roster-loader"])),
        (2, 1, 0),
        "two dead letters are rows of one record"
    );
    run.catch_up();
    assert_eq!(count(&run, "roster-loader"), (4, 1));
    assert_eq!(run.json(&["audit"])["balanced"], true);
}

#[test]
fn three_redrives_are_the_limit_without_force() {
    let run = Fastbreak::new();
    ingest_rejected_events(&run);
    for redrives in 1..=3 {
        assert_eq!(redriven(&run.json(&["dlq", "redrive", "schedule-loader"])).0, 2, "redrive {redrives}");
        assert_eq!(redriven(&run.json(&["dlq", "redrive", "ingest"])), (0, 0, 2), "redrive {redrives}");
        run.catch_up();
    }
    let refused = run.run(&["dlq", "redrive", "schedule-loader"]);
    assert_eq!(refused.status.code(), Some(4));
    let report: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!(
        (report["redrive_limit_reached"].as_u64(), report["already_redriven"].as_u64()),
        (Some(2), Some(6))
    );
    assert_eq!(count(&run, "ingest"), (2, 0), "a line that is no event was copied by a redrive");
    assert_eq!(redriven(&run.json(&["dlq", "redrive", "schedule-loader", "--force"])), (2, 2, 0));
    run.catch_up();
    assert_eq!(count(&run, "schedule-loader"), (10, 4));
    assert_eq!(run.json(&["audit"])["balanced"], true);
}

#[test]
fn a_purge_previews_and_record_accounting_balances_after_it() {
    let run = Fastbreak::new();
    ingest_rejected_events(&run);
    let preview = run.run(&["dlq", "purge", "schedule-loader"]);
    assert_eq!(preview.status.code(), Some(4));
    assert_eq!(count(&run, "schedule-loader").0, 2, "the preview deleted dead letters");
    assert_eq!(run.json(&["dlq", "purge", "schedule-loader", "--yes"])["dead_letters"], 2);
    assert_eq!(count(&run, "schedule-loader").0, 0);
    assert_eq!(count(&run, "ingest").0, 2, "the purge deleted dead letters of another processor");
    assert_eq!(run.json(&["audit"])["balanced"], true);
    ingest_rejected_events(&run);
    assert_eq!(count(&run, "ingest").0, 4, "the purge made a later ingest reuse offsets");
}

#[test]
fn a_processor_stops_at_its_dlq_limits_and_commits_nothing_of_the_batch() {
    let run = Fastbreak::new();
    let unusable_event = |n: usize| {
        format!(
            r#"{{"source":"nbacom","feed":"schedule","key":"k","fetched_at":"2024-01-01T00:00:00Z","payload":{{"a":{n}}}}}"#
        )
    };
    run.ingest(&(0..150).map(unusable_event).collect::<Vec<_>>());
    let stopped = run.run(&["run", "--until-caught-up"]);
    assert_eq!(stopped.status.code(), Some(4));
    let message = String::from_utf8_lossy(&stopped.stderr).into_owned();
    assert!(
        message.contains("schedule-loader stops") && message.contains("dead-letter-max-consecutive"),
        "{message}"
    );
    assert_eq!(
        count(&run, "schedule-loader").0,
        0,
        "the processor committed dead letters of a rejected micro-batch"
    );
    assert!(message.contains("`fastbreak run --accept-dead-letters schedule-loader`"), "{message}");
    run.json(&["run", "--until-caught-up", "--accept-dead-letters", "schedule-loader"]);
    assert_eq!(count(&run, "schedule-loader").0, 150);
    // Only those records were accepted.
    run.ingest(&(150..300).map(unusable_event).collect::<Vec<_>>());
    assert_eq!(run.run(&["run", "--until-caught-up"]).status.code(), Some(4));
    let mut without_limits = run.command(&["run", "--until-caught-up"]);
    without_limits
        .env("FASTBREAK_DEAD_LETTER_MAX_CONSECUTIVE", "0")
        .env("FASTBREAK_DEAD_LETTER_MAX_RATIO", "1");
    assert!(without_limits.output().unwrap().status.success());
    assert_eq!(count(&run, "schedule-loader").0, 300);
    assert_eq!(run.json(&["audit"])["balanced"], true);
}

/// Returns the sums of the states of a processor's dead letters: open, redriven, resolved, dismissed.
fn states(run: &Fastbreak, processor: &str) -> [u64; 4] {
    let list = run.json(&["dlq", "list"]);
    let listed: Vec<&Value> =
        list.as_array().unwrap().iter().filter(|reason| reason["processor"] == processor).collect();
    ["open", "redriven", "resolved", "dismissed"]
        .map(|state| listed.iter().map(|reason| reason[state].as_u64().unwrap()).sum())
}

#[test]
fn a_dead_letter_is_open_until_it_is_redriven_and_dismissed_when_its_event_is_retracted() {
    let run = Fastbreak::new();
    ingest_rejected_events(&run);
    assert_eq!(states(&run, "schedule-loader"), [2, 0, 0, 0]);
    run.json(&["dlq", "redrive", "schedule-loader"]);
    assert_eq!(states(&run, "schedule-loader"), [0, 2, 0, 0], "a redriven dead letter still counts as open");
    run.catch_up();
    assert_eq!(states(&run, "schedule-loader"), [2, 2, 0, 0], "the two that were rejected again are open");
    let raw = run.json(&["dlq", "show", "schedule-loader", "--limit", "1"])[0]["raw"].clone();
    run.json(&["retract", raw.as_str().unwrap(), "--reason", "wrong", "--yes"]);
    run.catch_up();
    assert_eq!(states(&run, "schedule-loader"), [1, 1, 0, 2]);
    let shown = run.json(&["dlq", "show", "schedule-loader"]);
    let shown = shown.as_array().unwrap().iter().map(|dead_letter| dead_letter["state"].as_str().unwrap());
    let mut shown: Vec<&str> = shown.collect();
    shown.sort_unstable();
    assert_eq!(shown, ["dismissed", "dismissed", "open", "redriven"]);
}

#[test]
fn lists_group_by_reason_and_ingest_names_reason_line_and_next_command() {
    let run = Fastbreak::new();
    // Its fetch time is possible only a day later.
    let tomorrow = schemas::Timestamp(runtime::clock::now().0 + 86_400_000).to_string();
    let event = |fetched_at: &str| {
        format!(
            r#"{{"source":"nbacom","feed":"schedule","key":"x","fetched_at":"{fetched_at}","payload":{{"a":1}}}}"#
        )
    };
    let lines = [event(&tomorrow), "{1".into(), "{2".into(), r#"{"key":1}"#.into()];
    let path = run.file("lines.jsonl", &lines);
    let output = run.run(&["ingest", text(&path)]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let reasons = report["reasons"].as_array().unwrap();
    let (code, lines) = (&reasons[0]["code"], &reasons[0]["dead_letters"]);
    assert_eq!((code, lines), (&json!("not_json"), &json!(2)), "{reasons:#?}");
    assert!(reasons[0]["first"].as_str().unwrap().ends_with("lines.jsonl:2"), "{reasons:#?}");
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        message.contains("lines.jsonl:1: bad_envelope")
            && message.contains("next: `fastbreak dlq show ingest`"),
        "{message}"
    );
    let list = run.json(&["dlq", "list"]);
    assert_eq!(list.as_array().unwrap().len(), 3, "{list:#}");
    assert_eq!(states(&run, "ingest"), [4, 0, 0, 0]);
    assert_eq!(redriven(&run.json(&["dlq", "redrive", "ingest"])), (0, 0, 4));
    assert_eq!(states(&run, "ingest"), [4, 0, 0, 0]);
}

/// Appends a dead letter to the embedded log, as a former version wrote it.
fn append(run: &Fastbreak, dlq: TopicPartition, dead_letter: DeadLetter) {
    let mut commit = Commit::default();
    commit.reject(dlq, dead_letter);
    EmbeddedLog::open(run.folder.path()).unwrap().append(commit).unwrap();
}

#[test]
fn what_was_decoded_later_is_resolved() {
    let run = Fastbreak::new();
    let line = |key: &str| {
        format!(
            r#"{{"source":"nbacom","feed":"schedule","key":"{key}","fetched_at":"2024-01-01T00:00:00Z","payload":{{"leagueSchedule":{{"gameDates":[]}}}}}}"#
        )
    };
    run.ingest(&[line("a")]);
    run.catch_up();
    // A former version did not know the feed of a line, and a former version of the loader could not decode the event.
    let rejected = |code| DeadLetter::new(code, "unknown".into());
    let of_line = DeadLetter {
        processor: "ingest".into(),
        origin: "a.jsonl".into(),
        offset: 1,
        value: line("b").into_bytes(),
        ..rejected(RejectCode::UnknownFeed)
    };
    append(&run, fastbreak::ingest::dlq(), of_line);
    assert_eq!(states(&run, "ingest"), [1, 0, 0, 0]);
    assert_eq!(redriven(&run.json(&["dlq", "redrive", "ingest"])), (1, 1, 0));
    assert_eq!(states(&run, "ingest"), [0, 0, 1, 0]);
    assert_eq!(redriven(&run.json(&["dlq", "redrive", "ingest"])), (0, 0, 0));

    let event = fastbreak::ingest::parse(&line("a")).unwrap();
    let topic = topics::raw_topic(event.feed).info;
    let partition = topics::partition_of("a", topic.partitions);
    let of_event = |version: i64, offset| DeadLetter {
        processor: "schedule-loader".into(),
        processor_version: version,
        origin: topic.name.into(),
        partition,
        offset,
        raw: Some(event.id),
        ..rejected(RejectCode::BadPayload)
    };
    let dlq = TopicPartition::new("schedule-loader.dlq", partition);
    let current = i64::from(processors::loader::VERSION);
    append(&run, dlq, of_event(current - 1, 0));
    assert_eq!(states(&run, "schedule-loader"), [0, 0, 1, 0], "the current version decoded the record");
    append(&run, dlq, of_event(current, 0));
    assert_eq!(
        states(&run, "schedule-loader"),
        [1, 1, 0, 0],
        "the current version rejected the record again"
    );
}

#[test]
fn a_purge_gives_the_space_of_dead_letters_back() {
    let run = Fastbreak::new();
    let size = || std::fs::metadata(run.folder.path().join("log.db")).unwrap().len();
    // Random text, which cannot be compressed to much less.
    let mut chance = common::Chance(7);
    let mut line = |n: usize| {
        let text: String = (0..20_000).map(|_| char::from(b'a' + chance.below(26) as u8)).collect();
        format!(r#"{{"source":"nbacom","feed":"standings","key":"{n}","payload":"{text}"}}"#)
    };
    let path = run.file("unknown.jsonl", &(0..400).map(&mut line).collect::<Vec<_>>());
    assert_eq!(run.run(&["ingest", text(&path)]).status.code(), Some(1));
    let full = size();
    run.json(&["dlq", "redrive", "ingest"]);
    assert!(size() < full + full / 10, "a redrive copied the lines: {} of {full} bytes", size());
    assert_eq!(run.json(&["dlq", "purge", "ingest", "--yes"])["dead_letters"], 400);
    assert!(size() < full / 4, "{} of {full} bytes are left", size());
}
