//! The topology: topics → processors → topics, in the order in which data flows. Read `descriptors` first, then `nodes`.
//!
//! Invariant: this file is a module root: it contains only `mod` and `pub use`.
//! Not here: the decisions of a processor (crate `processors`), delivery of records (crate `runtime`), the sink's writes (crate `sinks`).
mod description;
mod descriptors;
mod loader;
mod nodes;
mod predict;
pub mod topic_specs;
mod unknown_processor;

pub use description::{ProcessorDescription, descriptions};
pub use descriptors::{
    PROCESSORS, ProcessorDescriptor, ProcessorVersion, SINK, descriptors, dlq_owners, subscriptions,
    versioned_group,
};
pub use nodes::topology;
pub use unknown_processor::{UnknownProcessor, ensure_dlq_owner};
