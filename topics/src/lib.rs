//! The topics: one typed table of name, key, event, partitions and policy (`catalog`), their settings on a cluster (`spec`), the plan of
//! the changes that a cluster needs (`plan`), and partitions by logical name (`topic_partition`).
//!
//! Invariant: this file is a module root: it contains only `mod` and `pub use`.
//! Not here: any client, and the topics of each processor (`src/topology.rs` of the binary).
mod catalog;
pub mod plan;
pub mod spec;
mod topic_partition;

pub use catalog::*;
pub use topic_partition::{Offset, Offsets, TopicPartition, intern};
