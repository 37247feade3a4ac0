//! `explain` for names and dates that do not determine one candidate.
//!
//! Invariant: every message has a command that works.
//! Not here: the report itself (`tests/lineage`, crate `processors`).
use crate::{
    common::Fastbreak,
    support::{fastbreak, processed, run},
};
use runtime::{Commit, LogWriter, inspect};
use runtime_embedded::EmbeddedLog;
use schemas::{
    features::Features,
    fixture::{VoidReason, Voided},
    prediction::Prediction,
    wire,
};
use topics::TopicPartition;

/// Returns the features of a candidate whose name is known, and is that of no other candidate.
fn some_candidate(data: &Fastbreak) -> Features {
    let mut log = EmbeddedLog::open_read_only(data.folder.path()).unwrap();
    let rows = inspect::table(&mut log, &topics::FEATURES, |_| true).unwrap();
    let is_unique = |row: &&Features| {
        !row.name.is_empty() && rows.iter().all(|other| other.player == row.player || other.name != row.name)
    };
    rows.iter().find(is_unique).unwrap().clone()
}

#[test]
fn a_candidate_of_two_games_of_a_date_is_explained_for_the_game_that_is_named() {
    let data = processed();
    let features = some_candidate(&data);
    let mut log = EmbeddedLog::open(data.folder.path()).unwrap();
    let other = Features { game: "0022399999".parse().unwrap(), ..features.clone() };
    let mut commit = Commit::default();
    let partition = TopicPartition::new(topics::FEATURES.info.name, 0);
    commit.append(
        partition,
        &format!("{}/{}", other.player, other.game),
        Some(&wire::encode(&other).unwrap()),
    );
    log.append(commit).unwrap();
    drop(log);
    let (date, game) = (features.date.to_string(), features.game.to_string());
    let (code, message) =
        run(fastbreak(data.folder.path(), &["explain", &features.player.to_string(), &date]));
    assert_eq!(code, Some(2), "{message}");
    assert!(
        message.contains(&game) && message.contains("0022399999") && message.contains("--game "),
        "{message}"
    );
    let (code, message) =
        run(fastbreak(data.folder.path(), &["explain", &features.name, &date, "--game", &game]));
    assert_eq!(code, Some(0), "{message}");
}

#[test]
fn an_unknown_name_is_answered_with_similar_names_or_other_dates() {
    let data = processed();
    let features = some_candidate(&data);
    let date = features.date.to_string();
    let misspelled = format!("{}x", features.name);
    for (arguments, expected) in [
        ([misspelled.as_str(), &date], format!("{} ({})", features.name, features.player)),
        ([&features.name, "1999-01-01"], "is no candidate on 1999-01-01, but on ".to_owned()),
        (["Zzzzz Qqqqq", &date], "no name is similar".to_owned()),
        (["Zzzzz Qqqqq", "1999-01-01"], "there are no candidates on 1999-01-01".to_owned()),
    ] {
        let (code, message) = run(fastbreak(data.folder.path(), &["explain", arguments[0], arguments[1]]));
        assert_eq!(code, Some(2), "{message}");
        assert!(message.contains(&expected) && message.contains("\nnext: "), "{message}");
    }
}

#[test]
fn a_void_prediction_is_shown_with_the_time_and_the_reason() {
    let data = processed();
    let features = some_candidate(&data);
    let (player, date, game) =
        (features.player.to_string(), features.date.to_string(), features.game.to_string());
    let explain = || run(fastbreak(data.folder.path(), &["explain", &player, &date, "--game", &game]));
    let (code, text) = explain();
    assert!(code == Some(0) && !text.contains("void since"), "{text}");
    let key = format!("{player}/{game}/{date}");
    let mut log = EmbeddedLog::open(data.folder.path()).unwrap();
    let prediction = inspect::table(&mut log, &topics::PREDICTIONS, |row| row == key).unwrap().remove(0);
    let voided = Some(Voided { at: "2024-11-08T03:00:00Z".parse().unwrap(), reason: VoidReason::CalledOff });
    let prediction = Prediction { voided, ..prediction };
    let topic = topics::PREDICTIONS.info;
    let partition = TopicPartition::new(topic.name, topics::partition_of(&key, topic.partitions));
    let mut commit = Commit::default();
    commit.append(partition, &key, Some(&wire::encode(&prediction).unwrap()));
    log.append(commit).unwrap();
    drop(log);
    let (code, text) = explain();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.lines().any(|line| line == "void since 2024-11-08T03:00:00Z: called off"), "{text}");
}
