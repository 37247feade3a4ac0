//! The table on which a model is trained: named columns, one target per row.
//!
//! Invariant: every value is finite or missing, every target is finite, and the columns are in the order of their names, so the order in
//! which a caller lists them cannot matter.
//! Not here: replacing missing values (`linear`).
use serde::{Deserialize, Serialize};

/// Why a table cannot be made.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum TableError {
    #[error("two columns have the name '{0}'")]
    DuplicateColumn(String),
    #[error("a row has {actual} values, but the table has {expected} columns")]
    Length { actual: usize, expected: usize },
    #[error("column '{column}' of row {row} has the value {value}; a value must be finite, or missing")]
    Value { column: String, row: usize, value: f64 },
    #[error("the target of row {row} is {target}; it must be finite")]
    Target { row: usize, target: f64 },
}

/// A column that is not used for training.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropped {
    pub column: String,
    pub reason: DropReason,
}

/// Why a column is not used for training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DropReason {
    /// No row has a value.
    OnlyMissing,
    /// Fewer rows have a value than [`crate::Parameters::min_present_share`] requires.
    MostlyMissing,
    /// All rows that have a value have the same one.
    Constant,
}

/// A table of numbers, each of which may be missing, with the target that is to be forecast from them.
#[derive(Clone, Debug)]
pub struct Table {
    /// In ascending order.
    names: Vec<String>,
    /// For each column of `names`, its index in the rows of the caller.
    sources: Vec<usize>,
    /// The values by column.
    columns: Vec<Vec<Option<f64>>>,
    targets: Vec<f64>,
}
impl Table {
    /// Creates a table without rows.
    ///
    /// # Errors
    /// [`TableError::DuplicateColumn`].
    pub fn new(names: &[impl AsRef<str>]) -> Result<Table, TableError> {
        let mut sources: Vec<usize> = (0..names.len()).collect();
        sources.sort_by_key(|source| names[*source].as_ref());
        let names: Vec<String> = sources.iter().map(|source| names[*source].as_ref().to_owned()).collect();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(TableError::DuplicateColumn(pair[0].clone()));
        }
        Ok(Table { columns: vec![Vec::new(); names.len()], names, sources, targets: Vec::new() })
    }
    /// Adds a row, with its values in the order of the names that were passed to [`Table::new`].
    ///
    /// # Errors
    /// If the row has another number of values, or a number that is not finite. The table is then unchanged.
    pub fn push(&mut self, values: &[Option<f64>], target: f64) -> Result<(), TableError> {
        let row = self.targets.len();
        if values.len() != self.sources.len() {
            return Err(TableError::Length { actual: values.len(), expected: self.sources.len() });
        }
        if !target.is_finite() {
            return Err(TableError::Target { row, target });
        }
        for (name, source) in self.names.iter().zip(&self.sources) {
            if let Some(value) = values[*source].filter(|value| !value.is_finite()) {
                return Err(TableError::Value { column: name.clone(), row, value });
            }
        }
        for (column, source) in self.columns.iter_mut().zip(&self.sources) {
            column.push(values[*source]);
        }
        self.targets.push(target);
        Ok(())
    }
    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.targets.len()
    }
    pub(crate) fn targets(&self) -> &[f64] {
        &self.targets
    }
    /// Returns the columns with which a model can be trained, in the order of their names, and the others.
    pub(crate) fn usable_columns(&self, min_present_share: f64) -> (Vec<UsableColumn<'_>>, Vec<Dropped>) {
        let (mut usable, mut dropped) = (Vec::new(), Vec::new());
        for (name, values) in self.names.iter().zip(&self.columns) {
            match UsableColumn::new(name, values, min_present_share) {
                Ok(column) => usable.push(column),
                Err(reason) => dropped.push(Dropped { column: name.clone(), reason }),
            }
        }
        (usable, dropped)
    }
}

/// A column with at least two different values.
pub(crate) struct UsableColumn<'a> {
    pub name: &'a str,
    pub values: &'a [Option<f64>],
    /// The values that are present, in ascending order.
    pub sorted: Vec<f64>,
}
impl<'a> UsableColumn<'a> {
    fn new(name: &'a str, values: &'a [Option<f64>], min_present_share: f64) -> Result<Self, DropReason> {
        let mut sorted: Vec<f64> = values.iter().flatten().copied().collect();
        sorted.sort_by(f64::total_cmp);
        match (sorted.first(), sorted.last()) {
            (None, _) | (_, None) => Err(DropReason::OnlyMissing),
            _ if (sorted.len() as f64) < min_present_share * values.len() as f64 => {
                Err(DropReason::MostlyMissing)
            }
            (Some(first), Some(last)) if first == last => Err(DropReason::Constant),
            _ => Ok(UsableColumn { name, values, sorted }),
        }
    }
    pub fn has_missing(&self) -> bool {
        self.sorted.len() < self.values.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_without_information_are_dropped_with_the_reason() {
        let mut table = Table::new(&["d", "c", "b", "a"]).unwrap();
        for row in 0..10 {
            let rare = (row == 3).then_some(1.0);
            table.push(&[Some(f64::from(row)), rare, Some(4.0), None], 0.0).unwrap();
        }
        let (usable, dropped) = table.usable_columns(0.2);
        assert_eq!(usable.iter().map(|column| column.name).collect::<Vec<_>>(), ["d"]);
        let reasons: Vec<_> =
            dropped.iter().map(|dropped| (dropped.column.as_str(), dropped.reason)).collect();
        let expected =
            [("a", DropReason::OnlyMissing), ("b", DropReason::Constant), ("c", DropReason::MostlyMissing)];
        assert_eq!(reasons, expected);
    }
    #[test]
    fn what_is_no_number_is_refused_and_adds_nothing() {
        assert_eq!(Table::new(&["a", "a"]).unwrap_err(), TableError::DuplicateColumn("a".into()));
        let mut table = Table::new(&["a", "b"]).unwrap();
        assert!(matches!(table.push(&[None], 0.0), Err(TableError::Length { actual: 1, expected: 2 })));
        assert!(matches!(table.push(&[None, Some(f64::NAN)], 0.0), Err(TableError::Value { .. })));
        assert!(matches!(table.push(&[None, None], f64::INFINITY), Err(TableError::Target { .. })));
        assert_eq!((table.rows(), table.columns[0].len()), (0, 0));
    }
}
