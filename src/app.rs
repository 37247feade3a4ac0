//! The application: everything that follows from the configuration, built once per process.
//!
//! The predictor, the subscriptions and the schema ids are loaded at their first use, because most commands do not need them.
//! Invariant: each part has one owner, this struct; a command never sees the configuration itself, and every command works with both kinds
//! of log and both kinds of warehouse.
//! Not here: the configuration keys (`config`), the use of the parts (one module per command).
mod artifact;
mod log_target;

pub use artifact::LearnedModelError;
pub use log_target::LogTarget;

use crate::{
    config::{Config, WarehouseKind},
    namespace::Namespace,
    pipeline::PipelineLimits,
    registry::subjects,
    topology::{self, dlq_owners, topic_specs},
    warehouse::WarehouseTarget,
};
use anyhow::Result;
use console::AllowedHosts;
use processors::predictor::Predictor;
use runtime::{
    LogBackend, ProcessorNode,
    subscription::{ReadLimits, Subscription},
};
use schema_registry::{Client, RegistryConfig, RegistryError};
use sinks::BatchLimits;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::OnceLock,
};
use topics::spec::TopicSpec;

/// Everything that follows from the configuration.
pub struct App {
    log: LogTarget,
    warehouse: WarehouseTarget,
    replays_folder: PathBuf,
    registry: RegistryConfig,
    topic_specs: Vec<TopicSpec>,
    pipeline_limits: PipelineLimits,
    console: ConsoleSettings,
    learned_model: Option<PathBuf>,
    predictor: OnceLock<Predictor>,
    subscriptions: OnceLock<Vec<Subscription>>,
}

/// Where `run` serves status page, metrics and health.
#[derive(Clone, Debug)]
pub struct ConsoleSettings {
    /// `None` if there is no console.
    pub address: Option<SocketAddr>,
    /// True if the address is set explicitly.
    pub is_explicit: bool,
    /// Host names under which the page may be requested.
    pub hosts: AllowedHosts,
}

impl App {
    /// Creates the application of this configuration. Opens and reads nothing.
    pub fn new(config: &Config) -> App {
        App {
            log: LogTarget::new(config),
            warehouse: match config.warehouse {
                WarehouseKind::Sqlite => WarehouseTarget::Folder(config.data.clone()),
                WarehouseKind::BigQuery => WarehouseTarget::Dataset(config.bigquery.clone()),
            },
            replays_folder: config.data.join("replays"),
            registry: config.registry.clone(),
            topic_specs: topic_specs::specs(config.replication.map(i32::from)),
            pipeline_limits: pipeline_limits(config),
            console: ConsoleSettings {
                address: config.console,
                is_explicit: config.is_console_set(),
                hosts: AllowedHosts::new(config.console_hosts.clone()),
            },
            learned_model: config.learned_model.clone(),
            predictor: OnceLock::new(),
            subscriptions: OnceLock::new(),
        }
    }
    /// Creates the application of a demo: without brokers, registry and BigQuery. Unless `--data` is set, each seed has its own data folder.
    pub fn for_demo(config: &Config, has_data_flag: bool, seed: u64) -> App {
        let mut config = config.clone();
        config.warehouse = WarehouseKind::Sqlite;
        config.brokers = None;
        config.registry.url = None;
        if !has_data_flag {
            config.data = config.data.join(format!("demo-{seed}"));
        }
        App::new(&config)
    }

    /// Returns the location of the live log.
    pub fn log_target(&self) -> &LogTarget {
        &self.log
    }
    /// Opens the log.
    ///
    /// # Errors
    /// If the registry is unreachable or lacks a schema, or the log cannot be opened.
    pub fn open_log(&self) -> Result<Box<dyn LogBackend>> {
        self.bind_registry()?;
        self.log.open()
    }
    /// Opens the log of a demo, in a folder that no other log or warehouse uses.
    ///
    /// # Errors
    /// [`RuntimeError::Precondition`](runtime::RuntimeError::Precondition) if the folder has files that no demo wrote.
    pub fn open_demo_log(&self) -> Result<Box<dyn LogBackend>> {
        self.log.open_demo()
    }
    /// Opens the log, which must exist.
    ///
    /// # Errors
    /// [`RuntimeError::Missing`](runtime::RuntimeError::Missing) if the log is an embedded log that does not exist; otherwise as [`App::open_log`].
    pub fn open_existing_log(&self) -> Result<Box<dyn LogBackend>> {
        self.log.ensure_exists()?;
        self.open_log()
    }
    /// Opens the log read-only; this works even while another process writes to it.
    ///
    /// # Errors
    /// If the registry is unreachable or lacks a schema, or the log does not exist.
    pub fn open_log_read_only(&self) -> Result<Box<dyn LogBackend>> {
        self.bind_registry()?;
        self.log.open_read_only()
    }
    /// Opens the log of a replay: its topics and groups are in its namespace, except that its raw topics are those of the live log.
    ///
    /// # Errors
    /// If the registry is unreachable or lacks a schema, or a log cannot be opened.
    pub fn open_replay_log(&self, namespace: &Namespace) -> Result<Box<dyn LogBackend>> {
        self.bind_registry()?;
        self.log.open_replay(namespace, &self.replay_folder(namespace))
    }
    /// Opens the log of a replay read-only.
    ///
    /// # Errors
    /// If the registry is unreachable or lacks a schema, or a log does not exist or cannot be opened.
    pub fn open_replay_log_read_only(&self, namespace: &Namespace) -> Result<Box<dyn LogBackend>> {
        self.bind_registry()?;
        self.log.open_replay_read_only(namespace, &self.replay_folder(namespace))
    }
    /// Deletes the topics and groups of a replay and returns their names.
    ///
    /// # Errors
    /// If the log cannot be opened or a deletion fails.
    pub fn discard_replay_log(&self, namespace: &Namespace) -> Result<Vec<String>> {
        let topics: Vec<String> = self.topic_specs.iter().map(|spec| spec.name.clone()).collect();
        let processors: Vec<String> = dlq_owners().into_iter().map(str::to_owned).collect();
        self.log.discard_replay(namespace, &self.replay_folder(namespace), (&topics, &processors))
    }

    /// Returns the location of the live warehouse.
    pub fn warehouse(&self) -> &WarehouseTarget {
        &self.warehouse
    }
    /// Returns the location of a replay's warehouse.
    pub fn replay_warehouse(&self, namespace: &Namespace) -> WarehouseTarget {
        self.warehouse.for_replay(namespace, self.replay_folder(namespace))
    }
    /// Returns the folder that contains the folders of all replays.
    pub fn replays_folder(&self) -> &Path {
        &self.replays_folder
    }
    /// Returns the folder of a replay's manifest, its SQLite warehouse and its embedded log.
    pub fn replay_folder(&self, namespace: &Namespace) -> PathBuf {
        self.replays_folder.join(namespace.as_str())
    }

    /// Returns the URL of the schema registry; `None` if none is configured.
    pub fn registry_url(&self) -> Option<&str> {
        self.registry.url.as_deref()
    }
    /// Returns a client of the schema registry; `None` if none is configured.
    ///
    /// # Errors
    /// If the HTTP client cannot be created.
    pub fn registry_client(&self) -> Result<Option<Client>, RegistryError> {
        Client::from_config(&self.registry)
    }
    /// Makes this process use the schema ids of the registry, if there is one. Repeated calls have no effect.
    ///
    /// # Errors
    /// If the registry is unreachable or a schema is missing in it.
    pub fn bind_registry(&self) -> Result<(), RegistryError> {
        schema_registry::bind(&self.registry, &subjects())
    }

    /// Returns the specs of all live topics. The names of live topics are equal in the catalog and on brokers.
    pub fn topic_specs(&self) -> &[TopicSpec] {
        &self.topic_specs
    }
    /// Returns the limits of processors and sink.
    pub fn pipeline_limits(&self) -> PipelineLimits {
        self.pipeline_limits
    }
    /// Returns where `run` serves status page, metrics and health.
    pub fn console(&self) -> &ConsoleSettings {
        &self.console
    }

    /// Returns the path of the configured model artifact.
    pub fn learned_model(&self) -> Option<&Path> {
        self.learned_model.as_deref()
    }
    /// Returns the predictor, with the configured model artifact.
    ///
    /// # Errors
    /// If the artifact cannot be read or parsed.
    pub fn predictor(&self) -> Result<&Predictor> {
        if let Some(predictor) = self.predictor.get() {
            return Ok(predictor);
        }
        let predictor = artifact::load_predictor(self.learned_model())?;
        Ok(self.predictor.get_or_init(|| predictor))
    }
    /// Builds all processors, upstream first.
    ///
    /// # Errors
    /// If the configured model artifact cannot be loaded.
    pub fn build_processors(&self) -> Result<Vec<Box<dyn ProcessorNode>>> {
        Ok(topology::topology(self.predictor()?.clone()))
    }
    /// Returns the subscriptions of all processors, upstream first, and of the sink.
    ///
    /// # Errors
    /// If the configured model artifact cannot be loaded: the artifact's version is part of the name of the predictor's consumer group.
    pub fn subscriptions(&self) -> Result<&[Subscription]> {
        let version = self.predictor()?.version();
        Ok(self.subscriptions.get_or_init(|| topology::subscriptions(Some(version))))
    }
}

fn pipeline_limits(config: &Config) -> PipelineLimits {
    PipelineLimits {
        read: ReadLimits {
            batch_bytes: config.batch_bytes,
            max_upstream_wait: config.max_upstream_wait,
            commit_interval: config.commit_interval,
            ..ReadLimits::default()
        },
        sink_batch: BatchLimits {
            records: config.sink_max_records,
            bytes: config.sink_max_bytes,
            age_ms: config.sink_max_age().as_millis() as i64,
        },
        reconcile_interval: config.sink_reconcile_interval,
        dlq: config.dlq_limits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use models::{Model, Parameters};
    use processors::predictor::{Artifact, Content, Kind, Spread, Training, feature_schema_hash};
    use schemas::{EasternDate, Season};
    use std::collections::BTreeMap;

    fn app(folder: &Path, artifact: &Path) -> App {
        let flags = [("data", folder.display().to_string())];
        let environment = [("FASTBREAK_LEARNED_MODEL".into(), artifact.as_os_str().to_owned())];
        App::new(&Config::resolve(None, &BTreeMap::from(environment), &flags).unwrap())
    }
    /// Returns an artifact that forecasts the same for everybody.
    fn artifact() -> Artifact {
        let training = Training {
            from: EasternDate(17_820),
            to: EasternDate(17_996),
            seasons: vec![Season(2018)],
            rows: 1,
            issued: 1,
            retrospective: 0,
            rows_hash: "none".into(),
            dropped: Vec::new(),
        };
        let content = Content {
            kind: Kind::LinearAndTrees,
            feature_schema: feature_schema_hash(),
            model: Model { columns: Vec::new(), intercept: 9.5, offset: 0, trees: Vec::new() },
            spread: Spread { at_zero: 10.0, per_point: 2.5, prior_games: 80.0 },
            training,
            parameters: Parameters::default(),
            backtest: None,
        };
        Artifact::new(content).unwrap()
    }
    #[test]
    fn the_group_of_the_predictor_has_the_version_of_the_configured_artifact() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("artifact.json");
        std::fs::write(&path, artifact().text().unwrap()).unwrap();
        let app = app(folder.path(), &path);
        let version = app.predictor().unwrap().version();
        assert_ne!(version, Predictor::new(None).version());
        let subscriptions = app.subscriptions().unwrap();
        let predictor = subscriptions.iter().find(|subscription| subscription.name == "predictor").unwrap();
        assert_eq!(predictor.group, format!("predictor@{version:x}"));
    }
    #[test]
    fn a_broken_artifact_is_an_error_only_for_what_depends_on_it() {
        let folder = tempfile::tempdir().unwrap();
        let app = app(folder.path(), &folder.path().join("missing.json"));
        assert!(app.predictor().is_err() && app.subscriptions().is_err() && app.build_processors().is_err());
        assert!(app.open_log().is_ok() && !app.topic_specs().is_empty());
    }
    #[test]
    fn a_demo_uses_neither_brokers_nor_registry_nor_bigquery() {
        let flags = [
            ("data", "data".to_owned()),
            ("brokers", "host:9092".to_owned()),
            ("registry", "http://host".to_owned()),
            ("warehouse", "bigquery".to_owned()),
        ];
        let config = Config::resolve(None, &BTreeMap::new(), &flags).unwrap();
        for (has_data_flag, folder) in [(true, "data"), (false, "data/demo-7")] {
            let app = App::for_demo(&config, has_data_flag, 7);
            assert!(matches!(app.log_target(), LogTarget::Folder(path) if path == Path::new(folder)));
            assert_eq!(*app.warehouse(), WarehouseTarget::Folder(folder.into()));
            assert_eq!(app.registry_url(), None);
        }
    }
}
