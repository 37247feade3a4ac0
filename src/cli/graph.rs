//! `graph`: the topology, as text or as a Mermaid flowchart.
use super::{Ended, Output, output};
use crate::topology;
use anyhow::Result;
use processors::predictor::Predictor;
use serde::Serialize;

/// A processor with its topics.
#[derive(Serialize)]
pub struct Step {
    pub processor: String,
    pub kind: &'static str,
    pub reads: Vec<&'static str>,
    pub writes: Vec<&'static str>,
}

/// The topology, upstream first, the sink last.
pub fn steps() -> Vec<Step> {
    let nodes = topology::topology(Predictor::new(None));
    let names = |topics: Vec<topics::TopicInfo>| topics.into_iter().map(|topic| topic.name).collect();
    let step = |node: &dyn runtime::Node| Step {
        processor: node.name().to_owned(),
        kind: if node.is_view() { "view" } else { "map" },
        reads: names(node.inputs()),
        writes: names(node.outputs()),
    };
    let sink = Step {
        processor: topology::SINK.to_owned(),
        kind: "sink",
        reads: names(topology::sink_inputs()),
        writes: vec!["warehouse"],
    };
    nodes.iter().map(|node| step(node.as_ref())).chain([sink]).collect()
}

/// As text.
pub fn text(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        text += &format!("{} ({})\n", step.processor, step.kind);
        step.reads.iter().for_each(|topic| text += &format!("    ◄── {topic}\n"));
        step.writes.iter().for_each(|topic| text += &format!("    ──► {topic}\n"));
    }
    text
}

/// As a Mermaid flowchart: processors as boxes, topics as the arrows between them.
pub fn mermaid(steps: &[Step]) -> String {
    let mut lines = vec!["flowchart TD".to_owned()];
    let written = |topic: &str| steps.iter().any(|step| step.writes.contains(&topic));
    for step in steps {
        lines.push(format!("    {}[\"{}\"]", step.processor, step.processor));
    }
    for step in steps {
        for topic in &step.reads {
            if !written(topic) {
                lines.push(format!("    {topic}([\"{topic}\"]) --> {}", step.processor));
            }
            for writer in steps.iter().filter(|writer| writer.writes.contains(topic)) {
                lines.push(format!("    {} -- {topic} --> {}", writer.processor, step.processor));
            }
        }
    }
    lines.push("    windowed-sink --> warehouse[(\"warehouse\")]".to_owned());
    lines.join("\n") + "\n"
}

pub fn graph(as_mermaid: bool, output: Output) -> Result<Ended> {
    let steps = steps();
    output::print(output, &steps, |steps| if as_mermaid { mermaid(steps) } else { text(steps) })?;
    Ok(Ended::Done)
}
