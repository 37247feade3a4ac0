//! Where the warehouse is: the local file, unless BigQuery is configured; and where a replay's is.
//!
//! Invariant: every verb opens the warehouse here, so what works on one works on the other.
//! Not here: the warehouses themselves (crate `sinks`).
use crate::{config::Config, replay::Namespace};
use sinks::{
    BigQuery, Sqlite, Warehouse, WarehouseError,
    bigquery::{BigQueryConfig, Credentials},
    sqlite::WarehouseQueries,
};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// Which warehouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarehouseKind {
    /// A file beside the log.
    Sqlite,
    BigQuery,
}
impl WarehouseKind {
    pub const fn name(self) -> &'static str {
        match self {
            WarehouseKind::Sqlite => "sqlite",
            WarehouseKind::BigQuery => "bigquery",
        }
    }
}
impl std::str::FromStr for WarehouseKind {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let kinds = [WarehouseKind::Sqlite, WarehouseKind::BigQuery];
        kinds.into_iter().find(|kind| kind.name() == text).ok_or("it is sqlite or bigquery")
    }
}

/// The age at which a batch may close on Google's own BigQuery.
const MIN_BATCH_AGE: Duration = Duration::from_secs(5);

/// Where BigQuery is.
#[derive(Clone, Debug, PartialEq)]
pub struct BigQueryOptions {
    pub project: String,
    pub dataset: String,
    pub location: String,
    pub endpoint: Option<String>,
    /// `default`, `none`, or the path of a service account's key file.
    pub credentials: String,
    /// How writes that fail are tried again.
    pub backoff: sinks::retry::Backoff,
}
impl BigQueryOptions {
    /// From the values of the keys `bigquery-…`.
    pub fn from_values(value: impl Fn(&str) -> String) -> BigQueryOptions {
        let endpoint = Some(value("bigquery-endpoint")).filter(|text| !text.is_empty());
        let credentials = match (value("bigquery-credentials"), &endpoint) {
            (text, _) if !text.is_empty() => text,
            (_, Some(_)) => "none".into(),
            (_, None) => "default".into(),
        };
        BigQueryOptions {
            project: value("bigquery-project"),
            dataset: value("bigquery-dataset"),
            location: value("bigquery-location"),
            endpoint,
            credentials,
            backoff: sinks::retry::Backoff::default(),
        }
    }
    /// Refuses batches that close sooner than Google's own BigQuery has room for: a table takes 25 statements within 10 s, and every sink
    /// and every repetition of a write needs some of them.
    pub fn check_batch_age(&self, age: Duration) -> Result<(), String> {
        if self.endpoint.is_some() || age >= MIN_BATCH_AGE {
            return Ok(());
        }
        let least = MIN_BATCH_AGE.as_millis();
        Err(format!(
            "BigQuery takes few statements of a table; set it to {least} or more, or bigquery-endpoint to an emulator"
        ))
    }
    /// The value of a key, as it is.
    pub fn entry(&self, key: &str) -> String {
        match key {
            "bigquery-project" => self.project.clone(),
            "bigquery-dataset" => self.dataset.clone(),
            "bigquery-location" => self.location.clone(),
            "bigquery-endpoint" => self.endpoint.clone().unwrap_or_default(),
            _ => self.credentials.clone(),
        }
    }
}

/// Where a warehouse is.
#[derive(Clone, Debug, PartialEq)]
pub enum WarehouseTarget {
    /// In a file of this folder.
    Folder(PathBuf),
    Dataset(BigQueryOptions),
}
impl WarehouseTarget {
    /// The configured one.
    pub fn live(config: &Config) -> WarehouseTarget {
        match config.warehouse {
            WarehouseKind::Sqlite => WarehouseTarget::Folder(config.data.clone()),
            WarehouseKind::BigQuery => WarehouseTarget::Dataset(config.bigquery.clone()),
        }
    }
    /// The one beside it that a replay writes. A dash is two underscores, so that no name ends like a dataset's staging.
    pub fn for_replay(config: &Config, namespace: &Namespace) -> WarehouseTarget {
        match WarehouseTarget::live(config) {
            WarehouseTarget::Folder(_) => WarehouseTarget::Folder(namespace.folder(config)),
            WarehouseTarget::Dataset(keys) => {
                let name = namespace.as_str().replace('-', "__");
                WarehouseTarget::Dataset(BigQueryOptions {
                    dataset: format!("{}_replay_{name}", keys.dataset),
                    ..keys
                })
            }
        }
    }
    /// What a person calls it: its path, or its dataset.
    pub fn name(&self) -> String {
        match self {
            WarehouseTarget::Folder(folder) => path_in(folder).display().to_string(),
            WarehouseTarget::Dataset(keys) => format!("{}.{}", keys.project, keys.dataset),
        }
    }
    pub fn open(&self) -> Result<Box<dyn Warehouse>, WarehouseError> {
        Ok(match self {
            WarehouseTarget::Folder(folder) => Box::new(Sqlite::open(&path_in(folder))?),
            WarehouseTarget::Dataset(keys) => Box::new(connect(keys)?),
        })
    }
    /// The rows, to be asked: the local file, or a copy of what BigQuery has now, which takes as long as reading all of it.
    pub fn reader(&self) -> Result<WarehouseQueries, WarehouseError> {
        match self {
            WarehouseTarget::Folder(folder) => WarehouseQueries::open(&path_in(folder)),
            WarehouseTarget::Dataset(keys) => connect(keys)?.copy_live_rows(),
        }
    }
}

/// The file of the local warehouse.
pub fn path_in(folder: &Path) -> PathBuf {
    folder.join("warehouse.db")
}

/// Opens the configured warehouse.
pub fn open(config: &Config) -> Result<Box<dyn Warehouse>, WarehouseError> {
    WarehouseTarget::live(config).open()
}

/// Opens it to look, when there is one.
pub fn look(config: &Config) -> Result<Option<Box<dyn Warehouse>>, WarehouseError> {
    match WarehouseTarget::live(config) {
        WarehouseTarget::Folder(folder) if !path_in(&folder).exists() => Ok(None),
        place => place.open().map(Some),
    }
}

/// The configured BigQuery.
pub fn bigquery(config: &Config) -> Result<BigQuery, WarehouseError> {
    connect(&config.bigquery)
}
/// Connects to a BigQuery.
pub fn connect(keys: &BigQueryOptions) -> Result<BigQuery, WarehouseError> {
    let BigQueryOptions { project, dataset, location, endpoint, credentials, backoff } = keys.clone();
    let credentials = match credentials.as_str() {
        "none" => Credentials::None,
        "default" => Credentials::ApplicationDefault,
        path => Credentials::ServiceAccount(path.into()),
    };
    BigQuery::connect(BigQueryConfig {
        endpoint,
        credentials,
        backoff,
        ..BigQueryConfig::new(&project, &dataset, &location)
    })
}
