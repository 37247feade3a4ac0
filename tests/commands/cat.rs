//! `cat`: the records of every kind of topic, filters, records that cannot be decoded, following, and a reader that stops reading.
//!
//! Invariant: whatever a topic contains, each line of the output is one JSON object.
//! Not here: the same on Kafka (`kafka_cat`), folders that cannot be written (`read_only`).
use crate::{
    common::Fastbreak,
    support::{fastbreak, processed, run},
};
use runtime::{Commit, LogWriter};
use runtime_embedded::EmbeddedLog;
use schemas::Timestamp;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};
use topics::TopicPartition;

/// Runs `cat`, which must exit with this code; returns its lines.
fn cat_with(data: &Fastbreak, arguments: &[&str], expected: i32) -> Vec<Value> {
    let output = data.run(&[&["cat"], arguments].concat());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(expected), "{arguments:?}: {stderr}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
fn cat(data: &Fastbreak, arguments: &[&str]) -> Vec<Value> {
    cat_with(data, arguments, 0)
}
fn schedule(key: &str) -> String {
    format!(
        r#"{{"source":"nbacom","feed":"schedule","key":"{key}","fetched_at":"2024-01-01T00:00:00Z","payload":{{"leagueSchedule":{{"gameDates":[]}}}}}}"#
    )
}

#[test]
fn the_records_of_every_topic_are_shown_with_key_schema_and_value() {
    let data = processed();
    let topics = data.json(&["topics", "list"]);
    let mut with_records = 0;
    for topic in topics.as_array().unwrap() {
        let name = topic["topic"].as_str().unwrap();
        let records = cat(&data, &[name, "--limit", "40"]);
        with_records += usize::from(!records.is_empty());
        for record in records {
            assert_eq!((&record["topic"], &record["error"]), (&topic["topic"], &Value::Null), "{record}");
            assert!(record["timestamp"].as_str().unwrap().ends_with('Z'), "{record}");
            let is_changelog = name.ends_with(".changelog");
            let has_schema = record["value"].is_null() || record["schema_version"].as_u64() >= Some(1);
            assert!(is_changelog || (record["event"] == topic["event"] && has_schema), "{record}");
        }
    }
    assert!(with_records > 40, "only {with_records} topics have records");
    assert!(cat(&data, &["ml.predictions.v2"]).iter().any(|record| record["value"]["systems"].is_array()));
}

#[test]
fn a_key_its_first_parts_and_a_partition_select_records() {
    let data = processed();
    const TOPIC: &str = "core.player-games.v2";
    let all = cat(&data, &[TOPIC]);
    let key = all[all.len() / 2]["key"].as_str().unwrap();
    let player = key.split('/').next().unwrap();
    let with = |matches: &dyn Fn(&str) -> bool| -> Vec<Value> {
        all.iter().filter(|record| matches(record["key"].as_str().unwrap())).cloned().collect()
    };
    assert_eq!(cat(&data, &[TOPIC, "--key", key]), with(&|other| other == key));
    let of_player = with(&|other| other.split('/').next() == Some(player));
    assert!(of_player.len() > 1);
    assert_eq!(cat(&data, &[TOPIC, "--key", player]), of_player);
    assert_eq!(
        cat(&data, &[TOPIC, "--key", &player[..player.len() - 1]]),
        with(&|other| other.starts_with(&format!("{}/", &player[..player.len() - 1])))
    );

    let of_partition: Vec<Value> = all.iter().filter(|record| record["partition"] == 2).cloned().collect();
    assert_eq!(cat(&data, &[TOPIC, "--partition", "2"]), of_partition);
    let offsets: Vec<i64> = of_partition.iter().map(|record| record["offset"].as_i64().unwrap()).collect();
    assert!(offsets.is_sorted(), "the records of a partition are in the order of their offsets");
    assert_eq!(cat(&data, &[TOPIC, "--limit", "7"]), all[..7]);
    let changelog = cat(&data, &["games.changelog"]);
    let view_key = |record: &Value| match record["key"].as_str().unwrap().split('|').collect::<Vec<_>>()[..] {
        ["published", _, view_key, _] => Some(view_key.to_owned()),
        _ => None,
    };
    let view_key = changelog.iter().find_map(view_key).unwrap();
    let of_view = cat(&data, &["games.changelog", "--key", &view_key]);
    assert!(of_view.len() > 1 && of_view.len() < changelog.len(), "{} of {}", of_view.len(), changelog.len());
    assert!(of_view.iter().all(|record| record["key"].as_str().unwrap().contains(&view_key)), "{of_view:?}");
}

#[test]
fn records_of_several_partitions_are_in_the_order_of_their_times_and_selected_by_them() {
    let data = Fastbreak::new();
    let keys = ["a", "b", "c", "d", "e", "f"];
    let partitions: BTreeSet<i32> = keys.iter().map(|key| topics::partition_of(key, 6)).collect();
    assert!(partitions.len() > 2, "the keys are in several partitions");
    for key in keys {
        data.ingest(&[schedule(key)]);
    }
    let shown = |arguments: &[&str]| -> String {
        let records = cat(&data, &[&["raw.schedules.v1"], arguments].concat());
        records.iter().map(|record| record["key"].as_str().unwrap()).collect()
    };
    assert_eq!(shown(&[]), "abcdef");
    assert_eq!(shown(&["--limit", "3"]), "abc");
    let records = cat(&data, &["raw.schedules.v1"]);
    let time = |index: usize| records[index]["timestamp"].as_str().unwrap();
    assert_eq!(shown(&["--from", time(2)]), "cdef");
    assert_eq!(shown(&["--to", time(2)]), "ab");
    assert_eq!(shown(&["--from", time(1), "--to", time(4), "--limit", "2"]), "bc");
    let date = time(0).parse::<Timestamp>().unwrap().eastern_date();
    assert_eq!(shown(&["--from", &date.to_string(), "--to", &date.plus_days(1).to_string()]), "abcdef");
    assert_eq!(shown(&["--from", "2999-01-01"]), "");
    assert_eq!(shown(&["--to", "1999-01-01"]), "");
}

#[test]
fn wrong_topics_partitions_and_times_are_usage_errors_that_say_what_to_write() {
    let data = processed();
    for (arguments, parts) in [
        (&["core.gamse.v1"][..], &["did you mean core.games.v1", "`fastbreak topics list`"][..]),
        (&["odds-loader.dql"], &["did you mean odds-loader.dlq"]),
        (&["nothing alike"], &["there is no topic 'nothing alike'\n", "`fastbreak topics list`"]),
        (&["core.games.v1", "--partition", "6"], &["no partition 6", "next: use one from 0 to 5"]),
        (&["core.games.v1", "--from", "yesterday"], &["'yesterday'", "YYYY-MM-DD"]),
        (&["core.games.v1", "--from", "2024-01-02", "--to", "2024-01-01"], &["next: give --to a later time"]),
        (&["core.games.v1", "--to", "2024-01-02", "--follow"], &["--follow"]),
    ] {
        let (code, text) = run(fastbreak(data.folder.path(), &[&["cat"], arguments].concat()));
        assert_eq!(code, Some(2), "{arguments:?}: {text}");
        assert!(parts.iter().all(|part| text.contains(part)), "{arguments:?}: {text}");
    }
}

#[test]
fn a_record_that_cannot_be_decoded_is_shown_with_reason_and_bytes_and_the_rest_follows() {
    let data = Fastbreak::new();
    data.ingest(&[schedule("first")]);
    let partition = TopicPartition::new("raw.schedules.v1", 0);
    let mut commit = Commit::default();
    commit.append(partition, "foreign", Some(b"\xffno event"));
    commit.append(partition, "deleted", None);
    commit.append(TopicPartition::new("games.changelog", 0), "no changelog key", Some(b"\x01"));
    EmbeddedLog::open(data.folder.path()).unwrap().append(commit).unwrap();
    data.ingest(&[schedule("last")]);
    let records = cat_with(&data, &["raw.schedules.v1"], 1);
    let keys: BTreeSet<&str> = records.iter().map(|record| record["key"].as_str().unwrap()).collect();
    assert_eq!(keys, BTreeSet::from(["first", "foreign", "deleted", "last"]));
    for record in records {
        match record["key"].as_str().unwrap() {
            "foreign" => {
                assert_eq!(
                    (&record["bytes"], &record["value"]),
                    (&json!("ff6e6f206576656e74"), &Value::Null)
                );
                assert!(record["error"].as_str().unwrap().contains("not in Confluent framing"), "{record}");
            }
            "deleted" => assert_eq!(
                (&record["value"], &record["error"], &record["event"]),
                (&Value::Null, &Value::Null, &json!("raw-event"))
            ),
            key => assert_eq!(
                (&record["value"]["key"], &record["value"]["feed"]),
                (&json!(key), &json!("nbacom/schedule"))
            ),
        }
    }
    let (code, text) = run(fastbreak(data.folder.path(), &["cat", "games.changelog"]));
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("not a changelog key") && text.contains("1 of 1 records could not be decoded"),
        "{text}"
    );
    assert_eq!(
        cat(&data, &["raw.schedules.v1", "--key", "first"]).len(),
        1,
        "no record that was not shown counts"
    );
}

#[test]
fn a_dead_letter_is_shown_with_the_line_that_it_was() {
    let data = Fastbreak::new();
    let output = data.run(&[
        "ingest",
        data.file("bad.jsonl", &[schedule("x"), r#"{"key":"k\u001b"}"#.into()]).to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(1));
    let records = cat(&data, &["ingest.dlq"]);
    assert_eq!(records.len(), 1);
    assert_eq!(
        (&records[0]["event"], &records[0]["value"]["code"]),
        (&json!("dead-letter"), &json!("bad_envelope"))
    );
    assert_eq!(records[0]["value"]["value"], json!({"key": "k\u{1b}"}), "the line is JSON within the value");
    let (_, text) = run(fastbreak(data.folder.path(), &["cat", "ingest.dlq"]));
    assert!(text.contains(r"k\u001b") && !text.contains('\u{1b}'), "{text}");
}

/// Starts `cat` with its output in a pipe.
fn start(data: &Fastbreak, arguments: &[&str]) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut command = data.command(&[&["cat"], arguments].concat());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    (child, lines)
}
fn next_key(lines: &mut impl BufRead) -> String {
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    serde_json::from_str::<Value>(&line).unwrap()["key"].as_str().unwrap().to_owned()
}

#[test]
fn follow_shows_new_records_and_ends_with_0_on_a_signal() {
    for signal in ["-TERM", "-INT"] {
        let data = Fastbreak::new();
        data.ingest(&[schedule("a")]);
        let (mut child, mut lines) = start(&data, &["raw.schedules.v1", "--follow"]);
        assert_eq!(next_key(&mut lines), "a");
        // The key is in another partition, which does not exist when the command starts.
        for key in ["b", "c", "d"] {
            data.ingest(&[schedule(key)]);
            assert_eq!(next_key(&mut lines), key);
        }
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(0), "{signal}");
    }
    let data = Fastbreak::new();
    data.ingest(&[schedule("old")]);
    let (mut child, mut lines) =
        start(&data, &["raw.schedules.v1", "--from", "2999-01-01", "--follow", "--limit", "1"]);
    data.ingest(&[schedule("new")]);
    child.kill().unwrap();
    child.wait().unwrap();
    let mut rest = String::new();
    lines.read_line(&mut rest).unwrap();
    assert_eq!(rest, "", "a record before --from was shown");
}

#[test]
fn a_reader_that_closes_the_pipe_ends_the_command_quietly() {
    let data = processed();
    let (child, mut lines) = start(&data, &["ml.features.v2"]);
    next_key(&mut lines);
    drop(lines);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()), (Some(0), ""));
}
