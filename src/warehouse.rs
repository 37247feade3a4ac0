//! Where the warehouse is: the local file, unless BigQuery is configured; and where a replay's is.
//!
//! Invariant: every verb opens the warehouse here, so what works on one works on the other.
//! Not here: the warehouses themselves (crate `sinks`).
use crate::{config::Config, replay::Namespace};
use sinks::{
    BigQuery, Sqlite, Warehouse, WarehouseError,
    bigquery::{Credentials, Settings},
    sqlite::Reader,
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
const YOUNGEST: Duration = Duration::from_secs(5);

/// Where BigQuery is.
#[derive(Clone, Debug, PartialEq)]
pub struct BigQueryKeys {
    pub project: String,
    pub dataset: String,
    pub location: String,
    pub endpoint: Option<String>,
    /// `default`, `none`, or the path of a service account's key file.
    pub credentials: String,
    /// How writes that fail are tried again.
    pub backoff: sinks::backoff::Backoff,
}
impl BigQueryKeys {
    /// From the values of the keys `bigquery-…`.
    pub fn of(value: impl Fn(&str) -> String) -> BigQueryKeys {
        let endpoint = Some(value("bigquery-endpoint")).filter(|text| !text.is_empty());
        let credentials = match (value("bigquery-credentials"), &endpoint) {
            (text, _) if !text.is_empty() => text,
            (_, Some(_)) => "none".into(),
            (_, None) => "default".into(),
        };
        BigQueryKeys {
            project: value("bigquery-project"),
            dataset: value("bigquery-dataset"),
            location: value("bigquery-location"),
            endpoint,
            credentials,
            backoff: sinks::backoff::Backoff::default(),
        }
    }
    /// Refuses batches that close sooner than Google's own BigQuery has room for: a table takes 25 statements within 10 s, and every sink
    /// and every repetition of a write needs some of them.
    pub fn admit_age(&self, age: Duration) -> Result<(), String> {
        if self.endpoint.is_some() || age >= YOUNGEST {
            return Ok(());
        }
        let least = YOUNGEST.as_millis();
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
pub enum Place {
    /// In a file of this folder.
    Folder(PathBuf),
    Dataset(BigQueryKeys),
}
impl Place {
    /// The configured one.
    pub fn live(config: &Config) -> Place {
        match config.warehouse {
            WarehouseKind::Sqlite => Place::Folder(config.data.clone()),
            WarehouseKind::BigQuery => Place::Dataset(config.bigquery.clone()),
        }
    }
    /// The one beside it that a replay writes. A dash is two underscores, so that no name ends like a dataset's staging.
    pub fn of_replay(config: &Config, namespace: &Namespace) -> Place {
        match Place::live(config) {
            Place::Folder(_) => Place::Folder(namespace.folder(config)),
            Place::Dataset(keys) => {
                let name = namespace.as_str().replace('-', "__");
                Place::Dataset(BigQueryKeys { dataset: format!("{}_replay_{name}", keys.dataset), ..keys })
            }
        }
    }
    /// What a person calls it: its path, or its dataset.
    pub fn name(&self) -> String {
        match self {
            Place::Folder(folder) => path_in(folder).display().to_string(),
            Place::Dataset(keys) => format!("{}.{}", keys.project, keys.dataset),
        }
    }
    pub fn open(&self) -> Result<Box<dyn Warehouse>, WarehouseError> {
        Ok(match self {
            Place::Folder(folder) => Box::new(Sqlite::open(&path_in(folder))?),
            Place::Dataset(keys) => Box::new(connect(keys)?),
        })
    }
    /// The rows, to be asked: the local file, or a copy of what BigQuery has now, which takes as long as reading all of it.
    pub fn reader(&self) -> Result<Reader, WarehouseError> {
        match self {
            Place::Folder(folder) => Reader::open(&path_in(folder)),
            Place::Dataset(keys) => connect(keys)?.copied(),
        }
    }
}

/// The file of the local warehouse.
pub fn path_in(folder: &Path) -> PathBuf {
    folder.join("warehouse.db")
}

/// Opens the configured warehouse.
pub fn open(config: &Config) -> Result<Box<dyn Warehouse>, WarehouseError> {
    Place::live(config).open()
}

/// Opens it to look, when there is one.
pub fn look(config: &Config) -> Result<Option<Box<dyn Warehouse>>, WarehouseError> {
    match Place::live(config) {
        Place::Folder(folder) if !path_in(&folder).exists() => Ok(None),
        place => place.open().map(Some),
    }
}

/// The configured BigQuery.
pub fn bigquery(config: &Config) -> Result<BigQuery, WarehouseError> {
    connect(&config.bigquery)
}
/// Connects to a BigQuery.
pub fn connect(keys: &BigQueryKeys) -> Result<BigQuery, WarehouseError> {
    let BigQueryKeys { project, dataset, location, endpoint, credentials, backoff } = keys.clone();
    let credentials = match credentials.as_str() {
        "none" => Credentials::None,
        "default" => Credentials::ApplicationDefault,
        path => Credentials::ServiceAccount(path.into()),
    };
    BigQuery::connect(Settings {
        endpoint,
        credentials,
        backoff,
        ..Settings::new(&project, &dataset, &location)
    })
}
