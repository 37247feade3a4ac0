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
    let drawn = graph::mermaid(&graph::steps());
    assert_eq!(documented, drawn.trim(), "paste the output of `fastbreak graph --mermaid`");
}

#[test]
fn every_topic_read_is_raw_or_written_upstream_and_every_topic_written_is_read() {
    let steps = graph::steps();
    for (at, step) in steps.iter().enumerate() {
        for topic in &step.reads {
            let upstream = steps[..at].iter().any(|before| before.writes.contains(topic));
            assert!(upstream || topic.starts_with("raw."), "{} reads {topic}", step.processor);
        }
        for topic in &step.writes {
            let is_read = steps[at + 1..].iter().any(|after| after.reads.contains(topic));
            assert!(is_read || *topic == "warehouse", "nobody reads {topic} of {}", step.processor);
        }
    }
}

#[test]
fn the_sink_knows_its_inputs_by_their_topics_names() {
    let inputs: Vec<&str> = topology::sink_inputs().iter().map(|topic| topic.name).collect();
    for name in [sinks::Input::PlayerGames, sinks::Input::Features, sinks::Input::Predictions]
        .map(sinks::Input::topic)
    {
        assert!(inputs.contains(&name), "{name}");
    }
}

#[test]
fn every_raw_topic_has_its_loader() {
    let steps = graph::steps();
    for feed in schemas::raw::Feed::ALL {
        let topic = topics::raw_topic(feed).info.name;
        assert!(
            steps.iter().any(|step| step.reads.contains(&topic)),
            "{feed} goes to {topic}, which nobody reads"
        );
    }
}
