//! Names that need an operator, with the binary: what the review lists, and what the commands that it shows change.
//!
//! Invariant: record accounting balances after each step.
//! Not here: the rules of a name lookup (crate `processors`), as-of semantics of links (`laws`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod common;
use common::{Fastbreak, season};
use serde_json::{Value, json};

/// A season whose nicknames have no links.
fn unlinked() -> Fastbreak {
    let lines: Vec<String> = season().into_iter().filter(|line| !line.contains("identity-links")).collect();
    let run = Fastbreak::new();
    run.ingest(&lines);
    run.catch_up();
    run
}
/// Returns the names under review, each with the id of its first candidate.
fn under_review(run: &Fastbreak) -> Vec<(String, Option<u64>)> {
    let review = run.json(&["names", "review"]);
    let name = |name: &Value| {
        (name["name"].as_str().unwrap().to_owned(), name["candidates"][0]["player_id"].as_u64())
    };
    review["names"].as_array().unwrap().iter().map(name).collect()
}
fn contains(run: &Fastbreak, name: &str) -> bool {
    under_review(run).iter().any(|(other, _)| other == name)
}

#[test]
fn a_name_under_review_is_resolved_by_the_command_that_the_review_shows_until_its_link_is_withdrawn() {
    let run = unlinked();
    let names = under_review(&run);
    let (name, player) = names.iter().find_map(|(name, player)| Some((name.as_str(), (*player)?))).unwrap();
    let id = player.to_string();
    let link = run.json(&["links", name, &id]);
    assert_eq!((&link["spelling"], &link["player_id"]), (&json!(name), &json!(player)));
    run.catch_up();
    run.content();
    assert!(!contains(&run, name), "{name} is linked");
    let withdrawn = run.json(&["links", name]);
    assert_eq!((&withdrawn["player_id"], &withdrawn["nobody"]), (&Value::Null, &json!(false)));
    run.catch_up();
    assert!(contains(&run, name), "the link of {name} is withdrawn");
    run.json(&["links", name, "--nobody"]);
    run.catch_up();
    run.content();
    assert!(!contains(&run, name), "{name} refers to nobody");
}

#[test]
fn the_commands_refuse_an_id_that_nobody_has_and_an_event_with_it_waits() {
    let run = unlinked();
    let id = "9999999";
    let commands: [&[&str]; 3] = [
        &["links", "Jo Do", id],
        &["names", "merge", id, "Jo Do", "Joe Do"],
        &["names", "split", "Jo Do", "BOS=9999999", "NYK=9999998"],
    ];
    for command in commands {
        let output = run.run(command);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        assert!(error.contains(id) && error.contains("next: `fastbreak names review`"), "{error}");
    }
    assert_eq!(run.json(&["names", "review"])["waiting_links"], json!([]));
    let payload = r#"{"links":[{"spelling":"Jo Do","player_id":9999999}]}"#;
    run.ingest(&[format!(
        r#"{{"source":"operator","feed":"identity-links","key":"k","fetched_at":"2024-01-01T00:00:00Z","payload":{payload}}}"#
    )]);
    let expected = json!([{"spelling": "Jo Do", "player_id": 9_999_999, "known_at": "2024-01-01T00:00:00Z"}]);
    assert_eq!(run.json(&["names", "review"])["waiting_links"], expected);
}

#[test]
fn a_merge_and_a_split_append_one_event_with_all_their_links() {
    let run = unlinked();
    let names = under_review(&run);
    let id = names.iter().find_map(|(_, player)| *player).unwrap().to_string();
    let merged = run.json(&["names", "merge", &id, "Jo Do", "Joe Do", "--source", "oddsapi"]);
    let merged = merged.as_array().unwrap();
    assert_eq!(merged.len(), 2);
    assert!(
        merged.iter().all(|link| link["source"] == "oddsapi" && link["known_at"] == merged[0]["known_at"])
    );
    let players = [format!("BOS={id}"), format!("NYK={id}")];
    let split = run.json(&["names", "split", "Jo Do", &players[0], &players[1]]);
    let teams: Vec<&Value> = split.as_array().unwrap().iter().map(|link| &link["team"]).collect();
    assert_eq!(teams, [&json!("BOS"), &json!("NYK")]);
    run.catch_up();
    run.content();
}
