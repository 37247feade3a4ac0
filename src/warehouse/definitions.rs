//! The definitions of the warehouse's tables and views: all of them, those that are missing, and creating the missing ones.
//!
//! Invariant: `ddl` and `plan` change nothing; `apply` loses no row. In a SQLite file of an earlier version, it moves the rows to new tables.
//! Not here: the definitions themselves (crate `sinks`).
use super::target::{WarehouseTarget, connect, path_in};
use crate::{app::App, await_done::await_done};
use anyhow::Result;
use serde::Serialize;
use sinks::{
    Sqlite,
    bigquery::{Names, SchemaDiff, definitions},
};

/// Statements that define tables and views.
#[derive(Serialize)]
pub struct Statements {
    pub warehouse: String,
    /// Datasets to create.
    pub datasets: Vec<String>,
    pub statements: Vec<String>,
    /// Differences between the actual and the desired definitions that remain after all `statements` are executed.
    pub conflicts: Vec<String>,
}
impl Statements {
    pub fn is_empty(&self) -> bool {
        self.datasets.is_empty() && self.statements.is_empty() && self.conflicts.is_empty()
    }
}

/// The number of objects that were created.
#[derive(Serialize)]
pub struct Applied {
    pub warehouse: String,
    pub created: usize,
}

fn sqlite_ddl() -> String {
    Sqlite::ddl().trim().trim_end_matches(';').to_owned()
}

/// Returns every definition; does not connect to the warehouse.
pub fn ddl(app: &App) -> Statements {
    let statements = match app.warehouse() {
        WarehouseTarget::Folder(_) => vec![sqlite_ddl()],
        WarehouseTarget::Dataset(options) => {
            let project = match options.project.as_str() {
                "" => "PROJECT".to_owned(),
                project => project.to_owned(),
            };
            let names = Names { project, dataset: options.dataset.clone() };
            definitions(&names).into_iter().map(|definition| definition.statement).collect()
        }
    };
    let warehouse = app.warehouse().name();
    Statements { warehouse, datasets: Vec::new(), statements, conflicts: Vec::new() }
}

/// Returns what is missing in the warehouse.
///
/// # Errors
/// If the warehouse cannot be opened.
pub fn plan(app: &App) -> Result<Statements> {
    let diff = match app.warehouse() {
        WarehouseTarget::Folder(folder) if !path_in(folder).exists() => {
            SchemaDiff { missing: vec![sqlite_ddl()], ..SchemaDiff::default() }
        }
        // This fails if a table in the file has another definition than the one that `warehouse ddl` prints and cannot be migrated.
        WarehouseTarget::Folder(folder) => {
            let statements = Sqlite::pending_statements(&path_in(folder))?;
            let statements = statements.map(|statements| statements.trim().trim_end_matches(';').to_owned());
            SchemaDiff { missing: statements.into_iter().collect(), ..SchemaDiff::default() }
        }
        WarehouseTarget::Dataset(options) => connect(options)?.plan()?,
    };
    let statements = diff.statements().cloned().collect();
    let SchemaDiff { datasets, conflicts, .. } = diff;
    Ok(Statements { warehouse: app.warehouse().name(), datasets, statements, conflicts })
}

/// Creates what is missing in the warehouse, and migrates the tables of an earlier version.
///
/// # Errors
/// If the warehouse cannot be opened or changed.
pub fn apply(app: &App) -> Result<Applied> {
    let created = match app.warehouse() {
        WarehouseTarget::Folder(folder) => {
            let path = path_in(folder);
            let is_changed = !path.exists() || Sqlite::pending_statements(&path)?.is_some();
            app.warehouse().open()?;
            usize::from(is_changed)
        }
        WarehouseTarget::Dataset(options) => {
            let mut bigquery = connect(options)?;
            await_done(|| bigquery.apply())?
        }
    };
    Ok(Applied { warehouse: app.warehouse().name(), created })
}
