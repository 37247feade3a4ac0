//! Location of the warehouse: the local file unless BigQuery is configured; and the warehouse of a replay.
//!
//! Invariant: every verb opens the warehouse here, so what works on one works on the other.
//! Not here: the warehouses themselves (crate `sinks`).
use crate::{
    config::{BigQueryOptions, Config, WarehouseKind},
    namespace::Namespace,
};
use sinks::{
    BigQuery, Sqlite, Warehouse, WarehouseError,
    bigquery::{BigQueryConfig, Credentials},
    sqlite::WarehouseQueries,
};
use std::path::{Path, PathBuf};

/// Location of a warehouse.
#[derive(Clone, Debug, PartialEq)]
pub enum WarehouseTarget {
    /// SQLite file in this folder.
    Folder(PathBuf),
    /// BigQuery dataset.
    Dataset(BigQueryOptions),
}
impl WarehouseTarget {
    /// The configured warehouse.
    pub fn live(config: &Config) -> WarehouseTarget {
        match config.warehouse {
            WarehouseKind::Sqlite => WarehouseTarget::Folder(config.data.clone()),
            WarehouseKind::BigQuery => WarehouseTarget::Dataset(config.bigquery.clone()),
        }
    }
    /// The warehouse of a replay. A dash becomes two underscores, so that no dataset name ends with `_staging`.
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
    /// Path or dataset, for an operator.
    pub fn name(&self) -> String {
        match self {
            WarehouseTarget::Folder(folder) => path_in(folder).display().to_string(),
            WarehouseTarget::Dataset(keys) => format!("{}.{}", keys.project, keys.dataset),
        }
    }
    /// Opens the warehouse for writing.
    pub fn open(&self) -> Result<Box<dyn Warehouse>, WarehouseError> {
        Ok(match self {
            WarehouseTarget::Folder(folder) => Box::new(Sqlite::open(&path_in(folder))?),
            WarehouseTarget::Dataset(keys) => Box::new(connect(keys)?),
        })
    }
    /// Opens the warehouse for read queries: the local file, or a copy of all live rows in BigQuery.
    pub fn reader(&self) -> Result<WarehouseQueries, WarehouseError> {
        match self {
            WarehouseTarget::Folder(folder) => WarehouseQueries::open(&path_in(folder)),
            WarehouseTarget::Dataset(keys) => connect(keys)?.copy_live_rows(),
        }
    }
}

/// Path of the local warehouse.
pub fn path_in(folder: &Path) -> PathBuf {
    folder.join("warehouse.db")
}

/// Opens the configured warehouse.
pub fn open(config: &Config) -> Result<Box<dyn Warehouse>, WarehouseError> {
    WarehouseTarget::live(config).open()
}

/// Opens the configured warehouse if it exists.
pub fn look(config: &Config) -> Result<Option<Box<dyn Warehouse>>, WarehouseError> {
    match WarehouseTarget::live(config) {
        WarehouseTarget::Folder(folder) if !path_in(&folder).exists() => Ok(None),
        target => target.open().map(Some),
    }
}

/// Connects to the configured BigQuery.
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
