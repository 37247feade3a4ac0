//! The parameters of a training.
//!
//! Invariant: with valid parameters, training ends.
//! Not here: what a parameter does (`linear`, `growth`, `boosting`).
use serde::{Deserialize, Serialize};

/// The parameters of the linear median regression.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinearParameters {
    /// The largest number of steps.
    pub steps: u32,
    /// The regression ends when no weight changes by more than this, in units of the target.
    pub tolerance: f64,
    /// The penalty of squared weights, relative to the number of rows.
    pub ridge: f64,
}
impl Default for LinearParameters {
    fn default() -> Self {
        LinearParameters { steps: 20, tolerance: 1e-3, ridge: 1e-4 }
    }
}

/// The parameters of the boosted trees.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TreeParameters {
    pub trees: u32,
    /// The largest number of leaves of a tree.
    pub leaves: u32,
    /// The share of a leaf's quantile that is added to the forecast.
    pub rate: f64,
    /// The quantile that is forecast; 0.5 is the median.
    pub quantile: f64,
    /// The smallest number of rows of a leaf, as a share of all rows.
    pub min_leaf_share: f64,
    /// A number of rows, as a share of all rows, that is added to that of a leaf when splits are compared: small leaves gain less.
    pub smoothing_share: f64,
}
impl Default for TreeParameters {
    fn default() -> Self {
        TreeParameters {
            trees: 200,
            leaves: 15,
            rate: 0.05,
            quantile: 0.5,
            min_leaf_share: 0.006,
            smoothing_share: 0.02,
        }
    }
}

/// The parameters of the training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// The smallest share of rows in which a column must have a value; a column with fewer values is dropped.
    pub min_present_share: f64,
    pub linear: LinearParameters,
    pub trees: TreeParameters,
}
impl Default for Parameters {
    fn default() -> Self {
        Parameters {
            min_present_share: 0.1,
            linear: LinearParameters::default(),
            trees: TreeParameters::default(),
        }
    }
}
impl Parameters {
    /// True if every parameter has a value with which training ends and gives a model.
    pub(crate) fn is_valid(&self) -> bool {
        let is_share = |value: f64| (0.0..=1.0).contains(&value);
        let TreeParameters { leaves, rate, quantile, min_leaf_share, smoothing_share, .. } = self.trees;
        let LinearParameters { steps, tolerance, ridge } = self.linear;
        let are_shares =
            [self.min_present_share, rate, min_leaf_share, smoothing_share].into_iter().all(is_share);
        let are_numbers = tolerance >= 0.0 && ridge > 0.0 && ridge.is_finite() && steps > 0;
        are_shares && are_numbers && leaves >= 1 && quantile > 0.0 && quantile < 1.0
    }
}
