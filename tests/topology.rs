//! The topology against what the documents and the other crates say of it.
#![allow(clippy::panic)]
use fastbreak::{cli::graph, topology};
use std::path::Path;

fn between<'a>(text: &'a str, name: &str) -> &'a str {
    let (begin, end) = (format!("<!-- {name}:begin -->"), format!("<!-- {name}:end -->"));
    let from = text.find(&begin).unwrap_or_else(|| panic!("no {begin}")) + begin.len();
    let to = text.find(&end).unwrap_or_else(|| panic!("no {end}"));
    text[from..to].trim()
}

#[test]
fn the_documented_topology_is_the_one_that_runs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md");
    let text = std::fs::read_to_string(path).expect("ARCHITECTURE.md");
    let documented =
        between(&text, "topology").trim_start_matches("```mermaid").trim_end_matches("```").trim();
    let drawn = graph::mermaid(&graph::processors());
    assert_eq!(documented, drawn.trim(), "paste the output of `fastbreak graph --mermaid`");
}

#[test]
fn every_topic_read_is_raw_or_written_upstream_and_every_topic_written_is_read() {
    let processors = graph::processors();
    for (at, processor) in processors.iter().enumerate() {
        for topic in &processor.reads {
            let upstream = processors[..at].iter().any(|before| before.writes.contains(topic));
            assert!(upstream || topic.starts_with("raw."), "{} reads {topic}", processor.processor);
        }
        for topic in &processor.writes {
            let is_read = processors[at + 1..].iter().any(|after| after.reads.contains(topic));
            assert!(is_read || *topic == "warehouse", "nobody reads {topic} of {}", processor.processor);
        }
    }
}

#[test]
fn the_sink_knows_its_inputs_by_their_topics_names() {
    let inputs: Vec<&str> = topology::sink_inputs().iter().map(|topic| topic.name).collect();
    for name in [sinks::SinkTopic::PlayerGames, sinks::SinkTopic::Features, sinks::SinkTopic::Predictions]
        .map(sinks::SinkTopic::topic)
    {
        assert!(inputs.contains(&name), "{name}");
    }
}

#[test]
fn every_raw_topic_has_its_loader() {
    let processors = graph::processors();
    for feed in schemas::raw::Feed::ALL {
        let topic = topics::raw_topic(feed).info.name;
        assert!(
            processors.iter().any(|processor| processor.reads.contains(&topic)),
            "{feed} goes to {topic}, which nobody reads"
        );
    }
}
