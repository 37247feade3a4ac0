//! `warehouse`: its definitions, what it lacks, and making that.
use super::{CommandOutcome, Output, output};
use crate::{
    config::Config,
    warehouse::{self, WarehouseKind, WarehouseTarget},
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
    /// What no statement mends.
    conflicts: Vec<String>,
}
fn show(what: &Statements) -> String {
    let datasets = what.datasets.iter().map(|dataset| format!("-- dataset {dataset}"));
    let conflicts = what.conflicts.iter().map(|conflict| format!("-- {conflict}"));
    let statements = what.statements.iter().map(|statement| format!("{statement};"));
    let all: Vec<String> = datasets.chain(conflicts).chain(statements).collect();
    match all.is_empty() {
        true => format!("{} lacks nothing", what.warehouse),
        false => all.join("\n\n"),
    }
}

/// Every definition; nothing is asked of the warehouse.
pub fn ddl(config: &Config, output: Output) -> Result<CommandOutcome> {
    let statements = match config.warehouse {
        WarehouseKind::Sqlite => vec![Sqlite::ddl().trim().trim_end_matches(';').to_owned()],
        WarehouseKind::BigQuery => {
            let named = |text: &str, default: &str| {
                if text.is_empty() { default.to_owned() } else { text.to_owned() }
            };
            let names = Names {
                project: named(&config.bigquery.project, "PROJECT"),
                dataset: config.bigquery.dataset.clone(),
            };
            definitions(&names).into_iter().map(|definition| definition.statement).collect()
        }
    };
    let all = Statements {
        warehouse: WarehouseTarget::live(config).name(),
        datasets: vec![],
        statements,
        conflicts: vec![],
    };
    output::print(output, &all, show)?;
    Ok(CommandOutcome::Done)
}

/// What the warehouse lacks.
pub fn plan(config: &Config, output: Output) -> Result<CommandOutcome> {
    let diff = match config.warehouse {
        WarehouseKind::Sqlite if !warehouse::path_in(&config.data).exists() => SchemaDiff {
            missing: vec![Sqlite::ddl().trim().trim_end_matches(';').to_owned()],
            ..SchemaDiff::default()
        },
        // One of other tables is refused.
        WarehouseKind::Sqlite => warehouse::open(config).map(|_| SchemaDiff::default())?,
        WarehouseKind::BigQuery => warehouse::bigquery(config)?.plan()?,
    };
    let is_empty = diff.is_empty();
    let statements = diff.statements().cloned().collect();
    let SchemaDiff { datasets, conflicts, .. } = diff;
    output::print(
        output,
        &Statements { warehouse: WarehouseTarget::live(config).name(), datasets, statements, conflicts },
        show,
    )?;
    Ok(if is_empty { CommandOutcome::Done } else { CommandOutcome::Differs })
}

/// Makes what it lacks.
pub fn apply(config: &Config, output: Output) -> Result<CommandOutcome> {
    #[derive(Serialize)]
    struct Applied {
        warehouse: String,
        made: usize,
    }
    let made = match config.warehouse {
        WarehouseKind::Sqlite => {
            let is_new = warehouse::look(config)?.is_none();
            warehouse::open(config)?;
            usize::from(is_new)
        }
        WarehouseKind::BigQuery => warehouse::bigquery(config)?.apply()?,
    };
    output::print(output, &Applied { warehouse: WarehouseTarget::live(config).name(), made }, |applied| {
        match applied.made {
            0 => format!("{} lacked nothing", applied.warehouse),
            many => format!("{}: {many} made", applied.warehouse),
        }
    })?;
    Ok(CommandOutcome::Done)
}
