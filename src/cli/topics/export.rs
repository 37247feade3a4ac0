//! `topics export`: the topics of a cluster as TOML or JSON.
//!
//! Invariant: it lists every topic of the cluster, with the settings that are set on the topic itself.
//! Not here: desired topics (`topology::topic_specs`).
use super::super::{
    outcome::CommandOutcome,
    output::{self, Output},
};
use crate::stderr::eprint_line;
use anyhow::{Context, Result};
use runtime_kafka::Admin;
use serde::Serialize;
use std::{collections::BTreeMap, path::Path};
use topics::spec::TopicSpec;

#[derive(Serialize)]
struct Export {
    cluster: String,
    topics: BTreeMap<String, ExportedTopic>,
}
#[derive(Serialize)]
struct ExportedTopic {
    partitions: i32,
    replication: i32,
    /// True for a topic that Fastbreak manages.
    managed: bool,
    /// Topic-level settings, without the brokers' defaults.
    settings: BTreeMap<String, String>,
}

/// Prints the topics of the cluster, or writes them to `out`.
pub fn export(
    admin: &Admin,
    wanted: &[TopicSpec],
    out: Option<&Path>,
    output: Output,
) -> Result<CommandOutcome> {
    let cluster = admin.cluster(|_| true)?;
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
    let toml = toml::to_string_pretty(&export)?;
    let Some(path) = out else {
        output::print(output, &export, |_| toml)?;
        return Ok(CommandOutcome::Done);
    };
    let text = match output {
        Output::Json => serde_json::to_string_pretty(&export)? + "\n",
        Output::Table => toml,
    };
    std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    eprint_line(&format!(
        "{} topics of cluster {} exported to {}",
        export.topics.len(),
        export.cluster,
        path.display()
    ));
    Ok(CommandOutcome::Done)
}
