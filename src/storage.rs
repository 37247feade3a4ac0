//! Opening the configured log: the embedded log, or Kafka if brokers are configured.
//!
//! Invariant: every command opens the log here, so every command works with both logs.
//! Not here: the logs themselves (crate `runtime`).
use crate::{
    config::{Config, HeaderStyle},
    namespace::Namespace,
    topology::{dlq_owners, topic_specs},
};
use anyhow::Result;
use runtime::{LogAdmin, LogBackend};
use runtime_embedded::{EmbeddedLog, ReplayLog};
use runtime_kafka::{KafkaConfig, KafkaLog};

/// Reads the schema ids from the configured registry, if there is one, then opens the configured log.
///
/// # Errors
/// If the registry is unreachable or lacks a schema, or the log cannot be opened.
pub fn open(config: &Config) -> Result<Box<dyn LogBackend>> {
    crate::registry::bind(&config.registry)?;
    Ok(match settings(config, None) {
        Some(settings) => Box::new(KafkaLog::open(settings)?),
        None => Box::new(EmbeddedLog::open(&config.data)?),
    })
}

/// Opens the configured log read-only; this works even while another process writes to it.
///
/// # Errors
/// If the registry is unreachable or lacks a schema, or the log does not exist.
pub fn open_to_read(config: &Config) -> Result<Box<dyn LogBackend>> {
    crate::registry::bind(&config.registry)?;
    Ok(match settings(config, None) {
        Some(settings) => Box::new(KafkaLog::open(settings)?),
        None => Box::new(EmbeddedLog::open_read_only(&config.data)?),
    })
}

/// Opens the log of a replay: its topics and groups are in its namespace, except that its raw topics are those of the configured log.
///
/// # Errors
/// If the registry is unreachable or lacks a schema, or a log cannot be opened.
pub fn open_replay(config: &Config, namespace: &Namespace) -> Result<Box<dyn LogBackend>> {
    crate::registry::bind(&config.registry)?;
    Ok(match settings(config, Some(namespace)) {
        Some(settings) => Box::new(KafkaLog::open(settings)?),
        None => Box::new(ReplayLog::open(&namespace.folder(config), &config.data)?),
    })
}

/// Deletes the topics and groups of a replay and returns their names.
///
/// # Errors
/// If the log cannot be opened or a deletion fails.
pub fn discard(config: &Config, namespace: &Namespace) -> Result<Vec<String>> {
    let topics: Vec<String> = topic_specs::specs(config, None).into_iter().map(|spec| spec.name).collect();
    let processors: Vec<String> = dlq_owners().into_iter().map(str::to_owned).collect();
    if let Some(settings) = settings(config, Some(namespace)) {
        return Ok(KafkaLog::open(settings)?.discard(&topics, &processors)?);
    }
    let folder = namespace.folder(config);
    if !folder.join("log.db").exists() {
        return Ok(Vec::new());
    }
    Ok(EmbeddedLog::open(&folder)?.discard(&topics, &processors)?)
}

/// Returns the configuration of the Kafka client, with the namespace of a replay if there is one; `None` if no brokers are configured.
pub fn settings(config: &Config, namespace: Option<&Namespace>) -> Option<KafkaConfig> {
    Some(KafkaConfig {
        brokers: config.brokers.clone()?,
        instance: config.instance.clone(),
        client: config.kafka.clone(),
        namespace: namespace.map(|namespace| namespace.as_str().to_owned()),
        connect_headers: config.dlq_header_style == HeaderStyle::Connect,
    })
}
