//! Where the log is: the embedded file, unless brokers are configured.
//!
//! Invariant: every verb opens the log here, so what works on one log works on the other.
//! Not here: the logs themselves (crate `runtime`).
use crate::{
    config::{Config, HeaderStyle},
    redrive,
    replay::Namespace,
    topology::topic_specs,
};
use anyhow::Result;
use runtime::{LogAdmin, LogBackend};
use runtime_embedded::{EmbeddedLog, ReplayLog};
use runtime_kafka::{KafkaConfig, KafkaLog};

/// Opens the configured log; what it has is named by the ids of the configured registry, if any.
pub fn open(config: &Config) -> Result<Box<dyn LogBackend>> {
    crate::registry::bind(&config.registry)?;
    Ok(match settings(config, None) {
        Some(settings) => Box::new(KafkaLog::open(settings)?),
        None => Box::new(EmbeddedLog::open(&config.data)?),
    })
}

/// Opens the configured log beside whoever writes it, to read what is in it and where its readers are.
pub fn open_to_read(config: &Config) -> Result<Box<dyn LogBackend>> {
    crate::registry::bind(&config.registry)?;
    Ok(match settings(config, None) {
        Some(settings) => Box::new(KafkaLog::open(settings)?),
        None => Box::new(EmbeddedLog::open_read_only(&config.data)?),
    })
}

/// Opens a replay's log: topics and groups of its own, the raw topics of the configured log.
pub fn open_replay(config: &Config, namespace: &Namespace) -> Result<Box<dyn LogBackend>> {
    crate::registry::bind(&config.registry)?;
    Ok(match settings(config, Some(namespace)) {
        Some(settings) => Box::new(KafkaLog::open(settings)?),
        None => Box::new(ReplayLog::open(&namespace.folder(config), &config.data)?),
    })
}

/// Removes a replay's log; answers what was removed.
pub fn discard(config: &Config, namespace: &Namespace) -> Result<Vec<String>> {
    let topics: Vec<String> = topic_specs::specs(config, None).into_iter().map(|spec| spec.name).collect();
    let processors = redrive::dlq_owners();
    if let Some(settings) = settings(config, Some(namespace)) {
        return Ok(KafkaLog::open(settings)?.discard(&topics, &processors)?);
    }
    let folder = namespace.folder(config);
    match folder.join("log.db").exists() {
        true => Ok(EmbeddedLog::open(&folder)?.discard(&topics, &processors)?),
        false => Ok(Vec::new()),
    }
}

/// How to reach the configured brokers, when there are any; in a replay's namespace or none.
pub fn settings(config: &Config, namespace: Option<&Namespace>) -> Option<KafkaConfig> {
    Some(KafkaConfig {
        brokers: config.brokers.clone()?,
        instance: config.instance.clone(),
        client: config.kafka.clone(),
        namespace: namespace.map(|namespace| namespace.as_str().to_owned()),
        connect_headers: config.dlq_header_style == HeaderStyle::Connect,
    })
}
