//! The topology as a report: every processor with the names of its topics.
//!
//! Invariant: every processor and the sink are listed, upstream first.
//! Not here: the descriptors (`descriptors`), the text and the flowchart (`cli::graph`).
use super::descriptors::{ProcessorDescriptor, SINK, descriptors};
use serde::Serialize;
use topics::TopicInfo;

/// A processor with its input and output topics.
#[derive(Serialize)]
pub struct ProcessorDescription {
    pub processor: &'static str,
    pub kind: &'static str,
    pub reads: Vec<&'static str>,
    pub writes: Vec<&'static str>,
}

/// Describes all processors, upstream first, and the sink last.
pub fn descriptions() -> Vec<ProcessorDescription> {
    let names = |topics: &[TopicInfo]| topics.iter().map(|topic| topic.name).collect();
    let description = |descriptor: &ProcessorDescriptor| ProcessorDescription {
        processor: descriptor.name,
        kind: descriptor.kind.name(),
        reads: names(descriptor.inputs),
        writes: if *descriptor == SINK { vec!["warehouse"] } else { names(descriptor.outputs) },
    };
    descriptors().map(description).collect()
}
