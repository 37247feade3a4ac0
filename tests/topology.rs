//! Compares the topology with the documents and the other crates.
//!
//! Invariant: the drawing in ARCHITECTURE.md equals the topology that runs, and every topic has a writer and a reader.
//! Not here: the decisions of the processors (crate `processors`).
#![allow(clippy::panic)]
mod common;
use common::Fastbreak;
use fastbreak::{cli::graph, topology};
use sinks::SinkTopic;
use std::path::Path;

/// Returns the text between the two markers of a section.
fn section<'a>(page: &'a str, name: &str) -> &'a str {
    let (begin, end) = (format!("<!-- {name}:begin -->"), format!("<!-- {name}:end -->"));
    let from = page.find(&begin).unwrap_or_else(|| panic!("the page lacks {begin}")) + begin.len();
    let to = page.find(&end).unwrap_or_else(|| panic!("the page lacks {end}"));
    page[from..to].trim()
}

#[test]
fn the_documented_topology_is_the_one_that_runs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md");
    let page = std::fs::read_to_string(path).expect("ARCHITECTURE.md");
    let documented =
        section(&page, "topology").trim_start_matches("```mermaid").trim_end_matches("```").trim();
    let actual = graph::mermaid(&topology::descriptions());
    assert_eq!(
        documented,
        actual.trim(),
        "replace the drawing with the output of `fastbreak graph --mermaid`"
    );
}

#[test]
fn every_input_is_raw_or_written_upstream_and_every_output_is_read() {
    let processors = topology::descriptions();
    for (index, processor) in processors.iter().enumerate() {
        for topic in &processor.reads {
            let is_written = processors[..index].iter().any(|upstream| upstream.writes.contains(topic));
            assert!(
                is_written || topic.starts_with("raw."),
                "{} reads {topic}, which no processor upstream writes",
                processor.processor
            );
        }
        for topic in &processor.writes {
            let is_read = processors[index + 1..].iter().any(|downstream| downstream.reads.contains(topic));
            let name = &processor.processor;
            assert!(is_read || *topic == "warehouse", "no processor reads {topic}, which {name} writes");
        }
    }
}

#[test]
fn commands_that_build_no_processor_work_with_a_broken_model_artifact() {
    let run = Fastbreak::new();
    run.ingest(&[
        r#"{"source":"nbacom","feed":"schedule","key":"x","fetched_at":"2024-01-01T00:00:00Z","payload":{}}"#
            .to_owned(),
    ]);
    let artifact = run.file("artifact.json", &["not an artifact".to_owned()]);
    let run_command = |arguments: &[&str]| {
        let output = run.command(arguments).env("FASTBREAK_LEARNED_MODEL", &artifact).output();
        output.expect("the binary runs")
    };
    for arguments in [
        &["graph"][..],
        &["topics", "lint"],
        &["dlq", "list"],
        &["dlq", "show", "predictor"],
        &["dlq", "redrive", "ingest", "--dry-run"],
        &["replay", "list"],
    ] {
        let output = run_command(arguments);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {message}");
    }
    assert_eq!(run_command(&["lag"]).status.code(), Some(2), "the artifact must be broken");
    let check = run_command(&["doctor"]);
    let results: serde_json::Value = serde_json::from_slice(&check.stdout).expect("JSON");
    let failed: Vec<&str> = results["checks"]
        .as_array()
        .expect("results")
        .iter()
        .filter(|result| result["ok"] == false)
        .map(|result| result["what"].as_str().expect("text"))
        .collect();
    assert_eq!((check.status.code(), failed.len()), (Some(2), 1), "{failed:?}");
    assert!(failed[0].starts_with("learned_v1: "), "{failed:?}");
}

#[test]
fn the_topics_of_the_sink_are_among_its_inputs() {
    let inputs: Vec<&str> = sinks::subscription::INPUTS.iter().map(|topic| topic.name).collect();
    for topic in SinkTopic::ALL.map(SinkTopic::topic) {
        assert!(inputs.contains(&topic), "{topic} is not an input of the sink");
    }
    assert_eq!(inputs.len(), SinkTopic::ALL.len());
}

#[test]
fn every_raw_topic_has_its_loader() {
    let processors = topology::descriptions();
    for feed in schemas::raw::Feed::ALL {
        let topic = topics::raw_topic(feed).info.name;
        let is_read = processors.iter().any(|processor| processor.reads.contains(&topic));
        assert!(is_read, "no processor reads {topic} of feed {feed}");
    }
}
