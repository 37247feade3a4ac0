//! Training: makes a model artifact for `learned_v1` of the features and the results in the log, and measures it on later seasons.
//!
//! Invariant: what a model forecasts in a measurement was played after everything on which it was trained.
//! Not here: the algorithms (crate `models`), the text of an artifact (`processors::predictor`).
mod backtest;
mod evaluation;
mod examples;
mod fitting;
mod spread;
mod train;

pub use backtest::{BacktestReport, SeasonBacktest, backtest};
pub use evaluation::{Difference, Evaluation, LineEvaluation};
pub use train::{InSample, OutOfSample, TrainOptions, TrainReport, train};

/// How far a training is.
#[derive(Clone, Debug, PartialEq)]
pub enum TrainingProgress {
    /// Log and warehouse are audited.
    Audit,
    /// The features and the results are read.
    Reading,
    /// A model is trained.
    Trees {
        /// Whether the model is measured, or written to a file.
        purpose: String,
        grown: u32,
        of: u32,
    },
}
