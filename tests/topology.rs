//! Compares the topology with the documents and the other crates.
//!
//! Invariant: the drawing in ARCHITECTURE.md equals the topology that runs, and every topic has a writer and a reader.
//! Not here: the decisions of the processors (crate `processors`).
#![allow(clippy::panic)]
use fastbreak::cli::graph;
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
    let actual = graph::mermaid(&graph::processors());
    assert_eq!(
        documented,
        actual.trim(),
        "replace the drawing with the output of `fastbreak graph --mermaid`"
    );
}

#[test]
fn every_input_is_raw_or_written_upstream_and_every_output_is_read() {
    let processors = graph::processors();
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
fn the_topics_of_the_sink_are_among_its_inputs() {
    let inputs: Vec<&str> = sinks::subscription::inputs().iter().map(|topic| topic.name).collect();
    for topic in SinkTopic::ALL.map(SinkTopic::topic) {
        assert!(inputs.contains(&topic), "{topic} is not an input of the sink");
    }
    assert_eq!(inputs.len(), SinkTopic::ALL.len());
}

#[test]
fn every_raw_topic_has_its_loader() {
    let processors = graph::processors();
    for feed in schemas::raw::Feed::ALL {
        let topic = topics::raw_topic(feed).info.name;
        let is_read = processors.iter().any(|processor| processor.reads.contains(&topic));
        assert!(is_read, "no processor reads {topic} of feed {feed}");
    }
}
