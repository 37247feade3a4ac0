//! `graph`: the topology as text or as a Mermaid flowchart.
//!
//! Invariant: every processor and the sink are listed, upstream first.
//! Not here: the topology itself (`topology`).
use super::{
    outcome::CommandOutcome,
    output::{self, Output},
};
use crate::topology::{self, ProcessorDescription};
use anyhow::Result;

/// Formats the topology as text: each processor, its inputs, its outputs.
pub fn text(processors: &[ProcessorDescription]) -> String {
    let mut text = String::new();
    for processor in processors {
        text += &format!("{} ({})\n", processor.processor, processor.kind);
        for topic in &processor.reads {
            text += &format!("    ◄── {topic}\n");
        }
        for topic in &processor.writes {
            text += &format!("    ──► {topic}\n");
        }
    }
    text
}

/// Formats the topology as a Mermaid flowchart: processors are boxes, topics are the arrows between them, and a topic that no processor
/// writes is a rounded box.
pub fn mermaid(processors: &[ProcessorDescription]) -> String {
    let mut lines = vec!["flowchart TD".to_owned()];
    let has_writer = |topic: &str| processors.iter().any(|processor| processor.writes.contains(&topic));
    for processor in processors {
        lines.push(format!("    {}[\"{}\"]", processor.processor, processor.processor));
    }
    for processor in processors {
        for topic in &processor.reads {
            if !has_writer(topic) {
                lines.push(format!("    {topic}([\"{topic}\"]) --> {}", processor.processor));
            }
            for writer in processors.iter().filter(|writer| writer.writes.contains(topic)) {
                lines.push(format!("    {} -- {topic} --> {}", writer.processor, processor.processor));
            }
        }
    }
    lines.push("    windowed-sink --> warehouse[(\"warehouse\")]".to_owned());
    lines.join("\n") + "\n"
}

/// Runs `graph`.
pub fn graph(as_mermaid: bool, output: Output) -> Result<CommandOutcome> {
    output::print(output, &topology::descriptions(), |processors| {
        if as_mermaid { mermaid(processors) } else { text(processors) }
    })?;
    Ok(CommandOutcome::Done)
}
