//! Location of the log: a Kafka cluster, or a folder with an embedded log.
//!
//! Invariant: only `App` opens a log here, after the registry's schema ids are bound; so every command works with both logs.
//! Not here: the logs themselves (crates `runtime-kafka` and `runtime-embedded`).
use crate::{
    config::{Config, HeaderStyle},
    namespace::Namespace,
};
use anyhow::Result;
use runtime::{LogAdmin, LogBackend, RuntimeError};
use runtime_embedded::{EmbeddedLog, ReplayLog, missing_log};
use runtime_kafka::{KafkaConfig, KafkaLog};
use std::path::{Path, PathBuf};

/// Location of the configured log.
pub enum LogTarget {
    Kafka(KafkaConfig),
    /// The log is the file `log.db` in this folder.
    Folder(PathBuf),
}

impl LogTarget {
    /// Returns the location of the configured log: Kafka if brokers are configured, otherwise the data folder.
    pub(super) fn new(config: &Config) -> LogTarget {
        match &config.brokers {
            Some(brokers) => LogTarget::Kafka(KafkaConfig {
                brokers: brokers.clone(),
                instance: config.instance.clone(),
                client: config.kafka.clone(),
                namespace: None,
                connect_headers: config.dlq_header_style == HeaderStyle::Connect,
            }),
            None => LogTarget::Folder(config.data.clone()),
        }
    }
    /// Returns the configuration of the Kafka client; `None` for an embedded log.
    pub fn kafka(&self) -> Option<&KafkaConfig> {
        match self {
            LogTarget::Kafka(kafka_config) => Some(kafka_config),
            LogTarget::Folder(_) => None,
        }
    }
    /// Returns the configuration of the Kafka client for the log of a replay; `None` for an embedded log.
    pub fn replay_kafka(&self, namespace: &Namespace) -> Option<KafkaConfig> {
        self.kafka().map(|kafka_config| in_namespace(kafka_config, namespace))
    }
    /// Checks that the log exists, if it is an embedded log.
    ///
    /// # Errors
    /// [`RuntimeError::Missing`] if it does not.
    pub fn ensure_exists(&self) -> Result<(), RuntimeError> {
        match self {
            LogTarget::Folder(folder) if !log_file(folder).exists() => Err(missing_log(&log_file(folder))),
            _ => Ok(()),
        }
    }
    pub(super) fn open(&self) -> Result<Box<dyn LogBackend>> {
        Ok(match self {
            LogTarget::Kafka(kafka_config) => Box::new(KafkaLog::open(kafka_config.clone())?),
            LogTarget::Folder(folder) => Box::new(EmbeddedLog::open(folder)?),
        })
    }
    /// Opens the log of a demo.
    pub(super) fn open_demo(&self) -> Result<Box<dyn LogBackend>> {
        match self {
            LogTarget::Folder(folder) => Ok(Box::new(EmbeddedLog::open_demo(folder)?)),
            LogTarget::Kafka(kafka_config) => Err(RuntimeError::Precondition {
                what: format!("a demo on {}", kafka_config.brokers),
                reason: "the events of a demo are invented".into(),
                next: "run the demo without `--brokers`".into(),
            }
            .into()),
        }
    }
    /// Opens the log read-only; this works even while another process writes to it.
    pub(super) fn open_read_only(&self) -> Result<Box<dyn LogBackend>> {
        Ok(match self {
            LogTarget::Kafka(kafka_config) => Box::new(KafkaLog::open(kafka_config.clone())?),
            LogTarget::Folder(folder) => Box::new(EmbeddedLog::open_read_only(folder)?),
        })
    }
    /// Opens the log of a replay: its topics and groups are in its namespace, except that its raw topics are those of this log. An
    /// embedded log of a replay is in `folder`.
    pub(super) fn open_replay(&self, namespace: &Namespace, folder: &Path) -> Result<Box<dyn LogBackend>> {
        Ok(match self {
            LogTarget::Kafka(kafka_config) => {
                Box::new(KafkaLog::open(in_namespace(kafka_config, namespace))?)
            }
            LogTarget::Folder(live) => Box::new(ReplayLog::open(folder, live)?),
        })
    }
    /// Opens the log of a replay read-only.
    pub(super) fn open_replay_read_only(
        &self,
        namespace: &Namespace,
        folder: &Path,
    ) -> Result<Box<dyn LogBackend>> {
        Ok(match self {
            LogTarget::Kafka(_) => self.open_replay(namespace, folder)?,
            LogTarget::Folder(live) => Box::new(ReplayLog::open_read_only(folder, live)?),
        })
    }
    /// Deletes these topics of a replay and the groups of these processors, and returns the names of what was deleted.
    pub(super) fn discard_replay(
        &self,
        namespace: &Namespace,
        folder: &Path,
        (topics, processors): (&[String], &[String]),
    ) -> Result<Vec<String>> {
        Ok(match self {
            LogTarget::Kafka(kafka_config) => {
                KafkaLog::open(in_namespace(kafka_config, namespace))?.discard(topics, processors)?
            }
            LogTarget::Folder(_) if !log_file(folder).exists() => Vec::new(),
            LogTarget::Folder(_) => EmbeddedLog::open(folder)?.discard(topics, processors)?,
        })
    }
}

fn in_namespace(kafka_config: &KafkaConfig, namespace: &Namespace) -> KafkaConfig {
    KafkaConfig { namespace: Some(namespace.as_str().to_owned()), ..kafka_config.clone() }
}

fn log_file(folder: &Path) -> PathBuf {
    folder.join("log.db")
}
