//! `warehouse`: the definitions of the warehouse's tables and views as statements.
//!
//! Invariant: the text of `ddl` and `plan` can be executed; everything else is a comment.
//! Not here: which definitions are missing (`warehouse::definitions`).
use super::{
    outcome::CommandOutcome,
    output::{self, Output},
};
use crate::{
    app::App,
    warehouse::definitions::{self, Statements},
};
use anyhow::Result;

fn show(report: &Statements) -> String {
    let datasets = report.datasets.iter().map(|dataset| format!("-- dataset {dataset}"));
    let conflicts = report.conflicts.iter().map(|conflict| format!("-- {conflict}"));
    let statements = report.statements.iter().map(|statement| format!("{statement};"));
    let lines: Vec<String> = datasets.chain(conflicts).chain(statements).collect();
    if lines.is_empty() { format!("{}: nothing is missing", report.warehouse) } else { lines.join("\n\n") }
}

/// Runs `warehouse ddl`.
pub fn ddl(app: &App, output: Output) -> Result<CommandOutcome> {
    output::print(output, &definitions::ddl(app), show)?;
    Ok(CommandOutcome::Done)
}

/// Runs `warehouse plan`.
pub fn plan(app: &App, output: Output) -> Result<CommandOutcome> {
    let missing = definitions::plan(app)?;
    output::print(output, &missing, show)?;
    Ok(if missing.is_empty() { CommandOutcome::Done } else { CommandOutcome::Differs })
}

/// Runs `warehouse apply`.
pub fn apply(app: &App, output: Output) -> Result<CommandOutcome> {
    output::print(output, &definitions::apply(app)?, |applied| match applied.created {
        0 => format!("{}: nothing was missing", applied.warehouse),
        count => format!("{}: {count} missing objects created", applied.warehouse),
    })?;
    Ok(CommandOutcome::Done)
}
