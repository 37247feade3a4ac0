//! Locations of the live warehouse and of a replay's warehouse: a local SQLite file, or a dataset if BigQuery is configured.
//!
//! Invariant: every command opens the warehouse here, so every command works with both kinds.
//! Not here: the warehouses themselves (crate `sinks`).
use crate::{
    await_done::await_done,
    config::{BigQueryOptions, WarehouseKind},
    namespace::Namespace,
};
use sinks::{
    BigQuery, Sqlite, Warehouse, WarehouseError,
    bigquery::{BigQueryConfig, Credentials},
    sqlite::WarehouseQueries,
    task::WarehouseFactory,
};
use std::path::{Path, PathBuf};

/// Location of a warehouse.
#[derive(Clone, Debug, PartialEq)]
pub enum WarehouseTarget {
    /// The warehouse is a SQLite file in this folder.
    Folder(PathBuf),
    /// The warehouse is a BigQuery dataset with these connection options.
    Dataset(BigQueryOptions),
}
impl WarehouseTarget {
    pub fn kind(&self) -> WarehouseKind {
        match self {
            WarehouseTarget::Folder(_) => WarehouseKind::Sqlite,
            WarehouseTarget::Dataset(_) => WarehouseKind::BigQuery,
        }
    }
    /// Returns the location of the warehouse of a replay whose folder is `folder`. BigQuery allows no dash in a dataset name, so each dash of the namespace is replaced
    /// by two underscores. With one underscore, the dataset of replay `x-staging` would have the name of replay `x`'s staging dataset.
    pub fn for_replay(&self, namespace: &Namespace, folder: PathBuf) -> WarehouseTarget {
        match self {
            WarehouseTarget::Folder(_) => WarehouseTarget::Folder(folder),
            WarehouseTarget::Dataset(keys) => {
                let name = namespace.as_str().replace('-', "__");
                WarehouseTarget::Dataset(BigQueryOptions {
                    dataset: format!("{}_replay_{name}", keys.dataset),
                    ..keys.clone()
                })
            }
        }
    }
    /// Returns the path or the dataset name, to be shown to an operator.
    pub fn name(&self) -> String {
        match self {
            WarehouseTarget::Folder(folder) => path_in(folder).display().to_string(),
            WarehouseTarget::Dataset(keys) => format!("{}.{}", keys.project, keys.dataset),
        }
    }
    /// Opens the warehouse for writing, and creates it if it is a SQLite file that does not exist.
    pub fn open(&self) -> Result<Box<dyn Warehouse>, WarehouseError> {
        Ok(match self {
            WarehouseTarget::Folder(folder) => Box::new(Sqlite::open(&path_in(folder))?),
            WarehouseTarget::Dataset(keys) => Box::new(connect(keys)?),
        })
    }
    /// Opens the warehouse for reading; `None` if it is a SQLite file that does not exist.
    pub fn open_read_only(&self) -> Result<Option<Box<dyn Warehouse>>, WarehouseError> {
        Ok(match self {
            WarehouseTarget::Folder(folder) if !path_in(folder).exists() => None,
            WarehouseTarget::Folder(folder) => Some(Box::new(Sqlite::open_read_only(&path_in(folder))?)),
            WarehouseTarget::Dataset(keys) => Some(Box::new(connect(keys)?)),
        })
    }
    /// Opens the warehouse for reading; `None` if it is a SQLite file or a BigQuery dataset that does not exist.
    pub fn open_if_provisioned(&self) -> Result<Option<Box<dyn Warehouse>>, WarehouseError> {
        // A missing dataset is not an error: the first run creates it.
        if let WarehouseTarget::Dataset(options) = self
            && !connect(options)?.plan()?.datasets.is_empty()
        {
            return Ok(None);
        }
        self.open_read_only()
    }
    /// Returns a function that opens the warehouse for the sink task. It creates the folder of a local warehouse if it does not exist.
    pub fn factory(self) -> WarehouseFactory {
        Box::new(move || {
            if let WarehouseTarget::Folder(folder) = &self {
                file_modes::create_folders(folder).map_err(|error| WarehouseError::Config {
                    what: format!("the folder {} cannot be created: {error}", folder.display()),
                    next: "choose another folder with --data, or change the permissions".into(),
                })?;
            }
            self.open()
        })
    }
    /// Opens the warehouse for read queries: the SQLite file itself, or a local copy of all live rows of BigQuery.
    pub fn reader(&self) -> anyhow::Result<WarehouseQueries> {
        match self {
            WarehouseTarget::Folder(folder) => Ok(WarehouseQueries::open(&path_in(folder))?),
            WarehouseTarget::Dataset(keys) => {
                let bigquery = connect(keys)?;
                await_done(|| bigquery.copy_live_rows())
            }
        }
    }
}

/// Returns the path of the SQLite warehouse in this folder.
pub fn path_in(folder: &Path) -> PathBuf {
    folder.join("warehouse.db")
}

/// Connects to BigQuery with these options.
pub fn connect(keys: &BigQueryOptions) -> Result<BigQuery, WarehouseError> {
    let credentials = match keys.credentials.as_str() {
        "none" => Credentials::None,
        "default" => Credentials::ApplicationDefault,
        path => Credentials::ServiceAccount(path.into()),
    };
    BigQuery::connect(BigQueryConfig {
        endpoint: keys.endpoint.clone(),
        credentials,
        backoff: keys.backoff(),
        ..BigQueryConfig::new(&keys.project, &keys.dataset, &keys.location)
    })
}
