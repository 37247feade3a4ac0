//! Training: the linear model first, then trees on its residuals.
//!
//! Invariant: a fitted model passes its own check; a column that says nothing is dropped and named.
//! Not here: the two parts (`linear`, `boosting`).
use crate::{
    bins::BinnedColumn,
    boosting::boost,
    linear,
    model::{Model, ModelError},
    parameters::Parameters,
    table::{Dropped, Table},
};
use std::num::NonZeroUsize;

/// Why no model can be trained.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FitError {
    #[error("the table has no rows")]
    NoRows,
    #[error("the table has {0} rows, which is too many")]
    TooManyRows(usize),
    #[error("no column of the table says anything: each is missing in most rows, or always the same")]
    NoColumns,
    #[error("a parameter is out of range: {0:?}")]
    Parameters(Box<Parameters>),
    #[error("the equations of the linear model have no solution")]
    NoSolution,
    #[error("the trained model cannot be used: {0}")]
    Model(#[from] ModelError),
}

/// A trained model, and the columns that it does not use.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    pub model: Model,
    pub dropped: Vec<Dropped>,
}

/// Trains a model. `on_tree` is called after each tree. The number of threads changes only how long this takes.
///
/// # Errors
/// If the table has no rows or no usable column, or a parameter is out of range.
pub fn fit(
    table: &Table,
    parameters: &Parameters,
    threads: NonZeroUsize,
    on_tree: &mut dyn FnMut(),
) -> Result<Fit, FitError> {
    if !parameters.is_valid() {
        return Err(FitError::Parameters(Box::new(*parameters)));
    }
    if table.rows() == 0 {
        return Err(FitError::NoRows);
    }
    if u32::try_from(table.rows()).is_err() {
        return Err(FitError::TooManyRows(table.rows()));
    }
    let (usable, dropped) = table.usable_columns(parameters.min_present_share);
    if usable.is_empty() {
        return Err(FitError::NoColumns);
    }
    let linear = linear::fit(&usable, table.targets(), &parameters.linear).ok_or(FitError::NoSolution)?;
    let errors = table.targets().iter().zip(&linear.forecasts).map(|(target, forecast)| target - forecast);
    let residuals: Vec<f64> = errors.collect();
    let binned: Vec<BinnedColumn> = usable.iter().map(BinnedColumn::new).collect();
    let boosted = boost(&binned, &residuals, &parameters.trees, threads, on_tree);
    let model = Model {
        columns: linear.columns,
        intercept: linear.intercept,
        offset: boosted.offset,
        trees: boosted.trees,
    };
    model.check()?;
    Ok(Fit { model, dropped })
}
