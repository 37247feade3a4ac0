//! Bins: the values of each column as small whole numbers, in the order of the values.
//!
//! Bin 0 has the missing values. Every different value has a bin of its own, or, if there are too many, every bin has about the same number of
//! rows. The bins depend only on the order of the values, so a monotone transformation of a column does not change them, unless it brings two
//! values so close together that rounding may have made the difference; these share a bin.
//! Invariant: a value is at most the threshold of its bin, and greater than that of the bin before.
//! Not here: counting rows (`histogram`).
use crate::{
    numbers::{quantile_index, shortest_between},
    table::UsableColumn,
};

/// The number of bins of a column, with that of the missing values.
pub const BINS: usize = 256;

/// The threshold of the last bin. A split by it tells missing values from all others, also from values that no training row had.
const ABOVE_ALL: f64 = 1e300;

/// A column in bins.
pub struct BinnedColumn {
    /// The bin of each row.
    pub bins: Vec<u8>,
    /// The threshold of bin b is `thresholds[b − 1]`; the last one is [`ABOVE_ALL`].
    pub thresholds: Vec<f64>,
}
impl BinnedColumn {
    pub fn new(column: &UsableColumn<'_>) -> BinnedColumn {
        let thresholds = thresholds(&column.sorted);
        let last = thresholds.len().saturating_sub(1);
        let bin = |value: &Option<f64>| match value {
            None => 0,
            // At most BINS − 1, because there are fewer thresholds than bins.
            Some(value) => (thresholds.partition_point(|threshold| threshold < value).min(last) + 1) as u8,
        };
        BinnedColumn { bins: column.values.iter().map(bin).collect(), thresholds }
    }
}

/// Returns the thresholds of values in ascending order: the number with the fewest decimals between one bin and the next.
fn thresholds(sorted: &[f64]) -> Vec<f64> {
    let mut uppers = sorted.to_vec();
    uppers.dedup();
    if uppers.len() >= BINS {
        let share = |bin: usize| bin as f64 / (BINS - 1) as f64;
        uppers = (1..BINS).map(|bin| sorted[quantile_index(sorted.len(), share(bin))]).collect();
        uppers.dedup();
    }
    let next = |upper: f64| sorted.get(sorted.partition_point(|value| *value <= upper)).copied();
    let above_all = |upper: f64| Some(upper.max(ABOVE_ALL));
    let threshold =
        |upper: &f64| next(*upper).map_or(above_all(*upper), |next| shortest_between(*upper, next));
    uppers.iter().filter_map(threshold).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Table;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_value_is_within_the_thresholds_of_its_bin(values in prop::collection::vec(prop::option::of(-900i32..900), 2..1500)) {
            let mut table = Table::new(&["a"]).unwrap();
            for value in &values {
                table.push(&[value.map(|value| f64::from(value) / 7.0)], 0.0).unwrap();
            }
            let (usable, _) = table.usable_columns(0.0);
            for column in &usable {
                let binned = BinnedColumn::new(column);
                prop_assert!(binned.thresholds.len() < BINS);
                prop_assert!(binned.thresholds.is_sorted_by(|low, high| low < high));
                for (bin, value) in binned.bins.iter().zip(column.values) {
                    match value {
                        None => prop_assert_eq!(*bin, 0),
                        Some(value) => {
                            let bin = usize::from(*bin);
                            prop_assert!(*value <= binned.thresholds[bin - 1]);
                            prop_assert!(bin == 1 || *value > binned.thresholds[bin - 2]);
                        }
                    }
                }
            }
        }
    }
}
