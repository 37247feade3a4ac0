//! `warehouse`: print the definitions of the warehouse's tables and views, show which of them are missing, create the missing ones.
//!
//! Invariant: `ddl` and `plan` change nothing; `apply` only creates, and never alters or drops what exists.
//! Not here: the definitions of tables and views (crate `sinks`).
use super::{
    outcome::CommandOutcome,
    output::{self, Output},
};
use crate::{
    await_done::await_done,
    config::{Config, WarehouseKind},
    warehouse::{self, WarehouseTarget},
};
use anyhow::Result;
use serde::Serialize;
use sinks::{
    Sqlite,
    bigquery::{Names, SchemaDiff, definitions},
};

#[derive(Serialize)]
struct Statements {
    warehouse: String,
    datasets: Vec<String>,
    statements: Vec<String>,
    /// Differences between the actual and the desired definitions that remain after all `statements` are executed.
    conflicts: Vec<String>,
}
fn show(report: &Statements) -> String {
    let datasets = report.datasets.iter().map(|dataset| format!("-- dataset {dataset}"));
    let conflicts = report.conflicts.iter().map(|conflict| format!("-- {conflict}"));
    let statements = report.statements.iter().map(|statement| format!("{statement};"));
    let lines: Vec<String> = datasets.chain(conflicts).chain(statements).collect();
    if lines.is_empty() { format!("{}: nothing is missing", report.warehouse) } else { lines.join("\n\n") }
}

fn sqlite_ddl() -> String {
    Sqlite::ddl().trim().trim_end_matches(';').to_owned()
}

/// Prints every definition; does not connect to the warehouse.
pub fn ddl(config: &Config, output: Output) -> Result<CommandOutcome> {
    let statements = match config.warehouse {
        WarehouseKind::Sqlite => vec![sqlite_ddl()],
        WarehouseKind::BigQuery => {
            let project = match config.bigquery.project.as_str() {
                "" => "PROJECT".to_owned(),
                project => project.to_owned(),
            };
            let names = Names { project, dataset: config.bigquery.dataset.clone() };
            definitions(&names).into_iter().map(|definition| definition.statement).collect()
        }
    };
    let report = Statements {
        warehouse: WarehouseTarget::live(config).name(),
        datasets: Vec::new(),
        statements,
        conflicts: Vec::new(),
    };
    output::print(output, &report, show)?;
    Ok(CommandOutcome::Done)
}

/// Shows what is missing in the warehouse.
pub fn plan(config: &Config, output: Output) -> Result<CommandOutcome> {
    let diff = match config.warehouse {
        WarehouseKind::Sqlite if !warehouse::path_in(&config.data).exists() => {
            SchemaDiff { missing: vec![sqlite_ddl()], ..SchemaDiff::default() }
        }
        // Opening fails if a table in the file has another definition than the one that `warehouse ddl` prints.
        WarehouseKind::Sqlite => warehouse::open(config).map(|_| SchemaDiff::default())?,
        WarehouseKind::BigQuery => warehouse::bigquery(config)?.plan()?,
    };
    let is_empty = diff.is_empty();
    let statements = diff.statements().cloned().collect();
    let SchemaDiff { datasets, conflicts, .. } = diff;
    let warehouse = WarehouseTarget::live(config).name();
    output::print(output, &Statements { warehouse, datasets, statements, conflicts }, show)?;
    Ok(if is_empty { CommandOutcome::Done } else { CommandOutcome::Differs })
}

/// Creates what is missing in the warehouse.
pub fn apply(config: &Config, output: Output) -> Result<CommandOutcome> {
    #[derive(Serialize)]
    struct Applied {
        warehouse: String,
        created: usize,
    }
    let created = match config.warehouse {
        WarehouseKind::Sqlite => {
            let is_new = warehouse::look(config)?.is_none();
            warehouse::open(config)?;
            usize::from(is_new)
        }
        WarehouseKind::BigQuery => {
            let mut bigquery = warehouse::bigquery(config)?;
            await_done(|| bigquery.apply())?
        }
    };
    let applied = Applied { warehouse: WarehouseTarget::live(config).name(), created };
    output::print(output, &applied, |applied| match applied.created {
        0 => format!("{}: nothing was missing", applied.warehouse),
        count => format!("{}: {count} missing objects created", applied.warehouse),
    })?;
    Ok(CommandOutcome::Done)
}
