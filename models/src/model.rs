//! A trained model: a linear part and trees.
//!
//! The forecast is intercept + Σ weight · (value − mean) / deviation over the columns, each quotient limited to ±5, plus the value of one leaf
//! of each tree. In the linear part, a missing value is replaced; the trees see that it is missing.
//! Invariant: a model that `check` accepts forecasts a finite number for every row, or says which value it lacks.
//! Not here: training (`fit`), the file of a model (`processors::predictor`).
use crate::tree::{Tree, TreeError, UNITS};
use serde::{Deserialize, Serialize};

/// The number of standard deviations to which a value is limited.
const LIMIT: f64 = 5.0;
/// The largest weight and intercept in either direction, in units of the target.
const MAX_WEIGHT: f64 = 1e6;

/// A column, with what was learned about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    pub name: String,
    /// The value that replaces a missing one: the median of the training rows; `None` if all of them had a value: a row must then have one.
    pub impute: Option<f64>,
    /// The mean of the training rows.
    pub mean: f64,
    /// The standard deviation of the training rows.
    pub deviation: f64,
    /// How much the forecast rises with one standard deviation, in units of the target.
    pub weight: f64,
}

/// A trained model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// In ascending order of their names.
    pub columns: Vec<Column>,
    /// In units of the target.
    pub intercept: f64,
    /// A quantile of what the linear part leaves, in units of leaves (1/10000 of the target).
    pub offset: i32,
    pub trees: Vec<Tree>,
}

/// Why a model cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ModelError {
    #[error("column '{column}': {what} is {value}, which is out of range")]
    Number { column: String, what: &'static str, value: f64 },
    #[error("the intercept {0} or the offset is out of range")]
    Intercept(f64),
    #[error("the columns are not in ascending order of their names, or two have one name, at '{0}'")]
    Order(String),
    #[error("tree {tree}: {error}")]
    Tree { tree: usize, error: TreeError },
}

impl Model {
    /// Checks every number and every tree.
    ///
    /// # Errors
    /// The first value that is wrong.
    pub fn check(&self) -> Result<(), ModelError> {
        for column in &self.columns {
            column.check()?;
        }
        if let Some(pair) = self.columns.windows(2).find(|pair| pair[0].name >= pair[1].name) {
            return Err(ModelError::Order(pair[1].name.clone()));
        }
        if !is_within(self.intercept, MAX_WEIGHT) || !is_within(f64::from(self.offset), MAX_WEIGHT * UNITS) {
            return Err(ModelError::Intercept(self.intercept));
        }
        for (tree, nodes) in self.trees.iter().enumerate() {
            nodes.check(self.columns.len()).map_err(|error| ModelError::Tree { tree, error })?;
        }
        Ok(())
    }
    /// Forecasts the target of a row, which has one value for each of [`Model::columns`]. A value that is not finite counts as missing.
    ///
    /// # Errors
    /// The index of the first column that must have a value and has none.
    pub fn forecast(&self, row: &[Option<f64>]) -> Result<f64, usize> {
        let mut sum = self.intercept;
        for (index, column) in self.columns.iter().enumerate() {
            let value = row.get(index).copied().flatten().filter(|value| value.is_finite());
            sum += column.weight * column.scale(value.or(column.impute).ok_or(index)?);
        }
        let leaves: i64 = self.trees.iter().map(|tree| i64::from(tree.leaf(row))).sum();
        Ok(sum + (i64::from(self.offset) + leaves) as f64 / UNITS)
    }
}

impl Column {
    /// Returns the number of standard deviations by which a value exceeds the mean of the column, limited to ±[`LIMIT`].
    pub(crate) fn scale(&self, value: f64) -> f64 {
        ((value - self.mean) / self.deviation).clamp(-LIMIT, LIMIT)
    }
    fn check(&self) -> Result<(), ModelError> {
        let numbers = [
            ("impute", self.impute.unwrap_or_default(), f64::MAX),
            ("mean", self.mean, f64::MAX),
            ("deviation", self.deviation, f64::MAX),
            ("weight", self.weight, MAX_WEIGHT),
        ];
        let is_wrong = |what: &str, value: f64, limit: f64| {
            !is_within(value, limit) || (what == "deviation" && value < f64::MIN_POSITIVE)
        };
        match numbers.into_iter().find(|(what, value, limit)| is_wrong(what, *value, *limit)) {
            Some((what, value, _)) => Err(ModelError::Number { column: self.name.clone(), what, value }),
            None => Ok(()),
        }
    }
}

/// True if the value is a number from −limit to limit.
fn is_within(value: f64, limit: f64) -> bool {
    value.abs() <= limit
}
