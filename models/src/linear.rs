//! Linear median regression: the weights with the least sum of absolute errors.
//!
//! Iteratively re-weighted least squares (E. J. Schlossmacher, "An iterative technique for absolute deviations curve fitting", 1973): each
//! step solves weighted least squares, in which a row with the error e has the weight 1 / √(e² + ¼), so that the weighted square is nearly
//! |e|. A small ridge keeps columns apart that say the same. Missing values are replaced by the median of the column; a column is scaled to
//! mean 0 and standard deviation 1, and limited to ±5 deviations, so that one wild value cannot carry a forecast away.
//! Invariant: rows are added in their order, with + − × ÷ √ only; the numbers of a column have at most 12 significant digits, and the
//! weights fit the numbers after rounding.
//! Not here: what the trees add (`boosting`).
use crate::{
    cholesky,
    model::Column,
    numbers::{median_of_sorted, significant},
    parameters::LinearParameters,
    table::UsableColumn,
};

/// The errors of rows with e² below this count as nearly squares: a quarter of a point squared.
const SMOOTHING: f64 = 0.25;

/// A fitted linear model: columns with their weights, and the forecast of a row whose columns all have their mean.
pub struct Linear {
    pub columns: Vec<Column>,
    pub intercept: f64,
    /// The forecast of each row of the training table.
    pub forecasts: Vec<f64>,
}

/// Fits the weights; `None` if the equations have no solution.
pub fn fit(usable: &[UsableColumn<'_>], targets: &[f64], parameters: &LinearParameters) -> Option<Linear> {
    let mut columns: Vec<Column> = usable.iter().map(scaled).collect();
    let equations = Equations::new(usable, &columns, targets);
    let mut weights = vec![0.0; columns.len() + 1];
    let mut sorted = targets.to_vec();
    sorted.sort_by(f64::total_cmp);
    weights[columns.len()] = median_of_sorted(&sorted)?;
    for _ in 0..parameters.steps {
        let next = equations.step(&weights, parameters.ridge)?;
        let changes = next.iter().zip(&weights).map(|(next, weight)| (next - weight).abs());
        let change = changes.fold(0.0, f64::max);
        weights = next;
        if change <= parameters.tolerance {
            break;
        }
    }
    weights.iter_mut().for_each(|weight| *weight = significant(*weight));
    let forecasts = equations.forecasts(&weights);
    let intercept = weights.pop()?;
    for (column, weight) in columns.iter_mut().zip(weights) {
        column.weight = weight;
    }
    Some(Linear { columns, intercept, forecasts })
}

/// Returns the column with its median, mean and standard deviation, and with the weight 0.
fn scaled(usable: &UsableColumn<'_>) -> Column {
    let median = median_of_sorted(&usable.sorted).unwrap_or_default();
    let impute = usable.has_missing().then(|| significant(median));
    let count = usable.values.len() as f64;
    let values = || usable.values.iter().map(|value| value.unwrap_or(median));
    let mean = values().sum::<f64>() / count;
    let variance = values().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count;
    Column {
        name: usable.name.to_owned(),
        impute,
        mean: significant(mean),
        // A deviation of 0 after rounding would divide by zero.
        deviation: significant(variance.sqrt()).max(f64::MIN_POSITIVE.sqrt()),
        weight: 0.0,
    }
}

/// The scaled rows of a table, each followed by 1 for the intercept, and their targets.
struct Equations<'a> {
    rows: Vec<f64>,
    /// The number of columns, with that of the intercept.
    width: usize,
    targets: &'a [f64],
}
impl<'a> Equations<'a> {
    fn new(usable: &[UsableColumn<'_>], columns: &[Column], targets: &'a [f64]) -> Self {
        let width = columns.len() + 1;
        let mut rows = vec![1.0; width * targets.len()];
        for (index, (usable, column)) in usable.iter().zip(columns).enumerate() {
            for (row, value) in rows.chunks_exact_mut(width).zip(usable.values) {
                row[index] = value.or(column.impute).map_or(0.0, |value| column.scale(value));
            }
        }
        Equations { rows, width, targets }
    }
    fn forecasts(&self, weights: &[f64]) -> Vec<f64> {
        self.rows.chunks_exact(self.width).map(|row| forecast(row, weights)).collect()
    }
    /// Solves weighted least squares, with the weights of the rows that follow from the errors of these weights of the columns.
    fn step(&self, weights: &[f64], ridge: f64) -> Option<Vec<f64>> {
        let width = self.width;
        let (mut matrix, mut right) = (vec![0.0; width * width], vec![0.0; width]);
        for (row, target) in self.rows.chunks_exact(width).zip(self.targets) {
            let error = forecast(row, weights) - target;
            let row_weight = 1.0 / (error * error + SMOOTHING).sqrt();
            for (index, value) in row.iter().enumerate() {
                let weighted = row_weight * value;
                right[index] += weighted * target;
                let line = &mut matrix[index * width..=index * width + index];
                line.iter_mut().zip(row).for_each(|(cell, other)| *cell += weighted * other);
            }
        }
        // The intercept, which is last, has no penalty.
        for index in 0..width - 1 {
            matrix[index * width + index] += ridge * self.targets.len() as f64;
        }
        cholesky::solve(&mut matrix, &right)
    }
}

fn forecast(row: &[f64], weights: &[f64]) -> f64 {
    row.iter().zip(weights).map(|(value, weight)| value * weight).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Table;

    #[test]
    fn the_median_plane_is_found_despite_outliers() {
        let mut table = Table::new(&["a", "b"]).unwrap();
        for row in 0..400 {
            let (a, b) = (f64::from(row * 37 % 101), f64::from(row * 53 % 97));
            // Every ninth row is far off, always to the same side, which would move a mean.
            let outlier = if row % 9 == 0 { 500.0 } else { 0.0 };
            table.push(&[Some(a), Some(b)], 3.0 + 0.5 * a - 0.25 * b + outlier).unwrap();
        }
        let (usable, _) = table.usable_columns(0.0);
        let parameters = LinearParameters { steps: 100, tolerance: 1e-9, ridge: 1e-9 };
        let linear = fit(&usable, table.targets(), &parameters).unwrap();
        let slopes: Vec<f64> = linear.columns.iter().map(|column| column.weight / column.deviation).collect();
        assert!((slopes[0] - 0.5).abs() < 1e-2 && (slopes[1] + 0.25).abs() < 1e-2, "{slopes:?}");
    }
    #[test]
    fn columns_that_say_the_same_share_a_weight() {
        let mut table = Table::new(&["a", "b"]).unwrap();
        for row in 0..50 {
            let value = Some(f64::from(row));
            table.push(&[value, value], f64::from(row)).unwrap();
        }
        let (usable, _) = table.usable_columns(0.0);
        let linear = fit(&usable, table.targets(), &LinearParameters::default()).unwrap();
        assert!((linear.columns[0].weight - linear.columns[1].weight).abs() < 1e-6);
    }
}
