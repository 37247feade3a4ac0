//! The topics of a cluster as a report.
//!
//! Invariant: it lists every topic of the cluster, with the settings that are set on the topic itself.
//! Not here: desired topics (`topology::topic_specs`), the text (`cli::topics`).
use serde::Serialize;
use std::collections::BTreeMap;
use topics::{plan::Cluster, spec::TopicSpec};

/// All topics of a cluster.
#[derive(Serialize)]
pub struct Export {
    pub cluster: String,
    pub topics: BTreeMap<String, ExportedTopic>,
}
/// A topic of a cluster.
#[derive(Serialize)]
pub struct ExportedTopic {
    pub partitions: i32,
    pub replication: i32,
    /// True for a topic that Fastbreak manages.
    pub managed: bool,
    /// Topic-level settings, without the brokers' defaults.
    pub settings: BTreeMap<String, String>,
}

/// Lists the topics of a cluster; `wanted` are the topics that Fastbreak manages.
pub(super) fn export(cluster: Cluster, wanted: &[TopicSpec]) -> Export {
    let mut export = Export { cluster: cluster.id, topics: BTreeMap::new() };
    for actual in cluster.topics {
        let topic = ExportedTopic {
            partitions: actual.partitions,
            replication: actual.replication,
            managed: wanted.iter().any(|spec| spec.name == actual.name),
            settings: actual.topic_overrides,
        };
        export.topics.insert(actual.name, topic);
    }
    export
}
