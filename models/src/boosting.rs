//! Gradient boosting for a quantile: each tree is grown on the signs of what the former ones leave, and its leaves are quantiles of it.
//!
//! J. H. Friedman, "Greedy Function Approximation: A Gradient Boosting Machine" (2001), algorithm LAD_TreeBoost, for any quantile.
//! Invariant: residuals, forecasts and leaves are whole ten-thousandths of the target, so all sums are exact.
//! Not here: the growth of one tree (`growth`).
use crate::{
    bins::BinnedColumn,
    growth::Growth,
    histogram::Counts,
    numbers::quantile,
    parameters::TreeParameters,
    tree::{Tree, UNITS},
};
use std::num::NonZeroUsize;

/// Trees, and the quantile of the residuals to which they add.
pub struct Boosted {
    /// In units of leaves.
    pub offset: i32,
    pub trees: Vec<Tree>,
}

/// Grows trees on the residuals of the rows. `on_tree` is called after each tree.
pub fn boost(
    columns: &[BinnedColumn],
    residuals: &[f64],
    parameters: &TreeParameters,
    threads: NonZeroUsize,
    on_tree: &mut dyn FnMut(),
) -> Boosted {
    // The cast saturates at 214,748 units of the target.
    let mut left: Vec<i32> = residuals.iter().map(|residual| (residual * UNITS).round() as i32).collect();
    let offset = quantile(&mut left.clone(), parameters.quantile);
    left.iter_mut().for_each(|residual| *residual = residual.saturating_sub(offset));
    let mut rows: Vec<u32> = (0..left.len() as u32).collect();
    let mut trees = Vec::new();
    for _ in 0..parameters.trees {
        let counts: Vec<Counts> = left.iter().map(|residual| Counts::one(*residual < 0)).collect();
        let growth = Growth { columns, counts: &counts, parameters, threads };
        let tree = growth.grow(&mut rows, |rows| {
            let mut values: Vec<i32> = rows.iter().map(|row| left[*row as usize]).collect();
            let quantile = quantile(&mut values, parameters.quantile);
            let value = (f64::from(quantile) * parameters.rate).round() as i32;
            rows.iter().for_each(|row| {
                let residual = &mut left[*row as usize];
                *residual = residual.saturating_sub(value);
            });
            value
        });
        trees.push(tree);
        on_tree();
    }
    Boosted { offset, trees }
}
